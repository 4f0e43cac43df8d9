/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace - the roads of chosen packets: every stage with the frame's first bytes before it, the interfaces that it was
 * handed to, and why it ended.
 *
 * `trace add NODE N` chooses the next N packets that come to a node: a stage, or "KIND-input" for all that interfaces of
 * a kind bring ("vhost-user-input"). From there on a packet is followed to its end. A worker writes into records that
 * were made before; they are full when as many packets are there as fit, and are read while nobody is shown anything.
 */
#ifndef GINNEL_WATCH_TRACE_H
#define GINNEL_WATCH_TRACE_H

#include "base/units.h"
#include "pkt/turn.h"
#include "watch/filter.h"

#include <jansson.h>

#define TRACE_PACKETS_MAX 512 /* of a worker */
#define TRACE_EVENTS_MAX  24  /* of a packet; what comes later is left out, and said so */
#define TRACE_HEAD_MAX    128
#define TRACE_KINDS_MAX   8
/* So long after the last wanted packet a worker may still look for more. */
#define TRACE_REST_NS NS_PER_S

enum trace_what {
	TRACE_STAGE,   /* came to a stage */
	TRACE_OUT,     /* left through an interface */
	TRACE_TX_DROP, /* did not leave through an interface */
	TRACE_DROP,    /* ended in STAGE_DROP */
};

struct trace_event {
	uint8_t what;
	uint8_t stage;
	uint16_t drop;
	uint32_t iface;
	uint32_t len;
	uint16_t head_len; /* that was kept */
	struct pkt_offload offload;
	uint8_t head[TRACE_HEAD_MAX];
};

struct trace_packet {
	uint64_t time_ns;
	uint32_t rx; /* where it came in */
	uint32_t n;
	bool more; /* events than there is room for */
	struct trace_event events[TRACE_EVENTS_MAX];
};

/* "KIND-input": as many packets more. */
struct trace_kind {
	char kind[32];
	uint32_t left;
};

struct trace_settings {
	uint32_t left[STAGE_COUNT]; /* packets to choose when they come to a stage */
	uint32_t n_kinds;
	struct trace_kind kinds[TRACE_KINDS_MAX];
	struct filter filter;
};

/* A worker's. */
struct trace_lane {
	struct trace_settings settings;
	struct trace_packet *packets; /* NULL: nothing is traced */
	uint32_t max, n;
	uint32_t n_refused; /* chosen, and no room */
	bool in_turn;
	/* Which record is whose in this turn: its number and one, 0: none. */
	uint16_t record[TURN_PKTS_ALL];
};

/* Makes room for max packets. 0 or -ENOMEM. */
int trace_lane_init(struct trace_lane *t, uint32_t max);
void trace_lane_fini(struct trace_lane *t);

void trace_stage(struct trace_lane *t, const struct turn *turn, enum stage stage, const struct vec *vec);
void trace_tx_drop(struct trace_lane *t, const struct turn *turn, const struct iface *iface,
	struct pkt *const pkt, enum drop reason);
void trace_output(
	struct trace_lane *t, const struct turn *turn, const struct iface *iface, const struct pkt *pkt);
void trace_end(struct trace_lane *t);

/* Packets that are still wanted; 0 also when there is nowhere to put them. */
uint64_t trace_awaits(const struct trace_lane *t);

/* The roads in words; names of interfaces are those of now. Times are from since_ns on. */
json_t *trace_json(const struct trace_lane *t, const struct iface_table *ifaces, uint64_t since_ns);
/* One packet of that. */
void trace_print(const json_t *packet, FILE *out);

#endif
