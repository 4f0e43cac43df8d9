/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq_private.h"

#include <stddef.h>

/* --- start and stop --- */

/*
 * SET_VRING_BASE says in bits 0-15 which place is taken next, in bits 16-31 which is returned next. A new ring is
 * 0x80008000. Not everybody fills in both halves, and what is missing reads as slot 0 of an even lap:
 *
 *  - Nothing above, something below: a back-end that tells the place it takes next only, and it had returned all it
 *    took. A place of return that really is slot 0 of an even lap looks the same, and could only be meant by a
 *    back-end that stops with buffers in its hands.
 *  - Nothing at all: User-Mode-Linux for a new ring, and rightly for one that has done an odd number of laps and not a
 *    slot more. It counts as new unless the ring itself says the other (virtq_recover()).
 *
 * What we said ourselves when the ring stopped (it is not fresh then) is complete and taken as it is.
 */
static uint32_t complete_base(const struct virtq_setup *setup)
{
	uint32_t low = setup->base & 0xffff;

	if (!setup->fresh || setup->base > 0xffff)
		return setup->base;
	return low == 0 ? (PACKED_WRAP_BIT << 16 | PACKED_WRAP_BIT) : (low << 16 | low);
}

static bool take_base(struct virtq *q, const struct virtq_setup *setup)
{
	uint32_t base = complete_base(setup);

	if (!packed_place_of(q->size, (uint16_t)base, &q->next_avail) ||
		!packed_place_of(q->size, (uint16_t)(base >> 16), &q->next_used))
		return false;
	if (setup->fresh) { /* what was taken and not returned is taken again */
		uint16_t alias = setup->base == 0 ? q->size : q->next_used;

		q->next_used = virtq_recover(q, q->next_used, alias);
		q->next_avail = q->next_used;
	}
	q->flushed_used = q->next_used;
	return virtq_distance(q, q->next_used, q->next_avail) <= q->size;
}

const char *virtq_packed_start(struct virtq *q, const struct virtq_setup *setup)
{
	uint32_t size = setup->size;

	if (size == 0 || size > VIRTQ_MAX_SIZE)
		return "queue size is not 1 to 32768";
	q->slots = virtq_part(
		q->mem, setup->desc_uaddr, size * sizeof(struct vring_packed_desc), PACKED_RING_ALIGN);
	q->driver_event = virtq_part(
		q->mem, setup->avail_uaddr, sizeof(struct vring_packed_desc_event), PACKED_EVENT_ALIGN);
	q->device_event = virtq_part(
		q->mem, setup->used_uaddr, sizeof(struct vring_packed_desc_event), PACKED_EVENT_ALIGN);
	if (!q->slots || !q->driver_event || !q->device_event)
		return "ring lies outside the guest's memory or is misaligned";
	q->size = (uint16_t)size;
	q->log_slots_gpa = gmem_gpa_of(q->mem, q->slots);
	q->log_event_gpa = gmem_gpa_of(q->mem, q->device_event);
	return take_base(q, setup) ? NULL : "base names a slot beyond the ring, or more slots than it has";
}

uint32_t virtq_packed_base(const struct virtq *q)
{
	return packed_off_wrap(q->size, q->next_avail) | (uint32_t)packed_off_wrap(q->size, q->next_used)
								 << 16;
}

/* --- taking --- */

static inline struct virtq_desc desc_of(struct virtq_words words)
{
	return (struct virtq_desc){
		.addr = words.addr,
		.len = (uint32_t)words.rest,
		.link = packed_id_of(words.rest),
		.flags = packed_flags_of(words.rest),
	};
}

static inline struct virtq_words *slots_words(const struct virtq *q)
{
	return (struct virtq_words *)(void *)q->slots;
}

/* The flags come first and tell whether the rest is there: pairs with the driver's barrier before it writes them. */
static inline struct virtq_words words_load(const struct virtq_words *at)
{
	uint64_t rest = __atomic_load_n(&at->rest, __ATOMIC_ACQUIRE);

	return (struct virtq_words){.addr = __atomic_load_n(&at->addr, __ATOMIC_RELAXED), .rest = rest};
}

static inline struct virtq_words words_at(const struct virtq *q, uint32_t place)
{
	return words_load(&slots_words(q)[virtq_slot(q, place)]);
}

static inline bool is_open(const struct virtq *q)
{
	return likely(q->size != 0 && q->error == VIRTQ_OK);
}

uint32_t virtq_packed_available(struct virtq *q, uint32_t wanted)
{
	if (!is_open(q) || !packed_is_avail(words_at(q, q->next_avail).rest, virtq_wrap(q, q->next_avail)))
		return 0;
	return wanted;
}

/* All entries in order; of the flags only WRITE means anything, and the rest must not be set (virtio 1.2, 2.8.19). */
static int walk_indirect(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *d)
{
	struct virtq_table t;
	int err = virtq_table_open(q, &t, d);
	struct gmem_window window = gmem_window(q->hint);

	for (uint32_t i = 0; i < t.n && err == VIRTQ_OK; i++) {
		struct virtq_desc e;

		if (unlikely(i == VIRTQ_MAX_CHAIN))
			return VIRTQ_CHAIN_LONG;
		e = desc_of(virtq_table_read(q, &t, i));
		if (e.flags & VRING_DESC_F_INDIRECT)
			return VIRTQ_INDIRECT_TABLE;
		err = virtq_chain_add(q, c, &window, &e);
	}
	return err;
}

/*
 * Slots that the driver may have filled since we took the last ones. It must not touch those whose return it has not
 * seen; one that does would have us take more than a ring full, and places would mean nothing any more.
 */
static inline uint32_t slots_open(const struct virtq *q)
{
	return q->size - virtq_distance(q, q->flushed_used, q->next_avail);
}

/*
 * Follows a chain slot by slot to its last descriptor, which has the buffer's id. When the pieces are too few it is
 * followed all the same: whoever skips it must know where it ends.
 */
static int walk(struct virtq *q, struct virtq_chain *c, uint32_t place, struct virtq_desc d)
{
	struct gmem_window window = gmem_window(q->hint);
	uint32_t open = slots_open(q);
	bool full = false;

	for (uint32_t n = 1;; n++) {
		int err = VIRTQ_OK;

		if (d.flags & VRING_DESC_F_INDIRECT)
			err = n > 1 ? VIRTQ_INDIRECT_TABLE : walk_indirect(q, c, &d);
		else if (!full)
			err = virtq_chain_add(q, c, &window, &d);
		full |= err == -ENOSPC;
		if (unlikely(err != VIRTQ_OK && err != -ENOSPC))
			return err;
		if (!(d.flags & VRING_DESC_F_NEXT)) {
			c->buffer = (struct virtq_buffer){.id = d.link, .slots = (uint16_t)n};
			return full ? -ENOSPC : VIRTQ_OK;
		}
		if (unlikely(n == open))
			return VIRTQ_CHAIN_LOOP;
		if (unlikely(n == VIRTQ_MAX_CHAIN))
			return VIRTQ_CHAIN_LONG;
		place = virtq_forward(q, place, 1);
		d = desc_of(words_at(q, place));
	}
}

/* As walk(), over descriptors that were written down. */
static int walk_noted(
	struct virtq *q, struct virtq_chain *c, const struct vring_packed_desc *descs, uint32_t n)
{
	struct gmem_window window = gmem_window(q->hint);

	for (uint32_t i = 0; i < n; i++) {
		struct virtq_desc d = {.addr = descs[i].addr, .len = descs[i].len, .flags = descs[i].flags};
		int err;

		if (d.flags & VRING_DESC_F_INDIRECT) {
			d.flags &= (uint16_t)~VRING_DESC_F_NEXT;
			err = n > 1 ? VIRTQ_INDIRECT_TABLE : walk_indirect(q, c, &d);
		} else {
			err = virtq_chain_add(q, c, &window, &d);
		}
		if (err != VIRTQ_OK)
			return err;
	}
	return VIRTQ_OK;
}

int virtq_packed_retake(
	struct virtq *q, struct virtq_chain *c, const struct vring_packed_desc *descs, uint32_t n)
{
	int err;

	if (q->error != VIRTQ_OK)
		return -EPROTO;
	virtq_chain_reset(c);
	c->buffer = (struct virtq_buffer){.id = descs[n - 1].id, .slots = (uint16_t)n};
	err = walk_noted(q, c, descs, n);
	if (err == -ENOSPC)
		return -ENOSPC;
	return err == VIRTQ_OK ? 1 : virtq_break(q, (enum virtq_error)err);
}

void virtq_packed_taken(const struct virtq *q, uint32_t slots, struct vring_packed_desc *descs)
{
	for (uint32_t i = 0; i < slots; i++) {
		struct virtq_words words = words_at(q, virtq_back(q, q->next_avail, slots - i));
		struct virtq_desc d = desc_of(words);

		descs[i] = (struct vring_packed_desc){
			.addr = d.addr, .len = d.len, .id = d.link, .flags = d.flags};
	}
}

bool virtq_packed_used_at(const struct virtq *q, uint16_t off_wrap)
{
	uint16_t place;

	/* the driver may have taken it and filled the slot for its next lap, which changes AVAIL only */
	return packed_place_of(q->size, off_wrap, &place) &&
	       !!(packed_flags_of(words_at(q, place).rest) & PACKED_USED) == virtq_wrap(q, place);
}

int virtq_packed_pop(struct virtq *q, struct virtq_chain *c)
{
	uint32_t place = q->next_avail;
	struct virtq_words words;
	struct virtq_desc d;
	int err;

	if (!is_open(q))
		return 0;
	words = words_at(q, place);
	if (!packed_is_avail(words.rest, virtq_wrap(q, place)))
		return 0;
	if (unlikely(slots_open(q) == 0))
		return virtq_break(q, VIRTQ_AVAIL_JUMPED);
	virtq_chain_reset(c);
	d = desc_of(words);
	if (likely(!(d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)))) {
		struct gmem_window window = gmem_window(q->hint);

		c->buffer = (struct virtq_buffer){.id = d.link, .slots = 1};
		err = virtq_chain_add(q, c, &window, &d);
	} else {
		err = walk(q, c, place, d);
	}
	if (unlikely(err == -ENOSPC))
		return -ENOSPC;
	if (unlikely(err != VIRTQ_OK))
		return virtq_break(q, (enum virtq_error)err);
	c->n_descs = c->buffer.slots;
	q->next_avail = virtq_forward(q, place, c->buffer.slots);
	return 1;
}

#define PLAIN_MASK \
	(PACKED_AVAIL | PACKED_USED | VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE)

/* Up to max plain buffers from `at` on, slots of one lap side by side, whose flags are these. */
static uint32_t pop_lap(struct virtq *q, const struct virtq_words *at, struct virtq_plain *buffers,
	uint32_t max, uint16_t flags)
{
	struct gmem_window window = gmem_window(q->hint);
	uint32_t n;

	for (n = 0; n < max; n++) {
		struct virtq_desc d = desc_of(words_load(&at[n]));
		uint8_t *addr;

		if (unlikely((d.flags & PLAIN_MASK) != flags))
			break;
		addr = gmem_window_at(q->mem, &q->hint, &window, d.addr, d.len);
		if (unlikely(!addr))
			break;
		buffers[n] = (struct virtq_plain){.addr = addr, .len = d.len, .id = d.link};
	}
	return n;
}

uint32_t virtq_packed_pop_plain(
	struct virtq *q, struct virtq_plain *buffers, uint32_t max, enum virtq_access access)
{
	const uint16_t flags = access == VIRTQ_WRITE ? VRING_DESC_F_WRITE : 0;
	uint32_t n = 0, run, got;

	if (!is_open(q))
		return 0;
	max = min_u32(max, slots_open(q));
	do {
		uint32_t slot = virtq_slot(q, q->next_avail);

		run = min_u32(max - n, q->size - slot);
		got = pop_lap(q, &slots_words(q)[slot], buffers + n, run,
			flags | packed_avail_bits(virtq_wrap(q, q->next_avail)));
		q->next_avail = virtq_forward(q, q->next_avail, got);
		n += got;
	} while (n < max && got == run);
	return n;
}

/* In a descriptor of a piece to read. */
#define NOT_USUAL (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* Fills *out from an indirect table. Returns its pieces; 0: it is not usual. */
static inline uint32_t table_pieces(
	struct virtq *q, struct virtq_words d, struct virtq_seg *segs, struct virtq_pieces *out)
{
	const struct virtq_words *table = virtq_usual_table(q, d.addr, (uint32_t)d.rest);
	const uint32_t size = (uint32_t)d.rest / sizeof(*table);
	uint64_t len = 0;

	if (unlikely(!table))
		return 0;
	for (uint32_t n = 0; n < size; n++) {
		struct virtq_words e = virtq_words_read(&table[n]);

		if (unlikely(!virtq_usual_piece(q, e.addr, (uint32_t)e.rest, &segs[n]) ||
			     packed_flags_of(e.rest) & NOT_USUAL))
			return 0;
		len += (uint32_t)e.rest;
	}
	*out = (struct virtq_pieces){
		.segs = segs, .n = size, .len = len, .buffer = {.id = packed_id_of(d.rest), .slots = 1}};
	return size;
}

/* The same from a chain in the ring, slot by slot. */
static inline uint32_t ring_pieces(struct virtq *q, struct virtq_words d, uint32_t slot, uint32_t open,
	struct virtq_seg *segs, struct virtq_pieces *out)
{
	const uint32_t max = min_u32(VIRTQ_MAX_CHAIN, open), size = q->size;
	uint64_t len = 0;

	for (uint32_t n = 0; n < max; n++) {
		if (unlikely(!virtq_usual_piece(q, d.addr, (uint32_t)d.rest, &segs[n]) ||
			     packed_flags_of(d.rest) & NOT_USUAL))
			return 0;
		len += (uint32_t)d.rest;
		if (!(packed_flags_of(d.rest) & VRING_DESC_F_NEXT)) {
			*out = (struct virtq_pieces){.segs = segs,
				.n = n + 1,
				.len = len,
				.buffer = {.id = packed_id_of(d.rest), .slots = (uint16_t)(n + 1)}};
			return n + 1;
		}
		slot = slot + 1 < size ? slot + 1 : 0;
		d = words_load(&slots_words(q)[slot]);
	}
	return 0;
}

uint32_t virtq_packed_pop_pieces(
	struct virtq *q, struct virtq_pieces *buffers, uint32_t max, struct virtq_seg *segs, uint32_t n_segs)
{
	const uint32_t size = q->size;
	uint32_t slot = virtq_slot(q, q->next_avail), open, taken = 0, n;
	bool wrap = virtq_wrap(q, q->next_avail);

	if (!is_open(q))
		return 0;
	open = slots_open(q);
	for (n = 0; n < max && n_segs >= VIRTQ_MAX_CHAIN && taken < open; n++) {
		struct virtq_words d = words_load(&slots_words(q)[slot]);
		bool in_ring = (packed_flags_of(d.rest) & (VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT)) !=
			       VRING_DESC_F_INDIRECT;
		uint32_t got;

		if (!packed_is_avail(d.rest, wrap))
			break;
		got = in_ring ? ring_pieces(q, d, slot, open - taken, segs, &buffers[n])
			      : table_pieces(q, d, segs, &buffers[n]);
		if (unlikely(got == 0))
			break;
		segs += got;
		n_segs -= got;
		taken += buffers[n].buffer.slots;
		slot += buffers[n].buffer.slots;
		if (unlikely(slot >= size)) {
			slot -= size;
			wrap = !wrap;
		}
	}
	q->next_avail = virtq_forward(q, q->next_avail, taken);
	return n;
}

/* --- returning --- */

static inline void put_used(struct virtq *q, uint32_t place, uint16_t id, uint32_t len, int order)
{
	uint64_t rest = virtq_used_rest(virtq_wrap(q, place), id, len);

	if (order == __ATOMIC_RELEASE)
		__atomic_store_n(virtq_rest_at(q, place), rest, __ATOMIC_RELEASE);
	else
		__atomic_store_n(virtq_rest_at(q, place), rest, __ATOMIC_RELAXED);
}

void virtq_packed_push(struct virtq *q, struct virtq_buffer buffer, uint32_t len)
{
	if (q->next_used == q->flushed_used) {
		q->held_id = buffer.id;
		q->held_len = len;
	} else {
		put_used(q, q->next_used, buffer.id, len, __ATOMIC_RELAXED);
	}
	q->next_used = virtq_forward(q, q->next_used, buffer.slots);
}

void virtq_packed_push_pieces(struct virtq *q, const struct virtq_pieces *buffers, uint32_t n)
{
	uint32_t place = q->next_used, i = 0;

	if (n > 0 && place == q->flushed_used) {
		virtq_packed_push(q, buffers[0].buffer, 0);
		place = q->next_used;
		i = 1;
	}
	for (; i < n; i++) {
		put_used(q, place, buffers[i].buffer.id, 0, __ATOMIC_RELAXED);
		place = virtq_forward(q, place, buffers[i].buffer.slots);
	}
	q->next_used = (uint16_t)place;
}

/* Uses slots of one lap side by side. */
static void push_lap(
	struct virtq_words *at, const struct virtq_plain *buffers, uint32_t n, bool wrap, bool written)
{
	for (uint32_t i = 0; i < n; i++)
		__atomic_store_n(&at[i].rest,
			virtq_used_rest(wrap, buffers[i].id, written ? buffers[i].len : 0), __ATOMIC_RELAXED);
}

void virtq_packed_push_plain(
	struct virtq *q, const struct virtq_plain *buffers, uint32_t n, enum virtq_access access)
{
	const bool written = access == VIRTQ_WRITE;
	uint32_t i = 0, run;

	if (n > 0 && q->next_used == q->flushed_used) {
		virtq_packed_push(q, (struct virtq_buffer){.id = buffers[0].id, .slots = 1},
			written ? buffers[0].len : 0);
		i = 1;
	}
	for (; i < n; i += run) {
		uint32_t slot = virtq_slot(q, q->next_used);

		run = min_u32(n - i, q->size - slot);
		push_lap(&slots_words(q)[slot], buffers + i, run, virtq_wrap(q, q->next_used), written);
		q->next_used = virtq_forward(q, q->next_used, run);
	}
}

/*
 * The front-end's address for the log speaks of one part of the ring only, and which one is not agreed on. What we
 * write is marked where it lies.
 */
static void log_slots(struct virtq *q)
{
	uint32_t n = min_u32(virtq_distance(q, q->flushed_used, q->next_used), q->size);
	uint32_t slot = virtq_slot(q, q->flushed_used), before_wrap = min_u32(n, q->size - slot);
	const uint64_t desc_len = sizeof(struct vring_packed_desc);

	dirty_log_mark(q->log, q->log_slots_gpa + slot * desc_len, before_wrap * desc_len);
	dirty_log_mark(q->log, q->log_slots_gpa, (n - before_wrap) * desc_len);
}

void virtq_packed_show(struct virtq *q)
{
	/* pairs with the guest's barrier after it reads the flags */
	put_used(q, q->flushed_used, q->held_id, q->held_len, __ATOMIC_RELEASE);
	if (unlikely(q->log != NULL))
		log_slots(q);
}

/*
 * Used descriptors that a predecessor wrote and did not show, because the first of them was missing: their buffers are
 * taken again, and the driver must not find them returned before they are.
 */
static void hide_used(struct virtq *q, uint32_t from, uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++) {
		uint32_t place = virtq_forward(q, from, i);
		uint64_t rest = __atomic_load_n(virtq_rest_at(q, place), __ATOMIC_RELAXED);

		if (packed_is_used(rest, virtq_wrap(q, place)))
			__atomic_store_n(virtq_rest_at(q, place),
				packed_rest(packed_len_of(rest), packed_id_of(rest),
					packed_avail_bits(virtq_wrap(q, place))),
				__ATOMIC_RELAXED);
	}
}

bool virtq_packed_set_left(struct virtq *q, uint16_t off_wrap, uint32_t slots)
{
	uint16_t used;

	if (!packed_place_of(q->size, off_wrap, &used) || slots > q->size)
		return false;
	q->next_used = q->flushed_used = used;
	q->next_avail = virtq_forward(q, used, slots);
	hide_used(q, used, slots);
	return true;
}

/* --- notification --- */

bool virtq_packed_wants_call(const struct virtq *q, uint16_t old, uint16_t new)
{
	return packed_event_wanted(q->size, packed_event_load(q->driver_event), q->event_idx, old, new);
}

static void put_event(struct virtq *q, uint16_t off_wrap, uint16_t flags)
{
	packed_event_store(q->device_event, off_wrap, flags);
	if (unlikely(q->log != NULL))
		dirty_log_mark(q->log, q->log_event_gpa, sizeof(struct vring_packed_desc_event));
}

void virtq_packed_arm(struct virtq *q)
{
	if (q->event_idx)
		put_event(q, packed_off_wrap(q->size, q->next_avail), VRING_PACKED_EVENT_FLAG_DESC);
	else
		put_event(q, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
}

void virtq_packed_disarm(struct virtq *q)
{
	put_event(q, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}
