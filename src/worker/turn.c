/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/turn.h"

#include "bridge/xconnect.h"
#include "os/clock.h"
#include "os/rcu.h"
#include "port/vlan.h"
#include "worker/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Buffers one queue may bring per turn: a busy guest leaves room for the others. */
#define RX_BUDGET 64

static void drop_packets(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++) {
		const struct pkt *pkt = vec->pkts[i];

		iface_count(&turn_lane(turn, pkt->rx)->counters.drops[pkt->drop], 1);
	}
}

enum room {
	ROOM_NONE,
	ROOM_BRIDGES,
	ROOM_IP,
	ROOM_NAT44,
};

/* The road, in order. */
static const struct {
	stage_fn *fn;
	enum room room; /* whose state it works on */
} stages[STAGE_COUNT] = {
	[STAGE_ETH_INPUT] = {eth_input, ROOM_NONE},
	[STAGE_VLAN_INPUT] = {vlan_input, ROOM_NONE},
	[STAGE_XCONNECT] = {xconnect_output, ROOM_NONE},
	[STAGE_BRIDGE] = {bridge_forward, ROOM_BRIDGES},
	[STAGE_L3_INPUT] = {l3_input, ROOM_IP},
	[STAGE_ARP_INPUT] = {arp_input, ROOM_IP},
	[STAGE_IP4_INPUT] = {ip4_input, ROOM_IP},
	[STAGE_IP4_PRE_LOOKUP] = {nat44_input, ROOM_NAT44},
	[STAGE_IP4_LOOKUP] = {ip4_lookup, ROOM_IP},
	[STAGE_IP6_INPUT] = {ip6_input, ROOM_IP},
	[STAGE_IP_LOCAL] = {ip_local, ROOM_IP},
	[STAGE_ICMP_ERROR] = {icmp_error, ROOM_IP},
	[STAGE_IP4_PRE_OUTPUT] = {nat44_output, ROOM_NAT44},
	[STAGE_IP_FRAGMENT] = {ip_fragment, ROOM_IP},
	[STAGE_NEIGH_OUTPUT] = {neigh_output, ROOM_IP},
	[STAGE_BVI_OUTPUT] = {bridge_forward, ROOM_BRIDGES},
	[STAGE_PORT_OUTPUT] = {port_output, ROOM_NONE},
	[STAGE_DROP] = {drop_packets, ROOM_NONE},
};

int turn_runner_init(struct turn_runner *r, uint32_t worker, const struct turn_rooms *rooms)
{
	void *const subjects[] = {
		[ROOM_BRIDGES] = rooms->bridges, [ROOM_IP] = rooms->ip, [ROOM_NAT44] = rooms->nat44};

	*r = (struct turn_runner){.rooms = *rooms};
	r->counters = &r->own;
	for (enum stage s = 0; s < STAGE_COUNT; s++)
		r->subjects[s] = stages[s].room == ROOM_NONE ? NULL : subjects[stages[s].room];
	r->turn = aligned_alloc(CACHE_LINE, sizeof(*r->turn));
	if (!r->turn)
		return -ENOMEM;
	memset(r->turn, 0, sizeof(*r->turn));
	r->turn->worker = worker;
	r->turn->bytes_made = malloc(TURN_BYTES_MADE);
	if (r->turn->bytes_made)
		return 0;
	free(r->turn);
	return -ENOMEM;
}

void turn_runner_fini(struct turn_runner *r)
{
	free(r->turn->bytes_made);
	free(r->turn);
}

/* Returns now: one look at the clock ends a stage and begins the next. */
static uint64_t count_stage(struct stage_counters *c, uint64_t packets, uint64_t since)
{
	uint64_t now = clock_cycles();

	iface_count(&c->calls, 1);
	iface_count(&c->vectors, packets);
	iface_count(&c->clocks, now - since);
	return now;
}

static inline uint64_t walk(struct turn_runner *r, uint64_t since, bool watched)
{
	struct turn *turn = r->turn;

	for (enum stage s = 0; s < STAGE_COUNT; s++) {
		struct vec *vec = &turn->vecs[s];
		uint64_t n = vec->n;

		if (s == STAGE_PORT_OUTPUT) /* its packets wait in the interfaces' lanes */
			n = turn->n_out;
		if (n == 0)
			continue;
		if (watched)
			turn->watch->ops->stage(turn->watch, turn, s, vec);
		stages[s].fn(r->subjects[s], turn, vec);
		since = count_stage(
			&r->counters->stages[s], s == STAGE_PORT_OUTPUT ? turn->n_sent : n, since);
		vec->n = 0;
	}
	return since;
}

static __attribute__((noinline)) uint64_t walk_again(struct turn_runner *r, uint64_t since, bool watched)
{
	while (r->turn->again) {
		r->turn->again = false;
		r->turn->n_walks++;
		r->turn->n_sent = 0;
		since = walk(r, since, watched);
	}
	return since;
}

static inline uint64_t run_stages(struct turn_runner *r, uint64_t since, bool watched)
{
	since = walk(r, since, watched);
	return likely(!r->turn->again) ? since : walk_again(r, since, watched);
}

static __attribute__((noinline)) uint64_t run_stages_watched(struct turn_runner *r, uint64_t since)
{
	since = run_stages(r, since, true);
	r->turn->watch->ops->end(r->turn->watch, r->turn);
	return since;
}

/* The queues that brought something in this turn, as places in the list. */
struct received {
	uint32_t n;
	uint16_t at[RXQ_MAX];
};

/* Queue by queue until the turn is full; the next turn begins with the first that had no chance. */
static uint32_t receive(struct turn_runner *r, const struct rx_list *list, struct received *received)
{
	uint32_t taken = 0, at = r->first < list->n ? r->first : 0, i;

	received->n = 0;
	r->n_wires = 0;
	for (i = 0; i < list->n && turn_room(r->turn) > 0; i++) {
		const struct rxq *q = &list->rxqs[at];
		uint32_t n = 0;

		if (unlikely(iface_is_lossless(&q->port->iface)))
			r->n_wires++;
		else
			n = q->port->ops->rx(q->port, q->queue, r->turn, RX_BUDGET);
		if (n > 0)
			received->at[received->n++] = (uint16_t)at;
		taken += n;
		if (++at == list->n)
			at = 0;
	}
	r->first = i < list->n ? at : at + 1;
	return taken;
}

static void give_back(const struct rx_list *list, const struct received *received)
{
	for (uint32_t i = 0; i < received->n; i++) {
		const struct rxq *q = &list->rxqs[received->at[i]];

		q->port->ops->rx_done(q->port, q->queue);
	}
}

/* Queues at the start of a lossless wire: each has the turn to itself. */
static __attribute__((noinline)) uint32_t run_wires(
	struct turn_runner *r, const struct rx_list *list, uint64_t now_ns)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct rxq *q = &list->rxqs[i];
		uint64_t since;
		uint32_t n;

		if (!iface_is_lossless(&q->port->iface))
			continue;
		since = clock_cycles();
		turn_begin(r->turn, now_ns);
		r->turn->watch = rcu_load(r->watch);
		n = wire_run(r->turn, q, RX_BUDGET);
		if (n > 0) {
			count_stage(&r->counters->stages[STAGE_XCONNECT], n, since);
			/* of the time that takes, all is the wire's */
			count_stage(&r->counters->input, n, clock_cycles());
			count_stage(&r->counters->stages[STAGE_PORT_OUTPUT], r->turn->n_sent, clock_cycles());
		}
		taken += n;
	}
	return taken;
}

uint32_t turn_run(struct turn_runner *r, const struct rx_list *list, uint64_t now_ns)
{
	struct received received;
	uint64_t since = clock_cycles();
	uint32_t taken;

	turn_begin(r->turn, now_ns);
	iface_count(&r->counters->turns, 1);
	taken = receive(r, list, &received);
	if (r->turn->worker == 0 && r->rooms.ip)
		taken += ip_turn_input(r->rooms.ip, r->turn);
	if (taken > 0) {
		since = count_stage(&r->counters->input, taken, since);
		r->turn->watch = rcu_load(r->watch);
		since = likely(r->turn->watch == NULL) ? run_stages(r, since, false)
						       : run_stages_watched(r, since);
		give_back(list, &received);
		iface_count(&r->counters->input.clocks, clock_cycles() - since);
	}
	if (unlikely(r->n_wires > 0))
		taken += run_wires(r, list, now_ns);
	if (taken > 0)
		iface_count(&r->counters->busy_turns, 1);
	return taken;
}

void turn_try(
	struct turn_runner *r, struct turn_watch *watch, uint64_t now_ns, const struct turn_trial *trial)
{
	struct turn *turn = r->turn;
	struct pkt *pkt;

	ASSERT(watch->trial && trial->len <= PKT_LEN_MAX);
	turn_begin(turn, now_ns);
	turn->watch = watch;
	pkt = turn_pkt(turn);
	pkt_init(pkt, trial->rx);
	pkt->offload = (struct pkt_offload){0};
	pkt->head_len = (uint16_t)min_u32(trial->len, PKT_HEAD_MAX);
	pkt->body_len = trial->len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	pkt->segs = turn->segs;
	turn->segs[turn->n_segs++] = (struct pkt_seg){trial->frame + pkt->head_len, pkt->body_len};
	memcpy(pkt->data, trial->frame, pkt->head_len);
	turn_push(turn, pkt, STAGE_ETH_INPUT);
	run_stages_watched(r, clock_cycles());
}
