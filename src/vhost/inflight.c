/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/inflight.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

#define VERSION 1

uint64_t inflight_area_len(uint32_t size, bool packed)
{
	uint64_t len =
		packed ? INFLIGHT_PACKED_HEADER + (uint64_t)size * INFLIGHT_PACKED_DESC
		       : sizeof(struct inflight_split) + (uint64_t)size * sizeof(struct inflight_split_desc);

	return (len + 63) / 64 * 64;
}

static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store16(uint16_t *p, uint16_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

/* What is written down must be there before what follows: the process may die between any two of them. */
static void in_order(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void set_inflight(struct inflight *i, uint16_t head, uint8_t inflight)
{
	__atomic_store_n(&i->area->desc[head].inflight, inflight, __ATOMIC_RELAXED);
}

int inflight_open(struct inflight *i, void *area, uint16_t size)
{
	uint16_t version, desc_num;

	*i = (struct inflight){.area = area, .size = size};
	version = load16(&i->area->version);
	desc_num = load16(&i->area->desc_num);
	i->last_batch_head = load16(&i->area->last_batch_head);
	if (version == VERSION && desc_num == size)
		return 0;
	if (version != 0)
		return -EINVAL;
	store16(&i->area->desc_num, size);
	in_order();
	store16(&i->area->version, VERSION);
	return 0;
}

void inflight_fetch(struct inflight *i, uint16_t head)
{
	__atomic_store_n(&i->area->desc[head].counter, i->counter++, __ATOMIC_RELAXED);
	in_order();
	set_inflight(i, head, 1);
}

void inflight_returning(struct inflight *i, const uint16_t *heads, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		store16(&i->area->desc[heads[k]].next, i->last_batch_head);
		store16(&i->area->last_batch_head, heads[k]);
		i->last_batch_head = heads[k];
	}
	in_order();
}

void inflight_returned(struct inflight *i, const uint16_t *heads, uint32_t n, uint16_t used_idx)
{
	for (uint32_t k = 0; k < n; k++)
		set_inflight(i, heads[k], 0);
	in_order();
	store16(&i->area->used_idx, used_idx);
}

/* The predecessor died after the guest saw its last batch and before it was noted: it was returned all the same. */
static void finish_batch(struct inflight *i, uint16_t used_idx)
{
	uint16_t left = (uint16_t)(used_idx - load16(&i->area->used_idx));
	uint16_t head = load16(&i->area->last_batch_head);

	for (left = min_u32(left, i->size); left > 0 && head < i->size; left--) {
		set_inflight(i, head, 0);
		head = load16(&i->area->desc[head].next);
	}
	in_order();
	store16(&i->area->used_idx, used_idx);
}

static int by_counter(const void *a, const void *b)
{
	const struct inflight_entry *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

uint32_t inflight_recover(struct inflight *i, uint16_t used_idx, struct inflight_entry *entries)
{
	uint32_t n = 0;

	finish_batch(i, used_idx);
	for (uint32_t head = 0; head < i->size; head++) {
		const struct inflight_split_desc *d = &i->area->desc[head];

		if (__atomic_load_n(&d->inflight, __ATOMIC_RELAXED) != 1)
			continue;
		entries[n++] = (struct inflight_entry){
			.counter = __atomic_load_n(&d->counter, __ATOMIC_RELAXED), .head = (uint16_t)head};
	}
	qsort(entries, n, sizeof(entries[0]), by_counter);
	if (n > 0)
		i->counter = entries[n - 1].counter + 1;
	return n;
}
