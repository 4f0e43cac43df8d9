/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - seeing what becomes of packets: captures into a file (pcap trace).
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

extern const struct ctl_type watch_reason_type; /* "drop-reason", no subject */

extern const struct ctl_table capture_commands; /* subject: struct watch */

#endif
