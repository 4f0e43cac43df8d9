/* SPDX-License-Identifier: Apache-2.0 */
#include "os/waker.h"

#include "base/test.h"
#include "os/clock.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LONG (1000 * NS_PER_S)

TEST(a_wake_ends_the_next_wait_and_only_that)
{
	struct waker w;
	uint64_t before;

	assert_int_equal(waker_init(&w), 0);
	waker_wake(&w);
	waker_wake(&w);
	waker_wait(&w, LONG);
	before = clock_now_ns();
	waker_wait(&w, NS_PER_MS);
	assert_true(clock_now_ns() - before >= NS_PER_MS);
	waker_fini(&w);
}

TEST(each_kick_ends_one_wait_without_being_read)
{
	int kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t one = 1, before;
	struct waker w;

	assert_int_equal(waker_init(&w), 0);
	assert_int_equal(waker_watch(&w, kick), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(kick, &one, sizeof(one)), sizeof(one));
		waker_wait(&w, LONG);
	}
	before = clock_now_ns();
	waker_wait(&w, NS_PER_MS);
	assert_true(clock_now_ns() - before >= NS_PER_MS);
	waker_unwatch(&w, kick);
	assert_int_equal(write(kick, &one, sizeof(one)), sizeof(one));
	before = clock_now_ns();
	waker_wait(&w, NS_PER_MS);
	assert_true(clock_now_ns() - before >= NS_PER_MS);
	close(kick);
	waker_fini(&w);
}

TEST(what_cannot_be_waited_for_is_refused)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct waker w;

	assert_int_equal(waker_init(&w), 0);
	assert_int_equal(waker_watch(&w, file), -EPERM);
	close(file);
	waker_fini(&w);
}

/* Two threads pass the turn to each other; one that lost a wake would never come back. */
struct game {
	struct waker wakers[2];
	uint32_t ball;
};

static void play(struct game *g, uint32_t me)
{
	for (uint32_t turn = me; turn < 2000; turn += 2) {
		while (__atomic_load_n(&g->ball, __ATOMIC_ACQUIRE) != turn)
			waker_wait(&g->wakers[me], LONG);
		__atomic_store_n(&g->ball, turn + 1, __ATOMIC_RELEASE);
		waker_wake(&g->wakers[1 - me]);
	}
}

static void *other_player(void *arg)
{
	play(arg, 1);
	return NULL;
}

TEST(no_wake_is_lost_between_threads)
{
	struct game g = {0};
	pthread_t thread;

	for (int i = 0; i < 2; i++)
		assert_int_equal(waker_init(&g.wakers[i]), 0);
	assert_int_equal(
		thread_start(&thread, "a name that is too long", THREAD_ANY_CPU, other_player, &g), 0);
	play(&g, 0);
	pthread_join(thread, NULL);
	for (int i = 0; i < 2; i++)
		waker_fini(&g.wakers[i]);
}

TEST(a_thread_on_a_cpu_that_is_not_there_is_refused)
{
	struct game g = {0};
	pthread_t thread;

	assert_int_equal(thread_start(&thread, "x", 100000, other_player, &g), -EINVAL);
	assert_int_equal(thread_start(&thread, "x", -2, other_player, &g), -EINVAL);
}

TESTS(cmocka_unit_test(a_wake_ends_the_next_wait_and_only_that),
	cmocka_unit_test(each_kick_ends_one_wait_without_being_read),
	cmocka_unit_test(what_cannot_be_waited_for_is_refused),
	cmocka_unit_test(no_wake_is_lost_between_threads),
	cmocka_unit_test(a_thread_on_a_cpu_that_is_not_there_is_refused))
