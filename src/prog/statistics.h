/* SPDX-License-Identifier: Apache-2.0 */
/* statistics - the command by which a reader gets at the memory of client/ginnel_stats.h. */
#ifndef GINNEL_PROG_STATISTICS_H
#define GINNEL_PROG_STATISTICS_H

#include "ctl/server.h"
#include "pkt/iface.h"

struct statistics {
	struct ctl_server **server; /* where it will be */
	struct iface_table *ifaces;
};

/* About once a second. */
void statistics_beat(const struct statistics *s);

extern const struct ctl_table statistics_commands; /* subject: struct statistics */

#endif
