/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - seeing what becomes of packets: captures into a file (pcap trace), the
 * roads of chosen packets (trace add).
 *
 *	worker: a turn --> struct turn_watch (pkt/watch.h) --> memory of the worker's own, made before
 *	control:                                                   --> the file, the answer of a command
 *
 * Each worker has a watcher, which is published to it while somebody wants to see something. Nothing here is called
 * otherwise. Watchers write into rings or tables of fixed size; what does not fit is counted and told.
 */
#ifndef GINNEL_WATCH_WATCH_H
#define GINNEL_WATCH_WATCH_H

#include "ctl/command.h"
#include "os/loop.h"
#include "pkt/turn.h"

struct watch;

/* What it stands on; all of it must outlive it. */
struct watch_config {
	struct loop *loop;
	struct iface_table *ifaces;
	uint32_t n_workers;
	/* Shows worker's turns to w from now on, or to nobody (NULL). Control waits for the workers itself. */
	void (*publish)(void *subject, uint32_t worker, struct turn_watch *w);
	void *subject;
};

/* NULL when out of memory. */
struct watch *watch_create(const struct watch_config *config);
/* Ends what goes on; workers may still run. */
void watch_destroy(struct watch *w);
/* What was captured so far is in the file when this returns: the process may end. */
void watch_sync(struct watch *w);

/*
 * A packet that only tries the road: begin() gives what to put into its turn (turn->watch), end() the roads of that
 * packet and of all that came of it, as show trace has them. Nothing else may happen between.
 */
struct turn_watch *watch_trial_begin(struct watch *w);
json_t *watch_trial_end(struct watch *w);

extern const struct ctl_type watch_reason_type; /* "drop-reason", no subject */
extern const struct ctl_type watch_node_type;   /* "node"; subject: struct watch */

/* Subject: struct watch. */
extern const struct ctl_table capture_commands;
extern const struct ctl_table trace_commands;

#endif
