/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_ACK (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)
#define OFFERED                                                                                  \
	(REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_F_CONFIG | 1ull << VHOST_USER_PROTOCOL_F_RARP | \
		1ull << VHOST_USER_PROTOCOL_F_MTU)

struct config_message {
	struct vhost_user_config config;
	uint8_t bytes[VHOST_USER_CONFIG_MAX];
};

struct bed {
	struct fake_device device;
	struct fake_front front;
	struct config_message m;
};

static void bed_open(struct bed *bed)
{
	memset(&bed->m, 0, sizeof(bed->m));
	fake_device_open(&bed->device, 4);
	for (uint32_t i = 0; i < FAKE_CONFIG_SIZE; i++)
		bed->device.config[i] = (uint8_t)(i + 1);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES, OFFERED);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

/* Asks for size bytes at offset in a message that carries room for them. */
static void ask(struct bed *bed, uint32_t offset, uint32_t size)
{
	bed->m.config = (struct vhost_user_config){.offset = offset, .size = size};
	memset(bed->m.bytes, 0xee, sizeof(bed->m.bytes));
	fake_plain(&bed->front, VHOST_USER_GET_CONFIG, &bed->m,
		(uint32_t)sizeof(bed->m.config) + min_u32(size, VHOST_USER_CONFIG_MAX));
}

static void check_config(struct bed *bed, uint32_t offset, uint32_t size)
{
	ask(bed, offset, size);
	assert_true(fake_reply(&bed->front, VHOST_USER_GET_CONFIG, &bed->m, 12 + size));
	assert_int_equal(bed->m.config.offset, offset);
	assert_int_equal(bed->m.config.size, size);
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(bed->m.bytes[i], offset + i < FAKE_CONFIG_SIZE ? offset + i + 1 : 0);
}

TEST(configuration_space_is_read_in_pieces_and_whole)
{
	struct bed bed;

	bed_open(&bed);
	check_config(&bed, 0, FAKE_CONFIG_SIZE);
	check_config(&bed, 10, 2);
	check_config(&bed, FAKE_CONFIG_SIZE - 1, 1);
	check_config(&bed, 7, 0);
	bed_close(&bed);
}

TEST(configuration_space_beyond_the_devices_reads_as_zeros)
{
	struct bed bed;

	bed_open(&bed);
	check_config(&bed, 0, VHOST_USER_CONFIG_MAX); /* as SPDK asks */
	check_config(&bed, 50, 20);
	check_config(&bed, FAKE_CONFIG_SIZE, 4);
	check_config(&bed, VHOST_USER_CONFIG_MAX, 0);
	bed_close(&bed);
}

static void check_error_reply(struct bed *bed)
{
	uint8_t nothing;

	assert_true(fake_reply(&bed->front, VHOST_USER_GET_CONFIG, &nothing, 0));
	assert_true(fake_alive(&bed->front));
}

TEST(a_read_that_fails_is_answered_without_payload)
{
	struct bed bed;

	bed_open(&bed);
	ask(&bed, 250, 7);
	check_error_reply(&bed);
	ask(&bed, UINT32_MAX, 1);
	check_error_reply(&bed);
	ask(&bed, 1, UINT32_MAX);
	check_error_reply(&bed);
	ask(&bed, 0, 257);
	check_error_reply(&bed);
	/* another length than the payload's */
	bed.m.config = (struct vhost_user_config){.size = 8};
	fake_plain(&bed.front, VHOST_USER_GET_CONFIG, &bed.m, 12 + 9);
	check_error_reply(&bed);
	bed.device.answer = -EIO;
	ask(&bed, 0, 8);
	check_error_reply(&bed);
	assert_string_equal(fake_device_status(&bed.device).why, "GET_CONFIG: device: Input/output error");
	bed_close(&bed);
}

static uint64_t write_config(struct bed *bed, uint32_t offset, uint32_t size, uint32_t flags)
{
	bed->m.config = (struct vhost_user_config){.offset = offset, .size = size, .flags = flags};
	memset(bed->m.bytes, 0x77, sizeof(bed->m.bytes));
	return fake_acked(&bed->front, VHOST_USER_SET_CONFIG, &bed->m,
		12 + min_u32(size, VHOST_USER_CONFIG_MAX), NULL, 0);
}

TEST(configuration_space_is_written_where_it_is_and_nowhere_else)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(write_config(&bed, 4, 2, VHOST_USER_CONFIG_WRITABLE), 0);
	assert_int_equal(bed.device.config[3], 4);
	assert_int_equal(bed.device.config[4], 0x77);
	assert_int_equal(bed.device.config[5], 0x77);
	assert_int_equal(bed.device.config[6], 7);
	assert_int_equal(write_config(&bed, 0, FAKE_CONFIG_SIZE, VHOST_USER_CONFIG_MIGRATION), 0);
	assert_int_equal(bed.device.config[FAKE_CONFIG_SIZE - 1], 0x77);
	assert_int_equal(write_config(&bed, 0, FAKE_CONFIG_SIZE + 1, 0), 1);
	assert_int_equal(write_config(&bed, FAKE_CONFIG_SIZE, 1, 0), 1);
	assert_int_equal(write_config(&bed, UINT32_MAX, 2, 0), 1);
	assert_int_equal(write_config(&bed, 0, UINT32_MAX, 0), 1);
	assert_int_equal(write_config(&bed, 0, 4, 2), 1);
	bed.device.answer = -EROFS;
	assert_int_equal(write_config(&bed, 0, 4, 0), 1);
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

/* --- messages for the device alone --- */

static uint64_t tell(struct bed *bed, uint32_t request, uint64_t value)
{
	return fake_acked(&bed->front, request, &value, sizeof(value), NULL, 0);
}

TEST(an_optional_configuration_space_is_kept_from_who_asks_before_it_owns)
{
	const uint64_t config = 1ull << VHOST_USER_PROTOCOL_F_CONFIG;
	struct bed bed;

	fake_device_open_optional_config(&bed.device, 4);
	fake_front_open(&bed.front, bed.device.loop, bed.device.path);
	assert_false(fake_get_u64(&bed.front, VHOST_USER_GET_PROTOCOL_FEATURES) & config);
	fake_plain(&bed.front, VHOST_USER_SET_OWNER, NULL, 0);
	assert_true(fake_get_u64(&bed.front, VHOST_USER_GET_PROTOCOL_FEATURES) & config);
	bed_close(&bed);
}

TEST(an_mtu_and_an_announcement_reach_the_device)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(tell(&bed, VHOST_USER_NET_SET_MTU, 1400), 0);
	assert_int_equal(bed.device.message, VHOST_USER_NET_SET_MTU);
	assert_int_equal(bed.device.message_value, 1400);
	assert_int_equal(bed.device.message_fd, -1);
	assert_int_equal(tell(&bed, VHOST_USER_SEND_RARP, 0x665544332211), 0);
	assert_int_equal(bed.device.message, VHOST_USER_SEND_RARP);
	assert_int_equal(bed.device.message_value, 0x665544332211);
	bed.device.answer = -ERANGE;
	assert_int_equal(tell(&bed, VHOST_USER_NET_SET_MTU, 1), 1);
	assert_string_equal(
		fake_device_status(&bed.device).why, "NET_SET_MTU: device: Numerical result out of range");
	bed_close(&bed);
}

TEST(a_display_socket_reaches_the_device)
{
	int ends[2], event = fake_eventfd();
	struct bed bed;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	bed_open(&bed);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_GPU_SET_SOCKET, NULL, 0, &event, 1), 1);
	assert_int_equal(bed.device.message, 0);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_GPU_SET_SOCKET, NULL, 0, &ends[1], 1), 0);
	assert_int_equal(bed.device.message, VHOST_USER_GPU_SET_SOCKET);
	assert_true(bed.device.message_fd >= 0);
	assert_int_equal(write(bed.device.message_fd, "x", 1), 1);
	bed.device.answer = -EOPNOTSUPP;
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_GPU_SET_SOCKET, NULL, 0, &ends[1], 1), 1);
	assert_string_equal(
		fake_device_status(&bed.device).why, "GPU_SET_SOCKET: not for this kind of device");
	bed_close(&bed);
	close(ends[0]);
	close(ends[1]);
	close(event);
}

TESTS(cmocka_unit_test(configuration_space_is_read_in_pieces_and_whole),
	cmocka_unit_test(configuration_space_beyond_the_devices_reads_as_zeros),
	cmocka_unit_test(a_read_that_fails_is_answered_without_payload),
	cmocka_unit_test(configuration_space_is_written_where_it_is_and_nowhere_else),
	cmocka_unit_test(an_optional_configuration_space_is_kept_from_who_asks_before_it_owns),
	cmocka_unit_test(an_mtu_and_an_announcement_reach_the_device),
	cmocka_unit_test(a_display_socket_reaches_the_device))
