/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csum.h"

#include "base/random.h"
#include "base/test.h"

#include <string.h>

/* RFC 1071 word by word, deliberately simple. */
static uint16_t plain_csum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += (i & 1) ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* 0x0000 and 0xffff are the same number in ones' complement. */
static uint16_t normal(uint16_t sum)
{
	return sum == 0xffff ? 0 : sum;
}

TEST(sum_equals_the_plain_sum_for_every_length_and_alignment)
{
	uint8_t buf[300];
	struct random r;

	random_init(&r, 1);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)random_u64(&r);
	for (size_t at = 0; at < 9; at++)
		for (size_t len = 0; at + len <= sizeof(buf); len++)
			assert_int_equal(normal(csum_fold(csum_sum(buf + at, len))),
				normal(plain_csum(buf + at, len)));
}

TEST(copy_copies_and_sums)
{
	uint8_t src[200], dst[200];
	struct random r;

	random_init(&r, 2);
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)random_u64(&r);
	for (size_t len = 0; len < sizeof(src) - 3; len++) {
		memset(dst, 0xee, sizeof(dst));
		assert_int_equal(
			normal(csum_fold(csum_copy(dst, src + 3, len))), normal(plain_csum(src + 3, len)));
		assert_memory_equal(dst, src + 3, len);
		assert_int_equal(dst[len], 0xee);
	}
}

TEST(pieces_at_odd_offsets_add_up)
{
	uint8_t buf[64];
	struct random r;

	random_init(&r, 3);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)random_u64(&r);
	for (size_t cut = 0; cut <= sizeof(buf); cut++) {
		uint64_t sum = csum_add_at(0, csum_sum(buf, cut), 0);

		sum = csum_add_at(sum, csum_sum(buf + cut, sizeof(buf) - cut), cut);
		assert_int_equal(normal(csum_fold(sum)), normal(plain_csum(buf, sizeof(buf))));
	}
}

TESTS(cmocka_unit_test(sum_equals_the_plain_sum_for_every_length_and_alignment),
	cmocka_unit_test(copy_copies_and_sums), cmocka_unit_test(pieces_at_odd_offsets_add_up))
