/* SPDX-License-Identifier: Apache-2.0 */
/* plan - what a run is asked to do, and the smallest words of the room. */
#ifndef GINNEL_BLKBENCH_PLAN_H
#define GINNEL_BLKBENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define BLKBENCH_QUEUES_MAX   16
#define BLKBENCH_DEPTH_MAX    1024
#define BLKBENCH_SEGMENTS_MAX 16
#define BLKBENCH_BLOCK_MIN    512
#define BLKBENCH_BLOCK_MAX    (16u << 20)

enum blk_op {
	OP_READ,
	OP_WRITE,
	OP_FLUSH,
	OP_DISCARD,
	OP_ZEROES,
	OP_COUNT,
};

/* "read", "write", ... */
const char *blk_op_name(enum blk_op op);

struct blkbench_plan {
	const char *path; /* of the back-end's socket */

	/* the load; depth is of each queue */
	bool random;
	uint32_t read_percent;
	uint32_t discard_percent, zeroes_percent; /* of what is not read */
	uint32_t block_size, depth, queues;
	uint32_t flush_every;  /* that many writes of a queue; 0: never */
	uint64_t offset, size; /* bytes; size 0: to the end */
	uint64_t seed;

	/* how requests travel */
	uint32_t segments; /* pieces of a block */
	bool packed, indirect, no_event_idx;
	bool no_flush; /* do not know of it: each write has to be durable when it is answered */
	bool sleep;    /* until called, instead of looking again and again */

	/* how long */
	double warm_up_s, seconds;
	uint64_t requests; /* 0: as many as there is time for */

	bool verify, read_back;
	const char *verify_state; /* a file; NULL: none */
	bool reconnect;
	const char *writeback; /* "on" or "off": the cache that the driver may switch; NULL: leave it */

	/* what is told */
	uint32_t pid; /* whose CPU time is measured; 0: nobody's */
	bool json, progress;
};

#endif
