/* SPDX-License-Identifier: Apache-2.0 */
#include "os/foreign.h"

#include "base/test.h"
#include "base/units.h"
#include "os/clock.h"
#include "os/fake_linger.h"
#include "os/thread.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

static void check_kind(int fd, enum foreign_kind kind)
{
	assert_true(fd >= 0);
	assert_int_equal(foreign_kind(fd), kind);
	foreign_close(fd);
	foreign_settle();
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

TEST(a_descriptor_is_known_by_its_kind_and_closed_whatever_it_is)
{
	int ends[2];

	check_kind(eventfd(0, EFD_CLOEXEC), FOREIGN_EVENTFD);
	check_kind(memfd_create("anon_inode:[eventfd]", MFD_CLOEXEC), FOREIGN_MEMORY);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	check_kind(ends[0], FOREIGN_PIPE);
	check_kind(ends[1], FOREIGN_PIPE);
	check_kind(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), FOREIGN_SOCKET);
	check_kind(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), FOREIGN_SOCKET);
	check_kind(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), FOREIGN_OTHER);
	check_kind(epoll_create1(EPOLL_CLOEXEC), FOREIGN_OTHER);
	check_kind(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), FOREIGN_OTHER);
	check_kind(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), FOREIGN_OTHER);
	check_kind(open("/", O_RDONLY | O_CLOEXEC), FOREIGN_OTHER);
	check_kind(open("/", O_PATH | O_CLOEXEC), FOREIGN_OTHER);
	check_kind(open("/dev/null", O_RDWR | O_CLOEXEC), FOREIGN_OTHER);
	assert_int_equal(foreign_kind(-1), FOREIGN_OTHER);
}

TEST(a_ring_adds_one)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];
	uint64_t n = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(foreign_ring(event, false), 0);
	assert_int_equal(read(event, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 3);
	assert_int_equal(foreign_ring(pair[0], true), 0);
	assert_int_equal(read(pair[1], &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	close(event);
	close(pair[0]);
	close(pair[1]);
}

TEST(a_ring_that_is_full_or_broken_is_the_peers_loss)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];
	uint64_t full = UINT64_MAX - 1;

	assert_int_equal(write(event, &full, sizeof(full)), sizeof(full));
	assert_int_equal(foreign_ring(event, false), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 100 * 1000; i++)
		assert_int_equal(foreign_ring(pair[0], true), 0);
	close(pair[1]);
	assert_int_equal(foreign_ring(pair[0], true), 0);
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
		err = foreign_ring(*fd, false);
	thread_alarm_stop();
	return (void *)(intptr_t)err;
}

TEST(a_ring_that_blocks_ends_with_the_alarm)
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

TEST(closing_a_socket_that_lingers_takes_no_time)
{
	uint64_t before = clock_now_ns();
	struct fake_linger l;

	fake_linger_open(&l);
	foreign_close(l.fd);
	foreign_settle();
	assert_true(clock_now_ns() - before < NS_PER_S);
	close(l.peer);
}

/* Whoever closes the socket in which it lies unread closes it, too. */
TEST(a_socket_that_lingers_inside_another_is_left_to_the_reaper)
{
	uint64_t before;
	struct fake_linger l;
	int pair[2];

	fake_linger_open(&l);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(unix_send(pair[0], "x", 1, &l.fd, 1), 1);
	close(l.fd);
	before = clock_now_ns();
	foreign_close(pair[1]);
	assert_true(clock_now_ns() - before < THREAD_ALARM_MS * NS_PER_MS / 2);
	foreign_settle();
	assert_true(clock_now_ns() - before < 5 * NS_PER_S);
	close(l.peer);
	close(pair[0]);
}

TESTS(cmocka_unit_test(a_descriptor_is_known_by_its_kind_and_closed_whatever_it_is),
	cmocka_unit_test(a_ring_adds_one), cmocka_unit_test(a_ring_that_is_full_or_broken_is_the_peers_loss),
	cmocka_unit_test(a_ring_that_blocks_ends_with_the_alarm),
	cmocka_unit_test(closing_a_socket_that_lingers_takes_no_time),
	cmocka_unit_test(a_socket_that_lingers_inside_another_is_left_to_the_reaper))
