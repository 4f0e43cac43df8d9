/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from guest to guest: unchanged, copied once, and every buffer back where it belongs. */
#include "sim.h"

#include "base/test.h"

#include <string.h>

static struct sim sim;
static uint8_t frame[PKT_LEN_MAX];

/* --- helpers --- */

static uint64_t body_len(uint32_t len)
{
	return len > PKT_HEAD_MAX ? len - PKT_HEAD_MAX : 0;
}

/* Cuts `len` bytes at random places into up to n pieces, none empty; more small ones than large ones. */
static struct guest_layout layout_random(struct random *r, uint32_t len, uint32_t n)
{
	struct guest_layout layout = {.indirect = random_below(r, 2)};

	while (layout.n < n - 1 && len > 1) {
		uint32_t part = 1 + random_below(r, random_below(r, 2) ? 20 : len - 1);

		if (part >= len)
			break;
		layout.lens[layout.n++] = part;
		len -= part;
	}
	layout.lens[layout.n++] = len;
	return layout;
}

/* Sends one frame, whatever buffers the receiver has posted, and runs the switch until it is quiet. */
static void send_one(
	uint32_t from, uint32_t to, uint32_t len, const struct guest_layout *layout, struct random *r)
{
	struct guest *g = &sim.guest[from];
	struct guest_layout one = guest_layout_one(g->hdr_len + len);

	sim_frame(frame, len, from, to, r);
	assert_true(guest_send(g, NULL, frame, len, layout ? layout : &one));
	guest_kick(g, GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(g), 1);
	assert_int_equal(guest_outstanding(g, GUEST_TX), 0);
}

static void begin(uint32_t n, uint64_t features)
{
	sim_init(&sim, n);
	sim_guests(&sim, features);
	sim_learn(&sim);
}

/* --- frames arrive as they were sent --- */

static const uint32_t frame_lens[] = {14, 15, 59, 60, 61, 127, 128, 129, 130, 1500, 1514, 1518, 4096, 9000,
	9014, 65535, 65536, PKT_LEN_MAX};

/* A buffer for a frame of len bytes with at least one piece; with MRG_RXBUF sometimes several buffers. */
static uint32_t post_room(struct guest *g, uint32_t len, struct random *r)
{
	uint32_t left = g->hdr_len + len, buffers = 0;

	while (left > 0) {
		uint32_t part = left;
		struct guest_layout layout;

		if (g->features & FEATURE(VIRTIO_NET_F_MRG_RXBUF) && left > 200 && buffers < 5)
			part = random_below(r, 3) ? left / 2 : left;
		layout = layout_random(r, part, 1 + random_below(r, 6));
		if (layout.indirect && !(g->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)))
			layout.indirect = false;
		assert_true(guest_post(g, &layout));
		left -= part;
		buffers++;
	}
	guest_kick(g, GUEST_RX);
	return buffers;
}

static void check_all_lens(uint64_t features, uint64_t seed)
{
	struct random r;

	random_init(&r, seed);
	begin(2, features);
	for (uint32_t round = 0; round < 20 * ARRAY_LEN(frame_lens); round++) {
		uint32_t len = frame_lens[round % ARRAY_LEN(frame_lens)];
		uint32_t from = random_below(&r, 2), to = 1 - from;
		struct guest_layout layout =
			layout_random(&r, sim.guest[from].hdr_len + len, 1 + random_below(&r, 6));
		uint32_t buffers = post_room(&sim.guest[to], len, &r);

		layout.indirect &= !!(features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		send_one(from, to, len, &layout, &r);
		sim_expect(&sim, to, frame, len);
		assert_int_equal(sim.got.n_buffers, buffers);
		sim_expect_nothing(&sim, to);
		sim_expect_nothing(&sim, from);
		assert_int_equal(guest_outstanding(&sim.guest[to], GUEST_RX), 0);
	}
	sim_fini(&sim);
}

TEST(frames_of_every_size_and_split_arrive_unchanged)
{
	check_all_lens(SIM_RING_FEATURES, 1);
}

TEST(frames_arrive_unchanged_with_and_without_each_ring_feature)
{
	static const uint64_t bits[] = {FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
		FEATURE(VIRTIO_RING_F_EVENT_IDX), FEATURE(VIRTIO_NET_F_MRG_RXBUF),
		FEATURE(VIRTIO_F_VERSION_1)};

	for (uint32_t set = 0; set < 1u << ARRAY_LEN(bits); set++) {
		uint64_t features = 0;

		for (uint32_t i = 0; i < ARRAY_LEN(bits); i++)
			if (set >> i & 1)
				features |= bits[i];
		check_all_lens(features, 2 + set);
	}
}

TEST(many_frames_in_one_turn_arrive_in_order)
{
	const uint32_t n = 200;
	struct random r;

	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], n, 2000);
	random_init(&r, 20);
	for (uint32_t i = 0; i < n; i++) {
		const struct guest_layout layout = guest_layout_even(12 + 60 + 7 * i, 1 + i % 3);

		sim_frame(frame, 60 + 7 * i, 0, 1, &r);
		assert_true(guest_send(&sim.guest[0], NULL, frame, 60 + 7 * i, &layout) || i > 120);
		if (guest_outstanding(&sim.guest[0], GUEST_TX) <
			i + 1) /* no more descriptors: that is enough */
			break;
	}
	guest_kick(&sim.guest[0], GUEST_TX);
	sim_settle(&sim);
	random_init(&r, 20);
	for (uint32_t i = 0, sent = guest_reap(&sim.guest[0]); i < sent; i++) {
		sim_frame(frame, 60 + 7 * i, 0, 1, &r);
		sim_expect(&sim, 1, frame, 60 + 7 * i);
	}
	sim_expect_nothing(&sim, 1);
	sim_fini(&sim);
}

TEST(ring_indexes_wrap)
{
	struct random r;

	random_init(&r, 21);
	sim_init(&sim, 2);
	for (uint32_t i = 0; i < 2; i++)
		sim_guest(&sim, i,
			&(struct guest_config){
				.features = SIM_RING_FEATURES, .size = 8, .start = (uint16_t)(65530 + i)});
	sim_learn(&sim);
	for (uint32_t i = 0; i < 40; i++) {
		guest_post_n(&sim.guest[1], 1 + i % 3, 2000);
		for (uint32_t k = 0; k < 1 + i % 3; k++) {
			send_one(0, 1, 300, NULL, &r);
			sim_expect(&sim, 1, frame, 300);
		}
	}
	sim_fini(&sim);
}

/* --- one copy --- */

TEST(a_body_is_copied_exactly_once)
{
	uint64_t bodies = 0;
	struct random r;

	random_init(&r, 22);
	begin(2, SIM_RING_FEATURES);
	for (uint32_t i = 0; i < ARRAY_LEN(frame_lens); i++) {
		post_room(&sim.guest[1], frame_lens[i], &r);
		send_one(0, 1, frame_lens[i], NULL, &r);
		sim_expect(&sim, 1, frame, frame_lens[i]);
		bodies += body_len(frame_lens[i]);
		assert_int_equal(sim_counters(&sim, 1).copied_bytes, bodies);
	}
	assert_int_equal(sim_counters(&sim, 0).copied_bytes, 0);
	assert_int_equal(sim_counters(&sim, 0).rx_packets, ARRAY_LEN(frame_lens));
	assert_int_equal(sim_counters(&sim, 1).tx_packets, ARRAY_LEN(frame_lens));
	assert_int_equal(sim_counters(&sim, 0).rx_bytes, sim_counters(&sim, 1).tx_bytes);
	sim_fini(&sim);
}

TEST(a_flooded_frame_reaches_everybody_else_with_one_copy_each)
{
	struct random r;

	random_init(&r, 23);
	begin(4, SIM_RING_FEATURES);
	for (uint32_t i = 0; i < 4; i++)
		guest_post_n(&sim.guest[i], 4, 4000);
	send_one(1, SIM_PORTS, 3000, NULL, &r);
	for (uint32_t i = 0; i < 4; i++) {
		if (i == 1) {
			sim_expect_nothing(&sim, i);
			assert_int_equal(sim_counters(&sim, i).copied_bytes, 0);
			continue;
		}
		sim_expect(&sim, i, frame, 3000);
		sim_expect_nothing(&sim, i);
		assert_int_equal(sim_counters(&sim, i).copied_bytes, body_len(3000));
	}
	sim_fini(&sim);
}

TEST(a_frame_to_a_known_address_reaches_nobody_else)
{
	struct random r;

	random_init(&r, 24);
	begin(3, SIM_RING_FEATURES);
	for (uint32_t i = 0; i < 3; i++)
		guest_post_n(&sim.guest[i], 4, 4000);
	send_one(0, 2, 1000, NULL, &r);
	sim_expect(&sim, 2, frame, 1000);
	sim_expect_nothing(&sim, 1);
	sim_expect_nothing(&sim, 0);
	sim_fini(&sim);
}

/* --- buffers --- */

TEST(without_buffers_a_frame_is_dropped_and_the_sender_goes_on)
{
	struct random r;

	random_init(&r, 25);
	begin(3, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[2], 4, 4000);
	for (uint32_t i = 0; i < 5; i++)
		send_one(0, 1, 200, NULL, &r);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_BUFFER), 5);
	assert_int_equal(sim_counters(&sim, 1).tx_packets, 0);
	sim_expect_nothing(&sim, 1);
	/* a flood still reaches the others */
	send_one(0, SIM_PORTS, 200, NULL, &r);
	sim_expect(&sim, 2, frame, 200);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_BUFFER), 6);
	/* and when there are buffers again, so do frames to the one */
	guest_post_n(&sim.guest[1], 1, 4000);
	send_one(0, 1, 200, NULL, &r);
	sim_expect(&sim, 1, frame, 200);
	sim_fini(&sim);
}

TEST(a_burst_fills_the_buffers_there_are_and_counts_the_rest)
{
	struct random r;

	random_init(&r, 32);
	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 3, 500);
	for (uint32_t i = 0; i < 10; i++) {
		const struct guest_layout layout = guest_layout_one(12 + 100);

		sim_frame(frame, 100, 0, 1, &r);
		assert_true(guest_send(&sim.guest[0], NULL, frame, 100, &layout));
	}
	guest_kick(&sim.guest[0], GUEST_TX);
	assert_int_equal(sim_turn(&sim), 10);
	assert_int_equal(guest_reap(&sim.guest[0]), 10);
	assert_int_equal(sim_counters(&sim, 1).tx_packets, 3);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_BUFFER), 7);
	sim_fini(&sim);
}

TEST(too_few_buffers_for_one_frame_stay_posted)
{
	struct random r;

	random_init(&r, 26);
	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 3, 500);
	send_one(0, 1, 2000, NULL, &r);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_BUFFER), 1);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(guest_outstanding(&sim.guest[1], GUEST_RX), 3);
	send_one(0, 1, 1400, NULL, &r);
	sim_expect(&sim, 1, frame, 1400);
	assert_int_equal(sim.got.n_buffers, 3);
	sim_fini(&sim);
}

TEST(a_frame_longer_than_a_single_buffer_is_dropped_without_mergeable_buffers)
{
	struct random r;

	random_init(&r, 27);
	begin(2, SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	guest_post_n(&sim.guest[1], 3, 500);
	send_one(0, 1, 489, NULL, &r);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_TOO_LONG), 1);
	assert_int_equal(guest_outstanding(&sim.guest[1], GUEST_RX), 3);
	send_one(0, 1, 488, NULL, &r);
	sim_expect(&sim, 1, frame, 488);
	assert_int_equal(guest_outstanding(&sim.guest[1], GUEST_RX), 2);
	sim_fini(&sim);
}

TEST(a_frame_over_many_tiny_buffers_says_how_many)
{
	struct random r;

	random_init(&r, 28);
	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 200, 13);
	send_one(0, 1, 2000, NULL, &r);
	sim_expect(&sim, 1, frame, 2000);
	assert_int_equal(sim.got.hdr.num_buffers, 2012 / 13 + 1);
	sim_fini(&sim);
}

/* --- rings that do not take part --- */

TEST(a_disabled_receive_ring_gets_nothing)
{
	struct random r;

	random_init(&r, 29);
	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 3, 500);
	guest_enable(&sim.guest[1], GUEST_RX, false);
	send_one(0, 1, 100, NULL, &r);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_PEER), 1);
	sim_expect_nothing(&sim, 1);
	guest_enable(&sim.guest[1], GUEST_RX, true);
	send_one(0, 1, 100, NULL, &r);
	sim_expect(&sim, 1, frame, 100);
	sim_fini(&sim);
}

TEST(what_a_disabled_ring_sends_is_taken_and_discarded)
{
	struct random r;

	random_init(&r, 30);
	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 3, 500);
	guest_enable(&sim.guest[0], GUEST_TX, false);
	send_one(0, 1, 100, NULL, &r);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_DISABLED), 1);
	sim_expect_nothing(&sim, 1);
	guest_enable(&sim.guest[0], GUEST_TX, true);
	send_one(0, 1, 100, NULL, &r);
	sim_expect(&sim, 1, frame, 100);
	sim_fini(&sim);
}

TEST(an_interface_that_is_down_neither_sends_nor_receives)
{
	struct random r;

	random_init(&r, 31);
	begin(2, SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 3, 500);
	sim.port[1]->port.iface.up = false;
	send_one(0, 1, 100, NULL, &r);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_DOWN), 1);
	send_one(1, 0, 100, NULL, &r);
	assert_int_equal(sim_drops(&sim, 1, DROP_IFACE_DOWN), 1);
	sim_expect_nothing(&sim, 1);
	sim_fini(&sim);
}

/* --- a turn is bounded in bytes --- */

#define LARGE   65536u
#define N_LARGE 30u

/* A turn takes frames until it has had enough, and gives back what it took beyond that. */
static void check_turn_bytes(uint32_t pieces, bool indirect)
{
	const uint32_t enough = TURN_BYTES / (LARGE + (uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf)) + 1;
	struct guest_layout layout;
	struct random r;

	begin(2, SIM_RING_FEATURES);
	layout = guest_layout_even(sim.guest[0].hdr_len + LARGE, pieces);
	layout.indirect = indirect;
	guest_post_n(&sim.guest[1], N_LARGE, GUEST_BUFFER_MAX);
	guest_kick(&sim.guest[1], GUEST_RX);
	for (uint32_t i = 0; i < N_LARGE; i++) {
		random_init(&r, i);
		sim_frame(frame, LARGE, 0, 1, &r);
		assert_true(guest_send(&sim.guest[0], NULL, frame, LARGE, &layout));
	}
	guest_kick(&sim.guest[0], GUEST_TX);
	assert_int_equal(sim_turn(&sim), enough);
	assert_int_equal(guest_reap(&sim.guest[0]), enough);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[0]), N_LARGE - enough);
	for (uint32_t i = 0; i < N_LARGE; i++) {
		random_init(&r, i);
		sim_frame(frame, LARGE, 0, 1, &r);
		sim_expect(&sim, 1, frame, LARGE);
	}
	sim_expect_nothing(&sim, 1);
	sim_fini(&sim);
}

TEST(a_turn_takes_no_more_bytes_than_it_may_and_the_rest_comes_with_the_next)
{
	check_turn_bytes(1, false);
	check_turn_bytes(3, false);
	check_turn_bytes(3, true);
}

TESTS(cmocka_unit_test(frames_of_every_size_and_split_arrive_unchanged),
	cmocka_unit_test(frames_arrive_unchanged_with_and_without_each_ring_feature),
	cmocka_unit_test(many_frames_in_one_turn_arrive_in_order), cmocka_unit_test(ring_indexes_wrap),
	cmocka_unit_test(a_body_is_copied_exactly_once),
	cmocka_unit_test(a_flooded_frame_reaches_everybody_else_with_one_copy_each),
	cmocka_unit_test(a_frame_to_a_known_address_reaches_nobody_else),
	cmocka_unit_test(without_buffers_a_frame_is_dropped_and_the_sender_goes_on),
	cmocka_unit_test(a_burst_fills_the_buffers_there_are_and_counts_the_rest),
	cmocka_unit_test(too_few_buffers_for_one_frame_stay_posted),
	cmocka_unit_test(a_frame_longer_than_a_single_buffer_is_dropped_without_mergeable_buffers),
	cmocka_unit_test(a_frame_over_many_tiny_buffers_says_how_many),
	cmocka_unit_test(a_disabled_receive_ring_gets_nothing),
	cmocka_unit_test(what_a_disabled_ring_sends_is_taken_and_discarded),
	cmocka_unit_test(an_interface_that_is_down_neither_sends_nor_receives),
	cmocka_unit_test(a_turn_takes_no_more_bytes_than_it_may_and_the_rest_comes_with_the_next))
