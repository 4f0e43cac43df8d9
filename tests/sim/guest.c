/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "base/check.h"
#include "guest_packed.h"
#include "base/test.h"
#include "port/vhost_port.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE     4096u
#define GAP      8u
#define GAP_BYTE 0xa5
/* The front-end's address of guest address 0. */
#define UADDR 0x7f0000000000ull

/* --- memory and rings --- */

static uint64_t gpa_alloc(struct guest *g, uint64_t len)
{
	uint64_t gpa = g->next_gpa;

	g->next_gpa += (len + PAGE - 1) / PAGE * PAGE;
	return gpa;
}

static void queue_place(struct guest *g, struct guest_queue *q, uint16_t size)
{
	q->size = size;
	q->desc_gpa = gpa_alloc(g, size * sizeof(struct vring_desc));
	q->avail_gpa = gpa_alloc(g, sizeof(struct vring_avail) + (size + 1u) * sizeof(uint16_t));
	q->used_gpa = gpa_alloc(
		g, sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + sizeof(uint16_t));
	q->tables_gpa = gpa_alloc(g, (uint64_t)size * GUEST_TABLE_LEN);
}

static void chains_forget(struct guest_queue *q)
{
	q->n_free = q->size;
	for (uint32_t i = 0; i < q->size; i++)
		q->free[i] = (uint16_t)(q->size - 1 - i);
	memset(q->chains, 0, sizeof(q->chains));
	q->returned = q->posted;
}

static void queue_init(struct guest *g, struct guest_queue *q)
{
	q->slabs_gpa = gpa_alloc(g, (uint64_t)q->size * GUEST_SLAB);
	chains_forget(q);
	q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(q->kick_fd >= 0 && q->call_fd >= 0 && q->err_fd >= 0);
}

/* The driver makes a new ring. Returns its base. */
static uint32_t queue_reset(struct guest *g, struct guest_queue *q, uint16_t start)
{
	q->is_packed = g->features & FEATURE(VIRTIO_F_RING_PACKED);
	if (q->is_packed) {
		packed_reset(g, q, start);
		return packed_base(q);
	}
	q->desc = guest_at(g, q->desc_gpa);
	q->avail = guest_at(g, q->avail_gpa);
	q->used = guest_at(g, q->used_gpa);
	q->next_avail = start;
	q->used_seen = start;
	*q->avail = (struct vring_avail){.idx = start};
	*q->used = (struct vring_used){.idx = start};
	return start;
}

bool guest_packed_wanted(void)
{
	const char *ring = getenv("GINNEL_SIM_RING");

	return ring && strcmp(ring, "packed") == 0;
}

static void take_features(struct guest *g, uint64_t features)
{
	bool long_header = features & (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF));

	if (guest_packed_wanted())
		features |= FEATURE(VIRTIO_F_RING_PACKED);
	g->features = features;
	g->hdr_len = long_header ? sizeof(struct virtio_net_hdr_mrg_rxbuf) : sizeof(struct virtio_net_hdr);
}

void guest_set_features(struct guest *g, uint64_t features)
{
	ASSERT(!g->backend && guest_outstanding(g, GUEST_RX) == 0 && guest_outstanding(g, GUEST_TX) == 0);
	take_features(g, features);
	for (uint32_t i = 0; i < g->n_queues; i++)
		g->bases[i] = queue_reset(g, &g->queues[i], 0);
}

void guest_reset(struct guest *g, uint64_t features)
{
	for (uint32_t i = 0; i < g->n_queues; i++)
		chains_forget(&g->queues[i]);
	guest_set_features(g, features);
}

static uint16_t default_size(const struct guest *g)
{
	return g->features & FEATURE(VIRTIO_F_RING_PACKED) ? GUEST_SIZE_MAX - 5 : GUEST_SIZE_MAX;
}

void guest_create(struct guest *g, const struct guest_config *config)
{
	uint16_t size;

	memset(g, 0, sizeof(*g));
	take_features(g, config->features);
	size = config->size ? config->size : default_size(g);
	g->next_gpa = PAGE; /* nothing lies at address 0 */
	g->n_queues = 2u * (config->pairs ? config->pairs : 1u);
	if (config->ctrl)
		g->ctrl = g->n_queues++;
	ASSERT(g->n_queues <= GUEST_QUEUES_MAX);
	for (uint32_t i = 0; i < g->n_queues; i++)
		queue_place(g, &g->queues[i], size);
	for (uint32_t i = 0; i < g->n_queues; i++)
		queue_init(g, &g->queues[i]);
	g->mem_len = g->next_gpa;
	g->memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(g->memfd >= 0 && ftruncate(g->memfd, (off_t)g->mem_len) == 0);
	if (config->logged) {
		g->log.size = g->mem_len / DIRTY_LOG_PAGE / 8 + 1;
		g->log.bits = calloc(1, g->log.size);
		assert_non_null(g->log.bits);
	}
	g->mem = mmap(NULL, g->mem_len, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);
	assert_true(g->mem != MAP_FAILED);
	for (uint32_t i = 0; i < g->n_queues; i++)
		g->bases[i] = queue_reset(g, &g->queues[i], config->start);
}

void guest_destroy(struct guest *g)
{
	guest_disconnect(g);
	for (uint32_t i = 0; i < g->n_queues; i++) {
		close(g->queues[i].kick_fd);
		close(g->queues[i].call_fd);
		close(g->queues[i].err_fd);
	}
	free(g->log.bits);
	munmap(g->mem, g->mem_len);
	close(g->memfd);
}

/* The seam lies in the middle of the first receive slab: in no page of the rings, in the way of every first
 * buffer. */
static void guest_map_for_switch(struct guest *g)
{
	uint64_t seam = g->queues[GUEST_RX].slabs_gpa + PAGE;
	const struct gmem_spec specs[] = {
		{.gpa = 0, .size = seam, .uaddr = UADDR, .offset = 0, .fd = g->memfd},
		{.gpa = seam,
			.size = g->mem_len - seam,
			.uaddr = UADDR + seam,
			.offset = seam,
			.fd = g->memfd},
	};
	char why[128];

	assert_int_equal(gmem_create(&g->gmem, specs, ARRAY_LEN(specs), why, sizeof(why)), 0);
}

/* Behind all rings that the driver knows of: with MQ it was told how many pairs the device has. */
static uint32_t ring_of(const struct guest *g, uint32_t queue)
{
	if (!g->ctrl || queue != g->ctrl)
		return queue;
	return g->features & FEATURE(VIRTIO_NET_F_MQ) ? VHOST_PORT_RINGS - 1 : 2;
}

static void ring_start(struct guest *g, uint32_t idx)
{
	struct guest_queue *q = &g->queues[idx];
	struct vhost_ring *ring = &g->rings[idx];
	const char *why = NULL;
	const struct virtq_setup setup = {
		.size = q->size,
		/* what GET_VRING_BASE said when the ring was stopped is what SET_VRING_BASE says now */
		.base = g->bases[idx],
		.fresh = g->fresh,
		.desc_uaddr = UADDR + q->desc_gpa,
		.avail_uaddr = UADDR + q->avail_gpa,
		.used_uaddr = UADDR + q->used_gpa,
		.features = g->features,
		.call = bell_eventfd(q->call_fd),
		.err = bell_eventfd(q->err_fd),
	};

	ring->idx = (uint16_t)ring_of(g, idx);
	ring->kick_fd = q->kick_fd;
	ring->enabled = true;
	assert_int_equal(virtq_start(&ring->vq, g->gmem, &setup, &why), 0);
	ring->vq.log = g->log.bits ? &g->log : NULL;
	ring->vq.log_used = true;
	ring->vq.log_used_gpa = q->used_gpa;
	engine_publish(g->backend, ring);
}

void guest_connect(struct guest *g, struct vhost_backend *b)
{
	ASSERT(!g->backend);
	g->backend = b;
	guest_map_for_switch(g);
	engine_connect(b, g->features);
	for (uint32_t i = 0; i < g->n_queues; i++)
		ring_start(g, i);
}

void guest_disconnect(struct guest *g)
{
	if (!g->backend)
		return;
	engine_disconnect(g->backend);
	g->backend = NULL;
	for (uint32_t i = 0; i < g->n_queues; i++)
		g->bases[i] = virtq_stop(&g->rings[i].vq);
	gmem_destroy(g->gmem);
	g->gmem = NULL;
}

void guest_enable(struct guest *g, uint32_t queue, bool enabled)
{
	struct vhost_ring *ring = &g->rings[queue];

	engine_unpublish(g->backend, ring->idx);
	ring->enabled = enabled;
	engine_publish(g->backend, ring);
}

/* --- chains --- */

struct guest_layout guest_layout_one(uint32_t len)
{
	return (struct guest_layout){.n = 1, .lens = {len}};
}

struct guest_layout guest_layout_even(uint32_t len, uint32_t n)
{
	struct guest_layout layout = {.n = n};

	ASSERT(n > 0 && n <= GUEST_PIECES_MAX);
	for (uint32_t i = 0; i < n; i++)
		layout.lens[i] = len / n;
	layout.lens[n - 1] += len % n;
	return layout;
}

/* Lays the pieces out in the head's slab. */
static void chain_place(
	struct guest *g, struct guest_queue *q, uint16_t head, const struct guest_layout *layout)
{
	struct guest_chain *c = &q->chains[head];
	uint64_t gpa = q->slabs_gpa + (uint64_t)head * GUEST_SLAB;

	c->n = layout->n;
	for (uint32_t i = 0; i < c->n; i++) {
		c->gpa[i] = gpa;
		c->len[i] = layout->lens[i];
		gpa += c->len[i];
		memset(guest_at(g, gpa), GAP_BYTE, GAP);
		gpa += GAP + i % 5;
	}
	assert_true(gpa <= q->slabs_gpa + (head + 1ull) * GUEST_SLAB);
}

static void desc_set(struct vring_desc *d, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	*d = (struct vring_desc){.addr = gpa, .len = len, .flags = flags, .next = next};
}

/* Writes the pieces as descriptors: into the queue's table, or into a table of their own. */
static void chain_describe(struct guest *g, struct guest_queue *q, uint16_t head, bool indirect)
{
	struct guest_chain *c = &q->chains[head];
	uint64_t table_gpa = q->tables_gpa + (uint64_t)head * GUEST_TABLE_LEN;
	struct vring_desc *table = indirect ? guest_at(g, table_gpa) : q->desc;

	for (uint32_t i = 0; i < c->n; i++) {
		bool last = i == c->n - 1;
		uint16_t at = indirect ? (uint16_t)i : c->desc[i];
		uint16_t next = last ? 0 : indirect ? (uint16_t)(i + 1) : c->desc[i + 1];

		desc_set(&table[at], c->gpa[i], c->len[i],
			(i < c->n_read ? 0 : VRING_DESC_F_WRITE) | (last ? 0 : VRING_DESC_F_NEXT), next);
	}
	if (indirect)
		desc_set(
			&q->desc[head], table_gpa, c->n * (uint32_t)sizeof(*table), VRING_DESC_F_INDIRECT, 0);
}

/* The device reads n_read pieces and writes the others. */
static void chain_offer(struct guest *g, struct guest_queue *q, uint16_t head, uint32_t n_read, bool indirect)
{
	q->chains[head].n_read = n_read;
	q->posted++;
	if (q->is_packed) {
		packed_offer(g, q, head, indirect);
		return;
	}
	chain_describe(g, q, head, indirect);
	__atomic_store_n(&q->avail->ring[q->next_avail++ & (q->size - 1)], head, __ATOMIC_RELAXED);
}

/* The head of a chain that is laid out, or -1. */
static int chain_take(struct guest *g, struct guest_queue *q, const struct guest_layout *layout)
{
	uint32_t n_desc = layout->indirect ? 1 : layout->n;
	struct guest_chain *c;
	uint16_t head;

	ASSERT(layout->n > 0 && layout->n <= GUEST_PIECES_MAX);
	if (q->n_free < n_desc)
		return -1;
	head = q->free[q->n_free - 1];
	c = &q->chains[head];
	assert_false(c->posted);
	c->posted = true;
	c->n_desc = n_desc;
	for (uint32_t i = 0; i < n_desc; i++)
		c->desc[i] = q->free[--q->n_free];
	chain_place(g, q, head, layout);
	return head;
}

/* A buffer comes back: once, and nothing outside its pieces was written. */
static struct guest_chain *chain_return(struct guest *g, struct guest_queue *q, uint32_t head)
{
	static const uint8_t gap[GAP] = {
		GAP_BYTE, GAP_BYTE, GAP_BYTE, GAP_BYTE, GAP_BYTE, GAP_BYTE, GAP_BYTE, GAP_BYTE};
	struct guest_chain *c;

	assert_true(head < q->size);
	c = &q->chains[head];
	assert_true(c->posted);
	c->posted = false;
	for (uint32_t i = 0; i < c->n; i++)
		assert_memory_equal(guest_at(g, c->gpa[i] + c->len[i]), gap, GAP);
	for (uint32_t i = c->n_desc; i > 0; i--)
		q->free[q->n_free++] = c->desc[i - 1];
	q->returned++;
	return c;
}

/* The bytes that lie together from offset `at` of the chain on; *run says how many, at most len. */
static uint8_t *chain_run(
	struct guest *g, const struct guest_chain *c, uint32_t at, uint32_t len, uint32_t *run)
{
	uint32_t i = 0;

	for (; i < c->n && at >= c->len[i]; i++)
		at -= c->len[i];
	assert_true(i < c->n);
	*run = min_u32(c->len[i] - at, len);
	return guest_at(g, c->gpa[i] + at);
}

static void chain_write(
	struct guest *g, const struct guest_chain *c, uint32_t at, const void *from, uint32_t len)
{
	for (uint32_t done = 0, run; done < len; done += run) {
		uint8_t *to = chain_run(g, c, at + done, len - done, &run);

		memcpy(to, (const uint8_t *)from + done, run);
	}
}

static void chain_read(struct guest *g, const struct guest_chain *c, uint8_t *to, uint32_t len)
{
	for (uint32_t done = 0, run; done < len; done += run) {
		const uint8_t *from = chain_run(g, c, done, len - done, &run);

		memcpy(to + done, from, run);
	}
}

static bool post_on(struct guest *g, uint32_t queue, const struct guest_layout *layout)
{
	struct guest_queue *q = &g->queues[queue];
	int head = chain_take(g, q, layout);

	if (head < 0)
		return false;
	chain_offer(g, q, (uint16_t)head, 0, layout->indirect);
	return true;
}

bool guest_post(struct guest *g, const struct guest_layout *layout)
{
	return post_on(g, GUEST_RX, layout);
}

void guest_post_n(struct guest *g, uint32_t n, uint32_t len)
{
	guest_post_n_on(g, GUEST_RX, n, len);
}

void guest_post_n_on(struct guest *g, uint32_t queue, uint32_t n, uint32_t len)
{
	const struct guest_layout layout = guest_layout_one(len);

	for (uint32_t i = 0; i < n; i++)
		assert_true(post_on(g, queue, &layout));
	guest_kick(g, queue);
}

bool guest_send(struct guest *g, const struct virtio_net_hdr *hdr, const uint8_t *frame, uint32_t len,
	const struct guest_layout *layout)
{
	/* num_buffers is nonsense in this direction and must be ignored */
	struct virtio_net_hdr_mrg_rxbuf all = {.num_buffers = 0x5555};
	struct guest_queue *q = &g->queues[GUEST_TX];
	int head = chain_take(g, q, layout);
	struct guest_chain *c;

	if (head < 0)
		return false;
	c = &q->chains[head];
	if (hdr)
		all.hdr = *hdr;
	chain_write(g, c, 0, &all, g->hdr_len);
	chain_write(g, c, g->hdr_len, frame, len);
	chain_offer(g, q, (uint16_t)head, layout->n, layout->indirect);
	return true;
}

/* --- notification --- */

static bool event_idx(const struct guest *g)
{
	return g->features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
}

/* The device sees what was offered. False: there was nothing; *old is where it began. */
static bool publish(struct guest_queue *q, uint16_t *old)
{
	if (q->is_packed)
		return packed_publish(q);
	*old = q->avail->idx;
	/* pairs with the device's acquire of the index */
	__atomic_store_n(&q->avail->idx, q->next_avail, __ATOMIC_RELEASE);
	return *old != q->next_avail;
}

static bool device_wants_kick(const struct guest *g, const struct guest_queue *q, uint16_t old)
{
	const __virtio16 *avail_event;

	if (q->is_packed)
		return packed_wants_kick(g, q);
	avail_event = (const __virtio16 *)(const void *)&q->used->ring[q->size];
	if (event_idx(g))
		return vring_need_event(__atomic_load_n(avail_event, __ATOMIC_RELAXED), q->next_avail, old);
	return !(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

void guest_kick(struct guest *g, uint32_t queue)
{
	struct guest_queue *q = &g->queues[queue];
	uint64_t one = 1;
	uint16_t old = 0;

	if (!publish(q, &old))
		return;
	/* what was published before the look at what the device wants: pairs with virtq_arm() */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!device_wants_kick(g, q, old)) {
		q->kicks_saved++;
		return;
	}
	q->kicks++;
	assert_int_equal(write(q->kick_fd, &one, sizeof(one)), sizeof(one));
}

void guest_want_calls(struct guest *g, uint32_t queue, bool wanted)
{
	struct guest_queue *q = &g->queues[queue];

	if (q->is_packed)
		packed_want_calls(g, q, wanted);
	else if (event_idx(g))
		__atomic_store_n(&q->avail->ring[q->size],
			(uint16_t)(wanted ? q->used_seen : q->used_seen + 0x8000), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
	/* pairs with virtq_flush() */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

uint64_t guest_calls(struct guest *g, uint32_t queue)
{
	return signals(g->queues[queue].call_fd);
}

uint64_t guest_errors(struct guest *g, uint32_t queue)
{
	return signals(g->queues[queue].err_fd);
}

/* --- what comes back --- */

/* The next used entry, or false. Pairs with the device's release of the index. */
static bool used_next(struct guest_queue *q, struct vring_used_elem *out)
{
	const struct vring_used_elem *e;
	uint16_t n;

	if (q->is_packed)
		return packed_used_next(q, out);
	e = &q->used->ring[q->used_seen & (q->size - 1)];
	n = (uint16_t)(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) - q->used_seen);
	assert_true(n <= q->size);
	if (n == 0)
		return false;
	*out = *e;
	q->used_seen++;
	return true;
}

/* Adds a used buffer's bytes to a frame's, header included. */
static uint32_t take_buffer(
	struct guest *g, uint32_t queue, const struct vring_used_elem *e, uint8_t *to, uint32_t room)
{
	struct guest_chain *c = chain_return(g, &g->queues[queue], e->id);

	assert_true(e->len <= room);
	chain_read(g, c, to, e->len);
	return e->len;
}

bool guest_receive_on(struct guest *g, uint32_t queue, struct guest_frame *out)
{
	static uint8_t bytes[GUEST_BUFFER_MAX];
	struct vring_used_elem e;
	uint32_t len;

	if (!used_next(&g->queues[queue], &e))
		return false;
	len = take_buffer(g, queue, &e, bytes, sizeof(bytes));
	assert_true(len >= g->hdr_len);
	memset(&out->hdr, 0, sizeof(out->hdr));
	memcpy(&out->hdr, bytes, g->hdr_len);
	out->n_buffers = 1;
	if (g->features & FEATURE(VIRTIO_NET_F_MRG_RXBUF)) {
		assert_true(out->hdr.num_buffers >= 1);
		for (; out->n_buffers < out->hdr.num_buffers; out->n_buffers++) {
			assert_true(used_next(&g->queues[queue], &e)); /* published together */
			len += take_buffer(g, queue, &e, bytes + len, (uint32_t)sizeof(bytes) - len);
		}
	} else if (g->hdr_len == sizeof(out->hdr)) {
		assert_int_equal(out->hdr.num_buffers, 1);
	}
	out->len = len - g->hdr_len;
	memcpy(out->bytes, bytes + g->hdr_len, out->len);
	return true;
}

bool guest_receive(struct guest *g, struct guest_frame *out)
{
	return guest_receive_on(g, GUEST_RX, out);
}

uint32_t guest_reap(struct guest *g)
{
	struct guest_queue *q = &g->queues[GUEST_TX];
	struct vring_used_elem e;
	uint32_t n = 0;

	for (; used_next(q, &e); n++) {
		chain_return(g, q, e.id);
		assert_int_equal(e.len, 0);
	}
	return n;
}

uint32_t guest_outstanding(const struct guest *g, uint32_t queue)
{
	return (uint32_t)(g->queues[queue].posted - g->queues[queue].returned);
}

/* --- control --- */

bool guest_ask(struct guest *g, const uint8_t *bytes, uint32_t len, const struct guest_layout *layout)
{
	struct guest_queue *q = &g->queues[g->ctrl];
	int head = chain_take(g, q, layout);

	if (head < 0)
		return false;
	chain_write(g, &q->chains[head], 0, bytes, len);
	chain_offer(g, q, (uint16_t)head, layout->no_answer ? layout->n : layout->n - 1, layout->indirect);
	return true;
}

int guest_answer(struct guest *g)
{
	struct guest_queue *q = &g->queues[g->ctrl];
	struct vring_used_elem e;
	struct guest_chain *c;

	if (!used_next(q, &e))
		return -1;
	c = chain_return(g, q, e.id);
	assert_true(e.len <= 1);
	return e.len == 1 ? *(const uint8_t *)guest_at(g, c->gpa[c->n - 1]) : -2;
}

/* --- misbehaviour --- */

void guest_raw_avail_idx(struct guest *g, uint32_t queue, uint16_t idx)
{
	__atomic_store_n(&g->queues[queue].avail->idx, idx, __ATOMIC_RELEASE);
}

void guest_raw_offer(struct guest *g, uint32_t queue, uint16_t head)
{
	struct guest_queue *q = &g->queues[queue];

	q->avail->ring[q->next_avail++ & (q->size - 1)] = head;
	guest_raw_avail_idx(g, queue, q->next_avail);
}

void guest_raw_slots(struct guest *g, uint32_t queue, const struct vring_packed_desc *d, uint32_t n)
{
	packed_raw(&g->queues[queue], d, n);
}
