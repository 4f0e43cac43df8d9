/* SPDX-License-Identifier: Apache-2.0 */
/* fib6 - routes of IPv6: a tree (ip/lpm.h) of 16 bits, then 8 at a time. A lookup to a /48 reads five words. */
#ifndef GINNEL_IP_FIB6_H
#define GINNEL_IP_FIB6_H

#include "ip/lpm.h"

#define FIB6_NODES_MAX (1u << 20)

int fib6_init(struct lpm *fib);

/* 0: no route. */
static inline uint32_t fib6_lookup(const struct lpm *fib, const uint8_t *addr)
{
	uint32_t entry = lpm_entry(&fib->root[be16_get(addr)]);

	for (const uint8_t *next = addr + 2; entry & LPM_IS_NODE; next++)
		entry = lpm_entry(&fib->nodes[entry & LPM_VALUE_MAX][*next]);
	return lpm_value(fib, entry);
}

#endif
