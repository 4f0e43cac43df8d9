/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - everything a successor process needs, in one parcel: ports, bridge domains, cross-connects, the
 * router, the control socket. Each room saves and restores its own; here is the order.
 *
 * STATE_VERSION grows when an older program could not go on with what a newer one leaves: keys that it does not know it
 * ignores, and what it misses reads as a default. State is of the least version that can go on with it: 3 with
 * addresses of the router, 2 with cross-connects, whose packets programs of lower versions would drop, 1 without.
 */
#ifndef GINNEL_PROG_STATE_H
#define GINNEL_PROG_STATE_H

#include "ctl/server.h"
#include "os/parcel.h"
#include "prog/commands.h"

#define STATE_VERSION 3

/* What a take-over was like, for the log and for `show handover`. */
struct state_report {
	int from_pid; /* 0: there was none */
	struct ports_restored restored;
	uint64_t still_ns; /* from the first queue at rest to the last one at work */
	uint64_t lost;     /* packets dropped meanwhile */
};

/* Of what state_save() would leave now: at most STATE_VERSION. */
int state_version(const struct rooms *rooms);

/* Nothing is forwarded from here on, until the process ends or state_resume(). 0 or -ENOMEM, and nothing happened. */
int state_save(const struct rooms *rooms, struct ctl_server *server, struct parcel *parcel);
void state_resume(const struct rooms *rooms);

/*
 * Into rooms without ports and domains. Workers rest when it returns, and until state_go(). 0, -EPROTONOSUPPORT (left
 * by a newer program; nothing happened), or another -errno: then the process must end at once, as the guests are
 * still with whoever saved it. The control socket is the caller's to restore, from the member "control".
 */
int state_restore(const struct rooms *rooms, struct parcel *parcel, struct state_report *report);
void state_go(const struct rooms *rooms, const struct parcel *parcel, struct state_report *report);

#endif
