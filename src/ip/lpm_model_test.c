/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of routes against a list that is searched from end to end. */
#include "ip/lpm.h"

#include "base/random.h"
#include "base/test.h"
#include "os/rcu.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RULES_MAX 400
#define STEPS     8000

struct naive {
	uint32_t n;
	struct {
		struct ip_prefix prefix;
		uint32_t value;
	} rules[RULES_MAX];
};

static struct naive naive;

static uint32_t naive_at(const struct ip_prefix *p)
{
	uint32_t i = 0;

	while (i < naive.n && !ip_prefix_same(&naive.rules[i].prefix, p))
		i++;
	return i;
}

static uint32_t naive_lookup(const struct ip_addr *addr)
{
	uint32_t value = 0;
	int len = -1;

	for (uint32_t i = 0; i < naive.n; i++)
		if (naive.rules[i].prefix.len > len && ip_prefix_has(&naive.rules[i].prefix, addr)) {
			len = naive.rules[i].prefix.len;
			value = naive.rules[i].value;
		}
	return value;
}

/* Few different bytes, so that prefixes lie in each other. */
static struct ip_addr random_addr(struct random *r, bool ip6)
{
	struct ip_addr a = {.ip6 = ip6};

	for (uint32_t i = 0; i < ip_addr_len(&a); i++)
		a.bytes[i] = random_below(r, 3) ? (uint8_t)(10 + random_below(r, 2)) : (uint8_t)random_u64(r);
	return a;
}

static struct ip_prefix random_prefix(struct random *r, bool ip6)
{
	struct ip_prefix p = {.addr = random_addr(r, ip6)};

	/* short ones are rare, as each writes into much of the root */
	p.len = (uint8_t)random_below(r, ip_addr_bits(&p.addr) + 1u);
	if (p.len < 12 && random_below(r, 20))
		p.len += 16;
	return ip_prefix_network(p);
}

static void add(struct lpm *lpm, const struct ip_prefix *p, uint32_t value)
{
	uint32_t at = naive_at(p);

	if (at == RULES_MAX)
		return;
	assert_int_equal(lpm_set(lpm, p->addr.bytes, p->len, value), 0);
	naive.rules[at].prefix = *p;
	naive.rules[at].value = value;
	naive.n += at == naive.n;
}

static void del(struct lpm *lpm, const struct ip_prefix *p)
{
	uint32_t at = naive_at(p);

	assert_int_equal(lpm_del(lpm, p->addr.bytes, p->len), at == naive.n ? -ENOENT : 0);
	if (at < naive.n)
		naive.rules[at] = naive.rules[--naive.n];
}

static void drop_any(struct lpm *lpm, struct random *r)
{
	struct ip_prefix p = naive.rules[random_below(r, naive.n)].prefix;

	del(lpm, &p);
}

/* Addresses in, at the ends of and around prefixes. */
static struct ip_addr addr_near(struct random *r, bool ip6)
{
	struct ip_addr a = random_addr(r, ip6);

	if (naive.n && random_below(r, 2)) {
		struct ip_prefix p = naive.rules[random_below(r, naive.n)].prefix;

		a = p.addr;
		if (p.len < ip_addr_bits(&a) && random_below(r, 2))
			a.bytes[p.len / 8] ^= (uint8_t)(random_u64(r) & (0xff >> p.len % 8));
	}
	return a;
}

/* What one worker would know of all these tables. */
static struct memo memo;

static void lookup_known(const struct lpm *lpm, struct lpm_burst *burst, uint32_t n)
{
	memo.pause = 0;
	lpm_lookup_n(lpm, &memo, burst, n);
}

/* Down the tree, with what the memo knows from before, and with what it has learned by that. */
static void compare(struct lpm *lpm, struct random *r, bool ip6)
{
	struct ip_addr addrs[LPM_BURST];
	struct lpm_burst burst = {.hi = {0}}, again, known;
	uint32_t n = random_below(r, 8) ? 4 : random_below(r, LPM_BURST + 1);

	for (uint32_t i = 0; i < n; i++) {
		addrs[i] = addr_near(r, ip6);
		if (ip6)
			lpm_burst_put6(&burst, i, addrs[i].bytes);
		else
			lpm_burst_put4(&burst, i, ip4_of(&addrs[i]));
	}
	again = known = burst;
	lpm_lookup_n(lpm, NULL, &burst, n);
	lookup_known(lpm, &again, n);
	lookup_known(lpm, &known, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t value = naive_lookup(&addrs[i]);
		uint8_t len;

		assert_int_equal(burst.values[i], value);
		assert_int_equal(again.values[i], value);
		assert_int_equal(known.values[i], value);
		if (i > 0)
			continue;
		assert_int_equal(lpm_lookup(lpm, addrs[i].bytes), value);
		assert_int_equal(lpm_find(lpm, addrs[i].bytes, &len), value);
	}
}

static void compare_list(const struct lpm *lpm, bool ip6)
{
	struct lpm_cursor cursor = {.len = 0};
	uint32_t n = 0, value;
	struct ip_prefix p = {.addr.ip6 = ip6};

	while (lpm_next(lpm, &cursor, p.addr.bytes, &p.len, &value)) {
		uint32_t at = naive_at(&p);

		assert_true(at < naive.n);
		assert_int_equal(naive.rules[at].value, value);
		n++;
	}
	assert_int_equal(n, naive.n);
	assert_int_equal(lpm->n, naive.n);
}

/* All of them, whichever half of those that are listed is deleted meanwhile. */
static void delete_while_listing(struct lpm *lpm, struct random *r, bool ip6)
{
	struct lpm_cursor cursor = {.len = 0};
	struct ip_prefix p = {.addr.ip6 = ip6};
	uint32_t n = 0, n_long = 0, value;

	for (uint32_t i = 0; i < naive.n; i++)
		n_long += naive.rules[i].prefix.len > LPM_ROOT_BITS;
	while (lpm_next(lpm, &cursor, p.addr.bytes, &p.len, &value)) {
		n += p.len > LPM_ROOT_BITS;
		if (random_below(r, 2))
			del(lpm, &p);
	}
	assert_int_equal(n, n_long);
	compare_list(lpm, ip6);
}

/* Every block that is in no tree is free: none was lost. */
static void assert_empty(struct lpm *lpm)
{
	blocks_settle(&lpm->waiting);
	assert_int_equal(lpm->nodes.n_used - lpm->nodes.n_free, 1 + 2 * LPM_BLOCK_MAX);
	assert_int_equal(lpm->values.n_used - lpm->values.n_free, 1 + 2 * LPM_BLOCK_MAX);
}

static void run_model(bool ip6)
{
	const char *seed_text = getenv("GINNEL_SEED");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : 20261128;
	struct random r;
	struct lpm lpm;

	printf("GINNEL_SEED=%llu\n", (unsigned long long)seed);
	random_init(&r, seed);
	naive.n = 0;
	assert_int_equal(lpm_init(&lpm, ip6 ? IP6_LEN : IP4_LEN, 1 << 16), 0);
	for (uint32_t step = 0; step < STEPS; step++) {
		struct ip_prefix p = random_prefix(&r, ip6);

		if (random_below(&r, 5) < 3)
			add(&lpm, &p, 1 + random_below(&r, 1000));
		else if (naive.n && random_below(&r, 4))
			drop_any(&lpm, &r);
		else
			del(&lpm, &p);
		if (naive.n > RULES_MAX - 2)
			while (naive.n > RULES_MAX / 2)
				drop_any(&lpm, &r);
		compare(&lpm, &r, ip6);
	}
	compare_list(&lpm, ip6);
	delete_while_listing(&lpm, &r, ip6);
	while (naive.n)
		drop_any(&lpm, &r);
	assert_empty(&lpm);
	lpm_fini(&lpm);
}

TEST(routes_of_ip4_are_found_as_in_a_list)
{
	run_model(false);
}

TEST(routes_of_ip6_are_found_as_in_a_list)
{
	run_model(true);
}

/* With room for so few nodes that much is refused: that changes nothing, and all can be deleted even so. */
static void run_full(bool ip6, uint32_t max_nodes)
{
	uint32_t refused = 0;
	struct random r;
	struct lpm lpm;

	random_init(&r, max_nodes);
	naive.n = 0;
	assert_int_equal(lpm_init(&lpm, ip6 ? IP6_LEN : IP4_LEN, max_nodes), 0);
	for (uint32_t step = 0; step < STEPS / 4; step++) {
		struct ip_prefix p = random_prefix(&r, ip6);

		if (random_below(&r, 5) > 0 && naive.n < RULES_MAX && naive_at(&p) == naive.n) {
			int err = lpm_set(&lpm, p.addr.bytes, p.len, 7);

			assert_true(err == 0 || err == -ENOSPC);
			refused += err != 0;
			if (err == 0) {
				naive.rules[naive.n].prefix = p;
				naive.rules[naive.n++].value = 7;
			}
		} else if (naive.n) {
			drop_any(&lpm, &r);
		}
		compare(&lpm, &r, ip6);
	}
	assert_true(refused > 0);
	compare_list(&lpm, ip6);
	while (naive.n) {
		drop_any(&lpm, &r);
		compare(&lpm, &r, ip6);
	}
	assert_empty(&lpm);
	lpm_fini(&lpm);
}

TEST(a_tree_that_is_full_refuses_and_stays_right)
{
	for (uint32_t max_nodes = 1; max_nodes < 200; max_nodes += 33) {
		run_full(false, max_nodes);
		run_full(true, max_nodes);
	}
}

/* --- what a worker knows --- */

static uint32_t value_known(const struct lpm *lpm, uint32_t addr)
{
	struct lpm_burst burst;

	lpm_burst_put4(&burst, 0, addr);
	lookup_known(lpm, &burst, 1);
	return burst.values[0];
}

TEST(what_is_known_is_not_looked_for_until_its_table_changes)
{
	static const uint8_t any[IP4_LEN], other[IP4_LEN] = {192, 0, 2, 1};
	struct lpm lpm, second;

	assert_int_equal(lpm_init(&lpm, IP4_LEN, 64), 0);
	assert_int_equal(lpm_init(&second, IP4_LEN, 64), 0);
	assert_int_equal(lpm_set(&lpm, any, 0, 5), 0);
	assert_int_equal(value_known(&lpm, 0x0a000001), 5);
	lpm.default_value = 6; /* behind its back */
	assert_int_equal(value_known(&lpm, 0x0a000001), 5);
	assert_int_equal(value_known(&second, 0x0a000001), 0);
	assert_int_equal(value_known(&lpm, 0x0a000001), 6); /* the other table's is in its place */
	lpm.default_value = 7;
	assert_int_equal(lpm_set(&lpm, other, 32, 1), 0);
	assert_int_equal(value_known(&lpm, 0x0a000001), 7);
	lpm.default_value = 8;
	assert_int_equal(lpm_del(&lpm, other, 32), 0);
	assert_int_equal(value_known(&lpm, 0x0a000001), 8);
	lpm_fini(&lpm);
	lpm_fini(&second);
}

TEST(a_memo_that_knows_little_rests)
{
	static const uint8_t any[IP4_LEN];
	struct lpm_burst burst;
	uint32_t asked = 0;
	struct lpm lpm;

	assert_int_equal(lpm_init(&lpm, IP4_LEN, 64), 0);
	assert_int_equal(lpm_set(&lpm, any, 0, 5), 0);
	memo.pause = 0;
	for (uint32_t at = 0; at < 64 * LPM_BURST; at += LPM_BURST) {
		asked += memo.pause == 0;
		for (uint32_t i = 0; i < LPM_BURST; i++)
			lpm_burst_put4(&burst, i, 0x0b000000 + at + i);
		lpm_lookup_n(&lpm, &memo, &burst, LPM_BURST);
	}
	assert_int_equal(asked, 8);
	/* and comes back for those that return */
	asked = 0;
	for (uint32_t n = 0; n < 64; n++) {
		asked += memo.pause == 0;
		lpm_lookup_n(&lpm, &memo, &burst, LPM_BURST);
	}
	assert_true(asked > 48);
	lpm_fini(&lpm);
}

/* --- a reader sees the old value or the new one, never another --- */

static struct lpm shared;
static bool stop;

static void *reader(void *arg)
{
	uintptr_t wrong = 0;

	rcu_reader_start();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (uint32_t at = 0; at < 256; at += LPM_BURST) {
			struct lpm_burst burst;

			for (uint32_t i = 0; i < LPM_BURST; i++)
				lpm_burst_put4(&burst, i, 0x0a000000 + at + i);
			lpm_lookup_n(&shared, NULL, &burst, LPM_BURST);
			for (uint32_t i = 0; i < LPM_BURST; i++)
				wrong += burst.values[i] < 1 || burst.values[i] > 3;
		}
		rcu_quiet();
	}
	rcu_reader_stop();
	return (void *)wrong;
}

TEST(a_reader_never_misses_the_cover_of_what_changes)
{
	struct ip_addr cover = ip4_addr(0x0a000000), half = ip4_addr(0x0a000080), one = ip4_addr(0x0a000090);
	pthread_t thread;
	void *wrong;

	assert_int_equal(lpm_init(&shared, IP4_LEN, 1024), 0);
	assert_int_equal(lpm_set(&shared, cover.bytes, 16, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(lpm_set(&shared, half.bytes, 25, 2), 0);
		assert_int_equal(lpm_set(&shared, one.bytes, 32, 3), 0);
		assert_int_equal(lpm_del(&shared, half.bytes, 25), 0);
		assert_int_equal(lpm_del(&shared, one.bytes, 32), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &wrong);
	assert_null(wrong);
	lpm_fini(&shared);
}

static uint32_t value_set;

static void *reader_of_ever_newer(void *arg)
{
	static struct memo known;
	uintptr_t wrong = 0;

	rcu_reader_start();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint32_t at_least = __atomic_load_n(&value_set, __ATOMIC_ACQUIRE);
		struct lpm_burst burst;

		lpm_burst_put4(&burst, 0, 0x0a000090);
		known.pause = 0;
		lpm_lookup_n(&shared, &known, &burst, 1);
		wrong += burst.values[0] < at_least;
		rcu_quiet();
	}
	rcu_reader_stop();
	return (void *)wrong;
}

TEST(a_value_that_was_replaced_is_known_no_more)
{
	struct ip_addr one = ip4_addr(0x0a000090);
	pthread_t thread;
	void *wrong;

	assert_int_equal(lpm_init(&shared, IP4_LEN, 1024), 0);
	assert_int_equal(lpm_set(&shared, one.bytes, 32, 1), 0);
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, reader_of_ever_newer, NULL), 0);
	for (uint32_t i = 2; i < 60000; i++) {
		assert_int_equal(lpm_set(&shared, one.bytes, 32, i), 0);
		__atomic_store_n(&value_set, i, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &wrong);
	assert_null(wrong);
	lpm_fini(&shared);
}

TESTS(cmocka_unit_test(routes_of_ip4_are_found_as_in_a_list),
	cmocka_unit_test(routes_of_ip6_are_found_as_in_a_list),
	cmocka_unit_test(a_tree_that_is_full_refuses_and_stays_right),
	cmocka_unit_test(what_is_known_is_not_looked_for_until_its_table_changes),
	cmocka_unit_test(a_memo_that_knows_little_rests),
	cmocka_unit_test(a_reader_never_misses_the_cover_of_what_changes),
	cmocka_unit_test(a_value_that_was_replaced_is_known_no_more))
