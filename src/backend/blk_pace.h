/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_pace - whether a worker makes calls of one kind itself, or leaves them to others because they turned out to wait.
 *
 * A call on a file in memory, or on one that the page cache has, is over before another thread would have woken up. The
 * same call may wait for a disk. So it is tried; after one that took longer than a thread needs to wake up the others are
 * left to others, for 16 times as long as it took, twice that if the next try is slow as well, and so on up to 10 s. So
 * slow calls take a sixteenth of the worker's time at most, and hardly any where they are the rule.
 *
 * One in half a second may be chance: a worker that loses its processor for a while cannot tell that from a slow disk.
 */
#ifndef GINNEL_BACKEND_BLK_PACE_H
#define GINNEL_BACKEND_BLK_PACE_H

#include "base/check.h"
#include "base/units.h"

#include <stdbool.h>
#include <stdint.h>

#define BLK_PACE_SLOW_NS   (300 * NS_PER_US)
#define BLK_PACE_SHARE     16
#define BLK_PACE_LAST_NS   (10 * NS_PER_S)
#define BLK_PACE_CHANCE_NS (NS_PER_S / 2)

struct blk_pace {
	uint64_t until_ns; /* left to others until then */
	uint64_t slow_ns;  /* when the last slow call ended; 0: there was none */
	uint32_t slow;     /* tries in a row that were slow, but for one by chance */
};

static inline bool blk_pace_own(const struct blk_pace *p, uint64_t now_ns)
{
	return now_ns >= p->until_ns;
}

/* Such a call took from began_ns to now_ns. */
static inline void blk_pace_took(struct blk_pace *p, uint64_t began_ns, uint64_t now_ns)
{
	const bool chance = p->slow == 0 && (p->slow_ns == 0 || now_ns - p->slow_ns > BLK_PACE_CHANCE_NS);
	uint64_t took_ns = now_ns - began_ns;

	if (likely(took_ns < BLK_PACE_SLOW_NS)) {
		p->slow = 0;
		return;
	}
	p->slow_ns = now_ns;
	if (chance)
		return;
	p->until_ns =
		now_ns + min_u64(min_u64(took_ns, NS_PER_S) * BLK_PACE_SHARE << p->slow, BLK_PACE_LAST_NS);
	p->slow = min_u32(p->slow + 1, 16);
}

#endif
