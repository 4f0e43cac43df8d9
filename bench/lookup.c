/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lookup costs in tables of the size of the internet's, for addresses in all routes, in no order: one after the
 * other, each waiting for the one before, and a burst together, as a stage does it; then bursts of the same thousand. Ours, and
 * DPDK's if it is there.
 */
#include "lookup.h"

#include "base/random.h"
#include "ip/lpm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUTES4   1000000
#define ROUTES6   200000
#define ADDRESSES (1u << 20)
#define AGAIN     1024
#define ROUNDS    4
/* So many networks of IPv6 are a provider's, in which its customers' are. */
#define PROVIDERS 40000

static_assert(LOOKUP_BURST == LPM_BURST, "a stage's burst");

/* --- routes --- */

/* How many of a thousand have which length: about as in the internet's tables. */
struct share {
	uint8_t len;
	uint16_t share;
};

static const struct share shares4[] = {{8, 1}, {12, 1}, {14, 1}, {15, 2}, {16, 14}, {17, 8}, {18, 14},
	{19, 25}, {20, 45}, {21, 50}, {22, 115}, {23, 105}, {24, 609}, {28, 4}, {30, 3}, {32, 3}};
static const struct share shares6[] = {{24, 2}, {28, 5}, {29, 25}, {32, 120}, {36, 40}, {40, 90}, {42, 20},
	{44, 110}, {45, 15}, {46, 25}, {47, 20}, {48, 500}, {52, 2}, {56, 10}, {64, 14}, {128, 2}};

enum shape { IP4, IP6_PROVIDERS, IP6_RANDOM };

static uint8_t random_len(struct random *r, const struct share *shares)
{
	uint32_t at = random_below(r, 1000), sum = 0, i = 0;

	while ((sum += shares[i].share) <= at)
		i++;
	return shares[i].len;
}

/* Global unicast. */
static struct ip_addr random_addr(struct random *r, bool ip6)
{
	struct ip_addr a = {.ip6 = ip6};
	uint64_t bits = random_u64(r);

	memcpy(a.bytes, &bits, ip6 ? 8 : 4);
	if (ip6) {
		a.bytes[0] = 0x20 | (a.bytes[0] & 0x0f & 0x0a);
		a.bytes[1] &= 0x1f;
		bits = random_u64(r);
		memcpy(a.bytes + 8, &bits, 8);
	} else {
		a.bytes[0] = (uint8_t)(1 + a.bytes[0] % 223);
	}
	return a;
}

/* Behind /32 in the networks of providers, as in the internet's table. */
static struct ip_addr addr_of_provider(struct random *r)
{
	struct ip_addr a = random_addr(r, true);
	struct random provider;

	random_init(&provider, random_below(r, PROVIDERS));
	memcpy(a.bytes, random_addr(&provider, true).bytes, 4);
	return a;
}

/* --- our table --- */

static void *own_create(uint8_t addr_len)
{
	struct lpm *lpm = malloc(sizeof(*lpm));

	if (!lpm || lpm_init(lpm, addr_len, 1 << 22) != 0)
		exit(1);
	return lpm;
}

static void *own4_create(uint32_t n_routes)
{
	return own_create(IP4_LEN);
}

static void *own6_create(uint32_t n_routes)
{
	return own_create(IP6_LEN);
}

static bool own4_add(void *table, const union address *a, uint8_t len, uint32_t value)
{
	struct ip_addr addr = ip4_addr(a->ip4);

	return lpm_set(table, addr.bytes, len, value) == 0;
}

static bool own6_add(void *table, const union address *a, uint8_t len, uint32_t value)
{
	return lpm_set(table, a->ip6, len, value) == 0;
}

/* A worker's. */
static struct memo memo;

static uint64_t own_sum(void *table, struct lpm_burst *burst, uint32_t n)
{
	uint64_t sum = 0;

	lpm_lookup_n(table, &memo, burst, n);
	for (uint32_t i = 0; i < n; i++)
		sum += burst->values[i];
	return sum;
}

static uint64_t own4_sum(void *table, const union address *addrs, uint32_t n)
{
	struct lpm_burst burst;

	for (uint32_t i = 0; i < n; i++)
		lpm_burst_put4(&burst, i, addrs[i].ip4);
	return own_sum(table, &burst, n);
}

static uint64_t own6_sum(void *table, const union address *addrs, uint32_t n)
{
	struct lpm_burst burst;

	for (uint32_t i = 0; i < n; i++)
		lpm_burst_put6(&burst, i, addrs[i].ip6);
	return own_sum(table, &burst, n);
}

static uint64_t own_bytes(void *table)
{
	return lpm_memory(table);
}

static void own_destroy(void *table)
{
	lpm_fini(table);
	free(table);
}

static const struct table_kind own4 = {
	"ginnel", false, own4_create, own4_add, own4_sum, own_bytes, own_destroy};
static const struct table_kind own6 = {
	"ginnel", true, own6_create, own6_add, own6_sum, own_bytes, own_destroy};

/* --- measuring --- */

struct route {
	struct ip_addr addr;
	uint8_t len;
	uint16_t value;
};

static struct {
	uint32_t n_routes;
	struct route routes[ROUTES4];
	union address addrs[ADDRESSES];
} set;

static volatile uint64_t sink;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static union address address_of(const struct ip_addr *a)
{
	union address out = {.ip4 = ip4_of(a)};

	if (a->ip6)
		memcpy(out.ip6, a->bytes, IP6_LEN);
	return out;
}

/* Different ones; addresses in each, one after the other, the host bits at random, then shuffled. */
static void draw(enum shape shape, uint32_t n)
{
	struct lpm *seen = own_create(shape == IP4 ? IP4_LEN : IP6_LEN);
	struct random r;

	random_init(&r, 7);
	for (set.n_routes = 0; set.n_routes < n;) {
		struct route *route = &set.routes[set.n_routes];

		route->addr = shape == IP6_PROVIDERS ? addr_of_provider(&r) : random_addr(&r, shape != IP4);
		route->len = random_len(&r, shape == IP4 ? shares4 : shares6);
		route->value = (uint16_t)(1 + random_below(&r, 1000));
		if (lpm_get(seen, route->addr.bytes, route->len))
			continue;
		if (lpm_set(seen, route->addr.bytes, route->len, 1) != 0)
			exit(1);
		set.n_routes++;
	}
	own_destroy(seen);
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		const struct route *route = &set.routes[i % n];
		struct ip_addr noise = random_addr(&r, shape != IP4), a = route->addr;

		for (uint32_t bit = route->len; bit < ip_addr_bits(&a); bit++) {
			uint8_t mask = (uint8_t)(0x80 >> bit % 8);

			a.bytes[bit / 8] =
				(uint8_t)((a.bytes[bit / 8] & ~mask) | (noise.bytes[bit / 8] & mask));
		}
		set.addrs[i] = address_of(&a);
	}
	for (uint32_t i = ADDRESSES - 1; i > 0; i--) {
		uint32_t other = random_below(&r, i + 1);
		union address a = set.addrs[i];

		set.addrs[i] = set.addrs[other];
		set.addrs[other] = a;
	}
}

/* Each waits for the one before: its value goes into the next one's place. */
static void one_by_one(const struct table_kind *kind, void *table)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < ADDRESSES; i++)
		at = (at + 1 + (kind->lookup(table, &set.addrs[at], 1) == UINT64_MAX)) & (ADDRESSES - 1);
	sink = at;
}

static void together(const struct table_kind *kind, void *table)
{
	uint64_t sum = 0;

	for (uint32_t at = 0; at < ADDRESSES; at += LOOKUP_BURST)
		sum += kind->lookup(table, &set.addrs[at], LOOKUP_BURST);
	sink = sum;
}

/* The same few again and again, as of a router with so many stations behind it. */
static void again(const struct table_kind *kind, void *table)
{
	uint64_t sum = 0;

	for (uint32_t n = 0; n < ADDRESSES; n += AGAIN)
		for (uint32_t at = 0; at < AGAIN; at += LOOKUP_BURST)
			sum += kind->lookup(table, &set.addrs[at], LOOKUP_BURST);
	sink = sum;
}

/* Nanoseconds a lookup in the best round, as others may use the machine. */
static double measure(
	const struct table_kind *kind, void *table, void (*lookups)(const struct table_kind *, void *))
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t begin = now_ns();

		lookups(kind, table);
		best = min_u64(best, now_ns() - begin);
	}
	return (double)best / ADDRESSES;
}

static bool fill(const struct table_kind *kind, void *table, double *add_ns)
{
	uint64_t begin = now_ns();

	for (uint32_t i = 0; i < set.n_routes; i++) {
		const struct route *route = &set.routes[i];
		union address a = address_of(&route->addr);

		if (!kind->add(table, &a, route->len, route->value)) {
			fprintf(stderr, "%s is full at %u routes\n", kind->name, i);
			return false;
		}
	}
	*add_ns = (double)(now_ns() - begin) / set.n_routes;
	return true;
}

static void measure_table(const struct table_kind *kind, const char *what, json_t *rows)
{
	void *table = kind->create(set.n_routes);
	char name[96];
	double add_ns;

	if (!table)
		return;
	snprintf(name, sizeof(name), "%s: %s", what, kind->name);
	if (fill(kind, table, &add_ns)) {
		double one_ns = measure(kind, table, one_by_one);

		json_array_append_new(
			rows, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "table", name, "one_ns", one_ns,
				      "together_ns", measure(kind, table, together), "again_ns",
				      measure(kind, table, again), "bytes",
				      (double)kind->bytes(table) / set.n_routes, "add_ns", add_ns));
	}
	kind->destroy(table);
}

static void measure_shape(enum shape shape, uint32_t n, const char *what, json_t *rows)
{
	draw(shape, n);
	measure_table(shape == IP4 ? &own4 : &own6, what, rows);
	for (const struct table_kind *kind = dpdk_tables; kind->name; kind++)
		if (kind->ip6 == (shape != IP4))
			measure_table(kind, what, rows);
}

int main(int argc, char **argv)
{
	json_t *rows = json_array();

	measure_shape(IP4, ROUTES4, "IPv4, 1000000 routes", rows);
	measure_shape(IP6_PROVIDERS, ROUTES6, "IPv6, 200000 routes", rows);
	measure_shape(IP6_RANDOM, ROUTES6, "IPv6, 200000 at random", rows);
	json_dumpf(rows, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(rows);
	return 0;
}
