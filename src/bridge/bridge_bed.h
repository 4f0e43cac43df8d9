/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridge_bed - what the tests of bridges share: some interfaces, one worker's turn made by hand, and the
 * count that each packet which went in came out, once through a drop or through one lane at least.
 */
#ifndef GINNEL_BRIDGE_BRIDGE_BED_H
#define GINNEL_BRIDGE_BRIDGE_BED_H

#include "bridge/bridge.h"
#include "bridge/xconnect.h"

#include "base/test.h"
#include "wire/ethernet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BED_IFACES 4

/* Stations used by tests. */
#define MAC_A 0x525400000001ull
#define MAC_B 0x525400000002ull
#define MAC_C 0x525400000003ull

struct bed {
	struct iface_table *table;
	struct bridges *bridges;
	struct iface ifaces[BED_IFACES];
	struct turn *turn;
};

static inline struct turn *bed_turn(uint32_t worker)
{
	struct turn *turn = aligned_alloc(CACHE_LINE, sizeof(*turn));

	assert_non_null(turn);
	memset(turn, 0, sizeof(*turn));
	turn->worker = worker;
	return turn;
}

static inline void bed_open(struct bed *b, uint32_t n_workers)
{
	memset(b, 0, sizeof(*b));
	b->table = iface_table_create(n_workers);
	assert_non_null(b->table);
	b->bridges = bridges_create(b->table, 42);
	assert_non_null(b->bridges);
	for (int i = 0; i < BED_IFACES; i++) {
		snprintf(b->ifaces[i].name, sizeof(b->ifaces[i].name), "port%d", i);
		assert_int_equal(iface_add(b->table, &b->ifaces[i]), 0);
	}
	b->turn = bed_turn(0);
}

static inline void bed_close(struct bed *b)
{
	free(b->turn);
	for (int i = 0; i < BED_IFACES; i++)
		if (iface_get(b->table, b->ifaces[i].idx) == &b->ifaces[i])
			iface_remove(b->table, &b->ifaces[i]);
	bridges_destroy(b->bridges);
	iface_table_destroy(b->table);
}

/* Domain 1 with all interfaces. */
static inline struct bridge_domain *bed_switch(struct bed *b)
{
	struct bridge_domain *d;

	assert_int_equal(bridge_domain_create(b->bridges, 1, &BRIDGE_DEFAULT_CONFIG, &d), 0);
	for (int i = 0; i < BED_IFACES; i++)
		assert_int_equal(bridge_attach(d, &b->ifaces[i], 0), 0);
	return d;
}

/* As ethernet-input does it. */
static inline void turn_enter(struct turn *turn, struct pkt *pkt)
{
	enum iface_mode mode = iface_mode(pkt->rx);

	if (mode == IFACE_MODE_NONE)
		turn_drop(turn, pkt, DROP_NO_ROAD);
	else
		turn_push(turn, pkt, mode == IFACE_MODE_XCONNECT ? STAGE_XCONNECT : STAGE_BRIDGE);
}

static inline struct pkt *turn_send(struct turn *turn, struct iface *from, uint64_t src, uint64_t dst)
{
	struct pkt *pkt = turn_pkt(turn);

	pkt->rx = from;
	pkt->head_len = 60;
	memset(pkt->data, 0, pkt->head_len);
	mac_store(pkt->data, dst);
	mac_store(pkt->data + ETHERNET_SRC_AT, src);
	turn_enter(turn, pkt);
	return pkt;
}

static inline void turn_bridge(struct turn *turn, struct bridges *bridges)
{
	xconnect_output(NULL, turn, &turn->vecs[STAGE_XCONNECT]);
	turn->vecs[STAGE_XCONNECT].n = 0;
	bridge_forward(bridges, turn, &turn->vecs[STAGE_BRIDGE]);
	turn->vecs[STAGE_BRIDGE].n = 0;
}

/* Empties lanes and drops. False: a packet is missing, or in two places that exclude each other. */
static inline bool turn_all_home(struct turn *turn)
{
	uint8_t sent[TURN_PKTS_ALL] = {0}, dropped[TURN_PKTS_ALL] = {0};
	bool home = true;

	for (uint32_t i = 0; i < turn->n_out; i++) {
		struct iface_lane *lane = turn_lane(turn, turn->out[i]);

		for (uint32_t k = 0; k < lane->n_out; k++)
			sent[lane->out[k] - turn->pkts] = 1;
		lane->n_out = 0;
	}
	for (uint32_t i = 0; i < turn->vecs[STAGE_DROP].n; i++)
		dropped[turn->vecs[STAGE_DROP].pkts[i] - turn->pkts]++;
	for (uint32_t i = 0; i < turn->n_pkts; i++)
		home = home && sent[i] + dropped[i] == 1;
	turn->vecs[STAGE_DROP].n = 0;
	turn_begin(turn, turn->now_ns);
	return home;
}

/* Sends one frame through the bridge; bed_end() comes after. */
static inline struct pkt *bed_send(struct bed *b, int from, uint64_t src, uint64_t dst)
{
	struct pkt *pkt = turn_send(b->turn, &b->ifaces[from], src, dst);

	turn_bridge(b->turn, b->bridges);
	return pkt;
}

/* Through which interfaces the packet leaves, as bits. */
static inline uint32_t bed_out(const struct bed *b, const struct pkt *pkt)
{
	uint32_t out = 0;

	for (int i = 0; i < BED_IFACES; i++) {
		const struct iface_lane *lane = turn_lane(b->turn, &b->ifaces[i]);

		for (uint32_t k = 0; lane && k < lane->n_out; k++) /* NULL: was removed */
			if (lane->out[k] == pkt)
				out |= 1u << i;
	}
	return out;
}

static inline void bed_end(struct bed *b)
{
	assert_true(turn_all_home(b->turn));
}

/* One frame in a turn of its own: where it went, or 0 and why it was dropped. */
static inline uint32_t bed_pass(struct bed *b, int from, uint64_t src, uint64_t dst, enum drop *reason)
{
	struct pkt *pkt = bed_send(b, from, src, dst);
	uint32_t out = bed_out(b, pkt);

	*reason = out ? DROP_NONE : (enum drop)pkt->drop;
	bed_end(b);
	return out;
}

#define assert_passes_to(b, from, src, dst, out_bits)                              \
	do {                                                                       \
		enum drop reason_;                                                 \
		assert_int_equal(bed_pass(b, from, src, dst, &reason_), out_bits); \
	} while (0)

#define assert_dropped(b, from, src, dst, why)                              \
	do {                                                                \
		enum drop reason_;                                          \
		assert_int_equal(bed_pass(b, from, src, dst, &reason_), 0); \
		assert_int_equal(reason_, why);                             \
	} while (0)

#endif
