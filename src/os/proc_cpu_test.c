/* SPDX-License-Identifier: Apache-2.0 */
#include "os/proc_cpu.h"

#include "base/test.h"
#include "os/clock.h"

#include <unistd.h>

TEST(who_works_has_run_and_not_longer_than_there_was_time)
{
	const uint64_t began = clock_now_ns(), before = proc_cpu_ns((uint32_t)getpid());
	uint64_t ran;

	/* the scheduler counts when it looks */
	do
		ran = proc_cpu_ns((uint32_t)getpid()) - before;
	while (ran < 2 * NS_PER_MS && clock_now_ns() - began < 20 * NS_PER_S);
	assert_true(ran >= 2 * NS_PER_MS);
	assert_true(ran <= clock_now_ns() - began + 20 * NS_PER_MS);
}

TEST(a_process_that_does_not_exist_has_not_run)
{
	assert_int_equal(proc_cpu_ns(UINT32_MAX), 0);
}

TESTS(cmocka_unit_test(who_works_has_run_and_not_longer_than_there_was_time),
	cmocka_unit_test(a_process_that_does_not_exist_has_not_run))
