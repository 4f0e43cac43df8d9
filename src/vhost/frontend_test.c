/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/frontend.h"

#include "base/check.h"
#include "base/test.h"
#include "os/clock.h"
#include "vhost/fake_back.h"
#include "vhost/fake_device.h"
#include "vhost/fake_driver.h"
#include "vhost/fake_front.h"
#include "vhost/frontend_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30 BIT(VHOST_USER_F_PROTOCOL_FEATURES)

/* --- with our own back-end --- */

static void buffers_arrive(struct fake_driver *driver, struct fake_device *device, uint32_t ring)
{
	uint8_t expected[64];

	memset(expected, 0x5a, sizeof(expected));
	for (uint32_t n = 0; n < 40; n++) {
		uint16_t before = fake_driver_used(driver, ring);

		fake_driver_offer(driver, ring, 64);
		fake_device_fill(device, ring, 1, 64);
		assert_int_equal(fake_driver_used(driver, ring), before + 1);
		assert_memory_equal(fake_driver_buffer(driver, ring, before), expected, 64);
		assert_int_not_equal(fake_events(driver->plan.rings[ring].call_fd), 0);
	}
}

static void wait_until_running(struct fake_driver *driver)
{
	for (int i = 0; i < 100 && !driver->running; i++)
		fake_turns(driver->loop);
	assert_true(driver->running);
}

static void check_running(struct fake_driver *driver, struct fake_device *device)
{
	struct vhost_frontend_status status = fake_driver_status(driver);

	assert_int_equal(driver->n_rings, 4);
	assert_int_equal(driver->features, FAKE_FEATURES);
	assert_int_equal(device->features, FAKE_FEATURES);
	assert_true(status.connected && status.started);
	assert_null(status.step);
	assert_int_equal(status.error, 0);
	assert_string_equal(status.why, "");
	assert_int_equal(status.features, FAKE_FEATURES | BIT30);
	assert_int_equal(status.n_rings, 4);
	assert_int_equal(status.protocol_errors, 0);
	assert_int_equal(fake_device_status(device).protocol_errors, 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_non_null(device->rings[i]);
		assert_true(device->rings[i]->enabled);
		buffers_arrive(driver, device, i);
	}
}

TEST(a_client_and_a_device_of_ours_work_together)
{
	uint32_t fds = fake_open_fds(), maps = fake_mappings();
	struct fake_device device;
	struct fake_driver driver;

	fake_device_open(&device, 4);
	fake_driver_open(&driver, device.loop, device.path, false);
	wait_until_running(&driver);
	check_running(&driver, &device);
	fake_driver_close(&driver);
	fake_turns(device.loop);
	assert_false(device.connected);
	fake_device_close(&device);
	assert_int_equal(fake_open_fds(), fds);
	assert_int_equal(fake_mappings(), maps);
}

TEST(a_server_and_a_device_of_ours_work_together)
{
	uint32_t fds = fake_open_fds(), maps = fake_mappings();
	struct fake_device device;
	struct fake_driver driver;

	fake_device_open_client(&device, 4);
	fake_driver_open(&driver, device.loop, device.path, true);
	wait_until_running(&driver);
	check_running(&driver, &device);
	assert_true(fake_driver_status(&driver).server);
	fake_driver_close(&driver);
	assert_int_not_equal(access(device.path, F_OK), 0);
	fake_turns(device.loop);
	fake_device_close(&device);
	assert_int_equal(fake_open_fds(), fds);
	assert_int_equal(fake_mappings(), maps);
}

TEST(a_device_of_ours_says_that_its_configuration_has_changed)
{
	struct fake_device device;
	struct fake_driver driver;

	fake_device_open(&device, 4);
	fake_driver_open(&driver, device.loop, device.path, false);
	wait_until_running(&driver);
	assert_int_equal(driver.config_changes, 0);
	vhost_backend_config_changed(device.backend);
	fake_turns(device.loop);
	assert_int_equal(driver.config_changes, 1);
	fake_driver_close(&driver);
	fake_device_close(&device);
}

TEST(a_connection_that_breaks_is_followed_by_one_with_fresh_rings)
{
	uint32_t fds = fake_open_fds(), maps = fake_mappings();
	struct fake_device device;
	struct fake_driver driver;

	fake_device_open(&device, 4);
	fake_driver_open(&driver, device.loop, device.path, false);
	for (uint32_t life = 1; life <= 10; life++) {
		wait_until_running(&driver);
		assert_int_equal(driver.lives, life);
		assert_int_equal(driver.starts, life);
		assert_int_equal(fake_driver_used(&driver, 1), 0);
		buffers_arrive(&driver, &device, 1);
		assert_int_equal(shutdown(driver.frontend->conn.fd, SHUT_RDWR), 0);
		assert_int_equal(loop_turn(device.loop, 0), 0);
		assert_int_equal(fake_driver_status(&driver).error, -ECONNRESET);
		assert_string_equal(fake_driver_status(&driver).why, "back-end has left");
		assert_false(driver.prepared);
	}
	assert_int_equal(fake_driver_status(&driver).protocol_errors, 0);
	fake_driver_close(&driver);
	fake_device_close(&device);
	assert_int_equal(fake_open_fds(), fds);
	assert_int_equal(fake_mappings(), maps);
}

/* --- with a scripted one --- */

struct bed {
	struct fake_back back;
	struct fake_driver driver;
};

/* The back-end waits for its first request. */
static void bed_open(struct bed *bed)
{
	fake_back_open(&bed->back);
	fake_driver_open(&bed->driver, bed->back.loop, bed->back.path, false);
	fake_back_accept(&bed->back);
}

static void bed_close(struct bed *bed)
{
	fake_driver_close(&bed->driver);
	fake_back_close(&bed->back);
}

static void check_why(struct bed *bed, int err, const char *why)
{
	struct vhost_frontend_status status;

	assert_true(fake_back_left(&bed->back));
	status = fake_driver_status(&bed->driver);
	assert_int_equal(status.error, err);
	assert_string_equal(status.why, why);
	assert_int_equal(status.protocol_errors, 1);
	assert_false(bed->driver.prepared);
}

TEST(everything_is_said_in_the_order_that_back_ends_want)
{
	static const uint32_t order[] = {VHOST_USER_GET_FEATURES, VHOST_USER_SET_OWNER,
		VHOST_USER_GET_PROTOCOL_FEATURES, VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_GET_QUEUE_NUM,
		VHOST_USER_SET_BACKEND_REQ_FD, VHOST_USER_SET_FEATURES, VHOST_USER_SET_STATUS,
		VHOST_USER_GET_STATUS, VHOST_USER_SET_MEM_TABLE};
	static const uint32_t ring[] = {VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ADDR, VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_KICK};
	struct bed bed;

	bed_open(&bed);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		assert_int_equal(bed.driver.prepared, order[i] == VHOST_USER_SET_MEM_TABLE);
		assert_int_equal(fake_back_serve(&bed.back, 1), 1);
		assert_int_equal(bed.back.header.request, order[i]);
	}
	for (uint32_t i = 0; i < 4 * ARRAY_LEN(ring); i++) {
		assert_int_equal(fake_back_serve(&bed.back, 1), 1);
		assert_int_equal(bed.back.header.request, ring[i % ARRAY_LEN(ring)]);
		assert_int_equal(bed.back.payload[0], i / ARRAY_LEN(ring));
		assert_int_equal(bed.back.header.flags, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY);
	}
	assert_int_equal(bed.back.kicked, 0xf);
	assert_int_equal(fake_back_serve(&bed.back, 4), 4);
	assert_int_equal(bed.back.enabled, 0xf);
	assert_int_equal(bed.back.status, 0xb);
	assert_false(bed.driver.running);
	assert_int_equal(fake_back_serve(&bed.back, FAKE_BACK_ALL), 1);
	assert_int_equal(bed.back.status, 0xf);
	assert_true(bed.driver.running);
	assert_int_equal(bed.back.features_set, FAKE_FEATURES | BIT30);
	assert_int_equal(bed.back.protocol_features_set, FAKE_BACK_PROTOCOL);
	bed_close(&bed);
}

TEST(a_back_end_of_old_that_knows_no_protocol_features_is_asked_for_none)
{
	static const uint32_t order[] = {VHOST_USER_GET_FEATURES, VHOST_USER_SET_OWNER,
		VHOST_USER_SET_FEATURES, VHOST_USER_SET_MEM_TABLE, VHOST_USER_GET_FEATURES,
		VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE, VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_NUM,
		VHOST_USER_SET_VRING_BASE, VHOST_USER_SET_VRING_ADDR, VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_KICK, VHOST_USER_GET_FEATURES};
	struct bed bed;

	bed_open(&bed);
	bed.back.features = FAKE_FEATURES;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		assert_false(bed.driver.running);
		assert_int_equal(fake_back_serve(&bed.back, 1), 1);
		assert_int_equal(bed.back.header.request, order[i]);
		assert_int_equal(bed.back.header.flags, VHOST_USER_VERSION);
	}
	assert_int_equal(fake_back_serve(&bed.back, FAKE_BACK_ALL), 0);
	assert_true(bed.driver.running);
	assert_int_equal(bed.driver.n_rings, 2);
	assert_int_equal(bed.back.features_set, FAKE_FEATURES);
	bed_close(&bed);
}

/* Like VPP's: protocol features, but no acknowledgements. */
TEST(a_back_end_that_cannot_acknowledge_is_asked_in_between)
{
	struct bed bed;

	bed_open(&bed);
	bed.back.protocol_features = 1;
	while (!bed.driver.running) {
		assert_int_equal(fake_back_serve(&bed.back, 1), 1);
		assert_int_equal(bed.back.header.flags, VHOST_USER_VERSION);
	}
	assert_int_equal(bed.back.header.request, VHOST_USER_GET_FEATURES);
	assert_int_equal(bed.back.protocol_features_set, 1);
	assert_int_equal(bed.back.enabled, 0xf);
	bed_close(&bed);
}

/* What the back-end said it can, we also want, but nothing that needs something else it cannot. */
TEST(protocol_features_come_with_their_conditions)
{
	static const struct {
		uint32_t offered, set;
	} cases[] = {{UINT32_MAX, FAKE_BACK_PROTOCOL}, {1u << 14, 0}, {1u << 14 | 1u << 3, 1u << 3},
		{1u << 14 | 1u << 5, 1u << 5}, {1u << 2 | 1u << 4, 0}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed bed;

		bed_open(&bed);
		bed.back.protocol_features = cases[i].offered;
		fake_back_serve(&bed.back, FAKE_BACK_ALL);
		assert_true(bed.driver.running);
		assert_int_equal(bed.back.protocol_features_set, cases[i].set);
		assert_int_equal(fake_driver_status(&bed.driver).protocol_features_offered, cases[i].offered);
		bed_close(&bed);
	}
}

TEST(the_back_end_has_as_many_rings_as_it_says_and_no_more_are_used_than_wanted)
{
	static const uint64_t pairs[] = {1, 2, 3, 32, 33, 0x80000000, 1ull << 63, UINT64_MAX};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct bed bed;

		bed_open(&bed);
		bed.back.queue_num = pairs[i];
		fake_back_serve(&bed.back, FAKE_BACK_ALL);
		assert_true(bed.driver.running);
		assert_int_equal(bed.driver.n_rings, pairs[i] == 1 ? 2 : 4);
		bed_close(&bed);
	}
}

TEST(a_back_end_without_queues_is_left)
{
	struct bed bed;

	bed_open(&bed);
	bed.back.queue_num = 0;
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	check_why(&bed, -EPROTO, "back-end has no queues");
	bed_close(&bed);
}

TEST(features_are_cut_to_the_offer)
{
	struct bed bed;

	bed_open(&bed);
	bed.back.features = BIT30 | BIT(32) | BIT(15) | BIT(1) | BIT(63);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_int_equal(bed.driver.features, BIT(32) | BIT(15));
	assert_int_equal(bed.back.features_set, BIT30 | BIT(32) | BIT(15));
	assert_int_equal(fake_driver_status(&bed.driver).features_offered, bed.back.features);
	bed_close(&bed);
}

TEST(a_back_end_without_a_required_feature_is_told_by_its_name)
{
	struct bed bed;

	bed_open(&bed);
	bed.back.features = BIT30 | BIT(15);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	check_why(&bed, -EOPNOTSUPP, "back-end does not offer VIRTIO_F_VERSION_1");
	bed_close(&bed);
}

TEST(a_device_that_does_not_keep_features_ok_is_left)
{
	struct bed bed;

	bed_open(&bed);
	do
		assert_int_equal(fake_back_serve(&bed.back, 1), 1);
	while (bed.back.header.request != VHOST_USER_SET_STATUS);
	bed.back.status = 3;
	fake_back_serve(&bed.back, 1);
	check_why(&bed, -EOPNOTSUPP, "back-end does not work with features 0x170008000 of those it offers");
	bed_close(&bed);
}

TEST(a_driver_that_cannot_prepare_ends_the_connection_and_is_asked_again)
{
	struct bed bed;

	bed_open(&bed);
	bed.driver.prepare_err = -EMFILE;
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	check_why(&bed, -EMFILE, "cannot prepare rings: Too many open files");
	fake_back_hang_up(&bed.back);
	bed.driver.prepare_err = 0;
	fake_back_accept(&bed.back);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	assert_int_equal(fake_driver_status(&bed.driver).error, 0);
	bed_close(&bed);
}

/* What an honest connection of this kind takes. */
static uint32_t count_requests(uint32_t protocol_features)
{
	struct bed bed;
	uint32_t n;

	bed_open(&bed);
	bed.back.protocol_features = protocol_features;
	n = fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	bed_close(&bed);
	return n;
}

/* After n requests of a life, answered or not, the back-end is gone; the next one finds everything. */
static void die_after(struct bed *bed, uint32_t n, bool answered)
{
	uint32_t lives = bed->driver.lives;

	assert_int_equal(fake_back_serve(&bed->back, n), n);
	if (!answered)
		fake_back_hear(&bed->back);
	lives += bed->driver.prepared;
	fake_back_hang_up(&bed->back);
	assert_false(bed->driver.prepared);
	fake_back_accept(&bed->back);
	fake_back_serve(&bed->back, FAKE_BACK_ALL);
	assert_true(bed->driver.running);
	assert_true(bed->driver.lives <= lives + 1);
}

static void die_at_every_boundary(uint32_t protocol_features)
{
	uint32_t n = count_requests(protocol_features), fds, maps;
	struct bed bed;

	bed_open(&bed);
	bed.back.protocol_features = protocol_features;
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	fds = fake_open_fds();
	maps = fake_mappings();
	for (uint32_t i = 0; i <= n; i++) {
		for (int answered = 0; answered < 2; answered++) {
			fake_back_hang_up(&bed.back);
			fake_back_accept(&bed.back);
			die_after(&bed, i, answered);
			assert_int_equal(fake_open_fds(), fds);
			assert_int_equal(fake_mappings(), maps);
		}
	}
	assert_int_equal(fake_driver_status(&bed.driver).protocol_errors, 0);
	bed_close(&bed);
}

TEST(a_back_end_may_die_at_every_boundary)
{
	die_at_every_boundary(FAKE_BACK_PROTOCOL);
	die_at_every_boundary(1);
	die_at_every_boundary(0);
}

TEST(a_back_end_that_hangs_up_instead_of_refusing_is_told_by_the_request)
{
	struct bed bed;

	bed_open(&bed);
	do
		assert_int_equal(fake_back_serve(&bed.back, 1), 1);
	while (bed.back.header.request != VHOST_USER_SET_FEATURES);
	fake_back_hang_up(&bed.back);
	assert_string_equal(fake_driver_status(&bed.driver).why, "back-end has left during SET_STATUS");
	bed_close(&bed);
}

TEST(the_step_that_is_waited_for_is_told)
{
	struct bed bed;

	bed_open(&bed);
	fake_turns(bed.back.loop);
	assert_string_equal(fake_driver_status(&bed.driver).step, "GET_FEATURES");
	fake_back_serve(&bed.back, 6);
	assert_string_equal(fake_driver_status(&bed.driver).step, "SET_FEATURES");
	bed_close(&bed);
}

TEST(an_answer_must_come_in_time)
{
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, 2);
	bed.driver.frontend->deadline_ns = 1;
	bed.driver.frontend->retry_ns = NS_PER_S;
	fake_back_serve(&bed.back, 1);
	check_why(&bed, -ETIMEDOUT, "back-end does not answer GET_QUEUE_NUM in time");
	bed_close(&bed);
}

TEST(a_back_end_that_is_gone_owes_no_answer)
{
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, 7);
	assert_false(list_empty(&bed.driver.frontend->deadline.link));
	bed.driver.frontend->retry_ns = NS_PER_S;
	fake_back_hang_up(&bed.back);
	assert_true(list_empty(&bed.driver.frontend->deadline.link));
	bed_close(&bed);
}

TEST(a_back_end_that_runs_may_stay_silent)
{
	struct bed bed;

	bed_open(&bed);
	assert_true(fake_back_serve(&bed.back, FAKE_BACK_ALL) > 0);
	assert_true(list_empty(&bed.driver.frontend->deadline.link));
	bed_close(&bed);
}

/* Time does not pass here: the pause that would be made is looked at, then taken away. */
TEST(pauses_grow_with_each_failure_and_end_with_success)
{
	static const uint64_t pauses_ms[] = {100, 200, 400, 800, 1000, 1000};
	struct vhost_frontend *f;
	struct bed bed;

	bed_open(&bed);
	f = bed.driver.frontend;
	for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
		f->retry_ns = 100 * NS_PER_MS;
		fake_back_hang_up(&bed.back);
		assert_int_equal(f->pause_ns, pauses_ms[i] * NS_PER_MS);
		assert_true(f->link.next_ns >= loop_now(f->loop) + f->pause_ns / 2);
		loop_timer_set(f->loop, &f->link.timer, 0);
		fake_back_accept(&bed.back);
	}
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	fake_back_hang_up(&bed.back);
	assert_int_equal(f->pause_ns, 0);
	bed_close(&bed);
}

TEST(destroying_ends_everything_at_any_time)
{
	uint32_t n = count_requests(FAKE_BACK_PROTOCOL);
	uint32_t fds = fake_open_fds(), maps = fake_mappings();

	for (uint32_t i = 0; i <= n; i++) {
		struct bed bed;

		bed_open(&bed);
		fake_back_serve(&bed.back, i);
		fake_driver_close(&bed.driver);
		assert_true(fake_back_left(&bed.back));
		fake_back_close(&bed.back);
		assert_int_equal(fake_open_fds(), fds);
		assert_int_equal(fake_mappings(), maps);
	}
}

TEST(a_driver_may_give_a_back_end_up)
{
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	vhost_frontend_give_up(bed.driver.frontend, -EPROTO, "ring 1 is broken");
	vhost_frontend_give_up(bed.driver.frontend, -EPROTO, "it is gone already");
	assert_false(bed.driver.prepared);
	assert_string_equal(fake_driver_status(&bed.driver).why, "ring 1 is broken");
	assert_int_equal(fake_driver_status(&bed.driver).protocol_errors, 1);
	fake_back_hang_up(&bed.back);
	fake_back_accept(&bed.back);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	vhost_frontend_give_up(bed.driver.frontend, -EINTR, "its call blocks");
	assert_int_equal(bed.driver.frontend->pause_ns, 10 * NS_PER_S);
	bed_close(&bed);
}

/* --- the back-end asks --- */

#define CONFIG_CHANGE VHOST_USER_BACKEND_CONFIG_CHANGE_MSG
#define VRING_CALL    VHOST_USER_BACKEND_VRING_CALL
#define VRING_ERR     VHOST_USER_BACKEND_VRING_ERR

/* With an answer due to every request of ours: both sides could wait for the other for ever. */
TEST(the_back_end_is_served_while_we_wait_for_it)
{
	uint32_t n = count_requests(FAKE_BACK_PROTOCOL);
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, 6);
	for (uint32_t i = 6; i < n; i++) {
		assert_true(fake_back_hear(&bed.back));
		assert_int_equal(fake_back_ask(&bed.back, CONFIG_CHANGE, "", 0), 0);
		fake_back_answer(&bed.back);
	}
	assert_true(bed.driver.running);
	assert_int_equal(fake_back_ask(&bed.back, CONFIG_CHANGE, "", 0), 0);
	assert_int_equal(bed.driver.config_changes, n - 6 + 1);
	bed_close(&bed);
}

TEST(a_call_by_message_is_handed_on)
{
	struct vhost_user_ring_state ring = {.index = 1};
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_int_equal(fake_events(bed.driver.plan.rings[1].call_fd), 0);
	assert_int_equal(fake_back_ask(&bed.back, VRING_CALL, &ring, sizeof(ring)), 0);
	assert_int_equal(fake_events(bed.driver.plan.rings[1].call_fd), 1);
	assert_int_equal(fake_events(bed.driver.plan.rings[0].call_fd), 0);
	bed_close(&bed);
}

TEST(a_ring_reported_broken_begins_anew)
{
	struct vhost_user_ring_state ring = {.index = 3};
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	fake_back_ask(&bed.back, VRING_ERR, &ring, sizeof(ring));
	check_why(&bed, -EIO, "back-end reports ring 3 as broken");
	fake_back_hang_up(&bed.back);
	fake_back_accept(&bed.back);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	bed_close(&bed);
}

TEST(a_back_end_may_close_the_channel)
{
	struct bed bed;

	bed_open(&bed);
	fake_back_serve(&bed.back, 6);
	close(bed.back.channel);
	bed.back.channel = -1;
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_client_and_a_device_of_ours_work_together),
	cmocka_unit_test(a_server_and_a_device_of_ours_work_together),
	cmocka_unit_test(a_device_of_ours_says_that_its_configuration_has_changed),
	cmocka_unit_test(a_connection_that_breaks_is_followed_by_one_with_fresh_rings),
	cmocka_unit_test(everything_is_said_in_the_order_that_back_ends_want),
	cmocka_unit_test(a_back_end_of_old_that_knows_no_protocol_features_is_asked_for_none),
	cmocka_unit_test(a_back_end_that_cannot_acknowledge_is_asked_in_between),
	cmocka_unit_test(protocol_features_come_with_their_conditions),
	cmocka_unit_test(the_back_end_has_as_many_rings_as_it_says_and_no_more_are_used_than_wanted),
	cmocka_unit_test(a_back_end_without_queues_is_left), cmocka_unit_test(features_are_cut_to_the_offer),
	cmocka_unit_test(a_back_end_without_a_required_feature_is_told_by_its_name),
	cmocka_unit_test(a_device_that_does_not_keep_features_ok_is_left),
	cmocka_unit_test(a_driver_that_cannot_prepare_ends_the_connection_and_is_asked_again),
	cmocka_unit_test(a_back_end_may_die_at_every_boundary),
	cmocka_unit_test(a_back_end_that_hangs_up_instead_of_refusing_is_told_by_the_request),
	cmocka_unit_test(the_step_that_is_waited_for_is_told), cmocka_unit_test(an_answer_must_come_in_time),
	cmocka_unit_test(a_back_end_that_is_gone_owes_no_answer),
	cmocka_unit_test(a_back_end_that_runs_may_stay_silent),
	cmocka_unit_test(pauses_grow_with_each_failure_and_end_with_success),
	cmocka_unit_test(destroying_ends_everything_at_any_time),
	cmocka_unit_test(a_driver_may_give_a_back_end_up),
	cmocka_unit_test(the_back_end_is_served_while_we_wait_for_it),
	cmocka_unit_test(a_call_by_message_is_handed_on),
	cmocka_unit_test(a_ring_reported_broken_begins_anew),
	cmocka_unit_test(a_back_end_may_close_the_channel))
