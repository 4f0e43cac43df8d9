/* SPDX-License-Identifier: Apache-2.0 */
/* private - what a worker is; for worker/ only. */
#ifndef GINNEL_WORKER_PRIVATE_H
#define GINNEL_WORKER_PRIVATE_H

#include "os/waker.h"
#include "worker/turn.h"
#include "worker/worker.h"

#include <pthread.h>

struct worker {
	struct workers *workers;
	uint32_t idx;
	int cpu;
	bool started;
	bool stop; /* relaxed atomic */
	pthread_t thread;
	struct waker waker;
	const struct rx_list *list; /* what it is to poll; control */
	const struct rx_list
		*polled; /* what it polls: list, or nothing while all are paused; rcu_publish() */
	struct turn_runner runner;
	/* show runtime: what the counters were at the last clear */
	struct turn_counters cleared;
};

struct workers {
	uint32_t n;
	bool polling;
	uint64_t spin_ns, poll_ns;
	bool paused;
	uint64_t cleared_ns;
	struct turn_runner trial; /* control's, for why */
	struct worker workers[WORKER_MAX];
};

#endif
