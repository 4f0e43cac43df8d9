/* SPDX-License-Identifier: Apache-2.0 */
#include "os/bell.h"

#include "base/test.h"
#include "base/units.h"
#include "os/clock.h"
#include "os/thread.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int ring_eventfd(int fd)
{
	struct bell bell = bell_eventfd(fd);

	return bell_ring(&bell);
}

static int ring_socket(int fd)
{
	struct bell bell = bell_socket(fd);

	return bell_ring(&bell);
}

TEST(a_bell_with_nobody_at_the_other_end_is_silent)
{
	struct bell none = bell_none(), no_eventfd = bell_eventfd(-1);

	assert_int_equal(bell_ring(&none), 0);
	assert_int_equal(bell_ring(&no_eventfd), 0);
}

TEST(a_bell_adds_one)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];
	uint64_t n = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ring_eventfd(event), 0);
	assert_int_equal(read(event, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 3);
	assert_int_equal(ring_socket(pair[0]), 0);
	assert_int_equal(read(pair[1], &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	close(event);
	close(pair[0]);
	close(pair[1]);
}

TEST(a_bell_that_is_full_or_broken_is_the_peers_loss)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];
	uint64_t full = UINT64_MAX - 1;

	assert_int_equal(write(event, &full, sizeof(full)), sizeof(full));
	assert_int_equal(ring_eventfd(event), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 100 * 1000; i++)
		assert_int_equal(ring_socket(pair[0]), 0);
	close(pair[1]);
	assert_int_equal(ring_socket(pair[0]), 0);
	close(pair[0]);
	close(event);
}

/* The peer's doing: an eventfd that is full, and blocks. */
static int blocking_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t full = UINT64_MAX - 1;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	return fd;
}

static void *ring_with_alarm(void *arg)
{
	const int *fd = arg;
	int err = thread_alarm_start();

	if (err == 0)
		err = ring_eventfd(*fd);
	thread_alarm_stop();
	return (void *)(intptr_t)err;
}

TEST(a_bell_that_blocks_ends_with_the_alarm)
{
	int fd = blocking_eventfd();
	uint64_t before = clock_now_ns();
	pthread_t thread;
	void *result;

	assert_int_equal(thread_start(&thread, "ringer", THREAD_ANY_CPU, ring_with_alarm, &fd), 0);
	pthread_join(thread, &result);
	assert_int_equal((intptr_t)result, -EINTR);
	assert_true(clock_now_ns() - before < NS_PER_S);
	close(fd);
}

/* Nobody has an alarm here: were another one rung, the test would hang. */
TEST(no_bell_is_rung_of_a_peer_that_made_one_block)
{
	int fd = blocking_eventfd();
	bool blocked = false;
	struct bell bell = bell_eventfd(fd);

	bell.blocked = &blocked;
	assert_int_equal(thread_alarm_start(), 0);
	assert_int_equal(bell_ring(&bell), -EINTR);
	thread_alarm_stop();
	assert_true(blocked);
	assert_int_equal(bell_ring(&bell), -EINTR);
	close(fd);
}

#define RINGERS 4
#define RINGS   20000

struct ringer {
	pthread_t thread;
	struct bell bell;
};

static void *ring_often(void *arg)
{
	struct ringer *r = arg;

	for (int i = 0; i < RINGS; i++)
		bell_ring(&r->bell);
	return NULL;
}

/* Reads until all ringers have ended; every message must be one of theirs, whole. */
static uint64_t read_messages(int fd)
{
	uint8_t message[BELL_MESSAGE_MAX];
	uint64_t n = 0;

	while (recv(fd, message, sizeof(message), MSG_WAITALL) == sizeof(message)) {
		for (size_t i = 1; i < sizeof(message); i++)
			assert_int_equal(message[i], message[0]);
		assert_in_range(message[0], 1, RINGERS);
		n++;
	}
	return n;
}

static void *hang_up_when_done(void *arg)
{
	struct ringer *ringers = arg;

	for (int i = 0; i < RINGERS; i++)
		pthread_join(ringers[i].thread, NULL);
	shutdown(ringers[0].bell.fd, SHUT_WR);
	return NULL;
}

TEST(messages_of_several_threads_never_mix)
{
	struct ringer ringers[RINGERS];
	bool missed = false;
	pthread_t closer;
	uint64_t n;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < RINGERS; i++) {
		ringers[i].bell = (struct bell){
			.kind = BELL_MESSAGE, .fd = pair[0], .missed = &missed, .len = BELL_MESSAGE_MAX};
		memset(ringers[i].bell.message, i + 1, BELL_MESSAGE_MAX);
		assert_int_equal(
			thread_start(&ringers[i].thread, "ringer", THREAD_ANY_CPU, ring_often, &ringers[i]),
			0);
	}
	assert_int_equal(thread_start(&closer, "closer", THREAD_ANY_CPU, hang_up_when_done, ringers), 0);
	n = read_messages(pair[1]);
	pthread_join(closer, NULL);
	assert_true(missed ? n < RINGERS * RINGS : n == RINGERS * RINGS);
	close(pair[0]);
	close(pair[1]);
}

TEST(a_message_that_finds_no_room_is_missed_and_nothing_else_is)
{
	bool missed = false;
	struct bell bell = {.kind = BELL_MESSAGE, .missed = &missed, .len = BELL_MESSAGE_MAX};
	uint8_t message[BELL_MESSAGE_MAX];
	int pair[2], n = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bell.fd = pair[0];
	while (!missed) {
		assert_int_equal(bell_ring(&bell), 0);
		n++;
	}
	for (int i = 0; i < n - 1; i++)
		assert_int_equal(recv(pair[1], message, sizeof(message), MSG_DONTWAIT), sizeof(message));
	assert_int_equal(recv(pair[1], message, sizeof(message), MSG_DONTWAIT), -1);
	missed = false;
	assert_int_equal(bell_ring(&bell), 0);
	assert_false(missed);
	close(pair[1]);
	assert_int_equal(bell_ring(&bell), 0);
	assert_false(missed); /* nobody is there to miss it */
	close(pair[0]);
}

TESTS(cmocka_unit_test(a_bell_with_nobody_at_the_other_end_is_silent), cmocka_unit_test(a_bell_adds_one),
	cmocka_unit_test(a_bell_that_is_full_or_broken_is_the_peers_loss),
	cmocka_unit_test(a_bell_that_blocks_ends_with_the_alarm),
	cmocka_unit_test(no_bell_is_rung_of_a_peer_that_made_one_block),
	cmocka_unit_test(messages_of_several_threads_never_mix),
	cmocka_unit_test(a_message_that_finds_no_room_is_missed_and_nothing_else_is))
