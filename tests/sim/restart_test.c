/* SPDX-License-Identifier: Apache-2.0 */
/* Rings that stop and run again, as at a reboot, a migration, a hot-plug of memory: no frame twice, none
 * lost. */
#include "sim.h"

#include "base/test.h"

static struct sim sim;
static uint8_t frame[PKT_LEN_MAX];
static struct random r;

static void begin(uint64_t features)
{
	random_init(&r, 1);
	sim_init(&sim, 2);
	sim_guests(&sim, features);
	sim_learn(&sim);
}

/* Puts a frame into the ring without running the switch. */
static void put(uint32_t from, uint32_t to, uint32_t len)
{
	const struct guest_layout layout = guest_layout_one(sim.guest[from].hdr_len + len);

	sim_frame(frame, len, from, to, &r);
	assert_true(guest_send(&sim.guest[from], NULL, frame, len, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
}

static void reconnect(uint32_t i)
{
	guest_disconnect(&sim.guest[i]);
	sim_connect(&sim, i);
}

TEST(what_waited_in_a_stopped_ring_goes_out_when_it_runs_again)
{
	begin(SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 4, 2000);
	guest_disconnect(&sim.guest[0]);
	put(0, 1, 700);
	assert_int_equal(sim_turn(&sim), 0);
	assert_int_equal(guest_reap(&sim.guest[0]), 0);
	sim_connect(&sim, 0);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[0]), 1);
	sim_expect(&sim, 1, frame, 700);
	sim_fini(&sim);
}

TEST(buffers_posted_before_a_stop_are_used_after_it)
{
	begin(SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 4, 2000);
	for (uint32_t i = 0; i < 4; i++) {
		put(0, 1, 600 + i);
		sim_settle(&sim);
		sim_expect(&sim, 1, frame, 600 + i);
		reconnect(1);
		reconnect(0);
	}
	assert_int_equal(guest_outstanding(&sim.guest[1], GUEST_RX), 0);
	assert_int_equal(guest_reap(&sim.guest[0]), 4);
	sim_fini(&sim);
}

TEST(frames_to_a_guest_that_is_gone_are_dropped)
{
	begin(SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 4, 2000);
	guest_disconnect(&sim.guest[1]);
	put(0, 1, 700);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[0]), 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_PEER), 1);
	sim_connect(&sim, 1);
	put(0, 1, 700);
	sim_settle(&sim);
	sim_expect(&sim, 1, frame, 700);
	sim_fini(&sim);
}

TEST(a_guest_may_come_back_with_other_features)
{
	static const uint64_t sets[] = {0, SIM_RING_FEATURES, FEATURE(VIRTIO_NET_F_MRG_RXBUF),
		FEATURE(VIRTIO_F_VERSION_1), SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES};

	begin(SIM_RING_FEATURES);
	for (uint32_t i = 0; i < 4 * ARRAY_LEN(sets); i++) {
		struct guest *g = &sim.guest[i % 2];

		guest_disconnect(g);
		guest_set_features(g, sets[i / 2 % ARRAY_LEN(sets)]);
		sim_connect(&sim, i % 2);
		guest_post_n(&sim.guest[1], 1, 2000);
		put(0, 1, 300 + i);
		sim_settle(&sim);
		assert_int_equal(guest_reap(&sim.guest[0]), 1);
		sim_expect(&sim, 1, frame, 300 + i);
	}
	sim_fini(&sim);
}

TEST(a_broken_ring_works_again_after_a_new_connection)
{
	struct guest_queue *q = &sim.guest[0].queues[GUEST_TX];

	if (guest_packed_wanted())
		skip(); /* there is no index to spoil */
	begin(SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 4, 2000);
	guest_raw_avail_idx(&sim.guest[0], GUEST_TX, (uint16_t)(q->next_avail + 1000));
	assert_int_equal(sim_turn(&sim), 0);
	assert_int_equal(sim.guest[0].rings[GUEST_TX].vq.error, VIRTQ_AVAIL_JUMPED);
	guest_disconnect(&sim.guest[0]);
	guest_raw_avail_idx(&sim.guest[0], GUEST_TX, q->next_avail);
	sim_connect(&sim, 0);
	put(0, 1, 700);
	sim_settle(&sim);
	sim_expect(&sim, 1, frame, 700);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(what_waited_in_a_stopped_ring_goes_out_when_it_runs_again),
	cmocka_unit_test(buffers_posted_before_a_stop_are_used_after_it),
	cmocka_unit_test(frames_to_a_guest_that_is_gone_are_dropped),
	cmocka_unit_test(a_guest_may_come_back_with_other_features),
	cmocka_unit_test(a_broken_ring_works_again_after_a_new_connection))
