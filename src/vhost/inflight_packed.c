/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/inflight_packed.h"

#include "base/check.h"
#include "virtio/packed.h"

#include <errno.h>
#include <stdlib.h>

#define VERSION 1

static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store16(uint16_t *p, uint16_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static void store8(uint8_t *p, uint8_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

/* What is written down must be there before what follows: the process may die between any two of them. */
static void in_order(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void link_to(struct inflight_packed *i, uint16_t entry, uint16_t next)
{
	i->links[entry].next = next;
	store16(&i->area->desc[entry].next, next);
}

static void store_place(uint16_t *idx, uint8_t *wrap, uint16_t off_wrap)
{
	store16(idx, off_wrap & (PACKED_WRAP_BIT - 1));
	store8(wrap, off_wrap & PACKED_WRAP_BIT ? 1 : 0);
}

static uint16_t load_place(const uint16_t *idx, const uint8_t *wrap)
{
	bool set = __atomic_load_n(wrap, __ATOMIC_RELAXED) & 1;

	return (uint16_t)((load16(idx) & (PACKED_WRAP_BIT - 1)) | (set ? PACKED_WRAP_BIT : 0));
}

static void store_used(struct inflight_packed *i)
{
	store_place(&i->area->used_idx, &i->area->used_wrap_counter, i->used);
}

static void store_old(struct inflight_packed *i)
{
	store16(&i->area->old_free_head, i->free_head);
	store_place(&i->area->old_used_idx, &i->area->old_used_wrap_counter, i->used);
}

/* All entries that no chain has become a list of free ones. */
static void list_free(struct inflight_packed *i)
{
	uint16_t head = 0;

	for (uint32_t e = i->size; e > 0; e--)
		if (!i->links[e - 1].taken) {
			link_to(i, (uint16_t)(e - 1), head);
			head = (uint16_t)(e - 1);
		}
	i->free_head = head;
	store16(&i->area->free_head, head);
}

static void begin(struct inflight_packed *i, uint16_t off_wrap)
{
	i->used = off_wrap;
	list_free(i);
	store_used(i);
	store_old(i);
	store16(&i->area->desc_num, i->size);
	in_order();
	store16(&i->area->version, VERSION);
}

int inflight_packed_open(struct inflight_packed *i, void *area, uint16_t size, uint16_t off_wrap)
{
	uint16_t version;

	*i = (struct inflight_packed){.area = area, .size = size};
	version = load16(&i->area->version);
	if (version != 0 && (version != VERSION || load16(&i->area->desc_num) != size))
		return -EINVAL;
	i->links = calloc(size, sizeof(i->links[0]));
	if (!i->links)
		return -ENOMEM;
	if (version == 0)
		begin(i, off_wrap);
	i->used = inflight_packed_old_used(i);
	return 0;
}

void inflight_packed_close(struct inflight_packed *i)
{
	free(i->links);
	i->links = NULL;
}

/* --- while the ring works --- */

static void note(struct inflight_packed_desc *at, const struct vring_packed_desc *d)
{
	store16(&at->id, d->id);
	store16(&at->flags, d->flags);
	__atomic_store_n(&at->len, d->len, __ATOMIC_RELAXED);
	__atomic_store_n(&at->addr, d->addr, __ATOMIC_RELAXED);
}

uint16_t inflight_packed_fetch(struct inflight_packed *i, const struct vring_packed_desc *descs, uint32_t n)
{
	uint16_t head = i->free_head, at = head, last = head;
	struct inflight_packed_desc *first = &i->area->desc[head];

	for (uint32_t k = 0; k < n; k++) {
		ASSERT(!i->links[at].taken);
		i->links[at].taken = true;
		note(&i->area->desc[at], &descs[k]);
		last = at;
		at = i->links[at].next;
	}
	i->links[head].last = last;
	i->links[head].num = (uint16_t)n;
	store16(&first->last, last);
	store16(&first->num, (uint16_t)n);
	__atomic_store_n(&first->counter, i->counter++, __ATOMIC_RELAXED);
	in_order();
	store8(&first->inflight, 1);
	in_order();
	i->free_head = at;
	store16(&i->area->free_head, at);
	store16(&i->area->old_free_head, at);
	return head;
}

static uint16_t forward(const struct inflight_packed *i, uint16_t off_wrap, uint32_t slots)
{
	uint16_t place;

	packed_place_of(i->size, off_wrap, &place);
	return packed_off_wrap(i->size, packed_forward(i->size, place, slots));
}

/* Of places that may be nonsense: some number up to the ring's size. */
static uint32_t distance(const struct inflight_packed *i, uint16_t from, uint16_t to)
{
	uint16_t a, b;

	if (!packed_place_of(i->size, from, &a) || !packed_place_of(i->size, to, &b))
		return 0;
	return min_u32(packed_distance(i->size, a, b), i->size);
}

void inflight_packed_returning(struct inflight_packed *i, const uint16_t *entries, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		const struct inflight_packed_links *head = &i->links[entries[k]];

		link_to(i, head->last, i->free_head);
		i->free_head = entries[k];
		i->used = forward(i, i->used, head->num);
	}
	store16(&i->area->free_head, i->free_head);
	store_used(i);
	in_order();
}

static void free_chain(struct inflight_packed *i, uint16_t head)
{
	uint16_t at = head;

	for (uint32_t k = 0; k < i->links[head].num; k++) {
		i->links[at].taken = false;
		at = i->links[at].next;
	}
}

void inflight_packed_returned(struct inflight_packed *i, const uint16_t *entries, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		free_chain(i, entries[k]);
		store8(&i->area->desc[entries[k]].inflight, 0);
	}
	in_order();
	store_old(i);
}

/* --- after a predecessor --- */

uint16_t inflight_packed_old_used(const struct inflight_packed *i)
{
	return load_place(&i->area->old_used_idx, &i->area->old_used_wrap_counter);
}

/* The chains that the batch freed head the list; together they have as many descriptors as it moved the place on. */
static void finish_batch(struct inflight_packed *i, uint32_t slots)
{
	uint16_t at = load16(&i->area->free_head);

	while (slots > 0 && at < i->size) {
		uint16_t last = load16(&i->area->desc[at].last), num = load16(&i->area->desc[at].num);

		store8(&i->area->desc[at].inflight, 0);
		if (num == 0 || num > slots || last >= i->size)
			return;
		slots -= num;
		at = load16(&i->area->desc[last].next);
	}
}

/* Copies the links of the chain that begins here, if it is one. Returns its length, or 0. */
static uint32_t claim(struct inflight_packed *i, uint16_t head, uint32_t room)
{
	uint32_t num = load16(&i->area->desc[head].num), n;
	uint16_t at = head, last = head;

	if (num == 0 || num > room)
		return 0;
	for (n = 0; n < num && at < i->size && !i->links[at].taken; n++) {
		last = at;
		i->links[at].taken = true;
		at = load16(&i->area->desc[at].next);
		i->links[last].next = at;
	}
	if (n == num) {
		i->links[head].num = (uint16_t)num;
		i->links[head].last = last;
		return num;
	}
	/* not a chain: its entries are free again */
	for (at = head; n > 0; n--) {
		i->links[at].taken = false;
		at = i->links[at].next;
	}
	return 0;
}

static int by_counter(const void *a, const void *b)
{
	const struct inflight_entry *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

uint32_t inflight_packed_recover(
	struct inflight_packed *i, bool shown, struct inflight_entry *entries, uint32_t *slots)
{
	uint16_t old = inflight_packed_old_used(i),
		 new = load_place(&i->area->used_idx, &i->area->used_wrap_counter);
	uint32_t n = 0;

	i->used = old;
	if (new != old && shown) {
		i->used = new;
		finish_batch(i, distance(i, old, new));
	}
	*slots = 0;
	for (uint32_t e = 0; e < i->size; e++) {
		struct inflight_packed_desc *d = &i->area->desc[e];
		uint32_t num;

		if (__atomic_load_n(&d->inflight, __ATOMIC_RELAXED) != 1)
			continue;
		num = claim(i, (uint16_t)e, i->size - *slots);
		if (num == 0) {
			store8(&d->inflight, 0);
			continue;
		}
		*slots += num;
		entries[n++] = (struct inflight_entry){
			.counter = __atomic_load_n(&d->counter, __ATOMIC_RELAXED), .head = (uint16_t)e};
	}
	qsort(entries, n, sizeof(entries[0]), by_counter);
	if (n > 0)
		i->counter = entries[n - 1].counter + 1;
	in_order();
	list_free(i);
	store_used(i);
	store_old(i);
	return n;
}

uint32_t inflight_packed_noted(
	const struct inflight_packed *i, uint16_t entry, struct vring_packed_desc *descs)
{
	uint32_t n = i->links[entry].num;
	uint16_t at = entry;

	for (uint32_t k = 0; k < n; k++) {
		const struct inflight_packed_desc *d = &i->area->desc[at];

		descs[k] = (struct vring_packed_desc){.addr = __atomic_load_n(&d->addr, __ATOMIC_RELAXED),
			.len = __atomic_load_n(&d->len, __ATOMIC_RELAXED),
			.id = load16(&d->id),
			.flags = load16(&d->flags)};
		at = i->links[at].next;
	}
	return n;
}
