/* SPDX-License-Identifier: Apache-2.0 */
/* The ping command: what it sends, what it takes for an answer, when it ends. Time is the test's. */
#include "ip/ip_bed.h"

#include "ctl/later.h"
#include "ctl/rpc.h"

static struct bed b;
static struct bed_frame got, f;
static struct ctl *ctl;
static struct laters laters;
static char heard[8192];
static uint64_t next_ns;

static json_t *parse_interface(void *subject, const char *text)
{
	for (uint32_t i = 0; i < BED_IFACES; i++)
		if (strcmp(b.ifaces[i].name, text) == 0)
			return json_integer(b.ifaces[i].idx);
	return NULL;
}

static void each_interface(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
}

static const struct ctl_type interface_type = {
	"interface", "an interface", parse_interface, each_interface, NULL};

static void hear(void *arg, const char *line)
{
	const char *result = strstr(line, "\"text\":\"");

	snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s", result ? result + 8 : line);
	if (result)
		*strrchr(heard, '"') = '\0';
}

static void arm(void *subject)
{
	next_ns = 0;
}

static void open_one(void)
{
	bed_open(&b);
	bed_addr(&b, 0, "10.0.0.1/24");
	bed_addr(&b, 0, "2001:db8::1/64");
	bed_addr(&b, 1, "10.0.1.1/24");
	bed_neigh(&b, 0, "10.0.0.2", STATION(1));
	bed_neigh(&b, 0, "2001:db8::2", STATION(1));
	bed_drain(&b);
	ip_set_ping_alarm(b.ip, arm, NULL);
	next_ns = UINT64_MAX;
	heard[0] = '\0';
	laters_init(&laters, hear, NULL);
	assert_int_equal(ctl_create(&ctl), 0);
	ctl_add_type(ctl, &ip_address_type, NULL);
	ctl_add_type(ctl, &interface_type, NULL);
	ctl_add_table(ctl, &ping_commands, b.ip);
}

static void close_one(void)
{
	laters_abandon(&laters);
	ctl_destroy(ctl);
	bed_close(&b);
}

/* A line as the shell sends it: text, in parts. What is said at once, an error, is heard too. */
static void say(const char *line)
{
	char request[512];
	char *answer;
	int n = snprintf(request, sizeof(request),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":\"%s\",\"parts\":"
		"true}}",
		line);

	heard[0] = '\0';
	answer = rpc_answer(ctl, request, (size_t)n, &laters);
	if (answer)
		snprintf(heard, sizeof(heard), "%s", answer);
	free(answer);
}

/* Time passes up to this many milliseconds from now, and control does what is due; each worker's turn has its packets in b.out. */
static void pass_ms(uint64_t ms)
{
	b.now_ns += ms * NS_PER_MS;
	if (next_ns <= b.now_ns)
		next_ns = ip_pings_run(b.ip, b.now_ns);
	turn_begin(b.turn, b.now_ns);
	bed_run(&b);
}

static uint32_t l4(const struct bed_frame *frame)
{
	return ETHERNET_HEADER_LEN + ip_header_len(frame->bytes[ETHERNET_HEADER_LEN] >> 4 == 6);
}

/* The station's answer to what left: the same, the other way round. */
static void make_reply(void)
{
	uint8_t swap[IP6_LEN], *p = frame_l3(&got), *icmp = got.bytes + l4(&got);
	bool ip6 = p[0] >> 4 == 6;
	uint32_t len = got.len - l4(&got), addr_len = ip6 ? IP6_LEN : IP4_LEN;
	uint8_t *src = p + (ip6 ? 8 : 12), *dst = src + addr_len;
	uint16_t csum;

	memcpy(swap, src, addr_len);
	memcpy(src, dst, addr_len);
	memcpy(dst, swap, addr_len);
	ethernet_rewrite(got.bytes, 0x020000000000ull, STATION(1));
	p[ip6 ? 7 : 8] = 55;
	icmp[0] = ip6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY;
	if (ip6) {
		icmp6_csum(p, len);
		return;
	}
	ip4_set_csum(p, IP4_HEADER_MIN);
	memset(icmp + ICMP_CSUM_OFFSET, 0, 2);
	csum = (uint16_t)~csum_fold(csum_sum(icmp, len));
	memcpy(icmp + ICMP_CSUM_OFFSET, &csum, 2);
}

/* What left is an echo request; answers after so many microseconds. */
static void answer_us(uint64_t us)
{
	assert_int_equal(b.n_out, 1);
	frame_of_pkt(&got, b.out[0]);
	make_reply();
	b.now_ns += us * NS_PER_US;
	turn_begin(b.turn, b.now_ns);
	bed_rx(&b, 0, got.bytes, got.len);
	bed_run(&b);
}

TEST(requests_are_sent_a_second_apart_and_answers_told_as_they_come)
{
	open_one();
	say("ping 10.0.0.2 repeat 2");
	assert_string_equal(heard, "");
	pass_ms(0);
	assert_ptr_equal(b.out_iface[0], &b.ifaces[0]);
	answer_us(123);
	assert_string_equal(heard, "");
	pass_ms(10);
	assert_string_equal(heard, "96 bytes from 10.0.0.2: icmp_seq=1 ttl=55 time=.1230 ms\\n");
	heard[0] = '\0';
	pass_ms(900);
	assert_int_equal(b.n_out, 0);
	pass_ms(100);
	answer_us(12345);
	pass_ms(10);
	assert_string_equal(heard, "96 bytes from 10.0.0.2: icmp_seq=2 ttl=55 time=12.3450 ms\\n"
				   "Statistics: 2 sent, 2 received, 0% packet loss\\n");
	assert_true(next_ns == UINT64_MAX);
	close_one();
}

TEST(ip6_is_asked_in_the_same_words)
{
	open_one();
	say("ping ipv6 2001:db8::2 repeat 1");
	pass_ms(0);
	answer_us(1000);
	pass_ms(10);
	assert_string_equal(heard, "116 bytes from 2001:db8::2: icmp_seq=1 ttl=55 time=1.0000 ms\\n"
				   "Statistics: 1 sent, 1 received, 0% packet loss\\n");
	say("ping ipv4 2001:db8::2");
	assert_non_null(strstr(heard, "2001:db8::2 is an address of IPv6"));
	close_one();
}

TEST(what_is_lost_is_waited_for_and_then_given_up)
{
	open_one();
	say("ping 10.0.0.2 repeat 3 interval 0.5");
	for (int i = 0; i < 3; i++) {
		pass_ms(i ? 500 : 0);
		assert_int_equal(b.n_out, 1);
		if (i == 1)
			answer_us(10);
	}
	pass_ms(4900);
	assert_string_equal(heard, "96 bytes from 10.0.0.2: icmp_seq=2 ttl=55 time=.0100 ms\\n");
	pass_ms(100);
	assert_non_null(strstr(heard, "Statistics: 3 sent, 1 received, 66.6667% packet loss"));
	assert_int_equal(laters.n, 0);
	close_one();
}

TEST(only_the_station_that_was_asked_answers_and_only_once)
{
	open_one();
	say("ping 10.0.0.2 repeat 1");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	make_reply();
	f = got;
	frame_l3(&f)[15] = 3; /* from another station */
	ip4_set_csum(frame_l3(&f), IP4_HEADER_MIN);
	bed_pass(&b, 0, &f);
	f = got;
	f.bytes[l4(&f) + 4] ^= 1; /* another identifier, and then another number */
	f.bytes[l4(&f) + ICMP_CSUM_OFFSET] ^= 1;
	bed_pass(&b, 0, &f);
	f = got;
	f.bytes[l4(&f) + 7] ^= 2;
	f.bytes[l4(&f) + ICMP_CSUM_OFFSET + 1] ^= 2;
	bed_pass(&b, 0, &f);
	f = got;
	f.bytes[f.len - 1] ^= 1; /* damaged */
	assert_int_equal(bed_pass(&b, 0, &f)->drop, DROP_ICMP_MALFORMED);
	pass_ms(10);
	assert_string_equal(heard, "");
	bed_pass(&b, 0, &got);
	bed_pass(&b, 0, &got);
	pass_ms(10);
	assert_non_null(strstr(heard, "icmp_seq=1"));
	assert_non_null(strstr(heard, "1 sent, 1 received, 0% packet loss"));
	bed_pass(&b, 0, &got); /* and afterwards it is nobody's */
	close_one();
}

/* A router's message about what left, which is as long as it quotes it. */
static void refuse(uint8_t type, uint8_t code, uint16_t mtu)
{
	uint8_t quoted[128], *p = frame_l3(&got);
	bool ip6 = p[0] >> 4 == 6;
	uint32_t addr_len = ip6 ? IP6_LEN : IP4_LEN, header_len = ip_header_len(ip6), len;
	uint8_t *icmp = p + header_len, *src = p + (ip6 ? 8 : 12);

	len = min_u32(got.len - ETHERNET_HEADER_LEN, sizeof(quoted));
	memcpy(quoted, p, len);
	memcpy(src + addr_len, src, addr_len);
	src[addr_len - 1] = 0xfe;
	ethernet_rewrite(got.bytes, 0x020000000000ull, STATION(1));
	memset(icmp, 0, ICMP_HEADER_LEN);
	icmp[0] = type;
	icmp[1] = code;
	be16_set(icmp + 6, mtu);
	memcpy(icmp + ICMP_HEADER_LEN, quoted, len);
	len += ICMP_HEADER_LEN;
	got.len = l4(&got) + len;
	if (ip6) {
		ip6_set_payload_len(p, (uint16_t)len);
		p[6] = IP_PROTO_ICMP6;
		icmp6_csum(p, len);
	} else {
		uint16_t csum = (uint16_t)~csum_fold(csum_sum(icmp, len));

		ip4_set_total_len(p, (uint16_t)(header_len + len));
		p[6] = p[7] = 0;
		ip4_set_csum(p, IP4_HEADER_MIN);
		memcpy(icmp + ICMP_CSUM_OFFSET, &csum, sizeof(csum));
	}
	b.now_ns += NS_PER_MS;
	turn_begin(b.turn, b.now_ns);
	bed_rx(&b, 0, got.bytes, got.len);
	bed_run(&b);
}

TEST(who_says_that_a_request_got_no_further_is_quoted)
{
	open_one();
	say("ping 10.0.0.2 repeat 1");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	refuse(ICMP4_UNREACHABLE, ICMP4_ADMIN, 0);
	pass_ms(10);
	assert_string_equal(heard, "From 10.0.0.254: icmp_seq=1 prohibited\\n"
				   "Statistics: 1 sent, 0 received, 1 errors, 100% packet loss\\n");
	say("ping 2001:db8::2 repeat 1");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	refuse(ICMP6_TIME_EXCEEDED, ICMP6_HOPS, 0);
	pass_ms(10);
	assert_non_null(strstr(heard, "From 2001:db8::fe: icmp_seq=1 hop limit exceeded\\n"));
	say("ping 10.0.0.2 repeat 1 df-bit");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	refuse(ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION, 1400);
	pass_ms(10);
	assert_non_null(
		strstr(heard, "From 10.0.0.254: icmp_seq=1 too big, and must not be cut: the MTU is 1400"));
	say("ping 10.0.0.2 repeat 1");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	refuse(ICMP4_PARAMETER, 7, 0);
	pass_ms(10);
	assert_non_null(strstr(heard, "icmp_seq=1 ICMP type 12, code 7"));
	close_one();
}

TEST(of_a_request_in_fragments_the_first_one_is_recognized)
{
	open_one();
	say("ping 2001:db8::2 repeat 1 size 3000");
	pass_ms(0);
	assert_int_equal(b.n_out, 3);
	frame_of_pkt(&got, b.out[1]);
	f = got;
	frame_of_pkt(&got, b.out[0]);
	refuse(ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0);
	pass_ms(10);
	assert_non_null(strstr(heard, "icmp_seq=1 no route"));
	say("ping 2001:db8::2 repeat 1");
	pass_ms(0);
	got = f; /* what it quotes has no number */
	refuse(ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0);
	pass_ms(10);
	assert_string_equal(heard, "");
	close_one();
}

TEST(a_message_that_is_not_about_a_request_of_ours_says_nothing)
{
	open_one();
	say("ping 10.0.0.2 repeat 1");
	pass_ms(0);
	frame_of_pkt(&f, b.out[0]);
	got = f;
	refuse(ICMP4_REDIRECT, 1, 0); /* it went on */
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t at[] = {19, 24, 27}; /* another destination, identifier, number */

		got = f;
		frame_l3(&got)[at[i]] ^= 1;
		refuse(ICMP4_UNREACHABLE, ICMP4_HOST, 0);
	}
	for (uint32_t len = 0; len < IP4_HEADER_MIN + ICMP_HEADER_LEN; len++) { /* too little of it */
		got = f;
		got.len = ETHERNET_HEADER_LEN + len;
		refuse(ICMP4_UNREACHABLE, ICMP4_HOST, 0);
	}
	pass_ms(10);
	assert_string_equal(heard, "");
	got = f;
	refuse(ICMP4_UNREACHABLE, ICMP4_HOST, 0);
	pass_ms(10);
	assert_non_null(strstr(heard, "icmp_seq=1 host unreachable"));
	close_one();
}

TEST(a_neighbour_that_does_not_answer_is_reported_by_the_router_itself)
{
	open_one();
	say("ping 10.0.0.9 repeat 1");
	pass_ms(0);
	for (uint32_t i = 0; i < NEIGH_TRIES; i++) {
		assert_string_equal(heard, "");
		bed_tick(&b);
		pass_ms(10);
	}
	assert_string_equal(heard, "From 10.0.0.1: icmp_seq=1 host unreachable\\n"
				   "Statistics: 1 sent, 0 received, 1 errors, 100% packet loss\\n");
	close_one();
}

TEST(a_neighbour_that_is_asked_for_first_costs_time_and_no_packet)
{
	struct arp arp;

	open_one();
	say("ping 10.0.0.9 repeat 1");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	arp = arp_read(frame_l3(&got));
	assert_int_equal(arp.op, ARP_REQUEST);
	arp_write(f.bytes, 0x020000000000ull,
		&(struct arp){.op = ARP_REPLY,
			.sender_mac = STATION(1),
			.sender = arp.target,
			.target = arp.sender});
	f.len = ARP_FRAME_LEN;
	b.now_ns += 2 * NS_PER_MS;
	bed_pass(&b, 0, &f);
	answer_us(999);
	pass_ms(10);
	assert_non_null(strstr(heard, "icmp_seq=1 ttl=55 time=3.0000 ms"));
	close_one();
}

TEST(where_there_is_no_way_it_says_so_at_once)
{
	open_one();
	say("ping 192.0.2.1");
	assert_non_null(strstr(heard, "there is no way to 192.0.2.1: see show ip fib"));
	say("ping 10.0.0.1");
	assert_non_null(strstr(heard, "10.0.0.1 is an address of the router itself"));
	say("ping 10.0.0.2 table-id 7");
	assert_non_null(strstr(heard, "no interface has an address in table 7"));
	say("ping 10.0.0.2 interface port3");
	assert_non_null(strstr(heard, "port3 has no address"));
	say("ping 10.0.0.2 interval 0");
	assert_non_null(strstr(heard, "an interval is seconds from 0.1 to 3600, not '0'"));
	say("ping 10.0.0.2 repeat 0");
	assert_non_null(strstr(heard, "at least 1"));
	say("ping 10.0.0.2 size 65401");
	assert_non_null(strstr(heard, "a size is a number of bytes up to 65400"));
	assert_true(next_ns == UINT64_MAX);
	close_one();
}

TEST(the_source_may_be_another_interface_of_ours)
{
	open_one();
	say("ping 10.0.0.2 source port1 repeat 1");
	pass_ms(0);
	frame_of_pkt(&got, b.out[0]);
	assert_int_equal(ip4_src(frame_l3(&got)), 0x0a000101);
	assert_ptr_equal(b.out_iface[0], &b.ifaces[0]);
	answer_us(1);
	pass_ms(10);
	assert_non_null(strstr(heard, "1 received"));
	close_one();
}

TEST(a_link_local_address_is_asked_by_the_interface_that_is_named)
{
	open_one();
	say("ping fe80::1 interface port0 repeat 1");
	assert_string_equal(heard, "");
	pass_ms(0);
	assert_int_equal(b.n_out, 1); /* a solicitation */
	assert_ptr_equal(b.out_iface[0], &b.ifaces[0]);
	close_one();
}

TEST(what_is_larger_than_the_mtu_goes_in_fragments_unless_it_must_not)
{
	open_one();
	say("ping 10.0.0.2 size 3000 repeat 1");
	pass_ms(0);
	assert_int_equal(b.n_out, 3);
	say("ping 10.0.0.2 size 1465 df-bit");
	assert_non_null(strstr(heard, "1501 bytes do not fit the MTU of port0, 1500"));
	laters_stop(&laters);
	say("ping 10.0.0.2 size 1464 df-bit repeat 1");
	pass_ms(0);
	assert_int_equal(b.n_out, 1);
	frame_of_pkt(&got, b.out[0]);
	assert_true(frame_ip4_sound(&got));
	assert_int_equal(frame_l3(&got)[6], 0x40);
	close_one();
}

TEST(several_run_at_once_up_to_a_limit)
{
	open_one();
	for (int i = 0; i < PINGS_MAX; i++) {
		say("ping 10.0.0.2 repeat 1");
		assert_string_equal(heard, "");
	}
	assert_int_equal(laters.n, PINGS_MAX);
	say("ping 10.0.0.2");
	assert_non_null(strstr(heard, "16 pings run already"));
	pass_ms(0);
	assert_int_equal(b.n_out, PINGS_MAX);
	laters_abandon(&laters);
	say("ping 10.0.0.2 repeat 1");
	assert_int_equal(laters.n, 1);
	close_one();
}

TEST(one_that_is_cancelled_ends_with_what_it_has)
{
	open_one();
	say("ping 10.0.0.2");
	pass_ms(0);
	answer_us(1);
	pass_ms(10);
	heard[0] = '\0';
	laters_stop(&laters);
	assert_string_equal(heard, "Statistics: 1 sent, 1 received, 0% packet loss\\n");
	pass_ms(2000);
	assert_int_equal(b.n_out, 0);
	close_one();
}

TEST(an_interface_that_goes_away_meanwhile_loses_what_is_to_come)
{
	open_one();
	say("ping 10.0.0.2 repeat 2");
	ip_iface_clear(b.ip, &b.ifaces[0]);
	pass_ms(0);
	assert_int_equal(b.n_out, 0);
	iface_remove(b.table, &b.ifaces[0]);
	pass_ms(1000);
	pass_ms(5000);
	assert_non_null(strstr(heard, "Statistics: 2 sent, 0 received, 100% packet loss"));
	close_one();
}

TESTS(cmocka_unit_test(requests_are_sent_a_second_apart_and_answers_told_as_they_come),
	cmocka_unit_test(ip6_is_asked_in_the_same_words),
	cmocka_unit_test(what_is_lost_is_waited_for_and_then_given_up),
	cmocka_unit_test(only_the_station_that_was_asked_answers_and_only_once),
	cmocka_unit_test(who_says_that_a_request_got_no_further_is_quoted),
	cmocka_unit_test(of_a_request_in_fragments_the_first_one_is_recognized),
	cmocka_unit_test(a_message_that_is_not_about_a_request_of_ours_says_nothing),
	cmocka_unit_test(a_neighbour_that_does_not_answer_is_reported_by_the_router_itself),
	cmocka_unit_test(a_neighbour_that_is_asked_for_first_costs_time_and_no_packet),
	cmocka_unit_test(where_there_is_no_way_it_says_so_at_once),
	cmocka_unit_test(the_source_may_be_another_interface_of_ours),
	cmocka_unit_test(a_link_local_address_is_asked_by_the_interface_that_is_named),
	cmocka_unit_test(what_is_larger_than_the_mtu_goes_in_fragments_unless_it_must_not),
	cmocka_unit_test(several_run_at_once_up_to_a_limit),
	cmocka_unit_test(one_that_is_cancelled_ends_with_what_it_has),
	cmocka_unit_test(an_interface_that_goes_away_meanwhile_loses_what_is_to_come))
