/* SPDX-License-Identifier: Apache-2.0 */
/* histogram - how often each value came: exact below 64, then within 1/32 of the value, over all 64 bits. */
#ifndef GINNEL_BASE_HISTOGRAM_H
#define GINNEL_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_SHIFT 5
#define HISTOGRAM_SUBS      (1u << HISTOGRAM_SUB_SHIFT)
#define HISTOGRAM_BUCKETS   ((64 - HISTOGRAM_SUB_SHIFT + 1) * HISTOGRAM_SUBS)

struct histogram {
	uint64_t n, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline uint32_t histogram_bucket(uint64_t value)
{
	uint32_t shift;

	if (value < 2 * HISTOGRAM_SUBS)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_SHIFT;
	return shift * HISTOGRAM_SUBS + (uint32_t)(value >> shift);
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	h->n++;
	h->buckets[histogram_bucket(value)]++;
	if (value > h->max)
		h->max = value;
}

/* Adds all that is in other. */
void histogram_merge(struct histogram *h, const struct histogram *other);
/* The least value of a bucket. */
uint64_t histogram_floor(uint32_t bucket);
/* The value that this share of all, 0 to 1, does not exceed by more than a bucket; 0 when there is none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
