/* SPDX-License-Identifier: Apache-2.0 */
/* lookup - tables of routes that are measured beside each other: ours, and those of libraries that are there. */
#ifndef GINNEL_BENCH_LOOKUP_H
#define GINNEL_BENCH_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_BURST 32

/* Of IPv4 as numbers, of IPv6 as bytes. */
union address {
	uint32_t ip4;
	uint8_t ip6[16];
};

struct table_kind {
	const char *name;
	bool ip6;
	/* NULL: it cannot be had here. */
	void *(*create)(uint32_t n_routes);
	bool (*add)(void *table, const union address *a, uint8_t len, uint32_t value);
	/* At most LOOKUP_BURST. Returns the sum of their values. */
	uint64_t (*lookup)(void *table, const union address *addrs, uint32_t n);
	/* 0: not known. */
	uint64_t (*bytes)(void *table);
	void (*destroy)(void *table);
};

/* Those of DPDK, with NULL as name at the end; only that if there is none. */
extern const struct table_kind dpdk_tables[];

#endif
