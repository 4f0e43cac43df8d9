/* SPDX-License-Identifier: Apache-2.0 */
/* A device with a thread of its own on the rings, as a worker is, while the front-end pulls everything from under it. */
#include "base/log.h"
#include "base/random.h"
#include "base/test.h"
#include "os/guard.h"
#include "os/rcu.h"
#include "os/thread.h"
#include "os/unix.h"
#include "vhost/backend.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30    (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define FEATURES (1ull << 32 | 1ull << 29 | 1ull << 28)
#define PACKED   (1ull << 34)
#define N_RINGS  2

struct bed {
	struct loop *loop;
	struct vhost_backend *backend;
	char dir[64], path[80];
	struct vhost_ring *rings[N_RINGS];
	pthread_t thread;
	bool stop;
	uint64_t served; /* buffers, by the thread */
	bool connected;
	struct fake_front front;
};

static void on_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	struct bed *bed = device;

	rcu_publish(bed->rings[idx], ring);
}

static void on_quiesce(void *device)
{
	rcu_wait();
}

static void on_set_features(void *device, uint64_t features)
{
}

static void on_connected(void *device, bool connected)
{
	struct bed *bed = device;

	bed->connected = connected;
}

/* The thread looks at its rings all the time. */
static void on_kick(void *device, uint32_t idx)
{
}

static const struct vhost_device ops = {.publish = on_publish,
	.quiesce = on_quiesce,
	.set_features = on_set_features,
	.connected = on_connected,
	.kick = on_kick};

static void serve(struct bed *bed, struct vhost_ring *ring)
{
	struct virtq_seg segs[8];
	struct virtq_chain chain = {.segs = segs, .max = 8};

	for (int n = 0; n < 8 && virtq_pop(&ring->vq, &chain) == 1; n++) {
		for (uint32_t i = 0; i < chain.n_write; i++)
			memset(segs[i].addr, segs[i].addr[0] + 1, segs[i].len);
		if (ring->vq.log)
			virtq_log_written(&ring->vq, segs, chain.n_write, chain.write_len);
		virtq_push(&ring->vq, chain.buffer, (uint32_t)chain.write_len);
		__atomic_fetch_add(&bed->served, 1, __ATOMIC_RELAXED);
	}
	virtq_flush(&ring->vq);
	virtq_arm(&ring->vq);
}

static void *device_thread(void *arg)
{
	struct bed *bed = arg;

	rcu_reader_start();
	while (!__atomic_load_n(&bed->stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < N_RINGS; i++) {
			struct vhost_ring *ring = rcu_load(bed->rings[i]);

			if (ring)
				serve(bed, ring);
		}
		rcu_quiet();
	}
	rcu_reader_stop();
	return NULL;
}

static void bed_open(struct bed *bed)
{
	struct vhost_backend_config config = {.server = true,
		.mode = 0600,
		.features = FEATURES | PACKED,
		.protocol_features = 1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
		.n_rings = N_RINGS,
		.queue_num = 1,
		.name = "thread",
		.ops = &ops,
		.device = bed};

	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	*bed = (struct bed){.dir = "/tmp/ginnel-test.XXXXXX"};
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->path, sizeof(bed->path), "%s/socket", bed->dir);
	config.path = bed->path;
	assert_int_equal(loop_create(&bed->loop), 0);
	assert_int_equal(guard_start(-1), 0);
	assert_int_equal(vhost_backend_create(&bed->backend, bed->loop, &config), 0);
	assert_int_equal(thread_start(&bed->thread, "device", THREAD_ANY_CPU, device_thread, bed), 0);
	fake_front_open(&bed->front, bed->loop, bed->path);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	assert_false(bed->connected);
	__atomic_store_n(&bed->stop, true, __ATOMIC_RELAXED);
	pthread_join(bed->thread, NULL);
	vhost_backend_destroy(bed->backend);
	loop_destroy(bed->loop);
	assert_int_equal(rmdir(bed->dir), 0);
}

static void front_starts(struct bed *bed)
{
	fake_negotiate(&bed->front, FEATURES, 0xb);
	for (uint32_t i = 0; i < N_RINGS; i++) {
		fake_ring_reset(&bed->front, i, 0);
		fake_ring_start(&bed->front, i, 0, -1);
	}
}

/* As many buffers as the ring has room for. */
static void offer_all(struct bed *bed)
{
	for (uint32_t i = 0; i < N_RINGS; i++) {
		uint16_t used = __atomic_load_n(&fake_used(&bed->front, i)->idx, __ATOMIC_ACQUIRE);

		while ((uint16_t)(fake_avail(&bed->front, i)->idx - used) < FAKE_RING_SIZE)
			fake_offer(&bed->front, i, 3000);
	}
}

/* Buffers are offered until the thread has served n more. False: it does not any more. */
static bool keep_busy(struct bed *bed, uint64_t n)
{
	uint64_t until = __atomic_load_n(&bed->served, __ATOMIC_RELAXED) + n;

	for (int tries = 0; tries < 1000000; tries++) {
		if (__atomic_load_n(&bed->served, __ATOMIC_RELAXED) >= until)
			return true;
		offer_all(bed);
		sched_yield();
	}
	return false;
}

TEST(a_storm_of_memory_tables_at_full_traffic)
{
	struct bed bed;

	bed_open(&bed);
	front_starts(&bed);
	for (int i = 0; i < 500; i++) {
		offer_all(&bed);
		fake_mem_table(&bed.front);
		if (i % 50 == 0)
			assert_true(keep_busy(&bed, 10));
	}
	assert_true(bed.connected);
	bed_close(&bed);
}

TEST(a_storm_of_memory_slots_at_full_traffic)
{
	struct vhost_user_mem_slot slot = {
		.region = {.gpa = 1ull << 40, .size = 0x1000, .uaddr = 1ull << 40}};
	struct bed bed;

	bed_open(&bed);
	front_starts(&bed);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES,
		1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK);
	for (int i = 0; i < 500; i++) {
		uint32_t request = i % 2 ? VHOST_USER_REM_MEM_REG : VHOST_USER_ADD_MEM_REG;

		offer_all(&bed);
		assert_int_equal(
			fake_acked(&bed.front, request, &slot, sizeof(slot), &bed.front.memfd, 1), 0);
		if (i % 50 == 0)
			assert_true(keep_busy(&bed, 10));
	}
	bed_close(&bed);
}

/* The thread calls over a socket that changes under it, is never read, and is closed. */
TEST(a_storm_of_request_channels_at_full_traffic)
{
	struct bed bed;

	bed_open(&bed);
	fake_negotiate(&bed.front, FEATURES,
		1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS |
			1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK);
	for (uint32_t i = 0; i < N_RINGS; i++) {
		fake_ring_reset(&bed.front, i, 0);
		fake_ring_start(&bed.front, i, 0, -1);
	}
	for (int i = 0; i < 500; i++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		offer_all(&bed);
		assert_int_equal(
			fake_acked(&bed.front, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &ends[0], 1), 0);
		vhost_backend_check_rings(bed.backend);
		close(ends[0]);
		if (i % 50 == 0)
			assert_true(keep_busy(&bed, 10));
		close(ends[1]);
		fake_turns(bed.loop);
	}
	assert_true(bed.connected);
	bed_close(&bed);
}

TEST(a_storm_of_every_live_change_at_full_traffic)
{
	struct vhost_user_log log = {.size = 4096, .offset = 0};
	struct vhost_user_header log_header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(log)};
	int event = fake_eventfd();
	struct bed bed;

	bed_open(&bed);
	front_starts(&bed);
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t ring = i % N_RINGS;
		uint64_t reply;

		offer_all(&bed);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_CALL, ring, i % 3 ? event : -1);
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_ERR, ring, i % 3 ? event : -1);
		fake_ring_addr(&bed.front, ring, i % 2);
		fake_state(&bed.front, VHOST_USER_SET_VRING_ENABLE, ring, i % 2);
		fake_send(&bed.front, &log_header, &log, &bed.front.memfd, 1);
		assert_true(fake_reply(&bed.front, VHOST_USER_SET_LOG_BASE, &reply, sizeof(reply)));
		fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FEATURES | BIT30 | (uint64_t)(i / 2 % 2) << 26);
		if (i % 50 == 0)
			assert_true(keep_busy(&bed, 10));
	}
	assert_true(bed.connected);
	close(event);
	bed_close(&bed);
}

TEST(stops_and_starts_at_full_traffic)
{
	struct bed bed;

	bed_open(&bed);
	front_starts(&bed);
	for (uint32_t i = 0; i < 500; i++) {
		uint16_t base;

		offer_all(&bed);
		base = (uint16_t)fake_get_base(&bed.front, 0);
		/* what was taken has been returned, and it is quiet now */
		assert_int_equal(base, fake_used(&bed.front, 0)->idx);
		fake_ring_start(&bed.front, 0, base, -1);
	}
	assert_true(keep_busy(&bed, 100));
	bed_close(&bed);
}

TEST(a_front_end_that_dies_at_full_traffic)
{
	struct bed bed;

	bed_open(&bed);
	for (int life = 0; life < 100; life++) {
		front_starts(&bed);
		offer_all(&bed);
		fake_front_hang_up(&bed.front);
		assert_false(bed.connected);
		fake_front_reopen(&bed.front, bed.path);
	}
	bed_close(&bed);
}

/* The file is cut while the thread works on it: only this connection ends. */
TEST(memory_that_is_cut_at_full_traffic)
{
	struct vhost_backend_status status;
	struct bed bed;

	bed_open(&bed);
	for (int life = 0; life < 20; life++) {
		front_starts(&bed);
		assert_true(keep_busy(&bed, 20));
		offer_all(&bed);
		assert_int_equal(
			ftruncate(bed.front.memfd, life % 2 ? 0 : FAKE_OFFSET + FAKE_RINGS * FAKE_RING_LEN),
			0);
		/* the thread meets the hole sooner or later; nothing here may wait for that, so touch it as it does */
		for (int tries = 0; tries < 1000000 && bed.connected; tries++) {
			vhost_backend_check_memory(bed.backend);
			if (life % 2 == 0)
				offer_all(&bed);
			sched_yield();
		}
		assert_false(bed.connected);
		vhost_backend_status(bed.backend, &status);
		assert_int_equal(status.error, -EFAULT);
		fake_front_close(&bed.front);
		fake_front_open(&bed.front, bed.loop, bed.path);
	}
	front_starts(&bed);
	assert_true(keep_busy(&bed, 20));
	bed_close(&bed);
}

/* Any descriptor: within buffers of its own, beyond memory, in a table of more such, with whatever flags. */
static struct vring_packed_desc some_desc(struct random *r, uint64_t buffers)
{
	struct vring_packed_desc d = {
		.addr = buffers + random_below(r, 0x8000),
		.len = random_below(r, 5000),
		.id = (uint16_t)random_u64(r),
		.flags = (uint16_t)random_u64(r) &
			 (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | 1u << 7 | 1u << 15),
	};

	switch (random_below(r, 100)) {
	case 0:
		d.addr = random_u64(r);
		break;
	case 1:
		d.flags |= VRING_DESC_F_INDIRECT;
		d.addr = fake_ring_gpa(0);
		d.len = 16 * random_below(r, 16);
		break;
	default:
		break;
	}
	return d;
}

/* Half a descriptor at a time, in the middle of whatever the thread does with it. */
static void scribble(struct bed *bed, struct random *r)
{
	uint64_t buffers = FAKE_GPA + FAKE_RINGS * FAKE_RING_LEN;
	uint64_t *words = (uint64_t *)(void *)fake_at(&bed->front, fake_ring_gpa(0));

	for (int i = 0; i < 200; i++) {
		struct vring_packed_desc d = some_desc(r, buffers);
		uint32_t half = random_below(r, 2), slot = random_below(r, FAKE_RING_SIZE);
		uint64_t word;

		memcpy(&word, (uint8_t *)&d + 8 * half, sizeof(word));
		__atomic_store_n(&words[2 * slot + half], word, __ATOMIC_RELAXED);
	}
}

TEST(a_packed_ring_that_changes_while_it_is_read)
{
	uint64_t served;
	struct random r;
	struct bed bed;

	random_init(&r, 1);
	bed_open(&bed);
	fake_negotiate(&bed.front, FEATURES | PACKED, 0xb);
	fake_ring_start(&bed.front, 0, 0, -1);
	served = __atomic_load_n(&bed.served, __ATOMIC_RELAXED);
	for (int life = 0; life < 2000; life++) {
		for (int i = 0; i < 5; i++) {
			scribble(&bed, &r);
			sched_yield();
		}
		/* by then it is broken, as a rule */
		fake_state(&bed.front, VHOST_USER_SET_VRING_BASE, 0, fake_get_base(&bed.front, 0));
		fake_ring_fd(&bed.front, VHOST_USER_SET_VRING_KICK, 0, -1);
		assert_non_null(bed.rings[0]);
	}
	assert_true(__atomic_load_n(&bed.served, __ATOMIC_RELAXED) > served);
	assert_true(bed.connected);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_packed_ring_that_changes_while_it_is_read),
	cmocka_unit_test(a_storm_of_memory_tables_at_full_traffic),
	cmocka_unit_test(a_storm_of_memory_slots_at_full_traffic),
	cmocka_unit_test(a_storm_of_request_channels_at_full_traffic),
	cmocka_unit_test(a_storm_of_every_live_change_at_full_traffic),
	cmocka_unit_test(stops_and_starts_at_full_traffic),
	cmocka_unit_test(a_front_end_that_dies_at_full_traffic),
	cmocka_unit_test(memory_that_is_cut_at_full_traffic))
