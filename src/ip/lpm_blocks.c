/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/lpm_blocks.h"

#include "base/check.h"
#include "os/pages.h"
#include "os/rcu.h"

#include <errno.h>
#include <string.h>

/* A unit that is none, and what is set aside. */
#define FIRST_UNITS (1 + 2 * LPM_BLOCK_MAX)

int blocks_init(struct lpm_blocks *b, uint32_t unit, uint32_t max)
{
	*b = (struct lpm_blocks){.unit = unit, .max = max + FIRST_UNITS, .n_used = FIRST_UNITS};
	b->base = pages_alloc(b->max, unit);
	b->spare[0] = 1;
	b->spare[1] = 1 + LPM_BLOCK_MAX;
	return b->base ? 0 : -ENOMEM;
}

void blocks_fini(struct lpm_blocks *b)
{
	pages_free(b->base, b->max, b->unit);
	*b = (struct lpm_blocks){0};
}

static uint32_t take(struct lpm_blocks *b, uint32_t size)
{
	uint32_t block = b->free[size];

	memcpy(&b->free[size], blocks_at(b, block), sizeof(b->free[size]));
	b->n_free -= size;
	return block;
}

uint32_t blocks_get(struct lpm_blocks *b, uint32_t size)
{
	uint32_t block = b->n_used;

	ASSERT(size > 0 && size <= LPM_BLOCK_MAX);
	if (b->free[size])
		return take(b, size);
	if (b->max - b->n_used >= size) {
		b->n_used += size;
		return block;
	}
	for (uint32_t larger = size + 1; larger <= LPM_BLOCK_MAX; larger++) {
		if (!b->free[larger])
			continue;
		block = take(b, larger);
		blocks_put(b, block + size, larger - size);
		return block;
	}
	return 0;
}

void blocks_put(struct lpm_blocks *b, uint32_t block, uint32_t size)
{
	memcpy(blocks_at(b, block), &b->free[size], sizeof(b->free[size]));
	b->free[size] = block;
	b->n_free += size;
}

void blocks_retire(struct lpm_waiting *w, struct lpm_blocks *b, uint32_t block, uint32_t size)
{
	if (size == 0 || block_is_spare(b, block))
		return;
	ASSERT(w->n < LPM_WAITING_MAX);
	w->list[w->n].blocks = b;
	w->list[w->n].block = block;
	w->list[w->n++].size = size;
}

void waiting_reserve(struct lpm_waiting *w, uint32_t n)
{
	if (w->n + n > LPM_WAITING_MAX)
		blocks_settle(w);
}

void blocks_settle(struct lpm_waiting *w)
{
	rcu_wait();
	while (w->n > 0) {
		w->n--;
		blocks_put(w->list[w->n].blocks, w->list[w->n].block, w->list[w->n].size);
	}
}

void blocks_prefer_large(struct lpm_blocks *b)
{
	pages_prefer_large(b->base, b->max, b->unit);
}
