/* SPDX-License-Identifier: Apache-2.0 */
/* p2p_commands - what ginnel-p2p understands over its control socket: making and removing ports, and looking at them. */
#ifndef GINNEL_PROG_P2P_COMMANDS_H
#define GINNEL_PROG_P2P_COMMANDS_H

#include "ctl/server.h"
#include "prog/p2p_cable.h"

struct p2p_control {
	struct cable *cable;
	struct ctl_server *const *server; /* to answer with descriptors */
};

/* Without subjects (NULL) for the manual page. */
void p2p_commands_add(struct ctl *ctl, struct p2p_control *control);

#endif
