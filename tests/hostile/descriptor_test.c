/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that a front-end keeps a hand on. What is asserted in each: nobody waits for it. */
#include "base/check.h"
#include "base/test.h"
#include "base/units.h"
#include "os/clock.h"
#include "os/fake_linger.h"
#include "os/thread.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30 (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTO 0xbu
#define SOON  (THREAD_ALARM_MS * NS_PER_MS / 2)

struct bed {
	struct fake_device device;
	struct fake_front front;
};

static void bed_open(struct bed *bed)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, PROTO);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

/* The front-end's copy of a call descriptor, full and without O_NONBLOCK. */
static void make_block(int fd)
{
	uint64_t full = UINT64_MAX - 1;

	fake_events(fd);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

TEST(a_call_that_blocks_breaks_its_ring_and_is_not_tried_again)
{
	int call = fake_eventfd();
	uint64_t before;
	struct bed bed;

	assert_int_equal(thread_alarm_start(), 0);
	bed_open(&bed);
	fake_ring_reset(&bed.front, 0, 0);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, call);
	fake_ring_start(&bed.front, 0, 0, -1);
	make_block(call);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(bed.device.rings[0]->vq.error, VIRTQ_CALL_BLOCKS);
	before = clock_now_ns();
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, 0, call);
	fake_mem_table(&bed.front);
	fake_get_base(&bed.front, 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(bed.device.rings[0]->vq.error, VIRTQ_CALL_BLOCKS);
	vhost_backend_check_rings(bed.device.backend);
	assert_false(bed.device.connected);
	fake_front_hang_up(&bed.front);
	fake_front_reopen(&bed.front, bed.device.path);
	assert_false(bed.device.connected); /* not so soon */
	assert_true(clock_now_ns() - before < SOON);
	bed_close(&bed);
	thread_alarm_stop();
	close(call);
}

/* Nobody has an alarm here: were it rung, the test would hang. */
TEST(a_ring_that_does_not_run_is_not_called)
{
	int call = fake_eventfd();
	struct bed bed;

	make_block(call);
	bed_open(&bed);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, call);
	make_block(call);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, 0, call);
	make_block(call);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	fake_mem_table(&bed.front);
	fake_get_base(&bed.front, 0);
	bed_close(&bed);
	close(call);
}

TEST(sockets_that_linger_instead_of_what_was_asked_for)
{
	static const uint32_t requests[] = {
		VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_ERR, 99};

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct {
			struct vhost_user_header header;
			uint32_t payload[2];
		} message = {.header = {.request = requests[i],
				     .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY,
				     .size = 8}};
		struct fake_linger l;
		uint64_t before, verdict = 0;
		struct bed bed;

		bed_open(&bed);
		fake_linger_open(&l);
		assert_int_equal(
			unix_send(bed.front.fd, &message, sizeof(message), &l.fd, 1), sizeof(message));
		close(l.fd);
		before = clock_now_ns();
		assert_true(fake_reply(&bed.front, requests[i], &verdict, sizeof(verdict)));
		assert_int_equal(verdict, 1);
		assert_true(clock_now_ns() - before < SOON);
		bed_close(&bed);
		close(l.peer);
	}
}

/* Only the front-end's descriptors on the way hold the socket; whoever drops them closes it. */
static void send_linger(int fd, uint32_t n, struct fake_linger *l)
{
	int fds[64];

	assert_true(n <= ARRAY_LEN(fds));
	fake_linger_open(l);
	for (uint32_t i = 0; i < n; i++)
		fds[i] = l->fd;
	while (n > 0) {
		uint32_t some = min_u32(n, UNIX_MAX_FDS);

		assert_int_equal(unix_send(fd, "\1", 1, fds, some), 1);
		n -= some;
	}
	close(l->fd);
}

TEST(sockets_that_linger_where_no_message_is)
{
	static const uint32_t counts[] = {1, UNIX_MAX_FDS, 2 * UNIX_MAX_FDS};

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct fake_linger l;
		uint64_t before;
		struct bed bed;

		bed_open(&bed);
		send_linger(bed.front.fd, counts[i], &l);
		before = clock_now_ns();
		fake_front_hang_up(&bed.front);
		assert_false(bed.device.connected);
		assert_true(clock_now_ns() - before < SOON);
		bed_close(&bed);
		close(l.peer);
	}
}

TEST(a_socket_that_lingers_behind_a_message_that_ends_the_connection)
{
	struct vhost_user_header garbage = {.request = UINT32_MAX, .flags = UINT32_MAX};
	struct fake_linger l;
	uint64_t before;
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(unix_send(bed.front.fd, &garbage, sizeof(garbage), NULL, 0), sizeof(garbage));
	send_linger(bed.front.fd, 1, &l);
	before = clock_now_ns();
	fake_turns(bed.device.loop);
	assert_false(bed.device.connected);
	assert_true(clock_now_ns() - before < SOON);
	bed_close(&bed);
	close(l.peer);
}

TEST(a_socket_that_lingers_in_the_backlog)
{
	struct fake_linger l;
	uint64_t before;
	struct bed bed;
	int fd;

	bed_open(&bed);
	fd = unix_connect(bed.device.path);
	assert_true(fd >= 0);
	send_linger(fd, 1, &l);
	close(fd);
	before = clock_now_ns();
	fake_device_close(&bed.device);
	assert_true(clock_now_ns() - before < SOON);
	close(bed.front.fd);
	bed.front.fd = -1;
	fake_front_close(&bed.front);
	close(l.peer);
}

TESTS(cmocka_unit_test(a_call_that_blocks_breaks_its_ring_and_is_not_tried_again),
	cmocka_unit_test(a_ring_that_does_not_run_is_not_called),
	cmocka_unit_test(sockets_that_linger_instead_of_what_was_asked_for),
	cmocka_unit_test(sockets_that_linger_where_no_message_is),
	cmocka_unit_test(a_socket_that_lingers_behind_a_message_that_ends_the_connection),
	cmocka_unit_test(a_socket_that_lingers_in_the_backlog))
