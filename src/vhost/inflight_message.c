/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET_INFLIGHT_FD and SET_INFLIGHT_FD: one piece of memory with an area for each ring. We make it, the front-end keeps
 * it, and hands it to us again or to our successor.
 */
#include "vhost/backend_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool rings_packed(const struct vhost_backend *b)
{
	return b->features & BIT(VIRTIO_F_RING_PACKED);
}

static uint64_t stride(const struct vhost_backend *b, uint32_t queue_size)
{
	return inflight_area_len(queue_size, rings_packed(b));
}

static int check_shape(const struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_inflight *i = &m->payload.inflight;

	if (i->num_queues == 0 || i->num_queues > b->n_rings)
		return message_refuse(
			m, -EINVAL, "areas for %u rings: this device has %u", i->num_queues, b->n_rings);
	if (i->queue_size == 0 || i->queue_size > VIRTQ_MAX_SIZE)
		return message_refuse(m, -EINVAL, "areas for rings of %u entries", i->queue_size);
	return 0;
}

/* Nobody can cut it short. The fd, or -errno. */
static int make_file(uint64_t size)
{
	int err, fd = memfd_create("vhost inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int replace_map(
	struct vhost_backend *b, const struct shared_map *map, uint32_t queue_size, struct message *m)
{
	rings_pause(b, RINGS_ALL);
	shared_unmap(&b->inflight.map);
	b->inflight.map = *map;
	b->inflight.queue_size = queue_size;
	b->inflight.stride = stride(b, queue_size);
	b->inflight.restored = false;
	return rings_run(b, RINGS_ALL, m);
}

static int make_areas(struct vhost_backend *b, struct message *m)
{
	struct vhost_user_inflight *i = &m->payload.inflight;
	struct vhost_user_log piece = {0};
	struct shared_map map;
	int err = check_shape(b, m);

	if (err)
		return err;
	piece.size = stride(b, i->queue_size) * i->num_queues;
	m->reply_fd = make_file(piece.size);
	if (m->reply_fd < 0)
		return message_refuse(m, m->reply_fd, "no memory for it: %s", strerror(-m->reply_fd));
	err = shared_map(&map, "inflight area", m->reply_fd, &piece, m);
	if (err == 0)
		err = replace_map(b, &map, i->queue_size, m);
	i->mmap_size = piece.size;
	i->mmap_offset = 0;
	return err;
}

/* An area of size 0, without a descriptor, says that there is none; front-ends do without. */
int handle_get_inflight_fd(struct vhost_backend *b, struct message *m)
{
	int err = make_areas(b, m);

	if (err == 0)
		return 0;
	message_refused(b, m, err);
	if (m->reply_fd >= 0)
		close(m->reply_fd);
	m->reply_fd = -1;
	m->payload.inflight.mmap_size = 0;
	m->payload.inflight.mmap_offset = 0;
	return 0;
}

int handle_set_inflight_fd(struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_inflight *i = &m->payload.inflight;
	struct vhost_user_log piece = {.size = i->mmap_size, .offset = i->mmap_offset};
	struct shared_map map;
	int err = check_shape(b, m);

	if (err)
		return err;
	if (piece.size < stride(b, i->queue_size) * i->num_queues || piece.offset % sizeof(uint64_t) != 0)
		return message_refuse(m, -EINVAL, "inflight area is too short or misaligned");
	piece.size = stride(b, i->queue_size) * i->num_queues;
	err = shared_map(&map, "inflight area", m->cargo.fds[0], &piece, m);
	return err ? err : replace_map(b, &map, i->queue_size, m);
}

/* Where the ring's area lies; NULL when there is none. */
static void *area_of(const struct vhost_backend *b, const struct ring *r)
{
	uint64_t at = r->shared.idx * b->inflight.stride;

	return b->inflight.map.at && at < b->inflight.map.size ? b->inflight.map.at + at : NULL;
}

static bool area_fits(const struct vhost_backend *b, const struct ring *r, const void *area)
{
	uint64_t at = r->shared.idx * b->inflight.stride;

	return r->size <= b->inflight.queue_size && (uintptr_t)area % sizeof(uint64_t) == 0 &&
	       inflight_area_len(r->size, rings_packed(b)) <= b->inflight.map.size - at;
}

/*
 * What a device with this ring keeps up to date. A ring that goes on after a pause has returned everything, so it is only
 * when it begins a new life that there may be something left.
 */
int inflight_of_ring(struct vhost_backend *b, struct ring *r, struct virtq_setup *setup, struct message *m)
{
	void *area = area_of(b, r);
	bool packed = rings_packed(b);
	int err;

	r->shared.inflight = NULL;
	if (!area)
		return 0;
	err = area_fits(b, r, area) ? 0 : -EINVAL;
	if (err == 0 && !r->fresh && r->inflight.area != area && !b->inflight.restored)
		memset(area, 0, inflight_area_len(r->size, packed)); /* what it tells is not of this life */
	if (err == 0 && (r->fresh || r->inflight.area != area))
		err = inflight_ring_open(&r->inflight, area, (uint16_t)r->size, packed, &setup->base);
	if (err)
		return message_refuse(m, err, "ring %u does not fit its inflight area", r->shared.idx);
	if (packed)
		setup->fresh = false; /* at its base, exactly */
	r->shared.inflight = &r->inflight;
	return 0;
}
