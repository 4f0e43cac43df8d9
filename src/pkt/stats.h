/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - the counters of workers and interfaces, in memory that readers share (client/ginnel_stats.h has the layout).
 *
 * They are the real ones: workers count right there, nothing is copied for a reader. Control keeps what is told besides,
 * names and states, up to date.
 */
#ifndef GINNEL_PKT_STATS_H
#define GINNEL_PKT_STATS_H

#include "client/ginnel_stats.h"
#include "pkt/iface.h"

struct stats;

/* For the interfaces and n_workers of a process, and one lane more. NULL when out of memory. */
struct stats *stats_create(uint32_t n_workers);
void stats_destroy(struct stats *s);
/* What to hand to a reader; -1: nothing, on this kernel. */
int stats_fd(const struct stats *s);

/* An interface's lane; its counters are zero when the interface is new. */
struct iface_lane *stats_lane(struct stats *s, uint32_t iface, uint32_t worker);
/* The counters of a worker: len bytes, zero. */
void *stats_worker(struct stats *s, uint32_t worker, uint32_t len);

/* An interface comes, or goes (NULL). */
void stats_set_iface(struct stats *s, uint32_t idx, const struct iface *iface);
/* About once a second: what may have changed. */
void stats_beat(struct stats *s, const struct iface_table *ifaces, uint64_t now_ns, uint64_t clocks);

#endif
