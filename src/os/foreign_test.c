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
	cmocka_unit_test(closing_a_socket_that_lingers_takes_no_time),
	cmocka_unit_test(a_socket_that_lingers_inside_another_is_left_to_the_reaper))
