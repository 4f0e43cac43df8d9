/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pcapng.h"

#include "base/test.h"

#include <string.h>

static uint8_t out[4096];

static uint32_t word(uint32_t at)
{
	return out[at] | (uint32_t)out[at + 1] << 8 | (uint32_t)out[at + 2] << 16 |
	       (uint32_t)out[at + 3] << 24;
}

TEST(a_section_says_its_byte_order_and_who_wrote_it)
{
	uint32_t len = pcapng_section(out, sizeof(out), "ginnel");

	assert_int_equal(word(0), 0x0a0d0d0a);
	assert_int_equal(word(4), len);
	assert_int_equal(word(len - 4), len);
	assert_int_equal(word(8), 0x1a2b3c4d);
	assert_int_equal(word(12), 1);
	assert_int_equal(word(24), 4 | 6 << 16);
	assert_memory_equal(out + 28, "ginnel\0\0", 8);
	assert_int_equal(word(36), 0);
	assert_int_equal(len, 44);
}

TEST(an_interface_has_a_name_and_counts_in_nanoseconds)
{
	uint32_t len = pcapng_interface(out, sizeof(out), "eth", 65535);

	assert_int_equal(word(0), 1);
	assert_int_equal(word(4), len);
	assert_int_equal(word(8), 1); /* Ethernet */
	assert_int_equal(word(12), 65535);
	assert_int_equal(word(16), 2 | 3 << 16);
	assert_memory_equal(out + 20, "eth\0", 4);
	assert_int_equal(word(24), 9 | 1 << 16);
	assert_int_equal(out[28], 9);
	assert_int_equal(word(len - 4), len);
}

TEST(a_packet_has_bytes_time_direction_and_comments)
{
	const struct pcapng_packet p = {.interface = 3,
		.direction = PCAPNG_OUT,
		.time_ns = 0x0102030405060708,
		.len = 1500,
		.cap_len = 5,
		.bytes = (const uint8_t *)"abcde",
		.comments = {"why"}};
	uint32_t len = pcapng_packet(out, sizeof(out), &p);

	assert_int_equal(word(0), 6);
	assert_int_equal(word(8), 3);
	assert_int_equal(word(12), 0x01020304);
	assert_int_equal(word(16), 0x05060708);
	assert_int_equal(word(20), 5);
	assert_int_equal(word(24), 1500);
	assert_memory_equal(out + 28, "abcde\0\0\0", 8);
	assert_int_equal(word(36), 1 | 3 << 16);
	assert_memory_equal(out + 40, "why\0", 4);
	assert_int_equal(word(44), 2 | 4 << 16);
	assert_int_equal(word(48), 2); /* outbound */
	assert_int_equal(word(52), 0);
	assert_int_equal(word(56), len);
	assert_int_equal(len, 60);
}

TEST(a_block_that_does_not_fit_is_not_begun)
{
	const struct pcapng_packet p = {.len = 5, .cap_len = 5, .bytes = (const uint8_t *)"abcde"};
	uint32_t len = pcapng_packet(out, sizeof(out), &p);

	for (uint32_t size = 0; size < len; size++) {
		memset(out, 0xee, sizeof(out));
		assert_int_equal(pcapng_packet(out, size, &p), 0);
		assert_int_equal(out[size], 0xee);
	}
	assert_int_equal(pcapng_packet(out, len, &p), len);
}

TEST(a_long_comment_is_cut)
{
	char text[1000];
	const struct pcapng_packet p = {.bytes = out, .comments = {text, text}};
	uint32_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	len = pcapng_packet(out, sizeof(out), &p);
	assert_in_range(len, 2 * PCAPNG_TEXT_MAX, PCAPNG_OVERHEAD);
}

TESTS(cmocka_unit_test(a_section_says_its_byte_order_and_who_wrote_it),
	cmocka_unit_test(an_interface_has_a_name_and_counts_in_nanoseconds),
	cmocka_unit_test(a_packet_has_bytes_time_direction_and_comments),
	cmocka_unit_test(a_block_that_does_not_fit_is_not_begun), cmocka_unit_test(a_long_comment_is_cut))
