/* SPDX-License-Identifier: Apache-2.0 */
/* Guests on a wire: what one sends the other receives, bit for bit, and nobody looks at it. */
#include "sim.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "wire/ethernet.h"

#include <string.h>

#define BUFFER_LEN GUEST_BUFFER_MAX
#define TYPE_AT    (2 * MAC_LEN)

static struct sim sim;
static uint8_t frame[PKT_LEN_MAX];
static struct random rng;

static struct iface *iface(uint32_t i)
{
	return &sim.port[i]->port.iface;
}

static void connect(uint32_t from, uint32_t to)
{
	assert_int_equal(xconnect_set(iface(from), iface(to)), 0);
}

/* n guests, of which the first two have a wire to each other and the others a bridge. */
static void begin(uint32_t n)
{
	random_init(&rng, 40);
	sim_init(&sim, n);
	sim_guests(&sim, SIM_RING_FEATURES);
	sim_learn(&sim);
	connect(0, 1);
	connect(1, 0);
}

/* Sends what is in `frame`, and runs the switch until it is quiet. */
static void send(uint32_t from, uint32_t len)
{
	struct guest *g = &sim.guest[from];
	const struct guest_layout layout = guest_layout_even(g->hdr_len + len, 1 + len % 3);

	assert_true(guest_send(g, NULL, frame, len, &layout));
	guest_kick(g, GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(g), 1);
	assert_int_equal(guest_outstanding(g, GUEST_TX), 0);
}

static void send_random(uint32_t from, uint32_t to, uint32_t len)
{
	sim_frame(frame, len, from, to, &rng);
	send(from, len);
}

/* It passes, and nobody else hears it. */
static void assert_passes(uint32_t from, uint32_t to, uint32_t len)
{
	guest_post_n(&sim.guest[to], 1, BUFFER_LEN);
	send(from, len);
	sim_expect(&sim, to, frame, len);
	for (uint32_t i = 0; i < sim.n; i++)
		sim_expect_nothing(&sim, i);
}

TEST(frames_of_every_size_pass_bit_for_bit_both_ways)
{
	static const uint32_t lens[] = {
		14, 60, 127, 128, 129, 1514, 1518, 1522, 9014, 9018, 65535, PKT_LEN_MAX};

	begin(2);
	for (uint32_t i = 0; i < ARRAY_LEN(lens); i++) {
		for (uint32_t from = 0; from < 2; from++) {
			sim_frame(frame, lens[i], from, 1 - from, &rng);
			assert_passes(from, 1 - from, lens[i]);
		}
	}
	assert_int_equal(sim_counters(&sim, 0).rx_packets, ARRAY_LEN(lens));
	assert_int_equal(sim_counters(&sim, 1).tx_packets, ARRAY_LEN(lens));
	sim_fini(&sim);
}

/* LACP, LLDP, STP, 802.1X and all other link-local groups; what no bridge would forward, too. */
TEST(addresses_that_a_bridge_looks_at_mean_nothing_to_a_wire)
{
	static const uint64_t others[] = {0, MAC_BROADCAST, 0x01005e000001, 0x525400000000, 0x525400000002};

	begin(3);
	guest_post_n(&sim.guest[2], 4, BUFFER_LEN);
	for (uint32_t n = 0; n < 0x40; n++) {
		sim_frame(frame, 124, 0, 0, &rng);
		mac_store(frame, 0x0180c2000000 + n);
		assert_passes(0, 1, 124);
	}
	for (uint32_t dst = 0; dst < ARRAY_LEN(others); dst++) {
		for (uint32_t src = 0; src < ARRAY_LEN(others); src++) {
			sim_frame(frame, 300, 0, 0, &rng);
			mac_store(frame, others[dst]);
			mac_store(frame + ETHERNET_SRC_AT, others[src]);
			assert_passes(0, 1, 300);
		}
	}
	assert_int_equal(iface_drops_sum(sim.ifaces, DROP_BRIDGE_SOURCE), 0);
	sim_fini(&sim);
}

TEST(every_ethertype_and_every_tag_passes)
{
	static const uint16_t types[] = {0, 0x0026, 0x0800, 0x0806, 0x8100, 0x86dd, 0x8808, 0x8809, 0x888e,
		0x88a8, 0x88cc, 0x88e5, 0x88f7, 0x9100, 0xffff};

	begin(2);
	for (uint32_t i = 0; i < ARRAY_LEN(types); i++) {
		sim_frame(frame, 90, 0, 1, &rng);
		frame[TYPE_AT] = (uint8_t)(types[i] >> 8);
		frame[TYPE_AT + 1] = (uint8_t)types[i];
		assert_passes(0, 1, 90);
	}
	sim_fini(&sim);
}

TEST(many_frames_in_one_turn_pass_in_order)
{
	const uint32_t n = 40;

	begin(2);
	for (uint32_t to = 0; to < 2; to++)
		guest_post_n(&sim.guest[to], n, 2000);
	for (uint32_t i = 0; i < 2 * n; i++) {
		const struct guest_layout layout = guest_layout_one(12 + 60 + i);

		random_init(&rng, i);
		sim_frame(frame, 60 + i, i % 2, 1 - i % 2, &rng);
		assert_true(guest_send(&sim.guest[i % 2], NULL, frame, 60 + i, &layout));
	}
	for (uint32_t i = 0; i < 2; i++)
		guest_kick(&sim.guest[i], GUEST_TX);
	assert_int_equal(sim_turn(&sim), 2 * n);
	for (uint32_t i = 0; i < 2 * n; i++) {
		random_init(&rng, i);
		sim_frame(frame, 60 + i, i % 2, 1 - i % 2, &rng);
		sim_expect(&sim, 1 - i % 2, frame, 60 + i);
	}
	sim_fini(&sim);
}

TEST(the_mtu_of_the_end_bounds_what_passes)
{
	begin(2);
	__atomic_store_n(&iface(0)->mtu, 68, __ATOMIC_RELAXED); /* bounds what leaves there alone */
	__atomic_store_n(&iface(1)->mtu, 1500, __ATOMIC_RELAXED);
	sim_frame(frame, 1514, 0, 1, &rng);
	assert_passes(0, 1, 1514);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	send_random(0, 1, 1515);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_MTU), 1);
	__atomic_store_n(&iface(1)->mtu, IFACE_MTU_DEFAULT, __ATOMIC_RELAXED);
	sim_frame(frame, 9014, 0, 1, &rng);
	assert_passes(0, 1, 9014);
	sim_fini(&sim);
}

TEST(an_end_that_is_down_has_no_guest_or_no_buffers_drops_by_its_own_reason)
{
	begin(2);
	send_random(0, 1, 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_BUFFER), 1);
	guest_disconnect(&sim.guest[1]);
	send_random(0, 1, 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_PEER), 1);
	sim_connect(&sim, 1);
	iface(1)->up = false;
	send_random(0, 1, 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_DOWN), 1);
	send_random(1, 0, 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_IFACE_DOWN), 1);
	iface(1)->up = true;
	sim_frame(frame, 100, 0, 1, &rng);
	assert_passes(0, 1, 100);
	sim_fini(&sim);
}

TEST(when_its_end_is_deleted_a_wire_drops_with_a_reason_and_can_be_laid_anew)
{
	begin(3);
	send_random(0, 1, 100);
	guest_disconnect(&sim.guest[1]);
	port_remove(&sim.port[1]->port);
	sim.port[1] = sim.port[2]; /* for sim_expect_nothing() and the like */
	assert_null(xconnect_target(iface(0)));
	send_random(0, 1, 100);
	assert_int_equal(sim_drops(&sim, 0, DROP_NO_ROAD), 1);
	connect(0, 2);
	sim_frame(frame, 100, 0, 2, &rng);
	assert_passes(0, 2, 100);
	sim_fini(&sim);
}

TEST(the_start_of_a_wire_may_be_deleted_while_its_end_goes_on)
{
	begin(3);
	connect(2, 1);
	guest_disconnect(&sim.guest[0]);
	port_remove(&sim.port[0]->port);
	sim.port[0] = sim.port[2];
	send_random(1, 0, 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_NO_ROAD), 1);
	sim_frame(frame, 100, 2, 1, &rng);
	assert_passes(2, 1, 100);
	sim_fini(&sim);
}

TEST(an_interface_goes_from_bridge_to_wire_and_back)
{
	begin(3);
	guest_post_n(&sim.guest[2], 1, BUFFER_LEN);
	assert_int_equal(bridge_attach(sim.domain, iface(0), 0), 0);
	assert_int_equal(bridge_attach(sim.domain, iface(1), 0), 0);
	send_random(0, 2, 100);
	sim_expect(&sim, 2, frame, 100);
	connect(0, 1);
	sim_frame(frame, 100, 0, 2, &rng);
	assert_passes(0, 1, 100);
	/* the bridge has forgotten guest 0, and does not lead to it */
	guest_post_n(&sim.guest[0], 1, BUFFER_LEN);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	send_random(2, 0, 100);
	sim_expect(&sim, 1, frame, 100);
	sim_expect_nothing(&sim, 0);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(frames_of_every_size_pass_bit_for_bit_both_ways),
	cmocka_unit_test(addresses_that_a_bridge_looks_at_mean_nothing_to_a_wire),
	cmocka_unit_test(every_ethertype_and_every_tag_passes),
	cmocka_unit_test(many_frames_in_one_turn_pass_in_order),
	cmocka_unit_test(the_mtu_of_the_end_bounds_what_passes),
	cmocka_unit_test(an_end_that_is_down_has_no_guest_or_no_buffers_drops_by_its_own_reason),
	cmocka_unit_test(when_its_end_is_deleted_a_wire_drops_with_a_reason_and_can_be_laid_anew),
	cmocka_unit_test(the_start_of_a_wire_may_be_deleted_while_its_end_goes_on),
	cmocka_unit_test(an_interface_goes_from_bridge_to_wire_and_back))
