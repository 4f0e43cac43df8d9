/* SPDX-License-Identifier: Apache-2.0 */
/* Kicks and calls: as few as possible, and never one too few. */
#include "sim.h"

#include "base/test.h"

static struct sim sim;
static uint8_t frame[PKT_LEN_MAX];
static struct random r;

/* Both ways in which rings speak of notifications. */
static const uint64_t sets[] = {SIM_RING_FEATURES, SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)};

static void begin(uint64_t features)
{
	random_init(&r, 1);
	sim_init(&sim, 2);
	sim_guests(&sim, features);
	sim_learn(&sim);
	guest_post_n(&sim.guest[1], 100, 2000);
	/* the first call after a start comes whatever the guest wants */
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t q = 0; q < GUEST_QUEUES; q++)
			guest_want_calls(&sim.guest[i], q, true);
}

static void send_n(uint32_t n)
{
	const struct guest_layout layout = guest_layout_one(12 + 100);

	for (uint32_t i = 0; i < n; i++) {
		sim_frame(frame, 100, 0, 1, &r);
		assert_true(guest_send(&sim.guest[0], NULL, frame, 100, &layout));
	}
	guest_kick(&sim.guest[0], GUEST_TX);
}

static uint32_t receive_all(void)
{
	uint32_t n = 0;

	while (guest_receive(&sim.guest[1], &sim.got))
		n++;
	return n;
}

/* Runs the switch and forgets what was called so far. */
static void quiet(void)
{
	sim_settle(&sim);
	guest_reap(&sim.guest[0]);
	receive_all();
	guest_calls(&sim.guest[0], GUEST_TX);
	guest_calls(&sim.guest[1], GUEST_RX);
}

TEST(a_burst_calls_each_guest_once)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i]);
		send_n(1);
		quiet();
		guest_want_calls(&sim.guest[0], GUEST_TX, true);
		guest_want_calls(&sim.guest[1], GUEST_RX, true);
		send_n(30);
		assert_int_equal(sim_turn(&sim), 30);
		assert_int_equal(guest_calls(&sim.guest[0], GUEST_TX), 1);
		assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 1);
		assert_int_equal(guest_reap(&sim.guest[0]), 30);
		assert_int_equal(receive_all(), 30);
		sim_fini(&sim);
	}
}

TEST(a_guest_that_polls_is_not_called)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i]);
		send_n(1);
		quiet();
		guest_want_calls(&sim.guest[0], GUEST_TX, false);
		guest_want_calls(&sim.guest[1], GUEST_RX, false);
		send_n(30);
		sim_settle(&sim);
		assert_int_equal(guest_calls(&sim.guest[0], GUEST_TX), 0);
		assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 0);
		assert_int_equal(receive_all(), 30);
		sim_fini(&sim);
	}
}

TEST(a_guest_that_gets_nothing_is_not_called)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i]);
		send_n(100);
		quiet(); /* there are no buffers left */
		guest_want_calls(&sim.guest[1], GUEST_RX, true);
		send_n(10);
		sim_settle(&sim);
		assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 0);
		sim_fini(&sim);
	}
}

TEST(the_first_frame_after_a_start_calls_even_a_guest_that_polls)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i]);
		guest_want_calls(&sim.guest[1], GUEST_RX, false);
		send_n(1);
		sim_settle(&sim);
		assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 1);
		sim_fini(&sim);
	}
}

TEST(a_worker_that_polls_is_not_kicked)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		const struct port *port;

		begin(sets[i]);
		port = &sim.port[0]->port;
		send_n(1);
		sim_settle(&sim);
		port->ops->rx_disarm((struct port *)(uintptr_t)port, 0);
		sim.guest[0].queues[GUEST_TX].kicks = 0;
		for (uint32_t k = 0; k < 20; k++) {
			send_n(1);
			sim_settle(&sim);
		}
		/* one at most: with EVENT_IDX the index that was asked for may still be passed */
		assert_in_range(sim.guest[0].queues[GUEST_TX].kicks, 0, 1);
		sim_fini(&sim);
	}
}

TEST(a_worker_that_sleeps_is_kicked_for_the_next_frame)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		struct guest_queue *q = &sim.guest[0].queues[GUEST_TX];

		begin(sets[i]);
		for (uint32_t k = 0; k < 20; k++) {
			struct port *port = &sim.port[0]->port;

			assert_false(port->ops->rx_arm(port, 0));
			q->kicks = 0;
			send_n(1 + k % 3);
			assert_int_equal(q->kicks, 1);
			port->ops->rx_disarm(port, 0);
			sim_settle(&sim);
		}
		sim_fini(&sim);
	}
}

TEST(a_worker_does_not_sleep_over_a_frame_that_came_before)
{
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i]);
		send_n(1);
		assert_true(sim.port[0]->port.ops->rx_arm(&sim.port[0]->port, 0));
		sim_fini(&sim);
	}
}

TESTS(cmocka_unit_test(a_burst_calls_each_guest_once), cmocka_unit_test(a_guest_that_polls_is_not_called),
	cmocka_unit_test(a_guest_that_gets_nothing_is_not_called),
	cmocka_unit_test(the_first_frame_after_a_start_calls_even_a_guest_that_polls),
	cmocka_unit_test(a_worker_that_polls_is_not_kicked),
	cmocka_unit_test(a_worker_that_sleeps_is_kicked_for_the_next_frame),
	cmocka_unit_test(a_worker_does_not_sleep_over_a_frame_that_came_before))
