/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest behind the router: guest 0 is inside, at 10.0.0.0/24, guest 1 plays the world, at 192.0.2.0/24.
 */
#include "packet.h"

#include "base/test.h"
#include "base/units.h"
#include "wire/dhcp.h"
#include "wire/dns.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/udp.h"

#include <string.h>

#define GATEWAY 0x0a000001u
#define INSIDE  0x0a000005u
#define OUTSIDE 0xc0000201u
#define WORLD   0xc0000207u
#define PAYLOAD (ETHERNET_HEADER_LEN + IP4_HEADER_MIN + UDP_HEADER_LEN)

static struct sim sim;
static struct packet packet;
static struct random rng;
static struct guest_frame got;

static struct iface *iface(uint32_t i)
{
	return &sim.port[i]->port.iface;
}

static void add_address(uint32_t i, uint32_t ip)
{
	const struct ip_prefix prefix = {.addr = ip4_addr(ip), .len = 24};

	if (iface(i)->l2_detach)
		iface(i)->l2_detach(iface(i));
	assert_int_equal(ip_iface_add_addr(sim.ip, iface(i), &prefix), 0);
}

static void add_station(uint32_t i, uint32_t ip)
{
	const struct ip_addr addr = ip4_addr(ip);

	assert_int_equal(ip_neigh_set(sim.ip, iface(i), &addr, 0x525400000000ull + i, true), 0);
}

/* What the router says by itself meanwhile is thrown away. */
static void drain(uint32_t i)
{
	while (guest_receive(&sim.guest[i], &got))
		guest_post_n(&sim.guest[i], 1, GUEST_BUFFER_MAX);
}

static void begin(uint64_t features)
{
	random_init(&rng, 7);
	sim_init(&sim, 2);
	sim_guests(&sim, features);
	add_address(0, GATEWAY);
	add_address(1, OUTSIDE);
	add_station(0, INSIDE);
	add_station(1, WORLD);
	for (uint32_t i = 0; i < 2; i++)
		guest_post_n(&sim.guest[i], 20, GUEST_BUFFER_MAX);
	sim_settle(&sim);
	drain(0);
	drain(1);
	nat44_table_add_address(sim.gateway.nat44->table, OUTSIDE);
	assert_int_equal(nat44_set_side(sim.gateway.nat44, iface(0), NAT44_INSIDE), 0);
	assert_int_equal(nat44_set_side(sim.gateway.nat44, iface(1), NAT44_OUTSIDE), 0);
}

/* What is in `packet`, to the router. */
static void send_as_is(uint32_t from)
{
	const struct guest_layout layout = guest_layout_one(packet.len + sim.guest[from].hdr_len);

	assert_true(guest_send(&sim.guest[from], &packet.hdr, packet.bytes, packet.len, &layout));
	guest_kick(&sim.guest[from], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[from]), 1);
}

static void send(uint32_t from, const struct packet_shape *shape, struct packet_ends ends)
{
	packet_make(&packet, shape, from, from, &rng);
	memcpy(packet.bytes, iface(from)->mac, MAC_LEN);
	packet_address(&packet, shape, &ends);
	send_as_is(from);
}

/* The next frame at a guest is sound, and from there to there; its payload is what `packet` has. */
static void expect(uint32_t at, struct packet_ends want)
{
	struct packet_ends ends;

	assert_true(guest_receive(&sim.guest[at], &got));
	guest_post_n(&sim.guest[at], 1, GUEST_BUFFER_MAX);
	ends = packet_ends_of(got.bytes);
	assert_int_equal(ends.src, want.src);
	assert_int_equal(ends.dst, want.dst);
	assert_int_equal(ends.src_port, want.src_port);
	assert_int_equal(ends.dst_port, want.dst_port);
	assert_true(packet_is_sound(got.bytes, got.len));
}

static void expect_payload(uint32_t at, struct packet_ends want)
{
	expect(at, want);
	assert_int_equal(got.len, packet.len);
	assert_memory_equal(got.bytes + packet.payload_at, packet.bytes + packet.payload_at,
		packet.len - packet.payload_at);
}

static const struct packet_ends out = {INSIDE, WORLD, 4000, 5000}, out_seen = {OUTSIDE, WORLD, 4000, 5000},
				back = {WORLD, OUTSIDE, 5000, 4000}, back_seen = {WORLD, INSIDE, 5000, 4000};

TEST(packets_go_out_under_our_address_and_back)
{
	static const uint32_t lens[] = {1, 50, 86, 87, 500, 1400};

	begin(SIM_RING_FEATURES);
	for (uint32_t tcp = 0; tcp < 2; tcp++)
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			const struct packet_shape shape = {.tcp = tcp, .payload = lens[i]};

			send(0, &shape, out);
			expect_payload(1, out_seen);
			send(1, &shape, back);
			expect_payload(0, back_seen);
		}
	assert_int_equal(sim.gateway.nat44->table->n_sessions, 2);
	sim_fini(&sim);
}

TEST(checksums_that_guests_leave_to_us_are_right_in_the_end)
{
	begin(SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_CSUM));
	for (uint32_t tcp = 0; tcp < 2; tcp++) {
		const struct packet_shape shape = {.tcp = tcp, .begun = true, .payload = 777};

		send(0, &shape, out);
		expect(1, out_seen);
		send(1, &shape, back);
		expect(0, back_seen);
	}
	sim_fini(&sim);
}

TEST(segments_are_cut_and_translated)
{
	const struct packet_shape shape = {.tcp = true, .begun = true, .gso_size = 1000, .payload = 5000};

	begin(SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4));
	send(0, &shape, out);
	for (int i = 0; i < 5; i++) {
		expect(1, out_seen);
		assert_int_equal(got.len, packet.payload_at + 1000);
	}
	sim_expect_nothing(&sim, 1);
	sim_fini(&sim);
}

TEST(nobody_outside_reaches_the_inside_unasked)
{
	const struct packet_shape shape = {.payload = 20};

	begin(SIM_RING_FEATURES);
	send(1, &shape, (struct packet_ends){WORLD, INSIDE, 5000, 4000});
	assert_int_equal(sim_drops(&sim, 1, DROP_NAT44_NO_SESSION), 1);
	send(0, &shape, out);
	expect(1, out_seen);
	send(1, &shape, (struct packet_ends){WORLD + 1, OUTSIDE, 5000, 4000});
	assert_int_equal(sim_drops(&sim, 1, DROP_NAT44_FILTERED), 1);
	sim_expect_nothing(&sim, 0);
	sim_fini(&sim);
}

TEST(a_forwarded_port_leads_inside)
{
	const struct packet_shape shape = {.tcp = true, .payload = 300};

	begin(SIM_RING_FEATURES);
	nat44_table_add_static(sim.gateway.nat44->table, IP_PROTO_TCP, (struct nat44_endpoint){INSIDE, 80},
		(struct nat44_endpoint){OUTSIDE, 8080});
	send(1, &shape, (struct packet_ends){WORLD, OUTSIDE, 5000, 8080});
	expect_payload(0, (struct packet_ends){WORLD, INSIDE, 5000, 80});
	send(0, &shape, (struct packet_ends){INSIDE, WORLD, 80, 5000});
	expect_payload(1, (struct packet_ends){OUTSIDE, WORLD, 8080, 5000});
	sim_fini(&sim);
}

/* --- fragments --- */

#define L4 (ETHERNET_HEADER_LEN + IP4_HEADER_MIN)

static struct packet whole, seen;

/* A piece of `whole`, to the router; its datagram has that number. */
static void send_piece(uint32_t from, uint16_t id, uint32_t at, uint32_t len)
{
	uint8_t *p = packet.bytes + ETHERNET_HEADER_LEN;
	bool more = L4 + at + len < whole.len;

	memset(&packet.hdr, 0, sizeof(packet.hdr));
	memcpy(packet.bytes, whole.bytes, L4);
	memcpy(packet.bytes + L4, whole.bytes + L4 + at, len);
	packet.len = L4 + len;
	ip4_set_total_len(p, (uint16_t)(IP4_HEADER_MIN + len));
	ip4_set_id(p, id);
	be16_set(p + 6, (uint16_t)(at / 8 | (more ? 0x2000u : 0)));
	ip4_set_csum(p, IP4_HEADER_MIN);
	send_as_is(from);
}

/* The next frame is the piece behind what was seen of its datagram. */
static void see_piece(uint32_t to)
{
	uint8_t *p = got.bytes + ETHERNET_HEADER_LEN;

	assert_true(guest_receive(&sim.guest[to], &got));
	guest_post_n(&sim.guest[to], 1, GUEST_BUFFER_MAX);
	if (seen.len == 0) {
		memcpy(seen.bytes, got.bytes, L4);
		seen.len = L4;
	}
	assert_int_equal(ip4_fragment_at(p), seen.len - L4);
	assert_int_equal(ip4_src(p), ip4_src(seen.bytes + ETHERNET_HEADER_LEN));
	assert_int_equal(ip4_dst(p), ip4_dst(seen.bytes + ETHERNET_HEADER_LEN));
	memcpy(seen.bytes + seen.len, got.bytes + L4, got.len - L4);
	seen.len += got.len - L4;
}

/* Put together as a receiver would, it is sound, and from there to there. */
static void expect_whole(struct packet_ends want)
{
	uint8_t *p = seen.bytes + ETHERNET_HEADER_LEN;
	struct packet_ends ends;

	ip4_set_total_len(p, (uint16_t)(seen.len - ETHERNET_HEADER_LEN));
	be16_set(p + 6, 0);
	ip4_set_csum(p, IP4_HEADER_MIN);
	assert_true(packet_is_sound(seen.bytes, seen.len));
	ends = packet_ends_of(seen.bytes);
	assert_memory_equal(&ends, &want, sizeof(ends));
	assert_int_equal(seen.len, whole.len);
	assert_memory_equal(seen.bytes + PAYLOAD, whole.bytes + PAYLOAD, whole.len - PAYLOAD);
}

static void make_whole(uint32_t from, struct packet_ends ends)
{
	const struct packet_shape shape = {.payload = 2500};

	packet_make(&whole, &shape, from, from, &rng);
	memcpy(whole.bytes, iface(from)->mac, MAC_LEN);
	packet_address(&whole, &shape, &ends);
	seen.len = 0;
}

static void pass_in_pieces(uint32_t from, uint16_t id, struct packet_ends ends, struct packet_ends want)
{
	make_whole(from, ends);
	for (uint32_t at = 0; L4 + at < whole.len; at += 1000) {
		send_piece(from, id, at, min_u32(1000, whole.len - L4 - at));
		see_piece(1 - from);
	}
	expect_whole(want);
}

TEST(fragments_follow_the_first_out_and_back)
{
	begin(SIM_RING_FEATURES);
	pass_in_pieces(0, 1, out, out_seen);
	pass_in_pieces(1, 1, back, back_seen);
	pass_in_pieces(0, 2, out, out_seen);
	assert_int_equal(sim.gateway.nat44->table->n_sessions, 1);
	sim_fini(&sim);
}

TEST(fragments_in_any_order_follow_the_first)
{
	begin(SIM_RING_FEATURES);
	for (uint32_t from = 0; from < 2; from++) {
		make_whole(from, from == 0 ? out : back);
		send_piece(from, 3, 1000, 1000);
		sim_expect_nothing(&sim, 1 - from);
		send_piece(from, 3, 0, 1000);
		see_piece(1 - from);
		see_piece(1 - from);
		send_piece(from, 3, 2000, whole.len - L4 - 2000);
		see_piece(1 - from);
		expect_whole(from == 0 ? out_seen : back_seen);
	}
	sim_fini(&sim);
}

TEST(a_fragment_whose_first_was_never_here_goes_nowhere)
{
	begin(SIM_RING_FEATURES);
	make_whole(0, out);
	send_piece(0, 7, 1000, 1000);
	sim_expect_nothing(&sim, 1);
	assert_int_equal(sim_drops(&sim, 0, DROP_NAT44_FRAGMENT), 0); /* it waits */
	sim.now_ns += NAT44_WAITING_S * NS_PER_S;
	make_whole(0, out);
	send_piece(0, 6, 0, 1000);
	see_piece(1);
	assert_int_equal(sim_drops(&sim, 0, DROP_NAT44_FRAGMENT), 1);
	pass_in_pieces(0, 8, out, out_seen);
	make_whole(1, back);
	send_piece(1, 8, 1000, 1000); /* the number is the other direction's */
	sim_expect_nothing(&sim, 0);
	sim_expect_nothing(&sim, 1);
	sim_fini(&sim);
}

/* --- DHCP --- */

static void begin_dhcp(void)
{
	const struct dhcp_config config = {
		.first = INSIDE,
		.last = INSIDE + 10,
		.server = GATEWAY,
		.mask = 0xffffff00,
		.router = GATEWAY,
		.lease_s = 600,
	};

	begin(SIM_RING_FEATURES);
	assert_int_equal(dhcp_service_set(sim.gateway.dhcp, iface(0), &config, true), 0);
}

/* A message of DHCP from guest 0, to all. */
static void say(enum dhcp_type type, uint32_t requested, uint64_t mac)
{
	const struct packet_shape shape = {.payload = DHCP_LEN_MIN};
	const struct packet_ends ends = {0, UINT32_MAX, DHCP_CLIENT_PORT, DHCP_SERVER_PORT};
	uint8_t *p;

	packet_make(&packet, &shape, 0, SIM_PORTS, &rng);
	p = packet.bytes + packet.payload_at;
	memset(p, 0, DHCP_LEN_MIN);
	p[0] = p[1] = 1;
	p[2] = 6;
	be32_set(p + 4, 0x11223344);
	mac_store(p + 28, mac);
	be32_set(p + 236, DHCP_COOKIE);
	memcpy(p + DHCP_OPTIONS_AT, "\x35\x01", 2);
	p[DHCP_OPTIONS_AT + 2] = (uint8_t)type;
	if (requested) {
		memcpy(p + DHCP_OPTIONS_AT + 3, "\x32\x04", 2);
		be32_set(p + DHCP_OPTIONS_AT + 5, requested);
		memcpy(p + DHCP_OPTIONS_AT + 9, "\x36\x04", 2);
		be32_set(p + DHCP_OPTIONS_AT + 11, GATEWAY);
		p[DHCP_OPTIONS_AT + 15] = DHCP_OPT_END;
	} else {
		p[DHCP_OPTIONS_AT + 3] = DHCP_OPT_END;
	}
	packet_address(&packet, &shape, &ends);
	send_as_is(0);
}

/* The answer's type; its address is *ip. */
static uint8_t heard(uint32_t *ip)
{
	struct dhcp_values v;

	assert_true(guest_receive(&sim.guest[0], &got));
	assert_true(packet_is_sound(got.bytes, got.len));
	assert_int_equal(packet_ends_of(got.bytes).src, GATEWAY);
	assert_int_equal(packet_ends_of(got.bytes).dst_port, DHCP_CLIENT_PORT);
	dhcp_collect_all(&v, got.bytes + PAYLOAD, got.len - PAYLOAD);
	*ip = be32_get(got.bytes + PAYLOAD + 16);
	return v.of[DHCP_OPT_TYPE].at[0];
}

TEST(a_guest_gets_its_address)
{
	uint32_t ip, again;

	begin_dhcp();
	say(DHCP_DISCOVER, 0, 0x525400000000);
	assert_int_equal(heard(&ip), DHCP_OFFER);
	assert_int_equal(ethernet_dst(got.bytes) == 0x525400000000, true);
	say(DHCP_REQUEST, ip, 0x525400000000);
	assert_int_equal(heard(&again), DHCP_ACK);
	assert_int_equal(again, ip);
	say(DHCP_REQUEST, ip + 1, 0x525400000000);
	assert_int_equal(heard(&again), DHCP_NAK);
	assert_true(mac_is_broadcast(ethernet_dst(got.bytes)));
	sim_fini(&sim);
}

TEST(a_guest_speaks_for_itself_only)
{
	begin_dhcp();
	say(DHCP_DISCOVER, 0, 0x525400000009);
	assert_int_equal(sim_drops(&sim, 0, DROP_DHCP_MALFORMED), 1);
	sim_expect_nothing(&sim, 0);
	sim_fini(&sim);
}

TEST(where_no_pool_is_nobody_answers)
{
	begin(SIM_RING_FEATURES);
	say(DHCP_DISCOVER, 0, 0x525400000000);
	assert_int_equal(sim_drops(&sim, 0, DROP_IP_NO_SERVICE), 1);
	sim_expect_nothing(&sim, 0);
	sim_fini(&sim);
}

/* --- DNS --- */

static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06ginnel\x07"
			       "example\x00\x00\x01\x00\x01";
#define QUERY_LEN (sizeof(query) - 1)

static void put_query(uint32_t from, struct packet_ends ends, uint16_t id, uint16_t flags)
{
	const struct packet_shape shape = {.payload = QUERY_LEN};

	packet_make(&packet, &shape, from, from, &rng);
	memcpy(packet.bytes, iface(from)->mac, MAC_LEN);
	memcpy(packet.bytes + packet.payload_at, query, QUERY_LEN);
	be16_set(packet.bytes + packet.payload_at, id);
	be16_set(packet.bytes + packet.payload_at + 2, flags);
	packet_address(&packet, &shape, &ends);
	send_as_is(from);
}

TEST(a_question_to_the_router_is_answered_by_the_server_outside)
{
	const struct ip_addr server = ip4_addr(WORLD);
	struct packet_ends ends;
	uint16_t id;

	begin(SIM_RING_FEATURES);
	put_query(0, (struct packet_ends){INSIDE, GATEWAY, 999, DNS_PORT}, 0x1234, 0x0100);
	assert_int_equal(sim_drops(&sim, 0, DROP_IP_NO_SERVICE), 1);
	dns_service_set(sim.gateway.dns, iface(0), true);
	put_query(0, (struct packet_ends){INSIDE, GATEWAY, 999, DNS_PORT}, 0x1234, 0x0100);
	assert_int_equal(sim_drops(&sim, 0, DROP_DNS_NO_SERVER), 1);
	assert_int_equal(dns_service_add_server(sim.gateway.dns, &server), 0);

	put_query(0, (struct packet_ends){INSIDE, GATEWAY, 999, DNS_PORT}, 0x1234, 0x0100);
	assert_true(guest_receive(&sim.guest[1], &got));
	assert_true(packet_is_sound(got.bytes, got.len));
	ends = packet_ends_of(got.bytes);
	assert_int_equal(ends.src, OUTSIDE);
	assert_int_equal(ends.dst, WORLD);
	assert_true(ends.src_port >= DNS_PORT_FIRST);
	assert_int_equal(ends.dst_port, DNS_PORT);
	id = dns_id(got.bytes + PAYLOAD);
	put_query(1, (struct packet_ends){WORLD, OUTSIDE, DNS_PORT, ends.src_port}, id, 0x8180);
	expect(0, (struct packet_ends){GATEWAY, INSIDE, DNS_PORT, 999});
	assert_int_equal(dns_id(got.bytes + PAYLOAD), 0x1234);
	assert_int_equal(dns_flags(got.bytes + PAYLOAD), 0x8180);
	/* once more is too much, and nobody outside is served */
	put_query(1, (struct packet_ends){WORLD, OUTSIDE, DNS_PORT, ends.src_port}, id, 0x8180);
	assert_int_equal(sim_drops(&sim, 1, DROP_DNS_UNASKED), 1);
	put_query(1, (struct packet_ends){WORLD, OUTSIDE, 999, DNS_PORT}, 1, 0x0100);
	assert_int_equal(sim_drops(&sim, 1, DROP_IP_NO_SERVICE), 1);
	sim_expect_nothing(&sim, 0);
	sim_fini(&sim);
}

TESTS(cmocka_unit_test(packets_go_out_under_our_address_and_back),
	cmocka_unit_test(checksums_that_guests_leave_to_us_are_right_in_the_end),
	cmocka_unit_test(segments_are_cut_and_translated),
	cmocka_unit_test(nobody_outside_reaches_the_inside_unasked),
	cmocka_unit_test(a_forwarded_port_leads_inside),
	cmocka_unit_test(fragments_follow_the_first_out_and_back),
	cmocka_unit_test(fragments_in_any_order_follow_the_first),
	cmocka_unit_test(a_fragment_whose_first_was_never_here_goes_nowhere),
	cmocka_unit_test(a_guest_gets_its_address), cmocka_unit_test(a_guest_speaks_for_itself_only),
	cmocka_unit_test(where_no_pool_is_nobody_answers),
	cmocka_unit_test(a_question_to_the_router_is_answered_by_the_server_outside))
