/* SPDX-License-Identifier: Apache-2.0 */
/* Packets through the router: where they go, what changes in them, what is refused. */
#include "ip/ip_bed.h"

static struct bed b;
static struct bed_frame f, got;

/* Two networks; 10.0.0.2 and 10.0.1.2 are known stations. */
static void two_networks(void)
{
	bed_open(&b);
	bed_addr(&b, 0, "10.0.0.1/24");
	bed_addr(&b, 1, "10.0.1.1/24");
	bed_addr(&b, 0, "2001:db8:0::1/64");
	bed_addr(&b, 1, "2001:db8:1::1/64");
	bed_neigh(&b, 0, "10.0.0.2", STATION(1));
	bed_neigh(&b, 1, "10.0.1.2", STATION(2));
	bed_neigh(&b, 0, "2001:db8:0::2", STATION(1));
	bed_neigh(&b, 1, "2001:db8:1::2", STATION(2));
	bed_drain(&b);
}

static void expect_drop(const struct bed_frame *frame, enum drop reason)
{
	struct pkt *pkt = bed_pass(&b, 0, frame);

	assert_int_equal(pkt->drop, reason);
	assert_int_equal(b.n_out, 0);
}

/* One packet left, by interface i; it is in got. */
static void expect_out(uint32_t i)
{
	assert_int_equal(b.n_out, 1);
	assert_ptr_equal(b.out_iface[0], &b.ifaces[i]);
	frame_of_pkt(&got, b.out[0]);
}

/* --- forwarding --- */

TEST(a_packet_goes_to_the_station_of_the_other_network_one_hop_less)
{
	two_networks();
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1000, 2000, 300);
	bed_pass(&b, 0, &f);
	expect_out(1);
	assert_int_equal(got.len, f.len);
	assert_true(ethernet_dst(got.bytes) == STATION(2));
	assert_true(ethernet_src(got.bytes) == 0x020000000001ull);
	assert_int_equal(ip4_ttl(frame_l3(&got)), 63);
	assert_true(frame_ip4_sound(&got));
	assert_memory_equal(frame_l3(&got) + 12, frame_l3(&f) + 12, f.len - ETHERNET_HEADER_LEN - 12);
	bed_close(&b);
}

TEST(a_packet_of_ip6_goes_to_the_other_network_one_hop_less)
{
	two_networks();
	frame_udp(&f, 0, "2001:db8:0::2", "2001:db8:1::2", 1000, 2000, 300);
	bed_pass(&b, 0, &f);
	expect_out(1);
	assert_true(ethernet_dst(got.bytes) == STATION(2));
	assert_int_equal(ip6_hop_limit(frame_l3(&got)), 63);
	assert_memory_equal(frame_l3(&got) + 8, frame_l3(&f) + 8, f.len - ETHERNET_HEADER_LEN - 8);
	bed_close(&b);
}

TEST(every_time_to_live_leaves_a_header_whose_checksum_is_right)
{
	two_networks();
	for (uint32_t id = 0; id < 65536; id += 7) {
		frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
		ip4_set_id(frame_l3(&f), (uint16_t)id);
		frame_l3(&f)[8] = (uint8_t)(2 + id % 254);
		ip4_set_csum(frame_l3(&f), IP4_HEADER_MIN);
		bed_pass(&b, 0, &f);
		expect_out(1);
		assert_true(frame_ip4_sound(&got));
	}
	bed_close(&b);
}

TEST(the_longest_prefix_wins_and_a_gateway_gets_what_goes_by_it)
{
	two_networks();
	assert_int_equal(bed_route(&b, "0.0.0.0/0", "10.0.1.2", -1), 0);
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "10.0.0.2", -1), 0);
	frame_udp(&f, 0, "10.0.0.9", "198.51.100.1", 1, 2, 10);
	bed_pass(&b, 0, &f);
	expect_out(1);
	assert_true(ethernet_dst(got.bytes) == STATION(2));
	frame_udp(&f, 1, "10.0.1.9", "192.0.2.77", 1, 2, 10);
	bed_pass(&b, 1, &f);
	expect_out(0);
	assert_true(ethernet_dst(got.bytes) == STATION(1));
	bed_close(&b);
}

TEST(flows_are_spread_over_ways_by_weight_and_each_keeps_its_own)
{
	uint32_t by[2] = {0};
	struct ip_prefix p = prefix_of("192.0.2.0/24");
	struct ip_path three = {.has_via = true, .via = addr_of("10.0.1.2"), .weight = 3};

	two_networks();
	bed_addr(&b, 2, "10.0.2.1/24");
	bed_neigh(&b, 2, "10.0.2.2", STATION(3));
	bed_drain(&b);
	assert_int_equal(ip_route_add(b.ip, 0, &p, &three), 0);
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "10.0.2.2", -1), 0);
	for (uint16_t port = 0; port < 1000; port++) {
		struct iface *first;

		frame_udp(&f, 0, "10.0.0.2", "192.0.2.1", (uint16_t)(10000 + port), 53, 10);
		bed_pass(&b, 0, &f);
		assert_int_equal(b.n_out, 1);
		first = b.out_iface[0];
		by[first == &b.ifaces[2]]++;
		bed_pass(&b, 0, &f);
		assert_ptr_equal(b.out_iface[0], first);
	}
	assert_in_range(by[0], 650, 850);
	assert_in_range(by[1], 150, 350);
	bed_close(&b);
}

TEST(a_packet_without_a_way_is_answered_unreachable)
{
	two_networks();
	frame_udp(&f, 0, "10.0.0.2", "198.51.100.1", 1, 2, 10);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_NO_ROUTE);
	expect_out(0);
	assert_true(frame_ip4_sound(&got));
	assert_int_equal(frame_l3(&got)[20], ICMP4_UNREACHABLE);
	assert_int_equal(csum_fold(csum_sum(frame_l3(&got) + 20, got.len - 34)), 0xffff);
	assert_memory_equal(frame_l3(&got) + 28, frame_l3(&f), f.len - ETHERNET_HEADER_LEN);
	bed_close(&b);
}

TEST(a_packet_whose_time_is_up_is_answered_so_and_quoted_as_it_came)
{
	two_networks();
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
	frame_l3(&f)[8] = 1;
	ip4_set_csum(frame_l3(&f), IP4_HEADER_MIN);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_TTL);
	expect_out(0);
	assert_int_equal(frame_l3(&got)[20], ICMP4_TIME_EXCEEDED);
	assert_memory_equal(frame_l3(&got) + 28, frame_l3(&f), f.len - ETHERNET_HEADER_LEN);
	frame_udp(&f, 0, "2001:db8:0::2", "2001:db8:1::2", 1, 2, 10);
	frame_l3(&f)[7] = 1;
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_TTL);
	expect_out(0);
	assert_int_equal(frame_l3(&got)[40], ICMP6_TIME_EXCEEDED);
	bed_close(&b);
}

TEST(errors_are_limited_and_never_answer_errors)
{
	uint32_t answered = 0;
	static const uint8_t unreachable[36] = {ICMP4_UNREACHABLE};

	two_networks();
	for (int i = 0; i < 1000; i++) {
		frame_udp(&f, 0, "10.0.0.2", "198.51.100.1", 1, 2, 10);
		bed_pass(&b, 0, &f);
		answered += b.n_out;
	}
	assert_in_range(answered, 150, 250);
	b.now_ns += 10 * NS_PER_S;
	frame_ip(&f, 0, "10.0.0.2", "198.51.100.1", IP_PROTO_ICMP, unreachable, sizeof(unreachable));
	expect_drop(&f, DROP_IP_NO_ROUTE);
	bed_close(&b);
}

/* --- sizes --- */

TEST(a_packet_too_large_for_its_way_is_cut_and_fits_together_again)
{
	static uint8_t whole[4000];
	uint32_t at = 0;

	two_networks();
	b.ifaces[1].mtu = 576;
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1000, 2000, 1400);
	bed_pass(&b, 0, &f);
	assert_int_equal(b.n_out, 3);
	for (uint32_t i = 0; i < b.n_out; i++) {
		const uint8_t *p = frame_l3(&got);

		frame_of_pkt(&got, b.out[i]);
		assert_true(frame_ip4_sound(&got));
		assert_true(ip4_total_len(p) <= 576);
		assert_int_equal(ip4_total_len(p), got.len - ETHERNET_HEADER_LEN);
		assert_int_equal(ip4_fragment_at(p), at);
		assert_int_equal(ip4_more_fragments(p), i + 1 < b.n_out);
		memcpy(whole + at, p + 20, ip4_total_len(p) - 20u);
		at += ip4_total_len(p) - 20u;
	}
	assert_int_equal(at, 1408);
	assert_memory_equal(whole, frame_l3(&f) + 20, at);
	bed_close(&b);
}

TEST(who_forbids_to_cut_is_told_the_size_that_fits)
{
	two_networks();
	b.ifaces[1].mtu = 1280;
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1000, 2000, 1400);
	frame_l3(&f)[6] = 0x40;
	ip4_set_csum(frame_l3(&f), IP4_HEADER_MIN);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_MTU);
	expect_out(0);
	assert_int_equal(frame_l3(&got)[20], ICMP4_UNREACHABLE);
	assert_int_equal(frame_l3(&got)[21], ICMP4_FRAGMENTATION);
	assert_int_equal(be16_get(frame_l3(&got) + 26), 1280);
	frame_udp(&f, 0, "2001:db8:0::2", "2001:db8:1::2", 1000, 2000, 1400);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_MTU);
	expect_out(0);
	assert_int_equal(frame_l3(&got)[40], ICMP6_TOO_BIG);
	assert_int_equal(be32_get(frame_l3(&got) + 44), 1280);
	bed_close(&b);
}

/* --- what is refused --- */

TEST(malformed_headers_are_dropped_each_by_its_name)
{
	static const struct {
		uint32_t at;
		uint8_t value;
		enum drop reason;
	} bad[] = {
		{0, 0x55, DROP_IP4_HEADER}, /* version */
		{0, 0x44, DROP_IP4_HEADER}, /* header of 16 bytes */
		{0, 0x4f, DROP_IP4_HEADER}, /* options behind the end */
		{3, 10, DROP_IP4_HEADER},   /* shorter than the header */
		{2, 0x10, DROP_IP4_HEADER}, /* longer than the frame */
		{11, 0x99, DROP_IP4_CSUM},
	};

	two_networks();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
		frame_l3(&f)[bad[i].at] = bad[i].value;
		if (bad[i].at == 3)
			frame_l3(&f)[2] = 0;
		expect_drop(&f, bad[i].reason);
	}
	for (uint32_t len = ETHERNET_HEADER_LEN; len < ETHERNET_HEADER_LEN + 38; len++) {
		frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
		f.len = len;
		expect_drop(&f, DROP_IP4_HEADER);
	}
	for (uint32_t len = ETHERNET_HEADER_LEN; len < ETHERNET_HEADER_LEN + 58; len++) {
		frame_udp(&f, 0, "2001:db8:0::2", "2001:db8:1::2", 1, 2, 10);
		f.len = len;
		expect_drop(&f, DROP_IP6_HEADER);
	}
	bed_close(&b);
}

TEST(addresses_that_no_station_has_are_martians)
{
	static const char *const pairs[][2] = {
		{"127.0.0.1", "10.0.1.2"},
		{"224.0.0.5", "10.0.1.2"},
		{"255.255.255.255", "10.0.1.2"},
		{"0.1.2.3", "10.0.1.2"},
		{"10.0.0.2", "127.0.0.1"},
		{"10.0.0.2", "0.0.0.0"},
		{"10.0.0.2", "240.0.0.1"},
		{"::1", "2001:db8:1::2"},
		{"ff02::1", "2001:db8:1::2"},
		{"::ffff:10.0.0.1", "2001:db8:1::2"},
		{"2001:db8::2", "::1"},
		{"fe80::2", "2001:db8:1::2"},
	};

	two_networks();
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		frame_udp(&f, 0, pairs[i][0], pairs[i][1], 1, 2, 10);
		expect_drop(&f, DROP_IP_MARTIAN);
	}
	/* a frame to all is no packet to forward */
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
	memset(f.bytes, 0xff, 6);
	expect_drop(&f, DROP_IP_MARTIAN);
	bed_close(&b);
}

TEST(frames_for_others_and_of_other_kinds_are_not_ours)
{
	two_networks();
	frame_udp(&f, 2, "10.0.0.2", "10.0.1.2", 1, 2, 10);
	expect_drop(&f, DROP_NOT_FOR_US);
	frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
	be16_set(f.bytes + ETHERNET_TYPE_AT, 0x88cc);
	expect_drop(&f, DROP_L3_TYPE);
	bed_close(&b);
}

TEST(source_routes_are_refused_and_other_options_carried_on)
{
	uint8_t *p = frame_l3(&f);

	two_networks();
	for (int route = 0; route < 2; route++) {
		frame_udp(&f, 0, "10.0.0.2", "10.0.1.2", 1, 2, 10);
		memmove(p + 24, p + 20, 18);
		f.len += 4;
		p[0] = 0x46;
		ip4_set_total_len(p, 42);
		p[20] = route ? 0x83 : 0x94;
		p[21] = 4;
		p[22] = 0;
		p[23] = 0;
		ip4_set_csum(p, 24);
		if (route) {
			expect_drop(&f, DROP_IP_OPTIONS);
		} else {
			bed_pass(&b, 0, &f);
			expect_out(1);
			assert_true(frame_ip4_sound(&got));
		}
	}
	bed_close(&b);
}

/* --- tables --- */

TEST(tables_do_not_see_each_others_routes)
{
	two_networks();
	assert_int_equal(ip_table_add(b.ip, 7), 0);
	assert_int_equal(ip_iface_set_table(b.ip, &b.ifaces[2], 7), 0);
	bed_addr(&b, 2, "10.0.0.1/24"); /* the same address, in another table */
	bed_drain(&b);
	frame_udp(&f, 2, "10.0.0.2", "10.0.1.2", 1, 2, 10);
	assert_int_equal(bed_pass(&b, 2, &f)->drop, DROP_IP_NO_ROUTE);
	assert_int_equal(ip_table_del(b.ip, 7), -EBUSY);
	ip_iface_clear(b.ip, &b.ifaces[2]);
	assert_int_equal(ip_table_del(b.ip, 7), 0);
	bed_close(&b);
}

TEST(routes_by_an_interface_go_with_its_addresses)
{
	struct ip_prefix gone = prefix_of("10.0.1.1/24");
	uint32_t before;

	two_networks();
	before = b.ip->tables[0]->fib4.n;
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "10.0.1.2", -1), 0);
	assert_int_equal(bed_route(&b, "192.0.3.0/24", "10.0.1.2", -1), 0);
	assert_int_equal(bed_route(&b, "192.0.3.0/24", "10.0.0.2", -1), 0);
	ip_iface_clear(b.ip, &b.ifaces[1]);
	frame_udp(&f, 0, "10.0.0.2", "192.0.2.1", 1, 2, 10);
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_IP_NO_ROUTE);
	frame_udp(&f, 0, "10.0.0.2", "192.0.3.1", 1, 2, 10);
	bed_pass(&b, 0, &f);
	expect_out(0);
	assert_int_equal(b.ip->tables[0]->fib4.n, before - 3 + 1);
	assert_int_equal(ip_iface_del_addr(b.ip, &b.ifaces[1], &gone), -ENOENT);
	bed_close(&b);
}

TEST(a_route_is_refused_that_cannot_be)
{
	struct ip_prefix p = prefix_of("192.0.2.0/24"), own = prefix_of("10.0.0.0/24");

	two_networks();
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "172.16.0.1", -1), -ENETUNREACH);
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "2001:db8::2", -1), -EINVAL);
	assert_int_equal(bed_route(&b, "192.0.2.0/24", NULL, 3), -EINVAL);
	assert_int_equal(bed_route(&b, "10.0.0.0/24", "10.0.1.2", -1), -EEXIST);
	assert_int_equal(ip_route_add(b.ip, 5, &p, &(struct ip_path){.drop = true}), -ENOENT);
	assert_int_equal(ip_route_del(b.ip, 0, &own, NULL), -EBUSY);
	assert_int_equal(ip_route_del(b.ip, 0, &p, NULL), -ENOENT);
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "10.0.1.2", -1), 0);
	assert_int_equal(bed_route(&b, "192.0.2.0/24", "10.0.1.2", -1), -EEXIST);
	assert_int_equal(ip_route_del(b.ip, 0, &p, NULL), 0);
	bed_close(&b);
}

TESTS(cmocka_unit_test(a_packet_goes_to_the_station_of_the_other_network_one_hop_less),
	cmocka_unit_test(a_packet_of_ip6_goes_to_the_other_network_one_hop_less),
	cmocka_unit_test(every_time_to_live_leaves_a_header_whose_checksum_is_right),
	cmocka_unit_test(the_longest_prefix_wins_and_a_gateway_gets_what_goes_by_it),
	cmocka_unit_test(flows_are_spread_over_ways_by_weight_and_each_keeps_its_own),
	cmocka_unit_test(a_packet_without_a_way_is_answered_unreachable),
	cmocka_unit_test(a_packet_whose_time_is_up_is_answered_so_and_quoted_as_it_came),
	cmocka_unit_test(errors_are_limited_and_never_answer_errors),
	cmocka_unit_test(a_packet_too_large_for_its_way_is_cut_and_fits_together_again),
	cmocka_unit_test(who_forbids_to_cut_is_told_the_size_that_fits),
	cmocka_unit_test(malformed_headers_are_dropped_each_by_its_name),
	cmocka_unit_test(addresses_that_no_station_has_are_martians),
	cmocka_unit_test(frames_for_others_and_of_other_kinds_are_not_ours),
	cmocka_unit_test(source_routes_are_refused_and_other_options_carried_on),
	cmocka_unit_test(tables_do_not_see_each_others_routes),
	cmocka_unit_test(routes_by_an_interface_go_with_its_addresses),
	cmocka_unit_test(a_route_is_refused_that_cannot_be))
