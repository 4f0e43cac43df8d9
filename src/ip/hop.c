/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/hop.h"

#include "base/check.h"
#include "os/pages.h"
#include "os/rcu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 64

int hops_init(struct hops *h)
{
	*h = (struct hops){.n = HOP_KINDS_FIXED};
	h->list = pages_alloc(HOPS_MAX, sizeof(*h->list));
	h->spare = pages_alloc(HOPS_MAX, sizeof(*h->spare));
	if (!h->list || !h->spare) {
		hops_fini(h);
		return -ENOMEM;
	}
	for (uint32_t kind = 0; kind < HOP_KINDS_FIXED; kind++)
		h->list[kind] = (struct hop){.kind = (uint8_t)kind, .refs = 1};
	return 0;
}

void hops_fini(struct hops *h)
{
	for (uint32_t i = HOP_KINDS_FIXED; h->list && i < h->n; i++)
		free((void *)(uintptr_t)h->list[i].buckets);
	pages_free(h->list, HOPS_MAX, sizeof(*h->list));
	pages_free(h->spare, HOPS_MAX, sizeof(*h->spare));
	*h = (struct hops){0};
}

static uint32_t *chain_of(struct hops *h, const struct hop *hop)
{
	uint64_t hash = (hop->kind + (uint64_t)hop->neigh * 31 + (hop->iface ? hop->iface->idx : 0)) *
			0x9e3779b97f4a7c15ull;

	for (uint32_t i = 0; i < hop->n_paths; i++)
		hash = (hash ^ hop->paths[i]) * 0x9e3779b97f4a7c15ull + hop->weights[i];
	return &h->chains[hash >> 32 & (HOP_CHAINS - 1)];
}

static bool alike(const struct hop *a, const struct hop *b)
{
	return a->kind == b->kind && a->neigh == b->neigh && a->iface == b->iface &&
	       a->n_paths == b->n_paths &&
	       memcmp(a->paths, b->paths, a->n_paths * sizeof(a->paths[0])) == 0 &&
	       memcmp(a->weights, b->weights, a->n_paths) == 0;
}

static void hops_settle(struct hops *h)
{
	rcu_wait();
	while (h->n_waiting > 0) {
		uint32_t hop = h->spare[HOPS_MAX - h->n_waiting--];

		free((void *)(uintptr_t)h->list[hop].buckets);
		h->list[hop] = (struct hop){0};
		h->spare[h->n_free++] = hop;
	}
}

static uint32_t place_new(struct hops *h)
{
	if (h->n_free == 0 && (h->n_waiting >= WAITING_MAX || (h->n == HOPS_MAX && h->n_waiting > 0)))
		hops_settle(h);
	if (h->n_free > 0)
		return h->spare[--h->n_free];
	return h->n < HOPS_MAX ? h->n++ : 0;
}

uint32_t *hop_buckets(const struct hop *group)
{
	uint32_t *buckets = calloc(HOP_BUCKETS, sizeof(*buckets));
	uint32_t sum = 0, done = 0, at = 0;

	if (!buckets)
		return NULL;
	for (uint32_t i = 0; i < group->n_paths; i++)
		sum += group->weights[i];
	/* each path ends where its share of all weights does: no bucket is left, and none is far from fair */
	for (uint32_t i = 0; i < group->n_paths; i++)
		for (done += group->weights[i]; at < HOP_BUCKETS * done / sum; at++)
			buckets[at] = group->paths[i];
	return buckets;
}

uint32_t hop_get(struct hops *h, const struct hop *like)
{
	uint32_t *chain = chain_of(h, like), idx;
	struct hop *hop;

	for (idx = *chain; idx; idx = h->list[idx].next)
		if (alike(&h->list[idx], like)) {
			h->list[idx].refs++;
			return idx;
		}
	idx = place_new(h);
	if (idx == 0)
		return 0;
	hop = &h->list[idx];
	*hop = *like;
	if (hop->kind == HOP_GROUP) {
		hop->buckets = hop_buckets(hop);
		if (!hop->buckets) {
			h->spare[h->n_free++] = idx;
			return 0;
		}
	}
	hop->refs = 1;
	hop->next = *chain;
	*chain = idx;
	return idx;
}

void hop_ref(struct hops *h, uint32_t hop)
{
	h->list[hop].refs++;
}

bool hop_put(struct hops *h, uint32_t hop)
{
	uint32_t *link;

	ASSERT(h->list[hop].refs > 0);
	if (hop < HOP_KINDS_FIXED || --h->list[hop].refs > 0)
		return false;
	for (link = chain_of(h, &h->list[hop]); *link != hop; link = &h->list[*link].next)
		;
	*link = h->list[hop].next;
	h->spare[HOPS_MAX - ++h->n_waiting] = hop;
	return true;
}
