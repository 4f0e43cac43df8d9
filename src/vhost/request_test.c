/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <sys/socket.h>
#include <unistd.h>

#define BIT30   (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define CHANNEL (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ)
#define CONFIG  (1ull << VHOST_USER_PROTOCOL_F_CONFIG)
#define INBAND  (1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)

struct bed {
	struct fake_device device;
	struct fake_front front;
	int ours; /* the front-end's end of the channel, -1: none */
};

/* A new channel; the old one, if any, is closed at our end. */
static void bring_channel(struct bed *bed)
{
	int ends[2];

	if (bed->ours >= 0)
		close(bed->ours);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(fake_acked(&bed->front, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1), 0);
	close(ends[1]);
	bed->ours = ends[0];
}

static void bed_open(struct bed *bed, uint64_t protocol_features)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES, protocol_features);
	bed->ours = -1;
	if (protocol_features & 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ)
		bring_channel(bed);
}

static void bed_close(struct bed *bed)
{
	if (bed->ours >= 0)
		close(bed->ours);
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

/* NUM, BASE, ADDR, and nothing that tells how to kick or call. */
static void prepare_ring(struct bed *bed, uint32_t idx)
{
	fake_ring_reset(&bed->front, idx, 0);
	fake_state(&bed->front, VHOST_USER_SET_VRING_NUM, idx, FAKE_RING_SIZE);
	fake_state(&bed->front, VHOST_USER_SET_VRING_BASE, idx, 0);
	fake_ring_addr(&bed->front, idx, 0);
}

/* The next message on the channel: without payload, or with ring idx. False: there is none. */
static bool heard(struct bed *bed, uint32_t request, int idx)
{
	struct vhost_user_header header;
	struct vhost_user_ring_state state;
	ssize_t n = recv(bed->ours, &header, sizeof(header), 0);

	if (n < 0)
		return false;
	assert_int_equal(n, sizeof(header));
	assert_int_equal(header.flags, VHOST_USER_VERSION); /* no answer is asked for */
	if (header.request != request || header.size != (idx < 0 ? 0 : sizeof(state)))
		return false;
	if (idx < 0)
		return true;
	assert_int_equal(recv(bed->ours, &state, sizeof(state), 0), sizeof(state));
	return state.index == (uint32_t)idx && state.num == 0;
}

static bool silent(struct bed *bed)
{
	char byte;

	return recv(bed->ours, &byte, 1, 0) < 0;
}

TEST(a_channel_for_our_requests_is_kept_and_replaced)
{
	int event = fake_eventfd(), last;
	struct bed bed;
	char byte;

	bed_open(&bed, CHANNEL);
	for (int i = 0; i < 3; i++)
		bring_channel(&bed);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &event, 1), 1);
	close(event);
	assert_true(silent(&bed));
	last = bed.ours;
	bed.ours = -1;
	bed_close(&bed);
	fake_open_fds();                           /* what was let go of is closed now */
	assert_int_equal(read(last, &byte, 1), 0); /* closed with the connection */
	close(last);
}

/* --- CONFIG_CHANGE_MSG --- */

TEST(a_change_of_the_configuration_is_told_while_a_ring_is_started)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | CONFIG);
	fake_ring_start(&bed.front, 0, 0, -1);
	vhost_backend_config_changed(bed.device.backend);
	assert_true(heard(&bed, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, -1));
	assert_true(silent(&bed));
	bed_close(&bed);
}

TEST(a_suspended_device_says_nothing_before_it_is_resumed)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | CONFIG);
	vhost_backend_config_changed(bed.device.backend);
	vhost_backend_config_changed(bed.device.backend);
	vhost_backend_check_rings(bed.device.backend);
	assert_true(silent(&bed));
	fake_ring_start(&bed.front, 0, 0, -1);
	vhost_backend_check_rings(bed.device.backend);
	assert_true(heard(&bed, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, -1));
	vhost_backend_check_rings(bed.device.backend);
	assert_true(silent(&bed));
	bed_close(&bed);
}

TEST(nobody_is_told_who_did_not_negotiate_it)
{
	struct bed bed;

	bed_open(&bed, CHANNEL);
	fake_ring_start(&bed.front, 0, 0, -1);
	vhost_backend_config_changed(bed.device.backend);
	assert_true(silent(&bed));
	bed_close(&bed);
	bed_open(&bed, CONFIG);
	fake_ring_start(&bed.front, 0, 0, -1);
	vhost_backend_config_changed(bed.device.backend);
	fake_front_hang_up(&bed.front);
	vhost_backend_config_changed(bed.device.backend); /* nobody is there */
	bed_close(&bed);
}

/* --- notifications as messages --- */

TEST(a_ring_without_descriptors_is_started_and_kicked_by_messages)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	prepare_ring(&bed, 1);
	assert_null(bed.device.rings[1]);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 1, 0);
	assert_non_null(bed.device.rings[1]);
	assert_true(bed.device.rings[1]->kick_by_message);
	assert_int_equal(bed.device.kicks[1], 1);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 1, 0);
	assert_int_equal(bed.device.kicks[1], 2);
	assert_int_equal(bed.device.published, 1); /* nobody was disturbed */
	fake_get_base(&bed.front, 1);
	fake_ring_start(&bed.front, 1, 0, -1);
	assert_false(bed.device.rings[1]->kick_by_message); /* it wants to be polled */
	bed_close(&bed);
}

TEST(a_kick_of_a_ring_that_cannot_run_yet_starts_it_later)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, FAKE_RING_SIZE);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	assert_int_equal(bed.device.kicks[0], 0);
	assert_null(bed.device.rings[0]);
	fake_ring_addr(&bed.front, 0, 0);
	assert_non_null(bed.device.rings[0]); /* a ring that starts is looked at without a kick */
	assert_true(bed.device.rings[0]->kick_by_message);
	bed_close(&bed);
}

TEST(calls_and_errors_go_out_as_messages)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	prepare_ring(&bed, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	assert_true(heard(&bed, VHOST_USER_BACKEND_VRING_CALL, 0)); /* as after every start */
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_true(heard(&bed, VHOST_USER_BACKEND_VRING_CALL, 0));
	assert_true(silent(&bed));
	fake_avail(&bed.front, 0)->idx = 40000;
	assert_int_equal(virtq_available(&bed.device.rings[0]->vq, 1), 0);
	assert_true(heard(&bed, VHOST_USER_BACKEND_VRING_ERR, 0));
	bed_close(&bed);
}

TEST(a_descriptor_is_preferred_and_none_means_none)
{
	int call = fake_eventfd();
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, call);
	prepare_ring(&bed, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	assert_int_equal(fake_events(call), 1);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, 0, -1);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(fake_events(call), 0);
	assert_true(silent(&bed));
	close(call);
	bed_close(&bed);
}

TEST(a_channel_that_comes_late_is_used_and_a_new_one_takes_over)
{
	struct bed bed;

	bed_open(&bed, INBAND | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK);
	prepare_ring(&bed, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	assert_int_equal(bed.device.rings[0]->vq.call.kind, BELL_NONE);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, CHANNEL | INBAND);
	for (int i = 0; i < 3; i++) {
		bring_channel(&bed);
		assert_true(heard(&bed, VHOST_USER_BACKEND_VRING_CALL, 0));
		assert_true(silent(&bed));
	}
	bed_close(&bed);
}

TEST(without_the_feature_calls_are_no_messages)
{
	struct bed bed;

	bed_open(&bed, CHANNEL);
	prepare_ring(&bed, 0);
	fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, -1);
	assert_int_equal(bed.device.rings[0]->vq.call.kind, BELL_NONE);
	assert_true(silent(&bed));
	bed_close(&bed);
}

/* A front-end that is slow to read must not lose an interrupt for good. */
TEST(a_call_that_found_no_room_is_repeated)
{
	struct vhost_ring *ring;
	uint32_t n = 0;
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	prepare_ring(&bed, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	ring = bed.device.rings[0];
	for (int i = 0; i < 5000; i++)
		assert_true(virtq_call(&ring->vq));
	assert_int_equal(ring->vq.error, VIRTQ_OK);
	while (heard(&bed, VHOST_USER_BACKEND_VRING_CALL, 0))
		n++;
	assert_true(n < 5000);
	vhost_backend_check_rings(bed.device.backend);
	assert_true(heard(&bed, VHOST_USER_BACKEND_VRING_CALL, 0));
	vhost_backend_check_rings(bed.device.backend);
	assert_true(silent(&bed));
	bed_close(&bed);
}

static void check_channel_lost(struct bed *bed)
{
	fake_turns(bed->device.loop);
	assert_true(fake_alive(&bed->front));
	assert_non_null(bed->device.rings[0]);
	assert_int_equal(bed->device.rings[0]->vq.call.kind, BELL_NONE);
	fake_offer(&bed->front, 0, 64);
	fake_device_fill(&bed->device, 0, 1, 64);
}

TEST(a_front_end_may_close_the_channel)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	prepare_ring(&bed, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	close(bed.ours);
	bed.ours = -1;
	check_channel_lost(&bed);
	bed_close(&bed);
}

TEST(a_front_end_that_talks_on_the_channel_loses_it)
{
	struct bed bed;

	bed_open(&bed, CHANNEL | INBAND);
	prepare_ring(&bed, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	assert_int_equal(write(bed.ours, "hello", 5), 5);
	check_channel_lost(&bed);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_channel_for_our_requests_is_kept_and_replaced),
	cmocka_unit_test(a_change_of_the_configuration_is_told_while_a_ring_is_started),
	cmocka_unit_test(a_suspended_device_says_nothing_before_it_is_resumed),
	cmocka_unit_test(nobody_is_told_who_did_not_negotiate_it),
	cmocka_unit_test(a_ring_without_descriptors_is_started_and_kicked_by_messages),
	cmocka_unit_test(a_kick_of_a_ring_that_cannot_run_yet_starts_it_later),
	cmocka_unit_test(calls_and_errors_go_out_as_messages),
	cmocka_unit_test(a_descriptor_is_preferred_and_none_means_none),
	cmocka_unit_test(a_channel_that_comes_late_is_used_and_a_new_one_takes_over),
	cmocka_unit_test(without_the_feature_calls_are_no_messages),
	cmocka_unit_test(a_call_that_found_no_room_is_repeated),
	cmocka_unit_test(a_front_end_may_close_the_channel),
	cmocka_unit_test(a_front_end_that_talks_on_the_channel_loses_it))
