/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two routers in one: guests 0 and 1 are in bridges of their own, and between the bridges is a tunnel, whose ends are the
 * addresses of ports 2 and 3. Guests 2 and 3 are the network between: the test carries what one gets to the other.
 */
#include "packet.h"

#include "base/test.h"
#include "tunnel/vxlan.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

#include <errno.h>
#include <string.h>

#define VNI 77

static struct sim sim;
static struct vxlans *tunnels;
static struct packet packet;
static struct random rng;
static struct guest_frame got;
static bool ip6;

static struct iface *iface(uint32_t i)
{
	return &sim.port[i]->port.iface;
}

static struct ip_addr end_of(uint32_t i)
{
	struct ip_addr a;

	assert_true(ip_addr_parse(ip6      ? (i == 2 ? "fd00::2" : "fd00:1::3")
				  : i == 2 ? "192.0.2.2"
					   : "198.51.100.3",
		&a));
	return a;
}

static uint32_t outer_len(void)
{
	return ETHERNET_HEADER_LEN + (ip6 ? IP6_HEADER_LEN : IP4_HEADER_MIN) + UDP_HEADER_LEN +
	       VXLAN_HEADER_LEN;
}

/* Port i has an address, and a neighbour that stands for the other end; where no routes are, it is on the link. */
static void add_underlay(uint32_t i, uint32_t other)
{
	const struct ip_prefix own = {.addr = end_of(i), .len = ip6 ? 64 : 24};
	const struct ip_prefix far = {.addr = end_of(other), .len = ip6 ? 128 : 32};
	struct ip_path path = {.has_via = true, .via = end_of(i)};

	path.via.bytes[ip6 ? 15 : 3] += 100;
	iface(i)->l2_detach(iface(i));
	assert_int_equal(ip_table_add(sim.ip, i), 0);
	assert_int_equal(ip_iface_set_table(sim.ip, iface(i), i), 0);
	assert_int_equal(ip_iface_add_addr(sim.ip, iface(i), &own), 0);
	assert_int_equal(ip_neigh_set(sim.ip, iface(i), &path.via, 0x525400000000ull + i, true), 0);
	assert_int_equal(ip_route_add(sim.ip, i, &far, &path), 0);
}

static struct vxlan *add_tunnel(uint32_t from, uint32_t to, struct bridge_domain *domain)
{
	const struct vxlan_ends ends = {.src = end_of(from), .dst = end_of(to), .vni = VNI};
	struct vxlan *v;

	assert_int_equal(vxlan_create(tunnels, &ends, -1, &v), 0);
	__atomic_store_n(&v->port.iface.up, true, __ATOMIC_RELAXED);
	assert_int_equal(bridge_attach(domain, &v->port.iface, 0), 0);
	return v;
}

static void drain(uint32_t i)
{
	while (guest_receive(&sim.guest[i], &got))
		guest_post_n(&sim.guest[i], 1, GUEST_BUFFER_MAX);
}

static void begin(bool over_ip6, uint64_t features)
{
	struct bridge_domain *other;

	ip6 = over_ip6;
	random_init(&rng, 3);
	sim_init(&sim, 4);
	sim_guests(&sim, features);
	tunnels = vxlans_create(&sim.ports, sim.ip, 1);
	assert_non_null(tunnels);
	add_underlay(2, 3);
	add_underlay(3, 2);
	assert_int_equal(bridge_domain_create(sim.bridges, 2, &BRIDGE_DEFAULT_CONFIG, &other), 0);
	assert_int_equal(bridge_attach(other, iface(1), 0), 0);
	add_tunnel(2, 3, sim.domain);
	add_tunnel(3, 2, other);
	for (uint32_t i = 0; i < 4; i++)
		guest_post_n(&sim.guest[i], 60, GUEST_BUFFER_MAX);
	sim_settle(&sim);
	for (uint32_t i = 0; i < 4; i++)
		drain(i);
}

static void finish(void)
{
	struct vxlans *vs = tunnels;

	for (uint32_t i = 2; i < 4; i++) {
		const struct vxlan_ends ends = {.src = end_of(i), .dst = end_of(5 - i), .vni = VNI};

		port_remove(&vxlan_find(vs, &ends)->port);
	}
	vxlans_destroy(vs);
	sim_fini(&sim);
}

static void send(uint32_t from, const struct virtio_net_hdr *hdr, const uint8_t *frame, uint32_t len)
{
	const struct guest_layout layout = guest_layout_one(len + sim.guest[from].hdr_len);

	assert_true(guest_send(&sim.guest[from], hdr, frame, len, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[from]), 1);
}

/* What the network has got at one end is sound, and goes in at the other. */
static void carry(uint32_t from)
{
	uint32_t to = 5 - from;

	assert_true(guest_receive(&sim.guest[from], &got));
	guest_post_n(&sim.guest[from], 1, GUEST_BUFFER_MAX);
	if (ip6)
		assert_true(packet_is_sound(got.bytes, got.len));
	else
		assert_int_equal(
			csum_fold(csum_sum(got.bytes + ETHERNET_HEADER_LEN, IP4_HEADER_MIN)), 0xffff);
	assert_int_equal(vxlan_vni(got.bytes + outer_len() - VXLAN_HEADER_LEN), VNI);
	memcpy(got.bytes, iface(to)->mac, MAC_LEN);
	send(to, NULL, got.bytes, got.len);
}

static void expect(uint32_t at, const uint8_t *frame, uint32_t len)
{
	sim_expect(&sim, at, frame, len);
	guest_post_n(&sim.guest[at], 1, GUEST_BUFFER_MAX);
}

static void assert_frames_pass(bool over_ip6)
{
	static const uint32_t lens[] = {14, 60, 78, 79, 122, 123, 127, 128, 129, 200, 700, 1400};
	static uint8_t frame[2000];

	begin(over_ip6, SIM_RING_FEATURES);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		sim_frame(frame, lens[i], 0, 1, &rng);
		send(0, NULL, frame, lens[i]);
		carry(2);
		expect(1, frame, lens[i]);
		sim_frame(frame, lens[i], 1, 0, &rng);
		send(1, NULL, frame, lens[i]);
		carry(3);
		expect(0, frame, lens[i]);
	}
	for (uint32_t i = 0; i < 4; i++)
		sim_expect_nothing(&sim, i);
	finish();
}

TEST(frames_pass_a_tunnel_over_ip4_bit_for_bit)
{
	assert_frames_pass(false);
}

TEST(frames_pass_a_tunnel_over_ip6_bit_for_bit)
{
	assert_frames_pass(true);
}

/* A guest leaves a checksum, and segments, to us. */
static void assert_offloads_pass(bool over_ip6, bool tcp)
{
	const struct packet_shape begun = {.tcp = tcp, .begun = true, .payload = 900};
	const struct packet_shape large = {.tcp = true, .begun = true, .gso_size = 1000, .payload = 5500};

	begin(over_ip6, SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4));
	packet_make(&packet, &begun, 0, 1, &rng);
	send(0, &packet.hdr, packet.bytes, packet.len);
	carry(2);
	assert_true(guest_receive(&sim.guest[1], &got));
	assert_true(packet_is_sound(got.bytes, got.len));
	assert_int_equal(got.len, packet.len);
	assert_memory_equal(got.bytes + packet.payload_at, packet.bytes + packet.payload_at, 900);
	packet_make(&packet, &large, 0, 1, &rng);
	send(0, &packet.hdr, packet.bytes, packet.len);
	for (uint32_t at = 0; at < 5500; at += 1000) {
		uint32_t part = min_u32(1000, 5500 - at);

		carry(2);
		assert_true(guest_receive(&sim.guest[1], &got));
		assert_true(packet_is_sound(got.bytes, got.len));
		assert_int_equal(got.len, packet.payload_at + part);
		assert_memory_equal(
			got.bytes + packet.payload_at, packet.bytes + packet.payload_at + at, part);
	}
	sim_expect_nothing(&sim, 2);
	finish();
}

TEST(checksums_and_segments_that_are_left_to_us_are_done_inside_a_tunnel_over_ip4)
{
	assert_offloads_pass(false, false);
	assert_offloads_pass(false, true);
}

TEST(checksums_and_segments_that_are_left_to_us_are_done_inside_a_tunnel_over_ip6)
{
	assert_offloads_pass(true, false);
	assert_offloads_pass(true, true);
}

TEST(what_no_tunnel_leads_to_is_dropped_by_name)
{
	static uint8_t frame[100];

	begin(false, SIM_RING_FEATURES);
	sim_frame(frame, sizeof(frame), 0, 1, &rng);
	send(0, NULL, frame, sizeof(frame));
	assert_true(guest_receive(&sim.guest[2], &got));
	memcpy(got.bytes, iface(3)->mac, MAC_LEN);
	got.bytes[outer_len() - 2] ^= 1; /* another vni */
	send(3, NULL, got.bytes, got.len);
	assert_int_equal(sim_drops(&sim, 3, DROP_TUNNEL_UNKNOWN), 1);
	got.bytes[outer_len() - 2] ^= 1;
	got.bytes[outer_len() - VXLAN_HEADER_LEN] = 0; /* no vni */
	send(3, NULL, got.bytes, got.len);
	assert_int_equal(sim_drops(&sim, 3, DROP_TUNNEL_MALFORMED), 1);
	sim_expect_nothing(&sim, 1);
	finish();
}

TEST(flows_leave_from_different_ports_and_each_from_one)
{
	const struct packet_shape shape = {.payload = 30};
	uint16_t ports[8];
	uint32_t different = 0;

	begin(false, SIM_RING_FEATURES);
	for (uint32_t i = 0; i < 16; i++) {
		const struct packet_ends ends = {1, 2, (uint16_t)(1000 + i % 8), 5000};
		uint16_t port;

		packet_make(&packet, &shape, 0, 1, &rng);
		packet_address(&packet, &shape, &ends);
		send(0, NULL, packet.bytes, packet.len);
		assert_true(guest_receive(&sim.guest[2], &got));
		port = packet_ends_of(got.bytes).src_port;
		assert_true(port >= 49152);
		if (i < 8)
			ports[i] = port;
		else
			assert_int_equal(port, ports[i % 8]);
		different += i > 0 && i < 8 && port != ports[0];
	}
	assert_true(different > 4);
	finish();
}

TEST(tunnels_come_along)
{
	struct iface_table *ifaces;
	struct vxlans *next;
	struct ports ports;
	json_t *saved;
	struct ip *ip;
	const struct vxlan_ends ends = {.src = ip4_addr(0xc0000202), .dst = ip4_addr(0xc6336403), .vni = VNI};

	begin(false, SIM_RING_FEATURES);
	saved = vxlans_save(tunnels);
	assert_int_equal(json_array_size(saved), 2);
	ifaces = iface_table_create(1);
	ip = ip_create(&(struct ip_config){.ifaces = ifaces, .n_workers = 1, .seed = 1});
	ports_init(&ports, &(struct ports_config){.loop = sim.loop, .ifaces = ifaces, .n_workers = 1});
	next = vxlans_create(&ports, ip, 5);
	assert_int_equal(vxlans_restore(next, saved), 0);
	assert_string_equal(
		vxlan_find(next, &ends)->port.iface.name, vxlan_find(tunnels, &ends)->port.iface.name);
	assert_int_equal(iface_mtu(&vxlan_find(next, &ends)->port.iface), 1450);
	assert_int_equal(vxlans_restore(next, saved), -EEXIST);
	json_decref(saved);
	ports_fini(&ports);
	vxlans_destroy(next);
	ip_destroy(ip);
	iface_table_destroy(ifaces);
	finish();
}

TESTS(cmocka_unit_test(frames_pass_a_tunnel_over_ip4_bit_for_bit),
	cmocka_unit_test(frames_pass_a_tunnel_over_ip6_bit_for_bit),
	cmocka_unit_test(checksums_and_segments_that_are_left_to_us_are_done_inside_a_tunnel_over_ip4),
	cmocka_unit_test(checksums_and_segments_that_are_left_to_us_are_done_inside_a_tunnel_over_ip6),
	cmocka_unit_test(what_no_tunnel_leads_to_is_dropped_by_name),
	cmocka_unit_test(flows_leave_from_different_ports_and_each_from_one),
	cmocka_unit_test(tunnels_come_along))
