/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_request.h"

#include "base/check.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

#define DISK    (1u << 20)
#define SEG_MAX 4

/* A guest's memory, pieces of it as a chain, and the request that becomes of them. */
struct bed {
	uint8_t memory[65536];
	uint32_t at;
	struct virtq_seg segs[16];
	struct virtq_chain chain;
	struct blk_file file;
	struct blk_rules rules;
	struct iovec iov[SEG_MAX + 2];
	struct blk_request r;
	enum blk_fault fault;
};

static void bed_open(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	memset(b->memory, 0xee, sizeof(b->memory));
	b->chain.segs = b->segs;
	b->file = (struct blk_file){
		.fd = 3, .plain_fd = 3, .size = DISK, .offset_align = 512, .memory_align = 512};
	b->rules = (struct blk_rules){.file = &b->file,
		.seg_max = SEG_MAX,
		.discard = true,
		.write_zeroes = true,
		.serial = "serial-of-20-bytes!!"};
	blk_request_init(&b->r, b->iov, SEG_MAX + 2);
}

static uint8_t *piece(struct bed *b, uint32_t len)
{
	uint8_t *p = b->memory + b->at;

	b->segs[b->chain.n_read + b->chain.n_write] = (struct virtq_seg){.addr = p, .len = len};
	b->at += len;
	return p;
}

static uint8_t *readable(struct bed *b, const void *bytes, uint32_t len)
{
	uint8_t *p = piece(b, len);

	if (bytes)
		memcpy(p, bytes, len);
	b->chain.n_read++;
	b->chain.read_len += len;
	return p;
}

static uint8_t *writable(struct bed *b, uint32_t len)
{
	uint8_t *p = piece(b, len);

	b->chain.n_write++;
	b->chain.write_len += len;
	return p;
}

static void header(struct bed *b, uint32_t type, uint64_t sector)
{
	const struct blk_header h = {.type = type, .sector = sector};

	readable(b, &h, sizeof(h));
}

static enum blk_next parse(struct bed *b)
{
	return blk_request_parse(&b->r, &b->chain, &b->rules, &b->fault);
}

static void refused(struct bed *b, enum blk_fault fault, enum blk_status status)
{
	assert_int_equal(parse(b), BLK_NEXT_DONE);
	assert_int_equal(b->fault, fault);
	assert_int_equal(blk_fault_status(fault), status);
}

static enum blk_next done(struct bed *b, int64_t result)
{
	b->r.io.result = result;
	return blk_request_next(&b->r, &b->fault);
}

TEST(a_read_fills_all_that_is_writable_but_the_last_byte)
{
	struct bed b;
	uint8_t *data, *rest;

	bed_open(&b);
	header(&b, BLK_T_IN, 8);
	data = writable(&b, 1000);
	rest = writable(&b, 25); /* the last byte is the status */
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_int_equal(b.r.io.op, BLK_IO_READ);
	assert_int_equal(b.r.io.offset, 8 * 512);
	assert_int_equal(b.r.io.len, 1024);
	assert_int_equal(b.r.io.n, 2);
	assert_ptr_equal(b.r.io.iov[0].iov_base, data);
	assert_int_equal(b.r.io.iov[1].iov_len, 24);
	assert_ptr_equal(b.r.status, rest + 24);
	assert_int_equal(b.r.written, 1025);
	assert_int_equal(done(&b, 1024), BLK_NEXT_DONE);
	assert_int_equal(b.fault, BLK_FINE);
}

TEST(a_header_may_lie_in_pieces_and_with_the_data)
{
	const struct blk_header h = {.type = BLK_T_OUT, .sector = 2};
	struct bed b;
	uint8_t *data;

	bed_open(&b);
	readable(&b, &h, 3);
	readable(&b, (const uint8_t *)&h + 3, 9);
	data = readable(&b, NULL, 4 + 512);
	memcpy(data, (const uint8_t *)&h + 12, 4);
	writable(&b, 1);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_int_equal(b.r.io.op, BLK_IO_WRITE);
	assert_int_equal(b.r.io.offset, 1024);
	assert_int_equal(b.r.io.n, 1);
	assert_ptr_equal(b.r.io.iov[0].iov_base, data + 4);
	assert_int_equal(b.r.io.iov[0].iov_len, 512);
	assert_int_equal(b.r.written, 1);
	assert_false(b.r.io.durable);
}

TEST(with_write_through_a_write_is_durable_and_a_discard_is_synced)
{
	const struct blk_range range = {.sector = 8, .n_sectors = 8};
	struct bed b;

	bed_open(&b);
	b.rules.write_through = true;
	header(&b, BLK_T_OUT, 0);
	readable(&b, NULL, 512);
	writable(&b, 1);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_true(b.r.io.durable);

	bed_open(&b);
	b.rules.write_through = true;
	header(&b, BLK_T_DISCARD, 0);
	readable(&b, &range, sizeof(range));
	writable(&b, 1);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_int_equal(b.r.io.op, BLK_IO_DISCARD);
	assert_int_equal(done(&b, 0), BLK_NEXT_IO);
	assert_int_equal(b.r.io.op, BLK_IO_SYNC);
	assert_int_equal(done(&b, 0), BLK_NEXT_DONE);
}

TEST(what_reaches_beyond_the_end_is_refused_whatever_overflows)
{
	static const uint64_t sectors[] = {
		DISK / 512, DISK / 512 - 1, UINT64_MAX, 1ull << 55, UINT64_MAX / 512};

	for (size_t i = 0; i < ARRAY_LEN(sectors); i++) {
		struct bed b;

		bed_open(&b);
		header(&b, BLK_T_IN, sectors[i]);
		writable(&b, 1025);
		refused(&b, BLK_FAULT_BEYOND_END, BLK_S_IOERR);
		assert_int_equal(b.r.kind, BLK_KIND_READ);
	}
}

TEST(half_sectors_and_too_many_pieces_are_refused)
{
	struct bed b;

	bed_open(&b);
	header(&b, BLK_T_IN, 0);
	writable(&b, 512);
	refused(&b, BLK_FAULT_UNALIGNED, BLK_S_IOERR);

	bed_open(&b);
	header(&b, BLK_T_IN, 0);
	for (int i = 0; i < SEG_MAX + 3; i++)
		writable(&b, 512);
	writable(&b, 1);
	refused(&b, BLK_FAULT_SEGMENTS, BLK_S_IOERR);
}

TEST(a_read_only_disk_is_not_changed)
{
	static const uint32_t types[] = {BLK_T_OUT, BLK_T_DISCARD, BLK_T_WRITE_ZEROES};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct bed b;

		bed_open(&b);
		b.file.read_only = true;
		header(&b, types[i], 0);
		readable(&b, NULL, 512);
		writable(&b, 1);
		refused(&b, BLK_FAULT_READ_ONLY, BLK_S_IOERR);
	}
}

TEST(without_a_status_byte_or_a_whole_header_nothing_is_done)
{
	struct bed b;

	bed_open(&b);
	header(&b, BLK_T_OUT, 0);
	readable(&b, NULL, 512);
	refused(&b, BLK_FAULT_STATUS_MISSING, BLK_S_IOERR);
	assert_null(b.r.status);
	assert_int_equal(b.r.written, 0);

	bed_open(&b);
	readable(&b, NULL, 15);
	writable(&b, 1);
	refused(&b, BLK_FAULT_HEADER_SHORT, BLK_S_IOERR);
	assert_non_null(b.r.status);
}

TEST(what_was_not_offered_is_unsupported)
{
	static const uint32_t types[] = {2, 3, 5, BLK_T_GET_LIFETIME, 12, BLK_T_SECURE_ERASE, UINT32_MAX};
	struct bed b;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		bed_open(&b);
		header(&b, types[i], 0);
		writable(&b, 513);
		refused(&b, BLK_FAULT_TYPE, BLK_S_UNSUPP);
	}
	bed_open(&b);
	b.rules.discard = false;
	header(&b, BLK_T_DISCARD, 0);
	readable(&b, NULL, 16);
	writable(&b, 1);
	refused(&b, BLK_FAULT_TYPE, BLK_S_UNSUPP);
}

TEST(the_serial_number_fills_twenty_bytes_or_what_is_there)
{
	struct bed b;
	uint8_t *id;

	bed_open(&b);
	header(&b, BLK_T_GET_ID, 0);
	id = writable(&b, 7);
	writable(&b, 14);
	assert_int_equal(parse(&b), BLK_NEXT_DONE);
	assert_memory_equal(id, "serial-of-20-bytes!!", 20);
	assert_int_equal(id[20], 0xee);
	assert_int_equal(b.r.written, 21);

	bed_open(&b);
	header(&b, BLK_T_GET_ID, 0);
	id = writable(&b, 5);
	assert_int_equal(parse(&b), BLK_NEXT_DONE);
	assert_memory_equal(id, "seri\xee", 5);
	assert_int_equal(b.fault, BLK_FINE);
}

/* --- ranges --- */

static void ranges(struct bed *b, uint32_t type, const struct blk_range *list, uint32_t n)
{
	bed_open(b);
	header(b, type, 0);
	for (uint32_t i = 0; i < n; i++)
		readable(b, &list[i], sizeof(list[i]));
	writable(b, 1);
}

TEST(each_range_is_one_operation_and_empty_ones_are_none)
{
	static const struct blk_range list[] = {
		{.sector = 8, .n_sectors = 8}, {0}, {.sector = 64, .n_sectors = 2, .flags = BLK_RANGE_UNMAP}};
	struct bed b;

	ranges(&b, BLK_T_WRITE_ZEROES, list, 3);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_int_equal(b.r.io.op, BLK_IO_ZERO);
	assert_int_equal(b.r.io.offset, 8 * 512);
	assert_int_equal(b.r.bytes, 10 * 512);
	assert_int_equal(done(&b, 0), BLK_NEXT_IO);
	assert_int_equal(b.r.io.op, BLK_IO_UNMAP);
	assert_int_equal(b.r.io.offset, 64 * 512);
	assert_int_equal(b.r.io.len, 2 * 512);
	assert_int_equal(done(&b, 0), BLK_NEXT_DONE);
	assert_int_equal(b.fault, BLK_FINE);
}

TEST(bad_ranges_are_refused_before_any_is_carried_out)
{
	static const struct blk_range beyond[] = {{.n_sectors = 8},
		{.sector = DISK / 512 - 7, .n_sectors = 8}},
				      flags[] = {{.n_sectors = 1, .flags = 2}},
				      unmap[] = {{.n_sectors = 1, .flags = BLK_RANGE_UNMAP}},
				      large[] = {{.n_sectors = UINT32_MAX}};
	struct bed b;

	ranges(&b, BLK_T_DISCARD, beyond, 2);
	refused(&b, BLK_FAULT_BEYOND_END, BLK_S_IOERR);
	ranges(&b, BLK_T_WRITE_ZEROES, flags, 1);
	refused(&b, BLK_FAULT_RANGE_FLAGS, BLK_S_UNSUPP);
	ranges(&b, BLK_T_DISCARD, unmap, 1);
	refused(&b, BLK_FAULT_RANGE_FLAGS, BLK_S_UNSUPP);
	ranges(&b, BLK_T_DISCARD, large, 1);
	refused(&b, BLK_FAULT_RANGES, BLK_S_IOERR);
	ranges(&b, BLK_T_DISCARD, NULL, 0);
	refused(&b, BLK_FAULT_RANGES, BLK_S_IOERR);
	ranges(&b, BLK_T_DISCARD, NULL, 0);
	readable(&b, NULL, 17);
	b.chain.segs[1] = b.chain.segs[2];
	refused(&b, BLK_FAULT_RANGES, BLK_S_IOERR);
}

TEST(zeros_that_the_file_system_cannot_make_are_written)
{
	static const struct blk_range range = {.sector = 0, .n_sectors = 1024};
	struct bed b;
	uint64_t left = 1024 * 512;

	ranges(&b, BLK_T_WRITE_ZEROES, &range, 1);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_int_equal(done(&b, -EOPNOTSUPP), BLK_NEXT_IO);
	while (true) {
		uint64_t all = 0;

		assert_int_equal(b.r.io.op, BLK_IO_WRITE);
		assert_int_equal(b.r.io.offset, 1024 * 512 - left);
		assert_true(b.r.io.n <= SEG_MAX + 2);
		for (uint32_t i = 0; i < b.r.io.n; i++)
			all += b.r.io.iov[i].iov_len;
		assert_int_equal(all, b.r.io.len);
		assert_true(all <= left);
		left -= all / 512 * 512;
		if (done(&b, (int64_t)(all / 512 * 512)) == BLK_NEXT_DONE)
			break;
	}
	assert_int_equal(left, 0);
	assert_int_equal(b.fault, BLK_FINE);
}

TEST(a_discard_that_the_file_system_cannot_do_is_done)
{
	static const struct blk_range range = {.n_sectors = 8};
	struct bed b;

	ranges(&b, BLK_T_DISCARD, &range, 1);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_int_equal(done(&b, -EOPNOTSUPP), BLK_NEXT_DONE);
	assert_int_equal(b.fault, BLK_FINE);
}

/* --- how it goes --- */

static void begin_read(struct bed *b)
{
	bed_open(b);
	header(b, BLK_T_IN, 0);
	writable(b, 600);
	writable(b, 425);
	assert_int_equal(parse(b), BLK_NEXT_IO);
}

TEST(half_a_transfer_is_followed_by_the_rest)
{
	struct bed b;

	begin_read(&b);
	assert_int_equal(done(&b, 700), BLK_NEXT_IO);
	assert_int_equal(b.r.io.offset, 700);
	assert_int_equal(b.r.io.len, 324);
	assert_int_equal(b.r.io.n, 1);
	assert_ptr_equal(b.r.io.iov[0].iov_base, b.segs[2].addr + 100);
	assert_int_equal(done(&b, -EAGAIN), BLK_NEXT_IO);
	assert_int_equal(done(&b, 324), BLK_NEXT_DONE);
	assert_int_equal(b.fault, BLK_FINE);
}

TEST(what_went_wrong_has_a_name)
{
	static const struct {
		int64_t result;
		enum blk_fault fault;
	} cases[] = {{0, BLK_FAULT_CUT_SHORT}, {-EIO, BLK_FAULT_IO}, {-ENOSPC, BLK_FAULT_NO_SPACE},
		{-EDQUOT, BLK_FAULT_NO_SPACE}, {-EFAULT, BLK_FAULT_MEMORY}, {-EINVAL, BLK_FAULT_KERNEL}};
	struct bed b;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin_read(&b);
		assert_int_equal(done(&b, cases[i].result), BLK_NEXT_DONE);
		assert_int_equal(b.fault, cases[i].fault);
		assert_int_equal(blk_fault_status(b.fault), BLK_S_IOERR);
		assert_non_null(blk_fault_name(b.fault));
	}
}

TEST(what_is_not_aligned_for_direct_transfers_takes_the_other_descriptor)
{
	struct bed b;

	bed_open(&b);
	b.file.plain_fd = 4;
	b.at = (uint32_t)(-(uintptr_t)b.memory % 512) + 512 - sizeof(struct blk_header);
	header(&b, BLK_T_IN, 0);
	writable(&b, 1024);
	writable(&b, 1);
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_false(b.r.io.plain);

	b.segs[1].addr++;
	assert_int_equal(parse(&b), BLK_NEXT_IO);
	assert_true(b.r.io.plain);
}

TESTS(cmocka_unit_test(a_read_fills_all_that_is_writable_but_the_last_byte),
	cmocka_unit_test(a_header_may_lie_in_pieces_and_with_the_data),
	cmocka_unit_test(with_write_through_a_write_is_durable_and_a_discard_is_synced),
	cmocka_unit_test(what_reaches_beyond_the_end_is_refused_whatever_overflows),
	cmocka_unit_test(half_sectors_and_too_many_pieces_are_refused),
	cmocka_unit_test(a_read_only_disk_is_not_changed),
	cmocka_unit_test(without_a_status_byte_or_a_whole_header_nothing_is_done),
	cmocka_unit_test(what_was_not_offered_is_unsupported),
	cmocka_unit_test(the_serial_number_fills_twenty_bytes_or_what_is_there),
	cmocka_unit_test(each_range_is_one_operation_and_empty_ones_are_none),
	cmocka_unit_test(bad_ranges_are_refused_before_any_is_carried_out),
	cmocka_unit_test(zeros_that_the_file_system_cannot_make_are_written),
	cmocka_unit_test(a_discard_that_the_file_system_cannot_do_is_done),
	cmocka_unit_test(half_a_transfer_is_followed_by_the_rest),
	cmocka_unit_test(what_went_wrong_has_a_name),
	cmocka_unit_test(what_is_not_aligned_for_direct_transfers_takes_the_other_descriptor))
