/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lossless wire whose ends' rings are too small, are taken away and given back: no frame is waited for that can never go,
 * and what was consumed is exactly what was delivered.
 */
#include "packet.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "os/clock.h"
#include "worker/wire.h"

#include <linux/virtio_config.h>
#include <string.h>

#define MRG_BUFFER 1526
#define SENDER     (SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES)
#define PLAIN      (SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX))

static struct sim sim;
static struct random rng;
static struct packet packet;
static uint8_t big[PKT_LEN_MAX];

static struct iface *iface(uint32_t i)
{
	return &sim.port[i]->port.iface;
}

/* Guest 0 sends to guest 1. */
static void begin(uint64_t receiver, uint16_t size)
{
	random_init(&rng, 77);
	sim_init(&sim, 2);
	sim_guest(&sim, 0, &(struct guest_config){.features = SENDER});
	sim_guest(&sim, 1, &(struct guest_config){.features = receiver, .size = size});
	assert_int_equal(xconnect_set_lossless(iface(0), iface(1)), 0);
}

static void send_big(uint32_t len)
{
	const struct guest_layout layout = guest_layout_even(12 + len, 1 + len / 4000);

	sim_frame(big, len, 0, 1, &rng);
	assert_true(guest_send(&sim.guest[0], NULL, big, len, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
}

static bool offer_packet(void)
{
	return guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len,
		&(struct guest_layout){.n = 2, .lens = {12, packet.len}});
}

static void send_tcp(uint32_t payload)
{
	const struct packet_shape shape = {.tcp = true, .begun = true, .gso_size = 1000, .payload = payload};

	packet_make(&packet, &shape, 0, 1, &rng);
	assert_true(offer_packet());
	guest_kick(&sim.guest[0], GUEST_TX);
}

static void post_chains(uint32_t n, uint32_t len, uint32_t pieces)
{
	const struct guest_layout layout = guest_layout_even(len, pieces);

	for (uint32_t i = 0; i < n; i++)
		assert_true(guest_post(&sim.guest[1], &layout));
	guest_kick(&sim.guest[1], GUEST_RX);
}

/* Payload of the packet that came in sound frames until there are no more; how many these were. */
static uint32_t receive_segments(uint32_t *payload)
{
	uint32_t n = 0;

	while (guest_receive(&sim.guest[1], &sim.got)) {
		uint32_t at = packet_payload_at(sim.got.bytes);

		assert_true(sim.got.hdr.hdr.flags != 0 || packet_is_sound(sim.got.bytes, sim.got.len));
		assert_memory_equal(
			sim.got.bytes + at, packet.bytes + packet.payload_at + *payload, sim.got.len - at);
		*payload += sim.got.len - at;
		n++;
	}
	return n;
}

static void be_patient(void)
{
	sim.now_ns += NS_PER_S;
}

static void awake(bool awake)
{
	guest_want_calls(&sim.guest[1], GUEST_RX, !awake);
}

/* The driver was told of all that was used until now. */
static void asleep(void)
{
	sim_settle(&sim);
	awake(false);
}

/* --- what can never go --- */

/* Four chains of two descriptors are all that a ring of 8 has. */
TEST(a_frame_that_needs_more_chains_than_there_are_descriptors_for_is_dropped)
{
	begin(SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_INDIRECT_DESC), 8);
	awake(true);
	post_chains(3, 1000, 2);
	send_big(4500);
	send_big(500);
	assert_int_equal(sim_turn(&sim), 0);
	post_chains(1, 1000, 2);
	assert_int_equal(sim_turn(&sim), 2);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_TOO_LONG), 1);
	sim_expect(&sim, 1, big, 500);
	sim_fini(&sim);
}

TEST(a_receiver_that_sleeps_over_too_few_buffers_is_waited_for_a_while)
{
	static const uint64_t sets[] = {SIM_RING_FEATURES, PLAIN};

	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i], 0);
		asleep();
		post_chains(3, MRG_BUFFER, 1);
		send_big(9000);
		send_big(500);
		assert_int_equal(sim_turn(&sim), 0);
		assert_int_equal(wire_due_ns(&sim.list->rxqs[0]), sim.now_ns + NS_PER_S);
		for (uint32_t turn = 0; turn < 10; turn++)
			assert_int_equal(sim_turn(&sim), 0);
		be_patient();
		assert_int_equal(sim_turn(&sim), 1);
		assert_int_equal(sim_drops(&sim, 1, DROP_TX_TOO_LONG), 1);
		assert_int_equal(sim_turn(&sim), 1);
		sim_expect(&sim, 1, big, 500);
		sim_fini(&sim);
	}
}

TEST(each_buffer_that_comes_is_worth_waiting_again)
{
	begin(SIM_RING_FEATURES, 0);
	asleep();
	post_chains(1, MRG_BUFFER, 1);
	send_big(9000);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(sim_turn(&sim), 0);
		be_patient();
		post_chains(1, MRG_BUFFER, 1);
	}
	assert_int_equal(sim_turn(&sim), 1);
	sim_expect(&sim, 1, big, 9000);
	sim_fini(&sim);
}

TEST(a_receiver_that_is_slow_is_waited_for_however_long)
{
	static const uint64_t sets[] = {SIM_RING_FEATURES, PLAIN};

	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		begin(sets[i], 0);
		asleep();
		awake(true);
		post_chains(3, MRG_BUFFER, 1);
		send_big(9000);
		for (uint32_t n = 0; n < 100; n++) {
			assert_int_equal(sim_turn(&sim), 0);
			be_patient();
		}
		post_chains(3, MRG_BUFFER, 1);
		assert_int_equal(sim_turn(&sim), 1);
		sim_expect(&sim, 1, big, 9000);
		sim_fini(&sim);
	}
}

TEST(nobody_who_has_no_buffer_at_all_is_taken_for_one_who_gives_none)
{
	begin(SIM_RING_FEATURES, 0);
	asleep();
	send_big(9000);
	assert_int_equal(sim_turn(&sim), 0);
	assert_true(wire_due_ns(&sim.list->rxqs[0]) == UINT64_MAX);
	for (uint32_t n = 0; n < 10; n++) {
		be_patient();
		assert_int_equal(sim_turn(&sim), 0);
	}
	post_chains(6, MRG_BUFFER, 1);
	assert_int_equal(sim_turn(&sim), 1);
	sim_expect(&sim, 1, big, 9000);
	sim_fini(&sim);
}

/* --- what stands for several has another way --- */

/* As Linux does it: a ring of 64 is refilled when 32 buffers are used. */
TEST(a_frame_that_stands_for_several_goes_in_segments_where_it_may_never_fit_whole)
{
	uint32_t payload = 0;

	begin(SENDER, 64);
	awake(true);
	post_chains(33, MRG_BUFFER, 1);
	send_tcp(60000);
	assert_int_equal(sim_turn(&sim), 0);
	assert_int_equal(receive_segments(&payload), 33);
	assert_int_equal(payload, 33000);
	post_chains(40, MRG_BUFFER, 1);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(receive_segments(&payload), 27);
	assert_int_equal(payload, 60000);
	sim_fini(&sim);
}

TEST(a_frame_that_stands_for_several_is_not_cut_for_a_receiver_that_is_slow)
{
	uint32_t payload = 0;

	begin(SENDER, 0);
	awake(true);
	post_chains(20, MRG_BUFFER, 1);
	send_tcp(60000);
	for (uint32_t n = 0; n < 10; n++) {
		assert_int_equal(sim_turn(&sim), 0);
		be_patient();
	}
	post_chains(20, MRG_BUFFER, 1);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(receive_segments(&payload), 1);
	assert_int_equal(payload, 60000);
	sim_fini(&sim);
}

TEST(a_frame_that_stands_for_several_is_cut_for_a_receiver_that_sleeps_and_none_is_dropped)
{
	uint32_t payload = 0, segments = 0;

	begin(SENDER, 0);
	asleep();
	post_chains(5, 600, 1); /* a segment takes two of them */
	send_tcp(10000);
	assert_int_equal(sim_turn(&sim), 0);
	be_patient();
	while (payload < 10000) {
		sim_turn(&sim);
		segments += receive_segments(&payload);
		awake(false);
		post_chains(2, 600, 1);
	}
	assert_int_equal(segments, 10);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_TOO_LONG), 0);
	sim_fini(&sim);
}

/* --- rings that come and go --- */

/* It was told of nothing since it began anew, so it may not know that its buffers were used. */
TEST(a_receiver_that_begins_anew_is_called_when_a_frame_waits_for_it)
{
	begin(SIM_RING_FEATURES, 0);
	awake(true);
	guest_disconnect(&sim.guest[1]);
	sim_connect(&sim, 1);
	guest_calls(&sim.guest[1], GUEST_RX);
	send_big(500);
	sim_turn(&sim);
	sim_turn(&sim);
	assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 1);
	guest_enable(&sim.guest[1], GUEST_RX, false);
	sim_turn(&sim);
	guest_disconnect(&sim.guest[1]);
	sim_connect(&sim, 1);
	sim_turn(&sim);
	sim_turn(&sim);
	assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 1);
	sim_fini(&sim);
}

/* As after a handover: who was at the other end is not known, but what went is. */
TEST(a_successor_goes_on_in_the_middle_of_a_frame)
{
	struct wire_wait *wait;
	uint32_t payload = 0, segments;

	begin(SIM_RING_FEATURES, 0);
	post_chains(4, MRG_BUFFER, 1);
	send_tcp(10000);
	assert_int_equal(sim_turn(&sim), 0);
	segments = receive_segments(&payload);
	wait = &sim.port[0]->port.rx_wait[0];
	*wait = (struct wire_wait){.segments = wait->segments, .frame = wait->frame};
	post_chains(40, MRG_BUFFER, 1);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(segments + receive_segments(&payload), 10);
	assert_int_equal(payload, 10000);
	sim_fini(&sim);
}

TEST(what_lies_in_a_ring_that_is_disabled_waits)
{
	begin(SIM_RING_FEATURES, 0);
	post_chains(4, MRG_BUFFER, 1);
	guest_enable(&sim.guest[0], GUEST_TX, false);
	send_big(500);
	assert_int_equal(sim_turn(&sim), 0);
	assert_false(sim.port[0]->port.ops->rx_arm(&sim.port[0]->port, 0)); /* one may sleep over it */
	assert_int_equal(guest_reap(&sim.guest[0]), 0);
	guest_enable(&sim.guest[0], GUEST_TX, true);
	assert_int_equal(sim_turn(&sim), 1);
	sim_expect(&sim, 1, big, 500);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_DISABLED), 0);
	sim_fini(&sim);
}

/* Two ends under load. Frames have numbers, and every third stands for several. */
struct flow {
	uint32_t sent, consumed; /* frames */
	uint32_t delivered;      /* whole frames; */
	uint32_t payload;        /* of the next one */
};

static bool is_several(uint32_t number)
{
	return number % 3 == 1;
}

static uint32_t make(uint32_t number)
{
	const struct packet_shape shape = {
		.tcp = true, .begun = true, .gso_size = 1000, .payload = 2500 + number * 977 % 20000};
	uint32_t len = 64 + number * 37 % 3000;
	struct random r;

	random_init(&r, number);
	if (is_several(number))
		packet_make(&packet, &shape, 0, 1, &r);
	else
		sim_frame(big, len, 0, 1, &r);
	return is_several(number) ? shape.payload : len;
}

static void churn_send(struct flow *f)
{
	for (uint32_t n = random_below(&rng, 12); n > 0; n--) {
		uint32_t len = make(f->sent);
		const struct guest_layout layout = guest_layout_even(12 + len, 1 + random_below(&rng, 3));

		if (!(is_several(f->sent) ? offer_packet()
					  : guest_send(&sim.guest[0], NULL, big, len, &layout)))
			break;
		f->sent++;
	}
	guest_kick(&sim.guest[0], GUEST_TX);
}

static void churn_post(void)
{
	const struct guest_layout layout = guest_layout_even(MRG_BUFFER, 1 + random_below(&rng, 3));

	for (uint32_t n = random_below(&rng, 30); n > 0 && guest_post(&sim.guest[1], &layout); n--)
		;
	guest_kick(&sim.guest[1], GUEST_RX);
}

/* Takes what came, which is what comes next and nothing else. */
static void churn_receive(struct flow *f)
{
	while (guest_receive(&sim.guest[1], &sim.got)) {
		uint32_t len = make(f->delivered), at;

		if (!is_several(f->delivered)) {
			assert_int_equal(sim.got.len, len);
			assert_memory_equal(sim.got.bytes, big, len);
			f->delivered++;
			continue;
		}
		at = packet_payload_at(sim.got.bytes);
		assert_true(f->payload + sim.got.len - at <= len);
		assert_memory_equal(
			sim.got.bytes + at, packet.bytes + packet.payload_at + f->payload, sim.got.len - at);
		f->payload += sim.got.len - at;
		if (f->payload == len) {
			f->delivered++;
			f->payload = 0;
		}
	}
}

static void come_back(uint32_t i, bool fresh)
{
	/* of a split ring the base is not believed then; of a packed one it may be needed */
	if (fresh && !sim.guest[i].queues[0].is_packed)
		sim.guest[i].bases[0] = sim.guest[i].bases[1] = 0;
	sim.guest[i].fresh = fresh;
	sim_connect(&sim, i);
	sim.guest[i].fresh = false;
}

/* What its rings held is sent and posted again. */
static void churn_reset(struct flow *f, uint32_t i)
{
	static const uint64_t receivers[] = {
		SIM_RING_FEATURES, SENDER, PLAIN, SIM_RING_FEATURES | SIM_CSUM_FEATURES};

	guest_disconnect(&sim.guest[i]);
	f->consumed += guest_reap(&sim.guest[0]);
	churn_receive(f);
	guest_reset(&sim.guest[i], i == 0 ? SENDER : receivers[random_below(&rng, ARRAY_LEN(receivers))]);
	if (i == 0)
		f->sent = f->consumed;
	sim_connect(&sim, i);
}

static void churn_change(struct flow *f)
{
	uint32_t i = random_below(&rng, 2), queue = random_below(&rng, 2);

	switch (random_below(&rng, 6)) {
	case 0:
		guest_enable(&sim.guest[i], queue, false);
		sim_turn(&sim);
		guest_enable(&sim.guest[i], queue, true);
		break;
	case 1:
	case 2:
		guest_disconnect(&sim.guest[i]);
		sim_turn(&sim);
		come_back(i, random_below(&rng, 2));
		break;
	case 3:
		churn_reset(f, i);
		break;
	case 4:
		iface(i)->up = false;
		sim_turn(&sim);
		iface(i)->up = true;
		break;
	default:
		assert_int_equal(xconnect_set_lossless(iface(0), NULL), 0);
		sim_turn(&sim);
		assert_int_equal(xconnect_set_lossless(iface(0), iface(1)), 0);
	}
}

TEST(over_hundreds_of_changes_under_load_what_is_consumed_is_what_is_delivered)
{
	struct flow f = {0};

	begin(SIM_RING_FEATURES, 0);
	for (uint32_t round = 0; round < 3000; round++) {
		churn_send(&f);
		churn_post();
		sim_turn(&sim);
		f.consumed += guest_reap(&sim.guest[0]);
		churn_receive(&f);
		assert_int_equal(f.consumed, f.delivered);
		if (random_below(&rng, 3) == 0)
			churn_change(&f);
	}
	while (f.delivered < f.sent) {
		churn_post();
		sim_turn(&sim);
		churn_receive(&f);
	}
	assert_true(f.sent > 3000);
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		assert_true(!drop_is_loss((enum drop)reason) ||
			    iface_drops_sum(sim.ifaces, (enum drop)reason) == 0);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(a_frame_that_needs_more_chains_than_there_are_descriptors_for_is_dropped),
	cmocka_unit_test(a_receiver_that_sleeps_over_too_few_buffers_is_waited_for_a_while),
	cmocka_unit_test(each_buffer_that_comes_is_worth_waiting_again),
	cmocka_unit_test(a_receiver_that_is_slow_is_waited_for_however_long),
	cmocka_unit_test(nobody_who_has_no_buffer_at_all_is_taken_for_one_who_gives_none),
	cmocka_unit_test(a_frame_that_stands_for_several_goes_in_segments_where_it_may_never_fit_whole),
	cmocka_unit_test(a_frame_that_stands_for_several_is_not_cut_for_a_receiver_that_is_slow),
	cmocka_unit_test(
		a_frame_that_stands_for_several_is_cut_for_a_receiver_that_sleeps_and_none_is_dropped),
	cmocka_unit_test(a_receiver_that_begins_anew_is_called_when_a_frame_waits_for_it),
	cmocka_unit_test(a_successor_goes_on_in_the_middle_of_a_frame),
	cmocka_unit_test(what_lies_in_a_ring_that_is_disabled_waits),
	cmocka_unit_test(over_hundreds_of_changes_under_load_what_is_consumed_is_what_is_delivered))
