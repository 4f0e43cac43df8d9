/* SPDX-License-Identifier: Apache-2.0 */
#include "blkbench/verify.h"

#include "base/check.h"
#include "base/random.h"
#include "base/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define N     8u

static const struct verify_shape shape = {.offset = 1u << 20, .n_blocks = N, .seed = 7, .block_size = BLOCK};

static struct verify v;
static uint64_t disk[N][BLOCK / 8];
static char why[256];

static void open_fresh(void)
{
	assert_int_equal(verify_open(&v, &shape, NULL, why, sizeof(why)), 0);
	memset(disk, 0, sizeof(disk));
}

static void reach(enum blk_op op, uint64_t block, uint32_t generation)
{
	if (op == OP_WRITE)
		verify_fill(&v, block, generation, disk[block]);
	else
		memset(disk[block], 0, BLOCK);
}

static uint32_t issue(enum blk_op op, uint64_t block)
{
	assert_true(verify_begin(&v, op, block));
	return verify_issue(&v, op, block);
}

static void acknowledge(enum blk_op op, uint64_t block, uint32_t generation)
{
	verify_acknowledged(&v, op, block, generation);
	verify_end(&v, op, block);
}

static void done(enum blk_op op, uint64_t block)
{
	uint32_t generation = issue(op, block);

	reach(op, block, generation);
	acknowledge(op, block, generation);
}

static enum verify_verdict look(uint64_t block)
{
	return verify_check(&v, block, disk[block]).verdict;
}

TEST(what_was_acknowledged_is_expected)
{
	open_fresh();
	assert_int_equal(look(3), VERIFY_UNKNOWN);
	for (int i = 0; i < 5; i++) {
		done(OP_WRITE, 3);
		assert_int_equal(look(3), VERIFY_GOOD);
	}
	assert_int_equal(look(2), VERIFY_UNKNOWN);
	verify_close(&v);
}

TEST(a_write_that_did_not_reach_the_disk_is_lost)
{
	open_fresh();
	done(OP_WRITE, 0);
	acknowledge(OP_WRITE, 0, issue(OP_WRITE, 0));
	assert_int_equal(look(0), VERIFY_LOST);
	verify_close(&v);
}

TEST(one_sector_that_is_older_is_told)
{
	uint64_t old[BLOCK / 8];
	struct verify_finding f;

	open_fresh();
	done(OP_WRITE, 1);
	memcpy(old, disk[1], BLOCK);
	done(OP_WRITE, 1);
	memcpy(disk[1] + 5 * 64, old + 5 * 64, 512);
	f = verify_check(&v, 1, disk[1]);
	assert_int_equal(f.verdict, VERIFY_LOST);
	assert_int_equal(f.sector, 5);
	assert_int_equal(f.generation, 1);
	assert_int_equal(f.data_from, 2);
	verify_close(&v);
}

TEST(an_unacknowledged_write_may_be_there_or_not_or_in_part)
{
	uint64_t old[BLOCK / 8];
	uint32_t generation;

	open_fresh();
	done(OP_WRITE, 1);
	memcpy(old, disk[1], BLOCK);
	generation = issue(OP_WRITE, 1);
	assert_int_equal(look(1), VERIFY_GOOD);
	reach(OP_WRITE, 1, generation);
	assert_int_equal(look(1), VERIFY_GOOD);
	memcpy(disk[1] + 64, old + 64, 512);
	assert_int_equal(look(1), VERIFY_GOOD);
	acknowledge(OP_WRITE, 1, generation);
	assert_int_equal(look(1), VERIFY_LOST);
	verify_close(&v);
}

TEST(every_flipped_bit_is_found)
{
	struct random r;

	open_fresh();
	done(OP_WRITE, 2);
	random_init(&r, 1);
	for (int i = 0; i < 2000; i++) {
		uint32_t bit = random_below(&r, BLOCK * 8);

		((uint8_t *)disk[2])[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(look(2) > VERIFY_UNKNOWN);
		((uint8_t *)disk[2])[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(look(2), VERIFY_GOOD);
	}
	verify_close(&v);
}

TEST(another_blocks_data_or_another_seeds_is_foreign)
{
	struct verify_shape other = shape;
	struct verify foreign;

	open_fresh();
	done(OP_WRITE, 2);
	done(OP_WRITE, 3);
	memcpy(disk[2], disk[3], BLOCK);
	assert_int_equal(look(2), VERIFY_FOREIGN);
	other.seed++;
	assert_int_equal(verify_open(&foreign, &other, NULL, why, sizeof(why)), 0);
	verify_fill(&foreign, 2, 1, disk[2]);
	assert_int_equal(look(2), VERIFY_FOREIGN);
	verify_fill(&v, 2, 2, disk[2]); /* nobody sent that */
	assert_int_equal(look(2), VERIFY_FOREIGN);
	verify_close(&foreign);
	verify_close(&v);
}

TEST(zeroes_are_expected_where_they_were_asked_for_and_only_there)
{
	uint64_t old[BLOCK / 8];
	uint32_t generation;

	open_fresh();
	done(OP_WRITE, 4);
	memcpy(old, disk[4], BLOCK);
	memset(disk[4], 0, BLOCK);
	assert_int_equal(look(4), VERIFY_LOST);
	generation = issue(OP_ZEROES, 4);
	assert_int_equal(look(4), VERIFY_GOOD);
	acknowledge(OP_ZEROES, 4, generation);
	assert_int_equal(look(4), VERIFY_GOOD);
	memcpy(disk[4], old, BLOCK);
	assert_int_equal(look(4), VERIFY_LOST);
	done(OP_WRITE, 4);
	assert_int_equal(look(4), VERIFY_GOOD);
	memset(disk[4], 0, BLOCK);
	assert_int_equal(look(4), VERIFY_LOST);
	verify_close(&v);
}

TEST(after_a_discard_or_an_error_anything_may_be_there)
{
	open_fresh();
	done(OP_WRITE, 5);
	done(OP_DISCARD, 5);
	assert_int_equal(look(5), VERIFY_UNKNOWN);
	done(OP_WRITE, 5);
	assert_int_equal(look(5), VERIFY_GOOD);
	issue(OP_WRITE, 5);
	verify_failed(&v, 5);
	verify_end(&v, OP_WRITE, 5);
	assert_int_equal(look(5), VERIFY_UNKNOWN);
	verify_close(&v);
}

TEST(a_block_that_is_written_is_left_alone_and_readers_share)
{
	open_fresh();
	assert_true(verify_begin(&v, OP_READ, 6));
	assert_true(verify_begin(&v, OP_READ, 6));
	assert_false(verify_begin(&v, OP_WRITE, 6));
	verify_end(&v, OP_READ, 6);
	assert_false(verify_begin(&v, OP_WRITE, 6));
	verify_end(&v, OP_READ, 6);
	assert_true(verify_begin(&v, OP_WRITE, 6));
	assert_false(verify_begin(&v, OP_READ, 6));
	assert_false(verify_begin(&v, OP_ZEROES, 6));
	assert_true(verify_begin(&v, OP_WRITE, 7));
	verify_end(&v, OP_WRITE, 6);
	assert_true(verify_begin(&v, OP_READ, 6));
	verify_close(&v);
}

/* --- the file --- */

static char file[64];

static void new_file(void)
{
	int fd;

	snprintf(file, sizeof(file), "/tmp/ginnel-test.XXXXXX");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	close(fd);
}

TEST(what_was_acknowledged_outlives_us_with_its_seed)
{
	struct verify_shape other = shape;

	new_file();
	memset(disk, 0, sizeof(disk));
	assert_int_equal(verify_open(&v, &shape, file, why, sizeof(why)), 0);
	done(OP_WRITE, 1);
	issue(OP_WRITE, 1);
	verify_close(&v);
	other.seed = 12345;
	assert_int_equal(verify_open(&v, &other, file, why, sizeof(why)), 0);
	assert_int_equal(v.shape.seed, shape.seed);
	assert_int_equal(look(1), VERIFY_GOOD);
	reach(OP_WRITE, 1, 2);
	assert_int_equal(look(1), VERIFY_GOOD);
	assert_int_equal(issue(OP_WRITE, 1), 3);
	verify_close(&v);
	unlink(file);
}

TEST(a_file_about_other_blocks_is_refused)
{
	struct verify_shape other = shape;

	new_file();
	assert_int_equal(verify_open(&v, &shape, file, why, sizeof(why)), 0);
	verify_close(&v);
	other.n_blocks = N / 2;
	assert_int_equal(verify_open(&v, &other, file, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "is about 8 blocks of 4096 bytes from 1048576 on"));
	unlink(file);
}

TEST(a_file_that_is_something_else_is_left_as_it_is)
{
	static const char text[400] = "precious";
	char after[sizeof(text)];
	FILE *f;

	new_file();
	f = fopen(file, "w+");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, sizeof(text), f), sizeof(text));
	fflush(f);
	assert_int_equal(verify_open(&v, &shape, file, why, sizeof(why)), -EINVAL);
	rewind(f);
	assert_int_equal(fread(after, 1, sizeof(after), f), sizeof(after));
	assert_memory_equal(after, text, sizeof(text));
	assert_int_equal(fread(after, 1, 1, f), 0);
	fclose(f);
	unlink(file);
}

TESTS(cmocka_unit_test(what_was_acknowledged_is_expected),
	cmocka_unit_test(a_write_that_did_not_reach_the_disk_is_lost),
	cmocka_unit_test(one_sector_that_is_older_is_told),
	cmocka_unit_test(an_unacknowledged_write_may_be_there_or_not_or_in_part),
	cmocka_unit_test(every_flipped_bit_is_found),
	cmocka_unit_test(another_blocks_data_or_another_seeds_is_foreign),
	cmocka_unit_test(zeroes_are_expected_where_they_were_asked_for_and_only_there),
	cmocka_unit_test(after_a_discard_or_an_error_anything_may_be_there),
	cmocka_unit_test(a_block_that_is_written_is_left_alone_and_readers_share),
	cmocka_unit_test(what_was_acknowledged_outlives_us_with_its_seed),
	cmocka_unit_test(a_file_about_other_blocks_is_refused),
	cmocka_unit_test(a_file_that_is_something_else_is_left_as_it_is))
