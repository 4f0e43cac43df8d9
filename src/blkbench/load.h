/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - what is asked of the disk and what is made of its answers. Each queue always has `depth` requests on their way,
 * as long as there is something to ask.
 *
 * A turn takes back what is done and asks for more; time is an argument. Requests that are on their way when the
 * back-end dies go on counting from when they were asked first.
 */
#ifndef GINNEL_BLKBENCH_LOAD_H
#define GINNEL_BLKBENCH_LOAD_H

#include "blkbench/disk.h"
#include "blkbench/verify.h"

#include "base/histogram.h"
#include "base/random.h"

/* Sentences that are kept of what verifying found. */
#define LOAD_FINDINGS_MAX 8

enum load_mode {
	LOAD_NOTHING, /* what is on its way comes back, and no more is asked */
	LOAD_PLAN,
	LOAD_SWEEP, /* read each block once */
};

/* Since load_zero(). */
struct load_counters {
	uint64_t done[OP_COUNT];
	uint64_t bytes;                     /* read, written, discarded and zeroed */
	struct histogram latency[OP_COUNT]; /* ns */
};

/* Since the beginning. */
struct load_faults {
	uint64_t io_errors, unsupported;
	uint64_t no_status;              /* came back without one, or with one that means nothing */
	uint64_t short_lens;             /* said to be written less than must have been */
	uint64_t lost, foreign, corrupt; /* blocks */
};

struct load_stream {
	struct random random;
	uint64_t next;   /* block, when sequential */
	uint32_t writes; /* since the last flush */
};

struct load {
	const struct blkbench_plan *plan;
	struct disk *disk;
	struct verify *verify; /* NULL: nothing is verified */
	uint64_t n_blocks;
	enum load_mode mode;
	uint64_t asked;    /* since load_zero() */
	uint64_t sweep_at; /* block */
	struct load_stream streams[BLKBENCH_QUEUES_MAX];
	struct load_counters counters;
	struct load_faults faults;
	uint64_t checked, unknown; /* blocks read and compared, or of which nothing was known */
	uint32_t n_findings;
	char findings[LOAD_FINDINGS_MAX][160];
};

/* The load of a disk whose configuration is known; verify may be NULL. */
void load_init(struct load *l, const struct blkbench_plan *plan, struct disk *disk, struct verify *verify,
	uint64_t n_blocks);
/* Of the disk: puts the data of a request that is asked once more. */
void load_refill(void *load, struct disk_request *r);
void load_zero(struct load *l);
/* Takes back and asks, at all queues. Returns how many came back. */
uint32_t load_turn(struct load *l, uint64_t now_ns);
/* Requests that the device has. */
uint32_t load_on_their_way(const struct load *l);
/* All that was to be asked in this mode has been asked. */
bool load_asked_all(const struct load *l);
/* Has anything gone wrong? */
bool load_failed(const struct load *l);

#endif
