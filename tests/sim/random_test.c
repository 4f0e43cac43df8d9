/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anything in any order. A frame's bytes follow from the number it carries, so each receiver checks them
 * alone; at the end the numbers of frames add up and every buffer is still posted or came back once.
 */
#include "sim.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#define STEPS     20000
#define NUMBER_AT 16
#define LEN_MIN   (NUMBER_AT + (uint32_t)sizeof(uint64_t))

static struct sim sim;
static uint8_t frame[PKT_LEN_MAX];
static struct random r;
static uint64_t sent[SIM_PORTS], received[SIM_PORTS], number;

static uint64_t seed_of_this_run(void)
{
	const char *given = getenv("GINNEL_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;

	print_message("seed %llu (GINNEL_SEED)\n", (unsigned long long)seed);
	return seed;
}

static void numbered_frame(uint8_t *to_bytes, uint32_t len, uint32_t from, uint32_t to, uint64_t n)
{
	struct random bytes;

	random_init(&bytes, n);
	sim_frame(to_bytes, len, from, to, &bytes);
	memcpy(to_bytes + NUMBER_AT, &n, sizeof(n));
}

static uint32_t any_len(void)
{
	static const uint32_t most[] = {200, 200, 1514, 1514, 9000, PKT_LEN_MAX};

	return LEN_MIN + random_below(&r, most[random_below(&r, ARRAY_LEN(most))] - LEN_MIN);
}

static struct guest_layout any_layout(const struct guest *g, uint32_t len)
{
	struct guest_layout layout =
		guest_layout_even(len, 1 + random_below(&r, random_below(&r, 4) ? 3 : 30));

	if (g->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
		layout.indirect = random_below(&r, 2);
	/* the front of the chain in other proportions */
	if (layout.n > 1) {
		uint32_t moved = random_below(&r, layout.lens[0]);

		layout.lens[0] -= moved;
		layout.lens[1] += moved;
	}
	return layout;
}

static void step_send(uint32_t i)
{
	struct guest *g = &sim.guest[i];
	uint32_t len = any_len(), to = random_below(&r, SIM_PORTS + 1);
	struct guest_layout layout = any_layout(g, g->hdr_len + len);

	numbered_frame(frame, len, i, to, ++number);
	if (guest_send(g, NULL, frame, len, &layout))
		sent[i]++;
	if (random_below(&r, 2))
		guest_kick(g, GUEST_TX);
}

static void step_post(uint32_t i)
{
	struct guest *g = &sim.guest[i];
	bool mergeable = g->features & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	/* the first piece holds the header, as drivers do it; longer ones for whole frames */
	struct guest_layout layout =
		any_layout(g, mergeable ? 200 + random_below(&r, 4000) : GUEST_BUFFER_MAX);

	for (uint32_t n = random_below(&r, 20); n > 0; n--)
		guest_post(g, &layout);
	if (random_below(&r, 2))
		guest_kick(g, GUEST_RX);
}

static void step_receive(uint32_t i)
{
	struct guest_frame *got = &sim.got;

	while (guest_receive(&sim.guest[i], got)) {
		uint32_t to = got->bytes[0] == 0xff ? SIM_PORTS : got->bytes[5];
		uint64_t n;

		assert_in_range(got->len, LEN_MIN, PKT_LEN_MAX);
		memcpy(&n, got->bytes + NUMBER_AT, sizeof(n));
		numbered_frame(frame, got->len, got->bytes[11], to, n);
		assert_memory_equal(got->bytes, frame, got->len);
		assert_int_not_equal(got->bytes[11], i);
		received[i]++;
	}
	guest_reap(&sim.guest[i]);
}

static void step_control(uint32_t i)
{
	struct guest *g = &sim.guest[i];

	switch (random_below(&r, 20)) {
	case 0:
		guest_disconnect(g);
		break;
	case 1:
		if (g->backend)
			guest_enable(g, random_below(&r, GUEST_QUEUES), random_below(&r, 2));
		break;
	default:
		break;
	}
	if (!g->backend && random_below(&r, 2))
		sim_connect(&sim, i);
}

static void step_turn(uint32_t i)
{
	sim_turn(&sim);
}

static void step_calls(uint32_t i)
{
	guest_want_calls(&sim.guest[i], random_below(&r, GUEST_QUEUES), random_below(&r, 2));
}

static void step(uint32_t i)
{
	/* as often as they stand here */
	static void (*const steps[])(uint32_t i) = {step_send, step_send, step_send, step_send, step_post,
		step_post, step_turn, step_receive, step_calls, step_control};

	steps[random_below(&r, ARRAY_LEN(steps))](i);
}

/* Everything is sent and looked at. */
static void finish(void)
{
	for (uint32_t i = 0; i < sim.n; i++) {
		if (!sim.guest[i].backend)
			sim_connect(&sim, i);
		guest_kick(&sim.guest[i], GUEST_TX);
		guest_kick(&sim.guest[i], GUEST_RX);
	}
	sim_settle(&sim);
	for (uint32_t i = 0; i < sim.n; i++)
		step_receive(i);
}

static void check_books(void)
{
	for (uint32_t i = 0; i < sim.n; i++) {
		struct iface_counters c = sim_counters(&sim, i);

		assert_int_equal(guest_outstanding(&sim.guest[i], GUEST_TX), 0);
		assert_int_equal(c.rx_packets + c.drops[DROP_RX_DISABLED], sent[i]);
		assert_int_equal(c.tx_packets, received[i]);
		for (uint32_t q = 0; q < GUEST_QUEUES; q++)
			assert_int_equal(sim.guest[i].rings[q].vq.error, VIRTQ_OK);
	}
}

TEST(anything_in_any_order_leaves_all_frames_and_buffers_home)
{
	static const uint64_t features[SIM_PORTS] = {SIM_RING_FEATURES,
		SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX),
		SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF), 0};
	static const uint16_t packed_sizes[SIM_PORTS] = {251, 100, 33, 256};
	uint64_t all = 0;

	random_init(&r, seed_of_this_run());
	memset(sent, 0, sizeof(sent));
	memset(received, 0, sizeof(received));
	sim_init(&sim, SIM_PORTS);
	for (uint32_t i = 0; i < SIM_PORTS; i++)
		sim_guest(&sim, i,
			&(struct guest_config){.features = features[i],
				.size = guest_packed_wanted() ? packed_sizes[i] : 256,
				.start = (uint16_t)(65000 * i)});
	for (uint32_t n = 0; n < STEPS; n++)
		step(random_below(&r, SIM_PORTS));
	finish();
	check_books();
	for (uint32_t i = 0; i < SIM_PORTS; i++)
		all += received[i];
	assert_true(all > STEPS / 20); /* the test does test something */
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(anything_in_any_order_leaves_all_frames_and_buffers_home))
