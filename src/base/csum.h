/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csum - the internet checksum (RFC 1071): a ones' complement sum over 16-bit words in memory order.
 *
 * A partial sum is a uint64_t that has not been folded; partial sums add up with csum_add(). A piece that starts
 * at an odd offset of the whole must be added with csum_add_at(), which swaps its bytes.
 */
#ifndef GINNEL_BASE_CSUM_H
#define GINNEL_BASE_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sum over len bytes, any alignment; an odd last byte counts as if a zero followed. */
uint64_t csum_sum(const void *data, size_t len);
/* memcpy and csum_sum of what was written, in one pass: each source byte is read once. */
uint64_t csum_copy(void *dst, const void *src, size_t len);

static inline uint64_t csum_add(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < a);
}

/* The folded sum in memory order, not complemented. */
static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Adds a piece's sum at byte offset `at` of the whole. */
static inline uint64_t csum_add_at(uint64_t sum, uint64_t piece, size_t at)
{
	uint16_t folded = csum_fold(piece);

	if (at & 1)
		folded = (uint16_t)(folded << 8 | folded >> 8);
	return csum_add(sum, folded);
}

#endif
