/* SPDX-License-Identifier: Apache-2.0 */
/* guestq_any - a ring of either kind; `packed` is a constant where these are inlined. */
#ifndef GINNEL_BENCH_GUESTQ_ANY_H
#define GINNEL_BENCH_GUESTQ_ANY_H

#include "guestq_packed.h"
#include "guestq_split.h"

#include <sys/eventfd.h>

/* About max slots that came back. */
static inline uint32_t guestq_returned(struct guestq *r, uint32_t max, bool packed)
{
	return packed ? packed_returned(r, max) : split_returned(r, max);
}

static inline bool guestq_used_is(const struct guestq *r, uint32_t count, uint32_t len, bool packed)
{
	return packed ? packed_used_is(r, count, len) : split_used_is(r, count, len);
}

static inline uint32_t guestq_used_len(const struct guestq *r, uint32_t count, bool packed)
{
	return packed ? packed_used_len(r, count) : split_used_len(r, count);
}

/* Offers the next n slots. Full fence: pairs with the device's, between asking for notifications and looking again. */
static inline void guestq_offer(struct guestq *r, uint32_t n, bool packed)
{
	if (packed)
		packed_offer(r, n);
	else
		split_offer(r, n);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unlikely(packed ? packed_wants_kick(r) : split_wants_kick(r)))
		eventfd_write(r->kick_fd, 1);
}

#endif
