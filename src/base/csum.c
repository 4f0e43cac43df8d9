/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csum.h"

#include <string.h>

/* Two numbers that the processor adds at once. */
typedef uint64_t pair __attribute__((vector_size(16)));

/* At any address. Read through a volatile pointer each is fetched once, whatever the compiler thinks of it.
 */
typedef pair pair_at __attribute__((aligned(1), may_alias));
typedef uint64_t word_at __attribute__((aligned(1), may_alias));

#define BLOCK_LEN (4 * sizeof(pair))

/* Halves of words are added up, so no carry is lost before 2^30 blocks. */
static inline pair pair_halves(pair v)
{
	const pair low = {UINT32_MAX, UINT32_MAX};

	return (v & low) + (v >> 32);
}

static inline pair block_sum(uint8_t *to, const uint8_t *from, bool copy)
{
	const volatile pair_at *in = (const volatile pair_at *)from;
	pair_at *out = (pair_at *)to;
	pair v0 = in[0], v1 = in[1], v2 = in[2], v3 = in[3];

	if (copy) {
		out[0] = v0;
		out[1] = v1;
		out[2] = v2;
		out[3] = v3;
	}
	return (pair_halves(v0) + pair_halves(v1)) + (pair_halves(v2) + pair_halves(v3));
}

static inline uint64_t word_sum(uint8_t *to, const uint8_t *from, bool copy)
{
	uint64_t word = *(const volatile word_at *)from;

	if (copy)
		*(word_at *)to = word;
	return word;
}

/* Fewer bytes than a word, as if zeros followed. */
static inline uint64_t tail_sum(uint8_t *to, const uint8_t *from, size_t len, bool copy)
{
	uint8_t bytes[sizeof(uint64_t)] = {0};
	uint64_t word;

	for (size_t i = 0; i < len; i++)
		bytes[i] = *(const volatile uint8_t *)&from[i];
	if (copy)
		memcpy(to, bytes, len);
	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* What is summed is what is stored: a writer who changes `from` meanwhile cannot make sum and copy disagree.
 */
static inline uint64_t bytes_sum(uint8_t *to, const uint8_t *from, size_t len, bool copy)
{
	pair blocks = {0, 0};
	uint64_t sum;
	size_t at = 0;

	for (; len - at >= BLOCK_LEN; at += BLOCK_LEN)
		blocks += block_sum(to + at, from + at, copy);
	sum = csum_add(blocks[0], blocks[1]);
	for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t))
		sum = csum_add(sum, word_sum(to + at, from + at, copy));
	return csum_add(sum, tail_sum(to + at, from + at, len - at, copy));
}

uint64_t csum_sum(const void *data, size_t len)
{
	return bytes_sum((uint8_t *)(uintptr_t)data, data, len, false);
}

uint64_t csum_copy(void *dst, const void *src, size_t len)
{
	return bytes_sum(dst, src, len, true);
}
