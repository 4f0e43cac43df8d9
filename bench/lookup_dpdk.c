/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's tables, each at its fastest: rte_fib (24 bits, then 8) and rte_fib6 (24 bits, then 8 at a time). rte_lpm is left out:
 * it takes 170 us to add a route to a million of them.
 */
#include "lookup.h"

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_malloc.h>

/* Second tables, of 256 entries each: as many as there may be with entries of 2 bytes; as its hugepages have room for. */
#define TABLES4 ((1u << 15) - 1)
#define TABLES6 (560u * 1024)

static uint64_t bytes_before;

static uint64_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	return rte_malloc_get_socket_stats(0, &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

/* Once. */
static bool begin(void)
{
	static char words[][32] = {"lookup", "--in-memory", "--no-pci", "--no-telemetry", "--log-level=1",
		"-l", "0", "-m", "1152"};
	static int begun;
	char *argv[sizeof(words) / sizeof(words[0])];
	int n = sizeof(words) / sizeof(words[0]);

	for (int i = 0; i < n; i++)
		argv[i] = words[i];
	if (begun == 0)
		begun = rte_eal_init(n, argv) < 0 ? -1 : 1;
	bytes_before = begun > 0 ? heap_bytes() : 0;
	return begun > 0;
}

static uint64_t bytes(void *table)
{
	return heap_bytes() - bytes_before;
}

static void *fib_create(uint32_t n_routes)
{
	struct rte_fib_conf config = {.type = RTE_FIB_DIR24_8,
		.max_routes = (int)(2 * n_routes),
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = TABLES4}};

	return begin() ? rte_fib_create("fib", 0, &config) : NULL;
}

static bool fib_add(void *table, const union address *a, uint8_t len, uint32_t value)
{
	return rte_fib_add(table, a->ip4, len, value) == 0;
}

static uint64_t fib_sum(void *table, const union address *addrs, uint32_t n)
{
	uint32_t ips[LOOKUP_BURST];
	uint64_t hops[LOOKUP_BURST], sum = 0;

	for (uint32_t i = 0; i < n; i++)
		ips[i] = addrs[i].ip4;
	rte_fib_lookup_bulk(table, ips, hops, (int)n);
	for (uint32_t i = 0; i < n; i++)
		sum += hops[i];
	return sum;
}

static void fib_destroy(void *table)
{
	rte_fib_free(table);
}

static void *fib6_create(uint32_t n_routes)
{
	struct rte_fib6_conf config = {.type = RTE_FIB6_TRIE,
		.max_routes = (int)(2 * n_routes),
		.trie = {.nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = TABLES6}};

	return begin() ? rte_fib6_create("fib6", 0, &config) : NULL;
}

static bool fib6_add(void *table, const union address *a, uint8_t len, uint32_t value)
{
	return rte_fib6_add(table, a->ip6, len, value) == 0;
}

static uint64_t fib6_sum(void *table, const union address *addrs, uint32_t n)
{
	uint8_t ips[LOOKUP_BURST][16];
	uint64_t hops[LOOKUP_BURST], sum = 0;

	for (uint32_t i = 0; i < n; i++)
		__builtin_memcpy(ips[i], addrs[i].ip6, 16);
	rte_fib6_lookup_bulk(table, ips, hops, (int)n);
	for (uint32_t i = 0; i < n; i++)
		sum += hops[i];
	return sum;
}

static void fib6_destroy(void *table)
{
	rte_fib6_free(table);
}

const struct table_kind dpdk_tables[] = {
	{"DPDK's rte_fib", false, fib_create, fib_add, fib_sum, bytes, fib_destroy},
	{"DPDK's rte_fib6", true, fib6_create, fib6_add, fib6_sum, bytes, fib6_destroy},
	{.name = 0},
};
