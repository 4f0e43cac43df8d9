/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lookup costs in tables of the size of the internet's, for addresses in its routes at random: one after the other,
 * each waiting for the one before, and as a stage does it, with the next ones fetched ahead. Prints, judges nothing.
 *
 *	fib_bench [IPv4 routes [IPv6 routes]]
 */
#include "ip/fib4.h"
#include "ip/fib6.h"

#include "base/prefetch.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUTES4   1000000
#define ROUTES6   200000
#define ADDRESSES (1u << 20)
#define ROUNDS    4
#define AHEAD     8

/* How many of a thousand have which length: about as in the internet's tables. */
struct share {
	uint8_t len;
	uint16_t share;
};

static const struct share shares4[] = {{8, 1}, {12, 1}, {14, 1}, {15, 2}, {16, 14}, {17, 8}, {18, 14},
	{19, 25}, {20, 45}, {21, 50}, {22, 115}, {23, 105}, {24, 609}, {28, 4}, {30, 3}, {32, 3}};
static const struct share shares6[] = {{24, 2}, {28, 5}, {29, 25}, {32, 120}, {36, 40}, {40, 90}, {42, 20},
	{44, 110}, {45, 15}, {46, 25}, {47, 20}, {48, 500}, {52, 2}, {56, 10}, {64, 14}, {128, 2}};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint8_t random_len(struct random *r, const struct share *shares)
{
	uint32_t at = random_below(r, 1000), sum = 0, i = 0;

	while ((sum += shares[i].share) <= at)
		i++;
	return shares[i].len;
}

/* Global unicast: networks of providers, and their customers within. */
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

struct bench {
	struct lpm lpm;
	bool ip6;
	struct ip_addr *addrs;
	struct random random;
};

static double fill(struct bench *b, uint32_t n)
{
	uint64_t begin = now_ns();

	while (b->lpm.rules.n < n) {
		struct ip_addr a = random_addr(&b->random, b->ip6);
		uint8_t len = random_len(&b->random, b->ip6 ? shares6 : shares4);

		if (lpm_set(&b->lpm, a.bytes, len, 1 + random_below(&b->random, 1000)) != 0) {
			fprintf(stderr, "the table is full at %u routes\n", b->lpm.rules.n);
			exit(1);
		}
	}
	return (double)(now_ns() - begin) / n;
}

/* An address in a route that was drawn: the host bits at random. */
static void draw_addresses(struct bench *b)
{
	for (uint32_t i = 0; i < ADDRESSES;) {
		uint32_t pos = random_below(&b->random, b->lpm.rules.size), value;
		struct ip_addr noise = random_addr(&b->random, b->ip6), a = {.ip6 = b->ip6};
		uint8_t len;

		if (!lpm_next(&b->lpm, &pos, a.bytes, &len, &value))
			continue;
		for (uint32_t bit = len; bit < ip_addr_bits(&a); bit++)
			a.bytes[bit / 8] |= noise.bytes[bit / 8] & (uint8_t)(0x80 >> bit % 8);
		b->addrs[i++] = a;
	}
}

static inline uint32_t lookup(const struct bench *b, const struct ip_addr *a)
{
	return b->ip6 ? fib6_lookup(&b->lpm, a->bytes) : fib4_lookup(&b->lpm, ip4_of(a));
}

static inline void fetch(const struct bench *b, const struct ip_addr *a)
{
	prefetch_read(b->ip6 ? &b->lpm.root[be16_get(a->bytes)] : &b->lpm.root[ip4_of(a) >> 8], 1);
}

/* Each waits for the one before: its value goes into the next one's place. */
static double chained(const struct bench *b)
{
	uint64_t begin = now_ns();
	uint32_t at = 0;

	for (uint32_t i = 0; i < ROUNDS * ADDRESSES; i++)
		at = (at + 1 + (lookup(b, &b->addrs[at]) == 0)) & (ADDRESSES - 1);
	return (double)(now_ns() - begin) / (ROUNDS * ADDRESSES) + (at == ADDRESSES);
}

static double ahead(const struct bench *b)
{
	uint64_t begin = now_ns();
	volatile uint32_t sink;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < ROUNDS * ADDRESSES; i++) {
		fetch(b, &b->addrs[(i + AHEAD) & (ADDRESSES - 1)]);
		sum += lookup(b, &b->addrs[i & (ADDRESSES - 1)]);
	}
	sink = sum;
	(void)sink;
	return (double)(now_ns() - begin) / (ROUNDS * ADDRESSES);
}

static void run(bool ip6, uint32_t n)
{
	struct bench b = {.ip6 = ip6, .addrs = calloc(ADDRESSES, sizeof(*b.addrs))};
	double add_ns;

	random_init(&b.random, 7);
	if (!b.addrs || (ip6 ? fib6_init(&b.lpm) : fib4_init(&b.lpm)) != 0)
		exit(1);
	add_ns = fill(&b, n);
	draw_addresses(&b);
	printf("IPv%d: %u routes, %.1f bytes each, %.0f ns to add one; lookup %.1f ns, fetched ahead %.1f "
	       "ns\n",
		ip6 ? 6 : 4, n, (double)lpm_memory(&b.lpm) / n, add_ns, chained(&b), ahead(&b));
	lpm_fini(&b.lpm);
	free(b.addrs);
}

int main(int argc, char **argv)
{
	run(false, argc > 1 ? (uint32_t)atoi(argv[1]) : ROUTES4);
	run(true, argc > 2 ? (uint32_t)atoi(argv[2]) : ROUTES6);
	return 0;
}
