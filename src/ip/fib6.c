/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/fib6.h"

int fib6_init(struct lpm *fib)
{
	return lpm_init(
		fib, &(struct lpm_config){.root_bits = 16, .addr_len = IP6_LEN, .max_nodes = FIB6_NODES_MAX});
}
