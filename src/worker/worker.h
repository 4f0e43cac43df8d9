/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - the threads that move packets, each running one turn after the other:
 *
 *	take frames from the receive queues it polls --> stages from top to bottom --> buffers go home
 *
 * What a worker polls is a list that control replaces as a whole under RCU; a turn never waits for control.
 *
 * Sleep is adaptive: a worker polls while there is work and for `spin` after the last, then asks all its queues
 * for notifications, looks once more, and sleeps. With polling forced it never sleeps; at a fixed rate (poll_ns) it sleeps
 * until the next time, whatever comes.
 */
#ifndef GINNEL_WORKER_WORKER_H
#define GINNEL_WORKER_WORKER_H

#include "bridge/bridge.h"
#include "gateway/nat44.h"
#include "ip/ip.h"
#include "port/port.h"

#include <stdbool.h>
#include <stdint.h>

#define WORKER_ANY_CPU (-1)

struct workers;

struct workers_config {
	uint32_t n;           /* 1 .. WORKER_MAX */
	int cpus[WORKER_MAX]; /* WORKER_ANY_CPU: wherever the kernel likes */
	bool polling;         /* never sleep */
	uint64_t poll_ns;     /* not 0: look at all queues at this rate, and ask nobody for notifications */
	uint64_t spin_ns;     /* how long to look for more work before sleeping */
	struct iface_table *ifaces;
	struct bridges *bridges;
	struct ip *ip; /* NULL, and so the next one: a program that routes nothing */
	struct nat44 *nat44;
};

/* Makes the workers; they start with workers_start(). 0 or -errno. */
int workers_create(struct workers **out, const struct workers_config *config);
int workers_start(struct workers *ws);
/* Ends the threads; nothing may be polled any more. */
void workers_destroy(struct workers *ws);

/*
 * All at once receive nothing any more, whatever they are given to poll: nothing is on its way when this returns, and
 * ports may be changed in any order without a loss.
 */
void workers_pause(struct workers *ws);
void workers_resume(struct workers *ws);

/*
 * Shows a worker's turns to somebody (pkt/watch.h) from the next one on, or to nobody (NULL). Returns at once: whoever
 * looked on before is let go with rcu_wait(). The subject is struct workers.
 */
void workers_watch(void *subject, uint32_t worker, struct turn_watch *watch);

/* Worker 0 shall run a turn, whether there is something to receive or not. subject: struct workers */
void workers_wake_first(void *subject);

/*
 * How ports get their queues polled; its subject is struct workers. Unless the user wants it elsewhere, the least loaded
 * worker takes a new queue.
 */
extern const struct port_placer workers_placer;

extern const struct ctl_table worker_commands; /* subject: struct workers */

#endif
