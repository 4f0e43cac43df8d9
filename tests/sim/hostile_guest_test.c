/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest may do wrong with its memory is its own loss: the others go on. */
#include "sim.h"

#include "base/test.h"

#include <string.h>

static struct sim sim;
static uint8_t frame[PKT_LEN_MAX];
static struct random r;

/* Guest 0 misbehaves, 1 and 2 do not. */
static void begin_with(uint64_t ring)
{
	random_init(&r, 1);
	sim_init(&sim, 3);
	sim_guests(&sim, SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES | ring);
	sim_learn(&sim);
	for (uint32_t i = 0; i < 3; i++)
		guest_post_n(&sim.guest[i], 8, 2000);
}

static void begin(void)
{
	begin_with(0);
}

static void begin_packed(void)
{
	begin_with(FEATURE(VIRTIO_F_RING_PACKED));
}

static void send_one(uint32_t from, uint32_t to)
{
	const struct guest_layout layout = guest_layout_one(12 + 500);

	sim_frame(frame, 500, from, to, &r);
	assert_true(guest_send(&sim.guest[from], NULL, frame, 500, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
	sim_settle(&sim);
}

static void others_go_on(void)
{
	send_one(1, 2);
	assert_int_equal(guest_reap(&sim.guest[1]), 1);
	sim_expect(&sim, 2, frame, 500);
	send_one(2, 1);
	assert_int_equal(guest_reap(&sim.guest[2]), 1);
	sim_expect(&sim, 1, frame, 500);
}

/* The ring is broken for this reason; a new connection is the way out. */
static void expect_broken(uint32_t queue, enum virtq_error error)
{
	sim_settle(&sim);
	assert_int_equal(sim.guest[0].rings[queue].vq.error, error);
	assert_int_equal(guest_errors(&sim.guest[0], queue), 1);
	others_go_on();
	sim_settle(&sim);
	assert_int_equal(guest_errors(&sim.guest[0], queue), 0);
}

static struct vring_desc *raw_desc(uint16_t at)
{
	return &sim.guest[0].queues[GUEST_TX].desc[at];
}

static void raw_send(const struct vring_desc *d, uint16_t n)
{
	memcpy(raw_desc(0), d, n * sizeof(*d));
	guest_raw_offer(&sim.guest[0], GUEST_TX, 0);
}

TEST(an_avail_index_that_jumps_breaks_the_ring)
{
	begin();
	guest_raw_avail_idx(&sim.guest[0], GUEST_TX, 20000);
	expect_broken(GUEST_TX, VIRTQ_AVAIL_JUMPED);
	sim_fini(&sim);
	begin();
	guest_raw_avail_idx(&sim.guest[0], GUEST_RX, 20000);
	for (uint32_t i = 0; i < 20; i++)
		send_one(1, 0);
	assert_int_equal(guest_reap(&sim.guest[1]), 20);
	expect_broken(GUEST_RX, VIRTQ_AVAIL_JUMPED);
	sim_fini(&sim);
}

TEST(a_head_beyond_the_table_breaks_the_ring)
{
	begin();
	guest_raw_offer(&sim.guest[0], GUEST_TX, 256);
	expect_broken(GUEST_TX, VIRTQ_HEAD_RANGE);
	sim_fini(&sim);
}

TEST(descriptors_that_lead_nowhere_break_the_ring)
{
	static const struct {
		struct vring_desc desc[2];
		enum virtq_error error;
	} cases[] = {
		{{{.addr = 1ull << 40, .len = 100}}, VIRTQ_ADDRESS},
		{{{.addr = UINT64_MAX - 50, .len = 100}}, VIRTQ_ADDRESS},
		{{{.addr = 4096, .len = UINT32_MAX}}, VIRTQ_ADDRESS},
		{{{.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT, .next = 0}}, VIRTQ_CHAIN_LOOP},
		{{{.addr = 4096, .len = 0, .flags = VRING_DESC_F_NEXT, .next = 1},
			 {.flags = VRING_DESC_F_NEXT, .next = 0}},
			VIRTQ_CHAIN_LOOP},
		{{{.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT, .next = 256}}, VIRTQ_NEXT_RANGE},
		{{{.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, .next = 1},
			 {.addr = 4096, .len = 1}},
			VIRTQ_DIRECTION},
		{{{.addr = 4096, .len = 17, .flags = VRING_DESC_F_INDIRECT}}, VIRTQ_INDIRECT_TABLE},
		{{{.addr = 4096, .len = 0, .flags = VRING_DESC_F_INDIRECT}}, VIRTQ_INDIRECT_TABLE},
		{{{.addr = 1ull << 40, .len = 32, .flags = VRING_DESC_F_INDIRECT}}, VIRTQ_ADDRESS},
	};

	for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		raw_send(cases[i].desc, 2);
		expect_broken(GUEST_TX, cases[i].error);
		sim_fini(&sim);
	}
}

TEST(packed_descriptors_that_lead_nowhere_break_the_ring)
{
	static const struct {
		struct vring_packed_desc desc[2];
		enum virtq_error error;
	} cases[] = {
		{{{.addr = 1ull << 40, .len = 100}}, VIRTQ_ADDRESS},
		{{{.addr = UINT64_MAX - 50, .len = 100}}, VIRTQ_ADDRESS},
		{{{.addr = 4096, .len = UINT32_MAX}}, VIRTQ_ADDRESS},
		{{{.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT}, {.addr = 1ull << 40, .len = 1}},
			VIRTQ_ADDRESS},
		{{{.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE},
			 {.addr = 4096, .len = 1}},
			VIRTQ_DIRECTION},
		{{{.addr = 4096, .len = 17, .flags = VRING_DESC_F_INDIRECT}}, VIRTQ_INDIRECT_TABLE},
		{{{.addr = 4096, .len = 0, .flags = VRING_DESC_F_INDIRECT}}, VIRTQ_INDIRECT_TABLE},
		{{{.addr = 1ull << 40, .len = 32, .flags = VRING_DESC_F_INDIRECT}}, VIRTQ_ADDRESS},
		{{{.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT},
			 {.addr = 4096, .len = 16, .flags = VRING_DESC_F_INDIRECT}},
			VIRTQ_INDIRECT_TABLE},
	};

	for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin_packed();
		guest_raw_slots(&sim.guest[0], GUEST_TX, cases[i].desc, 2);
		expect_broken(GUEST_TX, cases[i].error);
		sim_fini(&sim);
	}
}

TEST(a_packed_chain_all_round_breaks_the_ring)
{
	const struct vring_packed_desc d = {.addr = 4096, .len = 1, .flags = VRING_DESC_F_NEXT};

	begin_packed();
	for (uint32_t i = 0; i < sim.guest[0].queues[GUEST_TX].size; i++)
		guest_raw_slots(&sim.guest[0], GUEST_TX, &d, 1);
	expect_broken(GUEST_TX, VIRTQ_CHAIN_LOOP);
	sim_fini(&sim);
}

/* The driver's wish for calls may be anything; the ring goes on. */
TEST(nonsense_in_the_drivers_event_area_does_no_harm)
{
	static const struct vring_packed_desc_event events[] = {
		{0xffff, 2}, {0x7fff, 2}, {0, 3}, {5, 0xffff}};

	begin_packed();
	for (uint32_t i = 0; i < ARRAY_LEN(events); i++) {
		*sim.guest[1].queues[GUEST_TX].packed.driver_event = events[i];
		*sim.guest[2].queues[GUEST_RX].packed.driver_event = events[i];
		others_go_on();
	}
	sim_fini(&sim);
}

/* Several buffers are taken for one frame, and the last turns out to be rotten. */
TEST(a_ring_that_breaks_in_the_middle_of_a_frame_offers_nothing_more)
{
	struct guest *g = &sim.guest[0];
	struct guest_layout layout = guest_layout_one(12 + 60000);

	begin();
	g->queues[GUEST_RX].avail->ring[5] = 999;
	sim_frame(frame, 60000, 1, 0, &r);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(guest_send(&sim.guest[1], NULL, frame, 60000, &layout));
		guest_kick(&sim.guest[1], GUEST_TX);
		sim_settle(&sim);
		assert_int_equal(guest_reap(&sim.guest[1]), 1);
	}
	/* not even to a frame for which there would be room */
	send_one(1, 0);
	assert_int_equal(guest_reap(&sim.guest[1]), 1);
	sim_expect_nothing(&sim, 0);
	assert_int_equal(sim_counters(&sim, 0).tx_packets, 0);
	expect_broken(GUEST_RX, VIRTQ_HEAD_RANGE);
	sim_fini(&sim);
}

TEST(frames_that_are_none_are_dropped_and_given_back)
{
	static const struct {
		uint32_t len; /* of header and frame */
		enum drop drop;
	} cases[] = {
		{1, DROP_RX_HEADER},
		{11, DROP_RX_HEADER},
		{12, DROP_RX_RUNT},
		{12 + 13, DROP_RX_RUNT},
		{12 + PKT_LEN_MAX + 1, DROP_RX_TOO_LONG},
	};
	struct guest *g = &sim.guest[0];

	for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t gpa;

		begin();
		gpa = g->queues[GUEST_TX].slabs_gpa;
		raw_send(&(struct vring_desc){.addr = gpa, .len = cases[i].len}, 1);
		sim_settle(&sim);
		assert_int_equal(sim_drops(&sim, 0, cases[i].drop), 1);
		assert_int_equal(g->queues[GUEST_TX].used->idx, 2); /* one was sim_learn()'s */
		others_go_on();
		sim_fini(&sim);
	}
}

/* A receive buffer should have nothing to read; what is there all the same is not written to. */
TEST(readable_pieces_of_a_receive_buffer_stay_untouched)
{
	struct guest *g = &sim.guest[0];
	struct guest_queue *q = &g->queues[GUEST_RX];
	static const uint8_t before[64] = {1, 2, 3};
	uint64_t gpa;

	random_init(&r, 1);
	sim_init(&sim, 3);
	sim_guests(&sim, SIM_RING_FEATURES);
	sim_learn(&sim);
	gpa = q->slabs_gpa;
	memcpy(guest_at(g, gpa), before, sizeof(before));
	q->desc[0] = (struct vring_desc){
		.addr = gpa, .len = sizeof(before), .flags = VRING_DESC_F_NEXT, .next = 1};
	q->desc[1] = (struct vring_desc){.addr = gpa + 1000, .len = 2000, .flags = VRING_DESC_F_WRITE};
	guest_raw_offer(g, GUEST_RX, 0);
	send_one(1, 0);
	assert_int_equal(q->used->idx, 1);
	assert_int_equal(q->used->ring[0].len, 12 + 500);
	assert_memory_equal(guest_at(g, gpa), before, sizeof(before));
	assert_memory_equal(guest_at(g, gpa + 1000 + 12), frame, 500);
	sim_fini(&sim);
}

/* Readable pieces of nothing are a chain without a frame. */
TEST(an_empty_chain_is_given_back)
{
	begin();
	raw_send(&(struct vring_desc){.addr = 4096, .len = 0}, 1);
	sim_settle(&sim);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_HEADER), 1);
	assert_int_equal(sim.guest[0].queues[GUEST_TX].used->idx, 2);
	sim_fini(&sim);
}

TEST(headers_that_contradict_the_frame_are_dropped)
{
	static const struct virtio_net_hdr cases[] = {
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 499},
		/* completed, it would rewrite the addresses that the bridge has looked at */
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 6, .csum_offset = 0},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 13, .csum_offset = 40},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0, .csum_offset = 499},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 100},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 100},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = 0x7f, .gso_size = 100},
	};
	const struct guest_layout layout = guest_layout_one(12 + 500);

	begin();
	sim_frame(frame, 500, 0, 1, &r);
	for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_true(guest_send(&sim.guest[0], &cases[i], frame, 500, &layout));
		guest_kick(&sim.guest[0], GUEST_TX);
		sim_settle(&sim);
		assert_int_equal(guest_reap(&sim.guest[0]), 1);
		assert_int_equal(sim_drops(&sim, 0, DROP_RX_HEADER), i + 1);
	}
	sim_expect_nothing(&sim, 1);
	sim_fini(&sim);
}

TEST(a_packed_chain_of_more_pieces_than_a_frame_needs_is_given_back_unseen)
{
	struct guest *g = &sim.guest[0];
	const struct vring_packed_desc *slots;
	struct vring_packed_desc *table,
		d[2] = {{.len = 1024 * 16, .id = 0x1234, .flags = VRING_DESC_F_INDIRECT},
			{.addr = 4096, .len = 5}};

	begin_packed();
	slots = g->queues[GUEST_TX].packed.slots;
	d[0].addr = g->queues[GUEST_TX].slabs_gpa;
	table = guest_at(g, d[0].addr);
	for (uint32_t i = 0; i < 1024; i++) /* each across the seam */
		table[i] = (struct vring_packed_desc){
			.addr = g->queues[GUEST_RX].slabs_gpa + 4096 - 8, .len = 16};
	guest_raw_slots(g, GUEST_TX, d, 2);
	sim_settle(&sim);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_PIECES), 1);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_HEADER), 1); /* the one behind it */
	assert_int_equal(slots[1].id, 0x1234);                   /* slot 0 was sim_learn()'s */
	assert_int_equal(slots[1].len, 0);
	others_go_on();
	sim_fini(&sim);
}

/* Guest 0 offers the same chain n times: each piece lies across the seam, so there are twice as many as descriptors. */
static void offer_monsters(uint32_t n)
{
	struct guest *g = &sim.guest[0];
	struct guest_queue *q = &g->queues[GUEST_TX];
	uint64_t seam = g->queues[GUEST_RX].slabs_gpa + 4096;
	struct vring_desc *table = guest_at(g, q->slabs_gpa);

	for (uint32_t i = 0; i < 1024; i++)
		table[i] = (struct vring_desc){.addr = seam - 8,
			.len = 16,
			.flags = i < 1023 ? VRING_DESC_F_NEXT : 0,
			.next = (uint16_t)(i + 1)};
	*raw_desc(0) = (struct vring_desc){
		.addr = q->slabs_gpa, .len = 1024 * sizeof(*table), .flags = VRING_DESC_F_INDIRECT};
	while (n-- > 0)
		guest_raw_offer(g, GUEST_TX, 0);
}

/* A table of its own may have more entries than the turn wants to hold. */
TEST(a_chain_of_more_pieces_than_a_frame_needs_is_given_back_unseen)
{
	begin();
	offer_monsters(1);
	sim_settle(&sim);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_PIECES), 1);
	assert_int_equal(sim.guest[0].queues[GUEST_TX].used->idx, 2);
	others_go_on();
	sim_fini(&sim);
}

/* What it takes to see that they are too many is bounded as everything else in a turn. */
TEST(chains_of_more_pieces_than_a_frame_needs_end_the_turn)
{
	begin();
	offer_monsters(20);
	assert_int_equal(sim_turn(&sim), 4);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_PIECES), 4);
	sim_settle(&sim);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_PIECES), 20);
	others_go_on();
	sim_fini(&sim);
}

/* They are worth no look at what they hold, but they count against the budget like any buffer. */
TEST(a_turn_takes_no_more_monsters_than_frames)
{
	struct guest *g = &sim.guest[0];
	struct guest_queue *q = &g->queues[GUEST_TX];
	struct vring_desc *table;
	uint64_t seam;

	begin();
	seam = g->queues[GUEST_RX].slabs_gpa + 4096;
	table = guest_at(g, q->slabs_gpa);
	for (uint32_t i = 0; i < 1024; i++)
		table[i] = (struct vring_desc){.addr = seam - 8,
			.len = 16,
			.flags = i < 1023 ? VRING_DESC_F_NEXT : 0,
			.next = (uint16_t)(i + 1)};
	*raw_desc(0) =
		(struct vring_desc){.addr = q->slabs_gpa, .len = 16384, .flags = VRING_DESC_F_INDIRECT};
	for (uint32_t i = 0; i < 200; i++)
		guest_raw_offer(g, GUEST_TX, 0);
	assert_in_range(sim_turn(&sim), 1, 64);
	others_go_on();
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_PIECES), 200);
	sim_fini(&sim);
}

TEST(a_receive_buffer_without_a_writable_byte_breaks_the_ring)
{
	begin();
	sim.guest[0].queues[GUEST_RX].desc[sim.guest[0].queues[GUEST_RX].avail->ring[0]].flags = 0;
	send_one(1, 0);
	assert_int_equal(guest_reap(&sim.guest[1]), 1);
	assert_int_equal(sim_drops(&sim, 0, DROP_TX_BROKEN), 1);
	expect_broken(GUEST_RX, VIRTQ_NO_ROOM);
	send_one(1, 0);
	assert_int_equal(sim_drops(&sim, 0, DROP_TX_BROKEN), 2);
	sim_fini(&sim);
}

/* Two guests fill every turn, and the third still has its chance. */
TEST(a_turn_begins_where_the_one_before_ran_out_of_room)
{
	const struct guest_layout large = guest_layout_one(12 + 60000);
	const struct guest_layout small = guest_layout_one(12 + 500);

	begin();
	sim_frame(frame, 60000, 0, 1, &r);
	for (uint32_t i = 0; i < 60; i++) {
		assert_true(guest_send(&sim.guest[0], NULL, frame, 60000, &large));
		assert_true(guest_send(&sim.guest[1], NULL, frame, 60000, &large));
	}
	sim_frame(frame, 500, 2, 0, &r);
	assert_true(guest_send(&sim.guest[2], NULL, frame, 500, &small));
	for (uint32_t i = 0; i < 3; i++)
		guest_kick(&sim.guest[i], GUEST_TX);
	for (uint32_t i = 0; i < 3; i++)
		sim_turn(&sim);
	assert_int_equal(guest_reap(&sim.guest[2]), 1);
	sim_settle(&sim);
	sim_fini(&sim);
}

/* As begin(), with control queues. */
static void begin_ctrl(void)
{
	const uint64_t features = SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_CTRL_VQ);

	random_init(&r, 1);
	sim_init(&sim, 3);
	for (uint32_t i = 0; i < 3; i++)
		sim_guest(&sim, i, &(struct guest_config){.features = features, .ctrl = true});
	sim_learn(&sim);
	for (uint32_t i = 0; i < 3; i++)
		guest_post_n(&sim.guest[i], 8, 2000);
}

TEST(a_control_queue_that_breaks_leaves_the_others_alone)
{
	begin_ctrl();
	guest_raw_offer(&sim.guest[0], sim.guest[0].ctrl, 999);
	expect_broken(sim.guest[0].ctrl, VIRTQ_HEAD_RANGE);
	send_one(0, 1);
	sim_expect(&sim, 1, frame, 500);
	send_one(1, 0);
	sim_expect(&sim, 0, frame, 500);
	sim_fini(&sim);
}

TEST(a_command_in_more_pieces_than_any_needs_is_given_back)
{
	struct guest_queue *q;

	begin_ctrl();
	q = &sim.guest[0].queues[sim.guest[0].ctrl];
	for (uint16_t i = 0; i < 100; i++)
		q->desc[i] = (struct vring_desc){.addr = q->slabs_gpa,
			.len = 1,
			.flags = i < 99 ? VRING_DESC_F_NEXT : VRING_DESC_F_WRITE,
			.next = (uint16_t)(i + 1)};
	guest_raw_offer(&sim.guest[0], sim.guest[0].ctrl, 0);
	sim_turn(&sim);
	assert_int_equal(q->used->idx, 1);
	assert_int_equal(q->used->ring[0].len, 0);
	assert_int_equal(sim.guest[0].rings[sim.guest[0].ctrl].vq.error, VIRTQ_OK);
	assert_int_equal(sim.port[0]->ctrl.commands, 0);
	others_go_on();
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(a_command_in_more_pieces_than_any_needs_is_given_back),
	cmocka_unit_test(a_control_queue_that_breaks_leaves_the_others_alone),
	cmocka_unit_test(a_turn_takes_no_more_monsters_than_frames),
	cmocka_unit_test(a_receive_buffer_without_a_writable_byte_breaks_the_ring),
	cmocka_unit_test(a_turn_begins_where_the_one_before_ran_out_of_room),
	cmocka_unit_test(an_avail_index_that_jumps_breaks_the_ring),
	cmocka_unit_test(a_head_beyond_the_table_breaks_the_ring),
	cmocka_unit_test(descriptors_that_lead_nowhere_break_the_ring),
	cmocka_unit_test(packed_descriptors_that_lead_nowhere_break_the_ring),
	cmocka_unit_test(a_packed_chain_all_round_breaks_the_ring),
	cmocka_unit_test(nonsense_in_the_drivers_event_area_does_no_harm),
	cmocka_unit_test(a_ring_that_breaks_in_the_middle_of_a_frame_offers_nothing_more),
	cmocka_unit_test(frames_that_are_none_are_dropped_and_given_back),
	cmocka_unit_test(readable_pieces_of_a_receive_buffer_stay_untouched),
	cmocka_unit_test(an_empty_chain_is_given_back),
	cmocka_unit_test(headers_that_contradict_the_frame_are_dropped),
	cmocka_unit_test(a_chain_of_more_pieces_than_a_frame_needs_is_given_back_unseen),
	cmocka_unit_test(chains_of_more_pieces_than_a_frame_needs_end_the_turn),
	cmocka_unit_test(a_packed_chain_of_more_pieces_than_a_frame_needs_is_given_back_unseen))
