/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - who looks on while packets walk down the road: a capture, a packet trace. Mostly nobody does (turn->watch is
 * NULL), which costs one look at that pointer per turn and one per burst that leaves.
 *
 * A watch belongs to one worker and is called by it; control publishes it, or NULL, and waits (os/rcu.h) before it
 * changes anything in it.
 */
#ifndef GINNEL_PKT_WATCH_H
#define GINNEL_PKT_WATCH_H

#include "pkt/drop.h"
#include "pkt/stage.h"

#include <stdbool.h>
#include <stdint.h>

struct iface;
struct pkt;
struct turn;
struct turn_watch;
struct vec;

struct turn_watch_ops {
	/* Before a stage that has something to do; vec is empty before STAGE_PORT_OUTPUT, whose packets wait in lanes. */
	void (*stage)(struct turn_watch *watch, struct turn *turn, enum stage stage, const struct vec *vec);
	/* A port does not send these; always before output() of the same packets at the same interface. */
	void (*tx_drop)(struct turn_watch *watch, const struct iface *iface, struct pkt *const *pkts,
		uint32_t n, enum drop reason);
	/* These were handed to an interface, and have left through it unless tx_drop() said otherwise. */
	void (*output)(
		struct turn_watch *watch, const struct iface *iface, struct pkt *const *pkts, uint32_t n);
	/* After the last stage. */
	void (*end)(struct turn_watch *watch, struct turn *turn);
};

struct turn_watch {
	const struct turn_watch_ops *ops;
	/*
	 * The packets only try the road, for `why`: nothing leaves and nothing is learned from them. A stage that remembers
	 * something asks turn_is_trial() first.
	 */
	bool trial;
};

#endif
