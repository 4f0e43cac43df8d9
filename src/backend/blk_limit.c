/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_limit.h"

#include "base/check.h"
#include "base/units.h"

#define FULL_NS (BLK_LIMIT_BURST_MS * NS_PER_MS)
/* Levels of a bucket, full or owing several whole requests (BLK_MAX_BYTES), fit into 63 bits. */
#define RATE_MAX (1ull << 32)

static int64_t full(const struct blk_bucket *b)
{
	return (int64_t)(b->per_s * FULL_NS);
}

static void fill(struct blk_bucket *b, uint64_t ns)
{
	if (b->per_s == 0)
		return;
	if (ns > (uint64_t)(full(b) - b->level) / b->per_s)
		b->level = full(b);
	else
		b->level += (int64_t)(b->per_s * ns);
}

static void set(struct blk_bucket *b, uint64_t per_s)
{
	*b = (struct blk_bucket){.per_s = min_u64(per_s, RATE_MAX)};
	b->level = full(b);
}

void blk_limit_init(struct blk_limit *l, uint64_t requests_per_s, uint64_t bytes_per_s, uint64_t now_ns)
{
	*l = (struct blk_limit){0};
	pthread_mutex_init(&l->lock, NULL);
	blk_limit_set(l, requests_per_s, bytes_per_s, now_ns);
}

void blk_limit_fini(struct blk_limit *l)
{
	pthread_mutex_destroy(&l->lock);
}

void blk_limit_set(struct blk_limit *l, uint64_t requests_per_s, uint64_t bytes_per_s, uint64_t now_ns)
{
	pthread_mutex_lock(&l->lock);
	set(&l->requests, requests_per_s);
	set(&l->bytes, bytes_per_s);
	l->filled_ns = now_ns;
	__atomic_store_n(&l->on, requests_per_s > 0 || bytes_per_s > 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&l->lock);
}

/* Until it holds something again. */
static uint64_t wait_of(const struct blk_bucket *b)
{
	if (b->per_s == 0 || b->level > 0)
		return 0;
	return (uint64_t)-b->level / b->per_s + 1;
}

uint64_t blk_limit_wait_ns(struct blk_limit *l, uint64_t now_ns)
{
	uint64_t wait_ns;

	if (!__atomic_load_n(&l->on, __ATOMIC_RELAXED))
		return 0;
	pthread_mutex_lock(&l->lock);
	if (now_ns > l->filled_ns) { /* another worker may be ahead */
		fill(&l->requests, now_ns - l->filled_ns);
		fill(&l->bytes, now_ns - l->filled_ns);
		l->filled_ns = now_ns;
	}
	wait_ns = wait_of(&l->requests);
	if (wait_of(&l->bytes) > wait_ns)
		wait_ns = wait_of(&l->bytes);
	pthread_mutex_unlock(&l->lock);
	return wait_ns;
}

static void pay(struct blk_bucket *b, uint64_t units)
{
	if (b->per_s > 0)
		b->level -= (int64_t)(units * NS_PER_S);
}

void blk_limit_pay(struct blk_limit *l, uint64_t bytes)
{
	if (!__atomic_load_n(&l->on, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&l->lock);
	pay(&l->requests, 1);
	pay(&l->bytes, bytes);
	pthread_mutex_unlock(&l->lock);
}
