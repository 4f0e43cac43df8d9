/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/fib4.h"

int fib4_init(struct lpm *fib)
{
	return lpm_init(
		fib, &(struct lpm_config){.root_bits = 24, .addr_len = IP4_LEN, .max_nodes = FIB4_NODES_MAX});
}
