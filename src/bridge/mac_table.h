/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mac_table - which address is behind which interface, of one bridge domain.
 *
 * An entry is one atomic word, a bucket one cache line of eight; each address has two buckets to be in.
 *
 *	 63                                 16  15     14      13    12            0
 *	+-------------------------------------+------+--------+--------+------------+
 *	|               address               | used | static | filter | interface  |
 *	+-------------------------------------+------+--------+--------+------------+
 *
 * When each was last heard stands in a parallel array, in whole seconds: a look-up touches one line, a
 * refresh writes at most once a second.
 *
 * Always true:
 * - A word of zero is a free slot; every other word is a complete entry.
 * - Static entries (a filter is one) are written by control only: never learned over, never aged.
 * - Nothing is learned while learn_limit entries are learned ones; a lowered limit removes none. Two
 *   workers that learn one address at the same time may both insert it; each then looks again and all but
 *   one entry go, a static one stays in any case.
 * - What a worker knows of the table is void when an entry changes or goes, or a static one comes (`state`); a new one that was
 *   learned makes nothing wrong, as nobody notes that he found none.
 * - Guests choose the addresses, so where they lie depends on a secret seed: nobody can aim at a bucket.
 *
 * Threads: any worker learns and looks up at any time. What says Control is for one thread at a time.
 */
#ifndef GINNEL_BRIDGE_MAC_TABLE_H
#define GINNEL_BRIDGE_MAC_TABLE_H

#include "base/check.h"
#include "base/memo.h"
#include "base/prefetch.h"

#include <stdbool.h>
#include <stdint.h>

#define XXH_INLINE_ALL /* a call would cost more than the hash */
#include <xxhash.h>

#define MAC_TABLE_LIMIT_MAX (1u << 20)

#define MAC_BUCKET_SLOTS 8

#define MAC_WORD_USED   0x8000u
#define MAC_WORD_STATIC 0x4000u
#define MAC_WORD_FILTER 0x2000u
#define MAC_WORD_IFACE  0x1fffu

struct mac_bucket {
	_Alignas(CACHE_LINE) uint64_t words[MAC_BUCKET_SLOTS];
};

static_assert(sizeof(struct mac_bucket) == CACHE_LINE, "a look-up touches one line");

/* What workers write, away from what they read for each packet. */
struct mac_counts {
	_Alignas(CACHE_LINE) uint64_t n_moves; /* atomic */
	uint32_t n_learned;                    /* atomic */
};

struct mac_table {
	struct mac_bucket *buckets;
	uint32_t *seen_s; /* per slot */
	uint64_t seed;
	uint32_t bucket_mask;
	uint32_t learn_limit;    /* atomic */
	struct memo_state state; /* of all that decides where packets go */
	void *memory;            /* what buckets is the aligned part of */
	uint32_t sweep_at;       /* control: the bucket where ageing goes on */
	struct mac_counts counts;
};

enum mac_learned {
	MAC_LEARNED,        /* known behind this interface, now or before */
	MAC_LEARNED_FILTER, /* packets from this address are unwanted */
	MAC_LEARNED_FULL,   /* not known, and no room */
};

struct mac_entry {
	uint64_t mac;
	uint32_t iface_idx; /* means nothing in a filter */
	uint32_t seen_s;    /* means nothing in a static entry */
	bool is_static;
	bool is_filter;
};

/* NULL when out of memory; learn_limit is at most MAC_TABLE_LIMIT_MAX. */
struct mac_table *mac_table_create(uint32_t learn_limit, uint64_t seed);
void mac_table_destroy(struct mac_table *t);

/* Control. An entry that is there already becomes static. 0, or -ENOSPC when both buckets are full. */
int mac_table_add_static(struct mac_table *t, uint64_t mac, uint32_t iface_idx);
int mac_table_add_filter(struct mac_table *t, uint64_t mac);
/* Control. Of any kind; 0 or -ENOENT. */
int mac_table_del(struct mac_table *t, uint64_t mac);

#define MAC_ANY_IFACE UINT32_MAX

/* Control. Learned entries of an interface (or MAC_ANY_IFACE) go; static ones too if asked. */
void mac_table_flush(struct mac_table *t, uint32_t iface_idx, bool static_too);

/*
 * Control. Learned entries that were not heard for age_s seconds go; 0 means none. One call looks at a
 * bounded part: a table of up to 16384 addresses at once, larger ones over several calls.
 */
void mac_table_age(struct mac_table *t, uint32_t now_s, uint32_t age_s);

/*
 * Control. False: the table is too small for that many; make a larger one and fill it with
 * mac_table_copy().
 */
bool mac_table_set_limit(struct mac_table *t, uint32_t learn_limit);
/* Control. 0, or -ENOSPC when a static entry found no place. */
int mac_table_copy(struct mac_table *to, const struct mac_table *from);

/* Control. The next entry from *pos on, which starts at 0; false at the end. */
bool mac_table_next(const struct mac_table *t, uint32_t *pos, struct mac_entry *entry);

static inline uint32_t mac_table_count_learned(const struct mac_table *t)
{
	return __atomic_load_n(&t->counts.n_learned, __ATOMIC_RELAXED);
}

/* How often an address appeared behind another interface. */
static inline uint64_t mac_table_count_moves(const struct mac_table *t)
{
	return __atomic_load_n(&t->counts.n_moves, __ATOMIC_RELAXED);
}

static inline uint64_t mac_word(uint64_t mac, uint32_t iface_idx, uint32_t flags)
{
	return mac << 16 | MAC_WORD_USED | flags | iface_idx;
}

static inline uint64_t mac_table_hash(const struct mac_table *t, uint64_t mac)
{
	return XXH3_64bits_withSeed(&mac, sizeof(mac), t->seed);
}

static inline uint32_t mac_table_first(const struct mac_table *t, uint64_t hash)
{
	return (uint32_t)hash & t->bucket_mask;
}

static inline uint32_t mac_table_second(const struct mac_table *t, uint64_t hash)
{
	uint32_t second = (uint32_t)(hash >> 32) & t->bucket_mask;

	return second == mac_table_first(t, hash) ? second ^ 1 : second;
}

/* Most entries lie in their first bucket, so only that one is fetched ahead; of a source, when it was last heard, too. */
PREFETCH_FN mac_table_prefetch(const struct mac_table *t, uint64_t hash, bool source)
{
	uint32_t bucket = mac_table_first(t, hash);

	prefetch_read(&t->buckets[bucket], 1);
	if (source)
		prefetch_read(&t->seen_s[bucket * MAC_BUCKET_SLOTS], 1);
}

static inline uint64_t mac_bucket_find(
	const struct mac_table *t, uint32_t bucket, uint64_t mac, uint32_t *slot)
{
	const uint64_t *words = t->buckets[bucket].words;

	for (uint32_t i = 0; i < MAC_BUCKET_SLOTS; i++) {
		uint64_t word = __atomic_load_n(&words[i], __ATOMIC_RELAXED);

		/* The address and the used bit at once. */
		if ((word | (MAC_WORD_USED - 1)) == (mac << 16 | 0xffff)) {
			*slot = bucket * MAC_BUCKET_SLOTS + i;
			return word;
		}
	}
	return 0;
}

/* The entry's word, or 0; *slot is set with an entry only. */
static inline uint64_t mac_table_find(const struct mac_table *t, uint64_t mac, uint64_t hash, uint32_t *slot)
{
	uint64_t word = mac_bucket_find(t, mac_table_first(t, hash), mac, slot);

	return likely(word) ? word : mac_bucket_find(t, mac_table_second(t, hash), mac, slot);
}

/* Whatever mac_table_learn() may find but the usual. */
enum mac_learned mac_table_learn_slow(
	struct mac_table *t, uint64_t mac, uint64_t hash, uint32_t iface_idx, uint32_t now_s);

/* hash is mac_table_hash() of mac, which is no group address. */
static inline enum mac_learned mac_table_learn(
	struct mac_table *t, uint64_t mac, uint64_t hash, uint32_t iface_idx, uint32_t now_s)
{
	uint32_t slot;

	if (likely(mac_table_find(t, mac, hash, &slot) == mac_word(mac, iface_idx, 0)) &&
		likely(__atomic_load_n(&t->seen_s[slot], __ATOMIC_RELAXED) == now_s))
		return MAC_LEARNED;
	return mac_table_learn_slow(t, mac, hash, iface_idx, now_s);
}

#endif
