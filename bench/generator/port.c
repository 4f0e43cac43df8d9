/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include "base/log.h"
#include "os/clock.h"
#include "os/unix.h"
#include "guestq_any.h"
#include "virtio/feature_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_LEN  2048
#define TX_WINDOW   (4u << 20) /* of large frames, to a receiver whose buffers hold one each */
#define HUGEPAGE    (2u << 20)
#define PATIENCE_NS (10 * NS_PER_S)

static uint64_t align_up(uint64_t len, uint64_t align)
{
	return (len + align - 1) / align * align;
}

static uint64_t wanted_features(const struct options *o)
{
	uint64_t features = BIT(VIRTIO_F_VERSION_1);

	if (!o->no_mrg)
		features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (o->packed)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (o->in_order)
		features |= BIT(VIRTIO_F_IN_ORDER);
	if (o->indirect)
		features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (o->gso)
		features |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
			    BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
	return features;
}

/* --- memory and rings --- */

static struct guestq_shape rx_shape(const struct options *o)
{
	const uint32_t whole = (uint32_t)align_up(o->size + VNET_HDR_LEN, CACHE_LINE);

	return (struct guestq_shape){
		.packed = o->packed,
		.in_order = o->in_order,
		.writable = true,
		.size = o->queue_size,
		.n_buffers = o->queue_size,
		.stride = o->no_mrg ? max_u32(BUFFER_LEN, whole) : BUFFER_LEN,
		.len = o->no_mrg ? max_u32(BUFFER_LEN, whole) : BUFFER_LEN,
	};
}

static struct guestq_shape tx_shape(const struct options *o)
{
	const uint32_t stride = (uint32_t)align_up(o->size + VNET_HDR_LEN, BUFFER_LEN);
	const uint64_t window = o->no_mrg ? TX_WINDOW : (uint64_t)o->queue_size * BUFFER_LEN;
	uint32_t n = o->queue_size;

	while (stride > BUFFER_LEN && n > 1 && n * (uint64_t)stride > window)
		n /= 2;
	return (struct guestq_shape){
		.packed = o->packed,
		.in_order = o->in_order,
		.indirect = o->indirect,
		.size = o->queue_size,
		.n_buffers = n,
		.stride = stride,
		.len = o->size + VNET_HDR_LEN,
	};
}

static int memory_make(struct port *p, uint64_t len)
{
	const bool huge = p->options->hugepages;
	void *memory;

	p->memory_len = align_up(len, huge ? HUGEPAGE : (uint64_t)sysconf(_SC_PAGESIZE));
	p->memory_fd = memfd_create(
		"generator", MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	if (p->memory_fd < 0)
		return -errno;
	if (ftruncate(p->memory_fd, (off_t)p->memory_len) != 0 ||
		fcntl(p->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return -errno;
	memory =
		mmap(NULL, p->memory_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->memory_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	p->memory = memory;
	/* a page that is not there would be found by the first frames */
	memset(p->memory, 0, p->memory_len);
	return 0;
}

static void memory_drop(struct port *p)
{
	guestq_fini(&p->rx);
	guestq_fini(&p->tx);
	if (p->memory)
		munmap(p->memory, p->memory_len);
	if (p->memory_fd >= 0)
		close(p->memory_fd);
	p->memory = NULL;
	p->memory_fd = -1;
}

static int rings_make(struct port *p)
{
	const struct guestq_shape rx = rx_shape(p->options), tx = tx_shape(p->options);
	const uint64_t rx_len = align_up(guestq_memory_len(&rx), BUFFER_LEN);
	int err = memory_make(p, rx_len + guestq_memory_len(&tx));

	if (err)
		return err;
	err = guestq_init(&p->rx, &rx, p->memory);
	if (err)
		return err;
	err = guestq_init(&p->tx, &tx, p->memory + rx_len);
	for (uint32_t i = 0; i < tx.n_buffers; i++)
		frame_build(p->shape, guestq_buffer(&p->tx, i), p->index, p->partner);
	return err;
}

/* --- what vhost/ asks and tells --- */

static struct vhost_frontend_ring ring_plan(const struct guestq *r, const struct guestq_shape *s)
{
	return (struct vhost_frontend_ring){
		.size = s->size,
		.base = guestq_base(s),
		.desc = r->desc,
		.avail = r->avail,
		.used = r->used,
		.kick_fd = r->kick_fd,
		.call_fd = r->call_fd,
	};
}

static int on_prepare(void *driver, uint64_t features, uint32_t n_rings, struct vhost_frontend_plan *plan)
{
	struct port *p = driver;
	const struct guestq_shape rx = rx_shape(p->options), tx = tx_shape(p->options);
	int err;

	if (n_rings < 2)
		return -EOPNOTSUPP;
	err = rings_make(p);
	if (err) {
		if (!p->complained) /* vhost/ tries again and again */
			fprintf(stderr, "generator: no memory for a guest: %s%s\n", strerror(-err),
				p->options->hugepages ? ": raise vm.nr_hugepages, or leave --hugepages out"
						      : "");
		p->complained = true;
		memory_drop(p);
		return err;
	}
	p->features = features;
	plan->memory_fd = p->memory_fd;
	plan->memory = p->memory;
	plan->memory_len = p->memory_len;
	plan->n_rings = 2;
	plan->rings[0] = ring_plan(&p->rx, &rx);
	plan->rings[1] = ring_plan(&p->tx, &tx);
	return 0;
}

static void on_started(void *driver)
{
	struct port *p = driver;

	p->started = true;
}

static void on_stopped(void *driver)
{
	struct port *p = driver;

	p->ended = p->started;
	p->started = false;
	memory_drop(p);
}

static const struct vhost_driver driver = {
	.prepare = on_prepare, .started = on_started, .stopped = on_stopped};

/* --- all of them --- */

static void port_init(struct port *p, struct ports *ports, uint32_t index)
{
	const struct options *o = ports->options;

	*p = (struct port){
		.index = index,
		.partner = index ^ 1,
		.expected = frame_number(index ^ 1, 0),
		.next = frame_number(index, 0),
		.sends = !(index % 2 && (o->one_way || o->echo)),
		.echoes = index % 2 && o->echo,
		.options = o,
		.shape = &ports->shape,
		.memory_fd = -1,
	};
	p->rx.kick_fd = p->rx.call_fd = p->tx.kick_fd = p->tx.call_fd = -1;
	memset(p->missing, 0xff, sizeof(p->missing));
}

static int port_connect(struct port *p, struct loop *loop)
{
	const uint64_t features = wanted_features(p->options);
	const struct vhost_frontend_config config = {
		.path = p->options->paths[p->index],
		.server = p->options->server,
		.mode = 0600,
		.features = features,
		.required = features,
		.n_rings = 2,
		.name = p->options->paths[p->index],
		.feature_name = virtio_net_feature_name,
		.retry_ns = 20 * NS_PER_MS,
		.ops = &driver,
		.driver = p,
	};
	int err = vhost_frontend_create(&p->frontend, loop, &config);
	char why[256];

	if (err)
		fprintf(stderr, "generator: %s\n", unix_explain(err, config.path, why, sizeof(why)));
	return err;
}

/* NULL: all ports are served. */
static const struct port *first_waiting(const struct ports *ports)
{
	for (uint32_t i = 0; i < ports->n; i++)
		if (!ports->all[i].started)
			return &ports->all[i];
	return NULL;
}

static const char *mend(const struct options *o, int err)
{
	if (err == -EOPNOTSUPP)
		return "leave the option out that asks for it";
	return o->server ? "let the switch connect there" : "start the switch first, with this port";
}

static int wait_until_served(struct ports *ports)
{
	const uint64_t deadline = clock_now_ns() + PATIENCE_NS;
	struct vhost_frontend_status status;
	const struct port *p;

	while ((p = first_waiting(ports))) {
		vhost_frontend_status(p->frontend, &status);
		if (clock_now_ns() < deadline && status.error != -EOPNOTSUPP) {
			loop_turn(ports->loop, NS_PER_MS);
			continue;
		}
		fprintf(stderr, "generator: the switch does not serve %s: %s: %s\n", status.path,
			status.why[0] ? status.why : "no answer within 10 s",
			mend(ports->options, status.error));
		return -ETIMEDOUT;
	}
	return 0;
}

int ports_open(struct ports *ports, const struct options *options)
{
	int err;

	*ports = (struct ports){.n = options->n_ports, .options = options, .shape = frame_shape(options)};
	ports->buffers_per_frame = options->no_mrg ? 1 : (options->size + VNET_HDR_LEN - 1) / BUFFER_LEN + 1;
	ports->all = aligned_alloc(CACHE_LINE, align_up(ports->n * sizeof(ports->all[0]), CACHE_LINE));
	err = ports->all ? loop_create(&ports->loop) : -ENOMEM;
	if (err) {
		fprintf(stderr, "generator: %s\n", strerror(-err));
		return err;
	}
	log_set_level(LOG_LEVEL_ERROR);
	for (uint32_t i = 0; i < ports->n; i++)
		port_init(&ports->all[i], ports, i);
	for (uint32_t i = 0; i < ports->n; i++) {
		err = port_connect(&ports->all[i], ports->loop);
		if (err)
			return err;
	}
	return wait_until_served(ports);
}

void ports_close(struct ports *ports)
{
	for (uint32_t i = 0; ports->all && i < ports->n; i++)
		vhost_frontend_destroy(ports->all[i].frontend);
	if (ports->loop)
		loop_destroy(ports->loop);
	free(ports->all);
}

bool ports_attend(struct ports *ports)
{
	loop_turn(ports->loop, 0);
	for (uint32_t i = 0; i < ports->n; i++) {
		const struct port *p = &ports->all[i];
		const char *why = p->ended       ? "the switch left"
				  : p->rx.broken ? "receive buffers came back in disorder, or a frame in none"
				  : p->tx.broken ? "transmit buffers came back in disorder"
						 : NULL;

		if (why) {
			fprintf(stderr, "generator: %s: %s\n", ports->options->paths[i], why);
			return false;
		}
	}
	return true;
}
