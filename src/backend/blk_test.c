/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk over an engine of the test's, which ends an operation when the test says so. Where no thread runs, turns are
 * made by hand and the clock is a number.
 */
#include "backend/blk_bed.h"

#include "base/log.h"
#include "base/units.h"
#include "os/clock.h"

#include <errno.h>
#include <sched.h>

#define BLOCKS 64u

static struct bed bed;
static uint64_t now_ns;

static uint64_t test_clock(void)
{
	return now_ns;
}

/* --- the engine --- */

static struct blk_io *issued[BED_DEPTH]; /* in order; NULL: it has ended */
static uint32_t n_issued;
static uint32_t cancels;  /* relaxed atomic, as are those below */
static bool all_may_end;  /* what is issued ends by itself */
static bool calls_hang;   /* the worker is in a call of its own until this is false */
static uint32_t n_issues; /* ever */

static struct blk_engine *engine;

static int engine_open(struct blk_engine **out, const struct blk_engine_config *config);

static void end(uint32_t i, int64_t result)
{
	issued[i]->result = result;
	blk_io_add(&engine->done, issued[i]);
	issued[i] = NULL;
}

static int64_t all_of(const struct blk_io *io)
{
	return io->op <= BLK_IO_WRITE ? (int64_t)io->len : 0;
}

static void engine_close(struct blk_engine *e)
{
	free(e);
}

static void engine_issue(struct blk_engine *e, struct blk_io *io)
{
	__atomic_add_fetch(&n_issues, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&calls_hang, __ATOMIC_RELAXED)) {
		blk_call_enter(e->config.call);
		while (__atomic_load_n(&calls_hang, __ATOMIC_RELAXED))
			sched_yield();
		blk_call_leave(e->config.call);
		io->result = all_of(io);
		blk_io_add(&e->done, io);
		return;
	}
	engine = e;
	issued[n_issued++] = io;
}

static void engine_reap(struct blk_engine *e)
{
	for (uint32_t i = 0; i < n_issued && __atomic_load_n(&all_may_end, __ATOMIC_RELAXED); i++)
		if (issued[i])
			end(i, all_of(issued[i]));
}

static void engine_cancel(struct blk_engine *e)
{
	__atomic_add_fetch(&cancels, 1, __ATOMIC_RELAXED);
}

static const struct blk_engine_ops test_engine = {
	.name = "test",
	.open = engine_open,
	.close = engine_close,
	.issue = engine_issue,
	.reap = engine_reap,
	.cancel = engine_cancel,
};

static int engine_open(struct blk_engine **out, const struct blk_engine_config *config)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	**out = (struct blk_engine){.ops = &test_engine, .config = *config, .wake_fd = -1};
	return 0;
}

/* --- the disk --- */

static struct blk_options options(void)
{
	struct blk_options o = blk_defaults();

	o.own_engine = &test_engine;
	o.clock = test_clock;
	return o;
}

static void open_bed(struct blk_options o, uint64_t features)
{
	n_issued = n_issues = cancels = 0;
	all_may_end = calls_hang = false;
	now_ns = NS_PER_S;
	bed_open(&bed, o, features, BLOCKS);
}

static struct blk_queue *queue(void)
{
	return &bed.blk->queues[0];
}

static uint32_t turn(void)
{
	return blk_queue_turn(queue(), now_ns);
}

/* The first ring is given, and the worker has it. */
static void give(void)
{
	bed_give(&bed, 0);
	turn();
	assert_ptr_equal(queue()->held, bed.queues[0].ring);
}

static void offer(enum blk_type type, uint32_t slot)
{
	bed_add(&bed.queues[0], slot, type, slot);
	bed_publish(&bed.queues[0]);
}

static void offer_reads(uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		offer(BLK_T_IN, first + i);
}

/* The next answer that the driver sees is that one, and it is good. */
static void answered(uint32_t slot)
{
	assert_int_equal(bed_done(&bed.queues[0]), slot);
	assert_int_equal(bed_status(&bed.queues[0], slot), BLK_S_OK);
}

static void nothing_answered(void)
{
	assert_int_equal(bed_done(&bed.queues[0]), -1);
}

/* All that is on its way ends, and the ring is taken. */
static void close_bed(void)
{
	all_may_end = true;
	if (bed.queues[0].ring)
		blk_vhost_device.publish(bed.blk, 0, NULL);
	while (queue()->held || queue()->abandoned > 0)
		turn();
	bed_take(&bed, UINT32_MAX);
	bed_close(&bed);
}

/* --- turns --- */

TEST(a_turn_takes_a_burst_and_later_ones_the_rest)
{
	open_bed(options(), 0);
	give();
	offer_reads(0, BED_DEPTH);
	turn();
	assert_int_equal(n_issued, BLK_BURST);
	assert_int_equal(queue()->in_flight, BLK_BURST);
	while (n_issued < BED_DEPTH)
		assert_true(turn() > 0);
	nothing_answered();
	close_bed();
}

TEST(no_more_requests_are_taken_than_the_depth_allows)
{
	struct blk_options o = options();

	o.depth = 4;
	open_bed(o, 0);
	give();
	offer_reads(0, 6);
	turn();
	turn();
	assert_int_equal(n_issued, 4);
	end(2, BED_BLOCK);
	turn(); /* takes nothing: what has ended was collected after */
	turn();
	assert_int_equal(n_issued, 5);
	answered(2);
	close_bed();
}

static void check_order(uint64_t features)
{
	uint64_t calls;

	open_bed(options(), features);
	give();
	offer_reads(0, 5);
	turn();
	assert_false(driverq_arm(&bed.queues[0].vq));
	calls = bed.queues[0].ring->vq.calls;
	end(3, BED_BLOCK);
	end(1, BED_BLOCK);
	end(4, BED_BLOCK);
	turn();
	answered(3);
	answered(1);
	answered(4);
	nothing_answered();
	assert_int_equal(bed.queues[0].ring->vq.calls, calls + 1);
	end(0, BED_BLOCK);
	turn();
	answered(0);
	assert_int_equal(queue()->in_flight, 1);
	close_bed();
}

TEST(answers_come_in_the_order_in_which_requests_end_with_one_call)
{
	check_order(0);
	check_order(BIT(VIRTIO_F_RING_PACKED));
}

TEST(a_transfer_that_was_done_in_part_goes_on)
{
	open_bed(options(), 0);
	give();
	offer(BLK_T_OUT, 7);
	turn();
	end(0, 512);
	turn();
	nothing_answered();
	assert_int_equal(n_issued, 2);
	assert_int_equal(issued[1]->offset, 7 * BED_BLOCK + 512);
	assert_int_equal(issued[1]->len, BED_BLOCK - 512);
	close_bed();
}

TEST(a_limit_leaves_requests_in_the_ring_until_it_is_their_time)
{
	struct blk_options o = options();
	uint64_t until_ns = UINT64_MAX;

	o.requests_per_s = 10; /* a full bucket has one */
	open_bed(o, 0);
	give();
	offer_reads(0, 5);
	turn();
	assert_int_equal(n_issued, 1);
	assert_false(blk_queue_arm(queue(), &until_ns));
	assert_in_range(until_ns - now_ns, 1, 100 * NS_PER_MS + 1);
	now_ns = until_ns - 2;
	turn();
	assert_int_equal(n_issued, 1);
	now_ns = until_ns;
	turn();
	assert_int_equal(n_issued, 2);
	blk_limit_set(&bed.blk->limit, 0, 0, now_ns);
	turn();
	assert_int_equal(n_issued, 5);
	close_bed();
}

/* --- what is durable --- */

/* The operations that a write leads to before it is answered. */
static void write_is(uint32_t slot, bool durable)
{
	uint32_t before = n_issued;

	offer(BLK_T_OUT, slot);
	turn();
	assert_int_equal(n_issued, before + 1);
	assert_int_equal(issued[before]->durable, durable);
	nothing_answered();
	end(before, BED_BLOCK);
	turn();
	answered(slot);
}

TEST(each_write_is_durable_for_a_guest_that_does_not_flush)
{
	open_bed(options(), 0);
	give();
	write_is(0, true);
	close_bed();
}

TEST(a_guest_that_flushes_decides_what_its_cache_does)
{
	const uint8_t off = 0, on = 1, nonsense = 2;
	const uint32_t at = offsetof(struct blk_config, writeback);

	open_bed(options(), BIT(BLK_F_FLUSH) | BIT(BLK_F_CONFIG_WCE));
	give();
	write_is(0, false);
	assert_int_equal(blk_vhost_device.set_config(bed.blk, at, 1, &off), 0);
	write_is(1, true);
	assert_int_equal(blk_vhost_device.set_config(bed.blk, at, 1, &nonsense), -EPERM);
	write_is(2, true);
	assert_int_equal(blk_vhost_device.set_config(bed.blk, at, 1, &on), 0);
	write_is(3, false);
	blk_vhost_device.set_config(bed.blk, at, 1, &off);
	blk_vhost_device.reset(bed.blk); /* the next driver finds it as the user wants it */
	write_is(4, false);
	close_bed();
}

TEST(with_writethrough_each_write_is_durable_until_the_guest_says_otherwise)
{
	struct blk_options o = options();
	const uint8_t on = 1;

	o.file.cache = BLK_CACHE_WRITETHROUGH;
	open_bed(o, BIT(BLK_F_FLUSH) | BIT(BLK_F_CONFIG_WCE));
	give();
	write_is(0, true);
	blk_vhost_device.set_config(bed.blk, offsetof(struct blk_config, writeback), 1, &on);
	write_is(1, false);
	close_bed();
}

TEST(a_flush_is_answered_when_the_file_is_synced_and_not_before)
{
	open_bed(options(), BIT(BLK_F_FLUSH));
	give();
	offer(BLK_T_FLUSH, 0);
	turn();
	assert_int_equal(issued[0]->op, BLK_IO_SYNC);
	nothing_answered();
	end(0, 0);
	turn();
	answered(0);
	offer(BLK_T_FLUSH, 1);
	turn();
	end(1, -EIO);
	turn();
	assert_int_equal(bed_done(&bed.queues[0]), 1);
	assert_int_equal(bed_status(&bed.queues[0], 1), BLK_S_IOERR);
	close_bed();
}

/* --- rings that are taken --- */

TEST(a_ring_is_held_until_all_that_was_taken_is_answered)
{
	open_bed(options(), 0);
	give();
	offer_reads(0, 3);
	turn();
	offer_reads(3, 1);
	blk_vhost_device.publish(bed.blk, 0, NULL);
	turn();
	assert_ptr_equal(queue()->held, bed.queues[0].ring);
	end(1, BED_BLOCK);
	end(0, BED_BLOCK);
	turn();
	assert_non_null(queue()->held);
	end(2, BED_BLOCK);
	turn();
	turn();
	assert_null(queue()->held);
	for (uint32_t n = 0; n < 3; n++)
		assert_true(bed_done(&bed.queues[0]) < 3);
	nothing_answered();
	assert_int_equal(n_issued, 3); /* the fourth waits for the next life */
	bed_take(&bed, 1);
	give();
	turn();
	assert_int_equal(n_issued, 4);
	close_bed();
}

/* Of a ring in which three of five were on their way, and the second of them is done. */
static void check_retaken(uint64_t features)
{
	open_bed(options(), features);
	bed.noted = true;
	give();
	offer_reads(0, 3);
	turn();
	end(1, BED_BLOCK);
	turn();
	answered(1);
	offer_reads(3, 2);
	blk_vhost_device.publish(bed.blk, 0, NULL);
	__atomic_store_n(&queue()->leave, BLK_LEAVE_ABANDON, __ATOMIC_RELEASE);
	turn();
	assert_null(queue()->held);
	assert_int_equal(queue()->abandoned, 2);
	bed_take(&bed, 1);

	give();
	turn();
	assert_int_equal(n_issued, 3); /* not beside the old ones */
	end(0, BED_BLOCK);
	turn();
	assert_int_equal(n_issued, 3);
	end(2, BED_BLOCK);
	turn();
	turn();
	assert_int_equal(queue()->abandoned, 0);
	assert_int_equal(queue()->counters.retaken, 2);
	assert_int_equal(n_issued, 7);
	assert_int_equal(issued[3]->offset, 0);
	assert_int_equal(issued[4]->offset, 2 * BED_BLOCK);
	assert_int_equal(issued[5]->offset, 3 * BED_BLOCK);
	nothing_answered(); /* those that nobody waited for are no answers */
	for (uint32_t i = 3; i < 7; i++)
		end(i, BED_BLOCK);
	turn();
	answered(0);
	answered(2);
	answered(3);
	answered(4);
	close_bed();
}

TEST(what_was_abandoned_is_done_again_when_it_has_ended_and_first_of_all)
{
	check_retaken(0);
	check_retaken(BIT(VIRTIO_F_RING_PACKED));
}

static bool would_sleep(void)
{
	uint64_t until_ns = UINT64_MAX;
	const bool work = blk_queue_arm(queue(), &until_ns);

	blk_queue_disarm(queue());
	return !work;
}

/* A guest that has asked for as much as it may kicks no more: nobody would wake the worker. */
static void check_left(uint64_t features)
{
	open_bed(options(), features);
	bed.noted = true;
	give();
	assert_true(would_sleep());
	offer_reads(0, 3);
	turn();
	blk_vhost_device.publish(bed.blk, 0, NULL);
	__atomic_store_n(&queue()->leave, BLK_LEAVE_ABANDON, __ATOMIC_RELEASE);
	turn();
	bed_take(&bed, 1);
	for (uint32_t i = 0; i < 3; i++)
		end(i, BED_BLOCK);
	turn();
	assert_int_equal(queue()->abandoned, 0);

	give();
	assert_int_equal(n_issued, 3); /* that turn took the ring and nothing from it */
	assert_false(would_sleep());
	turn();
	assert_int_equal(n_issued, 6);
	assert_true(would_sleep());
	close_bed();
}

TEST(a_worker_does_not_sleep_before_it_has_taken_what_a_predecessor_left)
{
	check_left(0);
	check_left(BIT(VIRTIO_F_RING_PACKED));
}

/* --- storage that does not answer --- */

static bool soon(bool (*condition)(void))
{
	for (uint64_t end_ns = clock_now_ns() + 60 * NS_PER_S; !condition(); sched_yield())
		if (clock_now_ns() > end_ns)
			return false;
	return true;
}

static bool two_are_issued(void)
{
	return __atomic_load_n(&n_issues, __ATOMIC_RELAXED) >= 2;
}

static bool one_is_issued(void)
{
	return __atomic_load_n(&n_issues, __ATOMIC_RELAXED) >= 1;
}

static uint64_t lingering(void)
{
	return __atomic_load_n(&bed.blk->abandoned, __ATOMIC_ACQUIRE);
}

static bool nothing_lingers(void)
{
	return lingering() == 0;
}

static bool one_is_done(void)
{
	return bed_done(&bed.queues[0]) >= 0;
}

static void storage_answers(void)
{
	__atomic_store_n(&all_may_end, true, __ATOMIC_RELAXED);
	__atomic_store_n(&calls_hang, false, __ATOMIC_RELAXED);
	waker_wake(&bed.blk->workers[0].waker);
}

static struct blk_options impatient(uint32_t n_queues)
{
	struct blk_options o = options();

	o.clock = clock_now_ns;
	o.n_queues = n_queues;
	o.drain_ns = 40 * NS_PER_MS;
	return o;
}

TEST(operations_that_do_not_end_are_cancelled_and_then_abandoned)
{
	open_bed(impatient(1), 0);
	assert_int_equal(blk_start(bed.blk), 0);
	bed_give(&bed, 0);
	offer_reads(0, 2);
	assert_true(soon(two_are_issued));
	bed_take(&bed, 1);
	assert_int_equal(cancels, 1);
	assert_int_equal(lingering(), 2);
	assert_non_null(bed.blk->pins); /* they write to that memory still */
	blk_tick(bed.blk);
	assert_non_null(bed.blk->pins);
	storage_answers();
	assert_true(soon(nothing_lingers));
	blk_tick(bed.blk);
	assert_null(bed.blk->pins);
	bed_give(&bed, 0);
	offer_reads(2, 1);
	assert_true(soon(one_is_done));
	bed_take(&bed, 1);
	bed_close(&bed);
}

/* QEMU takes one ring after the other; a worker that hangs in a call for one of them has both. */
TEST(from_a_worker_that_hangs_rings_are_taken_one_by_one)
{
	open_bed(impatient(2), 0);
	__atomic_store_n(&calls_hang, true, __ATOMIC_RELAXED);
	assert_int_equal(blk_start(bed.blk), 0);
	bed_give(&bed, 1);
	bed_give(&bed, 0);
	offer_reads(0, 1);
	assert_true(soon(one_is_issued));
	for (uint32_t i = 0; i < 2; i++) {
		bed_take(&bed, BIT(i));
		assert_true(blk_call_hangs(&bed.blk->workers[0].call));
	}
	assert_int_equal(lingering(), 1);
	storage_answers();
	assert_true(soon(nothing_lingers));
	bed_give(&bed, 0);
	offer_reads(1, 1);
	assert_true(soon(one_is_done));
	bed_take(&bed, UINT32_MAX);
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_takes_a_burst_and_later_ones_the_rest),
		cmocka_unit_test(no_more_requests_are_taken_than_the_depth_allows),
		cmocka_unit_test(answers_come_in_the_order_in_which_requests_end_with_one_call),
		cmocka_unit_test(a_transfer_that_was_done_in_part_goes_on),
		cmocka_unit_test(a_limit_leaves_requests_in_the_ring_until_it_is_their_time),
		cmocka_unit_test(each_write_is_durable_for_a_guest_that_does_not_flush),
		cmocka_unit_test(a_guest_that_flushes_decides_what_its_cache_does),
		cmocka_unit_test(with_writethrough_each_write_is_durable_until_the_guest_says_otherwise),
		cmocka_unit_test(a_flush_is_answered_when_the_file_is_synced_and_not_before),
		cmocka_unit_test(a_ring_is_held_until_all_that_was_taken_is_answered),
		cmocka_unit_test(what_was_abandoned_is_done_again_when_it_has_ended_and_first_of_all),
		cmocka_unit_test(a_worker_does_not_sleep_before_it_has_taken_what_a_predecessor_left),
		cmocka_unit_test(operations_that_do_not_end_are_cancelled_and_then_abandoned),
		cmocka_unit_test(from_a_worker_that_hangs_rings_are_taken_one_by_one),
	};

	log_set_level((enum log_level)0); /* storage that does not answer is complained about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
