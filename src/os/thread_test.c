/* SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#include "base/test.h"
#include "base/units.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/waker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONGER_NS (2 * THREAD_ALARM_MS * NS_PER_MS)

static void *read_nothing(void *arg)
{
	const int *fd = arg;
	int err = thread_alarm_start();
	char byte;

	/* more than once: the alarm goes on */
	for (int i = 0; i < 3 && err == 0; i++)
		err = read(*fd, &byte, 1) < 0 && errno == EINTR ? 0 : -EINVAL;
	thread_alarm_stop();
	return (void *)(intptr_t)err;
}

TEST(the_alarm_ends_every_call_that_blocks)
{
	pthread_t thread;
	void *result;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(thread_start(&thread, "reader", THREAD_ANY_CPU, read_nothing, &ends[0]), 0);
	pthread_join(thread, &result);
	assert_int_equal((intptr_t)result, 0);
	close(ends[0]);
	close(ends[1]);
}

static long sleeps(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_nvcsw;
}

TEST(the_alarm_wakes_no_waker)
{
	uint64_t before = clock_now_ns();
	struct waker w;
	long n;

	assert_int_equal(waker_init(&w), 0);
	assert_int_equal(thread_alarm_start(), 0);
	n = sleeps();
	waker_wait(&w, LONGER_NS);
	assert_true(clock_now_ns() - before >= LONGER_NS);
	assert_true(sleeps() - n <= 1);
	thread_alarm_stop();
	waker_fini(&w);
}

TEST(the_alarm_wakes_no_loop)
{
	uint64_t before = clock_now_ns();
	struct loop *loop;
	long n;

	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(thread_alarm_start(), 0);
	n = sleeps();
	assert_int_equal(loop_turn(loop, LONGER_NS), 0);
	assert_true(clock_now_ns() - before >= LONGER_NS);
	assert_true(sleeps() - n <= 1);
	thread_alarm_stop();
	loop_destroy(loop);
}

TEST(a_stopped_alarm_is_silent)
{
	const struct timespec longer = {.tv_nsec = LONGER_NS};

	assert_int_equal(thread_alarm_start(), 0);
	thread_alarm_stop();
	assert_int_equal(nanosleep(&longer, NULL), 0);
	thread_alarm_stop();
}

TESTS(cmocka_unit_test(the_alarm_ends_every_call_that_blocks), cmocka_unit_test(the_alarm_wakes_no_waker),
	cmocka_unit_test(the_alarm_wakes_no_loop), cmocka_unit_test(a_stopped_alarm_is_silent))
