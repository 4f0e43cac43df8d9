/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of virtio/virtq*.c alone.
 *
 *	virtq.c          what both formats share: start, stop, errors, chains, indirect tables, calls
 *	virtq_split.c    the split ring
 *	virtq_packed.c   the packed ring
 *	virtq_recover.c  where a packed ring goes on that was left in an unknown state
 */
#ifndef GINNEL_VIRTIO_VIRTQ_PRIVATE_H
#define GINNEL_VIRTIO_VIRTQ_PRIVATE_H

#include "virtio/packed.h"
#include "virtio/virtq.h"

#include <errno.h>

static_assert(
	__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "descriptors are read and written as little-endian words");

/* A descriptor as it lies in memory, in one consistent copy: two words, each read once. */
struct virtq_words {
	uint64_t addr;
	uint64_t rest;
};

/* The same, taken apart. */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t link; /* split: next; packed: buffer id */
};

/* A table of descriptors: a split ring's own, or an indirect one. */
struct virtq_table {
	const struct virtq_words *whole; /* NULL: it lies in several regions */
	uint64_t gpa;
	uint32_t n;
};

/* Checks an indirect table: all of it lies in the guest's memory. VIRTQ_OK or an error. */
int virtq_table_open(struct virtq *q, struct virtq_table *t, const struct virtq_desc *d);
struct virtq_words virtq_table_read_slow(const struct virtq *q, const struct virtq_table *t, uint32_t i);

static inline struct virtq_words virtq_words_read(const struct virtq_words *words)
{
	return (struct virtq_words){
		.addr = __atomic_load_n(&words->addr, __ATOMIC_RELAXED),
		.rest = __atomic_load_n(&words->rest, __ATOMIC_RELAXED),
	};
}

static inline struct virtq_words virtq_table_read(
	const struct virtq *q, const struct virtq_table *t, uint32_t i)
{
	return likely(t->whole) ? virtq_words_read(&t->whole[i]) : virtq_table_read_slow(q, t, i);
}

static inline void virtq_chain_reset(struct virtq_chain *c)
{
	c->n_read = 0;
	c->n_write = 0;
	c->read_len = 0;
	c->write_len = 0;
}

/* Adds one descriptor's buffer, in as many pieces as the regions cut it. VIRTQ_OK, an error, or -ENOSPC. */
int virtq_chain_add_slow(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *d);

/* The same, mostly one piece in the region that the window shows. */
static inline int virtq_chain_add(
	struct virtq *q, struct virtq_chain *c, struct gmem_window *w, const struct virtq_desc *d)
{
	uint8_t *p = gmem_window_at(q->mem, &q->hint, w, d->addr, d->len);
	uint32_t n = c->n_read + c->n_write;

	if (unlikely(!p || d->len == 0 || n == c->max))
		return virtq_chain_add_slow(q, c, d);
	c->segs[n] = (struct virtq_seg){.addr = p, .len = d->len};
	if (d->flags & VRING_DESC_F_WRITE) {
		c->n_write++;
		c->write_len += d->len;
		return VIRTQ_OK;
	}
	c->n_read++;
	c->read_len += d->len;
	return likely(c->n_write == 0) ? VIRTQ_OK : VIRTQ_DIRECTION;
}

/* --- a burst of chains that are as they usually are; virtq_pop() takes the others --- */

/* An indirect table of len / sizeof(struct virtq_words) entries, at least one; or NULL. */
static inline const struct virtq_words *virtq_usual_table(struct virtq *q, uint64_t gpa, uint32_t len)
{
	const uint8_t *table = gmem_at(q->mem, &q->table_hint, gpa, len);

	if (unlikely(!table || !q->indirect || len == 0 || len % sizeof(struct virtq_words) != 0 ||
		     len > VIRTQ_MAX_CHAIN * sizeof(struct virtq_words) ||
		     (uintptr_t)table % sizeof(uint64_t) != 0))
		return NULL;
	return (const struct virtq_words *)(const void *)table;
}

/* A piece, of at least one byte in one region. False: it is not. As gmem_at(), but an empty one fails the same comparison. */
static inline bool virtq_usual_piece(struct virtq *q, uint64_t gpa, uint64_t len, struct virtq_seg *seg)
{
	const struct gmem_region *r = q->hint;

	if (unlikely(!r || gpa - r->gpa >= r->size)) {
		r = gmem_find(q->mem, gpa);
		if (!r)
			return false;
		q->hint = r;
	}
	seg->addr = r->hva + (gpa - r->gpa);
	seg->len = (uint32_t)len;
	return likely(len - 1 < r->size - (gpa - r->gpa));
}

/* A part of the ring at a front-end's address, or NULL. */
void *virtq_part(const struct gmem *mem, uint64_t uaddr, uint64_t len, uint32_t align);

/* --- one format's part of what virtq.c does --- */

/* Places the ring and takes up work. NULL, or why that cannot be. */
const char *virtq_split_start(struct virtq *q, const struct virtq_setup *setup);
/* Makes visible what was pushed, and logs it. */
void virtq_split_show(struct virtq *q);
/* After the used entries from old to new, does the guest want a call? */
bool virtq_split_wants_call(const struct virtq *q, uint16_t old, uint16_t new);
/* Writes whether kicks are wanted. */
void virtq_split_arm(struct virtq *q);
void virtq_split_disarm(struct virtq *q);

const char *virtq_packed_start(struct virtq *q, const struct virtq_setup *setup);
void virtq_packed_show(struct virtq *q);
bool virtq_packed_wants_call(const struct virtq *q, uint16_t old, uint16_t new);
void virtq_packed_arm(struct virtq *q);
void virtq_packed_disarm(struct virtq *q);
uint32_t virtq_packed_base(const struct virtq *q);

/* --- packed ring: places, and the words that lie there --- */

static inline uint32_t virtq_slot(const struct virtq *q, uint32_t place)
{
	return packed_slot(q->size, place);
}

static inline bool virtq_wrap(const struct virtq *q, uint32_t place)
{
	return packed_wrap(q->size, place);
}

static inline uint16_t virtq_forward(const struct virtq *q, uint32_t place, uint32_t slots)
{
	return packed_forward(q->size, place, slots);
}

static inline uint16_t virtq_back(const struct virtq *q, uint32_t place, uint32_t slots)
{
	return packed_back(q->size, place, slots);
}

static inline uint32_t virtq_distance(const struct virtq *q, uint32_t from, uint32_t to)
{
	return packed_distance(q->size, from, to);
}

static inline uint64_t *virtq_rest_at(const struct virtq *q, uint32_t place)
{
	return &((struct virtq_words *)(void *)q->slots)[virtq_slot(q, place)].rest;
}

/* A used descriptor says whether anything was written at all (virtio 1.2, 2.8.4). */
static inline uint64_t virtq_used_rest(bool wrap, uint16_t id, uint32_t len)
{
	return packed_rest(len, id, packed_used_bits(wrap) | (len > 0 ? VRING_DESC_F_WRITE : 0));
}

/*
 * The place at which a ring goes on whose base may be stale; `base` when the ring does not tell. alias is another place
 * that the base may mean, or the same.
 */
uint16_t virtq_recover(struct virtq *q, uint16_t base, uint16_t alias);

#endif
