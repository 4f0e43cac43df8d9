/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* virtio 1.2, 2.7: sizes and alignment of the three parts. */
#define DESC_ALIGN  16
#define AVAIL_ALIGN 2
#define USED_ALIGN  4

static const char *const error_texts[VIRTQ_ERROR_COUNT] = {
	[VIRTQ_OK] = "no error",
	[VIRTQ_AVAIL_JUMPED] = "avail index jumped by more than the ring holds",
	[VIRTQ_HEAD_RANGE] = "avail ring names a descriptor beyond the table",
	[VIRTQ_NEXT_RANGE] = "descriptor's next is beyond its table",
	[VIRTQ_CHAIN_LOOP] = "descriptor chain loops",
	[VIRTQ_CHAIN_LONG] = "descriptor chain is longer than we follow",
	[VIRTQ_ADDRESS] = "descriptor points outside the guest's memory",
	[VIRTQ_DIRECTION] = "readable descriptor after a writable one",
	[VIRTQ_INDIRECT_TABLE] = "malformed indirect descriptor table",
	[VIRTQ_NO_ROOM] = "receive buffer without a writable byte",
	[VIRTQ_CALL_BLOCKS] = "the front-end made its call or error descriptor block",
};

const char *virtq_error_text(enum virtq_error error)
{
	return error_texts[error];
}

int virtq_break(struct virtq *q, enum virtq_error error)
{
	if (q->error == VIRTQ_OK) {
		if (bell_ring(&q->err) != 0)
			error = VIRTQ_CALL_BLOCKS; /* worse than what it was to be told */
		__atomic_store_n(&q->error, error, __ATOMIC_RELAXED);
	}
	q->avail_seen = q->next_avail;
	return -EPROTO;
}

static void *ring_part(const struct gmem *mem, uint64_t uaddr, uint64_t len, uint32_t align)
{
	void *p = gmem_at_uaddr(mem, uaddr, len);

	return p && (uintptr_t)p % align == 0 ? p : NULL;
}

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

int virtq_start(struct virtq *q, const struct gmem *mem, const struct virtq_setup *setup, const char **why)
{
	uint32_t size = setup->size;

	ASSERT(q->size == 0);
	if (size == 0 || size > VIRTQ_MAX_SIZE || (size & (size - 1)) != 0) {
		*why = "queue size is not a power of two up to 32768";
		return -EINVAL;
	}
	q->desc = ring_part(mem, setup->desc_uaddr, size * sizeof(struct vring_desc), DESC_ALIGN);
	q->avail = ring_part(mem, setup->avail_uaddr,
		sizeof(struct vring_avail) + (size + 1) * sizeof(__virtio16), AVAIL_ALIGN);
	q->used = ring_part(mem, setup->used_uaddr, used_ring_len(size), USED_ALIGN);
	if (!q->desc || !q->avail || !q->used) {
		*why = "ring lies outside the guest's memory or is misaligned";
		return -EINVAL;
	}
	q->mem = mem;
	q->hint = NULL;
	q->size = (uint16_t)size;
	q->mask = (uint16_t)(size - 1);
	q->next_used = virtq_load16(&q->used->idx, __ATOMIC_RELAXED);
	q->next_avail = setup->fresh ? first_avail(q, (uint16_t)setup->base) : (uint16_t)setup->base;
	q->avail_seen = q->next_avail;
	q->flushed_used = q->next_used;
	q->event_idx = setup->features & (1ull << VIRTIO_RING_F_EVENT_IDX);
	q->indirect = setup->features & (1ull << VIRTIO_RING_F_INDIRECT_DESC);
	q->error = VIRTQ_OK;
	q->call = setup->call;
	q->err = setup->err;
	q->always_call = true;
	virtq_disarm(q);
	return 0;
}

uint32_t virtq_stop(struct virtq *q)
{
	/* taken away in the middle of a turn, the owner could not; a start calls the guest */
	virtq_publish(q);
	q->size = 0;
	q->avail_seen = q->next_avail;
	q->log = NULL;
	return q->next_avail;
}

uint32_t virtq_refresh(struct virtq *q)
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

/* A descriptor as one consistent copy of two words. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static inline struct desc desc_read(const struct vring_desc *table, uint32_t i)
{
	const uint64_t *words = (const uint64_t *)(const void *)&table[i];
	uint64_t tail = __atomic_load_n(&words[1], __ATOMIC_RELAXED);

	return (struct desc){
		.addr = __atomic_load_n(&words[0], __ATOMIC_RELAXED),
		.len = (uint32_t)tail,
		.flags = (uint16_t)(tail >> 32),
		.next = (uint16_t)(tail >> 48),
	};
}

/* Adds one descriptor's buffer, in as many pieces as the regions cut it. VIRTQ_OK, an error, or -ENOSPC. */
static inline int chain_add(struct virtq *q, struct virtq_chain *c, const struct desc *d)
{
	bool write = d->flags & VRING_DESC_F_WRITE;
	uint64_t at = d->addr, left = d->len;

	if (unlikely(!write && c->n_write > 0))
		return VIRTQ_DIRECTION;
	while (left > 0) {
		uint64_t len = left;
		uint8_t *p = gmem_span(q->mem, &q->hint, at, &len);
		uint32_t n = c->n_read + c->n_write;

		if (unlikely(!p))
			return VIRTQ_ADDRESS;
		if (unlikely(n == c->max))
			return -ENOSPC;
		c->segs[n] = (struct virtq_seg){.addr = p, .len = (uint32_t)len};
		if (write)
			c->n_write++;
		else
			c->n_read++;
		at += len;
		left -= len;
	}
	if (write)
		c->write_len += d->len;
	else
		c->read_len += d->len;
	return VIRTQ_OK;
}

/* Follows a chain through a table of n descriptors from its `first`; an indirect table is a chain of its own. */
static int walk(struct virtq *q, struct virtq_chain *c, const struct vring_desc *table, uint32_t n,
	struct desc first, bool in_indirect);

static int walk_indirect(struct virtq *q, struct virtq_chain *c, const struct desc *d)
{
	uint32_t n = d->len / sizeof(struct vring_desc);
	const struct vring_desc *table;

	if (!q->indirect || d->len % sizeof(struct vring_desc) != 0 || n == 0 ||
		n > max_u32(q->size, VIRTQ_MAX_CHAIN) || (d->flags & VRING_DESC_F_NEXT))
		return VIRTQ_INDIRECT_TABLE;
	table = (const struct vring_desc *)(const void *)gmem_at(q->mem, &q->hint, d->addr, d->len);
	if (!table)
		return VIRTQ_ADDRESS;
	if ((uintptr_t)table % sizeof(uint64_t) != 0)
		return VIRTQ_INDIRECT_TABLE;
	return walk(q, c, table, n, desc_read(table, 0), true);
}

static int walk(struct virtq *q, struct virtq_chain *c, const struct vring_desc *table, uint32_t n,
	struct desc first, bool in_indirect)
{
	struct desc d = first;

	for (uint32_t seen = 0; seen < n; seen++) {
		int err;

		if (unlikely(seen == VIRTQ_MAX_CHAIN))
			return VIRTQ_CHAIN_LONG;
		if (d.flags & VRING_DESC_F_INDIRECT)
			return in_indirect ? VIRTQ_INDIRECT_TABLE : walk_indirect(q, c, &d);
		err = chain_add(q, c, &d);
		if (unlikely(err != VIRTQ_OK) || !(d.flags & VRING_DESC_F_NEXT))
			return err;
		if (unlikely(d.next >= n))
			return VIRTQ_NEXT_RANGE;
		d = desc_read(table, d.next);
	}
	return VIRTQ_CHAIN_LOOP;
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	struct desc d;
	int err;

	if (virtq_available(q, 1) == 0)
		return 0;
	c->buffer.id = virtq_load16(&q->avail->ring[q->next_avail & q->mask], __ATOMIC_RELAXED);
	c->buffer.slots = 1;
	if (unlikely(c->buffer.id >= q->size))
		return virtq_break(q, VIRTQ_HEAD_RANGE);
	c->n_read = 0;
	c->n_write = 0;
	c->read_len = 0;
	c->write_len = 0;
	d = desc_read(q->desc, c->buffer.id);
	if (likely(!(d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT))))
		err = chain_add(q, c, &d);
	else
		err = walk(q, c, q->desc, q->size, d, false);
	if (unlikely(err == -ENOSPC))
		return -ENOSPC;
	if (unlikely(err != VIRTQ_OK))
		return virtq_break(q, (enum virtq_error)err);
	q->next_avail++;
	return 1;
}

struct virtq_buffer virtq_skip(struct virtq *q)
{
	uint16_t head = virtq_load16(&q->avail->ring[q->next_avail++ & q->mask], __ATOMIC_RELAXED);

	return (struct virtq_buffer){.id = head & q->mask, .slots = 1};
}

void virtq_log_written(struct virtq *q, const struct virtq_seg *segs, uint32_t n, uint64_t len)
{
	for (uint32_t i = 0; i < n && len > 0; i++) {
		uint64_t part = min_u64(segs[i].len, len);

		dirty_log_mark(q->log, gmem_gpa_of(q->mem, segs[i].addr), part);
		len -= part;
	}
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

/* Did used->idx pass the index at which the guest wants to be called? (virtio 1.2, 2.7.10.2) */
static bool guest_wants_call(const struct virtq *q, uint16_t old, uint16_t new)
{
	if (q->event_idx) {
		uint16_t event = virtq_load16(&q->avail->ring[q->size], __ATOMIC_RELAXED);

		return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	}
	return !(virtq_load16(&q->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);
}

bool virtq_call(const struct virtq *q)
{
	return bell_ring(&q->call) == 0;
}

static void note_call(struct virtq *q)
{
	q->always_call = false;
	__atomic_store_n(&q->calls, q->calls + 1, __ATOMIC_RELAXED);
}

bool virtq_publish(struct virtq *q)
{
	uint16_t old = q->flushed_used, new = q->next_used;

	if (old == new)
		return false;
	/* pairs with the guest's barrier after it reads used->idx */
	__atomic_store_n(&q->used->idx, new, __ATOMIC_RELEASE);
	if (unlikely(q->log != NULL))
		log_used_ring(q);
	q->flushed_used = new;
	/* the index must be visible before we look at what the guest wants: pairs with its own full barrier */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (guest_wants_call(q, old, new) || q->always_call) {
		note_call(q);
		return true;
	}
	__atomic_store_n(&q->calls_saved, q->calls_saved + 1, __ATOMIC_RELAXED);
	return false;
}

void virtq_flush(struct virtq *q)
{
	if (virtq_publish(q) && !virtq_call(q))
		virtq_break(q, VIRTQ_CALL_BLOCKS);
}

void virtq_call_due(struct virtq *q)
{
	if (likely(!q->always_call) || q->error != VIRTQ_OK)
		return;
	note_call(q);
	if (!virtq_call(q))
		virtq_break(q, VIRTQ_CALL_BLOCKS);
}

static void log_used_field(struct virtq *q, size_t offset)
{
	if (unlikely(q->log != NULL) && q->log_used)
		dirty_log_mark(q->log, q->log_used_gpa + offset, sizeof(__virtio16));
}

bool virtq_arm(struct virtq *q)
{
	if (q->size == 0 || q->error != VIRTQ_OK)
		return false;
	if (q->event_idx) {
		__virtio16 *avail_event = (__virtio16 *)(void *)&q->used->ring[q->size];

		__atomic_store_n(avail_event, q->next_avail, __ATOMIC_RELAXED);
		log_used_field(
			q, offsetof(struct vring_used, ring) + q->size * sizeof(struct vring_used_elem));
	} else {
		__atomic_store_n(&q->used->flags, 0, __ATOMIC_RELAXED);
		log_used_field(q, offsetof(struct vring_used, flags));
	}
	/* what we asked must be visible before we look again: pairs with the guest's barrier after avail->idx */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtq_available(q, 1) > 0 || virtq_refresh(q) > 0;
}

/* With EVENT_IDX an event index that was passed stays behind: the guest kicks no more until we move it. */
void virtq_disarm(struct virtq *q)
{
	if (q->size == 0 || q->event_idx)
		return;
	__atomic_store_n(&q->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	log_used_field(q, offsetof(struct vring_used, flags));
}
