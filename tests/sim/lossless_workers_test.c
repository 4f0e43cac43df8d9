/* SPDX-License-Identifier: Apache-2.0 */
/* Real workers on lossless wires: no frame lost, twice there or out of order, no lost wake-up, nothing for TSan to say. */
#include "sim.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "os/clock.h"

#include <string.h>

#define FRAMES      4000
#define PATIENCE_NS (60 * NS_PER_S)
#define NUMBER_AT   16
#define FRAME_MAX   4096

static struct sim sim;

struct peer {
	uint32_t sent, received;
};

struct plan {
	uint32_t guests, workers; /* guest i sends to the next, the last to the first */
	uint32_t buffers;         /* that a receiver has at most: how slow it is */
	bool one_at_a_time;       /* nobody sends before all is there: everybody sleeps meanwhile */
	uint32_t reconnect_every, enable_every, move_every, rewire_every, down_every; /* rounds; 0: never */
};

static struct iface *iface(uint32_t i)
{
	return &sim.port[i % sim.n]->port.iface;
}

static uint32_t make(uint8_t *frame, uint32_t from, uint32_t number)
{
	uint32_t len = 64 + number * 37 % 3000;
	struct random r;

	random_init(&r, number);
	sim_frame(frame, len, from, (from + 1) % sim.n, &r);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
	return len;
}

static void drive_out(const struct plan *plan, uint32_t i, struct peer *p, bool idle)
{
	static uint8_t frame[FRAME_MAX];
	const struct guest_layout buffer = guest_layout_one(1536);
	struct guest *g = &sim.guest[i];

	guest_reap(g);
	for (uint32_t n = 0; n < 16 && p->sent < FRAMES && (idle || !plan->one_at_a_time); n++) {
		uint32_t len = make(frame, i, p->sent);
		const struct guest_layout layout = guest_layout_even(12 + len, 1 + n % 3);

		if (!guest_send(g, NULL, frame, len, &layout))
			break;
		p->sent++;
	}
	guest_kick(g, GUEST_TX);
	while (guest_outstanding(g, GUEST_RX) < plan->buffers && guest_post(g, &buffer))
		guest_kick(g, GUEST_RX); /* one by one: frames of two and of three buffers wait for each */
}

static void drive_in(uint32_t i, struct peer *p)
{
	static uint8_t frame[FRAME_MAX];

	while (guest_receive(&sim.guest[i], &sim.got)) {
		uint32_t len = make(frame, (i + sim.n - 1) % sim.n, p->received++);

		assert_int_equal(sim.got.len, len);
		assert_memory_equal(sim.got.bytes, frame, len);
	}
}

static bool due(uint32_t every, uint32_t round)
{
	return every && round % every == 0;
}

static void control_step(const struct plan *plan, uint32_t round)
{
	if (due(plan->reconnect_every, round)) {
		uint32_t i = round / plan->reconnect_every % sim.n;

		guest_disconnect(&sim.guest[i]);
		sim_connect(&sim, i);
	}
	if (due(plan->enable_every, round)) {
		uint32_t i = round / plan->enable_every;

		guest_enable(&sim.guest[i % sim.n], i / sim.n % 2, false);
		guest_enable(&sim.guest[i % sim.n], i / sim.n % 2, true);
	}
	if (due(plan->move_every, round)) {
		uint32_t i = round / plan->move_every;

		assert_int_equal(port_rx_place(&sim.port[i % sim.n]->port, 0, i / sim.n % plan->workers), 0);
	}
	if (due(plan->rewire_every, round)) {
		uint32_t i = round / plan->rewire_every;

		assert_int_equal(xconnect_set_lossless(iface(i), NULL), 0);
		assert_int_equal(xconnect_set_lossless(iface(i), iface(i + 1)), 0);
	}
	if (due(plan->down_every, round)) {
		struct iface *at = iface(round / plan->down_every / 2);

		__atomic_store_n(&at->up, round / plan->down_every % 2, __ATOMIC_RELAXED);
		ports_wake(&sim.ports);
	}
}

static bool all_there(const struct peer *peers, uint32_t n)
{
	for (uint32_t i = 0; i < sim.n; i++)
		if (peers[i].received < n)
			return false;
	return true;
}

static void begin(const struct plan *plan)
{
	sim_init_workers(&sim, plan->guests, plan->workers);
	for (uint32_t i = 0; i < sim.n; i++)
		assert_int_equal(xconnect_set_lossless(iface(i), iface(i + 1)), 0);
	for (uint32_t i = 0; i < sim.n; i++)
		sim_guest(&sim, i, &(struct guest_config){.features = SIM_RING_FEATURES});
}

static void run(const struct plan *plan)
{
	struct peer peers[SIM_PORTS] = {0};
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

	begin(plan);
	for (uint32_t round = 1; !all_there(peers, FRAMES); round++) {
		bool idle = all_there(peers, peers[0].sent);

		assert_true(clock_now_ns() < deadline_ns);
		for (uint32_t i = 0; i < sim.n; i++) {
			drive_out(plan, i, &peers[i], idle);
			drive_in(i, &peers[i]);
		}
		control_step(plan, round);
	}
	for (uint32_t i = 0; i < sim.n; i++)
		guest_disconnect(&sim.guest[i]);
	for (uint32_t i = 0; i < sim.n; i++) {
		guest_reap(&sim.guest[i]);
		assert_int_equal(guest_outstanding(&sim.guest[i], GUEST_TX), 0);
		assert_int_equal(peers[i].received, FRAMES);
		assert_int_equal(sim_counters(&sim, i).rx_packets, FRAMES);
		assert_int_equal(sim_counters(&sim, i).tx_packets, FRAMES);
	}
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (drop_is_loss((enum drop)reason))
			assert_int_equal(iface_drops_sum(sim.ifaces, (enum drop)reason), 0);
	sim_fini(&sim);
}

TEST(one_worker_waits_for_slow_receivers)
{
	run(&(struct plan){.guests = 2, .workers = 1, .buffers = 4});
}

TEST(two_workers_wait_for_slow_receivers)
{
	run(&(struct plan){.guests = 2, .workers = 2, .buffers = 4});
	run(&(struct plan){.guests = 4, .workers = 2, .buffers = 3});
}

TEST(a_worker_that_sleeps_over_a_full_wire_wakes_up)
{
	run(&(struct plan){.guests = 2, .workers = 1, .buffers = 3, .one_at_a_time = true});
	run(&(struct plan){.guests = 2, .workers = 2, .buffers = 3, .one_at_a_time = true});
}

TEST(receivers_come_and_go_under_traffic)
{
	run(&(struct plan){.guests = 2, .workers = 2, .buffers = 20, .reconnect_every = 7});
	run(&(struct plan){.guests = 4, .workers = 2, .buffers = 4, .reconnect_every = 11});
}

TEST(rings_are_disabled_and_enabled_under_traffic)
{
	run(&(struct plan){.guests = 2, .workers = 1, .buffers = 20, .enable_every = 3});
	run(&(struct plan){
		.guests = 4, .workers = 2, .buffers = 4, .enable_every = 5, .reconnect_every = 17});
}

TEST(interfaces_go_down_and_up_under_traffic)
{
	run(&(struct plan){.guests = 2, .workers = 2, .buffers = 20, .down_every = 5});
}

TEST(queues_move_and_wires_are_laid_anew_under_traffic)
{
	run(&(struct plan){.guests = 3, .workers = 3, .buffers = 6, .move_every = 3});
	run(&(struct plan){.guests = 3, .workers = 2, .buffers = 6, .rewire_every = 3, .move_every = 5});
}

TESTS(cmocka_unit_test(one_worker_waits_for_slow_receivers),
	cmocka_unit_test(two_workers_wait_for_slow_receivers),
	cmocka_unit_test(a_worker_that_sleeps_over_a_full_wire_wakes_up),
	cmocka_unit_test(receivers_come_and_go_under_traffic),
	cmocka_unit_test(rings_are_disabled_and_enabled_under_traffic),
	cmocka_unit_test(interfaces_go_down_and_up_under_traffic),
	cmocka_unit_test(queues_move_and_wires_are_laid_anew_under_traffic))
