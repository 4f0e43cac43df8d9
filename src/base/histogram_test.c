/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include "base/random.h"
#include "base/test.h"

TEST(each_value_lies_in_its_bucket_which_is_narrow)
{
	struct random r;

	random_init(&r, 1);
	for (int i = 0; i < 100000; i++) {
		const uint64_t value = random_u64(&r) >> (random_u64(&r) % 64);
		const uint32_t bucket = histogram_bucket(value);

		assert_true(bucket < HISTOGRAM_BUCKETS);
		assert_true(histogram_floor(bucket) <= value);
		assert_true(value - histogram_floor(bucket) <= value / HISTOGRAM_SUBS);
	}
}

TEST(buckets_follow_each_other)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		assert_int_equal(histogram_bucket(histogram_floor(i)), i);
}

TEST(quantiles_are_of_the_values_that_were_added)
{
	struct histogram h = {0};

	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	for (uint64_t i = 0; i < 60; i++)
		histogram_add(&h, i);
	assert_int_equal(histogram_quantile(&h, 0.5), 30);
	assert_int_equal(histogram_quantile(&h, 0.9), 54);
	assert_int_equal(h.max, 59);
	assert_int_equal(h.n, 60);
}

TEST(merged_ones_are_as_one_that_saw_everything)
{
	struct histogram odd = {0}, even = {0}, all = {0};

	for (uint64_t i = 0; i < 1000; i++) {
		histogram_add(i % 2 ? &odd : &even, i * i);
		histogram_add(&all, i * i);
	}
	histogram_merge(&odd, &even);
	assert_memory_equal(&odd, &all, sizeof(all));
}

TESTS(cmocka_unit_test(each_value_lies_in_its_bucket_which_is_narrow),
	cmocka_unit_test(buckets_follow_each_other),
	cmocka_unit_test(quantiles_are_of_the_values_that_were_added),
	cmocka_unit_test(merged_ones_are_as_one_that_saw_everything))
