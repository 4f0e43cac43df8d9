/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_pace - whether a worker makes calls of one kind itself, or leaves them to others because they turned out to wait.
 *
 * A call on a file in memory, or on one that the page cache has, is over before another thread would have woken up. The
 * same call may wait for a disk. So it is tried; one that took longer than a thread needs to wake up is the last one
 * for a while, and the while doubles with each further one, from 10 ms to 10 s. What that costs the worker's other
 * queues is one slow call per while.
 */
#ifndef GINNEL_BACKEND_BLK_PACE_H
#define GINNEL_BACKEND_BLK_PACE_H

#include "base/check.h"
#include "base/units.h"

#include <stdbool.h>
#include <stdint.h>

#define BLK_PACE_SLOW_NS  (300 * NS_PER_US)
#define BLK_PACE_FIRST_NS (10 * NS_PER_MS)
#define BLK_PACE_LAST_NS  (10 * NS_PER_S)
/* So many quick calls in a row, and a slow one is the first again. */
#define BLK_PACE_FORGIVEN 1000

struct blk_pace {
	uint64_t until_ns; /* left to others until then */
	uint64_t pause_ns; /* of the last slow one */
	uint32_t quick;    /* calls since that one */
};

static inline bool blk_pace_own(const struct blk_pace *p, uint64_t now_ns)
{
	return now_ns >= p->until_ns;
}

/* Such a call took from began_ns to now_ns. */
static inline void blk_pace_took(struct blk_pace *p, uint64_t began_ns, uint64_t now_ns)
{
	if (likely(now_ns - began_ns < BLK_PACE_SLOW_NS)) {
		if (p->pause_ns > 0 && ++p->quick == BLK_PACE_FORGIVEN)
			p->pause_ns = 0;
		return;
	}
	p->pause_ns = p->pause_ns == 0 ? BLK_PACE_FIRST_NS : min_u64(2 * p->pause_ns, BLK_PACE_LAST_NS);
	p->until_ns = now_ns + p->pause_ns;
	p->quick = 0;
}

#endif
