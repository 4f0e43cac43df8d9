/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_limit.h"

#include "backend/blk_pace.h"
#include "base/test.h"
#include "base/units.h"

/* Starts requests of that many bytes for so long; how many. */
static uint64_t run(struct blk_limit *l, uint64_t from_ns, uint64_t ns, uint64_t bytes)
{
	uint64_t n = 0, now_ns = from_ns;

	while (now_ns < from_ns + ns) {
		uint64_t wait_ns = blk_limit_wait_ns(l, now_ns);

		if (wait_ns > 0) {
			now_ns += wait_ns;
			continue;
		}
		blk_limit_pay(l, bytes);
		n++;
		if (n > 1000000)
			break;
	}
	return n;
}

TEST(without_limits_nothing_waits)
{
	struct blk_limit l;

	blk_limit_init(&l, 0, 0, 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(blk_limit_wait_ns(&l, 5), 0);
		blk_limit_pay(&l, 1 << 30);
	}
	blk_limit_fini(&l);
}

TEST(a_second_has_its_requests_and_the_first_one_a_burst_more)
{
	struct blk_limit l;

	blk_limit_init(&l, 1000, 0, 77);
	assert_in_range(run(&l, 77, NS_PER_S, 4096), 1099, 1101);
	assert_in_range(run(&l, 77 + NS_PER_S, NS_PER_S, 4096), 999, 1001);
	/* a pause fills the bucket once, however long it is */
	assert_in_range(run(&l, 100 * NS_PER_S, NS_PER_S, 4096), 1099, 1101);
	blk_limit_fini(&l);
}

TEST(bytes_are_paid_after_they_began_so_no_request_is_too_large)
{
	struct blk_limit l;

	blk_limit_init(&l, 0, 1 << 20, 0);
	assert_in_range(run(&l, 0, 100 * NS_PER_S, 10 << 20), 10, 11);
	blk_limit_fini(&l);
}

TEST(the_tighter_limit_counts_and_both_can_be_changed)
{
	struct blk_limit l;

	blk_limit_init(&l, 100000, 4096 * 100, 0);
	assert_in_range(run(&l, 0, NS_PER_S, 4096), 109, 112);
	blk_limit_set(&l, 10, 0, NS_PER_S);
	assert_in_range(run(&l, NS_PER_S, NS_PER_S, 4096), 10, 12);
	blk_limit_set(&l, 0, 0, 2 * NS_PER_S);
	assert_int_equal(blk_limit_wait_ns(&l, 2 * NS_PER_S), 0);
	blk_limit_fini(&l);
}

TEST(the_largest_rates_and_debts_overflow_nothing)
{
	struct blk_limit l;

	blk_limit_init(&l, UINT64_MAX, UINT64_MAX, 0);
	for (int i = 0; i < 8; i++)
		blk_limit_pay(&l, 1u << 30);
	assert_in_range(blk_limit_wait_ns(&l, 0), NS_PER_S, 3 * NS_PER_S);
	assert_int_equal(blk_limit_wait_ns(&l, 3 * NS_PER_S), 0);
	blk_limit_fini(&l);
}

TEST(slow_calls_are_left_to_others_for_a_while_that_doubles)
{
	struct blk_pace p = {0};
	uint64_t now_ns = 1000, pause_ns = BLK_PACE_SLOW_NS * BLK_PACE_SHARE;

	blk_pace_took(&p, now_ns, now_ns + BLK_PACE_SLOW_NS - 1);
	blk_pace_took(&p, now_ns, now_ns + BLK_PACE_SLOW_NS); /* by chance */
	now_ns += BLK_PACE_SLOW_NS;
	assert_true(blk_pace_own(&p, now_ns));
	for (int i = 0; i < 40; i++) {
		blk_pace_took(&p, now_ns, now_ns + BLK_PACE_SLOW_NS);
		now_ns += BLK_PACE_SLOW_NS;
		assert_false(blk_pace_own(&p, now_ns + pause_ns - 1));
		assert_true(blk_pace_own(&p, now_ns + pause_ns));
		pause_ns = min_u64(2 * pause_ns, BLK_PACE_LAST_NS);
	}
	/* a quick one, and it begins anew */
	blk_pace_took(&p, now_ns, now_ns + 1);
	blk_pace_took(&p, now_ns, now_ns + BLK_PACE_SLOW_NS);
	assert_true(blk_pace_own(&p, now_ns + BLK_PACE_SLOW_NS * (1 + BLK_PACE_SHARE)));
	blk_pace_took(&p, now_ns, now_ns + 100 * NS_PER_S);
	assert_true(blk_pace_own(&p, now_ns + 110 * NS_PER_S));
}

TEST(one_slow_call_now_and_then_is_chance)
{
	struct blk_pace p = {0};
	uint64_t now_ns = 0;

	for (int i = 0; i < 10; i++) {
		blk_pace_took(&p, now_ns, now_ns + NS_PER_S);
		now_ns += NS_PER_S;
		assert_true(blk_pace_own(&p, now_ns));
		blk_pace_took(&p, now_ns, now_ns + 1);
	}
	blk_pace_took(&p, now_ns, now_ns + BLK_PACE_SLOW_NS);
	assert_false(blk_pace_own(&p, now_ns + BLK_PACE_SLOW_NS));
}

TESTS(cmocka_unit_test(without_limits_nothing_waits),
	cmocka_unit_test(a_second_has_its_requests_and_the_first_one_a_burst_more),
	cmocka_unit_test(bytes_are_paid_after_they_began_so_no_request_is_too_large),
	cmocka_unit_test(the_tighter_limit_counts_and_both_can_be_changed),
	cmocka_unit_test(the_largest_rates_and_debts_overflow_nothing),
	cmocka_unit_test(slow_calls_are_left_to_others_for_a_while_that_doubles),
	cmocka_unit_test(one_slow_call_now_and_then_is_chance))
