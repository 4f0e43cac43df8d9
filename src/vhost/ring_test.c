/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/test.h"
#include "os/thread.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BIT30     (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define REPLY_ACK (1u << VHOST_USER_PROTOCOL_F_REPLY_ACK)

struct bed {
	struct fake_device device;
	struct fake_front front;
};

static void bed_open(struct bed *bed)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
}

/* With features and memory, rings disabled. */
static void bed_open_ready(struct bed *bed)
{
	bed_open(bed);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, REPLY_ACK);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

static struct vhost_ring_status status_of(struct bed *bed, uint32_t idx)
{
	struct vhost_ring_status status;

	vhost_backend_ring_status(bed->device.backend, idx, &status);
	return status;
}

TEST(a_ring_starts_with_its_kick_descriptor)
{
	int kick = fake_eventfd();
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 1, 0, kick);
	assert_null(bed.device.rings[0]);
	assert_non_null(bed.device.rings[1]);
	assert_true(bed.device.rings[1]->kick_fd >= 0);
	assert_true(status_of(&bed, 1).started);
	assert_int_equal(status_of(&bed, 1).size, FAKE_RING_SIZE);
	close(kick);
	bed_close(&bed);
}

TEST(a_ring_starts_without_kick_descriptor_too)
{
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_non_null(bed.device.rings[0]);
	assert_int_equal(bed.device.rings[0]->kick_fd, -1);
	bed_close(&bed);
}

TEST(a_ring_starts_disabled_and_is_enabled_by_its_message)
{
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_false(bed.device.rings[0]->enabled);
	fake_state(&bed.front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_true(bed.device.rings[0]->enabled);
	fake_state(&bed.front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	assert_false(bed.device.rings[0]->enabled);
	bed_close(&bed);
}

TEST(enabling_comes_before_everything_else_if_the_front_end_likes)
{
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < 4; i++)
		fake_state(&bed.front, VHOST_USER_SET_VRING_ENABLE, i, 1);
	fake_negotiate(&bed.front, FAKE_FEATURES | BIT30, 0);
	fake_ring_start(&bed.front, 2, 0, -1);
	assert_true(bed.device.rings[2]->enabled);
	bed_close(&bed);
}

TEST(features_without_bit_30_enable_all_rings_for_good)
{
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, -1);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
	assert_true(bed.device.rings[0]->enabled);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	assert_true(bed.device.rings[0]->enabled);
	bed_close(&bed);
}

TEST(a_live_change_of_features_happens_to_all_rings_at_once)
{
	uint64_t all = FAKE_FEATURES | BIT30, log = 1ull << VHOST_F_LOG_ALL;
	uint32_t published;
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, -1);
	fake_ring_start(&bed.front, 1, 0, -1);
	published = bed.device.published;
	for (int migration = 0; migration < 2; migration++) {
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, all | log);
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, all | log); /* QEMU, for its second pair */
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, all);
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, all);
	}
	assert_int_equal(bed.device.published, published + 8);
	assert_int_equal(bed.device.features_set, 1);
	bed_close(&bed);
}

TEST(reset_owner_disables_all_rings_until_the_next_features)
{
	struct bed bed;

	bed_open(&bed);
	fake_negotiate(&bed.front, FAKE_FEATURES, 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_true(bed.device.rings[0]->enabled);
	fake_plain(&bed.front, VHOST_USER_RESET_OWNER, NULL, 0);
	assert_false(bed.device.rings[0]->enabled);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
	assert_true(bed.device.rings[0]->enabled);
	bed_close(&bed);
}

/* Sends the k-th of the messages that make ring 0 run. */
static void send_part(struct bed *bed, uint32_t k)
{
	switch (k) {
	case 0:
		fake_u64(&bed->front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
		break;
	case 1:
		fake_mem_table(&bed->front);
		break;
	case 2:
		fake_state(&bed->front, VHOST_USER_SET_VRING_NUM, 0, FAKE_RING_SIZE);
		break;
	case 3:
		fake_ring_addr(&bed->front, 0, 0);
		break;
	default:
		fake_ring_fd(&bed->front, VHOST_USER_SET_VRING_KICK, 0, -1);
	}
}

/* NUM cannot follow KICK: the size of a started ring does not change. */
TEST(a_ring_runs_as_soon_as_all_is_known_whatever_came_first)
{
	static const uint8_t orders[][5] = {{0, 1, 2, 3, 4}, {3, 2, 1, 0, 4}, {1, 2, 3, 4, 0},
		{2, 3, 4, 1, 0}, {2, 4, 3, 0, 1}, {2, 4, 1, 0, 3}};

	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct bed bed;

		bed_open(&bed);
		for (uint32_t k = 0; k < 5; k++) {
			assert_null(bed.device.rings[0]);
			send_part(&bed, orders[i][k]);
		}
		assert_non_null(bed.device.rings[0]);
		assert_true(bed.device.rings[0]->vq.event_idx);
		assert_true(bed.device.rings[0]->enabled);
		bed_close(&bed);
	}
}

TEST(stopping_tells_the_true_index_and_keeps_it)
{
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_reset(&bed.front, 0, 65530);
	fake_ring_start(&bed.front, 0, 65530, -1);
	for (int i = 0; i < 10; i++)
		fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 9, 64);
	assert_int_equal(fake_get_base(&bed.front, 0), (uint16_t)(65530 + 9));
	assert_null(bed.device.rings[0]);
	assert_false(status_of(&bed, 0).started);
	assert_int_equal(fake_get_base(&bed.front, 0), (uint16_t)(65530 + 9));
	assert_int_equal(fake_used(&bed.front, 0)->idx, (uint16_t)(65530 + 9));
	/* and on it goes with the tenth */
	fake_ring_start(&bed.front, 0, (uint16_t)(65530 + 9), -1);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(fake_get_base(&bed.front, 0), (uint16_t)(65530 + 10));
	bed_close(&bed);
}

TEST(the_base_of_a_ring_that_never_ran_is_what_was_set)
{
	struct bed bed;

	bed_open_ready(&bed);
	assert_int_equal(fake_get_base(&bed.front, 0), 0);
	fake_state(&bed.front, VHOST_USER_SET_VRING_BASE, 0, 65535);
	assert_int_equal(fake_get_base(&bed.front, 0), 65535);
	fake_state(&bed.front, VHOST_USER_SET_VRING_BASE, 0, 0x80058005);
	assert_int_equal(fake_get_base(&bed.front, 0), 0x80058005);
	bed_close(&bed);
}

/* Size, base and features come in any order, so what a split ring cannot have shows when it should run. */
static void check_no_split_ring(uint32_t size, uint32_t base)
{
	uint64_t kick = VHOST_USER_RING_FD_NONE;
	struct bed bed;

	bed_open_ready(&bed);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, size);
	fake_state(&bed.front, VHOST_USER_SET_VRING_BASE, 0, base);
	fake_ring_addr(&bed.front, 0, 0);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 1);
	assert_null(bed.device.rings[0]);
	bed_close(&bed);
}

TEST(a_split_ring_does_not_run_with_a_base_beyond_16_bits)
{
	check_no_split_ring(FAKE_RING_SIZE, 65536);
	check_no_split_ring(FAKE_RING_SIZE, 0x80008000);
	check_no_split_ring(FAKE_RING_SIZE, UINT32_MAX);
}

TEST(a_split_ring_does_not_run_with_a_size_that_is_no_power_of_two)
{
	static const uint32_t sizes[] = {3, 7, 33, 255, 1000, 32767};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		check_no_split_ring(sizes[i], 0);
}

TEST(a_packed_ring_runs_with_any_size_and_its_base_has_two_places)
{
	struct bed bed;

	bed_open(&bed);
	fake_negotiate(&bed.front, FAKE_FEATURES | FAKE_PACKED | BIT30, REPLY_ACK);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, 7);
	fake_ring_addr(&bed.front, 0, 0);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, -1);
	assert_non_null(bed.device.rings[0]);
	assert_int_equal(fake_get_base(&bed.front, 0), 0x80008000);
	fake_state(&bed.front, VHOST_USER_SET_VRING_BASE, 0, 0x80078007); /* there is no slot 7 */
	assert_int_equal(fake_get_base(&bed.front, 0), 0x80078007);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, -1);
	assert_null(bed.device.rings[0]);
	bed_close(&bed);
}

TEST(a_thousand_stops_and_starts_lose_no_buffer)
{
	struct bed bed;

	bed_open_ready(&bed);
	for (uint32_t i = 0; i < 1000; i++) {
		fake_ring_start(&bed.front, 0, (uint16_t)(3 * i), -1);
		for (int k = 0; k < 3; k++)
			fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 3, 64);
		assert_int_equal(fake_get_base(&bed.front, 0), (uint16_t)(3 * (i + 1)));
	}
	bed_close(&bed);
}

TEST(a_started_ring_keeps_its_size_and_base)
{
	struct vhost_user_ring_state num = {.num = 2 * FAKE_RING_SIZE}, same = {.num = FAKE_RING_SIZE},
				     base = {.num = 5};
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &num, 8, NULL, 0), 1);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &same, 8, NULL, 0), 0);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_BASE, &base, 8, NULL, 0), 1);
	assert_int_equal(bed.device.rings[0]->vq.size, FAKE_RING_SIZE);
	assert_int_equal(fake_get_base(&bed.front, 0), 0);
	bed_close(&bed);
}

TEST(sizes_that_no_ring_has_are_refused)
{
	static const uint32_t sizes[] = {0, 32769, 65536, 0x80000000, UINT32_MAX};
	struct bed bed;

	bed_open_ready(&bed);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct vhost_user_ring_state num = {.num = sizes[i]};

		assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &num, 8, NULL, 0), 1);
	}
	bed_close(&bed);
}

TEST(rings_outside_memory_are_refused_when_they_should_run)
{
	struct vhost_user_ring_addr addr = {.index = 0, .desc = FAKE_UADDR, .avail = FAKE_UADDR + 0x1000};
	static const uint64_t used[] = {0, FAKE_UADDR - 4, FAKE_UADDR + FAKE_MEM_LEN,
		FAKE_UADDR + FAKE_MEM_LEN - 4, FAKE_UADDR + 0x2001, UINT64_MAX - 3};
	uint64_t kick = VHOST_USER_RING_FD_NONE;
	struct bed bed;

	bed_open_ready(&bed);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, FAKE_RING_SIZE);
	for (size_t i = 0; i < ARRAY_LEN(used); i++) {
		addr.used = used[i];
		assert_int_equal(
			fake_acked(&bed.front, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0),
			i > 0);
		if (i == 0)
			assert_int_equal(
				fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 1);
		assert_null(bed.device.rings[0]);
	}
	/* it is not too late for a good one */
	fake_ring_addr(&bed.front, 0, 0);
	assert_non_null(bed.device.rings[0]);
	bed_close(&bed);
}

TEST(the_guest_is_called_when_a_ring_starts_and_when_the_descriptor_changes)
{
	int first = fake_eventfd(), second = fake_eventfd();
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, first);
	assert_int_equal(fake_events(first), 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(fake_events(first), 1);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, second);
	assert_int_equal(fake_events(first), 0);
	assert_int_equal(fake_events(second), 1);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(fake_events(second), 1);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, -1);
	assert_int_equal(bed.device.rings[0]->vq.call.kind, BELL_NONE);
	close(first);
	close(second);
	bed_close(&bed);
}

TEST(live_changes_move_neither_index)
{
	int call = fake_eventfd();
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_reset(&bed.front, 0, 100);
	fake_ring_start(&bed.front, 0, 100, -1);
	for (uint16_t i = 0; i < 6; i++) {
		struct vhost_ring *ring;

		fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 1, 64);
		if (i == 0)
			fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, call);
		else if (i == 1)
			fake_ring_addr(&bed.front, 0, VHOST_USER_RING_ADDR_LOG);
		else if (i == 2)
			fake_u64(&bed.front, VHOST_USER_SET_FEATURES,
				FAKE_FEATURES | BIT30 | 1ull << VHOST_F_LOG_ALL);
		else if (i == 3)
			fake_mem_table(&bed.front);
		else
			fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, call);
		ring = bed.device.rings[0];
		assert_non_null(ring);
		assert_int_equal(ring->vq.next_avail, 101 + i);
		assert_int_equal(ring->vq.next_used, 101 + i);
	}
	assert_int_equal(bed.device.features_set, 1);
	close(call);
	bed_close(&bed);
}

TEST(a_change_at_one_ring_leaves_the_others_alone)
{
	uint32_t published;
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, -1);
	fake_ring_start(&bed.front, 1, 0, -1);
	published = bed.device.published;
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 1, -1);
	assert_int_equal(bed.device.published, published + 1);
	/* nothing changes, nobody is disturbed */
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	fake_state(&bed.front, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	assert_int_equal(bed.device.published, published + 1);
	bed_close(&bed);
}

TEST(a_ring_left_behind_by_a_dead_back_end_goes_on_at_the_used_index)
{
	struct bed bed;

	bed_open_ready(&bed);
	/* 7 were returned; whether the front-end says 0, as virtio-user does, or the avail index */
	fake_ring_reset(&bed.front, 0, 7);
	fake_avail(&bed.front, 0)->idx = 12;
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(bed.device.rings[0]->vq.next_avail, 7);
	assert_int_equal(fake_get_base(&bed.front, 0), 7);
	fake_ring_start(&bed.front, 0, 12, -1);
	assert_int_equal(bed.device.rings[0]->vq.next_avail, 7);
	assert_int_equal(bed.device.rings[0]->vq.next_used, 7);
	bed_close(&bed);
}

TEST(a_used_index_that_makes_no_sense_leaves_the_base_as_it_was_told)
{
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_reset(&bed.front, 0, 0);
	fake_avail(&bed.front, 0)->idx = 1000;
	fake_ring_start(&bed.front, 0, 1000, -1);
	assert_int_equal(bed.device.rings[0]->vq.next_avail, 1000);
	bed_close(&bed);
}

TEST(a_broken_ring_is_mended_by_a_restart_only)
{
	int err_fd = fake_eventfd();
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_reset(&bed.front, 0, 0);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, 0, err_fd);
	fake_ring_start(&bed.front, 0, 0, -1);
	fake_avail(&bed.front, 0)->idx = 40000;
	assert_int_equal(virtq_available(&bed.device.rings[0]->vq, 1), 0);
	assert_int_equal(fake_events(err_fd), 1);
	vhost_backend_check_rings(bed.device.backend);
	vhost_backend_check_rings(bed.device.backend);
	assert_int_equal(fake_device_status(&bed.device).rings_broken, 1);
	fake_avail(&bed.front, 0)->idx = 1;
	fake_mem_table(&bed.front);
	assert_int_equal(bed.device.rings[0]->vq.error, VIRTQ_AVAIL_JUMPED);
	assert_int_equal(virtq_available(&bed.device.rings[0]->vq, 1), 0);
	assert_int_equal(fake_get_base(&bed.front, 0), 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(virtq_available(&bed.device.rings[0]->vq, 1), 1);
	assert_true(fake_alive(&bed.front));
	close(err_fd);
	bed_close(&bed);
}

/* The front-end's copy of a call descriptor, full and without O_NONBLOCK. */
static void make_block(int fd)
{
	uint64_t full = UINT64_MAX - 1;

	fake_events(fd);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

/* One alarm for all: for the second ring nobody has one, and were it called, or its error told, the test would hang. */
TEST(a_front_end_whose_call_blocks_is_called_at_no_other_ring)
{
	int call[] = {fake_eventfd(), fake_eventfd()};
	struct bed bed;

	bed_open_ready(&bed);
	for (uint32_t i = 0; i < 2; i++) {
		fake_ring_reset(&bed.front, i, 0);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, i, call[i]);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, i, call[i]);
		fake_ring_start(&bed.front, i, 0, -1);
		fake_offer(&bed.front, i, 64);
		make_block(call[i]);
	}
	assert_int_equal(thread_alarm_start(), 0);
	fake_device_fill(&bed.device, 0, 1, 64);
	thread_alarm_stop();
	fake_device_fill(&bed.device, 1, 1, 64);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(bed.device.rings[i]->vq.error, VIRTQ_CALL_BLOCKS);
		close(call[i]);
	}
	vhost_backend_check_rings(bed.device.backend);
	assert_false(bed.device.connected);
	bed_close(&bed);
}

/* An acknowledged SET_VRING_CALL with this descriptor. */
static uint64_t call_with(struct bed *bed, int fd)
{
	uint64_t value = 0;

	return fake_acked(&bed->front, VHOST_USER_SET_VRING_CALL, &value, sizeof(value), &fd, 1);
}

TEST(eventfds_and_unix_sockets_carry_calls_and_other_files_do_not)
{
	int pipe_fds[2], socket_fds[2], event = fake_eventfd();
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), dir = open("/", O_RDONLY | O_CLOEXEC);
	int device = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct bed bed;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket_fds), 0);
	bed_open_ready(&bed);
	assert_int_equal(call_with(&bed, event), 0);
	assert_int_equal(call_with(&bed, socket_fds[0]), 0);
	assert_int_equal(call_with(&bed, pipe_fds[1]), 1);
	assert_int_equal(call_with(&bed, file), 1);
	assert_int_equal(call_with(&bed, dir), 1);
	assert_int_equal(call_with(&bed, device), 1);
	assert_int_equal(call_with(&bed, bed.front.memfd), 1);
	/* an honest one never makes us wait */
	assert_true(fcntl(socket_fds[0], F_GETFL) & O_NONBLOCK);
	bed_close(&bed);
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(socket_fds[i]);
	}
	close(event);
	close(file);
	close(dir);
	close(device);
}

/* An acknowledged SET_VRING_KICK with this descriptor, which is closed. */
static uint64_t kick_with(struct bed *bed, int fd)
{
	uint64_t value = 0, verdict;

	assert_true(fd >= 0);
	verdict = fake_acked(&bed->front, VHOST_USER_SET_VRING_KICK, &value, sizeof(value), &fd, 1);
	close(fd);
	return verdict;
}

TEST(only_eventfds_carry_kicks)
{
	struct bed bed;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	bed_open_ready(&bed);
	assert_int_equal(kick_with(&bed, ends[0]), 1);
	assert_int_equal(kick_with(&bed, ends[1]), 1);
	assert_int_equal(kick_with(&bed, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), 1);
	assert_int_equal(kick_with(&bed, epoll_create1(EPOLL_CLOEXEC)), 1);
	assert_int_equal(kick_with(&bed, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)), 1);
	assert_int_equal(kick_with(&bed, dup(bed.front.memfd)), 1);
	assert_false(status_of(&bed, 0).started);
	assert_int_equal(kick_with(&bed, fake_eventfd()), 0);
	assert_true(status_of(&bed, 0).started);
	bed_close(&bed);
}

TEST(the_flag_for_no_descriptor_and_the_descriptors_must_agree)
{
	uint64_t with = 0, without = VHOST_USER_RING_FD_NONE;
	int event = fake_eventfd();
	struct bed bed;

	bed_open_ready(&bed);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &with, 8, NULL, 0), 1);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &without, 8, &event, 1), 1);
	assert_false(status_of(&bed, 0).started);
	close(event);
	bed_close(&bed);
}

TEST(repeated_messages_replace_descriptors)
{
	int event = fake_eventfd();
	uint32_t before;
	struct bed bed;

	bed_open_ready(&bed);
	fake_ring_start(&bed.front, 0, 0, event);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, event);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, 0, event);
	before = fake_open_fds();
	for (int i = 0; i < 100; i++) {
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, event);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, event);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, 0, event);
	}
	assert_int_equal(fake_open_fds(), before);
	close(event);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_ring_starts_with_its_kick_descriptor),
	cmocka_unit_test(a_ring_starts_without_kick_descriptor_too),
	cmocka_unit_test(a_ring_starts_disabled_and_is_enabled_by_its_message),
	cmocka_unit_test(enabling_comes_before_everything_else_if_the_front_end_likes),
	cmocka_unit_test(features_without_bit_30_enable_all_rings_for_good),
	cmocka_unit_test(a_live_change_of_features_happens_to_all_rings_at_once),
	cmocka_unit_test(reset_owner_disables_all_rings_until_the_next_features),
	cmocka_unit_test(a_ring_runs_as_soon_as_all_is_known_whatever_came_first),
	cmocka_unit_test(stopping_tells_the_true_index_and_keeps_it),
	cmocka_unit_test(the_base_of_a_ring_that_never_ran_is_what_was_set),
	cmocka_unit_test(a_thousand_stops_and_starts_lose_no_buffer),
	cmocka_unit_test(a_started_ring_keeps_its_size_and_base),
	cmocka_unit_test(sizes_that_no_ring_has_are_refused),
	cmocka_unit_test(a_split_ring_does_not_run_with_a_base_beyond_16_bits),
	cmocka_unit_test(a_split_ring_does_not_run_with_a_size_that_is_no_power_of_two),
	cmocka_unit_test(a_packed_ring_runs_with_any_size_and_its_base_has_two_places),
	cmocka_unit_test(rings_outside_memory_are_refused_when_they_should_run),
	cmocka_unit_test(the_guest_is_called_when_a_ring_starts_and_when_the_descriptor_changes),
	cmocka_unit_test(live_changes_move_neither_index),
	cmocka_unit_test(a_change_at_one_ring_leaves_the_others_alone),
	cmocka_unit_test(a_ring_left_behind_by_a_dead_back_end_goes_on_at_the_used_index),
	cmocka_unit_test(a_used_index_that_makes_no_sense_leaves_the_base_as_it_was_told),
	cmocka_unit_test(a_broken_ring_is_mended_by_a_restart_only),
	cmocka_unit_test(a_front_end_whose_call_blocks_is_called_at_no_other_ring),
	cmocka_unit_test(eventfds_and_unix_sockets_carry_calls_and_other_files_do_not),
	cmocka_unit_test(only_eventfds_carry_kicks),
	cmocka_unit_test(the_flag_for_no_descriptor_and_the_descriptors_must_agree),
	cmocka_unit_test(repeated_messages_replace_descriptors))
