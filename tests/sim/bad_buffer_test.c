/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad descriptors in a receive ring, met by each way a frame can go out: as it is into one buffer, over several, with a
 * checksum to complete, in segments. And buffers without a byte, while a migration logs what is written.
 */
#include "packet.h"
#include "sim.h"

#include "base/test.h"

#include <linux/virtio_config.h>
#include <string.h>

static struct sim sim;
static struct packet packet;

struct bad {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	enum virtq_error error;
};

static const struct bad bads[] = {
	{1ull << 40, 100, VRING_DESC_F_WRITE, VIRTQ_ADDRESS},
	{UINT64_MAX - 50, 100, VRING_DESC_F_WRITE, VIRTQ_ADDRESS},
	{4096, UINT32_MAX, VRING_DESC_F_WRITE, VIRTQ_ADDRESS},
	{4096, 17, VRING_DESC_F_INDIRECT, VIRTQ_INDIRECT_TABLE},
	{4096, 0, VRING_DESC_F_INDIRECT, VIRTQ_INDIRECT_TABLE},
	{1ull << 40, 32, VRING_DESC_F_INDIRECT, VIRTQ_ADDRESS},
	{1ull << 40, 0, VRING_DESC_F_WRITE, VIRTQ_NO_ROOM}, {4096, 0, VRING_DESC_F_WRITE, VIRTQ_NO_ROOM},
	{4096, 5000, 0, VIRTQ_NO_ROOM}, /* only to be read */
};

/* How the frame goes out to guest 0, which can complete nothing itself. */
static const struct packet_shape shapes[] = {
	{.payload = 400},
	{.payload = 5000},
	{.begun = true, .payload = 400},
	{.tcp = true, .begun = true, .gso_size = 1000, .payload = 400},
	{.tcp = true, .begun = true, .gso_size = 1000, .payload = 9000},
};

static void begin(uint64_t ring_features, bool logged)
{
	sim_init(&sim, 3);
	for (uint32_t i = 0; i < 3; i++)
		sim_guest(&sim, i,
			&(struct guest_config){.features = (i == 0 ? ring_features
								   : SIM_RING_FEATURES | SIM_CSUM_FEATURES |
									     SIM_TSO_FEATURES),
				.size = 64,
				.logged = logged && i == 0});
	sim_learn(&sim);
	for (uint32_t i = 1; i < 3; i++)
		guest_post_n(&sim.guest[i], 8, 16000);
}

static void send(const struct packet_shape *shape, uint32_t from, uint32_t to)
{
	struct guest_layout layout;
	struct random r;

	random_init(&r, 1);
	packet_make(&packet, shape, from, to, &r);
	layout = guest_layout_one(sim.guest[from].hdr_len + packet.len);
	assert_true(guest_send(&sim.guest[from], &packet.hdr, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[from]), 1);
}

static void post_bad(const struct bad *bad)
{
	struct guest_queue *q = &sim.guest[0].queues[GUEST_RX];
	const struct vring_packed_desc slot = {.addr = bad->addr, .len = bad->len, .flags = bad->flags};

	if (q->is_packed) {
		guest_raw_slots(&sim.guest[0], GUEST_RX, &slot, 1);
		return;
	}
	q->desc[60] = (struct vring_desc){.addr = bad->addr, .len = bad->len, .flags = bad->flags};
	guest_raw_offer(&sim.guest[0], GUEST_RX, 60);
}

static void others_go_on(void)
{
	send(&shapes[0], 1, 2);
	assert_true(guest_receive(&sim.guest[2], &sim.got));
	assert_int_equal(sim.got.len, packet.len);
	assert_memory_equal(sim.got.bytes, packet.bytes, packet.len);
}

static void meet(const struct bad *bad, const struct packet_shape *shape, uint64_t features)
{
	begin(features, false);
	post_bad(bad);
	send(shape, 1, 0);
	assert_int_equal(sim.guest[0].rings[GUEST_RX].vq.error, bad->error);
	assert_int_equal(sim_counters(&sim, 0).tx_packets, 0);
	others_go_on();
	sim_fini(&sim);
}

TEST(bad_descriptors_are_met_on_every_way_out)
{
	for (uint32_t i = 0; i < ARRAY_LEN(bads); i++) {
		for (uint32_t s = 0; s < ARRAY_LEN(shapes); s++) {
			meet(&bads[i], &shapes[s], SIM_RING_FEATURES);
			meet(&bads[i], &shapes[s], SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF));
		}
	}
}

/* A frame begins in good buffers, and the next is bad: those are still the guest's, and nothing was sent. */
TEST(a_bad_descriptor_behind_good_ones_is_met_in_the_middle_of_a_frame)
{
	for (uint32_t i = 0; i < ARRAY_LEN(bads); i++) {
		begin(SIM_RING_FEATURES, false);
		guest_post_n(&sim.guest[0], 2, 1500);
		post_bad(&bads[i]);
		send(&shapes[1], 1, 0);
		assert_int_equal(sim.guest[0].rings[GUEST_RX].vq.error, bads[i].error);
		assert_int_equal(sim_counters(&sim, 0).tx_packets, 0);
		sim_expect_nothing(&sim, 0);
		others_go_on();
		sim_fini(&sim);
	}
}

static uint32_t logged_pages(void)
{
	const struct dirty_log *log = &sim.guest[0].log;
	uint32_t n = 0;

	for (uint64_t i = 0; i < log->size; i++)
		n += (uint32_t)__builtin_popcount(log->bits[i]);
	memset(log->bits, 0, log->size);
	return n;
}

static void check_empty(uint16_t flags, uint32_t queue)
{
	struct guest_queue *q = &sim.guest[0].queues[queue];

	if (q->is_packed) {
		const struct vring_packed_desc slots[2] = {
			{.addr = UINT64_MAX - 4095, .flags = flags | VRING_DESC_F_NEXT}, {.flags = flags}};

		guest_raw_slots(&sim.guest[0], queue, slots, 2);
	} else {
		q->desc[60] = (struct vring_desc){
			.addr = UINT64_MAX - 4095, .flags = flags | VRING_DESC_F_NEXT, .next = 61};
		q->desc[61] = (struct vring_desc){.flags = flags};
		guest_raw_offer(&sim.guest[0], queue, 60);
	}
	logged_pages();
	send(&shapes[0], 1, 0);
	/* used ring or descriptors at most: nothing was written anywhere else */
	assert_in_range(logged_pages(), 0, 2);
}

TEST(buffers_without_a_byte_leave_nothing_in_the_log)
{
	begin(SIM_RING_FEATURES, true);
	check_empty(0, GUEST_TX);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_HEADER), 1);
	assert_int_equal(sim.guest[0].rings[GUEST_TX].vq.error, VIRTQ_OK);
	check_empty(VRING_DESC_F_WRITE, GUEST_RX);
	assert_int_equal(sim.guest[0].rings[GUEST_RX].vq.error, VIRTQ_NO_ROOM);
	others_go_on();
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(bad_descriptors_are_met_on_every_way_out),
	cmocka_unit_test(a_bad_descriptor_behind_good_ones_is_met_in_the_middle_of_a_frame),
	cmocka_unit_test(buffers_without_a_byte_leave_nothing_in_the_log))
