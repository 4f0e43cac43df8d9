/* SPDX-License-Identifier: Apache-2.0 */
/* limit - so many of something a second, and a burst of as many: a bucket of tokens. One thread's own. */
#ifndef GINNEL_IP_LIMIT_H
#define GINNEL_IP_LIMIT_H

#include "base/units.h"

#include <stdbool.h>
#include <stdint.h>

struct limit {
	uint64_t full_ns; /* when the bucket will be full */
};

/* False: too many. per_s is not 0. */
static inline bool limit_take(struct limit *l, uint32_t per_s, uint64_t now_ns)
{
	uint64_t token_ns = NS_PER_S / per_s, full_ns = l->full_ns > now_ns ? l->full_ns : now_ns;

	if (full_ns + token_ns > now_ns + NS_PER_S)
		return false;
	l->full_ns = full_ns + token_ns;
	return true;
}

#endif
