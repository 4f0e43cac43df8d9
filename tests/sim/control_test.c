/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's driver says over its control queue, and what a front-end says about a guest: answered, and obeyed. */
#include "packet.h"

#include "base/test.h"
#include "vhost/proto.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#define CTRL_FEATURES                                                                                      \
	(FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
		FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |                \
		FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))
#define NOBODY 9 /* an address that no guest has */

static struct sim sim;
static struct packet packet;
static uint8_t frame[PKT_LEN_MAX];
static struct random r;

/* Guest 1 has the features and a control queue; 0 and 2 are plain. */
static void begin(uint64_t features, uint16_t pairs)
{
	random_init(&r, 1);
	sim_init(&sim, 3);
	for (uint32_t i = 0; i < 3; i++)
		sim_guest(&sim, i,
			&(struct guest_config){
				.features = i == 1 ? features
						   : SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES,
				.pairs = i == 1 ? pairs : 1,
				.ctrl = i == 1 && features & FEATURE(VIRTIO_NET_F_CTRL_VQ)});
	sim_learn(&sim);
}

static void ask(uint8_t class, uint8_t command, const void *data, uint32_t len)
{
	uint8_t bytes[256] = {class, command};
	const struct guest_layout layout = {.n = 3, .lens = {2, len, 1}, .indirect = len & 1};

	memcpy(bytes + 2, data, len);
	assert_true(guest_ask(&sim.guest[1], bytes, 2 + len, &layout));
	guest_kick(&sim.guest[1], sim.guest[1].ctrl);
}

static int answer_to(uint8_t class, uint8_t command, const void *data, uint32_t len)
{
	ask(class, command, data, len);
	sim_turn(&sim);
	return guest_answer(&sim.guest[1]);
}

static void set_mode(uint8_t mode, uint8_t on)
{
	assert_int_equal(answer_to(VIRTIO_NET_CTRL_RX, mode, &on, 1), VIRTIO_NET_OK);
}

static void set_mac(const char *mac)
{
	assert_int_equal(answer_to(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6), VIRTIO_NET_OK);
}

static void send_frame(uint32_t from, uint32_t to)
{
	const struct guest_layout layout = guest_layout_one(12 + 100);

	sim_frame(frame, 100, from, to, &r);
	assert_true(guest_send(&sim.guest[from], NULL, frame, 100, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[from]), 1);
}

TEST(a_driver_that_is_not_promiscuous_receives_what_is_for_it)
{
	begin(SIM_RING_FEATURES | CTRL_FEATURES, 1);
	guest_post_n(&sim.guest[1], 20, 2000);
	send_frame(0, NOBODY);
	sim_expect(&sim, 1, frame, 100);
	set_mac("\x52\x54\x00\x00\x00\x01");
	set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	send_frame(0, NOBODY);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_FILTERED), 1);
	send_frame(0, SIM_PORTS);
	sim_expect(&sim, 1, frame, 100);
	send_frame(0, 1);
	sim_expect(&sim, 1, frame, 100);
	set_mode(VIRTIO_NET_CTRL_RX_NOBCAST, 1);
	send_frame(0, SIM_PORTS);
	sim_expect_nothing(&sim, 1);
	set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1);
	send_frame(0, SIM_PORTS);
	sim_expect(&sim, 1, frame, 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_FILTERED), 2);
	sim_fini(&sim);
}

/* In a burst of which some pass and some do not, those that pass stay in order. */
TEST(a_burst_is_filtered_frame_by_frame)
{
	const struct guest_layout layout = guest_layout_one(12 + 100);
	static uint8_t passing[10][100];
	uint32_t n = 0;

	begin(SIM_RING_FEATURES | CTRL_FEATURES, 1);
	guest_post_n(&sim.guest[1], 30, 2000);
	set_mac("\x52\x54\x00\x00\x00\x01");
	set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	for (uint32_t i = 0; i < 20; i++) {
		sim_frame(frame, 100, 0, i % 2 ? 1 : NOBODY, &r);
		assert_true(guest_send(&sim.guest[0], NULL, frame, 100, &layout));
		if (i % 2)
			memcpy(passing[n++], frame, 100);
	}
	guest_kick(&sim.guest[0], GUEST_TX);
	assert_int_equal(sim_turn(&sim), 20);
	for (uint32_t i = 0; i < n; i++)
		sim_expect(&sim, 1, passing[i], 100);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_FILTERED), 10);
	sim_fini(&sim);
}

TEST(what_a_driver_said_ends_with_its_connection)
{
	begin(SIM_RING_FEATURES | CTRL_FEATURES, 1);
	guest_post_n(&sim.guest[1], 20, 2000);
	set_mac("\x52\x54\x00\x00\x00\x01");
	set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	/* but outlives a ring that stops and runs again */
	guest_enable(&sim.guest[1], sim.guest[1].ctrl, true);
	guest_enable(&sim.guest[1], GUEST_RX, true);
	send_frame(0, NOBODY);
	sim_expect_nothing(&sim, 1);
	guest_disconnect(&sim.guest[1]);
	sim_connect(&sim, 1);
	send_frame(0, NOBODY);
	sim_expect(&sim, 1, frame, 100);
	sim_fini(&sim);
}

/* --- pairs --- */

#define PAIRS 4

/* Guest 0 sends a datagram of that flow. Returns the pair on which guest 1 received it. */
static uint32_t pair_of(uint32_t flow)
{
	struct packet_shape shape = {.payload = 200};
	struct guest_layout layout;
	uint32_t pair = PAIRS;
	struct random same;

	random_init(&same, flow); /* addresses and ports follow from it */
	packet_make(&packet, &shape, 0, 1, &same);
	layout = guest_layout_one(12 + packet.len);
	assert_true(guest_send(&sim.guest[0], NULL, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[0]), 1);
	for (uint32_t i = 0; i < PAIRS; i++)
		while (guest_receive_on(&sim.guest[1], 2 * i, &sim.got)) {
			assert_int_equal(pair, PAIRS);
			assert_memory_equal(sim.got.bytes, packet.bytes, packet.len);
			pair = i;
			guest_post_n_on(&sim.guest[1], 2 * i, 1, 2000);
		}
	assert_in_range(pair, 0, PAIRS - 1);
	return pair;
}

/* Flows are spread over exactly these pairs, each flow on one. */
static void check_pairs(uint32_t wanted)
{
	uint32_t used = 0;

	for (uint32_t flow = 1; flow < 60; flow++) {
		uint32_t pair = pair_of(flow);

		used |= 1u << pair;
		assert_int_equal(pair_of(flow), pair);
	}
	assert_int_equal(used, wanted);
}

static void post_on_all(void)
{
	for (uint32_t i = 0; i < PAIRS; i++)
		guest_post_n_on(&sim.guest[1], 2 * i, 30, 2000);
}

static int set_pairs(uint16_t pairs)
{
	return answer_to(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2);
}

TEST(a_driver_with_several_pairs_says_how_many_it_uses)
{
	begin(SIM_RING_FEATURES | CTRL_FEATURES | FEATURE(VIRTIO_NET_F_MQ), PAIRS);
	post_on_all();
	check_pairs(1);
	assert_int_equal(set_pairs(PAIRS), VIRTIO_NET_OK);
	check_pairs(15);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	check_pairs(3);
	assert_int_equal(set_pairs(0), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(VHOST_PORT_PAIRS + 1), VIRTIO_NET_ERR);
	check_pairs(3);
	/* more than it has made rings for: those it has */
	assert_int_equal(set_pairs(VHOST_PORT_PAIRS), VIRTIO_NET_OK);
	check_pairs(15);
	sim_fini(&sim);
}

TEST(a_front_end_that_keeps_the_control_queue_enables_the_pairs_it_uses)
{
	random_init(&r, 1);
	sim_init(&sim, 2);
	sim_guest(&sim, 0, &(struct guest_config){.features = SIM_RING_FEATURES});
	sim_guest(&sim, 1,
		&(struct guest_config){
			.features = SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_MQ), .pairs = PAIRS});
	sim_learn(&sim);
	post_on_all();
	check_pairs(15);
	guest_enable(&sim.guest[1], 2, false);
	check_pairs(13);
	guest_enable(&sim.guest[1], 0, false);
	check_pairs(12);
	guest_enable(&sim.guest[1], 2, true);
	check_pairs(14);
	sim_fini(&sim);
}

TEST(a_burst_of_many_flows_keeps_each_in_order)
{
	const struct packet_shape shape = {.payload = 200};
	const struct guest_layout layout = guest_layout_one(12 + 242);
	uint32_t next[7] = {0}, n = 0;

	begin(SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_MQ), PAIRS);
	post_on_all();
	for (uint32_t i = 0; i < 28; i++) {
		struct random same;

		random_init(&same, 1 + i % 7);
		packet_make(&packet, &shape, 0, 1, &same);
		packet.bytes[packet.payload_at] = (uint8_t)(i % 7);
		packet.bytes[packet.payload_at + 1] = (uint8_t)(i / 7);
		assert_true(guest_send(&sim.guest[0], NULL, packet.bytes, packet.len, &layout));
	}
	guest_kick(&sim.guest[0], GUEST_TX);
	assert_int_equal(sim_turn(&sim), 28);
	for (uint32_t pair = 0; pair < PAIRS; pair++)
		for (; guest_receive_on(&sim.guest[1], 2 * pair, &sim.got); n++) {
			uint8_t flow = sim.got.bytes[packet.payload_at];

			assert_int_equal(sim.got.bytes[packet.payload_at + 1], next[flow]++);
		}
	assert_int_equal(n, 28);
	sim_fini(&sim);
}

/* --- offloads --- */

TEST(offloads_follow_what_the_driver_says_at_run_time)
{
	const struct packet_shape shape = {.tcp = true, .begun = true, .gso_size = 1448, .payload = 20000};
	static const uint64_t bits[] = {
		SIM_CSUM_FEATURES | SIM_TSO_FEATURES, 0, FEATURE(VIRTIO_NET_F_GUEST_CSUM), 0};
	const uint64_t guest_bits = FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
				    FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN);

	begin(SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES | CTRL_FEATURES |
			FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS),
		1);
	for (uint32_t i = 0; i < ARRAY_LEN(bits); i++) {
		uint64_t offloads = bits[i] & guest_bits;
		struct guest_layout layout;
		uint32_t n = 0;

		assert_int_equal(answer_to(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
					 &offloads, 8),
			VIRTIO_NET_OK);
		guest_post_n(&sim.guest[1], 30, 1536);
		packet_make(&packet, &shape, 0, 1, &r);
		layout = guest_layout_even(12 + packet.len, 8);
		assert_true(guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len, &layout));
		guest_kick(&sim.guest[0], GUEST_TX);
		sim_settle(&sim);
		guest_reap(&sim.guest[0]);
		for (; guest_receive(&sim.guest[1], &sim.got); n++)
			assert_int_equal(sim.got.hdr.hdr.flags, offloads ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
		assert_int_equal(n, i == 0 ? 1 : 14);
	}
	sim_fini(&sim);
}

/* --- a driver that does it wrong, or too often --- */

TEST(a_flood_of_commands_is_answered_one_a_turn)
{
	const struct guest_layout layout = {.n = 2, .lens = {3, 1}};
	const uint8_t promisc[3] = {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1};

	begin(SIM_RING_FEATURES | CTRL_FEATURES, 1);
	guest_post_n(&sim.guest[2], 1, 2000);
	for (uint32_t i = 0; i < 50; i++)
		assert_true(guest_ask(&sim.guest[1], promisc, 3, &layout));
	guest_kick(&sim.guest[1], sim.guest[1].ctrl);
	for (uint32_t i = 0; i < 50; i++) {
		sim_turn(&sim);
		assert_int_equal(guest_answer(&sim.guest[1]), VIRTIO_NET_OK);
		assert_int_equal(guest_answer(&sim.guest[1]), -1);
		/* a worker does not sleep on what is left */
		assert_int_equal(vhost_rx_arm(&sim.port[1]->port, 0), i < 49);
	}
	send_frame(0, 2);
	sim_expect(&sim, 2, frame, 100);
	sim_fini(&sim);
}

TEST(commands_in_any_pieces_are_understood)
{
	uint8_t bytes[2 + 4 + 3 * 6 + 4 + 6] = {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 3};

	begin(SIM_RING_FEATURES | CTRL_FEATURES, 1);
	bytes[2 + 4 + 18] = 1;
	for (uint32_t n = 2; n <= 32; n++) {
		struct guest_layout layout = guest_layout_even(sizeof(bytes), n - 1);

		layout.lens[layout.n++] = 1;
		layout.indirect = n & 1;
		assert_true(guest_ask(&sim.guest[1], bytes, sizeof(bytes), &layout));
		guest_kick(&sim.guest[1], sim.guest[1].ctrl);
		sim_turn(&sim);
		assert_int_equal(guest_answer(&sim.guest[1]), VIRTIO_NET_OK);
	}
	assert_int_equal(sim.port[1]->ctrl.unicast.n, 3);
	assert_int_equal(sim.port[1]->ctrl.multicast.n, 1);
	sim_fini(&sim);
}

TEST(commands_that_are_none_are_given_back)
{
	const struct guest_layout only_answer = {.n = 1, .lens = {1}},
				  mute = {.n = 2, .lens = {2, 2}, .no_answer = true};
	const uint8_t unknown[8] = {77, 1};

	begin(SIM_RING_FEATURES | CTRL_FEATURES, 1);
	assert_int_equal(answer_to(77, 1, unknown, 4), VIRTIO_NET_ERR);
	assert_true(guest_ask(&sim.guest[1], unknown, 0, &only_answer));
	guest_kick(&sim.guest[1], sim.guest[1].ctrl);
	sim_turn(&sim);
	assert_int_equal(guest_answer(&sim.guest[1]), VIRTIO_NET_ERR);
	/* nothing to write an answer to */
	assert_true(guest_ask(&sim.guest[1], unknown, 2, &mute));
	guest_kick(&sim.guest[1], sim.guest[1].ctrl);
	sim_turn(&sim);
	assert_int_equal(guest_answer(&sim.guest[1]), -2);
	set_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1);
	sim_fini(&sim);
}

/* --- the front-end's messages --- */

static int message(uint32_t request, uint64_t value)
{
	struct vhost_backend *b = sim.port[1]->backend;

	return b->ops->message(b->device, request, value, -1);
}

TEST(a_guest_that_moved_is_announced_once_from_its_port)
{
	const uint64_t mac = 0x090000005452; /* 52:54:00:00:00:09 in the order of the wire */
	static const uint8_t rarp[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3, 0x52, 0x54, 0, 0, 0, 9, 0, 0, 0, 0,
		0x52, 0x54, 0, 0, 0, 9, 0, 0, 0, 0};

	begin(SIM_RING_FEATURES, 1);
	for (uint32_t i = 0; i < 3; i++)
		guest_post_n(&sim.guest[i], 4, 2000);
	send_frame(2, NOBODY); /* flooded: nobody knows where that is */
	sim_expect(&sim, 0, frame, 100);
	sim_expect(&sim, 1, frame, 100);
	assert_int_equal(message(VHOST_USER_SEND_RARP, mac), 0);
	sim_settle(&sim);
	for (uint32_t i = 0; i < 3; i += 2) {
		assert_true(guest_receive(&sim.guest[i], &sim.got));
		assert_int_equal(sim.got.len, 60);
		assert_memory_equal(sim.got.bytes, "\xff\xff\xff\xff\xff\xff\x52\x54\0\0\0\x09", 12);
		assert_memory_equal(sim.got.bytes + 12, rarp, sizeof(rarp));
		sim_expect_nothing(&sim, i);
	}
	sim_expect_nothing(&sim, 1);
	send_frame(2, NOBODY); /* now it is known */
	sim_expect(&sim, 1, frame, 100);
	sim_expect_nothing(&sim, 0);
	assert_int_equal(message(VHOST_USER_SEND_RARP, 0), -EINVAL);
	assert_int_equal(message(VHOST_USER_SEND_RARP, 0xffffffffffff), -EINVAL);
	sim_fini(&sim);
}

TEST(a_guest_is_sent_no_more_than_its_front_end_promised)
{
	begin(SIM_RING_FEATURES, 1);
	guest_post_n(&sim.guest[1], 4, 2000);
	assert_int_equal(message(VHOST_USER_NET_SET_MTU, 85), 0);
	send_frame(0, 1);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_MTU), 1);
	assert_int_equal(message(VHOST_USER_NET_SET_MTU, 86), 0);
	send_frame(0, 1);
	sim_expect(&sim, 1, frame, 100);
	assert_int_equal(message(VHOST_USER_NET_SET_MTU, 67), -EINVAL);
	assert_int_equal(message(VHOST_USER_NET_SET_MTU, 65536), -EINVAL);
	assert_int_equal(message(VHOST_USER_NET_SET_MTU, 80), 0);
	guest_disconnect(&sim.guest[1]);
	sim_connect(&sim, 1);
	send_frame(0, 1); /* another connection, no promise */
	sim_expect(&sim, 1, frame, 100);
	assert_int_equal(message(VHOST_USER_GET_FEATURES, 0), -EOPNOTSUPP);
	sim_fini(&sim);
}

TEST(the_configuration_space_tells_pairs_link_and_mtu)
{
	struct virtio_net_config config;
	struct vhost_backend *b;
	uint8_t mtu[2];

	begin(SIM_RING_FEATURES, 1);
	b = sim.port[1]->backend;
	__atomic_store_n(&sim.port[1]->port.iface.mtu, 1400, __ATOMIC_RELAXED);
	assert_int_equal(b->ops->get_config(b->device, 0, sizeof(config), (uint8_t *)&config), 0);
	assert_int_equal(config.status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(config.max_virtqueue_pairs, VHOST_PORT_PAIRS);
	assert_int_equal(config.mtu, 1400);
	assert_int_equal(b->ops->get_config(b->device, offsetof(struct virtio_net_config, mtu), 2, mtu), 0);
	assert_int_equal(mtu[0] | mtu[1] << 8, 1400);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(a_driver_that_is_not_promiscuous_receives_what_is_for_it),
	cmocka_unit_test(a_burst_is_filtered_frame_by_frame),
	cmocka_unit_test(what_a_driver_said_ends_with_its_connection),
	cmocka_unit_test(a_driver_with_several_pairs_says_how_many_it_uses),
	cmocka_unit_test(a_front_end_that_keeps_the_control_queue_enables_the_pairs_it_uses),
	cmocka_unit_test(a_burst_of_many_flows_keeps_each_in_order),
	cmocka_unit_test(offloads_follow_what_the_driver_says_at_run_time),
	cmocka_unit_test(a_flood_of_commands_is_answered_one_a_turn),
	cmocka_unit_test(commands_in_any_pieces_are_understood),
	cmocka_unit_test(commands_that_are_none_are_given_back),
	cmocka_unit_test(a_guest_that_moved_is_announced_once_from_its_port),
	cmocka_unit_test(a_guest_is_sent_no_more_than_its_front_end_promised),
	cmocka_unit_test(the_configuration_space_tells_pairs_link_and_mtu))
