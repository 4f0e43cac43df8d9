/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of one life, ring by ring: descriptors and indexes, then as many buffers as there are descriptors.
 *
 * Buffers hold an ordinary frame; larger frames take several, both ways, or where that was not negotiated each receive
 * buffer holds the largest frame that may come (virtio 1.2, 5.1.6.3.1). In a small ring they are longer, so that any frame
 * fits into the ring as a whole.
 */
#include "port/virtio_user_port.h"

#include "os/foreign.h"
#include "port/vnet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_LEN 2048
#define FRAME_LEN  (PKT_LEN_MAX + (uint32_t)VNET_HDR_LEN)

#define LARGE_RX_FEATURES                                                                             \
	(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_USO4) | \
		BIT(VIRTIO_NET_F_GUEST_USO6))

static uint64_t align_up(uint64_t len, uint64_t align)
{
	return (len + align - 1) / align * align;
}

static bool is_rx(uint32_t ring)
{
	return ring % 2 == 0;
}

static uint32_t buffer_len(uint64_t features, uint32_t ring, uint32_t size)
{
	uint32_t whole = 1; /* buffers that must hold any frame together */

	if (!is_rx(ring) || features & BIT(VIRTIO_NET_F_MRG_RXBUF))
		whole = size;
	else if (!(features & LARGE_RX_FEATURES))
		return BUFFER_LEN;
	return max_u32(BUFFER_LEN, (uint32_t)align_up((FRAME_LEN + whole - 1) / whole, CACHE_LINE));
}

/* What all rings have in common. */
struct shape {
	uint64_t features;
	uint32_t n_rings, size;
	struct driverq_layout layout;
};

static struct shape shape_of(uint64_t features, uint32_t n_rings, uint32_t size)
{
	bool packed = features & BIT(VIRTIO_F_RING_PACKED);

	if (!packed)
		size = 1u << (31 - __builtin_clz(size));
	return (struct shape){.features = features,
		.n_rings = n_rings,
		.size = size,
		.layout = driverq_layout(size, packed)};
}

static uint64_t ring_len(const struct shape *shape, uint32_t ring)
{
	return shape->layout.len + (uint64_t)shape->size * buffer_len(shape->features, ring, shape->size);
}

static int memory_make(struct virtio_user_life *life, const struct shape *shape)
{
	void *memory;

	for (uint32_t i = 0; i < shape->n_rings; i++)
		life->memory_len += ring_len(shape, i);
	life->memory_len = align_up(life->memory_len, (uint64_t)sysconf(_SC_PAGESIZE));
	life->memfd = memfd_create("virtio-user", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (life->memfd < 0)
		return -errno;
	if (ftruncate(life->memfd, (off_t)life->memory_len) != 0 ||
		fcntl(life->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return -errno;
	memory = mmap(
		NULL, life->memory_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, life->memfd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	life->memory = memory;
	return 0;
}

static int queue_make(struct virtio_user_life *life, const struct shape *shape, uint32_t ring, uint8_t *at)
{
	struct virtio_user_queue *q = &life->queues[ring];
	struct driverq_setup setup = {
		.size = shape->size,
		.features = shape->features,
		.ring = at,
		.buffers = at + shape->layout.len,
		.buffer_len = buffer_len(shape->features, ring, shape->size),
		.writable = is_rx(ring),
		.blocked = &life->kick_blocked,
	};
	int err;

	q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->kick_fd < 0)
		return -errno;
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->call_fd < 0)
		return -errno;
	setup.kick_fd = q->kick_fd;
	err = driverq_init(&q->vq, &setup);
	if (err)
		return err;
	if (is_rx(ring))
		virtio_user_refill(&q->vq);
	return 0;
}

int virtio_user_life_create(
	struct virtio_user_life **out, uint64_t features, uint32_t n_rings, uint32_t queue_size)
{
	const struct shape shape = shape_of(features, n_rings, queue_size);
	struct virtio_user_life *life = calloc(1, sizeof(*life) + n_rings * sizeof(life->queues[0]));
	uint8_t *at;
	int err;

	if (!life)
		return -ENOMEM;
	life->memfd = -1;
	life->features = features;
	life->caps = vnet_host_caps(features);
	life->mrg_rxbuf = features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	life->n_rings = n_rings;
	for (uint32_t i = 0; i < n_rings; i++) {
		life->queues[i].kick_fd = life->queues[i].call_fd = -1;
		pthread_spin_init(&life->queues[i].lock, PTHREAD_PROCESS_PRIVATE);
	}
	err = memory_make(life, &shape);
	at = life->memory;
	for (uint32_t i = 0; i < n_rings && err == 0; i++) {
		err = queue_make(life, &shape, i, at);
		at += ring_len(&shape, i);
	}
	if (err)
		virtio_user_life_destroy(life);
	else
		*out = life;
	return err;
}

/* The back-end has the same files: none of them may be waited for. */
void virtio_user_life_destroy(struct virtio_user_life *life)
{
	for (uint32_t i = 0; i < life->n_rings; i++) {
		struct virtio_user_queue *q = &life->queues[i];

		driverq_fini(&q->vq);
		if (q->kick_fd >= 0)
			foreign_close(q->kick_fd);
		if (q->call_fd >= 0)
			foreign_close(q->call_fd);
		pthread_spin_destroy(&q->lock);
	}
	if (life->memory)
		munmap(life->memory, life->memory_len);
	if (life->memfd >= 0)
		foreign_close(life->memfd);
	free(life);
}

void virtio_user_life_plan(const struct virtio_user_life *life, struct vhost_frontend_plan *plan)
{
	plan->memory_fd = life->memfd;
	plan->memory = life->memory;
	plan->memory_len = life->memory_len;
	plan->n_rings = life->n_rings;
	for (uint32_t i = 0; i < life->n_rings; i++) {
		const struct virtio_user_queue *q = &life->queues[i];

		plan->rings[i] = (struct vhost_frontend_ring){
			.size = q->vq.size,
			.base = driverq_base(&q->vq),
			.desc = q->vq.desc,
			.avail = q->vq.avail,
			.used = q->vq.used,
			.kick_fd = q->kick_fd,
			.call_fd = q->call_fd,
		};
	}
}
