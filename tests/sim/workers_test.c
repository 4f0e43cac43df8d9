/* SPDX-License-Identifier: Apache-2.0 */
/* Real workers between guests that all send at once: no lost wake-up, no frame twice, nothing for TSan to
 * say. */
#include "sim.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "os/clock.h"

#include <string.h>

#define FRAMES      3000
#define PATIENCE_NS (60 * NS_PER_S)
#define NUMBER_AT   16
#define CTRL_FEATURES                                                                                      \
	(FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
		FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR))

static struct sim sim;

struct peer {
	uint32_t sent, reaped, received;
	uint32_t next[SIM_PORTS]; /* the number after the last received from each */
};

static uint32_t len_of(uint32_t number)
{
	return 64 + number * 37 % 3000;
}

static void make_frame(uint8_t *frame, uint32_t from, uint32_t to, uint32_t number)
{
	struct random r;

	random_init(&r, number);
	sim_frame(frame, len_of(number), from, to, &r);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
}

/* Keeps receive buffers posted and, while there is room, sends to the next guest; every tenth frame to all.
 */
static void drive_out(uint32_t i, struct peer *p)
{
	static uint8_t frame[4096];
	const struct guest_layout buffer = guest_layout_one(1536);
	struct guest *g = &sim.guest[i];

	while (guest_outstanding(g, GUEST_RX) < 200 && guest_post(g, &buffer))
		;
	guest_kick(g, GUEST_RX);
	for (uint32_t n = 0; n < 16 && p->sent < FRAMES; n++) {
		const struct guest_layout layout = guest_layout_even(12 + len_of(p->sent), 1 + n % 3);

		make_frame(frame, i, p->sent % 10 ? (i + 1) % sim.n : SIM_PORTS, p->sent);
		if (!guest_send(g, NULL, frame, len_of(p->sent), &layout))
			break;
		p->sent++;
	}
	guest_kick(g, GUEST_TX);
}

/* Frames of one sender come in order, whole; some may have been dropped. */
static void drive_in(uint32_t i, struct peer *p)
{
	static uint8_t frame[4096];

	p->reaped += guest_reap(&sim.guest[i]);
	while (guest_receive(&sim.guest[i], &sim.got)) {
		uint32_t from = sim.got.bytes[11], number;

		memcpy(&number, sim.got.bytes + NUMBER_AT, sizeof(number));
		assert_true(from < sim.n && from != i && number >= p->next[from]);
		p->next[from] = number + 1;
		make_frame(frame, from, sim.got.bytes[0] == 0xff ? SIM_PORTS : sim.got.bytes[5], number);
		assert_int_equal(sim.got.len, len_of(number));
		assert_memory_equal(sim.got.bytes, frame, sim.got.len);
		p->received++;
	}
}

/* Asks for this and that: all its frames are for it, so the filter comes and goes without loss. */
static void drive_ctrl(uint32_t i, uint32_t round)
{
	static const uint8_t commands[][8] = {
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0},
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1},
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 0x52, 0x54, 0, 0, 0, 0},
		{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 1, 0},
	};
	const struct guest_layout layout = {.n = 2, .lens = {8, 1}};
	struct guest *g = &sim.guest[i];
	uint8_t bytes[8];
	struct vnet_ctrl said;
	int answer;

	while ((answer = guest_answer(g)) >= 0)
		assert_int_equal(answer, VIRTIO_NET_OK);
	memcpy(bytes, commands[round % ARRAY_LEN(commands)], sizeof(bytes));
	if (bytes[0] == VIRTIO_NET_CTRL_MAC)
		bytes[7] = (uint8_t)i;
	if (guest_ask(g, bytes, sizeof(bytes), &layout))
		guest_kick(g, g->ctrl);
	if (round % 16 == 0) {
		vhost_ctrl_state(sim.port[i], &said);
		assert_int_equal(said.refused, 0);
	}
}

static bool all_home(const struct peer *peers)
{
	for (uint32_t i = 0; i < sim.n; i++)
		if (peers[i].reaped < FRAMES)
			return false;
	return true;
}

struct plan {
	uint32_t guests, workers;
	uint32_t reconnect_every, move_every, rewire_every; /* rounds; 0: never */
	bool ctrl;
};

/* A guest's interface is in the bridge or, every other time, wired to the next guest's, to which it sends anyway. */
static void rewire(uint32_t i, bool wire)
{
	struct iface *from = &sim.port[i]->port.iface, *to = &sim.port[(i + 1) % sim.n]->port.iface;

	assert_int_equal(wire ? xconnect_set(from, to) : bridge_attach(sim.domain, from, 0), 0);
}

static void control_step(const struct plan *plan, uint32_t round)
{
	uint32_t i;

	if (plan->reconnect_every && round % plan->reconnect_every == 0) {
		i = round / plan->reconnect_every % plan->guests;
		guest_disconnect(&sim.guest[i]);
		sim_connect(&sim, i);
	}
	if (plan->move_every && round % plan->move_every == 0) {
		i = round / plan->move_every;
		assert_int_equal(
			port_rx_place(&sim.port[i % plan->guests]->port, 0, i / plan->guests % plan->workers),
			0);
	}
	if (plan->rewire_every && round % plan->rewire_every == 0) {
		i = round / plan->rewire_every;
		rewire(i % plan->guests, i / plan->guests % 2 == 0);
	}
}

static void run(const struct plan *plan)
{
	struct peer peers[SIM_PORTS] = {0};
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

	sim_init_workers(&sim, plan->guests, plan->workers);
	for (uint32_t i = 0; i < sim.n; i++)
		sim_guest(&sim, i,
			&(struct guest_config){
				.features = SIM_RING_FEATURES | (plan->ctrl ? CTRL_FEATURES : 0),
				.ctrl = plan->ctrl});
	for (uint32_t round = 1; !all_home(peers); round++) {
		assert_true(clock_now_ns() < deadline_ns);
		for (uint32_t i = 0; i < sim.n; i++) {
			drive_out(i, &peers[i]);
			drive_in(i, &peers[i]);
			if (plan->ctrl)
				drive_ctrl(i, round);
		}
		control_step(plan, round);
	}
	for (uint32_t i = 0; i < sim.n; i++)
		guest_disconnect(&sim.guest[i]);
	for (uint32_t i = 0; i < sim.n; i++) {
		drive_in(i, &peers[i]);
		assert_int_equal(sim_counters(&sim, i).rx_packets, FRAMES);
		assert_int_equal(sim_counters(&sim, i).tx_packets, peers[i].received);
		assert_true(peers[i].received > 0);
	}
	sim_fini(&sim);
}

TEST(one_worker_moves_frames_between_two_guests)
{
	run(&(struct plan){.guests = 2, .workers = 1});
}

TEST(workers_share_the_receive_rings_of_many_guests)
{
	run(&(struct plan){.guests = 4, .workers = 3});
}

TEST(guests_come_and_go_under_traffic)
{
	run(&(struct plan){.guests = 4, .workers = 2, .reconnect_every = 7});
}

TEST(drivers_talk_over_their_control_queues_under_traffic)
{
	run(&(struct plan){.guests = 3, .workers = 2, .ctrl = true});
	run(&(struct plan){.guests = 3, .workers = 2, .ctrl = true, .reconnect_every = 50});
}

TEST(queues_move_between_workers_under_traffic)
{
	run(&(struct plan){.guests = 4, .workers = 3, .move_every = 3});
	run(&(struct plan){.guests = 3, .workers = 2, .ctrl = true, .reconnect_every = 50, .move_every = 7});
}

TEST(bridge_and_cross_connect_take_each_others_place_under_traffic)
{
	run(&(struct plan){.guests = 4, .workers = 2, .rewire_every = 3});
	run(&(struct plan){.guests = 3, .workers = 3, .rewire_every = 2, .move_every = 5});
}

TESTS(cmocka_unit_test(queues_move_between_workers_under_traffic),
	cmocka_unit_test(one_worker_moves_frames_between_two_guests),
	cmocka_unit_test(workers_share_the_receive_rings_of_many_guests),
	cmocka_unit_test(guests_come_and_go_under_traffic),
	cmocka_unit_test(drivers_talk_over_their_control_queues_under_traffic),
	cmocka_unit_test(bridge_and_cross_connect_take_each_others_place_under_traffic))
