/* SPDX-License-Identifier: Apache-2.0 */
#include "receive.h"

#include "base/test.h"

#define PARTNER 1

static struct port port;

static void begin(void)
{
	memset(&port, 0, sizeof(port));
	memset(port.missing, 0xff, sizeof(port.missing));
	port.partner = PARTNER;
	port.expected = frame_number(PARTNER, 0);
}

/* As port_receive() does. */
static bool comes(uint64_t count)
{
	const uint64_t number = frame_number(PARTNER, count);

	if (number != port.expected)
		return receive_unexpected_slow(&port, number);
	port.expected++;
	return true;
}

TEST(frames_that_are_skipped_are_lost)
{
	begin();
	assert_true(comes(0) && comes(1) && comes(5) && comes(6));
	assert_int_equal(port.counters.lost, 3);
	assert_int_equal(port.counters.reordered + port.counters.duplicates, 0);
}

TEST(a_frame_that_comes_late_is_reordered_and_not_lost)
{
	begin();
	assert_true(comes(0) && comes(2) && comes(1) && comes(3));
	assert_int_equal(port.counters.lost, 0);
	assert_int_equal(port.counters.reordered, 1);
}

TEST(a_frame_that_comes_twice_is_a_duplicate_and_not_received)
{
	begin();
	assert_true(comes(0) && comes(2) && comes(1));
	assert_false(comes(0) || comes(1) || comes(2));
	assert_int_equal(port.counters.duplicates, 3);
	assert_int_equal(port.counters.reordered, 1);
}

TEST(more_than_can_be_remembered_may_be_lost_at_once)
{
	begin();
	assert_true(comes(10 * MISSING_KEPT));
	assert_int_equal(port.counters.lost, 10 * MISSING_KEPT);
	assert_true(comes(10 * MISSING_KEPT - 1));
	assert_false(comes(1)); /* forgotten: it counts as one that came before */
	assert_int_equal(port.counters.lost, 10 * MISSING_KEPT - 1);
}

TEST(frames_of_others_are_foreign_and_those_of_the_learn_phase_are_not_traffic)
{
	begin();
	assert_false(receive_unexpected_slow(&port, frame_number(PARTNER + 1, 0)));
	assert_int_equal(port.counters.foreign, 1);
	assert_false(receive_unexpected_slow(
		&port, frame_number(FRAME_LEARN, (uint64_t)PARTNER << FRAME_LEARN_SHIFT)));
	assert_false(receive_unexpected_slow(
		&port, frame_number(FRAME_LEARN, (uint64_t)(PARTNER + 1) << FRAME_LEARN_SHIFT)));
	assert_int_equal(port.learned, 1);
	assert_int_equal(port.learned_foreign, 1);
	assert_int_equal(port.counters.foreign, 1);
	assert_true(comes(0));
}

TESTS(cmocka_unit_test(frames_that_are_skipped_are_lost),
	cmocka_unit_test(a_frame_that_comes_late_is_reordered_and_not_lost),
	cmocka_unit_test(a_frame_that_comes_twice_is_a_duplicate_and_not_received),
	cmocka_unit_test(more_than_can_be_remembered_may_be_lost_at_once),
	cmocka_unit_test(frames_of_others_are_foreign_and_those_of_the_learn_phase_are_not_traffic))
