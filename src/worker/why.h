/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why - the road that a described packet would take: it walks down the stages of a worker in control's thread, with
 * everybody's tables as they are, as a trial (pkt/watch.h): nothing is learned, nothing leaves, and it is counted in a lane
 * of its own that is in no sum.
 *
 * What a trial cannot know is whether the receiver has free buffers at the moment; what its interface has dropped so far
 * is told instead.
 */
#ifndef GINNEL_WORKER_WHY_H
#define GINNEL_WORKER_WHY_H

#include "ctl/command.h"
#include "pkt/iface.h"
#include "watch/watch.h"

struct workers;

struct why {
	struct workers *workers;
	struct watch *watch;
	struct iface_table *ifaces;
};

extern const struct ctl_table why_commands; /* subject: struct why */

#endif
