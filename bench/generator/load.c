/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include "learn.h"
#include "receive.h"
#include "send.h"

#include <errno.h>

/* Between looks at the clock and at the control plane: short against a phase, long against a round. */
#define ROUNDS       64
#define ATTEND_PER_S 100
#define QUIET_PER_S  10
#define PATIENCE_S   10

struct load {
	struct ports *ports;
	double clocks_per_s, interval;
	bool sending;
	uint32_t round; /* of as many as --slow says */
	uint64_t busy_clocks, idle_clocks;
};

/* One look at each port. Returns when it ended; began is when the one before did. */
static inline __attribute__((always_inline)) uint64_t round_of(
	struct load *l, uint64_t began, const bool packed)
{
	struct ports *const ports = l->ports;
	const uint32_t burst = ports->options->burst;
	const bool takes = ++l->round >= ports->options->slow;
	uint32_t moved = 0;
	uint64_t ended;

	for (uint32_t i = 0; i < ports->n; i++) {
		struct port *p = &ports->all[i], *partner = &ports->all[p->partner];

		if (p->echoes)
			send_reclaim(p, ports->options->queue_size, packed);
		if (likely(takes))
			moved += port_receive(p, burst, ports->buffers_per_frame, packed);
		/* now that it has buffers: when we are the slower side nothing is lost either */
		if (partner->sends && l->sending)
			moved += port_send(partner, burst, began, l->interval, packed);
	}
	if (takes)
		l->round = 0;
	ended = clocks_now();
	*(moved ? &l->busy_clocks : &l->idle_clocks) += ended - began;
	return ended;
}

static uint64_t rounds_split(struct load *l, uint64_t now)
{
	for (uint32_t i = 0; i < ROUNDS; i++)
		now = round_of(l, now, false);
	return now;
}

static uint64_t rounds_packed(struct load *l, uint64_t now)
{
	for (uint32_t i = 0; i < ROUNDS; i++)
		now = round_of(l, now, true);
	return now;
}

/* False: the switch failed. */
static bool run_for(struct load *l, double seconds)
{
	const bool packed = l->ports->options->packed;
	const uint64_t attend = (uint64_t)(l->clocks_per_s / ATTEND_PER_S);
	uint64_t now = clocks_now(), next = now + attend;
	const uint64_t end = now + (uint64_t)(seconds * l->clocks_per_s);

	while (now < end) {
		now = packed ? rounds_packed(l, now) : rounds_split(l, now);
		if (now < next)
			continue;
		if (!ports_attend(l->ports))
			return false;
		now = clocks_now();
		next = now + attend;
	}
	return ports_attend(l->ports);
}

static void sum(const struct ports *ports, struct counters *c)
{
	*c = (struct counters){0};
	for (uint32_t i = 0; i < ports->n; i++) {
		const struct counters *one = &ports->all[i].counters;

		c->sent += one->sent;
		c->received += one->received;
		c->lost += one->lost;
		c->reordered += one->reordered;
		c->duplicates += one->duplicates;
		c->corrupt += one->corrupt;
		c->foreign += one->foreign;
		c->no_room += one->no_room;
	}
}

static void zero(struct load *l)
{
	for (uint32_t i = 0; i < l->ports->n; i++) {
		l->ports->all[i].counters = (struct counters){0};
		l->ports->all[i].latency = (struct histogram){0};
	}
	l->busy_clocks = l->idle_clocks = 0;
}

static uint32_t not_taken(struct load *l)
{
	const struct options *o = l->ports->options;
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->ports->n; i++) {
		struct port *p = &l->ports->all[i];

		send_reclaim(p, o->queue_size, o->packed);
		n += p->tx.offered - p->tx.taken;
	}
	return n;
}

/*
 * What comes after the last frame that came is missing as well. A switch that has not run yet, on a machine with more
 * to do, has lost nothing: it has our buffers still, and is waited for. One that never takes them sleeps through kicks.
 */
static bool drain(struct load *l, struct load_result *result)
{
	struct counters before, after;
	uint32_t rounds = 0;

	l->sending = false;
	do {
		sum(l->ports, &before);
		if (!run_for(l, 1.0 / QUIET_PER_S))
			return false;
		sum(l->ports, &after);
		result->not_taken = not_taken(l);
	} while (after.received != before.received ||
		 (result->not_taken > 0 && ++rounds < PATIENCE_S * QUIET_PER_S));
	for (uint32_t i = 0; i < l->ports->n; i++) {
		struct port *p = &l->ports->all[i];

		p->counters.lost += l->ports->all[p->partner].next - p->expected;
	}
	return true;
}

static void latency_of(const struct ports *ports, struct histogram *all)
{
	for (uint32_t i = 0; i < ports->n; i++)
		histogram_merge(all, &ports->all[i].latency);
}

static bool measure(struct load *l, struct load_result *result)
{
	uint64_t began = clock_now_ns();
	const uint64_t clocks = clocks_now();
	struct counters c;

	zero(l);
	if (!run_for(l, l->ports->options->seconds))
		return false;
	result->seconds = (double)(clock_now_ns() - began) / (double)NS_PER_S;
	result->clocks_per_s = (double)(clocks_now() - clocks) / result->seconds;
	sum(l->ports, &c);
	result->sent = c.sent;
	result->received = c.received;
	result->busy_clocks = l->busy_clocks;
	result->idle_clocks = l->idle_clocks;
	latency_of(l->ports, &result->latency);
	return true;
}

int load_run(struct ports *ports, struct load_result *result)
{
	struct load l = {.ports = ports, .clocks_per_s = clocks_per_s(), .sending = true};

	*result = (struct load_result){0};
	if (ports->options->rate)
		l.interval = l.clocks_per_s / ports->options->rate;
	if (!learn(ports, &result->learned))
		return -EIO;
	if (!run_for(&l, ports->options->warm_up_s) || !measure(&l, result) || !drain(&l, result))
		return -EIO;
	sum(ports, &result->total);
	return 0;
}
