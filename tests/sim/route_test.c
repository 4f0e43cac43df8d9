/* SPDX-License-Identifier: Apache-2.0 */
/* Guests of two bridge domains reach each other through the router's leg in each (BVI), and guests of routed ports too. */
#include "packet.h"

#include "base/test.h"
#include "ip/ip.h"
#include "port/loopback_port.h"
#include "wire/arp.h"
#include "wire/ip.h"

#include <string.h>

static struct sim sim;
static struct port *loops[2];
static struct packet packet;
static struct guest_frame got;

static uint64_t guest_mac(uint32_t i)
{
	return 0x525400000000ull + i;
}

/* Guest i is 10.D.0.(i+2) and 2001:db8:D::(i+2) in domain D: 0 and 2 in the first, 1 and 3 in the second. */
static struct ip_prefix prefix_of(uint32_t domain, uint32_t host, bool ip6)
{
	char text[64];
	struct ip_prefix p;

	snprintf(text, sizeof(text), ip6 ? "2001:db8:%u::%u/64" : "10.%u.0.%u/24", domain + 1, host);
	assert_true(ip_prefix_parse(text, &p));
	return p;
}

static void add_leg(uint32_t domain, struct bridge_domain *d)
{
	assert_int_equal(loopback_create(&sim.ports, -1, NULL, &loops[domain]), 0);
	__atomic_store_n(&loops[domain]->iface.up, true, __ATOMIC_RELAXED);
	assert_int_equal(bridge_attach_bvi(d, &loops[domain]->iface), 0);
	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct ip_prefix own = prefix_of(domain, 1, ip6);

		assert_int_equal(ip_iface_add_addr(sim.ip, &loops[domain]->iface, &own), 0);
	}
}

/* What guest 1 accepts besides is the test's. */
static void begin(uint64_t features)
{
	struct bridge_domain *second;

	sim_init(&sim, 4);
	assert_int_equal(bridge_domain_create(sim.bridges, 2, &BRIDGE_DEFAULT_CONFIG, &second), 0);
	assert_int_equal(bridge_attach(second, &sim.port[1]->port.iface, 0), 0);
	assert_int_equal(bridge_attach(second, &sim.port[3]->port.iface, 0), 0);
	add_leg(0, sim.domain);
	add_leg(1, second);
	for (uint32_t i = 0; i < 4; i++) {
		sim_guest(&sim, i,
			&(struct guest_config){
				.features = SIM_RING_FEATURES |
					    (i == 1 ? features : SIM_CSUM_FEATURES | SIM_TSO_FEATURES)});
		guest_post_n(&sim.guest[i], 64, GUEST_BUFFER_MAX);
		guest_kick(&sim.guest[i], GUEST_RX);
	}
	sim_settle(&sim);
	for (uint32_t i = 0; i < 4; i++) /* what the router says at first */
		while (guest_receive(&sim.guest[i], &got))
			;
}

static void send(uint32_t from, const void *frame, uint32_t len, const struct virtio_net_hdr *hdr)
{
	struct guest *g = &sim.guest[from];
	struct guest_layout layout = guest_layout_one(g->hdr_len + len);

	assert_true(guest_send(g, hdr, frame, len, &layout));
	guest_kick(g, GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(g), 1);
}

/* A datagram or segment to a station of the other domain, by way of the leg. */
static void send_packet(const struct packet_shape *shape, uint32_t from, uint32_t to, struct random *r)
{
	struct ip_prefix src = prefix_of(from % 2, from + 2, shape->ip6),
			 dst = prefix_of(to % 2, to + 2, shape->ip6);
	uint8_t *p = packet.bytes + ETHERNET_HEADER_LEN;

	packet_make(&packet, shape, from, to, r);
	mac_store(packet.bytes, mac_load(loops[from % 2]->iface.mac));
	packet_readdress(&packet, src.addr.bytes, dst.addr.bytes);
	assert_true(p[0] >> 4 == (shape->ip6 ? 6 : 4));
	send(from, packet.bytes, packet.len, &packet.hdr);
}

/* What guest i sends when the router asks for it. */
static void answer(uint32_t i)
{
	struct ip_prefix own = prefix_of(i % 2, i + 2, false), leg = prefix_of(i % 2, 1, false);
	uint8_t frame[ARP_FRAME_LEN];

	arp_write(frame, mac_load(loops[i % 2]->iface.mac),
		&(struct arp){.op = ARP_REPLY,
			.sender_mac = guest_mac(i),
			.sender = be32_get(own.addr.bytes),
			.target_mac = mac_load(loops[i % 2]->iface.mac),
			.target = be32_get(leg.addr.bytes)});
	send(i, frame, sizeof(frame), NULL);
}

TEST(a_guest_reaches_one_of_the_other_domain_once_that_has_answered)
{
	struct random r;

	random_init(&r, 1);
	begin(SIM_CSUM_FEATURES);
	send_packet(&(struct packet_shape){.payload = 400}, 0, 1, &r);
	for (uint32_t i = 1; i < 4; i += 2) { /* both of that domain hear the question */
		assert_true(guest_receive(&sim.guest[i], &got));
		assert_int_equal(be16_get(got.bytes + ETHERNET_TYPE_AT), ARP_ETHERNET_TYPE);
	}
	sim_expect_nothing(&sim, 2);
	answer(1);
	assert_true(guest_receive(&sim.guest[1], &got));
	assert_true(ethernet_dst(got.bytes) == guest_mac(1));
	assert_true(ethernet_src(got.bytes) == mac_load(loops[1]->iface.mac));
	assert_int_equal(got.len, packet.len);
	assert_true(packet_is_sound(got.bytes, got.len));
	assert_int_equal(
		ip4_ttl(got.bytes + ETHERNET_HEADER_LEN), ip4_ttl(packet.bytes + ETHERNET_HEADER_LEN) - 1);
	sim_expect_nothing(&sim, 3);
	sim_fini(&sim);
}

TEST(what_a_guest_left_undone_is_completed_behind_the_router)
{
	struct random r;

	random_init(&r, 2);
	begin(0); /* takes nothing undone */
	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct ip_prefix own = prefix_of(1, 3, ip6);

		assert_int_equal(ip_neigh_set(sim.ip, &loops[1]->iface, &own.addr, guest_mac(1), false), 0);
		send_packet(&(struct packet_shape){.ip6 = ip6, .tcp = true, .begun = true, .payload = 1000},
			0, 1, &r);
		assert_true(guest_receive(&sim.guest[1], &got));
		assert_true(packet_is_sound(got.bytes, got.len));
		send_packet(
			&(struct packet_shape){
				.ip6 = ip6, .tcp = true, .begun = true, .gso_size = 1000, .payload = 4000},
			0, 1, &r);
		for (int i = 0; i < 4; i++) {
			assert_true(guest_receive(&sim.guest[1], &got));
			assert_true(packet_is_sound(got.bytes, got.len));
			assert_int_equal(got.len - packet_payload_at(got.bytes), 1000);
		}
		sim_expect_nothing(&sim, 1);
	}
	sim_fini(&sim);
}

TEST(a_leg_that_is_down_lets_nothing_through)
{
	struct random r;

	random_init(&r, 3);
	begin(SIM_CSUM_FEATURES);
	__atomic_store_n(&loops[0]->iface.up, false, __ATOMIC_RELAXED);
	send_packet(&(struct packet_shape){.payload = 40}, 0, 1, &r);
	for (uint32_t i = 1; i < 4; i++)
		sim_expect_nothing(&sim, i);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(a_guest_reaches_one_of_the_other_domain_once_that_has_answered),
	cmocka_unit_test(what_a_guest_left_undone_is_completed_behind_the_router),
	cmocka_unit_test(a_leg_that_is_down_lets_nothing_through))
