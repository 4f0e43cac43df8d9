/* SPDX-License-Identifier: Apache-2.0 */
/* While a guest migrates, every page that the switch writes is in the log, whichever way the bytes went. */
#include "packet.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#define PAGE DIRTY_LOG_PAGE

static struct sim sim;
static struct packet packet;
static struct random r;

static bool logged(const struct guest *g, uint64_t page)
{
	return g->log.bits[page / 8] >> (page % 8) & 1;
}

/* Runs the switch. What differs afterwards is in the log; returns how many pages that are. */
static uint32_t written_pages(uint32_t i)
{
	struct guest *g = &sim.guest[i];
	uint8_t *before = malloc(g->mem_len);
	uint32_t n = 0, n_logged = 0;

	assert_non_null(before);
	memcpy(before, g->mem, g->mem_len);
	memset(g->log.bits, 0, g->log.size);
	sim_settle(&sim);
	sim.port[i]->port.ops->rx_arm(&sim.port[i]->port, 0);
	for (uint64_t page = 0; page < g->mem_len / PAGE; page++) {
		bool written = memcmp(before + page * PAGE, g->mem + page * PAGE, PAGE) != 0;

		assert_true(!written || logged(g, page));
		n += written;
		n_logged += logged(g, page);
	}
	free(before);
	assert_in_range(n_logged, n, n + 4); /* bytes may be written as they were */
	return n;
}

static void send(const struct packet_shape *shape, uint32_t from, uint32_t to)
{
	struct guest_layout layout;

	packet_make(&packet, shape, from, to, &r);
	layout = guest_layout_even(12 + packet.len, 3);
	assert_true(guest_send(&sim.guest[from], &packet.hdr, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
}

/* Frames as they are, spread over buffers, with a checksum completed, cut in segments. */
static void check_paths(uint64_t features)
{
	static const struct packet_shape shapes[] = {
		{.tcp = true, .payload = 100},
		{.tcp = true, .payload = 1400},
		{.tcp = true, .payload = 20000},
		{.tcp = false, .begun = true, .payload = 9000},
		{.tcp = true, .begun = true, .gso_size = 1400, .payload = 20000},
	};

	random_init(&r, 1);
	sim_init(&sim, 2);
	sim_guest(&sim, 0,
		&(struct guest_config){.features = SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES,
			.size = 64,
			.logged = true});
	sim_guest(&sim, 1, &(struct guest_config){.features = features, .size = 64, .logged = true});
	sim_learn(&sim);
	for (uint32_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct guest_layout buffer = guest_layout_even(i % 2 ? 1500 : 5000, 1 + i % 3);

		while (guest_outstanding(&sim.guest[1], GUEST_RX) < 20)
			assert_true(guest_post(&sim.guest[1], &buffer));
		guest_kick(&sim.guest[1], GUEST_RX);
		send(&shapes[i], 0, 1);
		assert_in_range(written_pages(1), 2, 100);
		send(&shapes[0], 0, 1);
		written_pages(0);
		guest_reap(&sim.guest[0]);
		while (guest_receive(&sim.guest[1], &sim.got))
			assert_true(sim.got.hdr.hdr.flags || packet_is_sound(sim.got.bytes, sim.got.len));
	}
	sim_fini(&sim);
}

TEST(every_written_page_is_logged)
{
	check_paths(SIM_RING_FEATURES);
	check_paths(SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	check_paths(SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES);
}

TESTS(cmocka_unit_test(every_written_page_is_logged))
