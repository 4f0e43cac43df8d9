/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns for callgrind to count: two guests send each other full bursts of plain frames through one bridge domain. Only
 * turn_run() is to be collected; what the guests do besides is not the product's. tests/cost/run calls this and knows
 * the limits.
 *
 *	turn_cost BYTES [packed] TURNS      prints the packets that the turns moved
 */
#include "sim.h"

#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 64
#define PAIR  2

static struct sim sim;
static struct guest_frame got;
static uint8_t frames[PAIR][PKT_LEN_MAX];

static void send_burst(uint32_t from, uint32_t len)
{
	struct guest *g = &sim.guest[from];
	const struct guest_layout layout = guest_layout_one(g->hdr_len + len);

	for (uint32_t i = 0; i < BURST; i++)
		assert_true(guest_send(g, NULL, frames[from], len, &layout));
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

static uint32_t one_turn(uint32_t len)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PAIR; i++) {
		guest_post_n(&sim.guest[i], BURST, sim.guest[i].hdr_len + len);
		send_burst(i, len);
	}
	assert_int_equal(sim_turn(&sim), PAIR * BURST);
	for (uint32_t i = 0; i < PAIR; i++)
		n += receive_all(i);
	return n;
}

int main(int argc, char **argv)
{
	bool packed = argc == 4 && strcmp(argv[2], "packed") == 0;
	uint64_t features = SIM_RING_FEATURES | (packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
	uint32_t len, turns, n = 0;
	struct random random;

	if (argc != 3 && !packed) {
		fprintf(stderr, "usage: turn_cost BYTES [packed] TURNS\n");
		return 2;
	}
	len = (uint32_t)atoi(argv[1]);
	turns = (uint32_t)atoi(argv[argc - 1]);
	random_init(&random, 1);
	sim_init(&sim, PAIR);
	sim_guests(&sim, features);
	sim_learn(&sim);
	for (uint32_t i = 0; i < PAIR; i++)
		sim_frame(frames[i], len, i, 1 - i, &random);
	while (turns-- > 0)
		n += one_turn(len);
	printf("%u\n", n);
	sim_fini(&sim);
	return 0;
}
