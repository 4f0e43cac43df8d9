/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-interfaces and rewritten tags between guests: what each gets is exact, whoever else gets it with other tags. */
#include "packet.h"

#include "base/test.h"
#include "port/vlan.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <string.h>

#define BUFFERS  64
#define TAG_Q(v) (0x81000000u | (v))
#define TAG_P(v) (0x88a80000u | (v))

static struct sim sim;
static struct random rnd;

static void up(struct port *port)
{
	__atomic_store_n(&port->iface.up, true, __ATOMIC_RELAXED);
	__atomic_store_n(&port->iface.mtu, PKT_LEN_MAX, __ATOMIC_RELAXED);
}

/* A sub-interface of port i in the domain, or in none. */
static struct port *sub(uint32_t i, uint32_t id, const struct vlan_match *match, struct bridge_domain *domain)
{
	struct port *port;

	assert_int_equal(sub_port_create(&sim.port[i]->port, id, match, &port), 0);
	up(port);
	if (domain)
		assert_int_equal(bridge_attach(domain, &port->iface, 0), 0);
	return port;
}

static struct vlan_match one_tag(uint32_t tag)
{
	return (struct vlan_match){.n_tags = 1, .exact = true, .tags = {tag}};
}

static void begin(uint32_t n)
{
	random_init(&rnd, 1);
	sim_init(&sim, n);
	sim_guests(&sim, SIM_RING_FEATURES | SIM_CSUM_FEATURES);
	for (uint32_t i = 0; i < n; i++)
		guest_post_n(&sim.guest[i], BUFFERS, 2048);
}

/* A broadcast frame from guest i with these tags, len bytes without them. Returns its length. */
static uint32_t make(uint8_t *frame, uint32_t i, const uint32_t *tags, uint32_t n, uint32_t len)
{
	uint8_t plain[2048];

	sim_frame(plain, len, i, SIM_PORTS, &rnd);
	memcpy(frame, plain, TAG_AT);
	for (uint32_t t = 0; t < n; t++) {
		uint32_t tag = htobe32(tags[t]);

		memcpy(frame + TAG_AT + t * TAG_LEN, &tag, TAG_LEN);
	}
	memcpy(frame + TAG_AT + n * TAG_LEN, plain + TAG_AT, len - TAG_AT);
	return len + n * TAG_LEN;
}

/* The same frame with other tags. */
static uint32_t retag(
	uint8_t *to, const uint8_t *frame, uint32_t had, uint32_t len, const uint32_t *tags, uint32_t n)
{
	memcpy(to, frame, TAG_AT);
	for (uint32_t t = 0; t < n; t++) {
		uint32_t tag = htobe32(tags[t]);

		memcpy(to + TAG_AT + t * TAG_LEN, &tag, TAG_LEN);
	}
	memcpy(to + TAG_AT + n * TAG_LEN, frame + TAG_AT + had * TAG_LEN, len - TAG_AT - had * TAG_LEN);
	return len + n * TAG_LEN - had * TAG_LEN;
}

static void send_frame(uint32_t i, const uint8_t *frame, uint32_t len)
{
	const struct guest_layout layout = guest_layout_even(sim.guest[i].hdr_len + len, 2);

	assert_true(guest_send(&sim.guest[i], NULL, frame, len, &layout));
	guest_kick(&sim.guest[i], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[i]), 1);
}

static uint64_t drops(const struct port *port, enum drop reason)
{
	struct iface_counters c;

	iface_counters_sum(sim.ifaces, &port->iface, &c);
	return c.drops[reason];
}

static const uint32_t lens[] = {14, 46, 60, 110, 124, 128, 129, 300, 1400};

TEST(one_frame_goes_to_everybody_with_the_tags_of_each)
{
	const uint32_t seven[] = {TAG_Q(7)}, nine_ten[] = {TAG_P(9), TAG_Q(10)};
	const struct vlan_match match_seven = one_tag(TAG_Q(7));
	const struct vlan_match match_two = {.n_tags = 2, .exact = true, .tags = {TAG_P(9), TAG_Q(10)}};
	uint8_t frame[2048], want[2048];

	begin(4);
	bridge_detach(&sim.port[1]->port.iface);
	bridge_detach(&sim.port[3]->port.iface);
	assert_int_equal(
		vlan_set_rewrite(sub(1, 7, &match_seven, sim.domain), &(struct vlan_rewrite){.pop = 1}), 0);
	assert_int_equal(
		vlan_set_rewrite(sub(3, 9, &match_two, sim.domain), &(struct vlan_rewrite){.pop = 2}), 0);
	for (size_t l = 0; l < ARRAY_LEN(lens); l++) {
		uint32_t len = make(frame, 0, NULL, 0, lens[l]), n;

		send_frame(0, frame, len);
		n = retag(want, frame, 0, len, seven, 1);
		sim_expect(&sim, 1, want, n);
		sim_expect(&sim, 2, frame, len);
		n = retag(want, frame, 0, len, nine_ten, 2);
		sim_expect(&sim, 3, want, n);
		/* and the way back */
		n = make(frame, 3, nine_ten, 2, lens[l]);
		send_frame(3, frame, n);
		len = retag(want, frame, 2, n, NULL, 0);
		sim_expect(&sim, 0, want, len);
		sim_expect(&sim, 2, want, len);
		n = retag(want, frame, 2, n, seven, 1);
		sim_expect(&sim, 1, want, n);
		guest_post_n(&sim.guest[0], 1, 2048);
		guest_post_n(&sim.guest[1], 2, 2048);
		guest_post_n(&sim.guest[2], 2, 2048);
		guest_post_n(&sim.guest[3], 1, 2048);
	}
	for (uint32_t i = 0; i < 4; i++)
		sim_expect_nothing(&sim, i);
	sim_fini(&sim);
}

TEST(an_access_port_tags_what_comes_in_and_lets_out_only_its_own)
{
	const uint32_t five[] = {TAG_Q(5)}, six[] = {TAG_Q(6)};
	uint8_t frame[2048], want[2048];
	uint32_t len, n;

	begin(2);
	assert_int_equal(
		vlan_set_rewrite(&sim.port[0]->port, &(struct vlan_rewrite){.push = 1, .tags = {TAG_Q(5)}}),
		0);
	len = make(frame, 0, NULL, 0, 100);
	send_frame(0, frame, len);
	n = retag(want, frame, 0, len, five, 1);
	sim_expect(&sim, 1, want, n);
	len = make(frame, 1, five, 1, 100);
	send_frame(1, frame, len);
	n = retag(want, frame, 1, len, NULL, 0);
	sim_expect(&sim, 0, want, n);
	len = make(frame, 1, six, 1, 100);
	send_frame(1, frame, len);
	len = make(frame, 1, NULL, 0, 100);
	send_frame(1, frame, len);
	sim_expect_nothing(&sim, 0);
	assert_int_equal(drops(&sim.port[0]->port, DROP_VLAN_FILTERED), 2);
	sim_fini(&sim);
}

TEST(frames_find_the_most_particular_sub_interface_or_are_dropped_by_name)
{
	static const struct vlan_match matches[] = {
		{.n_tags = 1, .tags = {TAG_Q(7)}},
		{.n_tags = 1, .exact = true, .tags = {TAG_Q(7)}},
		{.n_tags = 2, .inner_any = true, .tags = {TAG_Q(7)}},
		{.n_tags = 2, .tags = {TAG_Q(7), TAG_Q(8)}},
		{.n_tags = 1, .tags = {TAG_P(7)}},
	};
	static const struct {
		uint32_t tags[3], n;
		int at;
	} cases[] = {
		{{TAG_Q(7)}, 1, 1},
		{{TAG_Q(7), TAG_Q(8)}, 2, 3},
		{{TAG_Q(7), TAG_Q(9)}, 2, 2},
		{{TAG_Q(7), TAG_Q(8), TAG_Q(9)}, 3, 3},
		{{TAG_P(7)}, 1, 4},
		{{TAG_P(7), TAG_Q(8)}, 2, 4},
		{{TAG_Q(6)}, 1, -1},
		{{TAG_P(8)}, 1, -1},
	};
	struct port *subs[ARRAY_LEN(matches)];
	struct iface_counters c;
	uint8_t frame[2048];

	begin(2);
	for (uint32_t i = 0; i < ARRAY_LEN(matches); i++)
		subs[i] = sub(0, i, &matches[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		send_frame(0, frame, make(frame, 0, cases[i].tags, cases[i].n, 100));
		if (cases[i].at < 0)
			continue;
		iface_counters_sum(sim.ifaces, &subs[cases[i].at]->iface, &c);
		assert_int_equal(c.rx_packets, 1);
		assert_int_equal(c.drops[DROP_NO_ROAD], 1);
		iface_counters_clear(sim.ifaces);
		if (cases[i].at == 3)
			guest_post_n(&sim.guest[1], 0, 2048);
	}
	assert_int_equal(drops(&sim.port[0]->port, DROP_VLAN_UNKNOWN), 2);
	/* without a tag, or with one that says only how urgent it is, a frame is the parent's own */
	for (uint32_t zero = 0; zero < 2; zero++) {
		uint32_t len = make(frame, 0, &(uint32_t){TAG_Q(0xe000)}, zero, 100);

		send_frame(0, frame, len);
		sim_expect(&sim, 1, frame, len);
	}
	bridge_detach(&sim.port[0]->port.iface);
	send_frame(0, frame, make(frame, 0, NULL, 0, 100));
	assert_int_equal(drops(&sim.port[0]->port, DROP_VLAN_UNTAGGED), 1);
	make(frame, 0, &matches[0].tags[0], 1, 100);
	send_frame(0, frame, 17); /* cut within the type behind the tag */
	assert_int_equal(drops(&sim.port[0]->port, DROP_VLAN_TAG), 1);
	assert_int_equal(sub_port_create(&sim.port[0]->port, 9, &matches[1], &subs[0]), -EEXIST);
	assert_int_equal(sub_port_create(subs[1], 9, &matches[1], &subs[0]), -EINVAL);
	sim_fini(&sim);
}

TEST(a_sub_interface_lets_nothing_out_that_would_not_come_in)
{
	const uint32_t seven[] = {TAG_Q(7)}, eight[] = {TAG_Q(8)};
	const struct vlan_match match = one_tag(TAG_Q(7));
	uint8_t frame[2048];
	struct port *port;
	uint32_t len;

	begin(2);
	bridge_detach(&sim.port[1]->port.iface);
	port = sub(1, 7, &match, sim.domain); /* tags stay in the domain */
	len = make(frame, 0, seven, 1, 100);
	send_frame(0, frame, len);
	sim_expect(&sim, 1, frame, len);
	send_frame(0, frame, make(frame, 0, eight, 1, 100));
	send_frame(0, frame, make(frame, 0, NULL, 0, 100));
	sim_expect_nothing(&sim, 1);
	assert_int_equal(drops(port, DROP_VLAN_FILTERED), 2);
	__atomic_store_n(&sim.port[1]->port.iface.up, false, __ATOMIC_RELAXED);
	send_frame(0, frame, make(frame, 0, seven, 1, 100));
	assert_int_equal(drops(port, DROP_TX_DOWN), 1);
	sim_fini(&sim);
}

TEST(what_is_left_to_do_moves_with_the_tags)
{
	const struct packet_shape shapes[] = {
		{.tcp = true, .payload = 4000, .gso_size = 1000, .begun = true},
		{.tcp = true, .ip6 = true, .payload = 500, .begun = true},
		{.payload = 3000, .gso_size = 700, .begun = true},
	};
	const struct vlan_match match = one_tag(TAG_Q(7));
	static struct packet packet;
	uint8_t plain[2048];

	for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
		uint32_t got = 0, frames = 0;
		struct guest_layout layout;

		random_init(&rnd, 7);
		sim_init(&sim, 2);
		sim_guest(&sim, 0,
			&(struct guest_config){.features = SIM_RING_FEATURES | SIM_CSUM_FEATURES |
							   SIM_TSO_FEATURES | SIM_USO_FEATURES});
		sim_guest(&sim, 1, &(struct guest_config){.features = SIM_RING_FEATURES});
		guest_post_n(&sim.guest[1], BUFFERS, 2048);
		bridge_detach(&sim.port[1]->port.iface);
		assert_int_equal(
			vlan_set_rewrite(sub(1, 7, &match, sim.domain), &(struct vlan_rewrite){.pop = 1}), 0);
		packet_make(&packet, &shapes[s], 0, 1, &rnd);
		layout = guest_layout_even(sim.guest[0].hdr_len + packet.len, 3);
		assert_true(guest_send(&sim.guest[0], &packet.hdr, packet.bytes, packet.len, &layout));
		guest_kick(&sim.guest[0], GUEST_TX);
		sim_settle(&sim);
		for (; guest_receive(&sim.guest[1], &sim.got); frames++) {
			struct pkt pkt = {.data = sim.got.bytes};

			assert_int_equal(pkt_tag(&pkt), TAG_Q(7));
			memcpy(plain, sim.got.bytes, TAG_AT);
			memcpy(plain + TAG_AT, sim.got.bytes + TAG_AT + TAG_LEN,
				sim.got.len - TAG_AT - TAG_LEN);
			assert_true(packet_is_sound(plain, sim.got.len - TAG_LEN));
			got += sim.got.len - TAG_LEN - packet_payload_at(plain);
		}
		assert_int_equal(got, shapes[s].payload);
		assert_int_equal(
			frames, shapes[s].gso_size ? (shapes[s].payload - 1) / shapes[s].gso_size + 1 : 1);
		sim_fini(&sim);
	}
}

TEST(a_parent_takes_its_sub_interfaces_along)
{
	const struct vlan_match match = one_tag(TAG_Q(7));
	uint8_t frame[2048];

	begin(2);
	sub(0, 7, &match, sim.domain);
	port_remove(ports_get(&sim.ports, iface_by_name(sim.ifaces, "VirtualEthernet0/0/0.7")->idx));
	send_frame(0, frame, make(frame, 0, NULL, 0, 100));
	sub(0, 7, &match, sim.domain);
	sub(0, 8, &(struct vlan_match){.n_tags = 1, .tags = {TAG_Q(8)}}, NULL);
	assert_int_equal(vlan_set_rewrite(&sim.port[0]->port, &(struct vlan_rewrite){.pop = 1}), -EINVAL);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(one_frame_goes_to_everybody_with_the_tags_of_each),
	cmocka_unit_test(an_access_port_tags_what_comes_in_and_lets_out_only_its_own),
	cmocka_unit_test(frames_find_the_most_particular_sub_interface_or_are_dropped_by_name),
	cmocka_unit_test(a_sub_interface_lets_nothing_out_that_would_not_come_in),
	cmocka_unit_test(what_is_left_to_do_moves_with_the_tags),
	cmocka_unit_test(a_parent_takes_its_sub_interfaces_along))
