/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memo.h"

/* States of one thing are so many. */
#define CHANGES_BITS 40

void memo_state_init(struct memo_state *s)
{
	static uint64_t last; /* atomic */

	s->now = __atomic_add_fetch(&last, 1ull << CHANGES_BITS, __ATOMIC_RELAXED);
}
