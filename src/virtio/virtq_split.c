/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq_private.h"

#include "base/prefetch.h"

#include <stddef.h>

/* virtio 1.2, 2.7: sizes and alignment of the three parts. */
#define DESC_ALIGN  16
#define AVAIL_ALIGN 2
#define USED_ALIGN  4

/* --- start --- */

static size_t used_ring_len(uint32_t size)
{
	return sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + sizeof(__virtio16);
}

/*
 * Where a ring that starts anew goes on. Buffers are returned in the order in which they were taken, and all of them
 * before a ring stops, so whatever lies between the used index and the front-end's base was lost: either a
 * back-end died with it (take it again), or the base is from long ago (virtio-user sends 0 after a reconnect,
 * into a ring that has moved on). In both cases the used index is right. A base that differs from a used
 * index which makes no sense is all that is left to believe.
 */
static uint16_t first_avail(const struct virtq *q, uint16_t base)
{
	uint16_t avail = virtq_load16(&q->avail->idx, __ATOMIC_ACQUIRE);

	return (uint16_t)(avail - q->next_used) <= q->size ? q->next_used : base;
}

const char *virtq_split_start(struct virtq *q, const struct virtq_setup *setup)
{
	uint32_t size = setup->size;

	if (size == 0 || size > VIRTQ_MAX_SIZE || (size & (size - 1)) != 0)
		return "queue size is not a power of two up to 32768";
	if (setup->base > UINT16_MAX)
		return "base is no index of a split ring";
	q->desc = virtq_part(q->mem, setup->desc_uaddr, size * sizeof(struct vring_desc), DESC_ALIGN);
	q->avail = virtq_part(q->mem, setup->avail_uaddr,
		sizeof(struct vring_avail) + (size + 1) * sizeof(__virtio16), AVAIL_ALIGN);
	q->used = virtq_part(q->mem, setup->used_uaddr, used_ring_len(size), USED_ALIGN);
	if (!q->desc || !q->avail || !q->used)
		return "ring lies outside the guest's memory or is misaligned";
	q->size = (uint16_t)size;
	q->mask = (uint16_t)(size - 1);
	q->next_used = virtq_load16(&q->used->idx, __ATOMIC_RELAXED);
	q->next_avail = setup->fresh ? first_avail(q, (uint16_t)setup->base) : (uint16_t)setup->base;
	q->avail_seen = q->next_avail;
	q->flushed_used = q->next_used;
	return NULL;
}

/* --- taking --- */

uint32_t virtq_split_refresh(struct virtq *q)
{
	if (unlikely(q->size == 0 || q->error != VIRTQ_OK))
		return 0;

	/* pairs with the guest's barrier before it moves avail->idx */
	uint16_t idx = virtq_load16(&q->avail->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(idx - q->next_avail);

	if (unlikely(n > q->size)) {
		virtq_break(q, VIRTQ_AVAIL_JUMPED);
		return 0;
	}
	q->avail_seen = idx;
	return n;
}

static inline uint16_t words_flags(struct virtq_words words)
{
	return (uint16_t)(words.rest >> 32);
}

static inline uint16_t words_next(struct virtq_words words)
{
	return (uint16_t)(words.rest >> 48);
}

static inline struct virtq_desc desc_of(struct virtq_words words)
{
	return (struct virtq_desc){
		.addr = words.addr,
		.len = (uint32_t)words.rest,
		.flags = words_flags(words),
		.link = words_next(words),
	};
}

static inline const struct virtq_words *ring_words(const struct virtq *q)
{
	return (const struct virtq_words *)(const void *)q->desc;
}

/* Follows a chain from its first descriptor through the ring, and at its end, if that says so, through a table. */
static __attribute__((noinline)) int walk(struct virtq *q, struct virtq_chain *c, struct virtq_desc d)
{
	struct virtq_table t = {.whole = ring_words(q), .n = q->size};
	struct gmem_window window = gmem_window(q->hint);
	bool in_indirect = false;

	for (uint32_t seen = 0; seen < t.n; seen++) {
		int err;

		if (unlikely(seen == VIRTQ_MAX_CHAIN))
			return VIRTQ_CHAIN_LONG;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			err = in_indirect ? VIRTQ_INDIRECT_TABLE : virtq_table_open(q, &t, &d);
			if (unlikely(err != VIRTQ_OK))
				return err;
			in_indirect = true;
			seen = 0;
			d = desc_of(virtq_table_read(q, &t, 0));
			if (unlikely(d.flags & VRING_DESC_F_INDIRECT))
				return VIRTQ_INDIRECT_TABLE;
		}
		err = virtq_chain_add(q, c, &window, &d);
		if (unlikely(err != VIRTQ_OK) || !(d.flags & VRING_DESC_F_NEXT))
			return err;
		if (unlikely(d.link >= t.n))
			return VIRTQ_NEXT_RANGE;
		c->n_descs += !in_indirect;
		d = desc_of(virtq_table_read(q, &t, d.link));
	}
	return VIRTQ_CHAIN_LOOP;
}

/* The chain that begins at this head. 1, -EPROTO or -ENOSPC. */
static inline int take_chain(struct virtq *q, struct virtq_chain *c, uint16_t head)
{
	struct gmem_window window;
	struct virtq_desc d;
	int err;

	c->buffer = (struct virtq_buffer){.id = head, .slots = 1};
	if (unlikely(head >= q->size))
		return virtq_break(q, VIRTQ_HEAD_RANGE);
	virtq_chain_reset(c);
	c->n_descs = 1;
	d = desc_of(virtq_words_read(&ring_words(q)[head]));
	window = gmem_window(q->hint);
	if (likely(!(d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT))))
		err = virtq_chain_add(q, c, &window, &d);
	else
		err = walk(q, c, d);
	if (unlikely(err == -ENOSPC))
		return -ENOSPC;
	if (unlikely(err != VIRTQ_OK))
		return virtq_break(q, (enum virtq_error)err);
	return 1;
}

int virtq_split_pop(struct virtq *q, struct virtq_chain *c)
{
	int taken;

	if (q->avail_seen == q->next_avail && virtq_split_refresh(q) == 0)
		return 0;
	taken = take_chain(q, c, virtq_load16(&q->avail->ring[q->next_avail & q->mask], __ATOMIC_RELAXED));
	if (likely(taken == 1))
		q->next_avail++;
	return taken;
}

int virtq_split_retake(struct virtq *q, struct virtq_chain *c, uint16_t head)
{
	return q->error == VIRTQ_OK ? take_chain(q, c, head) : -EPROTO;
}

/* They are returned soon. */
static inline void taken_n(struct virtq *q, uint32_t n)
{
	q->next_avail = (uint16_t)(q->next_avail + n);
	for (uint32_t i = 0; i < n; i += CACHE_LINE / sizeof(struct vring_used_elem))
		prefetch_write(&q->used->ring[(q->next_used + i) & q->mask], 1);
}

uint32_t virtq_split_pop_plain(
	struct virtq *q, struct virtq_plain *buffers, uint32_t max, enum virtq_access access)
{
	const uint16_t flags = access == VIRTQ_WRITE ? VRING_DESC_F_WRITE : 0;
	const struct virtq_words *descs = ring_words(q);
	const __virtio16 *ring = q->avail->ring;
	const uint32_t next = q->next_avail, mask = q->mask;
	struct gmem_window window = gmem_window(q->hint);
	uint32_t there = min_u32(virtq_available(q, max), max), n;

	for (n = 0; n < there; n++) {
		uint32_t id = virtq_load16(&ring[(next + n) & mask], __ATOMIC_RELAXED);
		struct virtq_desc d;
		uint8_t *addr;

		if (unlikely(id > mask))
			break;
		d = desc_of(virtq_words_read(&descs[id]));
		addr = gmem_window_at(q->mem, &q->hint, &window, d.addr, d.len);
		if (unlikely(d.flags != flags || !addr))
			break;
		buffers[n] = (struct virtq_plain){.addr = addr, .len = d.len, .id = (uint16_t)id};
	}
	taken_n(q, n);
	return n;
}

/* Fills *out from the chain that begins at this head. Returns its pieces; 0: it is not usual. */
static inline uint32_t take_pieces(
	struct virtq *q, uint32_t head, struct virtq_seg *segs, struct virtq_pieces *out)
{
	const struct virtq_words *table = ring_words(q);
	struct virtq_words d = virtq_words_read(&table[head]);
	uint32_t size = q->size;
	uint64_t len = 0;

	if (words_flags(d) == VRING_DESC_F_INDIRECT) {
		table = virtq_usual_table(q, d.addr, (uint32_t)d.rest);
		if (unlikely(!table))
			return 0;
		size = (uint32_t)d.rest / sizeof(*table);
		d = virtq_words_read(table);
	}
	for (uint32_t n = 0; n < VIRTQ_MAX_CHAIN; n++) {
		if (unlikely(!virtq_usual_piece(q, d.addr, (uint32_t)d.rest, &segs[n]) ||
			     words_flags(d) & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)))
			return 0;
		len += (uint32_t)d.rest;
		if (!(words_flags(d) & VRING_DESC_F_NEXT)) {
			*out = (struct virtq_pieces){.segs = segs,
				.n = n + 1,
				.len = len,
				.buffer = {.id = (uint16_t)head, .slots = 1}};
			return n + 1;
		}
		if (unlikely(words_next(d) >= size))
			return 0;
		d = virtq_words_read(&table[words_next(d)]);
	}
	return 0;
}

uint32_t virtq_split_pop_pieces(
	struct virtq *q, struct virtq_pieces *buffers, uint32_t max, struct virtq_seg *segs, uint32_t n_segs)
{
	const __virtio16 *ring = q->avail->ring;
	const uint32_t next = q->next_avail, mask = q->mask;
	uint32_t there = min_u32(virtq_available(q, max), max), n;

	for (n = 0; n < there && n_segs >= VIRTQ_MAX_CHAIN; n++) {
		uint32_t id = virtq_load16(&ring[(next + n) & mask], __ATOMIC_RELAXED);
		uint32_t got = likely(id <= mask) ? take_pieces(q, id, segs, &buffers[n]) : 0;

		if (unlikely(got == 0))
			break;
		segs += got;
		n_segs -= got;
	}
	taken_n(q, n);
	return n;
}

/* --- returning --- */

void virtq_split_push_plain(
	struct virtq *q, const struct virtq_plain *buffers, uint32_t n, enum virtq_access access)
{
	struct vring_used_elem *ring = q->used->ring;
	const uint32_t next = q->next_used, mask = q->mask;

	for (uint32_t i = 0; i < n; i++)
		virtq_used_put(
			&ring[(next + i) & mask], buffers[i].id, access == VIRTQ_WRITE ? buffers[i].len : 0);
	q->next_used = (uint16_t)(next + n);
}

void virtq_split_push_pieces(struct virtq *q, const struct virtq_pieces *buffers, uint32_t n)
{
	struct vring_used_elem *ring = q->used->ring;
	const uint32_t next = q->next_used, mask = q->mask;

	for (uint32_t i = 0; i < n; i++)
		virtq_used_put(&ring[(next + i) & mask], buffers[i].buffer.id, 0);
	q->next_used = (uint16_t)(next + n);
}

/* The used slots from flushed_used on, and the index before them. */
static void log_used_ring(struct virtq *q)
{
	if (!q->log_used)
		return;
	for (uint16_t i = q->flushed_used; i != q->next_used; i++)
		dirty_log_mark(q->log,
			q->log_used_gpa + offsetof(struct vring_used, ring) +
				(i & q->mask) * sizeof(struct vring_used_elem),
			sizeof(struct vring_used_elem));
	dirty_log_mark(q->log, q->log_used_gpa, offsetof(struct vring_used, ring));
}

void virtq_split_show(struct virtq *q)
{
	/* pairs with the guest's barrier after it reads used->idx */
	__atomic_store_n(&q->used->idx, q->next_used, __ATOMIC_RELEASE);
	if (unlikely(q->log != NULL))
		log_used_ring(q);
}

/* --- notification --- */

/* Did used->idx pass the index at which the guest wants to be called? (virtio 1.2, 2.7.10.2) */
bool virtq_split_wants_call(const struct virtq *q, uint16_t old, uint16_t new)
{
	if (q->event_idx) {
		uint16_t event = virtq_load16(&q->avail->ring[q->size], __ATOMIC_RELAXED);

		return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	}
	return !(virtq_load16(&q->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);
}

static void log_used_field(struct virtq *q, size_t offset)
{
	if (unlikely(q->log != NULL) && q->log_used)
		dirty_log_mark(q->log, q->log_used_gpa + offset, sizeof(__virtio16));
}

void virtq_split_arm(struct virtq *q)
{
	if (q->event_idx) {
		__virtio16 *avail_event = (__virtio16 *)(void *)&q->used->ring[q->size];

		__atomic_store_n(avail_event, q->next_avail, __ATOMIC_RELAXED);
		log_used_field(
			q, offsetof(struct vring_used, ring) + q->size * sizeof(struct vring_used_elem));
	} else {
		__atomic_store_n(&q->used->flags, 0, __ATOMIC_RELAXED);
		log_used_field(q, offsetof(struct vring_used, flags));
	}
}

/* With EVENT_IDX an event index that was passed stays behind: the guest kicks no more until we move it. */
void virtq_split_disarm(struct virtq *q)
{
	if (q->event_idx)
		return;
	__atomic_store_n(&q->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	log_used_field(q, offsetof(struct vring_used, flags));
}
