/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - the phases of a run:
 *
 *	learn      each address sends one frame, again until everybody's frames reach the partner and nobody else
 *	warm up    full load, nothing counts
 *	measure    counters begin at zero
 *	drain      nobody sends; what is on its way is waited for, so that what is missing then is lost
 */
#ifndef GINNEL_BENCH_LOAD_H
#define GINNEL_BENCH_LOAD_H

#include "port.h"

struct load_result {
	double seconds; /* measured */
	double clocks_per_s;
	uint64_t received;        /* while measuring */
	uint64_t sent;            /* while measuring */
	uint64_t busy_clocks;     /* in rounds that moved something */
	uint64_t idle_clocks;     /* in the others: many of them say that the switch is the limit */
	bool learned;             /* else the switch still floods */
	uint32_t not_taken;       /* frames that the switch never took out of our rings */
	struct counters total;    /* of all ports, after the drain */
	struct histogram latency; /* clocks */
};

/* 0 or -EIO when the switch failed, which was told. */
int load_run(struct ports *ports, struct load_result *result);

#endif
