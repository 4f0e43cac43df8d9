/* SPDX-License-Identifier: Apache-2.0 */
/* A back-end is replaced by another one in a state of its connection: the front-end notices nothing. */
#include "base/check.h"
#include "base/test.h"
#include "os/unix.h"
#include "vhost/backend_private.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30 BIT(VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTO (BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD))

struct bed {
	struct fake_device old, new;
	struct fake_front front;
	bool succeeded;
};

static void bed_open(struct bed *bed)
{
	bed->succeeded = false;
	fake_device_open(&bed->old, 4);
	fake_front_open(&bed->front, bed->old.loop, bed->old.path);
}

/* Features and memory are there, ring 0 runs from index 5 and is enabled. */
static void bed_open_running(struct bed *bed)
{
	bed_open(bed);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, PROTO);
	fake_ring_reset(&bed->front, 0, 5);
	fake_ring_start(&bed->front, 0, 5, -1);
	fake_state(&bed->front, VHOST_USER_SET_VRING_ENABLE, 0, 1);
}

static void succeed_offering(struct bed *bed, uint64_t features)
{
	struct parcel arrived;

	fake_device_save(&bed->old, &arrived);
	fake_device_restore(&bed->new, &bed->old, &arrived, features);
	parcel_fini(&arrived);
	bed->front.loop = bed->new.loop;
	bed->succeeded = true;
}

/* From here on the old device is a process that has ended; only its copies of descriptors are still open. */
static void succeed(struct bed *bed)
{
	succeed_offering(bed, FAKE_FEATURES);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	if (bed->succeeded)
		fake_device_close(&bed->new);
	fake_device_close(&bed->old);
}

static void send_raw(struct bed *bed, const void *bytes, size_t len, const int *fds, uint32_t n_fds)
{
	assert_int_equal(unix_send(bed->front.fd, bytes, len, fds, n_fds), len);
}

TEST(a_front_end_that_has_said_nothing_yet_goes_on_from_the_start)
{
	struct bed bed;

	bed_open(&bed);
	succeed(&bed);
	assert_true(bed.new.connected);
	fake_negotiate(&bed.front, FAKE_FEATURES | BIT30, PROTO);
	fake_ring_start(&bed.front, 1, 0, -1);
	assert_non_null(bed.new.rings[1]);
	assert_int_equal(bed.new.features, FAKE_FEATURES);
	bed_close(&bed);
}

TEST(a_listener_without_a_front_end_serves_the_next_one)
{
	struct bed bed;

	bed_open(&bed);
	fake_front_hang_up(&bed.front);
	succeed(&bed);
	assert_false(bed.new.connected);
	fake_front_reopen(&bed.front, bed.new.path);
	assert_true(fake_alive(&bed.front));
	assert_int_equal(fake_device_status(&bed.new).connections, 2);
	bed_close(&bed);
}

TEST(who_knocks_during_the_change_is_served_after_it)
{
	struct bed bed;
	struct parcel arrived;

	bed_open(&bed);
	fake_front_hang_up(&bed.front);
	fake_device_save(&bed.old, &arrived);
	bed.front.fd = unix_connect(bed.old.path);
	assert_true(bed.front.fd >= 0);
	fake_device_restore(&bed.new, &bed.old, &arrived, FAKE_FEATURES);
	parcel_fini(&arrived);
	bed.succeeded = true;
	bed.front.loop = bed.new.loop;
	fake_turns(bed.new.loop);
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

TEST(a_ring_goes_on_at_its_place_with_its_buffers)
{
	struct vhost_ring_status status;
	struct bed bed;

	bed_open_running(&bed);
	for (int i = 0; i < 4; i++)
		fake_offer(&bed.front, 0, 100);
	fake_device_fill(&bed.old, 0, 3, 40);
	succeed(&bed);
	assert_null(bed.old.rings[0]);
	assert_non_null(bed.new.rings[0]);
	assert_true(bed.new.rings[0]->enabled);
	assert_int_equal(bed.new.features, FAKE_FEATURES);
	fake_device_fill(&bed.new, 0, 1, 50);
	assert_int_equal(fake_used(&bed.front, 0)->idx, 9);
	assert_int_equal(fake_used(&bed.front, 0)->ring[8 % FAKE_RING_SIZE].len, 50);
	assert_int_equal(virtq_available(&bed.new.rings[0]->vq, 1), 0);
	vhost_backend_ring_status(bed.new.backend, 0, &status);
	assert_true(status.started && status.size == FAKE_RING_SIZE);
	assert_int_equal(fake_get_base(&bed.front, 0), 9);
	bed_close(&bed);
}

TEST(a_packed_ring_keeps_both_of_its_places_and_their_wraps)
{
	static const struct {
		uint16_t place; /* in the first lap or in the second */
		uint32_t base;
	} rows[] = {{0, 0x80008000}, {5, 0x80058005}, {7 + 3, 0x00030003}};

	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct virtq *q;
		struct bed bed;

		bed_open(&bed);
		fake_negotiate(&bed.front, FAKE_FEATURES | FAKE_PACKED, 0);
		fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, 7);
		fake_ring_addr(&bed.front, 0, 0);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, -1);
		q = &bed.old.rings[0]->vq;
		q->next_avail = q->next_used = q->flushed_used = rows[i].place; /* as after some traffic */
		succeed_offering(&bed, FAKE_OFFERED);
		assert_true(bed.new.rings[0]->vq.packed);
		assert_int_equal(bed.new.rings[0]->vq.next_avail, rows[i].place);
		assert_int_equal(fake_get_base(&bed.front, 0), rows[i].base);
		bed_close(&bed);
	}
}

TEST(what_is_in_flight_stays_written_down)
{
	struct vhost_user_inflight areas = {.num_queues = 2, .queue_size = FAKE_RING_SIZE};
	struct inflight_entry entries[FAKE_RING_SIZE];
	struct bed bed;

	bed_open(&bed);
	fake_negotiate(&bed.front, FAKE_FEATURES, BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD));
	fake_plain(&bed.front, VHOST_USER_GET_INFLIGHT_FD, &areas, sizeof(areas));
	assert_true(fake_reply(&bed.front, VHOST_USER_GET_INFLIGHT_FD, &areas, sizeof(areas)));
	fake_ring_start(&bed.front, 1, 0, -1);
	inflight_fetch(&bed.old.rings[1]->inflight->split, 9);
	inflight_fetch(&bed.old.rings[1]->inflight->split, 4);
	succeed(&bed);
	assert_int_equal(inflight_recover(&bed.new.rings[1]->inflight->split, 0, entries), 2);
	assert_int_equal(entries[0].head, 9);
	assert_int_equal(entries[1].head, 4);
	bed_close(&bed);
}

TEST(kick_and_call_go_with_the_ring)
{
	int kick = fake_eventfd(), call = fake_eventfd();
	struct bed bed;

	bed_open_running(&bed);
	fake_ring_start(&bed.front, 1, 0, kick);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 1, call);
	fake_events(call);
	succeed(&bed);
	assert_int_equal(fake_events(call), 1); /* as after every start */
	assert_int_equal(write(bed.new.rings[1]->kick_fd, "\1\0\0\0\0\0\0\0", 8), 8);
	assert_int_equal(fake_events(kick), 1);
	fake_offer(&bed.front, 1, 100);
	fake_device_fill(&bed.new, 1, 1, 10);
	assert_int_equal(fake_events(call), 1);
	close(kick);
	close(call);
	bed_close(&bed);
}

TEST(a_call_through_a_socket_stays_one)
{
	int ends[2];
	struct bed bed;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	bed_open_running(&bed);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, ends[0]);
	succeed(&bed);
	assert_int_equal(bed.new.rings[0]->vq.call.kind, BELL_SOCKET);
	close(ends[0]);
	close(ends[1]);
	bed_close(&bed);
}

TEST(rings_that_are_disabled_stopped_or_half_set_up_stay_so)
{
	struct bed bed;

	bed_open_running(&bed);
	fake_ring_start(&bed.front, 1, 0, -1); /* runs, disabled */
	fake_ring_start(&bed.front, 2, 7, -1);
	fake_get_base(&bed.front, 2); /* stopped, its place is remembered */
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 3, FAKE_RING_SIZE);
	fake_ring_addr(&bed.front, 3, 0);
	succeed(&bed);
	assert_non_null(bed.new.rings[1]);
	assert_false(bed.new.rings[1]->enabled);
	assert_null(bed.new.rings[2]);
	assert_null(bed.new.rings[3]);
	fake_state(&bed.front, VHOST_USER_SET_VRING_ENABLE, 1, 1);
	assert_true(bed.new.rings[1]->enabled);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 3, -1);
	assert_non_null(bed.new.rings[3]);
	bed_close(&bed);
}

TEST(a_broken_ring_stays_broken_until_it_is_restarted)
{
	struct bed bed;

	bed_open_running(&bed);
	fake_avail(&bed.front, 0)->idx = 5 + 1000;
	assert_int_equal(virtq_available(&bed.old.rings[0]->vq, 1), 0);
	vhost_backend_check_rings(bed.old.backend);
	succeed(&bed);
	assert_int_equal(bed.new.rings[0]->vq.error, VIRTQ_AVAIL_JUMPED);
	vhost_backend_check_rings(bed.new.backend);
	assert_int_equal(fake_device_status(&bed.new).rings_broken, 1); /* told once in all */
	fake_avail(&bed.front, 0)->idx = 5;
	fake_get_base(&bed.front, 0);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, -1);
	assert_int_equal(bed.new.rings[0]->vq.error, VIRTQ_OK);
	bed_close(&bed);
}

TEST(a_message_that_was_cut_anywhere_is_completed_by_the_successor)
{
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_MEM_TABLE, .flags = VHOST_USER_VERSION, .size = 40};
	struct vhost_user_mem mem = {.n = 1,
		.regions[0] = {
			.gpa = FAKE_GPA, .size = FAKE_MEM_LEN, .uaddr = FAKE_UADDR, .offset = FAKE_OFFSET}};
	uint8_t bytes[sizeof(header) + 40];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &mem, 40);
	for (size_t cut = 1; cut < sizeof(bytes); cut++) {
		struct bed bed;

		bed_open(&bed);
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
		send_raw(&bed, bytes, cut, &bed.front.memfd, 1); /* with the descriptor on its first byte */
		fake_turns(bed.old.loop);
		succeed(&bed);
		send_raw(&bed, bytes + cut, sizeof(bytes) - cut, NULL, 0);
		fake_turns(bed.new.loop);
		fake_ring_start(&bed.front, 0, 0, -1);
		assert_non_null(bed.new.rings[0]);
		bed_close(&bed);
	}
}

TEST(what_the_front_end_sends_while_nobody_looks_is_read_by_the_successor)
{
	struct vhost_user_header header = {.request = VHOST_USER_GET_FEATURES, .flags = VHOST_USER_VERSION};
	struct bed bed;
	struct parcel arrived;
	uint64_t features;

	bed_open(&bed);
	fake_device_save(&bed.old, &arrived);
	send_raw(&bed, &header, sizeof(header), NULL, 0);
	fake_device_restore(&bed.new, &bed.old, &arrived, FAKE_FEATURES);
	parcel_fini(&arrived);
	bed.succeeded = true;
	bed.front.loop = bed.new.loop;
	fake_turns(bed.new.loop);
	assert_true(fake_reply(&bed.front, VHOST_USER_GET_FEATURES, &features, sizeof(features)));
	bed_close(&bed);
}

/* Fills the socket with replies that nobody reads, until some have to wait. */
TEST(answers_that_could_not_be_sent_yet_are_sent_by_the_successor)
{
	struct vhost_user_header header = {.request = VHOST_USER_GET_FEATURES, .flags = VHOST_USER_VERSION};
	int asked = 0, small = 4096;
	struct bed bed;

	bed_open(&bed);
	setsockopt(bed.old.backend->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (; bed.old.backend->conn.out_len == 0; asked++) {
		send_raw(&bed, &header, sizeof(header), NULL, 0);
		fake_turns(bed.old.loop);
	}
	succeed(&bed);
	for (int i = 0; i < asked; i++) {
		uint64_t features;

		assert_true(fake_reply(&bed.front, VHOST_USER_GET_FEATURES, &features, sizeof(features)));
		fake_turns(bed.new.loop);
	}
	assert_int_equal(bed.new.backend->conn.out_len, 0);
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

TEST(a_dirty_log_goes_on)
{
	struct vhost_user_log log = {.size = 64, .offset = 8};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(log)};
	uint64_t gpa = FAKE_GPA + FAKE_RINGS * FAKE_RING_LEN + 5 % FAKE_RING_SIZE * 0x1000ull, reply;
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct bed bed;
	uint8_t *bits;

	assert_int_equal(ftruncate(fd, 4096), 0);
	bits = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bed_open_running(&bed);
	assert_true(fake_send(&bed.front, &header, &log, &fd, 1));
	assert_true(fake_reply(&bed.front, VHOST_USER_SET_LOG_BASE, &reply, sizeof(reply)));
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30 | BIT(VHOST_F_LOG_ALL));
	succeed(&bed);
	assert_true(fake_device_status(&bed.new).logging);
	memset(bits, 0, 4096);
	fake_offer(&bed.front, 0, 100);
	fake_device_fill(&bed.new, 0, 1, 100);
	assert_int_equal(bits[8 + gpa / 4096 / 8], 1 << (gpa / 4096 % 8));
	bed_close(&bed);
	munmap(bits, 4096);
	close(fd);
}

TEST(settings_and_counters_are_those_of_before)
{
	struct vhost_backend_status before, after;
	int ends[2];
	struct bed bed;
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_BACKEND_REQ_FD, .flags = VHOST_USER_VERSION};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	bed_open(&bed);
	fake_negotiate(&bed.front, FAKE_FEATURES | BIT30, PROTO | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ));
	assert_true(fake_send(&bed.front, &header, NULL, &ends[0], 1));
	assert_int_equal(fake_acked(&bed.front, 999, NULL, 0, NULL, 0), 1);
	before = fake_device_status(&bed.old);
	succeed(&bed);
	after = fake_device_status(&bed.new);
	assert_int_equal(after.features, before.features);
	assert_int_equal(after.protocol_features, before.protocol_features);
	assert_int_equal(after.messages, before.messages);
	assert_int_equal(after.connections, 1);
	assert_int_equal(after.protocol_errors, 1);
	assert_string_equal(after.why, before.why);
	assert_string_equal(after.path, before.path);
	assert_true(after.server);
	assert_true(bed.new.backend->request.fd >= 0);
	close(ends[0]);
	close(ends[1]);
	bed_close(&bed);
}

TEST(one_that_connects_goes_on_as_well)
{
	struct fake_device old, new;
	struct parcel arrived;
	struct fake_front front;
	int listener;

	fake_device_open_client(&old, 4);
	listener = unix_listen(old.path, 0600, 1);
	assert_int_equal(loop_turn(old.loop, 0), 0);
	fake_front_attach(&front, old.loop, unix_accept(listener));
	fake_device_save(&old, &arrived);
	fake_device_restore(&new, &old, &arrived, FAKE_FEATURES);
	parcel_fini(&arrived);
	front.loop = new.loop;
	assert_true(fake_alive(&front));
	assert_false(fake_device_status(&new).server);
	fake_front_close(&front);
	fake_device_close(&new);
	fake_device_close(&old);
	close(listener);
}

TEST(a_front_end_that_uses_what_the_successor_lacks_is_left_behind_and_may_come_again)
{
	struct bed bed;

	log_set_level(LOG_LEVEL_ERROR);
	bed_open_running(&bed);
	succeed_offering(&bed, FAKE_FEATURES & ~BIT(15));
	assert_false(bed.new.connected);
	assert_null(bed.new.rings[0]);
	assert_non_null(strstr(fake_device_status(&bed.new).why, "0x8000"));
	fake_front_hang_up(&bed.front);
	fake_front_reopen(&bed.front, bed.new.path);
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

TEST(memory_that_was_cut_meanwhile_leaves_its_front_end_behind)
{
	struct parcel arrived;
	struct bed bed;

	bed_open_running(&bed);
	fake_device_save(&bed.old, &arrived);
	assert_int_equal(ftruncate(bed.front.memfd, 4096), 0);
	fake_device_restore(&bed.new, &bed.old, &arrived, FAKE_FEATURES);
	parcel_fini(&arrived);
	bed.succeeded = true;
	bed.front.loop = bed.new.loop;
	assert_false(bed.new.connected);
	assert_non_null(strstr(fake_device_status(&bed.new).why, "ends beyond its file"));
	bed_close(&bed);
}

/* What arrived, after the test has changed it. */
static void succeed_with(struct bed *bed, struct parcel *arrived)
{
	log_set_level(LOG_LEVEL_ERROR);
	fake_device_restore(&bed->new, &bed->old, arrived, FAKE_FEATURES);
	parcel_fini(arrived);
	bed->succeeded = true;
	bed->front.loop = bed->new.loop;
}

TEST(descriptors_of_the_wrong_kind_leave_their_front_end_behind)
{
	static const char *const keys[] = {"kick", "call", "err"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int pipe_ends[2], good = fake_eventfd(), n;
		struct parcel arrived;
		json_t *ring, *name;
		struct bed bed;

		assert_int_equal(pipe(pipe_ends), 0);
		bed_open_running(&bed);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, good);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, good);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, 0, good);
		fake_device_save(&bed.old, &arrived);
		ring = json_array_get(
			json_object_get(json_object_get(arrived.json, "front-end"), "rings"), 0);
		name = json_object_get(ring, keys[i]);
		if (json_is_object(name))
			name = json_object_get(name, "descriptor");
		n = (int)json_integer_value(name);
		assert_int_equal(dup2(pipe_ends[1], arrived.fds[n]), arrived.fds[n]);
		succeed_with(&bed, &arrived);
		assert_false(bed.new.connected);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
		close(good);
		bed_close(&bed);
	}
}

/* Another version's longest message may be longer than ours. */
TEST(half_a_message_that_this_version_has_no_room_for_leaves_its_front_end_behind)
{
	static const uint32_t sizes[] = {0, MESSAGE_MAX_PAYLOAD + 1, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		const struct vhost_user_header header = {
			.request = VHOST_USER_SET_MEM_TABLE, .flags = VHOST_USER_VERSION, .size = sizes[i]};
		struct parcel arrived;
		struct bed bed;

		bed_open_running(&bed);
		fake_device_save(&bed.old, &arrived);
		json_object_set_new(json_object_get(json_object_get(arrived.json, "front-end"), "connection"),
			"in", parcel_hex(&header, sizeof(header)));
		succeed_with(&bed, &arrived);
		assert_false(bed.new.connected);
		bed_close(&bed);
	}
}

TEST(areas_for_buffers_in_flight_that_lie_elsewhere_leave_their_front_end_behind)
{
	static const int strides[] = {1, 2 * (16 + 16 * FAKE_RING_SIZE) - 8};

	for (size_t i = 0; i < ARRAY_LEN(strides); i++) {
		struct vhost_user_inflight areas = {.num_queues = 2, .queue_size = FAKE_RING_SIZE};
		struct parcel arrived;
		struct bed bed;

		bed_open(&bed);
		fake_negotiate(&bed.front, FAKE_FEATURES, BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD));
		fake_plain(&bed.front, VHOST_USER_GET_INFLIGHT_FD, &areas, sizeof(areas));
		assert_true(fake_reply(&bed.front, VHOST_USER_GET_INFLIGHT_FD, &areas, sizeof(areas)));
		fake_ring_start(&bed.front, 1, 0, -1);
		fake_device_save(&bed.old, &arrived);
		json_object_set_new(json_object_get(json_object_get(arrived.json, "front-end"), "inflight"),
			"stride", json_integer(strides[i]));
		succeed_with(&bed, &arrived);
		assert_false(bed.new.connected);
		bed_close(&bed);
	}
}

TEST(without_a_successor_the_old_one_goes_on)
{
	struct parcel arrived;
	struct bed bed;

	bed_open_running(&bed);
	fake_offer(&bed.front, 0, 100);
	fake_offer(&bed.front, 0, 100);
	fake_device_fill(&bed.old, 0, 1, 10);
	fake_device_save(&bed.old, &arrived);
	assert_null(bed.old.rings[0]);
	parcel_fini(&arrived); /* as when the successor dies */
	vhost_backend_resume(bed.old.backend);
	fake_device_fill(&bed.old, 0, 1, 10);
	assert_int_equal(fake_used(&bed.front, 0)->idx, 7);
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_front_end_that_has_said_nothing_yet_goes_on_from_the_start),
	cmocka_unit_test(a_listener_without_a_front_end_serves_the_next_one),
	cmocka_unit_test(who_knocks_during_the_change_is_served_after_it),
	cmocka_unit_test(a_ring_goes_on_at_its_place_with_its_buffers),
	cmocka_unit_test(a_packed_ring_keeps_both_of_its_places_and_their_wraps),
	cmocka_unit_test(what_is_in_flight_stays_written_down),
	cmocka_unit_test(kick_and_call_go_with_the_ring), cmocka_unit_test(a_call_through_a_socket_stays_one),
	cmocka_unit_test(rings_that_are_disabled_stopped_or_half_set_up_stay_so),
	cmocka_unit_test(a_broken_ring_stays_broken_until_it_is_restarted),
	cmocka_unit_test(a_message_that_was_cut_anywhere_is_completed_by_the_successor),
	cmocka_unit_test(what_the_front_end_sends_while_nobody_looks_is_read_by_the_successor),
	cmocka_unit_test(answers_that_could_not_be_sent_yet_are_sent_by_the_successor),
	cmocka_unit_test(a_dirty_log_goes_on), cmocka_unit_test(settings_and_counters_are_those_of_before),
	cmocka_unit_test(one_that_connects_goes_on_as_well),
	cmocka_unit_test(a_front_end_that_uses_what_the_successor_lacks_is_left_behind_and_may_come_again),
	cmocka_unit_test(memory_that_was_cut_meanwhile_leaves_its_front_end_behind),
	cmocka_unit_test(descriptors_of_the_wrong_kind_leave_their_front_end_behind),
	cmocka_unit_test(half_a_message_that_this_version_has_no_room_for_leaves_its_front_end_behind),
	cmocka_unit_test(areas_for_buffers_in_flight_that_lie_elsewhere_leave_their_front_end_behind),
	cmocka_unit_test(without_a_successor_the_old_one_goes_on))
