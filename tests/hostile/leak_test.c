/* SPDX-License-Identifier: Apache-2.0 */
/* A front-end that repeats itself or breaks off: descriptors and mappings stay level. */
#include "base/check.h"
#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30      (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTO      0xbu
#define EVERYTHING (vhost_protocol_features_by(VHOST_BY_ENGINE) | vhost_protocol_features_by(VHOST_BY_DEVICE))
#define MANY       1000

struct bed {
	struct fake_device device;
	struct fake_front front;
	int event;
};

static void bed_open(struct bed *bed)
{
	bed->event = fake_eventfd();
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
	close(bed->event);
}

/* One message of the QEMU order, whole. */
struct step {
	uint32_t request;
	uint32_t size;
	bool memory; /* its descriptor is the guest's memory, otherwise an eventfd */
	uint32_t n_fds;
	uint32_t reply;
	uint32_t payload[20];
};

#define UADDR_LOW  (uint32_t) FAKE_UADDR
#define UADDR_HIGH (uint32_t)(FAKE_UADDR >> 32)

static const struct step qemu[] = {
	{VHOST_USER_GET_FEATURES, 0, .reply = 8},
	{VHOST_USER_GET_PROTOCOL_FEATURES, 0, .reply = 8},
	{VHOST_USER_SET_PROTOCOL_FEATURES, 8, .payload = {PROTO}},
	{VHOST_USER_GET_QUEUE_NUM, 0, .reply = 8},
	{VHOST_USER_SET_OWNER, 0, .reply = 0},
	{VHOST_USER_SET_VRING_CALL, 8, .n_fds = 1, .payload = {0}},
	{VHOST_USER_SET_VRING_ERR, 8, .n_fds = 1, .payload = {0}},
	{VHOST_USER_SET_VRING_ENABLE, 8, .payload = {0, 1}},
	{VHOST_USER_SET_FEATURES, 8, .payload = {1u << 30 | 1u << 29 | 1u << 28, 1}},
	{VHOST_USER_SET_MEM_TABLE, 40, .memory = true, .n_fds = 1,
		.payload = {1, 0, FAKE_GPA, 0, FAKE_MEM_LEN, 0, UADDR_LOW, UADDR_HIGH, FAKE_OFFSET, 0}},
	{VHOST_USER_SET_LOG_BASE, 16, .memory = true, .n_fds = 1, .reply = 8,
		.payload = {0x1000, 0, 0x2000, 0}},
	{VHOST_USER_SET_VRING_NUM, 8, .payload = {0, FAKE_RING_SIZE}},
	{VHOST_USER_SET_VRING_BASE, 8, .payload = {0, 0}},
	{VHOST_USER_SET_VRING_ADDR, 40,
		.payload = {0, 0, UADDR_LOW, UADDR_HIGH, UADDR_LOW + 0x2000, UADDR_HIGH, UADDR_LOW + 0x1000,
			UADDR_HIGH}},
	{VHOST_USER_SET_VRING_KICK, 8, .n_fds = 1, .payload = {0}},
	{VHOST_USER_SET_VRING_CALL, 8, .n_fds = 1, .payload = {0}},
	{VHOST_USER_SET_FEATURES, 8, .payload = {1u << 30 | 1u << 29 | 1u << 28 | 1u << 26, 1}},
	{VHOST_USER_SET_LOG_FD, 0, .n_fds = 1},
	{VHOST_USER_GET_VRING_BASE, 8, .reply = 8, .payload = {0}},
};

/* Those that other front-ends send, none of which stops what QEMU has started. */
static const struct step others[] = {
	{VHOST_USER_SEND_RARP, 8, .payload = {0x33221100, 0x5544}},
	{VHOST_USER_NET_SET_MTU, 8, .payload = {1500}},
	{VHOST_USER_GET_CONFIG, 20, .reply = 20, .payload = {0, 8}},
	{VHOST_USER_SET_CONFIG, 20, .payload = {0, 8}},
	{VHOST_USER_SET_INFLIGHT_FD, 24, .memory = true, .n_fds = 1,
		.payload = {0x1000, 0, 0, 0, 16 << 16 | 4}},
	{VHOST_USER_GET_MAX_MEM_SLOTS, 0, .reply = 8},
	{VHOST_USER_SET_STATUS, 8, .payload = {15}},
	{VHOST_USER_GET_STATUS, 0, .reply = 8},
	{VHOST_USER_VRING_KICK, 8, .payload = {0}},
	{VHOST_USER_CHECK_DEVICE_STATE, 0, .reply = 8},
	{VHOST_USER_ADD_MEM_REG, 40, .memory = true, .n_fds = 1,
		.payload = {0, 0, 0, 1, 0x1000, 0, 0, 1, 0, 0}},
	{VHOST_USER_REM_MEM_REG, 40, .memory = true, .n_fds = 1,
		.payload = {0, 0, 0, 1, 0x1000, 0, 0, 1, 0, 0}},
	{VHOST_USER_RESET_DEVICE, 0, .reply = 0},
};

static void send_step(struct bed *bed, const struct step *s)
{
	struct vhost_user_header header = {
		.request = s->request, .flags = VHOST_USER_VERSION, .size = s->size};
	const int *fd = s->memory ? &bed->front.memfd : &bed->event;

	assert_true(fake_send(&bed->front, &header, s->payload, fd, s->n_fds));
}

static void play(struct bed *bed, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t reply;

		send_step(bed, &qemu[i]);
		if (qemu[i].reply)
			assert_true(fake_reply(&bed->front, qemu[i].request, &reply, qemu[i].reply));
	}
}

TEST(the_order_itself_works)
{
	struct bed bed;

	bed_open(&bed);
	play(&bed, ARRAY_LEN(qemu) - 1);
	assert_non_null(bed.device.rings[0]);
	assert_non_null(bed.device.rings[0]->vq.log);
	bed_close(&bed);
}

/* Each message, a thousand times over, in the state in which QEMU sends it. */
TEST(every_message_a_thousand_times)
{
	struct bed bed;

	bed_open(&bed);
	for (size_t n = 0; n < ARRAY_LEN(qemu); n++) {
		uint32_t fds, maps;

		play(&bed, n + 1);
		fds = fake_open_fds();
		maps = fake_mappings();
		for (int i = 0; i < MANY; i++) {
			uint64_t reply;

			send_step(&bed, &qemu[n]);
			if (qemu[n].reply)
				assert_true(fake_reply(&bed.front, qemu[n].request, &reply, qemu[n].reply));
			if (!bed.device.connected)
				break; /* a base or size for a ring that is started: refused */
		}
		if (bed.device.connected) {
			assert_int_equal(fake_open_fds(), fds);
			assert_int_equal(fake_mappings(), maps);
		}
		fake_front_hang_up(&bed.front);
		fake_front_reopen(&bed.front, bed.device.path);
	}
	bed_close(&bed);
}

static void answered_step(struct bed *bed, const struct step *s)
{
	uint8_t reply[64];

	send_step(bed, s);
	if (s->reply)
		assert_true(fake_reply(&bed->front, s->request, reply, s->reply));
}

TEST(every_other_message_a_thousand_times)
{
	uint32_t fds, maps;
	struct bed bed;

	bed_open(&bed);
	play(&bed, ARRAY_LEN(qemu) - 1);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, EVERYTHING);
	for (size_t n = 0; n < ARRAY_LEN(others); n++)
		answered_step(&bed, &others[n]);
	fds = fake_open_fds();
	maps = fake_mappings();
	for (int i = 0; i < MANY; i++)
		for (size_t n = 0; n < ARRAY_LEN(others); n++)
			answered_step(&bed, &others[n]);
	assert_true(fake_alive(&bed.front));
	assert_int_equal(fake_open_fds(), fds);
	assert_int_equal(fake_mappings(), maps);
	bed_close(&bed);
}

/* Messages whose answer or argument is a descriptor of its own. */
TEST(every_message_about_descriptors_a_thousand_times)
{
	struct vhost_user_inflight areas = {.num_queues = 4, .queue_size = 16};
	struct vhost_user_state_transfer transfer = {0};
	uint32_t fds, maps;
	int ends[2];
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fake_negotiate(&bed.front, FAKE_FEATURES, EVERYTHING);
	fds = fake_open_fds();
	maps = fake_mappings();
	for (uint32_t i = 0; i < MANY; i++) {
		struct vhost_user_header header = {.request = VHOST_USER_SET_DEVICE_STATE_FD,
			.flags = VHOST_USER_VERSION,
			.size = sizeof(transfer)};
		uint64_t answer;

		assert_int_equal(
			fake_acked(&bed.front, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &ends[0], 1), 0);
		assert_int_equal(fake_acked(&bed.front, VHOST_USER_GPU_SET_SOCKET, NULL, 0, &ends[1], 1), 0);
		fake_plain(&bed.front, VHOST_USER_GET_INFLIGHT_FD, &areas, sizeof(areas));
		assert_true(fake_reply(&bed.front, VHOST_USER_GET_INFLIGHT_FD, &areas, sizeof(areas)));
		transfer.direction = i % 2;
		fake_send(&bed.front, &header, &transfer, &bed.event, 1);
		assert_true(fake_reply(&bed.front, VHOST_USER_SET_DEVICE_STATE_FD, &answer, sizeof(answer)));
	}
	/* the areas are mapped, and four descriptors are kept: the areas', for requests, for the screen, for the state */
	assert_in_range(fake_open_fds(), fds, fds + 4);
	assert_int_equal(fake_mappings(), maps + 1);
	bed_close(&bed);
	close(ends[0]);
	close(ends[1]);
}

/* Too many descriptors with each message, a thousand times over. */
TEST(every_message_with_surplus_descriptors)
{
	uint32_t fds_before;
	int surplus[9];
	struct bed bed;

	bed_open(&bed);
	for (size_t i = 0; i < ARRAY_LEN(surplus); i++)
		surplus[i] = bed.front.memfd;
	fds_before = fake_open_fds();
	for (int round = 0; round < MANY; round++) {
		const struct step *s = &qemu[(size_t)round % ARRAY_LEN(qemu)];
		struct vhost_user_header header = {
			.request = s->request, .flags = VHOST_USER_VERSION, .size = s->size};

		fake_send(&bed.front, &header, s->payload, surplus, ARRAY_LEN(surplus));
		assert_true(fake_closed(&bed.front));
		fake_front_hang_up(&bed.front);
		fake_front_reopen(&bed.front, bed.device.path);
		assert_int_equal(fake_open_fds(), fds_before);
	}
	bed_close(&bed);
}

/* The front-end dies after each message of the order, and after each byte of each message. */
TEST(death_at_every_boundary)
{
	uint32_t fds, maps;
	struct bed bed;

	bed_open(&bed);
	fake_front_hang_up(&bed.front);
	fds = fake_open_fds();
	maps = fake_mappings();
	for (size_t n = 0; n <= ARRAY_LEN(qemu); n++) {
		fake_front_reopen(&bed.front, bed.device.path);
		play(&bed, n);
		fake_front_hang_up(&bed.front);
		assert_false(bed.device.connected);
		assert_int_equal(fake_open_fds(), fds);
		assert_int_equal(fake_mappings(), maps);
	}
	fake_front_reopen(&bed.front, bed.device.path);
	bed_close(&bed);
}

static void send_part(struct bed *bed, const struct step *s, size_t len)
{
	uint8_t bytes[sizeof(struct vhost_user_header) + sizeof(s->payload)];
	struct vhost_user_header header = {
		.request = s->request, .flags = VHOST_USER_VERSION, .size = s->size};
	const int *fd = s->memory ? &bed->front.memfd : &bed->event;

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), s->payload, sizeof(s->payload));
	assert_int_equal(unix_send(bed->front.fd, bytes, len, fd, s->n_fds), len);
	fake_turns(bed->device.loop);
}

TEST(death_in_the_middle_of_every_message)
{
	uint32_t fds, maps;
	struct bed bed;

	bed_open(&bed);
	fake_front_hang_up(&bed.front);
	fds = fake_open_fds();
	maps = fake_mappings();
	for (size_t n = 0; n < ARRAY_LEN(qemu); n++) {
		for (size_t len = 1; len < sizeof(struct vhost_user_header) + qemu[n].size; len += 3) {
			fake_front_reopen(&bed.front, bed.device.path);
			play(&bed, n);
			send_part(&bed, &qemu[n], len);
			assert_true(bed.device.connected);
			fake_front_hang_up(&bed.front);
			assert_int_equal(fake_open_fds(), fds);
			assert_int_equal(fake_mappings(), maps);
		}
	}
	fake_front_reopen(&bed.front, bed.device.path);
	bed_close(&bed);
}

TEST(a_thousand_connections_come_and_go)
{
	uint32_t fds, maps;
	struct bed bed;

	bed_open(&bed);
	fds = fake_open_fds();
	maps = fake_mappings();
	for (size_t i = 0; i < MANY; i++) {
		play(&bed, i % ARRAY_LEN(qemu));
		fake_front_hang_up(&bed.front);
		fake_front_reopen(&bed.front, bed.device.path);
		assert_int_equal(fake_open_fds(), fds);
		assert_int_equal(fake_mappings(), maps);
	}
	assert_int_equal(fake_device_status(&bed.device).connections, MANY + 1);
	bed_close(&bed);
}

/* With room for just a few descriptors: what does not fit is lost, and so is the connection, nothing else. */
TEST(no_room_for_descriptors)
{
	struct rlimit before, few;
	bool enough = false;
	uint32_t fds;
	struct bed bed;

	bed_open(&bed);
	fake_front_hang_up(&bed.front);
	fds = fake_open_fds();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t limit = 3; !enough; limit++) {
		fake_front_reopen(&bed.front, bed.device.path);
		few = (struct rlimit){.rlim_cur = limit, .rlim_max = before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		for (size_t n = 0; n < ARRAY_LEN(qemu) && bed.device.connected; n++)
			send_step(&bed, &qemu[n]);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		enough = bed.device.connected;
		assert_true(limit > 3 || !enough);
		fake_front_hang_up(&bed.front);
		assert_int_equal(fake_open_fds(), fds);
	}
	fake_front_reopen(&bed.front, bed.device.path);
	play(&bed, ARRAY_LEN(qemu));
	bed_close(&bed);
}

TESTS(cmocka_unit_test(the_order_itself_works), cmocka_unit_test(every_message_a_thousand_times),
	cmocka_unit_test(every_other_message_a_thousand_times),
	cmocka_unit_test(every_message_about_descriptors_a_thousand_times),
	cmocka_unit_test(every_message_with_surplus_descriptors), cmocka_unit_test(death_at_every_boundary),
	cmocka_unit_test(death_in_the_middle_of_every_message),
	cmocka_unit_test(a_thousand_connections_come_and_go), cmocka_unit_test(no_room_for_descriptors))
