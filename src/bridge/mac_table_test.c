/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/mac_table.h"

#include "base/test.h"

#include <errno.h>

#define SEED  11
#define MAC_A 0x525400000001ull
#define MAC_B 0x525400000002ull
#define MAC_C 0x525400000003ull

static enum mac_learned learn(struct mac_table *t, uint64_t mac, uint32_t iface_idx, uint32_t now_s)
{
	return mac_table_learn(t, mac, mac_table_hash(t, mac), iface_idx, now_s);
}

/* The interface, or -1. */
static int find(const struct mac_table *t, uint64_t mac)
{
	uint32_t slot;
	uint64_t word = mac_table_find(t, mac, mac_table_hash(t, mac), &slot);

	return word ? (int)(word & MAC_WORD_IFACE) : -1;
}

static uint32_t count(const struct mac_table *t)
{
	struct mac_entry e;
	uint32_t n = 0;

	for (uint32_t pos = 0; mac_table_next(t, &pos, &e);)
		n++;
	return n;
}

TEST(an_address_is_found_once_it_was_learned)
{
	struct mac_table *t = mac_table_create(100, SEED);

	assert_int_equal(find(t, MAC_A), -1);
	assert_int_equal(learn(t, MAC_A, 3, 0), MAC_LEARNED);
	assert_int_equal(find(t, MAC_A), 3);
	assert_int_equal(find(t, MAC_B), -1);
	assert_int_equal(mac_table_count_learned(t), 1);
	mac_table_destroy(t);
}

TEST(the_address_zero_is_no_free_slot)
{
	struct mac_table *t = mac_table_create(100, SEED);

	assert_int_equal(find(t, 0), -1);
	assert_int_equal(learn(t, 0, 0, 0), MAC_LEARNED);
	assert_int_equal(find(t, 0), 0);
	mac_table_destroy(t);
}

TEST(an_address_behind_another_interface_moves_and_is_counted)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 0);
	learn(t, MAC_A, 3, 0);
	assert_int_equal(mac_table_count_moves(t), 0);
	learn(t, MAC_A, 4, 0);
	assert_int_equal(find(t, MAC_A), 4);
	assert_int_equal(mac_table_count_moves(t), 1);
	assert_int_equal(count(t), 1);
	mac_table_destroy(t);
}

TEST(an_entry_goes_when_it_is_exactly_as_old_as_the_age)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 1000);
	mac_table_age(t, 1299, 300);
	assert_int_equal(find(t, MAC_A), 3);
	mac_table_age(t, 1300, 300);
	assert_int_equal(find(t, MAC_A), -1);
	assert_int_equal(mac_table_count_learned(t), 0);
	mac_table_destroy(t);
}

TEST(an_entry_heard_again_stays)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 1000);
	learn(t, MAC_A, 3, 1200);
	learn(t, MAC_B, 3, 1000);
	learn(t, MAC_B, 4, 1200);
	mac_table_age(t, 1499, 300);
	assert_int_equal(find(t, MAC_A), 3);
	assert_int_equal(find(t, MAC_B), 4);
	mac_table_destroy(t);
}

TEST(an_entry_heard_after_the_sweeps_now_stays)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 1001);
	mac_table_age(t, 1000, 1);
	assert_int_equal(find(t, MAC_A), 3);
	mac_table_destroy(t);
}

TEST(an_age_of_zero_keeps_entries_for_ever)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 0);
	mac_table_age(t, UINT32_MAX, 0);
	assert_int_equal(find(t, MAC_A), 3);
	mac_table_destroy(t);
}

TEST(a_large_table_ages_over_several_calls)
{
	struct mac_table *t = mac_table_create(100000, SEED);
	uint32_t calls = (t->bucket_mask + 1) / 4096;

	assert_true(calls > 1);
	for (uint32_t i = 0; i < 50000; i++)
		learn(t, MAC_A + i, 3, 0);
	mac_table_age(t, 300, 300);
	assert_in_range(count(t), 1, 49999);
	for (uint32_t i = 1; i < calls; i++)
		mac_table_age(t, 300, 300);
	assert_int_equal(count(t), 0);
	mac_table_destroy(t);
}

TEST(a_static_entry_neither_moves_nor_ages)
{
	struct mac_table *t = mac_table_create(100, SEED);

	assert_int_equal(mac_table_add_static(t, MAC_A, 3), 0);
	assert_int_equal(learn(t, MAC_A, 4, 0), MAC_LEARNED);
	mac_table_age(t, 1000, 300);
	assert_int_equal(find(t, MAC_A), 3);
	assert_int_equal(mac_table_count_learned(t), 0);
	mac_table_destroy(t);
}

TEST(a_learned_entry_becomes_static_and_the_other_way_only_after_del)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 0);
	assert_int_equal(mac_table_add_static(t, MAC_A, 5), 0);
	assert_int_equal(find(t, MAC_A), 5);
	assert_int_equal(count(t), 1);
	assert_int_equal(mac_table_count_learned(t), 0);
	assert_int_equal(mac_table_del(t, MAC_A), 0);
	assert_int_equal(mac_table_del(t, MAC_A), -ENOENT);
	learn(t, MAC_A, 3, 0);
	assert_int_equal(find(t, MAC_A), 3);
	assert_int_equal(mac_table_count_learned(t), 1);
	mac_table_destroy(t);
}

TEST(a_filter_is_told_to_whoever_learns)
{
	struct mac_table *t = mac_table_create(100, SEED);
	uint32_t slot;

	assert_int_equal(mac_table_add_filter(t, MAC_A), 0);
	assert_int_equal(learn(t, MAC_A, 4, 0), MAC_LEARNED_FILTER);
	assert_true(mac_table_find(t, MAC_A, mac_table_hash(t, MAC_A), &slot) & MAC_WORD_FILTER);
	mac_table_destroy(t);
}

TEST(a_full_table_learns_again_when_something_went)
{
	struct mac_table *t = mac_table_create(2, SEED);

	assert_int_equal(learn(t, MAC_A, 3, 0), MAC_LEARNED);
	assert_int_equal(learn(t, MAC_B, 3, 0), MAC_LEARNED);
	assert_int_equal(learn(t, MAC_C, 3, 0), MAC_LEARNED_FULL);
	assert_int_equal(learn(t, MAC_A, 4, 0), MAC_LEARNED);
	assert_int_equal(find(t, MAC_A), 4);
	assert_int_equal(mac_table_del(t, MAC_A), 0);
	assert_int_equal(learn(t, MAC_C, 3, 0), MAC_LEARNED);
	assert_int_equal(mac_table_count_learned(t), 2);
	mac_table_destroy(t);
}

TEST(static_entries_do_not_count_as_learned_ones)
{
	struct mac_table *t = mac_table_create(1, SEED);

	assert_int_equal(mac_table_add_static(t, MAC_A, 3), 0);
	assert_int_equal(mac_table_add_filter(t, MAC_B), 0);
	assert_int_equal(learn(t, MAC_C, 3, 0), MAC_LEARNED);
	mac_table_destroy(t);
}

TEST(static_entries_without_a_place_are_refused)
{
	struct mac_table *t = mac_table_create(0, SEED);
	uint32_t n = 0;

	while (mac_table_add_static(t, MAC_A + n, 3) == 0)
		n++;
	assert_in_range(n, 64, 128);
	assert_int_equal(count(t), n);
	assert_int_equal(mac_table_add_static(t, MAC_A, 4), 0);
	mac_table_destroy(t);
}

TEST(a_lowered_limit_removes_nothing_and_learns_nothing)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 0);
	learn(t, MAC_B, 3, 0);
	assert_true(mac_table_set_limit(t, 1));
	assert_int_equal(count(t), 2);
	assert_int_equal(learn(t, MAC_C, 3, 0), MAC_LEARNED_FULL);
	assert_false(mac_table_set_limit(t, 1000));
	mac_table_destroy(t);
}

TEST(a_flush_takes_what_was_learned_behind_an_interface)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 0);
	learn(t, MAC_B, 4, 0);
	mac_table_add_static(t, MAC_C, 3);
	mac_table_flush(t, 3, false);
	assert_int_equal(find(t, MAC_A), -1);
	assert_int_equal(find(t, MAC_B), 4);
	assert_int_equal(find(t, MAC_C), 3);
	mac_table_flush(t, 3, true);
	assert_int_equal(find(t, MAC_C), -1);
	assert_int_equal(count(t), 1);
	mac_table_destroy(t);
}

TEST(a_flush_of_everything_keeps_static_entries_unless_told)
{
	struct mac_table *t = mac_table_create(100, SEED);

	learn(t, MAC_A, 3, 0);
	mac_table_add_filter(t, MAC_B);
	mac_table_flush(t, MAC_ANY_IFACE, false);
	assert_int_equal(count(t), 1);
	mac_table_flush(t, MAC_ANY_IFACE, true);
	assert_int_equal(count(t), 0);
	assert_int_equal(mac_table_count_learned(t), 0);
	mac_table_destroy(t);
}

TEST(a_flush_of_an_interface_spares_filters)
{
	struct mac_table *t = mac_table_create(100, SEED);

	mac_table_add_filter(t, MAC_B);
	mac_table_flush(t, 0, true);
	assert_int_equal(count(t), 1);
	mac_table_destroy(t);
}

TEST(a_copy_holds_the_same_entries)
{
	struct mac_table *from = mac_table_create(100, SEED), *to = mac_table_create(1000, SEED + 1);
	struct mac_entry e;
	uint32_t pos = 0;

	learn(from, MAC_A, 3, 0);
	learn(from, MAC_A, 4, 77);
	assert_int_equal(mac_table_copy(to, from), 0);
	assert_true(mac_table_next(to, &pos, &e));
	assert_true(e.mac == MAC_A);
	assert_int_equal(e.iface_idx, 4);
	assert_int_equal(e.seen_s, 77);
	assert_false(e.is_static || e.is_filter);
	assert_false(mac_table_next(to, &pos, &e));
	assert_int_equal(mac_table_count_moves(to), 1);
	mac_table_destroy(from);
	mac_table_destroy(to);
}

/* Addresses as people give them: counted up, or different in the high bytes only. */
TEST(the_whole_limit_finds_a_place_whatever_the_addresses_look_like)
{
	static const uint64_t steps[] = {1, 0x100, 0x10001, 0x1000000, 0x10000000000 + 1};
	const uint32_t limit = 16384;

	for (uint64_t seed = 0; seed < 20; seed++)
		for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
			struct mac_table *t = mac_table_create(limit, seed);

			for (uint64_t i = 0; i < limit; i++)
				assert_int_equal(learn(t, i * steps[s] & 0xffffffffffff, 1, 0), MAC_LEARNED);
			assert_int_equal(mac_table_count_learned(t), limit);
			mac_table_destroy(t);
		}
}

TESTS(cmocka_unit_test(an_address_is_found_once_it_was_learned),
	cmocka_unit_test(the_address_zero_is_no_free_slot),
	cmocka_unit_test(an_address_behind_another_interface_moves_and_is_counted),
	cmocka_unit_test(an_entry_goes_when_it_is_exactly_as_old_as_the_age),
	cmocka_unit_test(an_entry_heard_again_stays),
	cmocka_unit_test(an_entry_heard_after_the_sweeps_now_stays),
	cmocka_unit_test(an_age_of_zero_keeps_entries_for_ever),
	cmocka_unit_test(a_large_table_ages_over_several_calls),
	cmocka_unit_test(a_static_entry_neither_moves_nor_ages),
	cmocka_unit_test(a_learned_entry_becomes_static_and_the_other_way_only_after_del),
	cmocka_unit_test(a_filter_is_told_to_whoever_learns),
	cmocka_unit_test(a_full_table_learns_again_when_something_went),
	cmocka_unit_test(static_entries_do_not_count_as_learned_ones),
	cmocka_unit_test(static_entries_without_a_place_are_refused),
	cmocka_unit_test(a_lowered_limit_removes_nothing_and_learns_nothing),
	cmocka_unit_test(a_flush_takes_what_was_learned_behind_an_interface),
	cmocka_unit_test(a_flush_of_everything_keeps_static_entries_unless_told),
	cmocka_unit_test(a_flush_of_an_interface_spares_filters),
	cmocka_unit_test(a_copy_holds_the_same_entries),
	cmocka_unit_test(the_whole_limit_finds_a_place_whatever_the_addresses_look_like))
