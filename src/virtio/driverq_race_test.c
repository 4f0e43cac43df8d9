/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads, the driver's and the device's, over one ring: every number arrives once and in order, each side
 * sleeps when it has nothing to do, and no wake-up is lost. For ThreadSanitizer, too.
 */
#include "virtio/driverq.h"

#include "virtio/driverq_bed.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#define NUMBERS 100000u

static struct driverq_bed bed;

/* Until fd is rung. A minute is for ever: then a wake-up was lost. */
static void sleep_on(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 60000), 1);
	bed_rings(fd);
}

static void *device(void *arg)
{
	uint32_t next = 0;

	while (next < NUMBERS) {
		struct virtq_chain chain;
		uint32_t n = 0;

		for (; n < 16 && bed_pop(&bed, &chain); n++) {
			uint32_t number;

			memcpy(&number, chain.segs[0].addr, sizeof(number));
			assert_int_equal(number, next++);
			assert_int_equal(chain.n_read, 1 + number % 3);
			virtq_push(&bed.device, chain.buffer, 0);
		}
		virtq_flush(&bed.device);
		if (n == 0 && !virtq_arm(&bed.device))
			sleep_on(bed.kick_fd);
		virtq_disarm(&bed.device);
	}
	return NULL;
}

static void add(uint32_t number)
{
	memcpy(driverq_next(&bed.q, 0), &number, sizeof(number));
	driverq_add(&bed.q, 1 + number % 3, (1 + number % 3) * BED_BUFFER_LEN);
}

static void run(uint32_t size, uint64_t features)
{
	uint32_t sent = 0, back = 0;
	pthread_t thread;

	bed_open(&bed, size, features, false);
	assert_int_equal(pthread_create(&thread, NULL, device, NULL), 0);
	while (back < NUMBERS) {
		struct driverq_used used;
		uint32_t n = 0;

		for (; driverq_take(&bed.q, &used) == 1; n++)
			back++;
		for (; sent < NUMBERS && driverq_room(&bed.q) >= 3; n++)
			add(sent++);
		if (driverq_publish(&bed.q))
			assert_true(driverq_kick(&bed.q));
		assert_int_equal(bed.q.error, DRIVERQ_OK);
		if (n == 0 && !driverq_arm(&bed.q))
			sleep_on(bed.call_fd);
		driverq_disarm(&bed.q);
	}
	pthread_join(thread, NULL);
	assert_int_equal(back, NUMBERS);
	bed_close(&bed);
}

TEST(two_threads_share_a_split_ring)
{
	run(64, 0);
	run(64, BIT(VIRTIO_RING_F_EVENT_IDX));
	run(4, BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_IN_ORDER));
}

TEST(two_threads_share_a_packed_ring)
{
	run(64, BIT(VIRTIO_F_RING_PACKED));
	run(61, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_EVENT_IDX));
	run(3, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_IN_ORDER));
}

TESTS(cmocka_unit_test(two_threads_share_a_split_ring), cmocka_unit_test(two_threads_share_a_packed_ring))
