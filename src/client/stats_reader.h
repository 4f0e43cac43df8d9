/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * stats_reader - the statistics of a running ginnel daemon (ginnel_stats.h): one request to get at the memory, none to
 * read it.
 */
#ifndef GINNEL_STATS_READER_H
#define GINNEL_STATS_READER_H

#include "client/ginnel_stats.h"

#include <stdbool.h>

struct stats_reader;

/* One interface, summed over its lanes. */
struct stats_interface {
	uint32_t idx, generation;
	char name[64];
	char kind[32];
	bool up;
	uint32_t mtu;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t lost;   /* of drops, those that are a loss */
	uint64_t *drops; /* by reason; a piece of the snapshot's memory */
};

struct stats_worker {
	struct ginnel_stats_worker counters;
	struct ginnel_stats_count *stages; /* by stage */
	uint64_t busy_clocks;              /* all of them together */
};

/* Everything at one moment. Filled again and again; all zero at first. */
struct stats_snapshot {
	uint64_t now_ns;      /* CLOCK_MONOTONIC */
	double clocks_per_ns; /* 0: not known yet */
	uint64_t start_ns;
	uint32_t pid;
	uint32_t n_interfaces, n_workers, n_drops, n_stages;
	struct stats_interface *interfaces;
	struct stats_worker *workers;
	uint64_t *drop_counts;
	struct ginnel_stats_count *stage_counts;
};

/* Asks the daemon whose control socket is at path. 0, or -errno: -EPROTO when it has no statistics that we can read. */
int stats_reader_open(struct stats_reader **out, const char *path);
void stats_reader_close(struct stats_reader *r);

/* 0, -ENOMEM, or -ESTALE: the daemon has not moved for seconds; open anew. */
int stats_reader_read(struct stats_reader *r, struct stats_snapshot *s);
void stats_snapshot_free(struct stats_snapshot *s);

const struct ginnel_stats_drop *stats_reader_drop(const struct stats_reader *r, uint32_t drop);
const char *stats_reader_stage(const struct stats_reader *r, uint32_t stage);

#endif
