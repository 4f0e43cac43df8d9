/* SPDX-License-Identifier: Apache-2.0 */
#include "os/unix.h"

#include "base/test.h"
#include "os/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct bed {
	char dir[64];
	char path[128];
	int pair[2];
};

static void bed_open(struct bed *bed)
{
	*bed = (struct bed){.dir = "/tmp/ginnel-test.XXXXXX"};
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->path, sizeof(bed->path), "%s/socket", bed->dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bed->pair), 0);
}

static void bed_close(struct bed *bed)
{
	close(bed->pair[0]);
	close(bed->pair[1]);
	unlink(bed->path);
	assert_int_equal(rmdir(bed->dir), 0);
}

static bool is_ours(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

TEST(who_connects_is_accepted)
{
	int listener, client, server;
	uid_t uid = (uid_t)-1;
	struct stat st;
	struct bed bed;

	bed_open(&bed);
	listener = unix_listen(bed.path, 0640, 4);
	assert_true(is_ours(listener));
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(unix_accept(listener), -EAGAIN);
	client = unix_connect(bed.path);
	server = unix_accept(listener);
	assert_true(is_ours(client));
	assert_true(is_ours(server));
	assert_int_equal(unix_peer_uid(server, &uid), 0);
	assert_int_equal(uid, getuid());
	close(server);
	close(client);
	close(listener);
	bed_close(&bed);
}

TEST(a_stale_socket_file_is_replaced_and_a_live_one_is_not)
{
	int first, second;
	struct bed bed;

	bed_open(&bed);
	first = unix_listen(bed.path, 0600, 1);
	assert_true(first >= 0);
	assert_int_equal(unix_listen(bed.path, 0600, 1), -EADDRINUSE);
	/* its backlog is full by now: it is alive all the same */
	while ((second = unix_connect(bed.path)) >= 0)
		;
	assert_int_equal(second, -EAGAIN);
	assert_int_equal(unix_listen(bed.path, 0600, 1), -EADDRINUSE);
	close(first);
	second = unix_listen(bed.path, 0600, 1);
	assert_true(second >= 0);
	close(second);
	bed_close(&bed);
}

TEST(a_file_that_is_no_socket_is_left_alone)
{
	struct bed bed;
	int fd;

	bed_open(&bed);
	fd = open(bed.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(unix_listen(bed.path, 0600, 1), -EEXIST);
	assert_int_equal(access(bed.path, F_OK), 0);
	bed_close(&bed);
}

TEST(a_link_to_somewhere_else_is_left_alone)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(symlink("/dev/null", bed.path), 0);
	assert_int_equal(unix_listen(bed.path, 0600, 1), -EEXIST);
	bed_close(&bed);
}

TEST(paths_are_as_long_as_the_kernel_takes)
{
	char path[UNIX_PATH_MAX + 2];
	int fd;

	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/ginnel-test-", 17);
	path[UNIX_PATH_MAX + 1] = 0;
	assert_int_equal(unix_listen(path, 0600, 1), -ENAMETOOLONG);
	assert_int_equal(unix_connect(path), -ENAMETOOLONG);
	path[UNIX_PATH_MAX] = 0;
	fd = unix_listen(path, 0600, 1);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(unix_listen("", 0600, 1), -EINVAL);
}

TEST(what_cannot_be_connected_to_says_why)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(unix_connect(bed.path), -ENOENT);
	close(unix_listen(bed.path, 0600, 1));
	assert_int_equal(unix_connect(bed.path), -ECONNREFUSED);
	bed_close(&bed);
}

TEST(descriptors_travel_with_the_bytes)
{
	int fds[2] = {STDIN_FILENO, STDERR_FILENO};
	struct unix_cargo cargo = {0};
	uint8_t buf[10];
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(unix_send(bed.pair[0], "hello", 5, fds, 2), 5);
	assert_int_equal(unix_recv(bed.pair[1], buf, 2, &cargo), 2);
	assert_int_equal(cargo.n_fds, 2);
	assert_false(cargo.truncated);
	assert_true(fcntl(cargo.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(unix_recv(bed.pair[1], buf, sizeof(buf), &cargo), 3);
	assert_int_equal(cargo.n_fds, 2);
	unix_cargo_close(&cargo);
	assert_int_equal(cargo.n_fds, 0);
	assert_int_equal(unix_recv(bed.pair[1], buf, sizeof(buf), &cargo), -EAGAIN);
	bed_close(&bed);
}

TEST(cargo_gathers_until_it_is_full)
{
	struct unix_cargo cargo = {0};
	int fds[UNIX_MAX_FDS] = {0}, next, last;
	uint8_t byte = 0;
	struct bed bed;

	bed_open(&bed);
	foreign_settle();
	next = dup(0);
	close(next);
	for (int i = 0; i < 3; i++)
		assert_int_equal(unix_send(bed.pair[0], &byte, 1, fds, 20), 1);
	assert_int_equal(unix_recv(bed.pair[1], &byte, 1, &cargo), 1);
	assert_false(cargo.truncated);
	assert_int_equal(unix_recv(bed.pair[1], &byte, 1, &cargo), 1);
	assert_true(cargo.truncated);
	assert_int_equal(cargo.n_fds, UNIX_MAX_FDS);
	assert_int_equal(unix_recv(bed.pair[1], &byte, 1, &cargo), 1);
	assert_int_equal(cargo.n_fds, UNIX_MAX_FDS);
	unix_cargo_close(&cargo);
	foreign_settle();
	last = dup(0); /* the lowest free one: all that came are closed */
	assert_int_equal(last, next);
	close(last);
	bed_close(&bed);
}

/* More than UNIX_MAX_FDS in one piece. */
TEST(descriptors_that_were_lost_are_reported)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * (UNIX_MAX_FDS + 1))];
	uint8_t byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct unix_cargo cargo = {0};
	struct cmsghdr *c;
	struct bed bed;

	bed_open(&bed);
	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (UNIX_MAX_FDS + 1));
	assert_int_equal(sendmsg(bed.pair[0], &msg, 0), 1);
	assert_int_equal(unix_recv(bed.pair[1], &byte, 1, &cargo), 1);
	assert_true(cargo.truncated);
	unix_cargo_close(&cargo);
	bed_close(&bed);
}

TEST(sending_to_nobody_is_an_error_and_no_signal)
{
	struct bed bed;

	bed_open(&bed);
	close(bed.pair[1]);
	assert_int_equal(unix_send(bed.pair[0], "x", 1, NULL, 0), -EPIPE);
	bed.pair[1] = dup(0);
	bed_close(&bed);
}

TEST(sending_never_waits)
{
	static const uint8_t much[1 << 20];
	ssize_t n;
	struct bed bed;

	bed_open(&bed);
	while ((n = unix_send(bed.pair[0], much, sizeof(much), NULL, 0)) > 0)
		;
	assert_int_equal(n, -EAGAIN);
	bed_close(&bed);
}

TEST(what_a_user_can_mend_is_explained)
{
	char buf[256];

	unix_explain(-ENAMETOOLONG, "/a", buf, sizeof(buf));
	assert_string_equal(buf, "socket path is 2 bytes long, at most 107 fit: choose a shorter one");
	unix_explain(-EADDRINUSE, "/a", buf, sizeof(buf));
	assert_string_equal(buf, "/a is in use by another program: end it or choose another path");
	unix_explain(-EEXIST, "/a", buf, sizeof(buf));
	assert_string_equal(buf, "/a exists and is not a socket: remove it or choose another path");
	unix_explain(-EIO, "/a", buf, sizeof(buf));
	assert_string_equal(buf, "/a: Input/output error");
	unix_explain(-EACCES, "/a", buf, 8);
	assert_string_equal(buf, "/a: no ");
}

TEST(a_socket_file_gets_its_group_before_anybody_can_connect)
{
	gid_t groups[64], group;
	int n = getgroups(64, groups), listener;
	struct stat st;
	struct bed bed;

	group = geteuid() == 0 ? 12345 : n > 0 ? groups[n - 1] : getegid();
	bed_open(&bed);
	listener = unix_listen_for(bed.path, 0660, &group, 1);
	assert_true(listener >= 0);
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_gid, group);
	assert_int_equal(st.st_mode & 0777, 0660);
	close(listener);
	bed_close(&bed);
}

TEST(sockets_of_others_become_ours_when_they_are_of_the_right_kind)
{
	char path[UNIX_PATH_MAX + 1];
	int listener, pair[2];
	bool listens;
	struct bed bed;

	bed_open(&bed);
	listener = unix_listen(bed.path, 0600, 1);
	assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
	assert_int_equal(unix_adopt(listener, &listens), 0);
	assert_true(listens && is_ours(listener));
	unix_own_path(listener, path);
	assert_string_equal(path, bed.path);
	close(listener);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(unix_adopt(pair[0], &listens), 0);
	assert_true(!listens && is_ours(pair[0]));
	unix_own_path(pair[0], path);
	assert_string_equal(path, "");
	close(pair[0]);
	close(pair[1]);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_socket_file_gets_its_group_before_anybody_can_connect),
	cmocka_unit_test(sockets_of_others_become_ours_when_they_are_of_the_right_kind),
	cmocka_unit_test(who_connects_is_accepted),
	cmocka_unit_test(a_stale_socket_file_is_replaced_and_a_live_one_is_not),
	cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
	cmocka_unit_test(a_link_to_somewhere_else_is_left_alone),
	cmocka_unit_test(paths_are_as_long_as_the_kernel_takes),
	cmocka_unit_test(what_cannot_be_connected_to_says_why),
	cmocka_unit_test(descriptors_travel_with_the_bytes), cmocka_unit_test(cargo_gathers_until_it_is_full),
	cmocka_unit_test(descriptors_that_were_lost_are_reported),
	cmocka_unit_test(sending_to_nobody_is_an_error_and_no_signal), cmocka_unit_test(sending_never_waits),
	cmocka_unit_test(what_a_user_can_mend_is_explained))
