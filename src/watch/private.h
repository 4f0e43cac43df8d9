/* SPDX-License-Identifier: Apache-2.0 */
/* private - what the files behind watch/watch.h share. */
#ifndef GINNEL_WATCH_PRIVATE_H
#define GINNEL_WATCH_PRIVATE_H

#include "watch/capture.h"
#include "watch/trace.h"
#include "watch/watch.h"

/* One worker's. */
struct watcher {
	struct turn_watch all, capture_only;
	const struct turn *turn; /* the one that is shown */
	struct capture_lane capture;
	struct trace_lane trace;
};

struct watch {
	struct watch_config config;
	struct capture capture;
	uint64_t begun_ns;
	struct loop_timer trace_rest;
	struct filter trace_filter;
	struct watcher trial; /* published to nobody */
	struct watcher watchers[WORKER_MAX];
};

/* Nobody looks on from here, so that anything may be changed, until watch_go_on(). */
void watch_hold(struct watch *w);
/* The same for traces; a capture goes on. */
void watch_hold_traces(struct watch *w);
void watch_go_on(struct watch *w);

void trace_init(struct watch *w);
/* Forgets what was traced. */
void trace_stop(struct watch *w);

/* Where a packet lies in its turn; TURN_PKTS_ALL: it is no packet of the turn's own. */
static inline uint32_t watch_place(const struct turn *turn, const struct pkt *pkt)
{
	return pkt >= turn->pkts && pkt < turn->pkts + TURN_PKTS_ALL ? (uint32_t)(pkt - turn->pkts)
								     : TURN_PKTS_ALL;
}

#endif
