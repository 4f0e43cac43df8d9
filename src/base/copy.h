/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy - memcpy for bytes that go from guest to guest.
 *
 * The C library copies large pieces with "rep movsb". On some processors (AMD Zen 3 and 4) that runs at a
 * tenth of its speed when the destination lies up to 63 bytes behind the source modulo 4096, which is the
 * ordinary case here: guests' buffers start at pages and differ by a header. A plain loop is as fast
 * everywhere.
 */
#ifndef GINNEL_BASE_COPY_H
#define GINNEL_BASE_COPY_H

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Below this no C library uses "rep movsb". */
#define COPY_LARGE 2048

/* At any address. */
typedef uint64_t copy_word __attribute__((vector_size(16), aligned(1), may_alias));

static inline void copy_large(uint8_t *to, const uint8_t *from, size_t len)
{
	for (; len >= 4 * sizeof(copy_word); len -= 4 * sizeof(copy_word)) {
		const copy_word *in = (const copy_word *)from;
		copy_word *out = (copy_word *)to;
		copy_word w0 = in[0], w1 = in[1], w2 = in[2], w3 = in[3];

		out[0] = w0;
		out[1] = w1;
		out[2] = w2;
		out[3] = w3;
		from += 4 * sizeof(copy_word);
		to += 4 * sizeof(copy_word);
	}
	memcpy(to, from, len);
}

/*
 * Up to COPY_SHORT bytes, such as a packet's head: few lengths, so few branches, and no call. Two copies of one fixed
 * length each, the second up to the last byte, which may write some in the middle twice.
 */
#define COPY_SHORT 128

static inline void copy_short(uint8_t *to, const uint8_t *from, size_t len)
{
	if (likely(len >= 64)) {
		memcpy(to, from, 64);
		memcpy(to + len - 64, from + len - 64, 64);
	} else if (likely(len >= 32)) {
		memcpy(to, from, 32);
		memcpy(to + len - 32, from + len - 32, 32);
	} else {
		memcpy(to, from, len);
	}
}

/* The same up to COPY_SHORT + 64 bytes: a head to which something was added. */
static inline void copy_head(uint8_t *to, const uint8_t *from, size_t len)
{
	if (unlikely(len > COPY_SHORT)) {
		memcpy(to, from, 64);
		to += 64;
		from += 64;
		len -= 64;
	}
	copy_short(to, from, len);
}

static inline void copy_bytes(void *dst, const void *src, size_t len)
{
	if (likely(len < COPY_LARGE))
		memcpy(dst, src, len);
	else
		copy_large(dst, src, len);
}

#endif
