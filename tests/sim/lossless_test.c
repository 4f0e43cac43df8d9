/* SPDX-License-Identifier: Apache-2.0 */
/* Guests on a lossless wire: what one sends the other receives, however slow it is, once and in order. */
#include "packet.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "worker/wire.h"

#include <linux/virtio_config.h>
#include <string.h>

#define BUFFER_LEN 2000
#define NUMBER_AT  16

static struct sim sim;
static struct random rng;
static struct packet packet;

static struct iface *iface(uint32_t i)
{
	return &sim.port[i]->port.iface;
}

static void lay(uint32_t from, uint32_t to)
{
	assert_int_equal(xconnect_set_lossless(iface(from), iface(to)), 0);
}

static void begin_with(const struct guest_config *configs)
{
	random_init(&rng, 50);
	sim_init(&sim, 2);
	for (uint32_t i = 0; i < 2; i++)
		sim_guest(&sim, i, &configs[i]);
	lay(0, 1);
	lay(1, 0);
}

static void begin(uint64_t features)
{
	const struct guest_config configs[2] = {{.features = features}, {.features = features}};

	begin_with(configs);
}

/* Every frame has a length and bytes of its own. */
static uint32_t make(uint8_t *frame, uint32_t number)
{
	uint32_t len = 64 + number * 37 % 1400;
	struct random r;

	random_init(&r, number);
	sim_frame(frame, len, 0, 1, &r);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
	return len;
}

static bool send(uint32_t from, uint32_t number)
{
	static uint8_t frame[PKT_LEN_MAX];
	uint32_t len = make(frame, number), hdr_len = sim.guest[from].hdr_len;
	struct guest_layout layout = guest_layout_even(hdr_len + len, 1 + number % 3);

	if (number % 3 == 2 && !(sim.guest[from].features & FEATURE(VIRTIO_F_VERSION_1)))
		layout = (struct guest_layout){.n = 2, .lens = {hdr_len, len}};
	return guest_send(&sim.guest[from], NULL, frame, len, &layout);
}

static void send_n(uint32_t from, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_true(send(from, first + i));
	guest_kick(&sim.guest[from], GUEST_TX);
}

static void expect(uint32_t to, uint32_t number)
{
	static uint8_t frame[PKT_LEN_MAX];

	sim_expect(&sim, to, frame, make(frame, number));
}

static uint64_t losses(void)
{
	uint64_t n = 0;

	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (drop_is_loss((enum drop)reason))
			n += iface_drops_sum(sim.ifaces, (enum drop)reason);
	return n;
}

/* --- waiting --- */

TEST(frames_wait_with_their_sender_until_there_are_buffers)
{
	begin(SIM_RING_FEATURES);
	send_n(0, 0, 10);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(sim_turn(&sim), 0);
	assert_int_equal(guest_reap(&sim.guest[0]), 0);
	assert_int_equal(sim_counters(&sim, 0).rx_packets, 0);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_WAITED), 1);
	guest_post_n(&sim.guest[1], 4, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 4);
	assert_int_equal(sim_turn(&sim), 0);
	assert_int_equal(guest_reap(&sim.guest[0]), 4);
	assert_int_equal(sim_counters(&sim, 0).rx_packets, 4);
	assert_int_equal(sim_counters(&sim, 1).tx_packets, 4);
	assert_int_equal(sim_counters(&sim, 1).tx_bytes, sim_counters(&sim, 0).rx_bytes);
	guest_post_n(&sim.guest[1], 20, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 6);
	assert_int_equal(guest_reap(&sim.guest[0]), 6);
	for (uint32_t i = 0; i < 10; i++)
		expect(1, i);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

TEST(the_way_back_goes_on_while_one_way_waits)
{
	begin(SIM_RING_FEATURES);
	send_n(0, 0, 10);
	guest_post_n(&sim.guest[0], 10, BUFFER_LEN);
	send_n(1, 100, 10);
	assert_int_equal(sim_turn(&sim), 10);
	for (uint32_t i = 0; i < 10; i++)
		expect(0, 100 + i);
	assert_int_equal(guest_outstanding(&sim.guest[0], GUEST_TX), 10);
	sim_fini(&sim);
}

/* Whatever is missing, nothing is taken, and all of it goes when it is there. */
TEST(nothing_is_consumed_while_the_other_end_is_absent)
{
	for (uint32_t how = 0; how < 5; how++) {
		begin(SIM_RING_FEATURES);
		guest_post_n(&sim.guest[1], 20, BUFFER_LEN);
		if (how == 0)
			guest_disconnect(&sim.guest[1]);
		else if (how == 1)
			iface(1)->up = false;
		else if (how == 2)
			guest_enable(&sim.guest[1], GUEST_RX, false);
		else if (how == 3)
			assert_int_equal(xconnect_set_lossless(iface(0), NULL), 0);
		else
			iface(0)->up = false;
		send_n(0, 0, 10);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(sim_turn(&sim), 0);
		assert_int_equal(guest_reap(&sim.guest[0]), 0);
		sim_expect_nothing(&sim, 1);
		if (how == 0)
			sim_connect(&sim, 1);
		else if (how == 1)
			iface(1)->up = true;
		else if (how == 2)
			guest_enable(&sim.guest[1], GUEST_RX, true);
		else if (how == 3)
			lay(0, 1);
		else
			iface(0)->up = true;
		assert_int_equal(sim_turn(&sim), 10);
		for (uint32_t i = 0; i < 10; i++)
			expect(1, i);
		assert_int_equal(losses(), 0);
		sim_fini(&sim);
	}
}

TEST(when_its_end_is_deleted_everything_waits_for_a_new_one)
{
	random_init(&rng, 50);
	sim_init(&sim, 3);
	sim_guests(&sim, SIM_RING_FEATURES);
	lay(0, 1);
	guest_disconnect(&sim.guest[1]);
	port_remove(&sim.port[1]->port);
	sim.port[1] = sim.port[2]; /* for whoever looks at all of them */
	assert_true(xconnect_starts(iface(0)));
	assert_null(xconnect_target(iface(0)));
	send_n(0, 0, 10);
	assert_int_equal(sim_turn(&sim), 0);
	guest_post_n(&sim.guest[2], 20, BUFFER_LEN);
	lay(0, 2);
	assert_int_equal(sim_turn(&sim), 10);
	for (uint32_t i = 0; i < 10; i++)
		expect(2, i);
	sim_fini(&sim);
}

TEST(a_wire_may_become_lossless_and_ordinary_again)
{
	begin(SIM_RING_FEATURES);
	assert_int_equal(iface(1)->n_fed, 1);
	assert_int_equal(xconnect_set(iface(0), iface(1)), 0);
	assert_int_equal(iface(1)->n_fed, 0);
	send_n(0, 0, 1);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_NO_BUFFER), 1);
	lay(0, 1);
	lay(0, 1);
	assert_int_equal(iface(1)->n_fed, 1);
	send_n(0, 1, 1);
	assert_int_equal(sim_turn(&sim), 0);
	xconnect_end(iface(0));
	assert_int_equal(iface(1)->n_fed, 0);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(sim_drops(&sim, 0, DROP_NO_ROAD), 1);
	sim_fini(&sim);
}

/* --- what can never go --- */

TEST(a_frame_that_no_buffer_will_ever_hold_is_dropped_by_its_reason)
{
	static uint8_t big[PKT_LEN_MAX];
	const struct guest_layout layout = guest_layout_one(12 + 5000);

	begin(SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	guest_post_n(&sim.guest[1], 4, BUFFER_LEN);
	sim_frame(big, 5000, 0, 1, &rng);
	send_n(0, 0, 1);
	assert_true(guest_send(&sim.guest[0], NULL, big, 5000, &layout));
	send_n(0, 1, 1);
	assert_int_equal(sim_turn(&sim), 3);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_TOO_LONG), 1);
	__atomic_store_n(&iface(1)->mtu, 1500, __ATOMIC_RELAXED);
	assert_true(guest_send(&sim.guest[0], NULL, big, 1515, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_MTU), 1);
	for (uint32_t i = 0; i < 2; i++)
		expect(1, i);
	sim_fini(&sim);
}

TEST(a_frame_larger_than_all_buffers_a_ring_can_have_is_dropped)
{
	const struct guest_config configs[2] = {
		{.features = SIM_RING_FEATURES}, {.features = SIM_RING_FEATURES, .size = 8}};
	static uint8_t big[PKT_LEN_MAX];
	const struct guest_layout layout = guest_layout_one(12 + 5000);

	begin_with(configs);
	sim_frame(big, 5000, 0, 1, &rng);
	assert_true(guest_send(&sim.guest[0], NULL, big, 5000, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	guest_post_n(&sim.guest[1], 7, 256);
	assert_int_equal(sim_turn(&sim), 0);
	guest_post_n(&sim.guest[1], 1, 256);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_TOO_LONG), 1);
	sim_fini(&sim);
}

/* A header that is none, between good frames: it goes when its turn has come, and is counted once. */
TEST(what_is_malformed_is_dropped_in_its_place)
{
	static uint8_t frame[100];
	const struct guest_layout runt = guest_layout_one(12 + 10);

	begin(SIM_RING_FEATURES);
	send_n(0, 0, 2);
	assert_true(guest_send(&sim.guest[0], NULL, frame, 10, &runt));
	send_n(0, 2, 1);
	assert_int_equal(sim_turn(&sim), 0);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 1);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_RUNT), 0);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 2);
	assert_int_equal(sim_drops(&sim, 0, DROP_RX_RUNT), 1);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 1);
	for (uint32_t i = 0; i < 3; i++)
		expect(1, i);
	assert_int_equal(losses(), 1);
	sim_fini(&sim);
}

/* --- frames that need many buffers --- */

TEST(a_large_frame_waits_until_there_are_enough_buffers_to_merge)
{
	static uint8_t big[PKT_LEN_MAX];
	const struct guest_layout layout = guest_layout_even(12 + 60000, 20);

	begin(SIM_RING_FEATURES);
	sim_frame(big, 60000, 0, 1, &rng);
	send_n(0, 0, 1);
	assert_true(guest_send(&sim.guest[0], NULL, big, 60000, &layout));
	send_n(0, 1, 1);
	for (uint32_t there = 0; there <= 30; there++) {
		assert_int_equal(sim_turn(&sim), there == 1 ? 1 : 0);
		guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	}
	assert_int_equal(sim_turn(&sim), 0);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 1);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 1);
	expect(1, 0);
	sim_expect(&sim, 1, big, 60000);
	expect(1, 1);
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

/* One frame that stands for 40: its segments go as the buffers come, none twice. */
TEST(segments_of_a_frame_go_one_by_one_as_buffers_come)
{
	const struct packet_shape shape = {.tcp = true, .begun = true, .gso_size = 1000, .payload = 40000};
	const struct guest_config configs[2] = {
		{.features = SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES},
		{.features = SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF)}};
	uint32_t at = 0, n = 0;

	begin_with(configs);
	packet_make(&packet, &shape, 0, 1, &rng);
	assert_true(guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len,
		&(struct guest_layout){.n = 2, .lens = {12, packet.len}}));
	send_n(0, 0, 1);
	while (at < shape.payload) {
		assert_int_equal(sim_turn(&sim), 0);
		assert_int_equal(guest_reap(&sim.guest[0]), 0);
		guest_post_n(&sim.guest[1], 3, BUFFER_LEN);
		sim_turn(&sim);
		for (; guest_receive(&sim.guest[1], &sim.got) && at < shape.payload; n++) {
			uint32_t payload_at = packet_payload_at(sim.got.bytes);

			assert_true(packet_is_sound(sim.got.bytes, sim.got.len));
			assert_memory_equal(sim.got.bytes + payload_at, packet.bytes + packet.payload_at + at,
				sim.got.len - payload_at);
			at += sim.got.len - payload_at;
		}
	}
	assert_int_equal(n, 40);
	assert_int_equal(guest_reap(&sim.guest[0]), 2);
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

/* --- sleep --- */

/* A worker that waits asks the receiver for a kick, behind whatever buffers were too few, and not the sender. */
TEST(a_worker_that_waits_is_kicked_for_the_next_buffer)
{
	static const uint64_t sets[] = {
		SIM_RING_FEATURES, SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)};
	static uint8_t big[PKT_LEN_MAX];
	const struct guest_layout layout = guest_layout_one(12 + 30000);

	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		const struct rxq *q;
		struct guest_queue *rx;

		begin(sets[i]);
		q = &sim.list->rxqs[0];
		rx = &sim.guest[1].queues[GUEST_RX];
		assert_ptr_equal(q->port, &sim.port[0]->port);
		sim_frame(big, 30000, 0, 1, &rng);
		assert_true(guest_send(&sim.guest[0], NULL, big, 30000, &layout));
		guest_kick(&sim.guest[0], GUEST_TX);
		for (uint32_t there = 0; there < 15; there++) {
			assert_int_equal(sim_turn(&sim), 0);
			assert_true(wire_waits(q));
			assert_false(wire_arm(q, 0));
			rx->kicks = 0;
			guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
			assert_int_equal(rx->kicks, 1);
			wire_disarm(q, 0);
		}
		assert_int_equal(sim_turn(&sim), 0);
		guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
		assert_true(wire_arm(q, 0)); /* one has come before */
		wire_disarm(q, 0);
		assert_int_equal(sim_turn(&sim), 1);
		sim_expect(&sim, 1, big, 30000);
		sim_fini(&sim);
	}
}

/* One of two workers that wait at the same ring wakes up for another reason: the other is kicked all the same. */
TEST(who_wakes_does_not_take_the_kick_from_who_sleeps)
{
	const struct rxq *q;
	struct guest_queue *rx;

	begin(SIM_RING_FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX));
	q = &sim.list->rxqs[0];
	rx = &sim.guest[1].queues[GUEST_RX];
	send_n(0, 0, 1);
	assert_int_equal(sim_turn(&sim), 0);
	assert_false(wire_arm(q, 0));
	assert_false(wire_arm(q, 1));
	wire_disarm(q, 1);
	rx->kicks = 0;
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(rx->kicks, 1);
	wire_disarm(q, 0);
	guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
	assert_int_equal(rx->kicks, 1);
	sim_fini(&sim);
}

TEST(a_burst_calls_each_guest_once)
{
	begin(SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 100, BUFFER_LEN);
	send_n(0, 0, 1);
	sim_settle(&sim);
	expect(1, 0);
	guest_reap(&sim.guest[0]);
	guest_want_calls(&sim.guest[0], GUEST_TX, true);
	guest_want_calls(&sim.guest[1], GUEST_RX, true);
	guest_calls(&sim.guest[0], GUEST_TX);
	guest_calls(&sim.guest[1], GUEST_RX);
	send_n(0, 1, 40);
	assert_int_equal(sim_turn(&sim), 40);
	assert_int_equal(guest_calls(&sim.guest[0], GUEST_TX), 1);
	assert_int_equal(guest_calls(&sim.guest[1], GUEST_RX), 1);
	sim_fini(&sim);
}

/* --- many frames --- */

struct flow {
	uint32_t sent, received;
};

static bool frames_left(const struct flow *flows, uint32_t n)
{
	return flows[0].received < n || flows[1].received < n;
}

/* Each guest sends what its ring takes and posts a few buffers now and then. */
static void drive(uint32_t i, struct flow *flows, uint32_t n)
{
	struct guest *g = &sim.guest[i];

	guest_reap(g);
	for (uint32_t burst = random_below(&rng, 100); burst > 0 && flows[i].sent < n; burst--) {
		if (!send(i, flows[i].sent))
			break;
		flows[i].sent++;
	}
	guest_kick(g, GUEST_TX);
	if (random_below(&rng, 3) == 0) {
		struct guest_layout buffer = guest_layout_even(BUFFER_LEN, 1 + random_below(&rng, 3));

		for (uint32_t posted = random_below(&rng, 40); posted > 0 && guest_post(g, &buffer); posted--)
			;
		guest_kick(g, GUEST_RX);
	}
	sim_turn(&sim);
	while (guest_receive(g, &sim.got)) {
		static uint8_t frame[PKT_LEN_MAX];
		uint32_t len = make(frame, flows[1 - i].received++);

		assert_int_equal(sim.got.len, len);
		assert_memory_equal(sim.got.bytes, frame, len);
	}
}

static void run_many(uint64_t features, uint32_t n)
{
	struct flow flows[2] = {0};

	begin(features);
	while (frames_left(flows, n))
		for (uint32_t i = 0; i < 2; i++)
			drive(i, flows, n);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(sim_counters(&sim, i).rx_packets, n);
		assert_int_equal(sim_counters(&sim, i).tx_packets, n);
		assert_true(sim_drops(&sim, i, DROP_TX_WAITED) > 0);
	}
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

TEST(of_many_frames_to_slow_receivers_none_is_lost_or_twice_there)
{
	static const uint64_t rings[] = {0, FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
		FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX)};

	for (uint32_t i = 0; i < ARRAY_LEN(rings); i++) {
		for (uint32_t mrg = 0; mrg < 2; mrg++) {
			uint64_t features = FEATURE(VIRTIO_F_VERSION_1) | rings[i] |
					    (mrg ? FEATURE(VIRTIO_NET_F_MRG_RXBUF) : 0);

			run_many(features, 20000);
			run_many(features | FEATURE(VIRTIO_F_RING_PACKED), 20000);
		}
	}
}

/* The receiver goes in the middle of a burst, at every place, and comes back. */
TEST(a_receiver_that_leaves_in_the_middle_misses_nothing)
{
	const uint32_t n = 20000;
	struct flow flows[2] = {0};

	begin(SIM_RING_FEATURES);
	for (uint32_t round = 0; frames_left(flows, n); round++) {
		for (uint32_t i = 0; i < 2; i++)
			drive(i, flows, n);
		if (round % 7 == 0) {
			guest_disconnect(&sim.guest[round / 7 % 2]);
			sim_turn(&sim);
			sim_connect(&sim, round / 7 % 2);
		}
		if (round % 11 == 0) {
			iface(round % 2)->up = false;
			sim_turn(&sim);
			iface(round % 2)->up = true;
		}
	}
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

/* --- several queues at the receiver --- */

TEST(flows_to_several_queues_stay_in_order_and_whole)
{
	const uint32_t n = 5000, pairs = 4;
	const struct guest_config configs[2] = {{.features = SIM_RING_FEATURES},
		{.features = SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_MQ), .pairs = (uint16_t)pairs}};
	uint32_t sent = 0, received = 0, next[64] = {0}, seen = 0;
	static uint8_t frame[100];

	begin_with(configs);
	while (received < n) {
		for (uint32_t k = 0; k < 20 && sent < n; k++) {
			const struct guest_layout layout = guest_layout_one(12 + sizeof(frame));
			uint32_t flow = sent % 64;

			sim_frame(frame, sizeof(frame), 0, 1, &rng);
			frame[5] = (uint8_t)flow;
			memcpy(frame + NUMBER_AT, &sent, sizeof(sent));
			if (!guest_send(&sim.guest[0], NULL, frame, sizeof(frame), &layout))
				break;
			sent++;
		}
		guest_kick(&sim.guest[0], GUEST_TX);
		for (uint32_t pair = 0; pair < pairs; pair++)
			if (guest_outstanding(&sim.guest[1], 2 * pair) == 0 && random_below(&rng, 2))
				guest_post_n_on(&sim.guest[1], 2 * pair, 3, BUFFER_LEN);
		sim_turn(&sim);
		guest_reap(&sim.guest[0]);
		for (uint32_t pair = 0; pair < pairs; pair++) {
			while (guest_receive_on(&sim.guest[1], 2 * pair, &sim.got)) {
				uint32_t number, flow = sim.got.bytes[5];

				memcpy(&number, sim.got.bytes + NUMBER_AT, sizeof(number));
				assert_int_equal(number % 64, flow);
				assert_int_equal(number / 64, next[flow]++);
				seen |= 1u << pair;
				received++;
			}
		}
	}
	assert_int_equal(seen, 15);
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

/* --- a wire that is made worse --- */

static void set_netem(uint32_t i, const struct netem_config *config)
{
	assert_int_equal(port_set_netem(&sim.port[i]->port, config), 0);
}

TEST(frames_that_are_delayed_are_their_senders_no_more)
{
	const struct netem_config config = {.delay_ns = 100000, .frames = 100, .seed = 1};

	begin(SIM_RING_FEATURES);
	set_netem(0, &config);
	guest_post_n(&sim.guest[1], 20, BUFFER_LEN);
	send_n(0, 0, 10);
	assert_int_equal(sim_turn(&sim), 10);
	assert_int_equal(guest_reap(&sim.guest[0]), 10);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(wire_due_ns(&sim.list->rxqs[0]), sim.now_ns + config.delay_ns);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(sim_turn(&sim), 0);
	assert_int_equal(sim_turn(&sim), 10);
	for (uint32_t i = 0; i < 10; i++)
		expect(1, i);
	send_n(0, 20, 3);
	assert_int_equal(sim_turn(&sim), 3);
	set_netem(0, NULL);
	assert_int_equal(sim_drops(&sim, 0, DROP_NETEM_ENDED), 3);
	send_n(0, 10, 1);
	assert_int_equal(sim_turn(&sim), 1);
	expect(1, 10);
	sim_fini(&sim);
}

TEST(what_is_lost_on_purpose_has_its_reason_and_what_is_not_waits_as_ever)
{
	const struct netem_config config = {.loss = NETEM_ALL / 2, .frames = 100, .seed = 3};
	uint32_t lost, received = 0;

	begin(SIM_RING_FEATURES);
	set_netem(0, &config);
	send_n(0, 0, 60);
	sim_settle(&sim);
	lost = (uint32_t)sim_drops(&sim, 0, DROP_NETEM_LOSS);
	assert_in_range(lost, 10, 50);
	assert_int_equal(sim_drops(&sim, 1, DROP_TX_WAITED), 1);
	for (uint32_t i = 0; i < 60; i++) {
		guest_post_n(&sim.guest[1], 1, BUFFER_LEN);
		sim_settle(&sim);
		received += guest_receive(&sim.guest[1], &sim.got);
	}
	assert_int_equal(received, 60 - lost);
	assert_int_equal(losses(), lost);
	/* nothing is taken while what is due waits */
	while (guest_receive(&sim.guest[1], &sim.got) || guest_outstanding(&sim.guest[1], GUEST_RX) > 0) {
		send_n(0, 100, 1);
		sim_settle(&sim);
	}
	guest_reap(&sim.guest[0]);
	for (uint32_t i = 0; i < 10; i++) {
		send_n(0, 200 + i, 1);
		sim_settle(&sim);
	}
	assert_true(guest_outstanding(&sim.guest[0], GUEST_TX) >= 3);
	sim_fini(&sim);
}

/* --- a guest that breaks --- */

TEST(a_receiver_that_breaks_its_ring_hurts_nobody_and_is_waited_for)
{
	begin(SIM_RING_FEATURES);
	guest_post_n(&sim.guest[1], 2, BUFFER_LEN);
	send_n(0, 0, 2);
	assert_int_equal(sim_turn(&sim), 2);
	for (uint32_t i = 0; i < 2; i++)
		expect(1, i);
	virtq_break(&sim.guest[1].rings[GUEST_RX].vq, VIRTQ_ADDRESS);
	send_n(0, 2, 3);
	assert_int_equal(sim_turn(&sim), 0);
	guest_post_n(&sim.guest[0], 2, BUFFER_LEN);
	send_n(1, 50, 2);
	assert_int_equal(sim_turn(&sim), 2);
	for (uint32_t i = 0; i < 2; i++)
		expect(0, 50 + i);
	guest_disconnect(&sim.guest[1]);
	sim_connect(&sim, 1);
	guest_post_n(&sim.guest[1], 3, BUFFER_LEN);
	assert_int_equal(sim_turn(&sim), 3);
	for (uint32_t i = 2; i < 5; i++)
		expect(1, i);
	assert_int_equal(losses(), 0);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(frames_wait_with_their_sender_until_there_are_buffers),
	cmocka_unit_test(the_way_back_goes_on_while_one_way_waits),
	cmocka_unit_test(nothing_is_consumed_while_the_other_end_is_absent),
	cmocka_unit_test(when_its_end_is_deleted_everything_waits_for_a_new_one),
	cmocka_unit_test(a_wire_may_become_lossless_and_ordinary_again),
	cmocka_unit_test(a_frame_that_no_buffer_will_ever_hold_is_dropped_by_its_reason),
	cmocka_unit_test(a_frame_larger_than_all_buffers_a_ring_can_have_is_dropped),
	cmocka_unit_test(what_is_malformed_is_dropped_in_its_place),
	cmocka_unit_test(a_large_frame_waits_until_there_are_enough_buffers_to_merge),
	cmocka_unit_test(segments_of_a_frame_go_one_by_one_as_buffers_come),
	cmocka_unit_test(a_worker_that_waits_is_kicked_for_the_next_buffer),
	cmocka_unit_test(who_wakes_does_not_take_the_kick_from_who_sleeps),
	cmocka_unit_test(a_burst_calls_each_guest_once),
	cmocka_unit_test(of_many_frames_to_slow_receivers_none_is_lost_or_twice_there),
	cmocka_unit_test(a_receiver_that_leaves_in_the_middle_misses_nothing),
	cmocka_unit_test(flows_to_several_queues_stay_in_order_and_whole),
	cmocka_unit_test(frames_that_are_delayed_are_their_senders_no_more),
	cmocka_unit_test(what_is_lost_on_purpose_has_its_reason_and_what_is_not_waits_as_ever),
	cmocka_unit_test(a_receiver_that_breaks_its_ring_hurts_nobody_and_is_waited_for))
