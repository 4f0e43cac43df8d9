/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns for callgrind to count: two guests send each other full bursts of frames through one bridge domain. Only
 * turn_run() is to be collected; what the guests do besides is not the product's. tests/cost/check.py calls this and
 * knows the limits.
 *
 *	turn_cost                 names the cases
 *	turn_cost CASE TURNS      prints the packets that the turns moved
 */
#include "sim.h"

#include "base/test.h"
#include "wire/ethernet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 64
#define PAIR  2

struct cost_case {
	const char *name;
	uint64_t features; /* besides SIM_RING_FEATURES */
	uint32_t len;      /* of a frame */
	uint32_t n_macs;   /* addresses behind each guest, in turn */
	uint32_t pieces;   /* descriptors of a sent frame */
};

static const struct cost_case cases[] = {
	{.name = "split-60", .len = 60, .n_macs = 1, .pieces = 1},
	{.name = "packed-60", .features = FEATURE(VIRTIO_F_RING_PACKED), .len = 60, .n_macs = 1, .pieces = 1},
	{.name = "split-1514", .len = 1514, .n_macs = 1, .pieces = 1},
	{.name = "split-60-addresses", .len = 60, .n_macs = 256, .pieces = 1},
	{.name = "split-60-chains", .len = 60, .n_macs = 1, .pieces = 2},
	{.name = "packed-60-chains",
		.features = FEATURE(VIRTIO_F_RING_PACKED),
		.len = 60,
		.n_macs = 1,
		.pieces = 2},
};

static struct sim sim;
static struct guest_frame got;
static uint8_t frames[PAIR][PKT_LEN_MAX];
static uint32_t n_sent[PAIR];

/* The next frame of guest `from`: addresses in turn, on both ends. */
static void next_frame(const struct cost_case *c, uint32_t from)
{
	uint64_t number = n_sent[from]++ % c->n_macs << 8;

	mac_store(frames[from], 0x020000000000 + number + (1 - from));
	mac_store(frames[from] + ETHERNET_SRC_AT, 0x020000000000 + number + from);
}

static void send_burst(const struct cost_case *c, uint32_t from)
{
	struct guest *g = &sim.guest[from];
	const struct guest_layout layout = guest_layout_even(g->hdr_len + c->len, c->pieces);

	for (uint32_t i = 0; i < BURST; i++) {
		next_frame(c, from);
		assert_true(guest_send(g, NULL, frames[from], c->len, &layout));
	}
	guest_kick(g, GUEST_TX);
}

static uint32_t receive_all(uint32_t at)
{
	uint32_t n = 0;

	while (guest_receive(&sim.guest[at], &got))
		n++;
	guest_reap(&sim.guest[at]);
	return n;
}

static uint32_t one_turn(const struct cost_case *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PAIR; i++) {
		guest_post_n(&sim.guest[i], BURST, sim.guest[i].hdr_len + c->len);
		send_burst(c, i);
	}
	assert_int_equal(sim_turn(&sim), PAIR * BURST);
	for (uint32_t i = 0; i < PAIR; i++)
		n += receive_all(i);
	return n;
}

static void run(const struct cost_case *c, uint32_t turns)
{
	struct random random;
	uint32_t n = 0;

	random_init(&random, 1);
	sim_init(&sim, PAIR);
	sim_guests(&sim, SIM_RING_FEATURES | c->features);
	for (uint32_t i = 0; i < PAIR; i++)
		sim_frame(frames[i], c->len, i, 1 - i, &random);
	while (turns-- > 0)
		n += one_turn(c);
	printf("%u\n", n);
	sim_fini(&sim);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (argc == 1)
			printf("%s\n", cases[i].name);
		else if (argc == 3 && strcmp(argv[1], cases[i].name) == 0)
			return run(&cases[i], (uint32_t)atoi(argv[2])), 0;
	}
	return argc == 1 ? 0 : 2;
}
