/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

void histogram_merge(struct histogram *h, const struct histogram *other)
{
	h->n += other->n;
	h->max = h->max > other->max ? h->max : other->max;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += other->buckets[i];
}

uint64_t histogram_floor(uint32_t bucket)
{
	const uint32_t shift = bucket / HISTOGRAM_SUBS;

	if (shift < 2)
		return bucket;
	return (uint64_t)(bucket % HISTOGRAM_SUBS + HISTOGRAM_SUBS) << (shift - 1);
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	const uint64_t wanted = (uint64_t)(share * (double)h->n);
	uint64_t seen = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && h->n > 0; i++) {
		seen += h->buckets[i];
		if (seen > wanted)
			return histogram_floor(i);
	}
	return h->max;
}
