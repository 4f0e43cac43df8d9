/* SPDX-License-Identifier: Apache-2.0 */
/* commands - the list of all tables of commands, and the rooms they work on. */
#ifndef GINNEL_PROG_COMMANDS_H
#define GINNEL_PROG_COMMANDS_H

#include "bridge/bridge.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "gateway/gateway.h"
#include "ip/ip.h"
#include "prog/statistics.h"
#include "port/port.h"
#include "tunnel/vxlan.h"
#include "watch/watch.h"
#include "worker/why.h"
#include "worker/worker.h"

/* Any room may be missing (NULL) when only the words are wanted, as for the manual page. */
struct rooms {
	struct iface_table *ifaces;
	struct bridges *bridges;
	struct ip *ip;
	struct gateway gateway;
	struct vxlans *vxlans;
	struct workers *workers;
	struct ports *ports;
	struct watch *watch;
	struct why why;
	struct config *config;
	struct statistics statistics;
};

struct handover;

void commands_add(struct ctl *ctl, struct rooms *rooms, struct handover *handover);

#endif
