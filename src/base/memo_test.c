/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memo.h"

#include "base/test.h"

#include <string.h>

static struct memo memo;

static int empty(void **unused)
{
	memset(&memo, 0, sizeof(memo));
	return 0;
}

static void assert_known(const struct memo_state *s, uint64_t hi, uint64_t lo, uint64_t expected)
{
	uint64_t value;

	assert_true(memo_knows(&memo, memo_state(s), hi, lo, &value));
	assert_int_equal(value, expected);
}

static void assert_unknown(const struct memo_state *s, uint64_t hi, uint64_t lo)
{
	uint64_t value;

	assert_false(memo_knows(&memo, memo_state(s), hi, lo, &value));
}

TEST(an_empty_memo_knows_nothing)
{
	struct memo_state s;

	memo_state_init(&s);
	assert_unknown(&s, 0, 0);
	assert_unknown(&s, 1, 2);
}

TEST(what_was_noted_is_known_until_a_change)
{
	struct memo_state s;

	memo_state_init(&s);
	memo_note(&memo, memo_state(&s), 1, 2, 3);
	assert_known(&s, 1, 2, 3);
	assert_unknown(&s, 1, 3);
	assert_unknown(&s, 2, 2);
	memo_state_change(&s);
	assert_unknown(&s, 1, 2);
	memo_note(&memo, memo_state(&s), 1, 2, 4);
	assert_known(&s, 1, 2, 4);
}

TEST(states_of_two_things_differ)
{
	struct memo_state a, b;

	memo_state_init(&a);
	memo_state_init(&b);
	memo_note(&memo, memo_state(&a), 1, 2, 3);
	assert_unknown(&b, 1, 2);
	for (int i = 0; i < 1000; i++) {
		memo_state_change(&a);
		assert_unknown(&b, 1, 2);
	}
}

TEST(keys_of_one_place_are_told_apart)
{
	struct memo_state s;

	memo_state_init(&s);
	for (uint64_t i = 0; i < 4 * MEMO_SIZE; i++) {
		memo_note(&memo, memo_state(&s), 7, i, i);
		assert_known(&s, 7, i, i);
		if (i > 0 && memo_place(7, i) == memo_place(7, i - 1))
			assert_unknown(&s, 7, i - 1);
	}
	for (uint64_t i = 0; i < 4 * MEMO_SIZE; i++) {
		uint64_t value;

		if (memo_knows(&memo, memo_state(&s), 7, i, &value))
			assert_int_equal(value, i);
	}
}

TEST(one_that_knows_little_rests)
{
	memo_asked(&memo, 32, 16);
	assert_false(memo_rests(&memo));
	memo_asked(&memo, 32, 17);
	for (int i = 0; i < MEMO_PAUSE; i++)
		assert_true(memo_rests(&memo));
	assert_false(memo_rests(&memo));
	memo_asked(&memo, 1, 1);
	assert_true(memo_rests(&memo));
	memo_asked(&memo, 1, 0);
	assert_false(memo_rests(&memo));
}

TESTS(cmocka_unit_test_setup(an_empty_memo_knows_nothing, empty),
	cmocka_unit_test_setup(what_was_noted_is_known_until_a_change, empty),
	cmocka_unit_test_setup(states_of_two_things_differ, empty),
	cmocka_unit_test_setup(keys_of_one_place_are_told_apart, empty),
	cmocka_unit_test_setup(one_that_knows_little_rests, empty))
