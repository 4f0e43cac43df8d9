/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and segmentation between guests of which one can what the other cannot. */
#include "packet.h"

#include "base/test.h"

#include <string.h>

static struct sim sim;
static struct packet packet;

#define BUFFERS     128
#define PLAIN_LEN   9000
#define TSO_PAYLOAD 60000

/* Everything a receiver may have negotiated. */
static const uint64_t receivers[] = {
	SIM_RING_FEATURES,
	SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF),
	SIM_RING_FEATURES | SIM_CSUM_FEATURES,
	(SIM_RING_FEATURES | SIM_CSUM_FEATURES) & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF),
	SIM_RING_FEATURES | SIM_CSUM_FEATURES | FEATURE(VIRTIO_NET_F_GUEST_TSO4),
	SIM_RING_FEATURES | SIM_CSUM_FEATURES | FEATURE(VIRTIO_NET_F_GUEST_TSO6),
	SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES,
	SIM_RING_FEATURES | SIM_CSUM_FEATURES | FEATURE(VIRTIO_NET_F_GUEST_USO4),
	SIM_RING_FEATURES | SIM_CSUM_FEATURES | FEATURE(VIRTIO_NET_F_GUEST_USO6),
	SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES | SIM_USO_FEATURES,
};

static bool has(uint64_t features, unsigned bit)
{
	return features & FEATURE(bit);
}

static bool takes_gso(uint64_t features, const struct packet_shape *shape)
{
	if (shape->tcp)
		return has(features, shape->ip6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4);
	return has(features, shape->ip6 ? VIRTIO_NET_F_GUEST_USO6 : VIRTIO_NET_F_GUEST_USO4);
}

/* Could a guest with these features have asked for it? */
static bool asks(uint64_t features, const struct packet_shape *shape)
{
	if (shape->begun && !has(features, VIRTIO_NET_F_CSUM))
		return false;
	return shape->gso_size == 0 ||
	       has(features, shape->tcp ? VIRTIO_NET_F_HOST_TSO4 : VIRTIO_NET_F_HOST_USO);
}

/* A begun checksum only where it was negotiated; otherwise everything is as it should be on the wire. */
static void check_received(uint64_t features, const struct packet_shape *shape, const struct guest_frame *f)
{
	uint16_t start = f->hdr.hdr.csum_start, offset = f->hdr.hdr.csum_offset;

	if (!(f->hdr.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		assert_int_equal(f->hdr.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_true(packet_is_sound(f->bytes, f->len));
		return;
	}
	assert_true(has(features, VIRTIO_NET_F_GUEST_CSUM));
	assert_true((uint32_t)start + offset + 2 <= f->len);
	assert_int_equal(start, packet.hdr.csum_start);
	assert_int_equal(offset, packet.hdr.csum_offset);
	if (f->hdr.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return;
	assert_true(takes_gso(features, shape));
	assert_int_equal(f->hdr.hdr.gso_type, packet.hdr.gso_type);
	assert_int_equal(f->hdr.hdr.gso_size, packet.hdr.gso_size);
}

/* Receives until the whole payload is there. Returns the number of frames. */
static uint32_t receive_payload(
	uint64_t features, const struct packet_shape *shape, uint32_t to, uint32_t segment_max)
{
	uint32_t at = packet.payload_at, n = 0;

	for (; guest_receive(&sim.guest[to], &sim.got); n++) {
		uint32_t payload_at = packet_payload_at(sim.got.bytes);
		uint32_t len = sim.got.len - payload_at;

		check_received(features, shape, &sim.got);
		assert_true(len <= segment_max && at + len <= packet.len);
		assert_memory_equal(sim.got.bytes + payload_at, packet.bytes + at, len);
		at += len;
	}
	assert_int_equal(at, packet.len);
	return n;
}

static void check_pair(uint32_t from, uint32_t to, const struct packet_shape *shape, struct random *r)
{
	uint64_t features = sim.guest[to].features;
	bool whole = shape->gso_size == 0 || takes_gso(features, shape);
	uint32_t segment_max = whole ? shape->payload : shape->gso_size;
	struct guest_layout layout;

	packet_make(&packet, shape, from, to, r);
	layout = guest_layout_even(sim.guest[from].hdr_len + packet.len, 1 + random_below(r, 20));
	/* without mergeable buffers each must hold whatever may come */
	guest_post_n(&sim.guest[to], BUFFERS - guest_outstanding(&sim.guest[to], GUEST_RX),
		has(features, VIRTIO_NET_F_MRG_RXBUF) ? 1536 : packet.len + 12);
	assert_true(guest_send(&sim.guest[from], &packet.hdr, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[from]), 1);
	assert_int_equal(receive_payload(features, shape, to, segment_max),
		whole ? 1 : (shape->payload - 1) / shape->gso_size + 1);
}

static void check_shape(const struct packet_shape *shape, uint64_t seed)
{
	struct random r;

	random_init(&r, seed);
	for (uint32_t i = 0; i < ARRAY_LEN(receivers); i++) {
		sim_init(&sim, 2);
		sim_guest(&sim, 0,
			&(struct guest_config){.features = SIM_RING_FEATURES | SIM_CSUM_FEATURES |
							   SIM_TSO_FEATURES | SIM_USO_FEATURES});
		sim_guest(&sim, 1, &(struct guest_config){.features = receivers[i]});
		sim_learn(&sim);
		check_pair(0, 1, shape, &r);
		if (asks(receivers[i], shape)) /* and back */
			check_pair(1, 0, shape, &r);
		sim_fini(&sim);
	}
}

TEST(complete_packets_stay_complete)
{
	for (uint32_t kind = 0; kind < 4; kind++)
		check_shape(&(struct packet_shape){.ip6 = kind & 1, .tcp = kind & 2, .payload = PLAIN_LEN},
			1 + kind);
}

TEST(a_begun_checksum_is_completed_for_a_guest_that_cannot)
{
	for (uint32_t kind = 0; kind < 4; kind++)
		for (uint32_t payload = 1; payload < PLAIN_LEN; payload = 3 * payload + kind)
			check_shape(
				&(struct packet_shape){
					.ip6 = kind & 1, .tcp = kind & 2, .begun = true, .payload = payload},
				10 + kind);
}

TEST(a_large_packet_is_cut_for_a_guest_that_cannot)
{
	static const uint16_t gso_sizes[] = {536, 1448, 1460, 8948};

	for (uint32_t kind = 0; kind < 4; kind++)
		for (uint32_t i = 0; i < ARRAY_LEN(gso_sizes); i++)
			check_shape(&(struct packet_shape){.ip6 = kind & 1,
					    .tcp = kind & 2,
					    .begun = true,
					    .gso_size = gso_sizes[i],
					    .payload = TSO_PAYLOAD},
				20 + i);
}

/* One flooded packet is a different sight for each: as it is, segmented with begun sums, segmented and
 * complete. */
TEST(each_receiver_of_a_flood_gets_what_it_can_take)
{
	static const uint64_t features[] = {
		SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES,
		SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES,
		SIM_RING_FEATURES | SIM_CSUM_FEATURES,
		SIM_RING_FEATURES,
	};
	const struct packet_shape shape = {
		.tcp = true, .begun = true, .gso_size = 1448, .payload = TSO_PAYLOAD};
	struct guest_layout layout;
	struct random r;

	random_init(&r, 30);
	sim_init(&sim, 4);
	for (uint32_t i = 0; i < 4; i++) {
		sim_guest(&sim, i, &(struct guest_config){.features = features[i]});
		guest_post_n(&sim.guest[i], BUFFERS, 1536);
	}
	packet_make(&packet, &shape, 0, SIM_PORTS, &r);
	layout = guest_layout_even(12 + packet.len, 15);
	assert_true(guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	sim_settle(&sim);
	for (uint32_t i = 1; i < 4; i++) {
		assert_int_equal(receive_payload(features[i], &shape, i, i == 1 ? TSO_PAYLOAD : 1448),
			i == 1 ? 1 : 42);
		assert_int_equal(sim_counters(&sim, i).copied_bytes, packet.len - PKT_HEAD_MAX);
	}
	assert_int_equal(guest_reap(&sim.guest[0]), 1);
	sim_fini(&sim);
}

/* Guest 0 sends the packet to guest 1. */
static void send_packet(void)
{
	struct guest_layout layout = guest_layout_even(12 + packet.len, 15);

	assert_true(guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[0]), 1);
}

static void begin(uint64_t receiver)
{
	sim_init(&sim, 2);
	sim_guest(&sim, 0,
		&(struct guest_config){.features = SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES});
	sim_guest(&sim, 1, &(struct guest_config){.features = receiver});
	sim_learn(&sim);
	guest_post_n(&sim.guest[1], BUFFERS, 1536);
}

TEST(malformed_headers_are_dropped_whoever_would_segment)
{
	static const uint64_t features[] = {
		SIM_RING_FEATURES, SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES};
	const struct packet_shape shape = {
		.tcp = true, .begun = true, .gso_size = 1448, .payload = TSO_PAYLOAD};
	struct random r;

	random_init(&r, 31);
	for (uint32_t i = 0; i < ARRAY_LEN(features); i++) {
		begin(features[i]);
		packet_make(&packet, &shape, 0, 1, &r);
		packet.bytes[14] = 0x4f; /* options that are not there */
		send_packet();
		assert_int_equal(sim_drops(&sim, 1, DROP_TX_OFFLOAD), 1);
		sim_expect_nothing(&sim, 1);
		sim_fini(&sim);
	}
}

TEST(the_mtu_bounds_frames_and_the_segments_of_large_ones)
{
	const struct packet_shape large = {.tcp = true, .begun = true, .gso_size = 8948, .payload = 30000};
	const struct packet_shape fits = {.payload = 1500 - 28}, longer = {.payload = 1501 - 28};
	struct random r;

	random_init(&r, 32);
	begin(SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES);
	__atomic_store_n(&sim.port[1]->port.iface.mtu, 1500, __ATOMIC_RELAXED);
	packet_make(&packet, &fits, 0, 1, &r);
	send_packet();
	sim_expect(&sim, 1, packet.bytes, packet.len);
	packet_make(&packet, &longer, 0, 1, &r);
	send_packet();
	sim_expect_nothing(&sim, 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_MTU), 1);
	packet_make(&packet, &large, 0, 1, &r);
	send_packet();
	assert_true(guest_receive(&sim.guest[1], &sim.got));
	assert_int_equal(sim.got.hdr.hdr.gso_size, 1500 - 40);
	assert_int_equal(sim.got.len, packet.len);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(complete_packets_stay_complete),
	cmocka_unit_test(a_begun_checksum_is_completed_for_a_guest_that_cannot),
	cmocka_unit_test(a_large_packet_is_cut_for_a_guest_that_cannot),
	cmocka_unit_test(each_receiver_of_a_flood_gets_what_it_can_take),
	cmocka_unit_test(malformed_headers_are_dropped_whoever_would_segment),
	cmocka_unit_test(the_mtu_bounds_frames_and_the_segments_of_large_ones))
