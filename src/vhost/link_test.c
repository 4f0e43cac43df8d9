/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/link.h"

#include "base/test.h"
#include "os/clock.h"
#include "os/unix.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct bed {
	struct loop *loop;
	struct link link;
	char dir[64];
	char path[80];
	int fd; /* of the open connection, or -1 */
	uint32_t opened, failed, crowded;
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

static const struct link_events events = {.opened = on_opened, .failed = on_failed, .crowded = on_crowded};

static void bed_open(struct bed *bed, bool server)
{
	*bed = (struct bed){.dir = "/tmp/ginnel-test.XXXXXX", .fd = -1};
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->path, sizeof(bed->path), "%s/socket", bed->dir);
	assert_int_equal(loop_create(&bed->loop), 0);
	bed->link = (struct link){.loop = bed->loop, .events = &events, .arg = bed};
	assert_int_equal(link_start(&bed->link, bed->path, server, 0600), 0);
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
	assert_int_equal(link_start(&second, bed.path, true, 0600), -EADDRINUSE);
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

TESTS(cmocka_unit_test(a_server_serves_one_after_the_other),
	cmocka_unit_test(a_newcomer_waits_until_the_first_has_left_and_is_served_at_once),
	cmocka_unit_test(the_socket_file_has_its_mode_and_goes_with_the_server),
	cmocka_unit_test(another_servers_socket_file_stays),
	cmocka_unit_test(a_path_that_is_taken_is_refused),
	cmocka_unit_test(a_server_without_descriptors_accepts_later),
	cmocka_unit_test(a_client_tries_again_until_somebody_listens),
	cmocka_unit_test(a_client_waits_longer_and_longer_but_not_for_ever),
	cmocka_unit_test(a_client_never_blocks_on_a_full_backlog))
