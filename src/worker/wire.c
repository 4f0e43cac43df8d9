/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/wire.h"

#include "os/rcu.h"
#include "pkt/netem.h"

/* Packets that netem lets in or out at a time. */
#define BURST 64
/* How long a frame waits for more buffers than its receiver has posted, before it is looked whether more will come. */
#define PATIENCE_NS 1000000000ull

/* The other end, if frames can go there at all. */
static struct port *open_end(const struct port *from)
{
	struct iface *to = iface_mode(&from->iface) == IFACE_MODE_XCONNECT ? rcu_load(from->iface.l2) : NULL;

	return to && iface_is_up(&from->iface) && iface_is_up(to) ? port_of(to) : NULL;
}

/* What was said of another end means nothing here. */
static struct wire_wait *wait_of(const struct rxq *q, struct port *to)
{
	struct wire_wait *wait = &q->port->rx_wait[q->queue];

	if (to && wait->to != to) {
		/* nobody: what a predecessor had sent of a frame is true of whoever it was */
		uint32_t segments = wait->to ? 0 : wait->segments;

		*wait = (struct wire_wait){.to = to, .segments = segments, .frame = wait->frame};
	}
	return wait;
}

/* Sets whether it waits, and if it did: for long. */
static bool still_waits(const struct turn *turn, struct port *to, struct wire_wait *wait)
{
	wait->last = false;
	if (!to) {
		wait->waits = true;
		wait->queue = WIRE_NO_QUEUE;
		wait->until_ns = UINT64_MAX;
		return true;
	}
	if (!wait->waits || !to->ops->wire->tx_short(to, wait))
		return false;
	wait->last = turn->now_ns >= wait->until_ns;
	return !wait->last;
}

static void begin_waiting(struct turn *turn, const struct port *to, struct wire_wait *wait)
{
	wait->until_ns = wait->buffers > 0 ? turn->now_ns + PATIENCE_NS : UINT64_MAX;
	if (wait->waits)
		return;
	wait->waits = true;
	iface_count(&turn_lane(turn, &to->iface)->counters.drops[DROP_TX_WAITED], 1);
}

static void count_received(
	const struct turn *turn, const struct iface *iface, const struct vec *sent, uint32_t n)
{
	struct iface_counters *c = &turn_lane(turn, iface)->counters;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += pkt_len(sent->pkts[i]);
	iface_count(&c->rx_packets, n);
	iface_count(&c->rx_bytes, bytes);
}

/* Those that came before the first that waits. */
static void count_dropped(const struct turn *turn, const struct iface *iface, const struct pkt *end)
{
	const struct vec *dropped = &turn->vecs[STAGE_DROP];
	struct iface_counters *c = &turn_lane(turn, iface)->counters;

	for (uint32_t i = 0; i < dropped->n && dropped->pkts[i] < end; i++)
		iface_count(&c->drops[dropped->pkts[i]->drop], 1);
}

/* Somebody looks on: at those that are done, not at those that come again. */
static void show_begin(struct turn *turn)
{
	const struct vec none = {.n = 0};

	turn->watch->ops->stage(turn->watch, turn, STAGE_ETH_INPUT, &none);
}

static void show_done(struct turn *turn, const struct iface *to, uint32_t n, const struct pkt *end)
{
	struct vec *passed = &turn->vecs[STAGE_ETH_INPUT], *dropped = &turn->vecs[STAGE_DROP];

	passed->n = n;
	turn->watch->ops->stage(turn->watch, turn, STAGE_ETH_INPUT, passed);
	turn->watch->ops->stage(turn->watch, turn, STAGE_XCONNECT, passed);
	while (dropped->n > 0 && dropped->pkts[dropped->n - 1] >= end)
		dropped->n--;
	turn->watch->ops->stage(turn->watch, turn, STAGE_DROP, dropped);
	turn->watch->ops->output(turn->watch, to, passed->pkts, n);
	turn->watch->ops->end(turn->watch, turn);
}

/* Passes on what the turn received. Returns how many packets are done, from the first. */
static uint32_t pass_on(struct turn *turn, struct port *from, struct port *to, struct wire_wait *wait)
{
	struct vec *vec = &turn->vecs[STAGE_ETH_INPUT];
	uint32_t n, done;

	if (unlikely(turn->watch != NULL))
		show_begin(turn);
	n = vec->n > 0 ? to->ops->wire->tx(to, turn, vec->pkts, vec->n, wait) : 0;
	done = n < vec->n ? (uint32_t)(vec->pkts[n] - turn->pkts) : turn->n_pkts;
	turn->n_sent = n;
	if (n > 0)
		wait->waits = false;
	if (n < vec->n)
		begin_waiting(turn, to, wait);
	count_received(turn, &from->iface, vec, n);
	count_dropped(turn, &from->iface, &turn->pkts[done]);
	if (unlikely(turn->watch != NULL))
		show_done(turn, &to->iface, n, &turn->pkts[done]);
	vec->n = 0;
	turn->vecs[STAGE_DROP].n = 0;
	return done;
}

/* --- a wire that is made worse (pkt/netem.h) --- */

/* What is due leaves. Returns how many did. */
static uint32_t netem_leave(struct turn *turn, struct netem *netem, struct port *to, struct wire_wait *wait)
{
	struct pkt *due[BURST];
	uint32_t n = netem_due(netem, turn->now_ns, due, wait->last ? 1 : BURST), sent;

	if (n == 0)
		return 0;
	if (unlikely(turn->watch != NULL))
		show_begin(turn);
	sent = to->ops->wire->tx(to, turn, due, n, wait);
	if (unlikely(turn->watch != NULL) && sent > 0)
		turn->watch->ops->output(turn->watch, &to->iface, due, sent);
	netem_done(netem, sent);
	turn->n_sent += sent;
	if (sent > 0)
		wait->waits = false;
	if (sent < n)
		begin_waiting(turn, to, wait);
	return sent;
}

/* Everything that came is its own from here on, or is dropped. */
static void netem_enter(struct turn *turn, struct netem *netem, const struct iface *from)
{
	struct vec *vec = &turn->vecs[STAGE_ETH_INPUT], *dropped = &turn->vecs[STAGE_DROP];

	count_received(turn, from, vec, vec->n);
	for (uint32_t i = 0; i < vec->n; i++) {
		enum drop drop = netem_take(netem, vec->pkts[i], turn->now_ns);

		if (drop != DROP_NONE)
			turn_drop(turn, vec->pkts[i], drop);
	}
	count_dropped(turn, from, &turn->pkts[TURN_PKTS]);
	if (unlikely(turn->watch != NULL)) {
		turn->watch->ops->stage(turn->watch, turn, STAGE_ETH_INPUT, vec);
		turn->watch->ops->stage(turn->watch, turn, STAGE_DROP, dropped);
		turn->watch->ops->end(turn->watch, turn);
	}
	vec->n = 0;
	dropped->n = 0;
}

/* The other end is there. While what is due finds no room nothing is taken, as without. */
static __attribute__((noinline)) uint32_t netem_run(
	struct turn *turn, const struct rxq *q, struct netem *netem, struct port *to)
{
	struct port *from = q->port;
	struct wire_wait *wait = wait_of(q, to);
	uint32_t sent = netem_leave(turn, netem, to, wait), taken;

	if (wait->waits)
		return sent;
	taken = from->ops->rx(from, q->queue, turn, BURST);
	if (taken > 0) {
		netem_enter(turn, netem, &from->iface);
		from->ops->wire->rx_settle(from, q->queue, turn, turn->n_pkts);
		from->ops->rx_done(from, q->queue);
		sent += netem_leave(turn, netem, to, wait);
	}
	return taken + sent;
}

uint64_t wire_due_ns(const struct rxq *q)
{
	const struct netem *netem = rcu_load(q->port->netem[q->queue]);

	const struct wire_wait *wait = &q->port->rx_wait[q->queue];

	if (wait->waits)
		return wait->until_ns;
	return netem ? netem_next_ns(netem) : UINT64_MAX;
}

uint32_t wire_run(struct turn *turn, const struct rxq *q, uint32_t max)
{
	struct port *from = q->port, *to = open_end(from);
	struct wire_wait *wait = wait_of(q, to);
	struct netem *netem = rcu_load(from->netem[q->queue]);
	uint32_t taken, done;

	turn->hold = true;
	turn->held_from = NULL;
	if (still_waits(turn, to, wait)) {
		from->ops->rx(from, q->queue, turn, 0); /* what goes along with the queue does not wait */
		return 0;
	}
	if (unlikely(netem != NULL)) {
		wait->waits = false;
		return netem_run(turn, q, netem, to);
	}
	taken = from->ops->rx(from, q->queue, turn, unlikely(wait->last) ? 1 : max);
	if (taken == 0) {
		wait->waits = false;
		return 0;
	}
	done = pass_on(turn, from, to, wait);
	from->ops->wire->rx_settle(from, q->queue, turn, done);
	from->ops->rx_done(from, q->queue);
	return taken - (turn->n_pkts - done);
}

bool wire_arm(const struct rxq *q, uint32_t worker)
{
	struct port *to = open_end(q->port);
	struct wire_wait *wait = wait_of(q, to);
	bool work = q->port->ops->wire->rx_arm_besides(q->port, q->queue);

	/* control wakes us when the end opens, after it has opened */
	if (to)
		work |= !wait->waits || to->ops->wire->tx_arm(to, wait, worker);
	return work;
}

void wire_disarm(const struct rxq *q, uint32_t worker)
{
	struct port *to = open_end(q->port);

	if (to && wait_of(q, to)->waits)
		to->ops->wire->tx_disarm(to, wait_of(q, to), worker);
}
