/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - a whole run against a back-end:
 *
 *	connect      until the disk is there
 *	warm up      full load, nothing counts but faults
 *	measure      counters begin at zero
 *	drain        nothing more is asked; all that is on its way must come back
 *	read back    each block once, if the plan says so
 *
 * With reconnect the back-end may die at any time: what is on its way is waited for, from the next one.
 */
#ifndef GINNEL_BLKBENCH_RUN_H
#define GINNEL_BLKBENCH_RUN_H

#include "blkbench/load.h"

#include <signal.h>

struct blkbench_result {
	struct load load; /* counters of the measured part */
	double seconds;
	uint64_t cpu_ns; /* of the process that the plan names; 0: not known */
	uint64_t features;
	uint64_t capacity;
	uint64_t seed;
	uint32_t lives, resumed;
	uint64_t asked_again;
	uint64_t kicks, kicks_saved, calls;
	uint64_t read_back; /* blocks */
	char why[256];      /* it ended early */
};

/* *stop may become true at any time: then the rest of the phases is short. 0, or -errno and r->why. */
int blkbench_run(
	const struct blkbench_plan *plan, const volatile sig_atomic_t *stop, struct blkbench_result *r);

#endif
