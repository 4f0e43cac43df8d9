/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_counters - what a queue has done. Written by its worker, read by control at any time; never set back.
 */
#ifndef GINNEL_BACKEND_BLK_COUNTERS_H
#define GINNEL_BACKEND_BLK_COUNTERS_H

#include "backend/blk_request.h"

/* Times as powers of two: bucket i has those of less than 2^(i + 8) ns, the last one all above. */
#define BLK_TIMES          24
#define BLK_TIME_FIRST_LOG 8

struct blk_counters {
	uint64_t requests[BLK_KINDS];
	uint64_t bytes[BLK_KINDS];
	uint64_t faults[BLK_FAULT_COUNT];
	uint64_t time_ns[BLK_KINDS]; /* all together */
	uint64_t times[BLK_KINDS][BLK_TIMES];
	uint64_t retaken;   /* after a predecessor's death */
	uint64_t abandoned; /* their ring was taken away, and they did not end in time */
	uint64_t bursts;    /* of requests taken */
	uint64_t depth, depth_max;
	uint64_t held_back; /* bursts that a limit cut short */
};

static inline uint32_t blk_time_bucket(uint64_t ns)
{
	uint32_t log =
		ns < (1u << BLK_TIME_FIRST_LOG) ? BLK_TIME_FIRST_LOG - 1 : 63 - (uint32_t)__builtin_clzll(ns);

	return log < BLK_TIME_FIRST_LOG ? 0 : min_u32(log - BLK_TIME_FIRST_LOG + 1, BLK_TIMES - 1);
}

/* No time of the bucket is longer; UINT64_MAX for the last. */
static inline uint64_t blk_time_bound_ns(uint32_t bucket)
{
	return bucket == BLK_TIMES - 1 ? UINT64_MAX : 1ull << (bucket + BLK_TIME_FIRST_LOG);
}

#endif
