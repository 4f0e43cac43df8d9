/* SPDX-License-Identifier: Apache-2.0 */
#include "os/loop.h"

#include "base/test.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A loop with two pipes, and what happened as a string of letters. */
struct bed {
	struct loop *loop;
	struct end {
		struct bed *bed;
		struct loop_watch watch;
		struct loop_timer timer;
		char letter;
		struct end *victim; /* removed by the handler */
		int in, out;
	} ends[2];
	char heard[32];
};

static void hear(struct bed *bed, char letter)
{
	size_t len = strlen(bed->heard);

	assert_true(len + 1 < sizeof(bed->heard));
	bed->heard[len] = letter;
}

static void on_event(void *arg, uint32_t events)
{
	struct end *e = arg;

	hear(e->bed, e->letter);
	if (e->victim)
		loop_watch_del(e->bed->loop, &e->victim->watch);
}

static void on_timer(void *arg)
{
	struct end *e = arg;

	hear(e->bed, e->letter);
	if (e->victim)
		loop_timer_cancel(e->bed->loop, &e->victim->timer);
}

static void bed_open(struct bed *bed)
{
	memset(bed, 0, sizeof(*bed));
	assert_int_equal(loop_create(&bed->loop), 0);
	for (int i = 0; i < 2; i++) {
		struct end *e = &bed->ends[i];
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		e->bed = bed;
		e->letter = (char)('a' + i);
		e->out = fds[0];
		e->in = fds[1];
		loop_watch_init(&e->watch, on_event, e);
		loop_timer_init(&e->timer, on_timer, e);
	}
}

static void bed_close(struct bed *bed)
{
	for (int i = 0; i < 2; i++) {
		loop_watch_del(bed->loop, &bed->ends[i].watch);
		close(bed->ends[i].in);
		close(bed->ends[i].out);
	}
	loop_destroy(bed->loop);
}

static void watch_both(struct bed *bed)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			loop_watch_add(bed->loop, &bed->ends[i].watch, bed->ends[i].out, EPOLLIN), 0);
}

static void turn(struct bed *bed)
{
	memset(bed->heard, 0, sizeof(bed->heard));
	assert_int_equal(loop_turn(bed->loop, 0), 0);
}

TEST(an_event_is_heard_as_long_as_it_lasts)
{
	struct bed bed;
	char byte;

	bed_open(&bed);
	watch_both(&bed);
	turn(&bed);
	assert_string_equal(bed.heard, "");
	assert_int_equal(write(bed.ends[1].in, "x", 1), 1);
	turn(&bed);
	assert_string_equal(bed.heard, "b");
	turn(&bed);
	assert_string_equal(bed.heard, "b");
	assert_int_equal(read(bed.ends[1].out, &byte, 1), 1);
	turn(&bed);
	assert_string_equal(bed.heard, "");
	bed_close(&bed);
}

TEST(a_watch_that_was_removed_in_this_round_hears_nothing_more)
{
	struct bed bed;

	bed_open(&bed);
	watch_both(&bed);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(write(bed.ends[i].in, "x", 1), 1);
		bed.ends[i].victim = &bed.ends[1 - i];
	}
	turn(&bed);
	assert_int_equal(strlen(bed.heard), 1);
	bed_close(&bed);
}

TEST(a_handler_may_remove_its_own_watch)
{
	struct bed bed;

	bed_open(&bed);
	watch_both(&bed);
	bed.ends[0].victim = &bed.ends[0];
	assert_int_equal(write(bed.ends[0].in, "x", 1), 1);
	turn(&bed);
	assert_string_equal(bed.heard, "a");
	turn(&bed);
	assert_string_equal(bed.heard, "");
	loop_watch_del(bed.loop, &bed.ends[0].watch);
	assert_int_equal(loop_watch_add(bed.loop, &bed.ends[0].watch, bed.ends[0].out, EPOLLIN), 0);
	bed_close(&bed);
}

TEST(what_is_watched_for_can_change)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(loop_watch_add(bed.loop, &bed.ends[0].watch, bed.ends[0].in, 0), 0);
	turn(&bed);
	assert_string_equal(bed.heard, "");
	assert_int_equal(loop_watch_change(bed.loop, &bed.ends[0].watch, EPOLLOUT), 0);
	turn(&bed);
	assert_string_equal(bed.heard, "a");
	bed_close(&bed);
}

TEST(a_regular_file_cannot_be_watched)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(loop_watch_add(bed.loop, &bed.ends[0].watch, file, EPOLLIN), -EPERM);
	assert_int_equal(bed.ends[0].watch.fd, -1);
	close(file);
	bed_close(&bed);
}

TEST(timers_fire_once_and_in_order)
{
	struct bed bed;

	bed_open(&bed);
	loop_timer_set(bed.loop, &bed.ends[0].timer, 2);
	loop_timer_set(bed.loop, &bed.ends[1].timer, 1);
	turn(&bed);
	assert_string_equal(bed.heard, "ba");
	turn(&bed);
	assert_string_equal(bed.heard, "");
	bed_close(&bed);
}

TEST(timers_of_one_time_fire_in_the_order_they_were_set)
{
	struct bed bed;

	bed_open(&bed);
	loop_timer_set(bed.loop, &bed.ends[1].timer, 1);
	loop_timer_set(bed.loop, &bed.ends[0].timer, 1);
	turn(&bed);
	assert_string_equal(bed.heard, "ba");
	bed_close(&bed);
}

TEST(a_timer_can_be_moved_and_cancelled)
{
	struct bed bed;

	bed_open(&bed);
	loop_timer_set(bed.loop, &bed.ends[0].timer, 1);
	loop_timer_set(bed.loop, &bed.ends[0].timer, clock_now_ns() + 1000 * NS_PER_S);
	loop_timer_set(bed.loop, &bed.ends[1].timer, 1);
	loop_timer_cancel(bed.loop, &bed.ends[1].timer);
	loop_timer_cancel(bed.loop, &bed.ends[1].timer);
	turn(&bed);
	assert_string_equal(bed.heard, "");
	bed_close(&bed);
}

TEST(a_timer_may_cancel_another_that_is_due)
{
	struct bed bed;

	bed_open(&bed);
	bed.ends[0].victim = &bed.ends[1];
	loop_timer_set(bed.loop, &bed.ends[0].timer, 1);
	loop_timer_set(bed.loop, &bed.ends[1].timer, 2);
	turn(&bed);
	assert_string_equal(bed.heard, "a");
	bed_close(&bed);
}

static void set_to_now(void *arg)
{
	struct end *e = arg;

	hear(e->bed, e->letter);
	loop_timer_set(e->bed->loop, &e->timer, loop_now(e->bed->loop));
}

TEST(a_timer_that_sets_itself_to_now_fires_once_a_round)
{
	struct bed bed;

	bed_open(&bed);
	bed.ends[0].timer.fn = set_to_now;
	loop_timer_set(bed.loop, &bed.ends[0].timer, 1);
	turn(&bed);
	assert_string_equal(bed.heard, "a");
	turn(&bed);
	assert_string_equal(bed.heard, "a");
	loop_timer_cancel(bed.loop, &bed.ends[0].timer);
	turn(&bed);
	assert_string_equal(bed.heard, "");
	bed_close(&bed);
}

TEST(the_first_timer_ends_the_wait)
{
	uint64_t before = clock_now_ns();
	struct bed bed;

	bed_open(&bed);
	loop_timer_set(bed.loop, &bed.ends[0].timer, before + 2 * NS_PER_MS);
	assert_int_equal(loop_turn(bed.loop, LOOP_NO_TIMEOUT), 0);
	assert_string_equal(bed.heard, "a");
	assert_true(loop_now(bed.loop) >= before + 2 * NS_PER_MS);
	bed_close(&bed);
}

static void on_last(void *arg)
{
	loop_stop(arg);
}

TEST(running_ends_when_stopped)
{
	struct loop_timer last;
	struct bed bed;

	bed_open(&bed);
	loop_timer_init(&last, on_last, bed.loop);
	loop_timer_set(bed.loop, &last, 0);
	assert_int_equal(loop_run(bed.loop), 0);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(an_event_is_heard_as_long_as_it_lasts),
	cmocka_unit_test(a_watch_that_was_removed_in_this_round_hears_nothing_more),
	cmocka_unit_test(a_handler_may_remove_its_own_watch),
	cmocka_unit_test(what_is_watched_for_can_change), cmocka_unit_test(a_regular_file_cannot_be_watched),
	cmocka_unit_test(timers_fire_once_and_in_order),
	cmocka_unit_test(timers_of_one_time_fire_in_the_order_they_were_set),
	cmocka_unit_test(a_timer_can_be_moved_and_cancelled),
	cmocka_unit_test(a_timer_may_cancel_another_that_is_due),
	cmocka_unit_test(a_timer_that_sets_itself_to_now_fires_once_a_round),
	cmocka_unit_test(the_first_timer_ends_the_wait), cmocka_unit_test(running_ends_when_stopped))
