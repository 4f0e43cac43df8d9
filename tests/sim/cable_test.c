/* SPDX-License-Identifier: Apache-2.0 */
/* The cable of ginnel-p2p: whatever comes in at one end leaves at the other, bit for bit, and is copied once. */
#include "packet.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "wire/ethernet.h"

#include <string.h>

static struct sim sim;
static struct random rng;
static struct packet packet;
static uint8_t frame[PKT_LEN_MAX];

static struct iface *iface(uint32_t i)
{
	return &sim.port[i]->port.iface;
}

static void begin(uint64_t sender, uint64_t receiver)
{
	const uint64_t features[2] = {sender, receiver};

	random_init(&rng, 60);
	sim_init(&sim, 2);
	for (uint32_t i = 0; i < 2; i++) {
		sim_guest(&sim, i, &(struct guest_config){.features = features[i]});
		iface(i)->mtu = IFACE_MTU_MAX;
	}
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(xconnect_set_lossless(iface(i), iface(1 - i)), 0);
}

static uint64_t losses(void)
{
	uint64_t n = 0;

	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (drop_is_loss((enum drop)reason))
			n += iface_drops_sum(sim.ifaces, (enum drop)reason);
	return n;
}

/* A frame that begins with these bytes, and noise behind them. */
static void pass(const uint8_t *bytes, uint32_t n, uint32_t len)
{
	const struct guest_layout layout = guest_layout_even(12 + len, 1 + len % 3);

	sim_frame(frame, len, 0, 1, &rng);
	memcpy(frame, bytes, n);
	guest_post_n(&sim.guest[1], 64 - guest_outstanding(&sim.guest[1], GUEST_RX), 2048);
	assert_true(guest_send(&sim.guest[0], NULL, frame, len, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	assert_int_equal(sim_turn(&sim), 1);
	sim_expect(&sim, 1, frame, len);
	guest_reap(&sim.guest[0]);
}

TEST(what_a_bridge_would_keep_passes_bit_for_bit)
{
	static const struct {
		uint8_t bytes[20];
	} heads[] = {
		{{0x01, 0x80, 0xc2, 0, 0, 0x02, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0x09, 1}},     /* LACP */
		{{0x01, 0x80, 0xc2, 0, 0, 0x0e, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xcc, 2}},     /* LLDP */
		{{0x01, 0x80, 0xc2, 0, 0, 0x00, 0x52, 0x54, 0, 0, 0, 1, 0, 46, 0x42, 0x42}}, /* STP */
		{{0x01, 0x80, 0xc2, 0, 0, 0x03, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0x8e}},        /* 802.1X */
		{{0x01, 0x80, 0xc2, 0, 0, 0x01, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0x08, 0, 1}},  /* pause */
		{{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xa8, 0, 7, 0x81, 0, 0xe0, 9}},  /* 802.1ad */
		{{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0xff, 0xff}}, /* 802.1Q, priority 7 */
		{{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0xfe, 0xed}},          /* nobody's type */
		{{2, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8}}, /* from a group address */
		{{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8}},                   /* to itself */
		{{0}},
	};
	static const uint32_t lens[] = {20, 60, 61, 1514, 1518, 9018, 65000};

	begin(SIM_RING_FEATURES, SIM_RING_FEATURES);
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		for (size_t k = 0; k < ARRAY_LEN(lens); k++)
			pass(heads[i].bytes, sizeof(heads[i].bytes), lens[k]);
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

TEST(a_body_is_copied_once)
{
	static const uint32_t lens[] = {60, 1514, 9000, 60000};

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		const struct guest_layout layout = guest_layout_one(12 + lens[i]);

		begin(SIM_RING_FEATURES, SIM_RING_FEATURES);
		sim_frame(frame, lens[i], 0, 1, &rng);
		guest_post_n(&sim.guest[1], 64, 2048);
		assert_true(guest_send(&sim.guest[0], NULL, frame, lens[i], &layout));
		guest_kick(&sim.guest[0], GUEST_TX);
		assert_int_equal(sim_turn(&sim), 1);
		assert_int_equal(sim_counters(&sim, 1).copied_bytes,
			lens[i] > PKT_HEAD_MAX ? lens[i] - PKT_HEAD_MAX : 0);
		assert_int_equal(sim_counters(&sim, 0).copied_bytes, 0);
		sim_fini(&sim);
	}
}

/* Receives the packet's payload, over frames with nothing left to do that `receiver` does not do. */
static void receive_payload(uint64_t receiver, const struct packet_shape *shape)
{
	uint32_t payload = 0;

	while (guest_receive(&sim.guest[1], &sim.got)) {
		uint32_t at = packet_payload_at(sim.got.bytes);
		bool begun = sim.got.hdr.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

		assert_true(!begun || (receiver & FEATURE(VIRTIO_NET_F_GUEST_CSUM)));
		assert_true(begun || packet_is_sound(sim.got.bytes, sim.got.len));
		assert_true(sim.got.hdr.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE ||
			    (receiver & (SIM_TSO_FEATURES | SIM_USO_FEATURES)));
		assert_memory_equal(
			sim.got.bytes + at, packet.bytes + packet.payload_at + payload, sim.got.len - at);
		payload += sim.got.len - at;
	}
	assert_int_equal(payload, shape->payload);
}

TEST(what_a_sender_leaves_undone_is_completed_for_who_lacks_it)
{
	static const uint64_t receivers[] = {SIM_RING_FEATURES, SIM_RING_FEATURES | SIM_CSUM_FEATURES,
		SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES | SIM_USO_FEATURES};
	const uint64_t all = receivers[2];

	for (uint32_t kind = 0; kind < 12; kind++) {
		const struct packet_shape shape = {.ip6 = kind & 1,
			.tcp = kind & 2,
			.begun = true,
			.gso_size = kind >= 4 ? 1200 : 0,
			.payload = kind >= 8   ? 60000
				   : kind >= 4 ? 7000
					       : 1400};

		for (size_t i = 0; i < ARRAY_LEN(receivers); i++) {
			begin(all, receivers[i]);
			packet_make(&packet, &shape, 0, 1, &rng);
			guest_post_n(&sim.guest[1], 128, 2048);
			assert_true(guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len,
				&(struct guest_layout){.n = 2, .lens = {12, packet.len}}));
			guest_kick(&sim.guest[0], GUEST_TX);
			assert_int_equal(sim_turn(&sim), 1);
			receive_payload(receivers[i], &shape);
			assert_int_equal(losses(), 0);
			sim_fini(&sim);
		}
	}
}

/* The other direction has its own bells: nobody is called for what is not his. */
TEST(a_burst_each_way_calls_each_queue_once)
{
	begin(SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX),
		SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	for (uint32_t burst = 0; burst < 4;
		burst++) { /* the first is special: rings that begin are called anyway */
		for (uint32_t i = 0; i < 2; i++) {
			guest_reap(&sim.guest[i]);
			while (guest_receive(&sim.guest[i], &sim.got))
				;
			guest_post_n(&sim.guest[i], 30, 2048);
			for (uint32_t n = 0; n < 30; n++) {
				const struct guest_layout layout = guest_layout_one(12 + 60);

				sim_frame(frame, 60, i, 1 - i, &rng);
				assert_true(guest_send(&sim.guest[i], NULL, frame, 60, &layout));
			}
			guest_kick(&sim.guest[i], GUEST_TX);
		}
		assert_int_equal(sim_turn(&sim), 60);
		for (uint32_t i = 0; i < 2; i++)
			for (uint32_t queue = 0; queue < 2; queue++)
				assert_true(guest_calls(&sim.guest[i], queue) == 1 || burst == 0);
	}
	assert_int_equal(sim_turn(&sim), 0);
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t queue = 0; queue < 2; queue++)
			assert_int_equal(guest_calls(&sim.guest[i], queue), 0);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(what_a_bridge_would_keep_passes_bit_for_bit), cmocka_unit_test(a_body_is_copied_once),
	cmocka_unit_test(what_a_sender_leaves_undone_is_completed_for_who_lacks_it),
	cmocka_unit_test(a_burst_each_way_calls_each_queue_once))
