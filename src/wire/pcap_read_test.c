/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pcap_read.h"

#include "base/test.h"
#include "wire/pcapng.h"

#include <string.h>

static uint8_t file[8192];
static size_t file_len;

static void put32(uint32_t v, bool big)
{
	for (int i = 0; i < 4; i++)
		file[file_len++] = (uint8_t)(v >> (big ? 24 - 8 * i : 8 * i));
}

static void put_plain_header(uint32_t magic, bool big, uint32_t link_type)
{
	file_len = 0;
	put32(magic, big);
	put32(big ? 2u << 16 | 4 : 4u << 16 | 2, big);
	put32(0, big);
	put32(0, big);
	put32(65535, big);
	put32(link_type, big);
}

static void put_plain_frame(uint32_t s, uint32_t fraction, uint32_t len, uint32_t wire_len, bool big)
{
	put32(s, big);
	put32(fraction, big);
	put32(len, big);
	put32(wire_len, big);
	memset(file + file_len, 0x77, len);
	file_len += len;
}

static void put_ng(uint64_t time_ns, uint32_t len)
{
	const struct pcapng_packet packet = {.time_ns = time_ns, .len = len, .cap_len = len, .bytes = file};

	if (file_len == 0) {
		file_len = pcapng_section(file, sizeof(file), "test");
		file_len += pcapng_interface(file + file_len, (uint32_t)(sizeof(file) - file_len), "eth", 0);
	}
	file_len += pcapng_packet(file + file_len, (uint32_t)(sizeof(file) - file_len), &packet);
}

static enum pcap_read read_all(struct pcap_read_frame *frames, uint32_t *n, size_t len)
{
	struct pcap_reader r;
	enum pcap_read err = pcap_read_begin(&r, file, len);

	for (*n = 0; err == PCAP_READ_OK;) {
		struct pcap_read_frame f;

		err = pcap_read_next(&r, &f);
		if (err == PCAP_READ_OK)
			frames[(*n)++] = f;
	}
	return err;
}

static struct pcap_read_frame frames[64];
static uint32_t n;

TEST(pcap_is_read_in_either_byte_order_and_either_resolution)
{
	for (int big = 0; big < 2; big++)
		for (int ns = 0; ns < 2; ns++) {
			put_plain_header(ns ? 0xa1b23c4d : 0xa1b2c3d4, big, 1);
			put_plain_frame(5, 7, 60, 60, big);
			put_plain_frame(6, 0, 100, 1514, big);
			assert_int_equal(read_all(frames, &n, file_len), PCAP_READ_END);
			assert_int_equal(n, 2);
			assert_true(frames[0].time_ns == 5000000000ull + (ns ? 7 : 7000));
			assert_int_equal(frames[1].len, 100);
			assert_int_equal(frames[1].wire_len, 1514);
			assert_int_equal(frames[1].bytes[0], 0x77);
		}
}

TEST(what_we_write_as_pcapng_can_be_read)
{
	file_len = 0;
	put_ng(1700000000123456789ull, 60);
	put_ng(1700000001000000001ull, 61);
	assert_int_equal(read_all(frames, &n, file_len), PCAP_READ_END);
	assert_int_equal(n, 2);
	assert_true(frames[0].time_ns == 1700000000123456789ull);
	assert_true(frames[1].time_ns == 1700000001000000001ull);
	assert_int_equal(frames[1].len, 61);
}

TEST(a_file_cut_at_any_byte_ends_with_a_reason)
{
	uint32_t before;

	for (int ng = 0; ng < 2; ng++) {
		file_len = 0;
		if (ng) {
			put_ng(1, 60);
			put_ng(2, 60);
		} else {
			put_plain_header(0xa1b2c3d4, false, 1);
			put_plain_frame(0, 0, 60, 60, false);
			put_plain_frame(0, 0, 60, 60, false);
		}
		before = 0;
		for (size_t len = 0; len < file_len; len++) {
			enum pcap_read err = read_all(frames, &n, len);

			assert_true(err != PCAP_READ_OK);
			assert_true(n >= before && n < 2);
			before = n;
		}
	}
}

TEST(other_files_are_refused_by_name)
{
	file_len = 0;
	put32(0x464c457f, false);
	assert_int_equal(read_all(frames, &n, file_len), PCAP_READ_NO_CAPTURE);
	put_plain_header(0xa1b2c3d4, false, 113);
	assert_int_equal(read_all(frames, &n, file_len), PCAP_READ_LINK_TYPE);
	file_len = 0;
	put_ng(1, 60);
	file[file_len - 4]++; /* the length at the block's end */
	assert_int_equal(read_all(frames, &n, file_len), PCAP_READ_MALFORMED);
}

TESTS(cmocka_unit_test(pcap_is_read_in_either_byte_order_and_either_resolution),
	cmocka_unit_test(what_we_write_as_pcapng_can_be_read),
	cmocka_unit_test(a_file_cut_at_any_byte_ends_with_a_reason),
	cmocka_unit_test(other_files_are_refused_by_name))
