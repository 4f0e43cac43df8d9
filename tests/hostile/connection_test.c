/* SPDX-License-Identifier: Apache-2.0 */
/* Front-ends that come, insist, fail and come again, without end. */
#include "base/check.h"
#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30  (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTO  0xbu
#define CYCLES 10000

struct bed {
	struct fake_device device;
	struct fake_front front;
	int event;
	uint32_t fds, maps;
};

static void bed_open(struct bed *bed)
{
	bed->event = fake_eventfd();
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_front_hang_up(&bed->front);
	bed->fds = fake_open_fds();
	bed->maps = fake_mappings();
}

/* Nothing is left of those who came, and the next one is served. */
static void bed_close(struct bed *bed)
{
	assert_int_equal(fake_open_fds(), bed->fds);
	assert_int_equal(fake_mappings(), bed->maps);
	fake_front_reopen(&bed->front, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES, 0);
	fake_ring_reset(&bed->front, 0, 0);
	fake_ring_start(&bed->front, 0, 0, -1);
	assert_non_null(bed->device.rings[0]);
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
	close(bed->event);
}

/* Each goes one step further than the one before, and over again. */
static void come_and_go(struct bed *bed, uint32_t steps)
{
	fake_front_reopen(&bed->front, bed->device.path);
	assert_true(bed->device.connected);
	if (steps > 0)
		fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, PROTO);
	if (steps > 1)
		fake_ring_start(&bed->front, 0, 0, bed->event);
	if (steps > 2)
		fake_ring_fd(&bed->front, VHOST_USER_SET_VRING_CALL, 0, bed->event);
	fake_front_hang_up(&bed->front);
	assert_false(bed->device.connected);
}

TEST(ten_thousand_connections_leave_nothing_behind)
{
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < CYCLES; i++)
		come_and_go(&bed, i % 4);
	assert_int_equal(fake_device_status(&bed.device).connections, CYCLES + 1);
	bed_close(&bed);
}

/* A guest that booted with more than we offer today, and a front-end that will not let it do without. */
TEST(a_front_end_that_insists_on_features_of_old_is_refused_each_time)
{
	const uint64_t wanted = FAKE_FEATURES | 1ull << 23 | 1ull << 11;
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < 1000; i++) {
		struct vhost_backend_status status;

		fake_front_reopen(&bed.front, bed.device.path);
		fake_get_u64(&bed.front, VHOST_USER_GET_FEATURES);
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, wanted);
		assert_true(fake_closed(&bed.front));
		status = fake_device_status(&bed.device);
		assert_int_equal(status.error, -EINVAL);
		assert_non_null(strstr(status.why, "SET_FEATURES"));
		assert_int_equal(status.protocol_errors, i + 1);
		fake_front_hang_up(&bed.front);
	}
	bed_close(&bed);
}

/* select() knows no descriptor beyond 1023. */
TEST(descriptors_beyond_1023_are_as_good_as_others)
{
	struct rlimit before, many;
	static int fds[1100];
	struct bed bed;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	many = before;
	many.rlim_cur = before.rlim_max;
	if (many.rlim_cur < 2048)
		skip();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fds[ARRAY_LEN(fds) - 1] > 1023);
	bed_open(&bed);
	come_and_go(&bed, 3);
	bed_close(&bed);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* The listener's queue is full of those who do not wait to be served: it is not for us to hang. */
TEST(a_backlog_full_of_front_ends_is_worked_off_one_by_one)
{
	int fds[64];
	uint32_t n = 0;
	struct bed bed;

	bed_open(&bed);
	while (n < ARRAY_LEN(fds) && (fds[n] = unix_connect(bed.device.path)) >= 0)
		n++;
	assert_true(n > 1);
	for (uint32_t i = 0; i < n; i++) {
		for (int turn = 0; turn < 4; turn++)
			assert_int_equal(loop_turn(bed.device.loop, 0), 0);
		assert_true(bed.device.connected);
		close(fds[i]);
		fake_turns(bed.device.loop);
	}
	assert_int_equal(fake_device_status(&bed.device).connections, n + 1);
	fake_turns(bed.device.loop);
	assert_false(bed.device.connected);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(ten_thousand_connections_leave_nothing_behind),
	cmocka_unit_test(a_front_end_that_insists_on_features_of_old_is_refused_each_time),
	cmocka_unit_test(descriptors_beyond_1023_are_as_good_as_others),
	cmocka_unit_test(a_backlog_full_of_front_ends_is_worked_off_one_by_one))
