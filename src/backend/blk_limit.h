/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_limit - how many requests and bytes per second a disk may do: two buckets that fill with time.
 *
 * A request may start while neither bucket is empty, whatever it costs; then it is paid for, and a bucket may owe. So no
 * request is too large for a small bucket, and what a second has in it is right over time. A full bucket holds
 * BLK_LIMIT_BURST_MS of its rate: after a pause that much goes at once.
 *
 * Requests that may not start yet stay in the guest's ring: nothing has to be waited for when the ring is let go of.
 *
 * All queues share the limits; a lock, taken per request, guards them, and only where limits are set.
 */
#ifndef GINNEL_BACKEND_BLK_LIMIT_H
#define GINNEL_BACKEND_BLK_LIMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BLK_LIMIT_BURST_MS 100

struct blk_bucket {
	uint64_t per_s; /* 0: no limit */
	int64_t level;  /* in billionths: one unit is NS_PER_S of them */
};

struct blk_limit {
	bool on;
	pthread_mutex_t lock;
	uint64_t filled_ns;
	struct blk_bucket requests, bytes;
};

void blk_limit_init(struct blk_limit *l, uint64_t requests_per_s, uint64_t bytes_per_s, uint64_t now_ns);
void blk_limit_fini(struct blk_limit *l);
/* From now on; any thread. */
void blk_limit_set(struct blk_limit *l, uint64_t requests_per_s, uint64_t bytes_per_s, uint64_t now_ns);

/* 0: a request may start; otherwise when to ask again. */
uint64_t blk_limit_wait_ns(struct blk_limit *l, uint64_t now_ns);
/* It has started. */
void blk_limit_pay(struct blk_limit *l, uint64_t bytes);

#endif
