/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bridge whose worker has a memo against one whose worker never asks it: the same frames, stations that move, settings,
 * members and addresses that change, and time that passes.
 */
#include "bridge/bridge_bed.h"
#include "bridge/bridge_private.h"

#include "base/random.h"

#define STEPS      100000
#define BURST_MAX  8
#define N_STATIONS 6
#define AGE_S      3

struct side {
	struct bed bed;
	struct bridge_domain *domain;
};

static const enum bridge_setting settings[] = {BRIDGE_LEARN, BRIDGE_FORWARD, BRIDGE_FLOOD, BRIDGE_UU_FLOOD};

/* The first one asks. */
static struct side sides[2];
static uint64_t n_sent, n_known;

static uint64_t station(struct random *r)
{
	return MAC_A + random_below(r, N_STATIONS);
}

static void open_sides(void)
{
	for (int i = 0; i < 2; i++) {
		bed_open(&sides[i].bed, 1);
		sides[i].domain = bed_switch(&sides[i].bed);
		bridge_domain_set_age(sides[i].domain, AGE_S);
	}
}

static void close_sides(void)
{
	for (int i = 0; i < 2; i++)
		bed_close(&sides[i].bed);
}

/* Did the memo know it, as the stage asks. */
static bool knows(struct side *s, int from, uint64_t src, uint64_t dst)
{
	const struct memo *memo = &s->bed.bridges->memos[0];
	struct bed *b = &s->bed;
	uint8_t frame[ETHERNET_HEADER_LEN];
	struct ethernet_pair pair;
	uint64_t value;

	mac_store(frame, dst);
	mac_store(frame + ETHERNET_SRC_AT, src);
	pair = ethernet_pair(frame);
	return memo_knows(memo, memo_state(&s->domain->macs->state), pair.dst_and_src,
		bridge_memo_lo(pair, &b->ifaces[from], (uint32_t)(b->turn->now_ns / NS_PER_S)), &value);
}

struct sent {
	uint64_t src, dst;
	int from;
};

static struct sent draw(struct random *r)
{
	struct sent f = {.src = station(r), .dst = station(r)};

	if (random_below(r, 50) == 0)
		f.src = 0x01005e000001;
	if (random_below(r, 20) == 0)
		f.dst = MAC_BROADCAST;
	/* mostly from where it is at home */
	f.from = (int)(random_below(r, 400) ? f.src % BED_IFACES : random_below(r, BED_IFACES));
	return f;
}

/* A turn of some frames: on both sides each goes the same way. */
static void send_on_both(struct random *r)
{
	struct sent frames[BURST_MAX];
	uint32_t n = 1 + random_below(r, BURST_MAX);
	struct pkt *pkts[2][BURST_MAX];

	for (uint32_t k = 0; k < n; k++) {
		frames[k] = draw(r);
		n_known += knows(&sides[0], frames[k].from, frames[k].src, frames[k].dst);
	}
	n_sent += n;
	for (int i = 0; i < 2; i++) {
		struct bed *b = &sides[i].bed;

		for (uint32_t k = 0; k < n; k++)
			pkts[i][k] =
				turn_send(b->turn, &b->ifaces[frames[k].from], frames[k].src, frames[k].dst);
		b->bridges->memos[0].pause = i == 0 ? 0 : UINT32_MAX;
		turn_bridge(b->turn, b->bridges);
	}
	for (uint32_t k = 0; k < n; k++) {
		uint32_t out = bed_out(&sides[0].bed, pkts[0][k]);

		assert_int_equal(out, bed_out(&sides[1].bed, pkts[1][k]));
		if (!out)
			assert_int_equal(pkts[0][k]->drop, pkts[1][k]->drop);
	}
	for (int i = 0; i < 2; i++)
		bed_end(&sides[i].bed);
}

static void change_members(struct side *s, struct random r)
{
	struct iface *iface = &s->bed.ifaces[random_below(&r, BED_IFACES)];

	if (iface->l2)
		bridge_detach(iface);
	if (random_below(&r, 4))
		assert_int_equal(bridge_attach(s->domain, iface, (uint8_t)random_below(&r, 3)), 0);
}

/* As it was made. */
static void mend(struct side *s)
{
	mac_table_flush(s->domain->macs, MAC_ANY_IFACE, true);
	assert_int_equal(bridge_domain_set_learn_limit(s->domain, 64), 0);
	for (uint32_t i = 0; i < ARRAY_LEN(settings); i++)
		bridge_domain_set(s->domain, settings[i], true);
	for (int i = 0; i < BED_IFACES; i++) {
		if (s->bed.ifaces[i].l2)
			bridge_detach(&s->bed.ifaces[i]);
		assert_int_equal(bridge_attach(s->domain, &s->bed.ifaces[i], 0), 0);
	}
}

/* A copy of r: both sides draw the same. */
static void change(struct side *s, struct random r)
{
	struct mac_table *macs = s->domain->macs;
	uint32_t idx = s->bed.ifaces[random_below(&r, BED_IFACES)].idx;
	uint64_t mac = station(&r);

	switch (random_below(&r, 12)) {
	case 0:
		mac_table_add_static(macs, mac, idx);
		break;
	case 1:
		mac_table_add_filter(macs, mac);
		break;
	case 2:
		mac_table_del(macs, mac);
		break;
	case 3:
		mac_table_flush(macs, idx, random_below(&r, 2));
		break;
	case 4:
		bridge_domain_set(s->domain, settings[random_below(&r, 4)], random_below(&r, 8) > 0);
		break;
	case 5:
		change_members(s, r);
		break;
	case 6: /* to so few that some are not learned, and to another table */
		assert_int_equal(bridge_domain_set_learn_limit(
					 s->domain, random_below(&r, 2) ? 3 : 64 << random_below(&r, 4)),
			0);
		break;
	case 7:
	case 8:
		s->bed.turn->now_ns += random_below(&r, 4) * NS_PER_S;
		bridges_age(s->bed.bridges, s->bed.turn->now_ns);
		break;
	default:
		mend(s);
	}
}

static void compare_tables(void)
{
	struct mac_entry a, b;
	uint32_t pos[2] = {0, 0};

	while (mac_table_next(sides[0].domain->macs, &pos[0], &a)) {
		assert_true(mac_table_next(sides[1].domain->macs, &pos[1], &b));
		assert_int_equal(a.mac, b.mac);
		assert_int_equal(a.iface_idx, b.iface_idx);
		assert_int_equal(a.seen_s, b.seen_s);
	}
	assert_false(mac_table_next(sides[1].domain->macs, &pos[1], &b));
	for (int i = 0; i < BED_IFACES; i++)
		assert_int_equal(turn_lane(sides[0].bed.turn, &sides[0].bed.ifaces[i])
					 ->counters.drops[DROP_BRIDGE_NO_LEARN],
			turn_lane(sides[1].bed.turn, &sides[1].bed.ifaces[i])
				->counters.drops[DROP_BRIDGE_NO_LEARN]);
}

TEST(a_bridge_with_a_memo_decides_as_one_without)
{
	const char *seed_text = getenv("GINNEL_SEED");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : 20261129;
	struct random r;

	printf("GINNEL_SEED=%llu\n", (unsigned long long)seed);
	random_init(&r, seed);
	open_sides();
	for (uint32_t step = 0; step < STEPS; step++) {
		send_on_both(&r);
		if (random_below(&r, 50) == 0) {
			for (int i = 0; i < 2; i++)
				change(&sides[i], r);
			random_u64(&r);
			compare_tables();
		}
	}
	printf("%llu of %llu were known\n", (unsigned long long)n_known, (unsigned long long)n_sent);
	assert_true(n_known > n_sent / 4);
	close_sides();
}

TESTS(cmocka_unit_test(a_bridge_with_a_memo_decides_as_one_without))
