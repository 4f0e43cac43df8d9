/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a MAC table and on an array that does the same the slow way; both must agree after
 * each. GINNEL_SEED=n in the environment runs that seed alone.
 */
#include "bridge/mac_table.h"

#include "base/random.h"
#include "base/test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define N_SEEDS  40
#define N_STEPS  5000
#define N_MACS   60 /* addresses in play */
#define LIMIT    30
#define N_IFACES 5
#define AGE_S    20

struct station {
	bool known, is_static, is_filter;
	uint32_t iface_idx, seen_s;
};

/* Station n has address mac_of(n). */
struct model {
	struct station stations[N_MACS];
	uint32_t limit;
	uint64_t n_moves;
};

struct run {
	struct mac_table *table;
	struct model model;
	struct random random;
	uint32_t now_s;
};

static uint64_t mac_of(uint32_t n)
{
	return 0x525400000000 + n;
}

static uint32_t model_learned(const struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_MACS; i++)
		n += m->stations[i].known && !m->stations[i].is_static;
	return n;
}

static enum mac_learned model_learn(struct model *m, uint32_t n, uint32_t iface_idx, uint32_t now_s)
{
	struct station *s = &m->stations[n];

	if (s->known && s->is_filter)
		return MAC_LEARNED_FILTER;
	if (s->known && s->is_static)
		return MAC_LEARNED;
	if (!s->known && model_learned(m) >= m->limit)
		return MAC_LEARNED_FULL;
	m->n_moves += s->known && s->iface_idx != iface_idx;
	*s = (struct station){.known = true, .iface_idx = iface_idx, .seen_s = now_s};
	return MAC_LEARNED;
}

static void model_flush(struct model *m, uint32_t iface_idx, bool static_too)
{
	for (uint32_t i = 0; i < N_MACS; i++) {
		struct station *s = &m->stations[i];

		if (s->is_static && !static_too)
			continue;
		if (iface_idx == MAC_ANY_IFACE || (!s->is_filter && s->iface_idx == iface_idx))
			*s = (struct station){0};
	}
}

static void model_age(struct model *m, uint32_t now_s)
{
	for (uint32_t i = 0; i < N_MACS; i++)
		if (!m->stations[i].is_static && now_s - m->stations[i].seen_s >= AGE_S)
			m->stations[i] = (struct station){0};
}

static void step_flush(struct run *r)
{
	uint32_t iface_idx =
		random_below(&r->random, 3) ? 1 + random_below(&r->random, N_IFACES) : MAC_ANY_IFACE;
	bool static_too = random_below(&r->random, 2);

	mac_table_flush(r->table, iface_idx, static_too);
	model_flush(&r->model, iface_idx, static_too);
}

static void step_age(struct run *r)
{
	r->now_s += random_below(&r->random, AGE_S);
	mac_table_age(r->table, r->now_s, AGE_S);
	model_age(&r->model, r->now_s);
}

static void step_limit(struct run *r)
{
	r->model.limit = random_below(&r->random, LIMIT + 1);
	assert_true(mac_table_set_limit(r->table, r->model.limit));
}

static void step_copy(struct run *r)
{
	struct mac_table *copy = mac_table_create(LIMIT, random_u64(&r->random));

	assert_non_null(copy);
	assert_int_equal(mac_table_copy(copy, r->table), 0);
	assert_true(mac_table_set_limit(copy, r->model.limit));
	mac_table_destroy(r->table);
	r->table = copy;
}

static void step(struct run *r)
{
	uint32_t n = random_below(&r->random, N_MACS);
	uint32_t iface_idx = 1 + random_below(&r->random, N_IFACES);
	uint64_t mac = mac_of(n);
	struct station *s = &r->model.stations[n];
	uint32_t what = random_below(&r->random, 1000);

	if (what < 900) {
		assert_int_equal(
			mac_table_learn(r->table, mac, mac_table_hash(r->table, mac), iface_idx, r->now_s),
			model_learn(&r->model, n, iface_idx, r->now_s));
	} else if (what < 910) {
		assert_int_equal(mac_table_add_static(r->table, mac, iface_idx), 0);
		*s = (struct station){.known = true, .is_static = true, .iface_idx = iface_idx};
	} else if (what < 915) {
		assert_int_equal(mac_table_add_filter(r->table, mac), 0);
		*s = (struct station){.known = true, .is_static = true, .is_filter = true};
	} else if (what < 940) {
		assert_int_equal(mac_table_del(r->table, mac), s->known ? 0 : -ENOENT);
		*s = (struct station){0};
	} else if (what < 950) {
		step_flush(r);
	} else if (what < 990) {
		step_age(r);
	} else if (what < 995) {
		step_limit(r);
	} else {
		step_copy(r);
	}
}

static void check_station(const struct run *r, uint32_t n)
{
	const struct station *s = &r->model.stations[n];
	uint64_t mac = mac_of(n), word;
	uint32_t slot = 0;

	word = mac_table_find(r->table, mac, mac_table_hash(r->table, mac), &slot);
	assert_int_equal(word != 0, s->known);
	if (!s->known)
		return;
	assert_int_equal((word & MAC_WORD_STATIC) != 0, s->is_static);
	assert_int_equal((word & MAC_WORD_FILTER) != 0, s->is_filter);
	assert_int_equal(word & MAC_WORD_IFACE, s->iface_idx);
	if (!s->is_static)
		assert_int_equal(r->table->seen_s[slot], s->seen_s);
}

static void check(const struct run *r)
{
	uint32_t n_known = 0, n_entries = 0;
	struct mac_entry e;

	for (uint32_t i = 0; i < N_MACS; i++) {
		check_station(r, i);
		n_known += r->model.stations[i].known;
	}
	for (uint32_t pos = 0; mac_table_next(r->table, &pos, &e);)
		n_entries++;
	assert_int_equal(n_entries, n_known);
	assert_int_equal(mac_table_count_learned(r->table), model_learned(&r->model));
	assert_int_equal(mac_table_count_moves(r->table), r->model.n_moves);
}

static void run_seed(uint64_t seed)
{
	struct run r = {.table = mac_table_create(LIMIT, seed), .model = {.limit = LIMIT}};

	print_message("seed %" PRIu64 "\n", seed);
	assert_non_null(r.table);
	random_init(&r.random, seed);
	for (int i = 0; i < N_STEPS; i++) {
		step(&r);
		check(&r);
	}
	mac_table_destroy(r.table);
}

TEST(a_table_does_what_a_plain_array_does)
{
	const char *seed = getenv("GINNEL_SEED");

	if (seed) {
		run_seed(strtoull(seed, NULL, 0));
		return;
	}
	for (uint64_t i = 1; i <= N_SEEDS; i++)
		run_seed(i);
}

TESTS(cmocka_unit_test(a_table_does_what_a_plain_array_does))
