/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ports on one thread, as two guests share a worker: whatever the front-end of the first one does at full speed, the
 * second one's rings are served all the while.
 */
#include "base/log.h"
#include "base/test.h"
#include "os/guard.h"
#include "os/rcu.h"
#include "os/thread.h"
#include "vhost/backend.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FEATURES (1ull << 32 | 1ull << 29 | 1ull << 28)
#define PROTO    0xbu
#define N_RINGS  2
#define PORTS    2
#define STORM    500
#define PATIENCE 10000000

struct port {
	struct vhost_backend *backend;
	struct vhost_ring *rings[N_RINGS];
	struct fake_front front;
	char path[80];
	bool connected;
	uint64_t served; /* buffers, by the thread */
};

struct bed {
	struct loop *loop;
	char dir[64];
	pthread_t thread;
	bool stop;
	struct port ports[PORTS];
};

static void on_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	struct port *port = device;

	rcu_publish(port->rings[idx], ring);
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
	struct port *port = device;

	port->connected = connected;
}

static const struct vhost_device ops = {.publish = on_publish,
	.quiesce = on_quiesce,
	.set_features = on_set_features,
	.connected = on_connected};

static void serve(struct port *port, struct vhost_ring *ring)
{
	struct virtq_seg segs[8];
	struct virtq_chain chain = {.segs = segs, .max = 8};

	while (virtq_pop(&ring->vq, &chain) == 1) {
		for (uint32_t i = 0; i < chain.n_write; i++)
			memset(segs[i].addr, 0x5a, segs[i].len);
		virtq_push(&ring->vq, chain.buffer, (uint32_t)chain.write_len);
		__atomic_fetch_add(&port->served, 1, __ATOMIC_RELAXED);
	}
	virtq_flush(&ring->vq);
	virtq_arm(&ring->vq);
}

static void *device_thread(void *arg)
{
	struct bed *bed = arg;

	rcu_reader_start();
	while (!__atomic_load_n(&bed->stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < PORTS * N_RINGS; i++) {
			struct port *port = &bed->ports[i / N_RINGS];
			struct vhost_ring *ring = rcu_load(port->rings[i % N_RINGS]);

			if (ring)
				serve(port, ring);
		}
		rcu_quiet();
	}
	rcu_reader_stop();
	return NULL;
}

static void port_open(struct bed *bed, uint32_t i)
{
	struct port *port = &bed->ports[i];
	struct vhost_backend_config config = {.server = true,
		.mode = 0600,
		.features = FEATURES,
		.n_rings = N_RINGS,
		.queue_num = 1,
		.name = "port",
		.ops = &ops,
		.path = port->path,
		.device = port};

	snprintf(port->path, sizeof(port->path), "%s/%u", bed->dir, i);
	assert_int_equal(vhost_backend_create(&port->backend, bed->loop, &config), 0);
	fake_front_open(&port->front, bed->loop, port->path);
}

static void front_starts(struct port *port)
{
	fake_negotiate(&port->front, FEATURES, PROTO);
	for (uint32_t i = 0; i < N_RINGS; i++) {
		fake_ring_reset(&port->front, i, 0);
		fake_ring_start(&port->front, i, 0, -1);
	}
}

static void bed_open(struct bed *bed)
{
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	*bed = (struct bed){.dir = "/tmp/ginnel-test.XXXXXX"};
	assert_non_null(mkdtemp(bed->dir));
	assert_int_equal(loop_create(&bed->loop), 0);
	assert_int_equal(guard_start(-1), 0);
	for (uint32_t i = 0; i < PORTS; i++)
		port_open(bed, i);
	assert_int_equal(thread_start(&bed->thread, "device", THREAD_ANY_CPU, device_thread, bed), 0);
	for (uint32_t i = 0; i < PORTS; i++)
		front_starts(&bed->ports[i]);
}

static void bed_close(struct bed *bed)
{
	for (uint32_t i = 0; i < PORTS; i++) {
		fake_front_close(&bed->ports[i].front);
		assert_false(bed->ports[i].connected);
	}
	__atomic_store_n(&bed->stop, true, __ATOMIC_RELAXED);
	pthread_join(bed->thread, NULL);
	for (uint32_t i = 0; i < PORTS; i++)
		vhost_backend_destroy(bed->ports[i].backend);
	loop_destroy(bed->loop);
	assert_int_equal(rmdir(bed->dir), 0);
}

static void offer_all(struct port *port)
{
	for (uint32_t i = 0; i < N_RINGS; i++) {
		uint16_t used = __atomic_load_n(&fake_used(&port->front, i)->idx, __ATOMIC_ACQUIRE);

		while ((uint16_t)(fake_avail(&port->front, i)->idx - used) < FAKE_RING_SIZE)
			fake_offer(&port->front, i, 3000);
	}
}

static uint64_t served(const struct port *port)
{
	return __atomic_load_n(&port->served, __ATOMIC_RELAXED);
}

/* Buffers are offered until at least one more was served. */
static void check_served(struct port *port)
{
	uint64_t before = served(port);

	for (int tries = 0; served(port) == before; tries++) {
		assert_true(tries < PATIENCE);
		offer_all(port);
		sched_yield();
	}
}

/* Much memory of which nothing is there: what maps or touches it all would take its time. */
static void set_large_table(struct port *port, int memfd, uint32_t i)
{
	struct vhost_user_mem mem = {.n = 2};
	const int fds[2] = {port->front.memfd, memfd};

	mem.regions[0] = (struct vhost_user_region){
		.gpa = FAKE_GPA, .size = FAKE_MEM_LEN, .uaddr = FAKE_UADDR, .offset = FAKE_OFFSET};
	mem.regions[1] = (struct vhost_user_region){
		.gpa = 1ull << 40, .size = (1ull << 40) + (uint64_t)i * 4096, .uaddr = 1ull << 41};
	assert_int_equal(fake_acked(&port->front, VHOST_USER_SET_MEM_TABLE, &mem, 8 + 64, fds, 2), 0);
}

TEST(a_terabyte_that_comes_and_goes_does_not_hold_up_another_port)
{
	int memfd = memfd_create("large", MFD_CLOEXEC);
	struct bed bed;

	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, 1ll << 42), 0);
	bed_open(&bed);
	for (uint32_t i = 0; i < STORM; i++) {
		offer_all(&bed.ports[0]);
		set_large_table(&bed.ports[0], memfd, i);
		check_served(&bed.ports[1]);
	}
	check_served(&bed.ports[0]);
	bed_close(&bed);
	close(memfd);
}

static void look(const struct port *port)
{
	struct vhost_backend_status status;
	struct vhost_ring_status ring;
	struct virtq_view view;

	vhost_backend_status(port->backend, &status);
	assert_true(status.connected);
	for (uint32_t i = 0; i < N_RINGS; i++) {
		vhost_backend_ring_status(port->backend, i, &ring);
		assert_true(ring.started);
		assert_true(virtq_look(&ring.ring->vq, &view));
	}
	vhost_backend_check_rings(port->backend);
}

TEST(rings_that_are_enabled_and_disabled_all_the_time_while_somebody_looks)
{
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < 10 * STORM; i++) {
		offer_all(&bed.ports[0]);
		fake_state(&bed.ports[0].front, VHOST_USER_SET_VRING_ENABLE, i % N_RINGS, i / 2 % 2);
		look(&bed.ports[0]);
		look(&bed.ports[1]);
		if (i % 50 == 0)
			check_served(&bed.ports[1]);
	}
	check_served(&bed.ports[0]);
	bed_close(&bed);
}

TEST(memory_that_is_cut_ends_its_own_connection_only)
{
	struct vhost_backend_status status;
	struct bed bed;

	bed_open(&bed);
	check_served(&bed.ports[0]);
	offer_all(&bed.ports[0]);
	assert_int_equal(ftruncate(bed.ports[0].front.memfd, FAKE_OFFSET + FAKE_RINGS * FAKE_RING_LEN), 0);
	for (int tries = 0; bed.ports[0].connected; tries++) {
		assert_true(tries < PATIENCE);
		offer_all(&bed.ports[0]);
		check_served(&bed.ports[1]);
		for (uint32_t i = 0; i < PORTS; i++)
			vhost_backend_check_memory(bed.ports[i].backend);
	}
	vhost_backend_status(bed.ports[0].backend, &status);
	assert_int_equal(status.error, -EFAULT);
	assert_true(bed.ports[1].connected);
	check_served(&bed.ports[1]);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_terabyte_that_comes_and_goes_does_not_hold_up_another_port),
	cmocka_unit_test(rings_that_are_enabled_and_disabled_all_the_time_while_somebody_looks),
	cmocka_unit_test(memory_that_is_cut_ends_its_own_connection_only))
