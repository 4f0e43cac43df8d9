/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44.h"

#include "base/test.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <stdlib.h>

#define OUTSIDE 0xc0000201u /* 192.0.2.1 */
#define GUEST   0x0a000005u
#define SERVER  0xc6336407u
#define L3      ETHERNET_HEADER_LEN
#define L4      (L3 + IP4_HEADER_MIN)

struct bed {
	struct nat44 nat;
	struct pkt pkt;
};

static struct bed *bed(void)
{
	const struct nat44_limits limits = {.sessions = 100, .sessions_per_host = 100};
	struct bed *b = aligned_alloc(CACHE_LINE, sizeof(*b));

	assert_non_null(b);
	memset(b, 0, sizeof(*b));
	b->nat.table = nat44_table_create(&limits, 1);
	assert_non_null(b->nat.table);
	nat44_table_add_address(b->nat.table, OUTSIDE);
	return b;
}

static void bed_free(struct bed *b)
{
	nat44_table_destroy(b->nat.table);
	free(b);
}

static void put_ip(uint8_t *p, uint8_t proto, uint32_t src, uint32_t dst, uint32_t len)
{
	memset(p, 0, IP4_HEADER_MIN);
	p[0] = 0x45;
	p[8] = 64;
	p[9] = proto;
	ip4_set_total_len(p, (uint16_t)(IP4_HEADER_MIN + len));
	be32_set(p + 12, src);
	be32_set(p + 16, dst);
	ip4_set_csum(p, IP4_HEADER_MIN);
}

static uint32_t csum_at(uint8_t proto)
{
	return proto == IP_PROTO_TCP   ? TCP_CSUM_OFFSET
	       : proto == IP_PROTO_UDP ? UDP_CSUM_OFFSET
				       : ICMP_CSUM_OFFSET;
}

/* What layer 4 sums up to with its checksum; 0xffff when that is right. */
static uint16_t l4_sum(const uint8_t *ip)
{
	uint32_t len = ip4_total_len(ip) - IP4_HEADER_MIN;
	uint64_t sum = csum_sum(ip + IP4_HEADER_MIN, len);

	if (ip4_proto(ip) != IP_PROTO_ICMP)
		sum = csum_add(sum, ip4_pseudo_sum(ip, ip4_proto(ip), len));
	return csum_fold(sum);
}

static void put_l4_csum(uint8_t *ip)
{
	uint8_t *p = ip + IP4_HEADER_MIN + csum_at(ip4_proto(ip));
	uint16_t csum;

	memset(p, 0, 2);
	csum = (uint16_t)~l4_sum(ip);
	memcpy(p, &csum, sizeof(csum));
}

/* A packet of len bytes behind the IP header at `ip`; ports or what ICMP has there. */
static void put(
	uint8_t *ip, uint8_t proto, struct nat44_endpoint src, struct nat44_endpoint dst, uint32_t len)
{
	uint8_t *l4 = ip + IP4_HEADER_MIN;

	put_ip(ip, proto, src.ip, dst.ip, len);
	for (uint32_t i = 0; i < len; i++)
		l4[i] = (uint8_t)(i * 7 + 3);
	be16_set(l4, src.port);
	be16_set(l4 + 2, dst.port);
	if (proto == IP_PROTO_TCP)
		l4[13] = TCP_SYN;
	if (proto == IP_PROTO_UDP)
		udp_set_len(l4, (uint16_t)len);
	if (proto == IP_PROTO_ICMP) {
		l4[0] = src.port ? ICMP4_ECHO : ICMP4_ECHO_REPLY;
		l4[1] = 0;
		be16_set(l4 + 4, src.port ? src.port : dst.port);
	}
	put_l4_csum(ip);
}

static struct pkt *packet(
	struct bed *b, uint8_t proto, struct nat44_endpoint src, struct nat44_endpoint dst, uint32_t len)
{
	pkt_init(&b->pkt, NULL);
	b->pkt.offload = (struct pkt_offload){0};
	b->pkt.head_len = (uint16_t)(L4 + len);
	put(b->pkt.data + L3, proto, src, dst, len);
	return &b->pkt;
}

static const struct nat44_endpoint guest = {GUEST, 4000}, server = {SERVER, 80}, outside = {OUTSIDE, 4000};

static void assert_endpoints(const uint8_t *ip, struct nat44_endpoint src, struct nat44_endpoint dst)
{
	assert_int_equal(ip4_src(ip), src.ip);
	assert_int_equal(ip4_dst(ip), dst.ip);
	assert_int_equal(csum_fold(csum_sum(ip, IP4_HEADER_MIN)), 0xffff);
	if (ip4_proto(ip) == IP_PROTO_ICMP)
		return;
	assert_int_equal(be16_get(ip + IP4_HEADER_MIN), src.port);
	assert_int_equal(be16_get(ip + IP4_HEADER_MIN + 2), dst.port);
}

static void assert_out_and_back(uint8_t proto)
{
	struct bed *b = bed();
	const struct nat44_endpoint busy = {GUEST + 1, 4000};
	struct nat44_endpoint other = {OUTSIDE, 0};
	struct pkt *pkt = packet(b, proto, guest, server, 30);

	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_endpoints(pkt->data + L3, outside, server);
	assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	pkt = packet(b, proto, server, outside, 31);
	assert_int_equal(nat44_in(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_endpoints(pkt->data + L3, server, guest);
	assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	/* another port than it wants */
	pkt = packet(b, proto, busy, server, 30);
	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
	other.port = be16_get(pkt->data + L4);
	assert_int_not_equal(other.port, 4000);
	assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	bed_free(b);
}

TEST(tcp_goes_out_and_comes_back_with_right_checksums)
{
	assert_out_and_back(IP_PROTO_TCP);
}

TEST(udp_goes_out_and_comes_back_with_right_checksums)
{
	assert_out_and_back(IP_PROTO_UDP);
}

TEST(an_echo_goes_out_and_comes_back)
{
	struct bed *b = bed();
	const struct nat44_endpoint nobody = {SERVER, 0}, busy = {GUEST + 1, 4000};
	struct pkt *pkt = packet(b, IP_PROTO_ICMP, guest, nobody, 40);
	uint16_t id;

	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_endpoints(pkt->data + L3, outside, nobody);
	assert_int_equal(icmp_id(pkt->data + L4), 4000);
	pkt = packet(b, IP_PROTO_ICMP, busy, nobody, 40);
	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
	id = icmp_id(pkt->data + L4);
	assert_int_not_equal(id, 4000);
	assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	pkt = packet(b, IP_PROTO_ICMP, nobody, (struct nat44_endpoint){OUTSIDE, id}, 40);
	assert_int_equal(nat44_in(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_endpoints(pkt->data + L3, nobody, busy);
	assert_int_equal(icmp_id(pkt->data + L4), 4000);
	assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	bed_free(b);
}

TEST(a_question_from_outside_is_for_nobody_inside)
{
	struct bed *b = bed();
	struct pkt *pkt = packet(b, IP_PROTO_ICMP, server, (struct nat44_endpoint){OUTSIDE, 0}, 40);

	assert_int_equal(nat44_in(&b->nat, pkt, L3, 0), DROP_NAT44_NO_SESSION);
	assert_endpoints(pkt->data + L3, server, (struct nat44_endpoint){OUTSIDE, 0});
	bed_free(b);
}

TEST(a_udp_checksum_of_zero_stays)
{
	struct bed *b = bed();
	struct pkt *pkt = packet(b, IP_PROTO_UDP, guest, server, 30);

	be16_set(pkt->data + L4 + UDP_CSUM_OFFSET, 0);
	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_int_equal(be16_get(pkt->data + L4 + UDP_CSUM_OFFSET), 0);
	bed_free(b);
}

TEST(a_udp_checksum_never_becomes_zero)
{
	/* whatever the payload is: all sums are tried */
	struct bed *b = bed();

	for (uint32_t i = 0; i <= UINT16_MAX; i++) {
		struct pkt *pkt = packet(b, IP_PROTO_UDP, guest, server, 10);

		be16_set(pkt->data + L4 + 8, (uint16_t)i);
		put_l4_csum(pkt->data + L3);
		if (be16_get(pkt->data + L4 + UDP_CSUM_OFFSET) == 0)
			be16_set(pkt->data + L4 + UDP_CSUM_OFFSET, 0xffff);
		assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
		assert_int_not_equal(be16_get(pkt->data + L4 + UDP_CSUM_OFFSET), 0);
		assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	}
	bed_free(b);
}

TEST(a_checksum_that_is_begun_follows_the_addresses_only)
{
	static const uint8_t protos[] = {IP_PROTO_TCP, IP_PROTO_UDP};

	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		struct bed *b = bed();
		uint32_t at = csum_at(protos[i]);
		struct pkt *pkt;
		uint16_t begun, want;

		/* another port, too */
		packet(b, protos[i], (struct nat44_endpoint){GUEST + 1, 4000}, server, 30);
		assert_int_equal(nat44_out(&b->nat, &b->pkt, L3, 0), DROP_NONE);
		pkt = packet(b, protos[i], guest, server, 30);
		pkt->offload =
			(struct pkt_offload){.csum = true, .csum_start = L4, .csum_offset = (uint16_t)at};
		begun = csum_fold(ip4_pseudo_sum(pkt->data + L3, protos[i], 30));
		memcpy(pkt->data + L4 + at, &begun, sizeof(begun));
		assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
		assert_int_not_equal(be16_get(pkt->data + L4), 4000);
		want = csum_fold(ip4_pseudo_sum(pkt->data + L3, protos[i], 30));
		assert_memory_equal(pkt->data + L4 + at, &want, sizeof(want));
		bed_free(b);
	}
}

/* An error from `from` to `to` that quotes a packet of which the first len bytes behind its IP header are there. */
static struct pkt *error(struct bed *b, uint32_t from, uint32_t to, uint8_t proto, struct nat44_endpoint src,
	struct nat44_endpoint dst, uint32_t len)
{
	uint8_t *ip, *quoted;

	pkt_init(&b->pkt, NULL);
	b->pkt.offload = (struct pkt_offload){0};
	ip = b->pkt.data + L3;
	quoted = ip + IP4_HEADER_MIN + ICMP_HEADER_LEN;
	put_ip(ip, IP_PROTO_ICMP, from, to, ICMP_HEADER_LEN + IP4_HEADER_MIN + len);
	put(quoted, proto, src, dst, 24);
	memset(ip + IP4_HEADER_MIN, 0, ICMP_HEADER_LEN);
	ip[IP4_HEADER_MIN] = ICMP4_UNREACHABLE;
	put_l4_csum(ip);
	b->pkt.head_len = (uint16_t)(L4 + ICMP_HEADER_LEN + IP4_HEADER_MIN + len);
	return &b->pkt;
}

static void assert_error(const struct pkt *pkt, uint32_t from, uint32_t to, struct nat44_endpoint src,
	struct nat44_endpoint dst, bool all)
{
	const uint8_t *ip = pkt->data + L3, *quoted = ip + IP4_HEADER_MIN + ICMP_HEADER_LEN;

	assert_endpoints(ip, (struct nat44_endpoint){.ip = from}, (struct nat44_endpoint){.ip = to});
	assert_int_equal(l4_sum(ip), 0xffff);
	assert_endpoints(quoted, src, dst);
	if (all)
		assert_int_equal(l4_sum(quoted), 0xffff);
}

TEST(an_error_about_what_went_out_finds_its_way_in)
{
	static const uint8_t protos[] = {IP_PROTO_TCP, IP_PROTO_UDP};

	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		for (uint32_t len = 8; len <= 24; len += 4) {
			struct bed *b = bed();
			const struct nat44_endpoint busy = {GUEST + 1, 4000};
			struct nat44_endpoint other = {OUTSIDE, 0};
			struct pkt *pkt;

			nat44_out(&b->nat, packet(b, protos[i], guest, server, 30), L3, 0);
			pkt = packet(b, protos[i], busy, server, 30);
			nat44_out(&b->nat, pkt, L3, 0);
			other.port = be16_get(pkt->data + L4);
			pkt = error(b, SERVER + 9, OUTSIDE, protos[i], other, server, len);
			assert_int_equal(nat44_in(&b->nat, pkt, L3, 0), DROP_NONE);
			assert_error(pkt, SERVER + 9, GUEST + 1, busy, server, len == 24);
			bed_free(b);
		}
}

TEST(an_error_about_what_came_in_goes_out_under_our_address)
{
	struct bed *b = bed();
	struct pkt *pkt;

	nat44_out(&b->nat, packet(b, IP_PROTO_UDP, guest, server, 30), L3, 0);
	pkt = error(b, GUEST, SERVER, IP_PROTO_UDP, server, guest, 24);
	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_error(pkt, OUTSIDE, SERVER, server, outside, true);
	bed_free(b);
}

TEST(an_error_about_an_echo_has_its_identifier_translated)
{
	struct bed *b = bed();
	const struct nat44_endpoint nobody = {SERVER, 0}, busy = {GUEST + 1, 4000};
	struct pkt *pkt;
	uint16_t id;

	nat44_out(&b->nat, packet(b, IP_PROTO_ICMP, guest, nobody, 40), L3, 0);
	pkt = packet(b, IP_PROTO_ICMP, busy, nobody, 40);
	nat44_out(&b->nat, pkt, L3, 0);
	id = icmp_id(pkt->data + L4);
	pkt = error(b, SERVER + 9, OUTSIDE, IP_PROTO_ICMP, (struct nat44_endpoint){OUTSIDE, id}, nobody, 24);
	assert_int_equal(nat44_in(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_error(pkt, SERVER + 9, GUEST + 1, busy, nobody, true);
	assert_int_equal(icmp_id(pkt->data + L4 + ICMP_HEADER_LEN + IP4_HEADER_MIN), 4000);
	bed_free(b);
}

TEST(an_error_about_nothing_that_went_out_is_refused)
{
	struct bed *b = bed();
	struct pkt *pkt = error(b, SERVER, OUTSIDE, IP_PROTO_UDP, outside, server, 24);

	assert_int_equal(nat44_in(&b->nat, pkt, L3, 0), DROP_NAT44_NO_SESSION);
	bed_free(b);
}

static struct pkt *fragment(struct bed *b, struct nat44_endpoint src, struct nat44_endpoint dst, bool first)
{
	struct pkt *pkt = packet(b, IP_PROTO_UDP, src, dst, 32);
	uint8_t *ip = pkt->data + L3;

	ip4_set_id(ip, 99);
	be16_set(ip + 6, first ? 0x2000 : 4);
	ip4_set_csum(ip, IP4_HEADER_MIN);
	return pkt;
}

TEST(later_fragments_go_where_the_first_one_went)
{
	struct bed *b = bed();
	struct pkt *pkt = fragment(b, guest, server, false);

	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NAT44_FRAGMENT);
	assert_int_equal(nat44_out(&b->nat, fragment(b, guest, server, true), L3, 0), DROP_NONE);
	pkt = fragment(b, guest, server, false);
	assert_int_equal(nat44_out(&b->nat, pkt, L3, 59), DROP_NONE);
	/* its first bytes are no ports */
	assert_endpoints(pkt->data + L3, (struct nat44_endpoint){OUTSIDE, guest.port}, server);
	assert_int_equal(nat44_out(&b->nat, fragment(b, guest, server, false), L3, 60), DROP_NAT44_FRAGMENT);
	assert_int_equal(nat44_in(&b->nat, fragment(b, server, outside, true), L3, 60), DROP_NONE);
	pkt = fragment(b, server, outside, false);
	assert_int_equal(nat44_in(&b->nat, pkt, L3, 60), DROP_NONE);
	assert_endpoints(pkt->data + L3, server, (struct nat44_endpoint){GUEST, outside.port});
	bed_free(b);
}

TEST(two_inside_meet_at_their_outside_addresses)
{
	struct bed *b = bed();
	const struct nat44_endpoint other = {GUEST + 1, 5000}, other_outside = {OUTSIDE, 5000};
	struct pkt *pkt = packet(b, IP_PROTO_UDP, guest, other_outside, 30);

	assert_int_equal(nat44_hairpin(&b->nat, pkt, L3, 0), DROP_NAT44_NO_SESSION);
	assert_endpoints(pkt->data + L3, guest, other_outside);
	nat44_out(&b->nat, packet(b, IP_PROTO_UDP, other, outside, 30), L3, 0);
	pkt = packet(b, IP_PROTO_UDP, guest, other_outside, 30);
	assert_int_equal(nat44_hairpin(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_endpoints(pkt->data + L3, outside, other);
	assert_int_equal(l4_sum(pkt->data + L3), 0xffff);
	pkt = packet(b, IP_PROTO_UDP, other, outside, 30);
	assert_int_equal(nat44_hairpin(&b->nat, pkt, L3, 0), DROP_NONE);
	assert_endpoints(pkt->data + L3, other_outside, guest);
	bed_free(b);
}

TEST(a_hairpin_is_filtered_as_anything_from_outside)
{
	struct bed *b = bed();
	const struct nat44_endpoint other = {GUEST + 1, 5000}, other_outside = {OUTSIDE, 5000};

	nat44_out(&b->nat, packet(b, IP_PROTO_UDP, other, server, 30), L3, 0);
	assert_int_equal(nat44_hairpin(&b->nat, packet(b, IP_PROTO_UDP, guest, other_outside, 30), L3, 0),
		DROP_NAT44_FILTERED);
	bed_free(b);
}

TEST(other_protocols_are_refused)
{
	struct bed *b = bed();
	struct pkt *pkt = packet(b, IP_PROTO_UDP, guest, server, 30);

	pkt->data[L3 + 9] = 47;
	assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NAT44_PROTOCOL);
	assert_int_equal(b->nat.table->n_sessions, 0);
	bed_free(b);
}

TEST(a_packet_cut_anywhere_is_refused)
{
	static const uint8_t protos[] = {IP_PROTO_TCP, IP_PROTO_UDP, IP_PROTO_ICMP};

	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		uint32_t need = protos[i] == IP_PROTO_TCP ? 20 : 8;

		for (uint32_t len = L3; len < L4 + need; len++) {
			struct bed *b = bed();
			struct pkt *pkt = packet(b, protos[i], guest, server, 30);

			pkt->head_len = (uint16_t)len;
			assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NAT44_TRUNCATED);
			/* by its own word, too */
			pkt = packet(b, protos[i], guest, server, 30);
			ip4_set_total_len(pkt->data + L3, (uint16_t)(len - L3));
			assert_int_equal(nat44_out(&b->nat, pkt, L3, 0), DROP_NAT44_TRUNCATED);
			assert_int_equal(b->nat.table->n_sessions, 0);
			bed_free(b);
		}
	}
}

TEST(a_packet_that_only_tries_the_road_leaves_no_trace)
{
	struct bed *b = bed();
	struct pkt *pkt = packet(b, IP_PROTO_TCP, guest, server, 30);

	assert_int_equal(nat44_try_out(&b->nat, pkt, L3), DROP_NONE);
	assert_endpoints(pkt->data + L3, outside, server);
	assert_int_equal(nat44_try_in(&b->nat, packet(b, IP_PROTO_TCP, server, outside, 30), L3),
		DROP_NAT44_NO_SESSION);
	assert_int_equal(b->nat.table->n_sessions, 0);
	nat44_out(&b->nat, packet(b, IP_PROTO_TCP, guest, server, 30), L3, 0);
	pkt = packet(b, IP_PROTO_TCP, server, outside, 30);
	assert_int_equal(nat44_try_in(&b->nat, pkt, L3), DROP_NONE);
	assert_endpoints(pkt->data + L3, server, guest);
	assert_int_equal(b->nat.table->n_sessions, 1);
	bed_free(b);
}

TESTS(cmocka_unit_test(a_packet_that_only_tries_the_road_leaves_no_trace),
	cmocka_unit_test(tcp_goes_out_and_comes_back_with_right_checksums),
	cmocka_unit_test(udp_goes_out_and_comes_back_with_right_checksums),
	cmocka_unit_test(an_echo_goes_out_and_comes_back),
	cmocka_unit_test(a_question_from_outside_is_for_nobody_inside),
	cmocka_unit_test(a_udp_checksum_of_zero_stays), cmocka_unit_test(a_udp_checksum_never_becomes_zero),
	cmocka_unit_test(a_checksum_that_is_begun_follows_the_addresses_only),
	cmocka_unit_test(an_error_about_what_went_out_finds_its_way_in),
	cmocka_unit_test(an_error_about_what_came_in_goes_out_under_our_address),
	cmocka_unit_test(an_error_about_an_echo_has_its_identifier_translated),
	cmocka_unit_test(an_error_about_nothing_that_went_out_is_refused),
	cmocka_unit_test(later_fragments_go_where_the_first_one_went),
	cmocka_unit_test(two_inside_meet_at_their_outside_addresses),
	cmocka_unit_test(a_hairpin_is_filtered_as_anything_from_outside),
	cmocka_unit_test(other_protocols_are_refused), cmocka_unit_test(a_packet_cut_anywhere_is_refused))
