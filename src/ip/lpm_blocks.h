/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpm_blocks - where the nodes and the values of a tree lie: blocks of 1 to LPM_BLOCK_MAX units side by side, a block being
 * the number of its first unit. One large table for all, so that large pages serve it.
 *
 * A block that was taken out of the tree waits until all workers have ended a turn; then it is free. Free blocks are listed by
 * size, and larger ones are cut when there is no other; they do not grow together again. Two of the largest are set aside,
 * for whoever must not fail.
 */
#ifndef GINNEL_IP_LPM_BLOCKS_H
#define GINNEL_IP_LPM_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LPM_BLOCK_MAX   64
#define LPM_WAITING_MAX 256

struct lpm_blocks {
	uint8_t *base;
	uint32_t unit;                    /* bytes */
	uint32_t max, n_used;             /* units; unit 0 is none and all zeros */
	uint32_t n_free;                  /* of the used ones */
	uint32_t spare[2];                /* blocks of LPM_BLOCK_MAX */
	uint32_t free[LPM_BLOCK_MAX + 1]; /* by size; a free block begins with the next one */
};

/* Blocks of either kind that workers may still see. */
struct lpm_waiting {
	uint32_t n;
	struct {
		struct lpm_blocks *blocks;
		uint32_t block, size;
	} list[LPM_WAITING_MAX];
};

/* 0 or -ENOMEM. unit >= 4. */
int blocks_init(struct lpm_blocks *b, uint32_t unit, uint32_t max);
void blocks_fini(struct lpm_blocks *b);

/* Not zeroed; 0: there is no room. */
uint32_t blocks_get(struct lpm_blocks *b, uint32_t size);
/* Nobody can have seen it. */
void blocks_put(struct lpm_blocks *b, uint32_t block, uint32_t size);
/* From the next blocks_settle() on it is free. Room for it was made by waiting_reserve(). */
void blocks_retire(struct lpm_waiting *w, struct lpm_blocks *b, uint32_t block, uint32_t size);
/* Room for so many to be retired. */
void waiting_reserve(struct lpm_waiting *w, uint32_t n);
/* The workers have ended the turns in which they may have seen what waits. */
void blocks_settle(struct lpm_waiting *w);
/* Large pages for what is in use and what will be. */
void blocks_prefer_large(struct lpm_blocks *b);

static inline void *blocks_at(const struct lpm_blocks *b, uint32_t block)
{
	return b->base + (size_t)block * b->unit;
}

static inline bool block_is_spare(const struct lpm_blocks *b, uint32_t block)
{
	return block == b->spare[0] || block == b->spare[1];
}

static inline uint64_t blocks_memory(const struct lpm_blocks *b)
{
	return (uint64_t)(b->n_used - 2 * LPM_BLOCK_MAX) * b->unit;
}

#endif
