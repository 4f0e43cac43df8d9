/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages at random, each nearly right: known ids more often than not, sizes and indexes that mostly fit, addresses
 * that mostly exist. Between them the device works on whatever rings there are, while the guest scribbles over them.
 * A failure replays from its seed.
 */
#include "base/check.h"
#include "base/random.h"
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"
#include "vhost/message_table.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEEDS     40
#define MESSAGES  1500
#define ALL_PROTO (vhost_protocol_features_by(VHOST_BY_ENGINE) | vhost_protocol_features_by(VHOST_BY_DEVICE))

struct bed {
	struct fake_device device;
	struct fake_front front;
	struct random random;
	int event;
	int channel[2]; /* for the back-end's requests: it gets either end */
};

static uint64_t pick(struct bed *bed, const uint64_t *values, uint32_t n)
{
	return random_below(&bed->random, 20) == 0 ? random_u64(&bed->random)
						   : values[random_below(&bed->random, n)];
}

static uint32_t some_request(struct bed *bed)
{
	return random_below(&bed->random, 20) == 0 ? random_below(&bed->random, 50)
						   : 1 + random_below(&bed->random, 43);
}

static uint32_t some_index(struct bed *bed)
{
	static const uint64_t indexes[] = {0, 0, 0, 1, 1, 1, 2, 3};

	return (uint32_t)pick(bed, indexes, ARRAY_LEN(indexes));
}

static uint64_t some_features(struct bed *bed)
{
	static const uint64_t features[] = {FAKE_FEATURES, FAKE_FEATURES | 1ull << 30, FAKE_OFFERED,
		FAKE_OFFERED | 1ull << 30, FAKE_FEATURES | 5ull << 28,
		FAKE_FEATURES | 1ull << 30 | 1ull << 26, 1ull << 32 | 1ull << 26, 0};

	return pick(bed, features, ARRAY_LEN(features));
}

static uint64_t some_uaddr(struct bed *bed, uint32_t idx, uint64_t part)
{
	const uint64_t addresses[] = {FAKE_UADDR + idx * FAKE_RING_LEN + part,
		FAKE_UADDR + idx * FAKE_RING_LEN + part, FAKE_UADDR + idx * FAKE_RING_LEN + part,
		FAKE_UADDR + FAKE_MEM_LEN - 16, FAKE_GPA};

	return pick(bed, addresses, ARRAY_LEN(addresses));
}

static void some_table(struct bed *bed, struct vhost_user_mem *mem)
{
	static const uint64_t lens[] = {FAKE_MEM_LEN, FAKE_MEM_LEN, FAKE_MEM_LEN, FAKE_MEM_LEN / 2, 4096, 0};

	mem->n = random_below(&bed->random, 30) == 0 ? random_below(&bed->random, 12) : 1;
	for (uint64_t i = 0; i < VHOST_USER_MAX_REGIONS; i++)
		mem->regions[i] = (struct vhost_user_region){.gpa = FAKE_GPA + i * FAKE_MEM_LEN,
			.size = pick(bed, lens, ARRAY_LEN(lens)),
			.uaddr = FAKE_UADDR + i * FAKE_MEM_LEN,
			.offset = random_below(&bed->random, 10) ? FAKE_OFFSET
								 : random_below(&bed->random, 0x4000)};
}

union payload {
	uint64_t u64;
	struct vhost_user_ring_state state;
	struct vhost_user_ring_addr addr;
	struct vhost_user_mem mem;
	struct vhost_user_log log;
	struct vhost_user_mem_slot slot;
	struct vhost_user_config config;
	struct vhost_user_inflight inflight;
	struct vhost_user_state_transfer transfer;
	uint8_t bytes[512];
};

/* The same for messages that a ring does not know. */
static uint32_t some_other_payload(struct bed *bed, uint32_t request, union payload *p)
{
	static const uint64_t statuses[] = {0, 1, 3, 11, 15, 15, 15};

	switch (request) {
	case VHOST_USER_SEND_RARP:
	case VHOST_USER_NET_SET_MTU:
		p->u64 = random_u64(&bed->random);
		return 8;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		p->config.offset = random_below(&bed->random, 80);
		p->config.size = random_below(&bed->random, 80);
		return (uint32_t)sizeof(p->config) + p->config.size;
	case VHOST_USER_GET_INFLIGHT_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
		p->inflight = (struct vhost_user_inflight){.mmap_size = 0x4000,
			.num_queues = 1 + (uint16_t)random_below(&bed->random, 4),
			.queue_size = 16};
		return sizeof(p->inflight);
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		p->slot.region.gpa = p->slot.region.uaddr =
			(1ull << 40) + random_below(&bed->random, 8) * 0x1000;
		p->slot.region.size = 0x1000;
		return sizeof(p->slot);
	case VHOST_USER_SET_STATUS:
		p->u64 = pick(bed, statuses, ARRAY_LEN(statuses));
		return 8;
	case VHOST_USER_SET_DEVICE_STATE_FD:
		p->transfer.direction = random_below(&bed->random, 2);
		return sizeof(p->transfer);
	default:
		return 0;
	}
}

/* Fills in what such a message carries; returns its size. */
static uint32_t some_payload(struct bed *bed, uint32_t request, union payload *p)
{
	static const uint64_t sizes[] = {FAKE_RING_SIZE, FAKE_RING_SIZE, 2, 256, 32768, 7, 0};
	uint32_t idx = some_index(bed);

	memset(p, 0, sizeof(*p));
	switch (request) {
	case VHOST_USER_SET_FEATURES:
		p->u64 = some_features(bed);
		return 8;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		p->u64 = random_below(&bed->random, 4) ? ALL_PROTO : random_u64(&bed->random) & ALL_PROTO;
		return 8;
	case VHOST_USER_SET_MEM_TABLE:
		some_table(bed, &p->mem);
		return p->mem.n > 8 ? sizeof(p->mem) : 8 + 32 * p->mem.n;
	case VHOST_USER_SET_LOG_BASE:
		p->log = (struct vhost_user_log){.size = 256, .offset = random_below(&bed->random, 0x10000)};
		return sizeof(p->log);
	case VHOST_USER_SET_VRING_ADDR:
		p->addr = (struct vhost_user_ring_addr){.index = idx,
			.flags = random_below(&bed->random, 2),
			.desc = some_uaddr(bed, idx, 0),
			.avail = some_uaddr(bed, idx, 0x1000),
			.used = some_uaddr(bed, idx, 0x2000),
			.log = random_below(&bed->random, 4) ? fake_ring_gpa(0) : random_u64(&bed->random)};
		return sizeof(p->addr);
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		p->u64 = idx;
		return 8;
	case VHOST_USER_SET_VRING_NUM:
		p->state = (struct vhost_user_ring_state){
			.index = idx, .num = (uint32_t)pick(bed, sizes, ARRAY_LEN(sizes))};
		return 8;
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_VRING_KICK:
		p->state = (struct vhost_user_ring_state){.index = idx, .num = random_below(&bed->random, 2)};
		return 8;
	default:
		return some_other_payload(bed, request, p);
	}
}

static bool carries_fd(uint32_t request)
{
	const struct message_row *row = message_row(request);

	return row && row->fds_max == 1 && request != VHOST_USER_REM_MEM_REG;
}

/* What a front-end would send along. */
static int some_fd(struct bed *bed, uint32_t request)
{
	if (request >= VHOST_USER_SET_VRING_KICK && request <= VHOST_USER_SET_VRING_ERR)
		return bed->event;
	if (request == VHOST_USER_SET_BACKEND_REQ_FD || request == VHOST_USER_GPU_SET_SOCKET)
		return bed->channel[random_below(&bed->random, 10) > 0];
	return bed->front.memfd;
}

static void say_something(struct bed *bed)
{
	uint32_t request = some_request(bed), n_fds = carries_fd(request);
	bool ring_fd = request >= VHOST_USER_SET_VRING_KICK && request <= VHOST_USER_SET_VRING_ERR;
	struct vhost_user_header header = {.request = request, .flags = VHOST_USER_VERSION};
	union payload payload;
	int fds[12];

	header.size = some_payload(bed, request, &payload);
	if (request == VHOST_USER_SET_MEM_TABLE)
		n_fds = payload.mem.n;
	if (ring_fd && random_below(&bed->random, 4) == 0) {
		payload.u64 |= VHOST_USER_RING_FD_NONE;
		n_fds = 0;
	}
	if (random_below(&bed->random, 40) == 0)
		n_fds = random_below(&bed->random, ARRAY_LEN(fds));
	if (random_below(&bed->random, 60) == 0)
		header.size = random_below(&bed->random, sizeof(payload));
	/* acknowledged in most cases, so that a refusal does not end it all */
	if (random_below(&bed->random, 8))
		header.flags |= VHOST_USER_NEED_REPLY;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = some_fd(bed, request);
	fake_send(&bed->front, &header, payload.bytes, fds, n_fds);
}

/* The guest's side of the rings at random; buffers that exist more often than not. */
static void scribble(struct bed *bed)
{
	uint32_t ring = random_below(&bed->random, 2);
	uint8_t *at = fake_at(&bed->front, fake_ring_gpa(ring));

	for (int i = 0; i < 4; i++)
		fake_offer(&bed->front, ring, random_below(&bed->random, 5000));
	if (random_below(&bed->random, 3) == 0)
		at[random_below(&bed->random, FAKE_RING_LEN)] = (uint8_t)random_u64(&bed->random);
}

/* The device does what devices do, without expecting anything. */
static void work(struct bed *bed)
{
	struct virtq_seg segs[32];
	struct virtq_chain chain = {.segs = segs, .max = ARRAY_LEN(segs)};

	for (uint32_t i = 0; i < 4; i++) {
		struct vhost_ring *ring = bed->device.rings[i];

		if (!ring)
			continue;
		for (int n = 0; n < 8 && virtq_pop(&ring->vq, &chain) == 1; n++) {
			for (uint32_t s = chain.n_read; s < chain.n_read + chain.n_write; s++)
				memset(segs[s].addr, n, segs[s].len);
			if (ring->vq.log)
				virtq_log_written(
					&ring->vq, segs + chain.n_read, chain.n_write, chain.write_len);
			virtq_push(&ring->vq, chain.buffer, (uint32_t)chain.write_len);
		}
		virtq_flush(&ring->vq);
		virtq_arm(&ring->vq);
	}
	vhost_backend_check_rings(bed->device.backend);
}

static void drain_replies(struct bed *bed)
{
	uint8_t replies[512];

	while (recv(bed->front.fd, replies, sizeof(replies), MSG_DONTWAIT) > 0)
		;
}

/* Connects; three times out of four it begins like an honest front-end. */
static void come_again(struct bed *bed)
{
	fake_front_hang_up(&bed->front);
	fake_front_reopen(&bed->front, bed->device.path);
	fake_u64(&bed->front, VHOST_USER_SET_PROTOCOL_FEATURES, ALL_PROTO);
	if (random_below(&bed->random, 4) == 0)
		return;
	fake_negotiate(&bed->front, FAKE_FEATURES | 1ull << 30, ALL_PROTO);
	for (uint32_t i = 0; i < 2; i++) {
		fake_ring_reset(&bed->front, i, 0);
		fake_ring_start(&bed->front, i, 0, bed->event);
	}
}

static uint32_t run(struct bed *bed, uint64_t seed)
{
	uint32_t worked = 0;

	random_init(&bed->random, seed);
	for (int i = 0; i < MESSAGES; i++) {
		if (!bed->device.connected)
			come_again(bed);
		say_something(bed);
		drain_replies(bed);
		scribble(bed);
		worked += bed->device.rings[0] || bed->device.rings[1];
		work(bed);
	}
	return worked;
}

TEST(random_messages_leave_no_trace)
{
	uint32_t worked = 0, fds, maps;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct bed bed;

		fds = fake_open_fds();
		maps = fake_mappings();
		bed.event = fake_eventfd();
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bed.channel), 0);
		fake_device_open(&bed.device, 4);
		fake_front_open(&bed.front, bed.device.loop, bed.device.path);
		worked += run(&bed, seed);
		fake_front_close(&bed.front);
		fake_device_close(&bed.device);
		close(bed.event);
		close(bed.channel[0]);
		close(bed.channel[1]);
		assert_int_equal(fake_open_fds(), fds);
		assert_int_equal(fake_mappings(), maps);
	}
	/* the messages are near enough to right ones to get rings running */
	assert_true(worked > SEEDS * MESSAGES / 4);
}

TESTS(cmocka_unit_test(random_messages_leave_no_trace))
