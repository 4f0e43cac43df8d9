/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/message.h"

#include "base/check.h"
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"
#include "vhost/message_table.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_ACK (1u << VHOST_USER_PROTOCOL_F_REPLY_ACK)
#define ALL_PROTO (vhost_protocol_features_by(VHOST_BY_ENGINE) | vhost_protocol_features_by(VHOST_BY_DEVICE))
#define BIT30     (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

struct bed {
	struct fake_device device;
	struct fake_front front;
};

static void bed_open(struct bed *bed, uint64_t protocol_features)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, protocol_features);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

TEST(queries_are_answered)
{
	struct bed bed;

	bed_open(&bed, ALL_PROTO);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_FEATURES),
		FAKE_OFFERED | BIT30 | 1ull << VHOST_F_LOG_ALL);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_PROTOCOL_FEATURES), ALL_PROTO);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_QUEUE_NUM), 2);
	bed_close(&bed);
}

TEST(acknowledgements_come_only_where_they_are_asked_for)
{
	struct vhost_user_ring_state num = {.index = 0, .num = 256};
	struct bed bed;

	bed_open(&bed, REPLY_ACK);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL, 0), 0);
	fake_plain(&bed.front, VHOST_USER_SET_VRING_NUM, &num, sizeof(num));
	assert_true(fake_alive(&bed.front)); /* its reply is the next one */
	bed_close(&bed);
}

TEST(need_reply_means_nothing_before_it_is_negotiated)
{
	struct vhost_user_ring_state num = {.index = 0, .num = 256};
	struct bed bed;

	bed_open(&bed, 0);
	assert_int_equal(
		fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL, 0), UINT64_MAX);
	assert_true(fake_alive(&bed.front));
	num.num = 32769;
	assert_int_equal(
		fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL, 0), UINT64_MAX);
	assert_true(fake_closed(&bed.front));
	bed_close(&bed);
}

TEST(a_message_with_a_reply_of_its_own_is_not_acknowledged_too)
{
	struct vhost_user_header header = {
		.request = VHOST_USER_GET_QUEUE_NUM, .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY};
	uint64_t n;
	struct bed bed;

	bed_open(&bed, ALL_PROTO);
	assert_true(fake_send(&bed.front, &header, NULL, NULL, 0));
	assert_true(fake_reply(&bed.front, VHOST_USER_GET_QUEUE_NUM, &n, sizeof(n)));
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

TEST(what_is_not_understood_is_refused_and_the_connection_lives)
{
	static const uint32_t requests[] = {0, 46, 63, 1000, UINT32_MAX};
	uint8_t payload[268] = {0};
	struct bed bed;

	bed_open(&bed, REPLY_ACK);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		assert_int_equal(
			fake_acked(&bed.front, requests[i], payload, sizeof(payload), &bed.front.memfd, 1),
			1);
	assert_true(fake_alive(&bed.front));
	assert_int_equal(fake_device_status(&bed.device).protocol_errors, ARRAY_LEN(requests));
	assert_string_equal(fake_device_status(&bed.device).why,
		"message 4294967295: not known here, and was not offered");
	bed_close(&bed);
}

TEST(what_is_not_understood_ends_a_connection_without_acknowledgements)
{
	struct bed bed;

	bed_open(&bed, 0);
	fake_u64(&bed.front, 50, 1500);
	assert_true(fake_closed(&bed.front));
	assert_false(bed.device.connected);
	assert_string_equal(
		fake_device_status(&bed.device).why, "message 50: not known here, and was not offered");
	bed_close(&bed);
}

/* Sends `request` in its own size to a back-end that may acknowledge: how it ends, and that its reason is told. */
static void check_not_served(uint32_t request, uint64_t protocol_features, const char *reason)
{
	static const uint8_t payload[MESSAGE_MAX_PAYLOAD];
	const struct message_row *row = message_row(request);
	char why[MESSAGE_WHY_LEN];
	struct bed bed;
	uint64_t ack;

	bed_open(&bed, protocol_features);
	ack = fake_acked(&bed.front, request, payload, row->size_min, &bed.front.memfd, row->fds_min);
	if (row->reply_size > 0 || !(protocol_features & REPLY_ACK)) {
		assert_int_equal(ack, UINT64_MAX);
		assert_true(fake_closed(&bed.front));
	} else {
		assert_int_equal(ack, 1);
		assert_true(fake_alive(&bed.front));
	}
	snprintf(why, sizeof(why), "%s: %s", row->name, reason);
	assert_string_equal(fake_device_status(&bed.device).why, why);
	bed_close(&bed);
}

TEST(what_is_not_served_is_refused_with_its_reason)
{
	uint32_t n = 0;

	for (uint32_t request = 0; request < 64; request++) {
		const struct message_row *row = message_row(request);

		if (!row || !row->why)
			continue;
		check_not_served(request, ALL_PROTO, row->why);
		check_not_served(request, 0, row->why);
		n++;
	}
	assert_true(n > 0);
}

TEST(no_message_is_served_without_the_feature_that_leads_to_it)
{
	for (uint32_t request = 0; request < 64; request++) {
		const struct message_row *row = message_row(request);
		char reason[80];

		if (!row || row->why || row->needs == MESSAGE_ALWAYS)
			continue;
		snprintf(reason, sizeof(reason), "%s was not negotiated",
			vhost_protocol_feature_name((unsigned)row->needs));
		check_not_served(request, REPLY_ACK & ~(1ull << row->needs), reason);
		check_not_served(request, 0, reason);
	}
}

TEST(every_message_has_a_handler_or_a_reason_and_no_reason_is_offered)
{
	for (uint32_t request = 0; request < 64; request++) {
		const struct message_row *row = message_row(request), *ours = message_backend_row(request);

		if (row)
			assert_true((row->handle != NULL) == (row->why == NULL));
		if (row && !row->why && row->needs != MESSAGE_ALWAYS)
			assert_true(ALL_PROTO & 1ull << row->needs);
		if (ours && !ours->why && ours->needs != MESSAGE_ALWAYS)
			assert_true(ALL_PROTO & 1ull << ours->needs);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		const struct vhost_protocol_feature_row *row = vhost_protocol_feature(bit);

		if (row && row->provider == VHOST_BY_NOBODY)
			assert_non_null(row->why);
	}
}

TEST(a_message_that_needs_a_feature_is_refused_without_it)
{
	struct vhost_user_log log = {.size = 4096};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(log)};
	struct bed bed;

	bed_open(&bed, REPLY_ACK);
	fake_send(&bed.front, &header, &log, &bed.front.memfd, 1);
	assert_true(fake_closed(&bed.front));
	assert_string_equal(fake_device_status(&bed.device).why,
		"SET_LOG_BASE: VHOST_USER_PROTOCOL_F_LOG_SHMFD was not negotiated");
	bed_close(&bed);
}

/* What a front-end may send, as the specification's tables say it. */
static const struct {
	uint32_t request;
	uint32_t size;
	uint32_t n_fds;
	bool own_reply;
} requests[] = {
	{VHOST_USER_GET_FEATURES, 0, 0, true},
	{VHOST_USER_SET_FEATURES, 8, 0, false},
	{VHOST_USER_SET_OWNER, 0, 0, false},
	{VHOST_USER_RESET_OWNER, 0, 0, false},
	{VHOST_USER_SET_MEM_TABLE, 264, 8, false},
	{VHOST_USER_SET_LOG_BASE, 16, 1, true},
	{VHOST_USER_SET_LOG_FD, 8, 1, false},
	{VHOST_USER_SET_VRING_NUM, 8, 0, false},
	{VHOST_USER_SET_VRING_ADDR, 40, 0, false},
	{VHOST_USER_SET_VRING_BASE, 8, 0, false},
	{VHOST_USER_GET_VRING_BASE, 8, 0, true},
	{VHOST_USER_SET_VRING_KICK, 8, 1, false},
	{VHOST_USER_SET_VRING_CALL, 8, 1, false},
	{VHOST_USER_SET_VRING_ERR, 8, 1, false},
	{VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, true},
	{VHOST_USER_SET_PROTOCOL_FEATURES, 8, 0, false},
	{VHOST_USER_GET_QUEUE_NUM, 0, 0, true},
	{VHOST_USER_SET_BACKEND_REQ_FD, 0, 1, false},
	{VHOST_USER_SET_VRING_ENABLE, 8, 0, false},
	{VHOST_USER_SEND_RARP, 8, 0, false},
	{VHOST_USER_NET_SET_MTU, 8, 0, false},
	{VHOST_USER_GET_CONFIG, 268, 0, true},
	{VHOST_USER_SET_CONFIG, 268, 0, false},
	{VHOST_USER_GPU_SET_SOCKET, 8, 1, false},
	{VHOST_USER_RESET_DEVICE, 0, 0, false},
	{VHOST_USER_VRING_KICK, 8, 0, false},
	{VHOST_USER_GET_MAX_MEM_SLOTS, 0, 0, true},
	{VHOST_USER_ADD_MEM_REG, 40, 1, false},
	{VHOST_USER_REM_MEM_REG, 40, 1, false},
	{VHOST_USER_GET_INFLIGHT_FD, 24, 0, true},
	{VHOST_USER_SET_INFLIGHT_FD, 24, 1, false},
	{VHOST_USER_SET_DEVICE_STATE_FD, 8, 1, true},
	{VHOST_USER_CHECK_DEVICE_STATE, 0, 0, true},
	{VHOST_USER_SET_STATUS, 8, 0, false},
	{VHOST_USER_GET_STATUS, 0, 0, true},
};

/* Sends it with NEED_REPLY and expects a refusal: a non-zero acknowledgement, or the end of the connection. */
static void check_refused(struct bed *bed, size_t i, uint32_t size, uint32_t n_fds)
{
	static const uint8_t payload[MESSAGE_MAX_PAYLOAD];
	int fds[UNIX_MAX_FDS];

	for (uint32_t f = 0; f < n_fds; f++)
		fds[f] = bed->front.memfd;

	uint64_t ack = fake_acked(&bed->front, requests[i].request, payload, size, fds, n_fds);

	if (!requests[i].own_reply) {
		assert_int_equal(ack, 1);
		assert_true(fake_alive(&bed->front));
		return;
	}
	assert_int_equal(ack, UINT64_MAX);
	assert_true(fake_closed(&bed->front));
	fake_front_close(&bed->front);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, ALL_PROTO);
}

TEST(every_message_that_is_served_has_a_line_here)
{
	for (uint32_t request = 0; request < 64; request++) {
		const struct message_row *row = message_row(request);
		bool listed = false;

		for (size_t i = 0; i < ARRAY_LEN(requests); i++)
			listed |= requests[i].request == request;
		assert_int_equal(listed, row && !row->why);
	}
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct message_row *row = message_row(requests[i].request);

		assert_int_equal(row->size_max, requests[i].size);
		assert_int_equal(row->fds_max, requests[i].n_fds);
		assert_int_equal(row->reply_size > 0, requests[i].own_reply);
	}
}

TEST(a_payload_of_the_wrong_size_is_refused_for_every_message)
{
	struct bed bed;

	bed_open(&bed, ALL_PROTO);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct message_row *row = message_row(requests[i].request);

		check_refused(&bed, i, requests[i].size + 1, requests[i].n_fds);
		check_refused(&bed, i, MESSAGE_MAX_PAYLOAD, requests[i].n_fds);
		if (row->size_min == row->size_max && row->size_min > 0)
			check_refused(&bed, i, requests[i].size - 1, requests[i].n_fds);
	}
	bed_close(&bed);
}

TEST(too_many_descriptors_are_refused_for_every_message_and_closed)
{
	uint32_t before;
	struct bed bed;

	bed_open(&bed, ALL_PROTO);
	before = fake_open_fds();
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		check_refused(&bed, i, requests[i].size, requests[i].n_fds + 1);
		check_refused(&bed, i, requests[i].size, UNIX_MAX_FDS);
	}
	assert_int_equal(fake_open_fds(), before);
	bed_close(&bed);
}

TEST(features_that_were_not_offered_are_refused)
{
	uint64_t iommu = 1ull << 33, postcopy = 1ull << VHOST_USER_PROTOCOL_F_PAGEFAULT;
	struct bed bed;

	bed_open(&bed, REPLY_ACK);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_FEATURES, &iommu, 8, NULL, 0), 1);
	assert_int_equal(bed.device.features, FAKE_FEATURES);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, &postcopy, 8, NULL, 0), 1);
	assert_int_equal(fake_device_status(&bed.device).protocol_features, REPLY_ACK);
	bed_close(&bed);
}

TEST(ring_indexes_are_never_cut)
{
	static const uint32_t indexes[] = {4, 63, 64, 255, 256, 0x10000, 0x80000000, UINT32_MAX};
	static const uint32_t stating[] = {VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ENABLE, VHOST_USER_VRING_KICK};
	static const uint32_t carrying[] = {
		VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_ERR};
	struct bed bed;

	bed_open(&bed, REPLY_ACK | 1u << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
	for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
		struct vhost_user_ring_state one = {.index = indexes[i], .num = 1};
		struct vhost_user_ring_addr addr = {.index = indexes[i]};
		/* bit 8 says that no descriptor comes: not set, so that the index is what is wrong */
		uint64_t value = indexes[i] & ~(uint32_t)VHOST_USER_RING_FD_NONE;
		int kick = fake_eventfd();

		for (size_t k = 0; k < ARRAY_LEN(stating); k++)
			assert_int_equal(fake_acked(&bed.front, stating[k], &one, 8, NULL, 0), 1);
		assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_ADDR, &addr, 40, NULL, 0), 1);
		for (size_t k = 0; k < ARRAY_LEN(carrying) && value > 0; k++)
			assert_int_equal(fake_acked(&bed.front, carrying[k], &value, 8, &kick, 1), 1);
		close(kick);
	}
	assert_true(fake_alive(&bed.front));
	fake_state(&bed.front, VHOST_USER_GET_VRING_BASE, 0x10000, 0);
	assert_true(fake_closed(&bed.front));
	bed_close(&bed);
}

TESTS(cmocka_unit_test(queries_are_answered),
	cmocka_unit_test(acknowledgements_come_only_where_they_are_asked_for),
	cmocka_unit_test(need_reply_means_nothing_before_it_is_negotiated),
	cmocka_unit_test(a_message_with_a_reply_of_its_own_is_not_acknowledged_too),
	cmocka_unit_test(what_is_not_understood_is_refused_and_the_connection_lives),
	cmocka_unit_test(what_is_not_understood_ends_a_connection_without_acknowledgements),
	cmocka_unit_test(what_is_not_served_is_refused_with_its_reason),
	cmocka_unit_test(no_message_is_served_without_the_feature_that_leads_to_it),
	cmocka_unit_test(every_message_has_a_handler_or_a_reason_and_no_reason_is_offered),
	cmocka_unit_test(every_message_that_is_served_has_a_line_here),
	cmocka_unit_test(a_message_that_needs_a_feature_is_refused_without_it),
	cmocka_unit_test(a_payload_of_the_wrong_size_is_refused_for_every_message),
	cmocka_unit_test(too_many_descriptors_are_refused_for_every_message_and_closed),
	cmocka_unit_test(features_that_were_not_offered_are_refused),
	cmocka_unit_test(ring_indexes_are_never_cut))
