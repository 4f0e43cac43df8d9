/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq_private.h"

#include <string.h>

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
	if (!q->packed)
		q->avail_seen = q->next_avail;
	return -EPROTO;
}

/* --- start and stop --- */

void *virtq_part(const struct gmem *mem, uint64_t uaddr, uint64_t len, uint32_t align)
{
	void *p = gmem_at_uaddr(mem, uaddr, len);

	return p && (uintptr_t)p % align == 0 ? p : NULL;
}

int virtq_start(struct virtq *q, const struct gmem *mem, const struct virtq_setup *setup, const char **why)
{
	ASSERT(q->size == 0);
	q->mem = mem;
	q->hint = NULL;
	q->table_hint = NULL;
	q->packed = setup->features & (1ull << VIRTIO_F_RING_PACKED);
	q->event_idx = setup->features & (1ull << VIRTIO_RING_F_EVENT_IDX);
	q->indirect = setup->features & (1ull << VIRTIO_RING_F_INDIRECT_DESC);
	q->error = VIRTQ_OK;
	q->call = setup->call;
	q->err = setup->err;
	q->always_call = true;
	*why = q->packed ? virtq_packed_start(q, setup) : virtq_split_start(q, setup);
	if (*why) {
		q->size = 0;
		return -EINVAL;
	}
	virtq_disarm(q);
	return 0;
}

uint32_t virtq_stop(struct virtq *q)
{
	uint32_t base;

	if (q->size == 0)
		return 0;
	/* taken away in the middle of a turn, the owner could not; a start calls the guest */
	virtq_publish(q);
	base = q->packed ? virtq_packed_base(q) : q->next_avail;
	q->size = 0;
	q->hint = NULL; /* its table may go now */
	q->table_hint = NULL;
	if (!q->packed)
		q->avail_seen = q->next_avail;
	q->log = NULL;
	return base;
}

/* --- indirect tables --- */

int virtq_table_open(struct virtq *q, struct virtq_table *t, const struct virtq_desc *d)
{
	uint64_t len = d->len, seen;
	const uint8_t *p;

	t->n = d->len / sizeof(struct virtq_words);
	t->gpa = d->addr;
	if (!q->indirect || d->len % sizeof(struct virtq_words) != 0 || t->n == 0 ||
		t->n > max_u32(q->size, VIRTQ_MAX_CHAIN) || (d->flags & VRING_DESC_F_NEXT))
		return VIRTQ_INDIRECT_TABLE;
	p = gmem_span(q->mem, &q->table_hint, d->addr, &len);
	if (!p)
		return VIRTQ_ADDRESS;
	t->whole = len == d->len ? (const struct virtq_words *)(const void *)p : NULL;
	if ((uintptr_t)t->whole % sizeof(uint64_t) != 0)
		return VIRTQ_INDIRECT_TABLE;
	for (seen = len; seen < d->len; seen += len) {
		len = d->len - seen;
		if (!gmem_span(q->mem, &q->table_hint, d->addr + seen, &len))
			return VIRTQ_ADDRESS;
	}
	return VIRTQ_OK;
}

/* Entry by entry, and an entry that lies across two regions in pieces. */
struct virtq_words virtq_table_read_slow(const struct virtq *q, const struct virtq_table *t, uint32_t i)
{
	const struct gmem_region *hint = NULL;
	uint64_t gpa = t->gpa + i * sizeof(struct virtq_words), len;
	struct virtq_words words;

	for (uint64_t done = 0; done < sizeof(words); done += len) {
		const uint8_t *p;

		len = sizeof(words) - done;
		p = gmem_span(q->mem, &hint, gpa + done, &len);
		ASSERT(p); /* virtq_table_open() has seen it, and regions do not go while the queue works */
		memcpy((uint8_t *)&words + done, p, len);
	}
	return words;
}

/* --- taking and returning --- */

int virtq_chain_add_slow(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *d)
{
	bool write = d->flags & VRING_DESC_F_WRITE;
	uint64_t at = d->addr, left = d->len;

	if (!write && c->n_write > 0)
		return VIRTQ_DIRECTION;
	while (left > 0) {
		uint64_t len = left;
		uint8_t *p = gmem_span(q->mem, &q->hint, at, &len);
		uint32_t n = c->n_read + c->n_write;

		if (!p)
			return VIRTQ_ADDRESS;
		if (n == c->max)
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

/* Moves the place we take next, over a number of slots. */
static uint16_t moved(const struct virtq *q, uint32_t slots, bool back)
{
	if (!q->packed)
		return (uint16_t)(back ? q->next_avail - slots : q->next_avail + slots);
	return back ? virtq_back(q, q->next_avail, slots) : virtq_forward(q, q->next_avail, slots);
}

void virtq_skip(struct virtq *q, struct virtq_buffer buffer)
{
	q->next_avail = moved(q, buffer.slots, false);
}

void virtq_unpop(struct virtq *q, uint32_t slots)
{
	q->next_avail = moved(q, slots, true);
	if (unlikely(q->error != VIRTQ_OK) && !q->packed)
		q->avail_seen = q->next_avail; /* a broken queue offers nothing */
}

void virtq_log_written(struct virtq *q, const struct virtq_seg *segs, uint32_t n, uint64_t len)
{
	for (uint32_t i = 0; i < n && len > 0; i++) {
		uint64_t part = min_u64(segs[i].len, len);

		dirty_log_mark(q->log, gmem_gpa_of(q->mem, segs[i].addr), part);
		len -= part;
	}
}

/* --- notification --- */

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
	bool wanted;

	if (old == new)
		return false;
	if (q->packed)
		virtq_packed_show(q);
	else
		virtq_split_show(q);
	__atomic_store_n(&q->flushed_used, new, __ATOMIC_RELAXED);
	/* used buffers must be visible before we look at what the guest wants: pairs with its own full barrier */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = q->packed ? virtq_packed_wants_call(q, old, new) : virtq_split_wants_call(q, old, new);
	if (wanted || q->always_call) {
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

bool virtq_take_call_due(struct virtq *q)
{
	if (likely(!q->always_call) || q->error != VIRTQ_OK)
		return false;
	note_call(q);
	return true;
}

void virtq_call_due(struct virtq *q)
{
	if (unlikely(virtq_take_call_due(q)) && !virtq_call(q))
		virtq_break(q, VIRTQ_CALL_BLOCKS);
}

bool virtq_driver_sleeps(const struct virtq *q)
{
	uint16_t at = q->next_used;

	if (at != q->flushed_used)
		return false;
	return q->packed ? virtq_packed_wants_call(q, at, virtq_forward(q, at, 1))
			 : virtq_split_wants_call(q, at, (uint16_t)(at + 1));
}

bool virtq_arm(struct virtq *q)
{
	if (q->size == 0 || q->error != VIRTQ_OK)
		return false;
	if (q->packed)
		virtq_packed_arm(q);
	else
		virtq_split_arm(q);
	/* what we asked must be visible before we look again: pairs with the guest's barrier after it adds a buffer */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtq_available(q, 1) > 0;
}

bool virtq_more(struct virtq *q, uint32_t slots)
{
	bool more;

	virtq_skip(q, (struct virtq_buffer){.slots = (uint16_t)slots});
	more = virtq_available(q, 1) > 0;
	virtq_unpop(q, slots);
	return more;
}

/*
 * The guest kicks when it goes past the place where it is asked to, so that is behind what is known. It is not asked
 * when there is more: another who shares the ring may have asked at a later place.
 */
bool virtq_arm_beyond(struct virtq *q, uint32_t slots)
{
	bool more;

	if (virtq_more(q, slots))
		return true;
	virtq_skip(q, (struct virtq_buffer){.slots = (uint16_t)slots});
	more = virtq_arm(q);
	virtq_unpop(q, slots);
	return more;
}

void virtq_disarm(struct virtq *q)
{
	if (q->size == 0)
		return;
	if (q->packed)
		virtq_packed_disarm(q);
	else
		virtq_split_disarm(q);
}

/* --- for people --- */

bool virtq_look(const struct virtq *q, struct virtq_view *view)
{
	uint16_t place = __atomic_load_n(&q->flushed_used, __ATOMIC_RELAXED);

	if (q->size == 0)
		return false;
	if (q->packed) {
		uint16_t slot = (uint16_t)virtq_slot(q, place);
		bool wrap = virtq_wrap(q, place);

		*view = (struct virtq_view){
			.packed = true,
			.last_avail_idx = slot,
			.last_used_idx = slot,
			.avail_wrap = wrap,
			.used_wrap = wrap,
			.avail_flags = virtq_load16(&q->driver_event->flags, __ATOMIC_RELAXED),
			.avail_idx = virtq_load16(&q->driver_event->off_wrap, __ATOMIC_RELAXED),
			.used_flags = virtq_load16(&q->device_event->flags, __ATOMIC_RELAXED),
			.used_idx = virtq_load16(&q->device_event->off_wrap, __ATOMIC_RELAXED),
		};
	} else {
		*view = (struct virtq_view){
			.last_avail_idx = place,
			.last_used_idx = place,
			.avail_flags = virtq_load16(&q->avail->flags, __ATOMIC_RELAXED),
			.avail_idx = virtq_load16(&q->avail->idx, __ATOMIC_RELAXED),
			.used_flags = virtq_load16(&q->used->flags, __ATOMIC_RELAXED),
			.used_idx = virtq_load16(&q->used->idx, __ATOMIC_RELAXED),
		};
	}
	return true;
}
