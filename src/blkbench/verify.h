/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - what must be in each block of the disk, over crashes of the back-end and of ourselves.
 *
 * Each write of a block has a number, its generation. Each sector written says where it belongs, of which generation it
 * is and of which run of numbers (the seed); all its other bytes follow from that. What may be read is kept per block:
 *
 *	data_from   the last generation that was acknowledged: nothing older may be read
 *	issued      the last that was sent: nothing newer can be read
 *	zeroes      zeroes may be read, as they were asked for after data_from
 *	anything    so may anything: nothing was acknowledged yet, or a discard, or a write that failed
 *
 * Between data_from and issued the disk may have what it likes, for each sector apart: a crash may tear a write that
 * nobody acknowledged. While a block is written nothing else touches it, see verify_begin(): without crashes there is
 * just one answer.
 *
 * With a file all that outlives us: a word per block, changed in one store before a write is sent and after its
 * acknowledgement was seen.
 */
#ifndef GINNEL_BLKBENCH_VERIFY_H
#define GINNEL_BLKBENCH_VERIFY_H

#include "blkbench/plan.h"

#include <stddef.h>

/* Where the words are about. */
struct verify_shape {
	uint64_t offset; /* bytes, as of the plan */
	uint64_t n_blocks;
	uint64_t seed;
	uint32_t block_size;
};

enum verify_verdict {
	VERIFY_GOOD,
	VERIFY_UNKNOWN, /* anything may be there */
	VERIFY_LOST,    /* older than what was acknowledged */
	VERIFY_FOREIGN, /* of another place or another seed, or of a generation that was never sent */
	VERIFY_CORRUPT, /* some of it is nobody's */
};

const char *verify_text(enum verify_verdict verdict);

struct verify {
	struct verify_shape shape;
	uint64_t *words; /* one per block */
	uint16_t *busy;  /* one per block: readers on their way, or VERIFY_WRITER */
	void *map;       /* of the file, its header first */
	size_t map_len;
};

#define VERIFY_WRITER UINT16_MAX

/* A file that exists must be about the same blocks; its seed is taken. 0, or -errno and why. */
int verify_open(
	struct verify *v, const struct verify_shape *shape, const char *file, char *why, size_t why_len);
void verify_close(struct verify *v);

/* May this block be touched now? Then it counts as touched until verify_end(). */
bool verify_begin(struct verify *v, enum blk_op op, uint64_t block);
void verify_end(struct verify *v, enum blk_op op, uint64_t block);

/* A write, discard or write of zeroes is about to be sent: returns its generation. */
uint32_t verify_issue(struct verify *v, enum blk_op op, uint64_t block);
void verify_acknowledged(struct verify *v, enum blk_op op, uint64_t block, uint32_t generation);
/* It came back with an error: nobody knows what is there. */
void verify_failed(struct verify *v, uint64_t block);

void verify_fill(const struct verify *v, uint64_t block, uint32_t generation, void *data);

struct verify_finding {
	enum verify_verdict verdict;
	uint32_t sector;     /* in the block, of the first that is wrong */
	uint32_t generation; /* what it claims to be */
	uint32_t data_from, issued;
};

struct verify_finding verify_check(const struct verify *v, uint64_t block, const void *data);

#endif
