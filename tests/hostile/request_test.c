/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that no back-end should send on the channel it was given, most of them while it owes an answer itself. What
 * is refused costs it nothing but a line in the log; what cannot be understood costs it the connection.
 */
#include "base/check.h"
#include "base/test.h"
#include "vhost/fake_back.h"
#include "vhost/fake_driver.h"
#include "vhost/fake_front.h"
#include "vhost/frontend_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STORM 10000

#define CONFIG_CHANGE VHOST_USER_BACKEND_CONFIG_CHANGE_MSG
#define VRING_CALL    VHOST_USER_BACKEND_VRING_CALL

struct bed {
	struct fake_back back;
	struct fake_driver driver;
	uint32_t fds, maps;
};

/* The channel is there and SET_FEATURES waits for its answer. */
static void attacker_comes(struct bed *bed)
{
	fake_back_hang_up(&bed->back);
	fake_back_accept(&bed->back);
	assert_int_equal(fake_back_serve(&bed->back, 6), 6);
	assert_true(bed->back.channel >= 0);
}

static void honest_life(struct bed *bed)
{
	fake_back_accept(&bed->back);
	fake_back_serve(&bed->back, FAKE_BACK_ALL);
	assert_true(bed->driver.running);
}

static void bed_open(struct bed *bed)
{
	fake_back_open(&bed->back);
	fake_driver_open(&bed->driver, bed->back.loop, bed->back.path, false);
	honest_life(bed);
	bed->fds = fake_open_fds();
	bed->maps = fake_mappings();
	attacker_comes(bed);
}

static void bed_close(struct bed *bed)
{
	fake_back_hang_up(&bed->back);
	assert_false(bed->driver.prepared);
	honest_life(bed);
	assert_int_equal(fake_open_fds(), bed->fds);
	assert_int_equal(fake_mappings(), bed->maps);
	fake_driver_close(&bed->driver);
	fake_back_close(&bed->back);
}

/* The attacker is still served, and may even be honest from here on. */
static void check_alive(struct bed *bed)
{
	fake_back_serve(&bed->back, FAKE_BACK_ALL);
	assert_true(bed->driver.running);
	assert_int_equal(fake_back_ask(&bed->back, CONFIG_CHANGE, "", 0), 0);
	assert_int_equal(fake_open_fds(), bed->fds);
}

static void request(struct bed *bed, uint32_t id, uint32_t flags, uint32_t size, uint32_t n_fds)
{
	struct vhost_user_header header = {.request = id, .flags = flags, .size = size};

	fake_back_say(&bed->back, bed->back.channel, &header, 0, n_fds);
}

TEST(requests_of_every_kind_with_descriptors)
{
	static const uint32_t ids[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255, 256, 0x80000000, UINT32_MAX};
	static const uint32_t sizes[] = {0, 8, 24, 4096};
	uint64_t faults;
	struct bed bed;

	bed_open(&bed);
	faults = fake_driver_status(&bed.driver).protocol_errors;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		for (uint32_t n_fds = 1; n_fds <= 32; n_fds *= 2) {
			for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
				uint8_t rest[4096] = {0};
				size_t missing = sizes[k] > 8 ? sizes[k] - 8 : 0;

				request(&bed, ids[i], VHOST_USER_VERSION, sizes[k], n_fds);
				unix_send(bed.back.channel, rest, missing, NULL, 0);
				fake_turns(bed.back.loop);
				faults++;
				assert_int_equal(fake_driver_status(&bed.driver).protocol_errors, faults);
			}
		}
	}
	check_alive(&bed);
	bed_close(&bed);
}

TEST(requests_that_are_not_known_are_refused_if_an_answer_is_wanted)
{
	static const uint32_t ids[] = {0, 1, 3, 6, 7, 8, 9, 10, 11, 255};
	struct bed bed;

	bed_open(&bed);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_int_equal(fake_back_ask(&bed.back, ids[i], "12345678", 8), 1);
	check_alive(&bed);
	bed_close(&bed);
}

TEST(requests_of_the_wrong_size)
{
	struct bed bed;

	bed_open(&bed);
	for (uint32_t size = 0; size < 8; size++)
		assert_int_equal(fake_back_ask(&bed.back, VRING_CALL, "1234567", size), 1);
	assert_int_equal(fake_back_ask(&bed.back, CONFIG_CHANGE, "1234567", 1), 1);
	assert_int_equal(fake_back_ask(&bed.back, CONFIG_CHANGE, "1234567", 8), 1);
	assert_int_equal(bed.driver.config_changes, 0);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	for (uint32_t size = 0; size < 8; size++)
		assert_int_equal(fake_back_ask(&bed.back, VRING_CALL, "\0\0\0\0\0\0\0", size), 1);
	check_alive(&bed);
	bed_close(&bed);
}

TEST(calls_for_rings_that_are_not_there)
{
	static const uint32_t rings[] = {0, 4, 63, 64, 255, 256, 0x10000, UINT32_MAX};
	struct bed bed;

	bed_open(&bed);
	for (int when = 0; when < 2; when++) {
		for (size_t i = 0; i < ARRAY_LEN(rings); i++) {
			struct vhost_user_ring_state ring = {.index = rings[i]};
			uint64_t verdict = bed.driver.prepared && rings[i] < 4 ? 0 : 1;

			assert_int_equal(fake_back_ask(&bed.back, VRING_CALL, &ring, sizeof(ring)), verdict);
		}
		check_alive(&bed);
	}
	bed_close(&bed);
}

/* Without what leads there, the requests that we know are not served either. */
TEST(requests_that_were_not_negotiated)
{
	uint32_t changes;
	struct bed bed;

	bed_open(&bed);
	bed.back.protocol_features &= ~(1u << 9 | 1u << 14);
	attacker_comes(&bed);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	changes = bed.driver.config_changes;
	assert_int_equal(fake_back_ask(&bed.back, CONFIG_CHANGE, "", 0), 1);
	assert_int_equal(fake_back_ask(&bed.back, VRING_CALL, "\0\0\0\0\0\0\0", 8), 1);
	assert_int_equal(fake_back_ask(&bed.back, VHOST_USER_BACKEND_VRING_ERR, "\0\0\0\0\0\0\0", 8), 1);
	assert_int_equal(bed.driver.config_changes, changes);
	assert_true(bed.driver.running);
	bed_close(&bed);
}

TEST(a_storm_of_requests)
{
	struct vhost_user_header header = {.request = CONFIG_CHANGE, .flags = VHOST_USER_VERSION};
	uint32_t sent = 0, changes;
	struct bed bed;

	bed_open(&bed);
	changes = bed.driver.config_changes;
	while (sent < STORM) {
		if (unix_send(bed.back.channel, &header, sizeof(header), NULL, 0) == sizeof(header))
			sent++;
		else
			assert_int_equal(loop_turn(bed.back.loop, 0), 0);
	}
	/* others have their turns meanwhile, and so has its own connection */
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	for (int i = 0; i < 100; i++)
		fake_turns(bed.back.loop);
	assert_int_equal(bed.driver.config_changes, changes + STORM);
	check_alive(&bed);
	bed_close(&bed);
}

TEST(a_storm_of_requests_whose_answers_nobody_reads)
{
	struct vhost_user_header header = {
		.request = CONFIG_CHANGE, .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY};
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < 10 * STORM && !fake_back_left(&bed.back); i++)
		for (int k = 0; k < 64; k++)
			unix_send(bed.back.channel, &header, sizeof(header), NULL, 0);
	assert_string_equal(
		fake_driver_status(&bed.driver).why, "back-end does not read the answers to its requests");
	bed_close(&bed);
}

static void check_ends(uint32_t id, uint32_t flags, uint32_t size, int err)
{
	struct bed bed;

	bed_open(&bed);
	request(&bed, id, flags, size, 0);
	assert_true(fake_back_left(&bed.back));
	assert_int_equal(fake_driver_status(&bed.driver).error, err);
	bed_close(&bed);
}

TEST(headers_of_another_protocol_end_the_connection)
{
	check_ends(CONFIG_CHANGE, 0, 0, -EPROTO);
	check_ends(CONFIG_CHANGE, 2, 0, -EPROTO);
	check_ends(CONFIG_CHANGE, VHOST_USER_VERSION | VHOST_USER_REPLY, 0, -EPROTO);
	check_ends(CONFIG_CHANGE, VHOST_USER_VERSION, 4097, -EMSGSIZE);
	check_ends(CONFIG_CHANGE, VHOST_USER_VERSION, UINT32_MAX, -EMSGSIZE);
}

TEST(more_descriptors_than_any_message_may_have)
{
	struct vhost_user_header header = {.request = 3, .flags = VHOST_USER_VERSION, .size = 8};
	struct bed bed;

	bed_open(&bed);
	bed.back.drips = true;
	fake_back_say(&bed.back, bed.back.channel, &header, 0, 32);
	bed.back.drips = false;
	assert_true(fake_back_left(&bed.back));
	assert_int_equal(fake_driver_status(&bed.driver).error, -EMSGSIZE);
	bed_close(&bed);
}

TEST(half_a_request)
{
	struct vhost_user_header header = {.request = VRING_CALL, .flags = VHOST_USER_VERSION, .size = 8};
	uint8_t bytes[20] = {0};

	memcpy(bytes, &header, sizeof(header));
	for (size_t len = 1; len < sizeof(bytes); len++) {
		struct bed bed;

		bed_open(&bed);
		assert_int_equal(unix_send(bed.back.channel, bytes, len, &bed.back.listener, 1), len);
		/* it may take its time, and the connection goes on */
		fake_back_serve(&bed.back, FAKE_BACK_ALL);
		assert_true(bed.driver.running);
		loop_timer_set(bed.back.loop, &bed.driver.frontend->channel.deadline, 0);
		assert_true(fake_back_left(&bed.back));
		assert_int_equal(fake_driver_status(&bed.driver).error, -ETIMEDOUT);
		bed_close(&bed);
	}
}

TEST(a_channel_that_is_closed_in_the_middle_of_a_request)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(unix_send(bed.back.channel, "12345", 5, &bed.back.listener, 1), 5);
	assert_int_equal(shutdown(bed.back.channel, SHUT_RDWR), 0);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	bed_close(&bed);
}

/* The back-end's copy of the call descriptor, which it fills and makes block before it asks us to ring it. */
TEST(a_call_by_message_through_a_descriptor_that_blocks)
{
	struct vhost_user_ring_state ring = {.index = 0};
	uint64_t full = UINT64_MAX - 1;
	struct bed bed;
	int fd;

	bed_open(&bed);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	fd = bed.driver.plan.rings[0].call_fd;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(fake_back_ask(&bed.back, VRING_CALL, &ring, sizeof(ring)), UINT64_MAX);
	assert_true(fake_back_left(&bed.back));
	assert_string_equal(fake_driver_status(&bed.driver).why, "ring 0 cannot be called");
	/* it has to wait for long; not here */
	assert_true(bed.driver.frontend->pause_ns > 1000000000);
	fake_back_hang_up(&bed.back);
	assert_false(fake_back_finds(&bed.back));
	loop_timer_set(bed.back.loop, &bed.driver.frontend->link.timer, 0);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(requests_of_every_kind_with_descriptors),
	cmocka_unit_test(requests_that_are_not_known_are_refused_if_an_answer_is_wanted),
	cmocka_unit_test(requests_of_the_wrong_size), cmocka_unit_test(calls_for_rings_that_are_not_there),
	cmocka_unit_test(requests_that_were_not_negotiated), cmocka_unit_test(a_storm_of_requests),
	cmocka_unit_test(a_storm_of_requests_whose_answers_nobody_reads),
	cmocka_unit_test(headers_of_another_protocol_end_the_connection),
	cmocka_unit_test(more_descriptors_than_any_message_may_have), cmocka_unit_test(half_a_request),
	cmocka_unit_test(a_channel_that_is_closed_in_the_middle_of_a_request),
	cmocka_unit_test(a_call_by_message_through_a_descriptor_that_blocks))
