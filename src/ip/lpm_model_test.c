/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of routes against a list that is searched from end to end. */
#include "ip/fib4.h"
#include "ip/fib6.h"

#include "base/random.h"
#include "base/test.h"
#include "os/rcu.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RULES_MAX 400
#define STEPS     8000
#define LOOKUPS   8

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

	/* IPv4: short ones are rare, as each writes into much of the root */
	p.len = (uint8_t)random_below(r, ip_addr_bits(&p.addr) + 1u);
	if (!ip6 && p.len < 12 && random_below(r, 20))
		p.len += 16;
	return ip_prefix_network(p);
}

static uint32_t lookup(const struct lpm *lpm, const struct ip_addr *a)
{
	return a->ip6 ? fib6_lookup(lpm, a->bytes) : fib4_lookup(lpm, ip4_of(a));
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
static void compare(struct lpm *lpm, struct random *r, bool ip6)
{
	for (int i = 0; i < LOOKUPS; i++) {
		struct ip_addr a = random_addr(r, ip6);

		if (naive.n && random_below(r, 2)) {
			struct ip_prefix p = naive.rules[random_below(r, naive.n)].prefix;

			a = p.addr;
			if (p.len < ip_addr_bits(&a) && random_below(r, 2))
				a.bytes[p.len / 8] ^= (uint8_t)(random_u64(r) & (0xff >> p.len % 8));
		}
		assert_int_equal(lookup(lpm, &a), naive_lookup(&a));
	}
}

static void compare_list(const struct lpm *lpm, bool ip6)
{
	uint32_t pos = 0, n = 0, value;
	struct ip_prefix p = {.addr.ip6 = ip6};

	while (lpm_next(lpm, &pos, p.addr.bytes, &p.len, &value)) {
		uint32_t at = naive_at(&p);

		assert_true(at < naive.n);
		assert_int_equal(naive.rules[at].value, value);
		n++;
	}
	assert_int_equal(n, naive.n);
	assert_int_equal(lpm->rules.n, naive.n);
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
	assert_int_equal(ip6 ? fib6_init(&lpm) : fib4_init(&lpm), 0);
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
	while (naive.n)
		drop_any(&lpm, &r);
	assert_int_equal(lpm.n_nodes - 1, lpm.n_free + lpm.n_waiting); /* no node was lost */
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

TEST(a_tree_that_is_full_refuses_and_stays_right)
{
	struct ip_addr a = ip4_addr(0x0a000000);
	struct lpm lpm;

	assert_int_equal(
		lpm_init(&lpm, &(struct lpm_config){.root_bits = 24, .addr_len = 4, .max_nodes = 3}), 0);
	assert_int_equal(lpm_set(&lpm, a.bytes, 8, 7), 0);
	for (uint32_t i = 0; i < 4; i++) {
		a = ip4_addr(0x0a000001 + (i << 8));
		assert_int_equal(lpm_set(&lpm, a.bytes, 32, 9), i < 2 ? 0 : -ENOSPC);
		assert_int_equal(fib4_lookup(&lpm, ip4_of(&a)), i < 2 ? 9 : 7);
	}
	a = ip4_addr(0x0a000001);
	assert_int_equal(lpm_del(&lpm, a.bytes, 32), 0);
	assert_int_equal(fib4_lookup(&lpm, 0x0a000001), 7);
	a = ip4_addr(0x0a000901); /* the node that has gone is used again */
	assert_int_equal(lpm_set(&lpm, a.bytes, 32, 9), 0);
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
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t value = fib4_lookup(&shared, 0x0a000000 + i);

			wrong += value != 1 && value != 2 && value != 3;
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

	assert_int_equal(fib4_init(&shared), 0);
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

TESTS(cmocka_unit_test(routes_of_ip4_are_found_as_in_a_list),
	cmocka_unit_test(routes_of_ip6_are_found_as_in_a_list),
	cmocka_unit_test(a_tree_that_is_full_refuses_and_stays_right),
	cmocka_unit_test(a_reader_never_misses_the_cover_of_what_changes))
