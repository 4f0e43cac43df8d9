/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who can what, against who can what: senders and receivers of every set of features, packets of every shape, cut into
 * pieces anywhere on both sides. What arrives is compared with reference.c, byte by byte and field by field.
 */
#include "reference.h"
#include "sim.h"

#include "base/test.h"

#include <linux/virtio_config.h>
#include <string.h>

#define SENDER   0
#define RECEIVER 1
#define CUTS_MAX 6
/* Whose buffers the ring has descriptors for. */
#define SEGMENTS_MAX 6
#define BUFFERS_MAX  64

static struct sim sim;
static struct reference_packet packet;
static struct reference_frame expected;
static struct random r;

static const uint8_t sender_mac[6] = {0x52, 0x54, 0, 0, 0, SENDER};
static const uint8_t receiver_mac[6] = {0x52, 0x54, 0, 0, 0, RECEIVER};

static bool has(uint64_t features, unsigned bit)
{
	return features & FEATURE(bit);
}

/* --- the features --- */

static const uint64_t headers[] = {
	0,                            /* 10 bytes, a piece of its own */
	FEATURE(VIRTIO_F_ANY_LAYOUT), /* 10 bytes anywhere */
	FEATURE(VIRTIO_F_VERSION_1),  /* 12 bytes anywhere */
};
static const uint64_t rings[] = {0, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX)};
static const uint64_t formats[] = {0, FEATURE(VIRTIO_F_RING_PACKED)};
static const uint64_t merging[] = {0, FEATURE(VIRTIO_NET_F_MRG_RXBUF)};

#define N_TRANSPORTS (ARRAY_LEN(headers) * ARRAY_LEN(rings) * ARRAY_LEN(formats) * ARRAY_LEN(merging))

static uint64_t transport(uint32_t i)
{
	uint64_t features = headers[i % ARRAY_LEN(headers)];

	i /= ARRAY_LEN(headers);
	features |= rings[i % ARRAY_LEN(rings)];
	i /= ARRAY_LEN(rings);
	features |= formats[i % ARRAY_LEN(formats)];
	return features | merging[i / ARRAY_LEN(formats)];
}

/* All that a driver may negotiate of them: without checksums nothing else. */
static const unsigned guest_bits[] = {VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
	VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6};
#define N_GUEST_OFFLOADS (1 + (1u << ARRAY_LEN(guest_bits)))

static uint64_t guest_offloads(uint32_t set)
{
	uint64_t features = FEATURE(VIRTIO_NET_F_GUEST_CSUM);

	if (set == 0)
		return 0;
	for (uint32_t i = 0; i < ARRAY_LEN(guest_bits); i++)
		if ((set - 1) >> i & 1)
			features |= FEATURE(guest_bits[i]);
	return features;
}

static struct reference_caps caps_of(uint64_t features)
{
	return (struct reference_caps){
		.csum = has(features, VIRTIO_NET_F_GUEST_CSUM),
		.tso4 = has(features, VIRTIO_NET_F_GUEST_TSO4),
		.tso6 = has(features, VIRTIO_NET_F_GUEST_TSO6),
		.ecn = has(features, VIRTIO_NET_F_GUEST_ECN),
		.uso4 = has(features, VIRTIO_NET_F_GUEST_USO4),
		.uso6 = has(features, VIRTIO_NET_F_GUEST_USO6),
	};
}

#define ALL_HOST_OFFLOADS                                                                                 \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
		FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_HOST_USO))

/* A sender without any of them is one that does not use them: its packets are among the shapes. */
static const uint64_t host_offloads[] = {0, ALL_HOST_OFFLOADS};

/* --- the packets --- */

/* The i-th shape; they go on for ever and differ in everything soon. */
static struct reference_shape shape_of(uint32_t i, bool offloads)
{
	static const uint32_t payloads[] = {1, 18, 87, 86, 85, 500, 1399, 1460, 3001};
	static const uint16_t gso_sizes[] = {64, 100, 535, 1000};
	uint32_t kind = i / 4 % 3; /* complete, begun, several in one */
	struct reference_shape s = {
		.ip6 = i & 1,
		.tcp = i & 2,
		.tags = i / 12 % 3,
		.options = i / 36 % 2,
		.payload = payloads[i / 5 % ARRAY_LEN(payloads)] + random_below(&r, 3),
	};

	if (!offloads || kind == 0)
		return s;
	s.begun = true;
	if (kind == 2) {
		s.gso_size = gso_sizes[i / 7 % ARRAY_LEN(gso_sizes)] + (uint16_t)random_below(&r, 3);
		s.cwr = s.tcp && i / 11 % 2;
		s.payload = min_u32(s.payload, SEGMENTS_MAX * s.gso_size - i % 3);
	}
	return s;
}

/* --- the pieces --- */

/* Adds len bytes as n pieces: anywhere, or most of them small and near the front; none is empty. */
static void add_pieces(struct guest_layout *layout, uint32_t len, uint32_t n)
{
	bool front = random_below(&r, 2);

	for (; n > 1 && len > n; n--) {
		uint32_t most = front ? min_u32(len - n + 1, 24) : len - n + 1;
		uint32_t part = 1 + random_below(&r, most);

		layout->lens[layout->n++] = part;
		len -= part;
	}
	layout->lens[layout->n++] = len;
}

/* Header and frame in about n pieces, as the driver may lay them out. */
static struct guest_layout layout_of(const struct guest *g, uint32_t len, uint32_t n)
{
	struct guest_layout layout = {.indirect = has(g->features, VIRTIO_RING_F_INDIRECT_DESC)};

	if (has(g->features, VIRTIO_F_VERSION_1) || has(g->features, VIRTIO_F_ANY_LAYOUT)) {
		add_pieces(&layout, g->hdr_len + len, n);
	} else {
		layout.lens[layout.n++] = g->hdr_len;
		add_pieces(&layout, len, n > 1 ? n - 1 : 1);
	}
	return layout;
}

/* Buffers for exactly this frame. Several only where they may be merged, then of a few sizes. */
static uint32_t post_for(struct guest *g, uint32_t len, uint32_t n)
{
	uint32_t left = g->hdr_len + len, buffers = 0;

	while (left > 0) {
		bool last = !has(g->features, VIRTIO_NET_F_MRG_RXBUF) || left < 300 || buffers == 5;
		uint32_t room = last ? left + random_below(&r, 40) : 100 + random_below(&r, left - 200);
		struct guest_layout layout = layout_of(g, room - g->hdr_len, n);

		assert_true(guest_post(g, &layout));
		left = last ? 0 : left - room;
		buffers++;
	}
	guest_kick(g, GUEST_RX);
	return buffers;
}

/* --- one case --- */

static void assert_as_expected(const struct guest_frame *got)
{
	const struct virtio_net_hdr *h = &got->hdr.hdr;

	assert_int_equal(h->flags, expected.flags);
	assert_int_equal(h->gso_type, expected.gso_type);
	assert_int_equal(h->gso_size, expected.gso_size);
	assert_int_equal(h->hdr_len, expected.hdr_len);
	assert_int_equal(h->csum_start, expected.csum_start);
	assert_int_equal(h->csum_offset, expected.csum_offset);
	assert_int_equal(got->len, expected.len);
	assert_memory_equal(got->bytes, expected.bytes, expected.len);
}

static void send_packet(const struct guest_layout *layout)
{
	const struct reference_frame *f = &packet.frame;
	const struct virtio_net_hdr hdr = {
		.flags = f->flags,
		.gso_type = f->gso_type,
		.hdr_len = f->hdr_len,
		.gso_size = f->gso_size,
		.csum_start = f->csum_start,
		.csum_offset = f->csum_offset,
	};

	assert_true(guest_send(&sim.guest[SENDER], &hdr, f->bytes, f->len, layout));
	guest_kick(&sim.guest[SENDER], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[SENDER]), 1);
}

/* The packet is there; sent in n_src pieces, received in buffers of n_dst each. */
static void check_packet(uint32_t n_src, uint32_t n_dst)
{
	struct guest *to = &sim.guest[RECEIVER];
	const struct reference_caps caps = caps_of(to->features);
	const struct guest_layout layout = layout_of(&sim.guest[SENDER], packet.frame.len, n_src);
	uint32_t buffers[BUFFERS_MAX], n = 0;

	for (; reference_expect(&packet, &caps, n, &expected); n++)
		buffers[n] = post_for(to, expected.len, n_dst);
	send_packet(&layout);
	for (uint32_t i = 0; i < n; i++) {
		reference_expect(&packet, &caps, i, &expected);
		assert_true(guest_receive(to, &sim.got));
		assert_int_equal(sim.got.n_buffers, buffers[i]);
		assert_as_expected(&sim.got);
	}
	assert_int_equal(guest_outstanding(to, GUEST_RX), 0);
}

static void check_shape(const struct reference_shape *shape, uint32_t n_src, uint32_t n_dst)
{
	reference_make(&packet, shape, receiver_mac, sender_mac, random_u64(&r));
	check_packet(n_src, n_dst);
}

static void negotiate(uint32_t i, uint64_t features)
{
	guest_disconnect(&sim.guest[i]);
	guest_set_features(&sim.guest[i], features);
	sim_connect(&sim, i);
}

static void begin(uint64_t seed)
{
	random_init(&r, seed);
	sim_init(&sim, 2);
	for (uint32_t i = 0; i < 2; i++)
		sim_guest(&sim, i, &(struct guest_config){.features = SIM_RING_FEATURES, .size = 256});
	sim_learn(&sim);
}

/* --- the matrix --- */

/* Each pair once or more, with another shape and other numbers of pieces each time. */
TEST(senders_and_receivers_of_all_features_understand_each_other)
{
	uint32_t n = 0;

	begin(1);
	for (uint32_t to = 0; to < N_TRANSPORTS * N_GUEST_OFFLOADS; to++) {
		negotiate(RECEIVER, transport(to % N_TRANSPORTS) | guest_offloads(to / N_TRANSPORTS));
		for (uint32_t from = 0; from < N_TRANSPORTS * ARRAY_LEN(host_offloads); from++, n++) {
			uint64_t offloads = host_offloads[from / N_TRANSPORTS];
			struct reference_shape shape = shape_of(n, offloads);

			negotiate(SENDER, transport(from % N_TRANSPORTS) | offloads);
			check_shape(&shape, 1 + n % CUTS_MAX, 1 + n / CUTS_MAX % CUTS_MAX);
		}
	}
	sim_fini(&sim);
}

TEST(every_shape_survives_every_number_of_pieces_on_both_sides)
{
	const uint64_t base = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC);

	begin(2);
	negotiate(SENDER, base | ALL_HOST_OFFLOADS);
	for (uint32_t set = 0; set < 2 * N_GUEST_OFFLOADS; set++) {
		negotiate(RECEIVER, base | guest_offloads(set / 2) | merging[set % 2]);
		for (uint32_t n = 0; n < CUTS_MAX * CUTS_MAX; n++)
			for (uint32_t i = 0; i < 12; i++) {
				struct reference_shape shape = shape_of(12 * (set + n) + i, true);

				check_shape(&shape, 1 + n % CUTS_MAX, 1 + n / CUTS_MAX);
			}
	}
	sim_fini(&sim);
}

/* Every place at which a chain of len bytes can be cut in two. */
static void check_all_cuts(uint64_t receiver)
{
	struct guest *from = &sim.guest[SENDER], *to = &sim.guest[RECEIVER];
	const struct reference_caps caps = caps_of(receiver);
	uint32_t src_len = from->hdr_len + packet.frame.len, dst_len;

	negotiate(RECEIVER, receiver);
	assert_true(reference_expect(&packet, &caps, 0, &expected));
	dst_len = to->hdr_len + expected.len;
	for (uint32_t src = 1; src < src_len; src++) {
		for (uint32_t dst = 1 + src % 3; dst < dst_len; dst += 3) {
			const struct guest_layout sent = {.n = 2, .lens = {src, src_len - src}};
			const struct guest_layout posted = {.n = 2, .lens = {dst, dst_len - dst}};

			assert_true(guest_post(to, &posted));
			guest_kick(to, GUEST_RX);
			send_packet(&sent);
			assert_true(guest_receive(to, &sim.got));
			assert_as_expected(&sim.got);
		}
	}
}

TEST(a_small_frame_is_cut_at_every_place_on_both_sides)
{
	static const uint64_t receivers[] = {FEATURE(VIRTIO_F_VERSION_1), FEATURE(VIRTIO_F_ANY_LAYOUT),
		FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_GUEST_CSUM)};

	begin(3);
	negotiate(SENDER, FEATURE(VIRTIO_F_VERSION_1) | ALL_HOST_OFFLOADS);
	for (uint32_t kind = 0; kind < 4; kind++) {
		const struct reference_shape shape = {
			.ip6 = kind & 1, .tcp = kind & 2, .begun = true, .payload = 17};

		reference_make(&packet, &shape, receiver_mac, sender_mac, 1 + kind);
		for (uint32_t i = 0; i < ARRAY_LEN(receivers); i++)
			check_all_cuts(receivers[i]);
	}
	sim_fini(&sim);
}

TEST(frames_of_64_kib_are_cut_and_carried_whole)
{
	const uint64_t features = SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF);

	begin(4);
	negotiate(SENDER, features | ALL_HOST_OFFLOADS);
	for (uint32_t set = 0; set < N_GUEST_OFFLOADS; set++) {
		negotiate(RECEIVER, features | guest_offloads(set));
		for (uint32_t kind = 0; kind < 4; kind++) {
			const struct reference_shape shape = {.ip6 = kind & 1,
				.tcp = kind & 2,
				.begun = true,
				.gso_size = (uint16_t)(1400 + set),
				.tags = set % 3,
				.payload = 65400 - set};

			check_shape(&shape, 1 + set % CUTS_MAX, 1 + set / CUTS_MAX);
		}
	}
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(senders_and_receivers_of_all_features_understand_each_other),
	cmocka_unit_test(every_shape_survives_every_number_of_pieces_on_both_sides),
	cmocka_unit_test(a_small_frame_is_cut_at_every_place_on_both_sides),
	cmocka_unit_test(frames_of_64_kib_are_cut_and_carried_whole))
