/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/link.h"

#include "base/test.h"
#include "os/clock.h"
#include "os/foreign.h"
#include "os/unix.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct bed {
	struct loop *loop;
	struct link link;
	char dir[64];
	char path[80];
	int fd; /* of the open connection, or -1 */
	uint32_t opened, failed, crowded, over;
	int err;
};

static void on_opened(void *arg, int fd)
{
	struct bed *bed = arg;

	assert_int_equal(bed->fd, -1);
	bed->fd = fd;
	bed->opened++;
}

static void on_failed(void *arg, int err)
{
	struct bed *bed = arg;

	bed->failed++;
	bed->err = err;
}

static void on_crowded(void *arg)
{
	struct bed *bed = arg;

	bed->crowded++;
}

static void on_over(void *arg)
{
	struct bed *bed = arg;

	bed->over++;
}

static const struct link_events events = {
	.opened = on_opened, .failed = on_failed, .crowded = on_crowded, .over = on_over};

/* With fd 0 a listener or a client at bed->path, with another one that socket. */
static void bed_open_config(struct bed *bed, struct link_config config)
{
	*bed = (struct bed){.dir = "/tmp/ginnel-test.XXXXXX", .fd = -1};
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->path, sizeof(bed->path), "%s/socket", bed->dir);
	assert_int_equal(loop_create(&bed->loop), 0);
	bed->link = (struct link){.loop = bed->loop, .events = &events, .arg = bed};
	if (config.fd == 0)
		config.path = bed->path;
	config.mode = 0600;
	assert_int_equal(link_start(&bed->link, &config), 0);
}

static void bed_open(struct bed *bed, bool server)
{
	bed_open_config(bed, (struct link_config){.server = server});
}

static void bed_hang_up(struct bed *bed)
{
	close(bed->fd);
	bed->fd = -1;
	link_next(&bed->link, 0);
	fake_turns(bed->loop);
}

static void bed_close(struct bed *bed)
{
	if (bed->fd >= 0)
		close(bed->fd);
	link_stop(&bed->link);
	loop_destroy(bed->loop);
	assert_int_equal(rmdir(bed->dir), 0);
}

static int come(struct bed *bed)
{
	int fd = unix_connect(bed->path);

	assert_true(fd >= 0);
	fake_turns(bed->loop);
	return fd;
}

TEST(a_server_serves_one_after_the_other)
{
	struct bed bed;
	int first, second;

	bed_open(&bed, true);
	first = come(&bed);
	assert_int_equal(bed.opened, 1);
	close(first);
	bed_hang_up(&bed);
	assert_int_equal(bed.opened, 1);
	second = come(&bed);
	assert_int_equal(bed.opened, 2);
	close(second);
	bed_close(&bed);
}

TEST(a_newcomer_waits_until_the_first_has_left_and_is_served_at_once)
{
	struct bed bed;
	int first, second, third;

	bed_open(&bed, true);
	first = come(&bed);
	second = come(&bed);
	third = come(&bed);
	assert_int_equal(bed.opened, 1);
	assert_int_equal(bed.crowded, 2);
	close(first);
	bed_hang_up(&bed);
	assert_int_equal(bed.opened, 2);
	close(second);
	bed_hang_up(&bed);
	assert_int_equal(bed.opened, 3);
	close(third);
	bed_close(&bed);
}

TEST(the_socket_file_has_its_mode_and_goes_with_the_server)
{
	struct stat st;
	struct bed bed;

	bed_open(&bed, true);
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	bed_close(&bed); /* the directory is empty */
}

TEST(another_servers_socket_file_stays)
{
	struct bed bed;
	int other;

	bed_open(&bed, true);
	assert_int_equal(unlink(bed.path), 0);
	other = unix_listen(bed.path, 0600, 1);
	assert_true(other >= 0);
	link_stop(&bed.link);
	assert_int_equal(access(bed.path, F_OK), 0);
	close(other);
	unlink(bed.path);
	loop_destroy(bed.loop);
	assert_int_equal(rmdir(bed.dir), 0);
}

TEST(a_path_that_is_taken_is_refused)
{
	struct bed bed;
	struct link second;

	bed_open(&bed, true);
	second = (struct link){.loop = bed.loop, .events = &events, .arg = &bed};
	assert_int_equal(
		link_start(&second, &(struct link_config){.path = bed.path, .server = true, .mode = 0600}),
		-EADDRINUSE);
	bed_close(&bed);
}

TEST(a_server_without_descriptors_accepts_later)
{
	struct rlimit before, none;
	struct bed bed;
	int peer;

	bed_open(&bed, true);
	bed.link.retry_ns = 1;
	peer = unix_connect(bed.path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(loop_turn(bed.loop, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(bed.opened, 0);
	assert_true(bed.failed >= 1);
	assert_int_equal(bed.err, -EMFILE);
	fake_turns(bed.loop);
	assert_int_equal(bed.opened, 1);
	close(peer);
	bed_close(&bed);
}

TEST(a_client_tries_again_until_somebody_listens)
{
	struct bed bed;
	int listener;

	bed_open(&bed, false);
	bed.link.retry_ns = 1;
	fake_turns(bed.loop);
	assert_true(bed.failed >= 4);
	assert_int_equal(bed.err, -ENOENT);
	listener = unix_listen(bed.path, 0600, 1);
	fake_turns(bed.loop);
	assert_int_equal(bed.opened, 1);
	close(listener);
	bed.link.retry_min_ns = 1;
	bed_hang_up(&bed);
	assert_int_equal(bed.opened, 1);
	assert_int_equal(bed.err, -ECONNREFUSED);
	unlink(bed.path);
	bed_close(&bed);
}

TEST(a_client_waits_longer_and_longer_but_not_for_ever)
{
	struct bed bed;

	bed_open(&bed, false);
	assert_int_equal(bed.link.retry_ns, 100 * NS_PER_MS);
	for (uint64_t want_ms = 200; want_ms <= 3200; want_ms *= 2) {
		loop_timer_set(bed.loop, &bed.link.timer, 0);
		assert_int_equal(loop_turn(bed.loop, 0), 0);
		assert_int_equal(bed.link.retry_ns, (want_ms < 1000 ? want_ms : 1000) * NS_PER_MS);
	}
	assert_int_equal(bed.failed, 5);
	bed_close(&bed);
}

TEST(a_client_never_blocks_on_a_full_backlog)
{
	int fds[16], n = 0, listener;
	struct bed bed;

	bed_open(&bed, false);
	listener = unix_listen(bed.path, 0600, 0);
	while ((fds[n] = unix_connect(bed.path)) >= 0)
		n++;
	fake_turns(bed.loop);
	assert_int_equal(bed.err, -EAGAIN);
	while (n > 0)
		close(fds[--n]);
	close(listener);
	unlink(bed.path);
	bed_close(&bed);
}

TEST(a_client_waits_as_long_as_it_was_told)
{
	struct bed bed;

	bed_open_config(&bed, (struct link_config){.reconnect_ns = 20 * NS_PER_MS});
	for (uint32_t i = 1; i <= 5; i++) {
		uint64_t before = clock_now_ns();

		while (bed.failed < i)
			assert_int_equal(loop_turn(bed.loop, NS_PER_S), 0);
		if (i > 1)
			assert_true(bed.link.timer.deadline_ns - loop_now(bed.loop) == 20 * NS_PER_MS);
		assert_true(clock_now_ns() >= before);
	}
	bed_close(&bed);
}

TEST(a_listener_that_was_given_serves_and_leaves_its_file)
{
	char path[] = "/tmp/ginnel-given.sock";
	int listener = unix_listen(path, 0600, 4), peer;
	struct bed bed;

	assert_true(listener >= 0);
	bed_open_config(&bed, (struct link_config){.fd = listener});
	assert_string_equal(bed.link.path, path);
	for (uint32_t i = 1; i <= 3; i++) {
		peer = unix_connect(path);
		fake_turns(bed.loop);
		assert_int_equal(bed.opened, i);
		close(peer);
		bed_hang_up(&bed);
	}
	assert_int_equal(bed.over, 0);
	bed_close(&bed);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

TEST(a_connection_that_was_given_is_the_only_one)
{
	struct bed bed;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	bed_open_config(&bed, (struct link_config){.fd = pair[0]});
	assert_int_equal(bed.opened, 0);
	fake_turns(bed.loop);
	assert_int_equal(bed.opened, 1);
	assert_int_equal(bed.fd, pair[0]);
	close(pair[1]);
	bed_hang_up(&bed);
	assert_int_equal(bed.opened, 1);
	assert_int_equal(bed.over, 1);
	bed_close(&bed);
}

TEST(a_connection_that_was_given_and_never_served_is_closed)
{
	uint32_t before = fake_open_fds();
	struct bed bed;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	bed_open_config(&bed, (struct link_config){.fd = pair[0]});
	bed_close(&bed);
	foreign_settle();
	close(pair[1]);
	assert_int_equal(fake_open_fds(), before);
}

TEST(what_is_no_unix_stream_socket_is_not_taken)
{
	struct bed bed;
	int pipes[2], udp = socket(AF_INET, SOCK_DGRAM, 0), alone = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(pipe(pipes), 0);
	bed_open(&bed, true);
	for (int i = 0; i < 4; i++) {
		const int fds[] = {pipes[0], udp, alone, 12345},
			  errs[] = {-ENOTSOCK, -EPROTOTYPE, -ENOTCONN, -EBADF};
		struct link second = {.loop = bed.loop, .events = &events, .arg = &bed};

		assert_int_equal(link_start(&second, &(struct link_config){.fd = fds[i]}), errs[i]);
	}
	close(pipes[0]);
	close(pipes[1]);
	close(udp);
	close(alone);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_client_waits_as_long_as_it_was_told),
	cmocka_unit_test(a_listener_that_was_given_serves_and_leaves_its_file),
	cmocka_unit_test(a_connection_that_was_given_is_the_only_one),
	cmocka_unit_test(a_connection_that_was_given_and_never_served_is_closed),
	cmocka_unit_test(what_is_no_unix_stream_socket_is_not_taken),
	cmocka_unit_test(a_server_serves_one_after_the_other),
	cmocka_unit_test(a_newcomer_waits_until_the_first_has_left_and_is_served_at_once),
	cmocka_unit_test(the_socket_file_has_its_mode_and_goes_with_the_server),
	cmocka_unit_test(another_servers_socket_file_stays),
	cmocka_unit_test(a_path_that_is_taken_is_refused),
	cmocka_unit_test(a_server_without_descriptors_accepts_later),
	cmocka_unit_test(a_client_tries_again_until_somebody_listens),
	cmocka_unit_test(a_client_waits_longer_and_longer_but_not_for_ever),
	cmocka_unit_test(a_client_never_blocks_on_a_full_backlog))
