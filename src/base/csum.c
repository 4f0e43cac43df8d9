/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csum.h"

#include <string.h>

/* The value is now in a register: the compiler may not fetch it from memory a second time. */
#define READ_ONCE_HERE(word) __asm__ volatile("" : "+r"(word))

static inline uint64_t tail_word(const uint8_t *p, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, p, len);
	return word;
}

uint64_t csum_sum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t sum = 0, word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = csum_add(sum, word);
	}
	return csum_add(sum, tail_word(p, len));
}

/* The word summed is the word stored: a writer who changes src meanwhile cannot make sum and copy disagree. */
uint64_t csum_copy(void *dst, const void *src, size_t len)
{
	const uint8_t *s = src;
	uint8_t *d = dst;
	uint64_t sum = 0, word;

	for (; len >= sizeof(word); len -= sizeof(word), s += sizeof(word), d += sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		READ_ONCE_HERE(word);
		memcpy(d, &word, sizeof(word));
		sum = csum_add(sum, word);
	}
	word = tail_word(s, len);
	READ_ONCE_HERE(word);
	memcpy(d, &word, len);
	return csum_add(sum, word);
}
