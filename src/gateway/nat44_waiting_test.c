/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments in any order through both stages of the translation. Interface 0 is inside, 1 outside. */
#include "gateway/nat44.h"

#include "ip/ip_bed.h"

#define OUTSIDE 0xc0000201u /* 192.0.2.1 */
#define GUEST   0x0a000005u
#define SERVER  0xc0000207u
#define L4      (ETHERNET_HEADER_LEN + IP4_HEADER_MIN)
#define PART    32u

static struct bed b;
static struct nat44 *nat;
static struct bed_frame frame;
static uint32_t neigh; /* the server's */

static void open_one(void)
{
	const struct nat44_limits limits = {.sessions = 100, .sessions_per_host = 100};

	bed_open(&b);
	bed_addr(&b, 0, "10.0.0.1/24");
	bed_addr(&b, 1, "192.0.2.1/24");
	nat = nat44_create(b.ip, b.table, &limits, 1);
	assert_non_null(nat);
	assert_int_equal(nat44_table_add_address(nat->table, OUTSIDE), 0);
	nat->waiting.head = nat->waiting.tail = UINT32_MAX - 1; /* positions wrap in every test */
	nat44_note_side(nat, &b.ifaces[0], NAT44_INSIDE);
	nat44_note_side(nat, &b.ifaces[1], NAT44_OUTSIDE);
	bed_neigh(&b, 1, "192.0.2.7", STATION(1));
	neigh = neigh_find(&b.ip->neighs, &b.ifaces[1], &(struct ip_addr){.bytes = {192, 0, 2, 7}});
	assert_int_not_equal(neigh, 0);
	bed_drain(&b);
}

static void close_one(void)
{
	nat44_destroy(nat);
	bed_close(&b);
}

/* The n-th part of a datagram of UDP with that identifier. */
static struct pkt *part(uint32_t rx, uint32_t src, uint32_t dst, uint16_t id, uint32_t n)
{
	uint8_t *p = frame_l3(&frame);
	struct pkt *pkt;

	memset(&frame, 0, sizeof(frame));
	frame.len = L4 + PART;
	be16_set(frame.bytes + ETHERNET_TYPE_AT, IP4_ETHERNET_TYPE);
	p[0] = 0x45;
	p[8] = 64;
	p[9] = IP_PROTO_UDP;
	ip4_set_total_len(p, IP4_HEADER_MIN + PART);
	ip4_set_id(p, id);
	be16_set(p + 6, (uint16_t)(0x2000 | n * PART / 8));
	be32_set(p + 12, src);
	be32_set(p + 16, dst);
	ip4_set_csum(p, IP4_HEADER_MIN);
	memset(p + IP4_HEADER_MIN, (int)n, PART);
	if (n == 0) {
		be16_set(frame.bytes + L4, 4000);
		be16_set(frame.bytes + L4 + 2, 4000);
	}
	pkt = bed_rx(&b, rx, frame.bytes, frame.len);
	b.turn->vecs[STAGE_L3_INPUT].n = 0;
	pkt->neigh = neigh; /* as if it had been looked up */
	return pkt;
}

/* Through one of the stages; what went on is in *on, all else is dropped or waits. */
static void run(void (*stage)(void *subject, struct turn *turn, const struct vec *vec), struct pkt *pkt,
	struct vec **on)
{
	struct vec vec = {.n = 1};

	vec.pkts[0] = pkt;
	*on = &b.turn->vecs[stage == nat44_input ? STAGE_IP4_LOOKUP : STAGE_NEIGH_OUTPUT];
	(*on)->n = 0;
	stage(nat, b.turn, &vec);
}

static uint64_t dropped(uint32_t iface)
{
	return turn_lane(b.turn, &b.ifaces[iface])->counters.drops[DROP_NAT44_FRAGMENT];
}

TEST(what_comes_before_the_first_one_leaves_behind_it)
{
	struct vec *on;

	open_one();
	for (uint32_t n = 3; n > 0; n--) {
		run(nat44_output, part(0, GUEST, SERVER, 9, n), &on);
		assert_int_equal(on->n, 0);
	}
	run(nat44_output, part(0, GUEST, SERVER, 8, 0), &on); /* another datagram's */
	assert_int_equal(on->n, 1);
	run(nat44_output, part(0, GUEST, SERVER, 9, 0), &on);
	assert_int_equal(on->n, 4);
	for (uint32_t i = 0; i < 4; i++) {
		const uint8_t *p = pkt_l3(on->pkts[i]);
		uint32_t n = i == 0 ? 0 : 4 - i;

		assert_int_equal(ip4_src(p), OUTSIDE);
		assert_int_equal(ip4_fragment_at(p), n * PART);
		assert_int_equal(csum_fold(csum_sum(p, IP4_HEADER_MIN)), 0xffff);
		assert_int_equal(p[IP4_HEADER_MIN + 8], n);
		assert_int_equal(on->pkts[i]->neigh, neigh);
		assert_ptr_equal(on->pkts[i]->rx, &b.ifaces[0]);
	}
	assert_true(nat44_waiting_is_empty(&nat->waiting));
	run(nat44_output, part(0, GUEST, SERVER, 9, 4), &on);
	assert_int_equal(on->n, 1);
	close_one();
}

TEST(so_does_what_comes_in)
{
	struct vec *on;

	open_one();
	run(nat44_output, part(0, GUEST, SERVER, 9, 0), &on);
	run(nat44_input, part(1, SERVER, OUTSIDE, 5, 1), &on);
	assert_int_equal(on->n, 0);
	run(nat44_input, part(1, SERVER, OUTSIDE, 5, 0), &on);
	assert_int_equal(on->n, 2);
	assert_int_equal(ip4_dst(pkt_l3(on->pkts[1])), GUEST);
	assert_int_equal(ip4_fragment_at(pkt_l3(on->pkts[1])), PART);
	close_one();
}

TEST(what_is_for_the_router_itself_stays_as_it_is)
{
	struct vec *on;

	open_one();
	run(nat44_input, part(1, SERVER, OUTSIDE, 5, 2), &on);
	assert_int_equal(on->n, 0);
	for (uint32_t n = 0; n < 2; n++) {
		run(nat44_input, part(1, SERVER, OUTSIDE, 5, n), &on);
		assert_int_equal(on->n, n == 0 ? 2 : 1);
		assert_int_equal(ip4_dst(pkt_l3(on->pkts[on->n - 1])), OUTSIDE);
	}
	/* nothing waits of what does not concern the translation */
	run(nat44_input, part(0, GUEST, SERVER, 5, 1), &on);
	assert_int_equal(on->n, 1);
	close_one();
}

TEST(what_is_refused_is_so_in_all_its_parts)
{
	struct vec *on;

	open_one();
	run(nat44_output, part(0, GUEST, SERVER, 9, 1), &on);
	nat44_table_del_address(nat->table, OUTSIDE); /* no address is left to go out by */
	run(nat44_output, part(0, GUEST, SERVER, 9, 0), &on);
	assert_int_equal(on->n, 0);
	assert_int_equal(b.turn->vecs[STAGE_DROP].n, 3); /* one of them finished when it began to wait */
	run(nat44_output, part(0, GUEST, SERVER, 9, 2), &on);
	assert_int_equal(on->n, 0);
	close_one();
}

TEST(what_waits_in_vain_is_counted)
{
	struct vec *on;

	open_one();
	run(nat44_output, part(0, GUEST, SERVER, 9, 1), &on);
	b.now_ns += (NAT44_WAITING_S - 1) * NS_PER_S;
	turn_begin(b.turn, b.now_ns);
	run(nat44_output, part(0, GUEST, SERVER, 8, 0), &on);
	assert_int_equal(dropped(0), 0);
	b.now_ns += NS_PER_S;
	turn_begin(b.turn, b.now_ns);
	run(nat44_output, part(0, GUEST, SERVER, 7, 0), &on);
	assert_int_equal(dropped(0), 1);
	run(nat44_output, part(0, GUEST, SERVER, 9, 0), &on);
	assert_int_equal(on->n, 1);
	close_one();
}

TEST(one_port_fills_its_own_part_only)
{
	struct pkt *pkt;
	struct vec *on;

	open_one();
	for (uint32_t i = 0; i < NAT44_WAITING_PER_PORT; i++) {
		bed_begin(&b);
		run(nat44_output, part(0, GUEST, SERVER, (uint16_t)i, 1), &on);
	}
	pkt = part(0, GUEST, SERVER, 999, 1);
	run(nat44_output, pkt, &on);
	assert_int_equal(pkt->drop, DROP_NAT44_FRAGMENT);
	run(nat44_input, part(1, SERVER, OUTSIDE, 5, 1), &on);
	bed_begin(&b);
	run(nat44_input, part(1, SERVER, OUTSIDE, 5, 0), &on);
	assert_int_equal(on->n, 2);
	/* in any order: the first place is free when those in front are gone */
	for (uint32_t i = NAT44_WAITING_PER_PORT; i-- > 0;) {
		bed_begin(&b);
		run(nat44_output, part(0, GUEST, SERVER, (uint16_t)i, 0), &on);
		assert_int_equal(on->n, 2);
	}
	assert_true(nat44_waiting_is_empty(&nat->waiting));
	close_one();
}

TESTS(cmocka_unit_test(what_comes_before_the_first_one_leaves_behind_it),
	cmocka_unit_test(so_does_what_comes_in),
	cmocka_unit_test(what_is_for_the_router_itself_stays_as_it_is),
	cmocka_unit_test(what_is_refused_is_so_in_all_its_parts),
	cmocka_unit_test(what_waits_in_vain_is_counted), cmocka_unit_test(one_port_fills_its_own_part_only))
