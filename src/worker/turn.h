/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn - runs one turn: receive, stages, done. Has no thread and asks no clock, so tests run turns by hand.
 */
#ifndef GINNEL_WORKER_TURN_H
#define GINNEL_WORKER_TURN_H

#include "bridge/bridge.h"
#include "client/ginnel_stats.h"
#include "gateway/nat44.h"
#include "ip/ip.h"
#include "port/port.h"

#include <stdint.h>

/* Receive queues one worker may poll: all there can be. */
#define RXQ_MAX (IFACE_MAX * PORT_MAX_RX_QUEUES)

struct rxq {
	struct port *port;
	uint32_t queue;
};

/* Never changes once published to a worker. */
struct rx_list {
	uint32_t n;
	struct rxq rxqs[];
};

/* Written by the worker, read by control (relaxed atomics). */
struct stage_counters {
	uint64_t calls;
	uint64_t vectors; /* packets */
	uint64_t clocks;  /* CPU cycles by the time stamp counter */
};

struct turn_counters {
	uint64_t turns;
	uint64_t busy_turns;
	uint64_t sleeps;
	struct stage_counters input; /* receiving and giving back */
	struct stage_counters stages[STAGE_COUNT];
};

static_assert(offsetof(struct turn_counters, stages) == sizeof(struct ginnel_stats_worker) &&
		      sizeof(struct stage_counters) == sizeof(struct ginnel_stats_count),
	"a worker's counters lie as readers know them");

/* Whose stages they are. */
struct turn_rooms {
	struct bridges *bridges;
	struct ip *ip;
	struct nat44 *nat44;
};

struct turn_runner {
	struct turn *turn;
	struct turn_rooms rooms;
	void *subjects[STAGE_COUNT];
	uint32_t first; /* the queue to begin with: where the turn before ran out of room, or the next one */
	uint32_t n_wires;               /* queues of this turn that begin a lossless wire */
	struct turn_counters *counters; /* &own, or where others see them (pkt/stats.h) */
	struct turn_counters own;
	struct turn_watch *watch; /* rcu_load(); NULL: nobody looks on */
};

/* 0 or -ENOMEM. */
int turn_runner_init(struct turn_runner *r, uint32_t worker, const struct turn_rooms *rooms);
void turn_runner_fini(struct turn_runner *r);

/* One turn over the queues of list. Returns the buffers taken, and what control made; 0 means there was nothing to do. */
uint32_t turn_run(struct turn_runner *r, const struct rx_list *list, uint64_t now_ns);

/* A packet that only tries the road. */
struct turn_trial {
	struct iface *rx;
	const uint8_t *frame;
	uint32_t len; /* at least a header, at most PKT_LEN_MAX */
};

/*
 * A turn with that packet alone, and a trial's watch looking on. Control; the runner's worker is the number of workers,
 * so that its lane is in no sum.
 */
void turn_try(
	struct turn_runner *r, struct turn_watch *watch, uint64_t now_ns, const struct turn_trial *trial);

#endif
