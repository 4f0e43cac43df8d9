/* SPDX-License-Identifier: Apache-2.0 */
/* fib4 - routes of IPv4: a tree (ip/lpm.h) of 24 bits, then 8. A lookup reads one word, or two behind /24. */
#ifndef GINNEL_IP_FIB4_H
#define GINNEL_IP_FIB4_H

#include "ip/lpm.h"

/* Different /24 that hold longer prefixes. */
#define FIB4_NODES_MAX 65536

int fib4_init(struct lpm *fib);

/* addr in host order; 0: no route. */
static inline uint32_t fib4_lookup(const struct lpm *fib, uint32_t addr)
{
	uint32_t entry = lpm_entry(&fib->root[addr >> 8]);

	if (unlikely(entry & LPM_IS_NODE))
		entry = lpm_entry(&fib->nodes[entry & LPM_VALUE_MAX][addr & 255]);
	return lpm_value(fib, entry);
}

#endif
