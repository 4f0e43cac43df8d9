/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/mac_table.h"

#include <errno.h>
#include <stdlib.h>

#define MIN_BUCKETS 16
/* One call of ageing; a table for the usual limit has as many. */
#define SWEEP_BUCKETS 4096
/*
 * A first bucket with this many entries is full enough to look at the second. Then one entry in twenty of a
 * full table lies in its second bucket, and none was ever left without a place.
 */
#define FIRST_IS_FULL 6

#define NO_SLOT UINT32_MAX

/* Slots are at least twice the limit. */
static uint32_t buckets_for(uint32_t learn_limit)
{
	uint32_t n = MIN_BUCKETS;

	ASSERT(learn_limit <= MAC_TABLE_LIMIT_MAX);
	while (n * MAC_BUCKET_SLOTS < 2 * learn_limit)
		n *= 2;
	return n;
}

struct mac_table *mac_table_create(uint32_t learn_limit, uint64_t seed)
{
	struct mac_table *t = aligned_alloc(CACHE_LINE, sizeof(*t));
	uint32_t n_buckets = buckets_for(learn_limit);

	if (!t)
		return NULL;
	*t = (struct mac_table){
		.seed = seed,
		.bucket_mask = n_buckets - 1,
		.learn_limit = learn_limit,
		/* calloc and not aligned_alloc: pages that are never touched stay the kernel's */
		.memory = calloc(n_buckets + 1, sizeof(struct mac_bucket)),
		.seen_s = calloc(n_buckets, MAC_BUCKET_SLOTS * sizeof(uint32_t)),
	};
	memo_state_init(&t->state);
	if (!t->memory || !t->seen_s) {
		mac_table_destroy(t);
		return NULL;
	}
	t->buckets =
		(struct mac_bucket *)(((uintptr_t)t->memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
	return t;
}

void mac_table_destroy(struct mac_table *t)
{
	if (!t)
		return;
	free(t->seen_s);
	free(t->memory);
	free(t);
}

static uint64_t *slot_word(const struct mac_table *t, uint32_t slot)
{
	return &t->buckets[slot / MAC_BUCKET_SLOTS].words[slot % MAC_BUCKET_SLOTS];
}

static uint64_t slot_load(const struct mac_table *t, uint32_t slot)
{
	return __atomic_load_n(slot_word(t, slot), __ATOMIC_SEQ_CST);
}

/* False: somebody else was faster. */
static bool slot_change(struct mac_table *t, uint32_t slot, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(
		slot_word(t, slot), &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static uint32_t n_slots(const struct mac_table *t)
{
	return (t->bucket_mask + 1) * MAC_BUCKET_SLOTS;
}

static uint64_t word_mac(uint64_t word)
{
	return word >> 16;
}

static bool word_is(uint64_t word, uint64_t mac)
{
	return word && word_mac(word) == mac;
}

static bool word_is_learned(uint64_t word)
{
	return word && !(word & MAC_WORD_STATIC);
}

/* Takes one of learn_limit; who does not insert gives it back. */
static bool learned_take(struct mac_table *t)
{
	uint32_t limit = __atomic_load_n(&t->learn_limit, __ATOMIC_RELAXED);

	if (mac_table_count_learned(t) >= limit)
		return false;
	if (__atomic_fetch_add(&t->counts.n_learned, 1, __ATOMIC_RELAXED) < limit)
		return true;
	__atomic_fetch_sub(&t->counts.n_learned, 1, __ATOMIC_RELAXED);
	return false;
}

static void learned_give(struct mac_table *t)
{
	__atomic_fetch_sub(&t->counts.n_learned, 1, __ATOMIC_RELAXED);
}

/* Removes the entry if it is still this one. */
static bool slot_remove(struct mac_table *t, uint32_t slot, uint64_t word)
{
	if (!slot_change(t, slot, word, 0))
		return false;
	memo_state_change(&t->state);
	if (word_is_learned(word))
		learned_give(t);
	return true;
}

/* The sixteen slots an address may be in, first bucket first. */
static uint32_t slot_of(const struct mac_table *t, uint64_t hash, uint32_t i)
{
	uint32_t bucket = i < MAC_BUCKET_SLOTS ? mac_table_first(t, hash) : mac_table_second(t, hash);

	return bucket * MAC_BUCKET_SLOTS + i % MAC_BUCKET_SLOTS;
}

#define SLOTS_OF_ONE (2 * MAC_BUCKET_SLOTS)

static uint32_t bucket_fill(const struct mac_table *t, uint32_t bucket)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAC_BUCKET_SLOTS; i++)
		n += slot_load(t, bucket * MAC_BUCKET_SLOTS + i) != 0;
	return n;
}

static uint32_t free_slot(const struct mac_table *t, uint64_t hash)
{
	uint32_t bucket = mac_table_first(t, hash), second = mac_table_second(t, hash);
	uint32_t fill = bucket_fill(t, bucket);

	if (fill >= FIRST_IS_FULL && bucket_fill(t, second) < fill)
		bucket = second;
	for (uint32_t i = 0; i < MAC_BUCKET_SLOTS; i++)
		if (!slot_load(t, bucket * MAC_BUCKET_SLOTS + i))
			return bucket * MAC_BUCKET_SLOTS + i;
	return NO_SLOT;
}

/* The slot is taken by one atomic step; its time is set before, so that it is never seen with an old one. */
static bool insert(struct mac_table *t, uint64_t word, uint64_t hash, uint32_t now_s)
{
	uint32_t slot;

	while ((slot = free_slot(t, hash)) != NO_SLOT) {
		__atomic_store_n(&t->seen_s[slot], now_s, __ATOMIC_RELAXED);
		if (slot_change(t, slot, 0, word))
			return true;
	}
	return false;
}

static bool has_static(const struct mac_table *t, uint64_t mac, uint64_t hash)
{
	for (uint32_t i = 0; i < SLOTS_OF_ONE; i++) {
		uint64_t word = slot_load(t, slot_of(t, hash, i));

		if (word_is(word, mac) && !word_is_learned(word))
			return true;
	}
	return false;
}

/* Tries again when the entry moved to another interface meanwhile. */
static void remove_learned(struct mac_table *t, uint32_t slot, uint64_t mac)
{
	uint64_t word;

	do
		word = slot_load(t, slot);
	while (word_is(word, mac) && word_is_learned(word) && !slot_remove(t, slot, word));
}

/*
 * After an insertion. Of two threads that inserted the same address, at least one sees both entries here
 * (insertion and loads are sequentially consistent). A learned entry goes only after a static one or one in
 * an earlier slot was seen: the first one stays whatever others do, so two threads never remove each other's.
 */
static void keep_one(struct mac_table *t, uint64_t mac, uint64_t hash)
{
	bool seen = has_static(t, mac, hash);

	for (uint32_t i = 0; i < SLOTS_OF_ONE; i++) {
		uint32_t slot = slot_of(t, hash, i);

		if (seen)
			remove_learned(t, slot, mac);
		else
			seen = word_is(slot_load(t, slot), mac);
	}
}

static enum mac_learned learn_new(
	struct mac_table *t, uint64_t mac, uint64_t hash, uint32_t iface_idx, uint32_t now_s)
{
	if (!learned_take(t))
		return MAC_LEARNED_FULL;
	if (!insert(t, mac_word(mac, iface_idx, 0), hash, now_s)) {
		learned_give(t);
		return MAC_LEARNED_FULL;
	}
	keep_one(t, mac, hash);
	return MAC_LEARNED;
}

enum mac_learned mac_table_learn_slow(
	struct mac_table *t, uint64_t mac, uint64_t hash, uint32_t iface_idx, uint32_t now_s)
{
	uint32_t slot;
	uint64_t word = mac_table_find(t, mac, hash, &slot);

	if (!word)
		return learn_new(t, mac, hash, iface_idx, now_s);
	if (word & MAC_WORD_FILTER)
		return MAC_LEARNED_FILTER;
	if (word & MAC_WORD_STATIC)
		return MAC_LEARNED;
	__atomic_store_n(&t->seen_s[slot], now_s, __ATOMIC_RELAXED);
	/* Who loses against another move or a removal came before it: nothing to try again. */
	if ((word & MAC_WORD_IFACE) != iface_idx && slot_change(t, slot, word, mac_word(mac, iface_idx, 0))) {
		memo_state_change(&t->state);
		__atomic_fetch_add(&t->counts.n_moves, 1, __ATOMIC_RELAXED);
	}
	return MAC_LEARNED;
}

static int add_static_word(struct mac_table *t, uint64_t word)
{
	uint64_t mac = word_mac(word), hash = mac_table_hash(t, mac), old;
	uint32_t slot;

	while ((old = mac_table_find(t, mac, hash, &slot)) != 0) {
		if (!slot_change(t, slot, old, word))
			continue;
		if (word_is_learned(old))
			learned_give(t);
		memo_state_change(&t->state);
		keep_one(t, mac, hash);
		return 0;
	}
	if (!insert(t, word, hash, 0))
		return -ENOSPC;
	memo_state_change(&t->state);
	keep_one(t, mac, hash);
	return 0;
}

int mac_table_add_static(struct mac_table *t, uint64_t mac, uint32_t iface_idx)
{
	return add_static_word(t, mac_word(mac, iface_idx, MAC_WORD_STATIC));
}

int mac_table_add_filter(struct mac_table *t, uint64_t mac)
{
	return add_static_word(t, mac_word(mac, 0, MAC_WORD_STATIC | MAC_WORD_FILTER));
}

int mac_table_del(struct mac_table *t, uint64_t mac)
{
	uint64_t hash = mac_table_hash(t, mac), word;
	uint32_t slot;

	while ((word = mac_table_find(t, mac, hash, &slot)) != 0)
		if (slot_remove(t, slot, word))
			return 0;
	return -ENOENT;
}

static bool flush_means(uint64_t word, uint32_t iface_idx, bool static_too)
{
	if (!word_is_learned(word) && !(word && static_too))
		return false;
	if (iface_idx == MAC_ANY_IFACE)
		return true;
	return !(word & MAC_WORD_FILTER) && (word & MAC_WORD_IFACE) == iface_idx;
}

void mac_table_flush(struct mac_table *t, uint32_t iface_idx, bool static_too)
{
	for (uint32_t slot = 0; slot < n_slots(t); slot++) {
		uint64_t word = slot_load(t, slot);

		if (flush_means(word, iface_idx, static_too))
			slot_remove(t, slot, word);
	}
}

/* A worker may have been faster than our clock: seen later than now is not old. */
static bool is_old(const struct mac_table *t, uint32_t slot, uint32_t now_s, uint32_t age_s)
{
	uint32_t seen_s = __atomic_load_n(&t->seen_s[slot], __ATOMIC_RELAXED);

	return now_s >= seen_s && now_s - seen_s >= age_s;
}

void mac_table_age(struct mac_table *t, uint32_t now_s, uint32_t age_s)
{
	uint32_t n_buckets = min_u32(SWEEP_BUCKETS, t->bucket_mask + 1);
	uint32_t first = t->sweep_at * MAC_BUCKET_SLOTS;

	if (age_s == 0 || mac_table_count_learned(t) == 0)
		return;
	for (uint32_t slot = first; slot < first + n_buckets * MAC_BUCKET_SLOTS; slot++) {
		uint64_t word = slot_load(t, slot);

		if (word_is_learned(word) && is_old(t, slot, now_s, age_s))
			slot_remove(t, slot, word);
	}
	t->sweep_at = (t->sweep_at + n_buckets) & t->bucket_mask;
}

bool mac_table_next(const struct mac_table *t, uint32_t *pos, struct mac_entry *entry)
{
	while (*pos < n_slots(t)) {
		uint32_t slot = (*pos)++;
		uint64_t word = slot_load(t, slot);

		if (!word)
			continue;
		*entry = (struct mac_entry){
			.mac = word_mac(word),
			.iface_idx = word & MAC_WORD_IFACE,
			.seen_s = __atomic_load_n(&t->seen_s[slot], __ATOMIC_RELAXED),
			.is_static = word & MAC_WORD_STATIC,
			.is_filter = word & MAC_WORD_FILTER,
		};
		return true;
	}
	return false;
}

bool mac_table_set_limit(struct mac_table *t, uint32_t learn_limit)
{
	if (buckets_for(learn_limit) > t->bucket_mask + 1)
		return false;
	__atomic_store_n(&t->learn_limit, learn_limit, __ATOMIC_RELAXED);
	return true;
}

static int copy_entry(struct mac_table *to, const struct mac_entry *e)
{
	if (e->is_filter)
		return mac_table_add_filter(to, e->mac);
	if (e->is_static)
		return mac_table_add_static(to, e->mac, e->iface_idx);
	mac_table_learn(to, e->mac, mac_table_hash(to, e->mac), e->iface_idx, e->seen_s);
	return 0;
}

int mac_table_copy(struct mac_table *to, const struct mac_table *from)
{
	struct mac_entry e;
	int err = 0;

	for (uint32_t pos = 0; !err && mac_table_next(from, &pos, &e);)
		err = copy_entry(to, &e);
	__atomic_store_n(&to->counts.n_moves, mac_table_count_moves(from), __ATOMIC_RELAXED);
	return err;
}
