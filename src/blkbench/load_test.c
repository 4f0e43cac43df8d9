/* SPDX-License-Identifier: Apache-2.0 */
/* A load against a disk in memory that answers as it is told to, also wrongly. */
#include "blkbench/load.h"

#include "base/check.h"
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <string.h>

#define BLOCK    4096u
#define N_BLOCKS 64u
#define HELD_MAX 64

/* What the disk does wrong, once. */
enum fault {
	HONEST,
	LOSE_WRITE,  /* acknowledge and forget */
	OLD_DATA,    /* keep what was there in one sector */
	FLIP_BIT,    /* of what is read */
	OTHER_BLOCK, /* read from the next one */
	IO_ERROR,
	UNSUPPORTED,
	NO_STATUS,
	ODD_STATUS,
	SHORT_LEN,
	LONG_LEN,
};

struct held {
	struct virtq_buffer buffer;
	uint32_t len;
};

static struct fake_device device;
static struct blkbench_plan plan;
static struct disk disk;
static struct verify verify;
static struct load load;
static uint8_t bytes[N_BLOCKS * BLOCK];
static struct random r;
static uint64_t now_ns;

static void open_all(void)
{
	struct blk_config config = {.capacity = N_BLOCKS * BLOCK / BLK_SECTOR};
	const struct verify_shape shape = {.n_blocks = N_BLOCKS, .seed = 5, .block_size = BLOCK};
	char why[200];
	uint64_t n_blocks = 0;

	fake_device_open(&device, 2);
	memcpy(device.config, &config, FAKE_CONFIG_SIZE);
	plan.path = device.path;
	plan.queues = 1; /* more need a feature that the device does not have */
	plan.seed = 5;
	random_init(&r, 5);
	memset(bytes, 0x11, sizeof(bytes));
	now_ns = 1000;
	assert_int_equal(disk_open(&disk, &plan, device.loop), 0);
	for (int i = 0; i < 100 && !disk.running; i++)
		fake_turns(device.loop);
	assert_true(disk.running);
	assert_int_equal(disk_region(&disk, &n_blocks), 0);
	assert_int_equal(n_blocks, N_BLOCKS);
	assert_int_equal(verify_open(&verify, &shape, NULL, why, sizeof(why)), 0);
	load_init(&load, &plan, &disk, &verify, n_blocks);
}

static void close_all(void)
{
	disk_close(&disk);
	verify_close(&verify);
	fake_turns(device.loop);
	fake_device_close(&device);
}

/* The data of a request in pieces, with the header before it or the status behind it. */
static void move(const struct virtq_seg *segs, uint32_t n, uint8_t *at, bool in)
{
	for (uint32_t i = 0; i < n; at += segs[i].len, i++) {
		if (in)
			memcpy(segs[i].addr, at, segs[i].len);
		else
			memcpy(at, segs[i].addr, segs[i].len);
	}
}

static void read_block(struct virtq_seg *segs, uint32_t n, uint64_t at, enum fault fault)
{
	move(segs, n, bytes + (fault == OTHER_BLOCK ? (at + BLOCK) % sizeof(bytes) : at), true);
	if (fault == FLIP_BIT)
		segs[0].addr[200] ^= 4;
}

static void write_block(struct virtq_seg *segs, uint32_t n, uint64_t at, enum fault fault)
{
	uint8_t old[BLK_SECTOR];

	if (fault == LOSE_WRITE)
		return;
	memcpy(old, bytes + at + 3 * BLK_SECTOR, sizeof(old));
	move(segs, n, bytes + at, false);
	if (fault == OLD_DATA)
		memcpy(bytes + at + 3 * BLK_SECTOR, old, sizeof(old));
}

static uint8_t status_of(enum fault fault)
{
	switch (fault) {
	case IO_ERROR:
		return BLK_S_IOERR;
	case UNSUPPORTED:
		return BLK_S_UNSUPP;
	case ODD_STATUS:
		return 77;
	default:
		return BLK_S_OK;
	}
}

/* Does what a chain asks. Returns the length to say. */
static uint32_t obey(struct virtq_chain *chain, enum fault fault)
{
	struct virtq_seg *segs = chain->segs;
	const uint32_t n_all = chain->n_read + chain->n_write;
	uint32_t len = (uint32_t)chain->write_len;
	struct blk_header header;

	assert_int_equal(segs[0].len, sizeof(header));
	assert_int_equal(segs[n_all - 1].len, 1);
	memcpy(&header, segs[0].addr, sizeof(header));
	assert_true(header.sector * BLK_SECTOR + BLOCK <= sizeof(bytes));
	if (header.type == BLK_T_IN)
		read_block(segs + 1, chain->n_write - 1, header.sector * BLK_SECTOR, fault);
	else
		write_block(segs + 1, chain->n_read - 1, header.sector * BLK_SECTOR, fault);
	if (fault != NO_STATUS)
		segs[n_all - 1].addr[0] = status_of(fault);
	if (fault == SHORT_LEN)
		return len - 1;
	return fault == LONG_LEN ? len + 1 : len;
}

/* The device takes all that is there and returns it in any order; the first request meets the fault. */
static void serve(enum fault fault)
{
	struct virtq_seg segs[32];
	struct virtq_chain chain = {.segs = segs, .max = ARRAY_LEN(segs)};
	struct held held[HELD_MAX];

	for (uint32_t i = 0; i < plan.queues; i++) {
		struct virtq *vq = &device.rings[i]->vq;
		uint32_t n = 0;

		while (n < HELD_MAX && virtq_pop(vq, &chain) == 1) {
			held[n++] = (struct held){chain.buffer, obey(&chain, fault)};
			fault = HONEST;
		}
		while (n > 0) {
			uint32_t k = random_below(&r, n);

			virtq_push(vq, held[k].buffer, held[k].len);
			held[k] = held[--n];
		}
		virtq_flush(vq);
	}
}

static void rounds(uint32_t n)
{
	while (n-- > 0) {
		load_turn(&load, now_ns);
		serve(HONEST);
		now_ns += 1000;
	}
}

static void drain(void)
{
	load.mode = LOAD_NOTHING;
	rounds(3);
	assert_int_equal(load_on_their_way(&load), 0);
}

static void plan_mix(void)
{
	plan = (struct blkbench_plan){
		.random = true, .read_percent = 50, .block_size = BLOCK, .depth = 16, .segments = 1};
}

static void check_honest(void)
{
	open_all();
	rounds(400);
	drain();
	assert_false(load_failed(&load));
	assert_int_equal(load.n_findings, 0);
	assert_true(load.checked > 3000 && load.counters.done[OP_WRITE] > 3000);
	assert_int_equal(load.counters.done[OP_READ], load.checked + load.unknown);
	assert_int_equal(
		load.counters.bytes, (load.counters.done[OP_READ] + load.counters.done[OP_WRITE]) * BLOCK);
	assert_int_equal(load.counters.latency[OP_READ].max, 1000);
	close_all();
}

TEST(an_honest_disk_is_found_to_be_right_in_any_order)
{
	plan_mix();
	check_honest();
	plan.packed = true;
	check_honest();
	plan.indirect = true;
	check_honest();
	plan.packed = false;
	plan.segments = 4;
	plan.no_event_idx = true;
	check_honest();
}

TEST(a_sweep_reads_each_block_once)
{
	plan_mix();
	plan.read_percent = 0;
	plan.requests = 10 * N_BLOCKS;
	open_all();
	rounds(200);
	assert_int_equal(load_on_their_way(&load), 0);
	assert_int_equal(load.counters.done[OP_WRITE], 10 * N_BLOCKS);
	load_zero(&load);
	load.mode = LOAD_SWEEP;
	rounds(20);
	assert_true(load_asked_all(&load));
	assert_int_equal(load.counters.done[OP_READ], N_BLOCKS);
	assert_int_equal(load.checked + load.unknown, N_BLOCKS);
	assert_false(load_failed(&load));
	close_all();
}

/* Every block was written; then one request of this kind goes wrong. */
static void meet(enum fault fault, uint32_t read_percent)
{
	plan_mix();
	plan.read_percent = 0;
	plan.random = false;
	open_all();
	rounds(N_BLOCKS);
	drain();
	assert_false(load_failed(&load));
	plan.read_percent = read_percent;
	load.mode = LOAD_PLAN;
	load_turn(&load, now_ns);
	serve(fault);
	load.mode = LOAD_NOTHING;
	load_turn(&load, now_ns);
}

static void then_read_all(void)
{
	load.mode = LOAD_SWEEP;
	load.sweep_at = 0;
	rounds(20);
}

TEST(a_write_that_is_lost_is_found_when_it_is_read)
{
	meet(LOSE_WRITE, 0);
	assert_false(load_failed(&load));
	then_read_all();
	assert_int_equal(load.faults.lost, 1);
	assert_non_null(strstr(load.findings[0], "an acknowledged write is lost"));
	close_all();
}

TEST(a_sector_of_a_write_that_is_lost_is_found_when_it_is_read)
{
	meet(OLD_DATA, 0);
	then_read_all();
	assert_int_equal(load.faults.lost, 1);
	close_all();
}

TEST(a_bit_that_is_wrong_is_damage)
{
	meet(FLIP_BIT, 100);
	assert_int_equal(load.faults.corrupt, 1);
	close_all();
}

TEST(data_of_another_block_are_foreign)
{
	meet(OTHER_BLOCK, 100);
	assert_int_equal(load.faults.foreign, 1);
	close_all();
}

TEST(errors_are_counted_and_what_they_leave_is_unknown)
{
	meet(IO_ERROR, 0);
	assert_int_equal(load.faults.io_errors, 1);
	load.unknown = 0;
	then_read_all();
	assert_int_equal(load.unknown, 1);
	close_all();
	meet(UNSUPPORTED, 0);
	assert_int_equal(load.faults.unsupported, 1);
	close_all();
}

TEST(a_request_without_a_meaningful_status_is_wrong)
{
	meet(NO_STATUS, 100);
	assert_int_equal(load.faults.no_status, 1);
	close_all();
	meet(ODD_STATUS, 100);
	assert_int_equal(load.faults.no_status, 1);
	close_all();
}

TEST(a_length_that_is_too_short_is_wrong)
{
	meet(SHORT_LEN, 100);
	assert_int_equal(load.faults.short_lens, 1);
	close_all();
	meet(SHORT_LEN, 0);
	assert_int_equal(load.faults.short_lens, 1);
	close_all();
}

TEST(a_length_that_is_too_long_breaks_the_queue)
{
	meet(LONG_LEN, 100);
	assert_string_equal(
		disk_queue_broken(&disk.queues[0]), "device says it wrote more than the buffer holds");
	close_all();
}

TEST(a_disk_that_is_too_small_is_told)
{
	uint64_t n_blocks;

	plan_mix();
	open_all();
	plan.size = sizeof(bytes) + BLOCK;
	assert_int_not_equal(disk_region(&disk, &n_blocks), 0);
	assert_non_null(strstr(disk.why, "the disk has 262144 bytes, too few for that"));
	plan.size = 0;
	plan.offset = sizeof(bytes) - BLOCK;
	assert_int_equal(disk_region(&disk, &n_blocks), 0);
	assert_int_equal(n_blocks, 1);
	close_all();
}

TESTS(cmocka_unit_test(an_honest_disk_is_found_to_be_right_in_any_order),
	cmocka_unit_test(a_sweep_reads_each_block_once),
	cmocka_unit_test(a_write_that_is_lost_is_found_when_it_is_read),
	cmocka_unit_test(a_sector_of_a_write_that_is_lost_is_found_when_it_is_read),
	cmocka_unit_test(a_bit_that_is_wrong_is_damage), cmocka_unit_test(data_of_another_block_are_foreign),
	cmocka_unit_test(errors_are_counted_and_what_they_leave_is_unknown),
	cmocka_unit_test(a_request_without_a_meaningful_status_is_wrong),
	cmocka_unit_test(a_length_that_is_too_short_is_wrong),
	cmocka_unit_test(a_length_that_is_too_long_breaks_the_queue),
	cmocka_unit_test(a_disk_that_is_too_small_is_told))
