/* SPDX-License-Identifier: Apache-2.0 */
/* What the router does itself: ARP, neighbour discovery, packets that wait, echo, services, fragments for it. */
#include "ip/ip_bed.h"

#include "ip/fragments.h"
#include "ip/own.h"

static struct bed b;
static struct bed_frame f, got;

static void open_one(void)
{
	bed_open(&b);
	bed_addr(&b, 0, "10.0.0.1/24");
	bed_addr(&b, 0, "2001:db8::1/64");
	bed_addr(&b, 1, "10.0.1.1/24");
	bed_addr(&b, 1, "2001:db8:1::1/64");
	bed_drain(&b);
}

static void take_out(uint32_t i)
{
	assert_int_equal(b.n_out, 1);
	assert_ptr_equal(b.out_iface[0], &b.ifaces[i]);
	frame_of_pkt(&got, b.out[0]);
}

static void frame_arp(uint16_t op, uint64_t mac, const char *sender, const char *target)
{
	struct ip_addr s = addr_of(sender), t = addr_of(target);

	arp_write(f.bytes, op == ARP_REQUEST ? MAC_BROADCAST : 0x020000000000ull,
		&(struct arp){.op = op, .sender_mac = mac, .sender = ip4_of(&s), .target = ip4_of(&t)});
	f.len = ARP_FRAME_LEN;
}

/* A message of ICMPv6 with its checksum. */
static void frame_icmp6(const char *src, const char *dst, const uint8_t *m, uint32_t len, uint8_t hops)
{
	frame_ip(&f, 0, src, dst, IP_PROTO_ICMP6, m, len);
	frame_l3(&f)[7] = hops;
	icmp6_csum(frame_l3(&f), len);
}

static uint64_t known_mac(uint32_t i, const char *text)
{
	struct ip_addr a = addr_of(text);
	uint32_t n = neigh_find(&b.ip->neighs, &b.ifaces[i], &a);
	uint64_t word = n ? neigh_word(&b.ip->neighs.list[n]) : 0;

	return word & NEIGH_KNOWN ? neigh_mac(word) : 0;
}

/* --- ARP --- */

TEST(a_request_for_our_address_is_answered_and_its_sender_known)
{
	struct arp arp;

	open_one();
	frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.1");
	bed_pass(&b, 0, &f);
	take_out(0);
	assert_true(ethernet_dst(got.bytes) == STATION(1));
	arp = arp_read(frame_l3(&got));
	assert_int_equal(arp.op, ARP_REPLY);
	assert_true(arp.sender_mac == 0x020000000000ull && arp.sender == 0x0a000001);
	assert_true(known_mac(0, "10.0.0.2") == STATION(1));
	bed_close(&b);
}

TEST(what_is_not_asked_of_us_is_neither_answered_nor_learned)
{
	open_one();
	frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.3");
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_NOT_OURS);
	frame_arp(ARP_REPLY, STATION(1), "10.0.0.2", "10.0.0.1");
	bed_pass(&b, 0, &f);
	frame_arp(ARP_REQUEST, STATION(1), "192.168.7.7", "10.0.0.1");
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_NOT_OURS);
	assert_int_equal(b.n_out, 0);
	assert_true(known_mac(0, "10.0.0.2") == 0);
	bed_close(&b);
}

TEST(who_claims_our_address_or_another_frames_is_a_spoofer)
{
	open_one();
	frame_arp(ARP_REQUEST, STATION(1), "10.0.0.1", "10.0.0.1");
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_SPOOF);
	frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.1");
	mac_store(f.bytes + ETHERNET_SRC_AT, STATION(9));
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_SPOOF);
	frame_arp(ARP_REQUEST, MAC_BROADCAST, "10.0.0.2", "10.0.0.1");
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_SPOOF);
	bed_close(&b);
}

TEST(arp_of_every_wrong_length_and_kind_is_malformed)
{
	open_one();
	for (uint32_t len = ETHERNET_HEADER_LEN; len < ARP_FRAME_LEN; len++) {
		frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.1");
		f.len = len;
		assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_MALFORMED);
	}
	for (uint32_t at = 0; at < 6; at++) {
		frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.1");
		frame_l3(&f)[at] ^= 0x40;
		assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_MALFORMED);
	}
	bed_close(&b);
}

TEST(a_port_that_floods_with_arp_is_limited)
{
	uint32_t n = 0;

	open_one();
	for (int i = 0; i < 5000; i++) {
		frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.1");
		bed_pass(&b, 0, &f);
		n += b.n_out;
	}
	assert_in_range(n, 900, 1100);
	frame_arp(ARP_REQUEST, STATION(1), "10.0.1.2", "10.0.1.1");
	bed_pass(&b, 1, &f); /* others are not */
	take_out(1);
	bed_close(&b);
}

TEST(with_proxy_arp_we_answer_for_what_is_elsewhere)
{
	open_one();
	assert_int_equal(bed_route(&b, "10.9.0.0/24", NULL, 1), 0);
	frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.9.0.5");
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_NOT_OURS);
	assert_int_equal(own_set(&b.ifaces[0], OWN_PROXY_ARP, true), 0);
	bed_pass(&b, 0, &f);
	take_out(0);
	frame_arp(ARP_REQUEST, STATION(1), "10.0.0.2", "10.0.0.77"); /* it is there itself */
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_NOT_OURS);
	bed_close(&b);
}

/* --- packets that wait --- */

TEST(packets_wait_for_an_answer_and_leave_in_order)
{
	open_one();
	for (uint32_t i = 0; i < 3; i++) {
		frame_udp(&f, 1, "10.0.1.2", "10.0.0.2", 1, (uint16_t)(100 + i), 200 * i);
		bed_pass(&b, 1, &f);
		if (i == 0) { /* asked once */
			take_out(0);
			assert_int_equal(be16_get(got.bytes + ETHERNET_TYPE_AT), ARP_ETHERNET_TYPE);
			assert_int_equal(arp_read(frame_l3(&got)).target, 0x0a000002);
		} else {
			assert_int_equal(b.n_out, 0);
		}
	}
	frame_arp(ARP_REPLY, STATION(1), "10.0.0.2", "10.0.0.1");
	bed_pass(&b, 0, &f);
	assert_int_equal(b.n_out, 3);
	for (uint32_t i = 0; i < 3; i++) {
		frame_of_pkt(&got, b.out[i]);
		assert_true(ethernet_dst(got.bytes) == STATION(1));
		assert_true(frame_ip4_sound(&got));
		assert_int_equal(be16_get(frame_l3(&got) + 22), 100 + i);
		assert_int_equal(got.len, 42 + 200 * i);
	}
	bed_close(&b);
}

TEST(packets_of_ip6_wait_for_an_advertisement)
{
	uint8_t m[32] = {ICMP6_NEIGHBOR_ADVERTISEMENT, 0, 0, 0, ND_SOLICITED | ND_OVERRIDE};
	struct ip_addr target = addr_of("2001:db8::2");

	open_one();
	frame_udp(&f, 1, "2001:db8:1::2", "2001:db8::2", 1, 2, 300);
	bed_pass(&b, 1, &f);
	take_out(0);
	assert_int_equal(frame_l3(&got)[40], ICMP6_NEIGHBOR_SOLICITATION);
	assert_int_equal(frame_l3(&got)[7], 255);
	assert_memory_equal(frame_l3(&got) + 48, target.bytes, 16);
	assert_true(ethernet_dst(got.bytes) == 0x3333ff000002ull);
	memcpy(m + ND_TARGET_AT, target.bytes, 16);
	nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_TARGET_MAC, STATION(1));
	frame_icmp6("2001:db8::2", "2001:db8::1", m, sizeof(m), 255);
	bed_pass(&b, 0, &f);
	take_out(0);
	assert_int_equal(frame_l3(&got)[6], IP_PROTO_UDP);
	bed_close(&b);
}

TEST(a_station_that_never_answers_is_asked_three_times_and_the_sender_told)
{
	uint32_t asked = 0, told = 0;

	open_one();
	bed_neigh(&b, 1, "10.0.1.2", STATION(2));
	frame_udp(&f, 1, "10.0.1.2", "10.0.0.9", 1, 2, 10);
	bed_pass(&b, 1, &f);
	asked += b.n_out;
	for (int s = 0; s < 5; s++) {
		bed_tick(&b);
		for (uint32_t i = 0; i < b.n_out; i++) {
			frame_of_pkt(&got, b.out[i]);
			if (be16_get(got.bytes + ETHERNET_TYPE_AT) == ARP_ETHERNET_TYPE)
				asked++;
			else
				told += frame_l3(&got)[20] == ICMP4_UNREACHABLE &&
					frame_l3(&got)[21] == ICMP4_HOST;
		}
	}
	assert_int_equal(asked, NEIGH_TRIES);
	assert_int_equal(told, 1);
	bed_close(&b);
}

TEST(a_flood_of_addresses_fills_one_ports_share_and_no_more)
{
	char dst[IP_TEXT_SIZE];

	open_one();
	b.ifaces[2].up = true;
	bed_addr(&b, 2, "10.128.0.1/9");
	bed_drain(&b);
	for (uint32_t i = 0; i < IP_NEIGHS_PER_PORT + 500; i++) {
		struct ip_addr a = ip4_addr(0x0a810000 + i);

		frame_udp(&f, 0, "10.0.0.2", ip_addr_format(dst, &a), 1, 2, 10);
		bed_pass(&b, 0, &f);
	}
	assert_int_equal(b.turn->pkts[0].drop, DROP_NEIGH_FULL);
	bed_neigh(&b, 1, "10.0.1.2", STATION(2));
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
	bed_pass(&b, 0, &f);
	take_out(1); /* others are served */
	for (int s = 0; s < 60; s++)
		bed_tick(&b);
	assert_int_equal(((const struct ip_iface *)b.ifaces[2].l3)->state->n_neighs, 0); /* forgotten */
	bed_close(&b);
}

TEST(a_station_in_use_is_asked_again_and_packets_go_on_meanwhile)
{
	uint32_t asked = 0;

	open_one();
	bed_neigh(&b, 1, "10.0.1.2", STATION(2));
	for (int s = 0; s < NEIGH_FRESH_S + 2; s++) {
		bed_tick(&b);
		asked += b.n_out;
		if (b.n_out) {
			frame_of_pkt(&got, b.out[0]);
			assert_true(ethernet_dst(got.bytes) == STATION(2));
		}
		frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
		bed_pass(&b, 0, &f);
		assert_int_equal(b.n_out, 1);
	}
	assert_in_range(asked, 1, 3);
	bed_close(&b);
}

/* --- neighbour discovery --- */

TEST(a_solicitation_is_answered_also_of_the_link_local_address)
{
	static const char *const targets[] = {"2001:db8::1", "fe80::ff:fe00:0"};

	open_one();
	for (int i = 0; i < 2; i++) {
		uint8_t m[32] = {ICMP6_NEIGHBOR_SOLICITATION};
		struct ip_addr target = addr_of(targets[i]);

		memcpy(m + ND_TARGET_AT, target.bytes, 16);
		nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_SOURCE_MAC, STATION(1));
		frame_icmp6("fe80::5054:ff:fe00:1", "ff02::1:ff00:1", m, sizeof(m), 255);
		mac_store(f.bytes, 0x3333ff000001ull);
		bed_pass(&b, 0, &f);
		take_out(0);
		assert_int_equal(frame_l3(&got)[40], ICMP6_NEIGHBOR_ADVERTISEMENT);
		assert_memory_equal(frame_l3(&got) + 48, target.bytes, 16);
	}
	bed_close(&b);
}

TEST(discovery_from_elsewhere_or_malformed_is_refused)
{
	uint8_t m[64] = {ICMP6_NEIGHBOR_SOLICITATION};
	struct ip_addr target = addr_of("2001:db8::1");

	open_one();
	memcpy(m + ND_TARGET_AT, target.bytes, 16);
	nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_SOURCE_MAC, STATION(1));
	frame_icmp6("2001:db8::2", "2001:db8::1", m, 32, 64); /* hop limit: it passed a router */
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ND_MALFORMED);
	for (uint32_t len = ICMP_HEADER_LEN; len < ND_NEIGHBOR_LEN; len++) {
		frame_icmp6("2001:db8::2", "2001:db8::1", m, len, 255);
		assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ND_MALFORMED);
	}
	m[ND_NEIGHBOR_LEN + 1] = 0; /* an option of no length */
	frame_icmp6("2001:db8::2", "2001:db8::1", m, 32, 255);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ND_MALFORMED);
	m[ND_NEIGHBOR_LEN + 1] = 9; /* longer than the message */
	frame_icmp6("2001:db8::2", "2001:db8::1", m, 32, 255);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ND_MALFORMED);
	nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_SOURCE_MAC, STATION(7)); /* another's */
	frame_icmp6("2001:db8::2", "2001:db8::1", m, 32, 255);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ARP_SPOOF);
	bed_close(&b);
}

TEST(who_asks_for_routers_hears_of_us_if_we_are_to_say_so)
{
	uint8_t m[8] = {ICMP6_ROUTER_SOLICITATION};

	open_one();
	frame_icmp6("fe80::2", "ff02::2", m, sizeof(m), 255);
	mac_store(f.bytes, 0x333300000002ull);
	bed_pass(&b, 0, &f);
	assert_int_equal(b.n_out, 0);
	assert_int_equal(own_set(&b.ifaces[0], OWN_RA, true), 0);
	bed_pass(&b, 0, &f);
	take_out(0);
	assert_int_equal(frame_l3(&got)[40], ICMP6_ROUTER_ADVERTISEMENT);
	assert_int_equal(got.len, 14 + 40 + ND_RA_LEN + 8 + 8 + 32);
	bed_close(&b);
}

/* --- echo and services --- */

TEST(echo_is_answered_long_ones_too)
{
	static uint8_t m[1400] = {ICMP4_ECHO, 0, 0, 0, 1, 2, 3, 4};
	uint16_t csum;

	open_one();
	bed_neigh(&b, 0, "10.0.0.2", STATION(1));
	for (uint32_t len = 8; len <= sizeof(m); len += 174) {
		memset(m + 2, 0, 2);
		for (uint32_t i = 8; i < len; i++)
			m[i] = (uint8_t)i;
		csum = (uint16_t)~csum_fold(csum_sum(m, len));
		memcpy(m + 2, &csum, 2);
		frame_ip(&f, 0, "10.0.0.2", "10.0.0.1", IP_PROTO_ICMP, m, len);
		bed_pass(&b, 0, &f);
		take_out(0);
		assert_true(frame_ip4_sound(&got));
		assert_int_equal(frame_l3(&got)[20], ICMP4_ECHO_REPLY);
		assert_int_equal(csum_fold(csum_sum(frame_l3(&got) + 20, len)), 0xffff);
		assert_memory_equal(frame_l3(&got) + 24, m + 4, len - 4);
		f.bytes[ETHERNET_HEADER_LEN + 22] ^= 1;
		assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ICMP_MALFORMED);
	}
	bed_close(&b);
}

static struct ip_datagram heard;
static uint8_t heard_bytes[66000];
static uint32_t n_heard;

static void serve(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	assert_ptr_equal(subject, &b);
	heard = *d;
	n_heard++;
	pkt_bytes(pkt, d->payload_at, heard_bytes, d->payload_len);
	assert_true(ip_udp_send(b.ip, turn,
		&(struct ip_udp){.iface = pkt->rx,
			.src = d->dst,
			.dst = d->src,
			.src_port = d->dst_port,
			.dst_port = d->src_port,
			.payload = heard_bytes,
			.payload_len = d->payload_len}));
	turn_finish(turn, pkt);
}

TEST(a_service_gets_datagrams_of_its_port_and_answers)
{
	static const char *const pairs[][2] = {{"10.0.0.2", "10.0.0.1"}, {"2001:db8::2", "2001:db8::1"}};

	open_one();
	n_heard = 0;
	assert_int_equal(ip_udp_listen(b.ip, 53, serve, &b), 0);
	assert_int_equal(ip_udp_listen(b.ip, 53, serve, &b), -EADDRINUSE);
	for (int i = 0; i < 2; i++) {
		bed_neigh(&b, 0, pairs[i][0], STATION(1));
		frame_udp(&f, 0, pairs[i][0], pairs[i][1], 4444, 53, 700);
		bed_pass(&b, 0, &f);
		take_out(0);
		assert_int_equal(got.len, f.len);
		assert_int_equal(heard.payload_len, 700);
		assert_memory_equal(got.bytes + got.len - 700, f.bytes + f.len - 700, 700);
		f.bytes[f.len - 1] ^= 1;
		bed_pass(&b, 0, &f);
		assert_int_equal(b.n_out, 0);
	}
	assert_int_equal(n_heard, 2);
	ip_udp_unlisten(b.ip, 53);
	frame_udp(&f, 0, "10.0.0.2", "10.0.0.1", 4444, 53, 700);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_NO_SERVICE);
	take_out(0);
	assert_int_equal(frame_l3(&got)[21], ICMP4_PORT);
	bed_close(&b);
}

/* --- fragments for us --- */

/* Bytes [at, at + len) of the payload of the datagram in f, as a fragment. */
static void fragment(struct bed_frame *out, uint32_t at, uint32_t len, bool more)
{
	const uint8_t *p = frame_l3(&f);

	memcpy(out->bytes, f.bytes, ETHERNET_HEADER_LEN + 20);
	memcpy(frame_l3(out) + 20, p + 20 + at, len);
	ip4_set_total_len(frame_l3(out), (uint16_t)(20 + len));
	be16_set(frame_l3(out) + 6, (uint16_t)(at / 8 | (more ? 0x2000 : 0)));
	ip4_set_csum(frame_l3(out), 20);
	out->len = ETHERNET_HEADER_LEN + 20 + len;
}

static struct bed_frame piece;

TEST(fragments_in_any_order_and_twice_make_the_datagram)
{
	static const uint32_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 1, 3, 0}, {2, 0, 3, 1}};

	open_one();
	bed_neigh(&b, 0, "10.0.0.2", STATION(1));
	assert_int_equal(ip_udp_listen(b.ip, 53, serve, &b), 0);
	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		n_heard = 0;
		frame_udp(&f, 0, "10.0.0.2", "10.0.0.1", 4444, 53, 3000);
		ip4_set_id(frame_l3(&f), (uint16_t)o);
		for (int twice = 0; twice < 2; twice++)
			for (int i = 0; i < 4; i++) {
				uint32_t at = orders[o][i] * 800;

				if (n_heard)
					break;
				fragment(&piece, at, min_u32(800, 3008 - at), orders[o][i] < 3);
				bed_pass(&b, 0, &piece);
			}
		if (o != 2) {
			assert_int_equal(n_heard, 1);
			assert_int_equal(heard.payload_len, 3000);
			assert_memory_equal(heard_bytes, f.bytes + 42, 3000);
			assert_int_equal(b.n_out, 3); /* the answer, cut again */
		}
	}
	bed_close(&b);
}

TEST(fragments_that_overlap_end_their_datagram)
{
	open_one();
	n_heard = 0;
	assert_int_equal(ip_udp_listen(b.ip, 53, serve, &b), 0);
	frame_udp(&f, 0, "10.0.0.2", "10.0.0.1", 4444, 53, 3000);
	fragment(&piece, 0, 800, true);
	bed_pass(&b, 0, &piece);
	fragment(&piece, 792, 800, true);
	assert_int_equal(bed_pass(&b, 0, &piece)->drop, DROP_FRAGMENT_MALFORMED);
	assert_int_equal(fragments_count(b.ip->fragments, b.now_ns), 0);
	fragment(&piece, 8, 7, true); /* not whole units */
	assert_int_equal(bed_pass(&b, 0, &piece)->drop, DROP_FRAGMENT_MALFORMED);
	fragment(&piece, 65528, 100, false); /* beyond what a datagram can be */
	be16_set(frame_l3(&piece) + 6, 0x1fff);
	ip4_set_csum(frame_l3(&piece), 20);
	assert_int_equal(bed_pass(&b, 0, &piece)->drop, DROP_FRAGMENT_MALFORMED);
	assert_int_equal(n_heard, 0);
	bed_close(&b);
}

TEST(a_fragment_that_comes_again_changes_nothing_and_one_that_says_otherwise_ends_it)
{
	open_one();
	frame_udp(&f, 0, "10.0.0.2", "10.0.0.1", 4444, 53, 3000);
	fragment(&piece, 0, 800, true);
	bed_pass(&b, 0, &piece);
	assert_int_equal(bed_pass(&b, 0, &piece)->drop, DROP_NONE);
	assert_int_equal(fragments_count(b.ip->fragments, b.now_ns), 1);
	fragment(&piece, 400, 400, true);
	piece.bytes[piece.len - 1] ^= 1;
	assert_int_equal(bed_pass(&b, 0, &piece)->drop, DROP_FRAGMENT_MALFORMED);
	assert_int_equal(fragments_count(b.ip->fragments, b.now_ns), 0);
	bed_close(&b);
}

TEST(a_flood_of_fragments_fills_one_ports_share_and_goes_with_time)
{
	open_one();
	for (uint32_t i = 0; i < 1000; i++) {
		frame_udp(&f, 0, "10.0.0.2", "10.0.0.1", 4444, 53, 3000);
		ip4_set_id(frame_l3(&f), (uint16_t)i);
		fragment(&piece, 0, 800, true);
		assert_int_equal(bed_pass(&b, 0, &piece)->drop,
			i < FRAGMENTS_PER_PORT ? DROP_NONE : DROP_FRAGMENT_FULL);
	}
	frame_udp(&f, 1, "10.0.1.2", "10.0.1.1", 4444, 53, 3000);
	fragment(&piece, 0, 800, true);
	assert_int_equal(bed_pass(&b, 1, &piece)->drop, DROP_NONE);
	b.now_ns += FRAGMENTS_TIMEOUT_S * NS_PER_S;
	assert_int_equal(fragments_count(b.ip->fragments, b.now_ns), 0);
	bed_close(&b);
}

TESTS(cmocka_unit_test(a_request_for_our_address_is_answered_and_its_sender_known),
	cmocka_unit_test(what_is_not_asked_of_us_is_neither_answered_nor_learned),
	cmocka_unit_test(who_claims_our_address_or_another_frames_is_a_spoofer),
	cmocka_unit_test(arp_of_every_wrong_length_and_kind_is_malformed),
	cmocka_unit_test(a_port_that_floods_with_arp_is_limited),
	cmocka_unit_test(with_proxy_arp_we_answer_for_what_is_elsewhere),
	cmocka_unit_test(packets_wait_for_an_answer_and_leave_in_order),
	cmocka_unit_test(packets_of_ip6_wait_for_an_advertisement),
	cmocka_unit_test(a_station_that_never_answers_is_asked_three_times_and_the_sender_told),
	cmocka_unit_test(a_flood_of_addresses_fills_one_ports_share_and_no_more),
	cmocka_unit_test(a_station_in_use_is_asked_again_and_packets_go_on_meanwhile),
	cmocka_unit_test(a_solicitation_is_answered_also_of_the_link_local_address),
	cmocka_unit_test(discovery_from_elsewhere_or_malformed_is_refused),
	cmocka_unit_test(who_asks_for_routers_hears_of_us_if_we_are_to_say_so),
	cmocka_unit_test(echo_is_answered_long_ones_too),
	cmocka_unit_test(a_service_gets_datagrams_of_its_port_and_answers),
	cmocka_unit_test(fragments_in_any_order_and_twice_make_the_datagram),
	cmocka_unit_test(fragments_that_overlap_end_their_datagram),
	cmocka_unit_test(a_fragment_that_comes_again_changes_nothing_and_one_that_says_otherwise_ends_it),
	cmocka_unit_test(a_flood_of_fragments_fills_one_ports_share_and_goes_with_time))
