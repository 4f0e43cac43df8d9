/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover - a daemon is replaced while guests run. They keep their sockets, memory and rings and notice nothing.
 *
 *	old one                                   successor, ginneld --replace
 *	                                          makes its rooms and threads, connects to the control socket
 *	   <-- command `handover VERSION`, the newest state it can read
 *	   its own version, or a refusal -->
 *	   <-- GO
 *	   stops forwarding
 *	   the parcel (prog/state.h) -->
 *	                                          restores everything, forwards nothing yet
 *	   <-- READY
 *	   YOURS, and ends -->
 *	                                          forwards
 *
 * Whatever goes wrong before YOURS, the old one takes up its work again, and tells so with KEPT if anybody listens.
 * Until then the successor owns nothing: it must end at once, without shutting a socket down or removing a file.
 *
 * Under a service manager there is nobody to talk to: the old one leaves the parcel in a socket pair, of which the
 * manager keeps one end until the next start (os/service.h).
 */
#ifndef GINNEL_PROG_HANDOVER_H
#define GINNEL_PROG_HANDOVER_H

#include "ctl/server.h"
#include "prog/state.h"

struct handover {
	struct loop *loop;
	const struct rooms *rooms;
	struct ctl *ctl;
	const char *api_socket;
	struct ctl_server *server; /* NULL until there is one */
	struct state_report report;
	/* the old one's: who asked and has not said GO yet; -1: nobody */
	struct loop_watch asker;
	struct loop_timer patience;
};

/* The other fields are the caller's to set before. */
void handover_init(struct handover *h);
void handover_fini(struct handover *h);

/*
 * The successor: takes everything from the daemon at api_socket, and makes the server. 0, -ENOENT when there is none,
 * or another -errno, said why: then the process must _exit().
 */
int handover_take(struct handover *h);
/* The same from what the service manager kept. */
int handover_fetch(struct handover *h);
/* Leaves everything to the service manager. When it is 0 the process must _exit(); else all goes on. */
int handover_store(struct handover *h);

extern const struct ctl_table handover_commands; /* subject: struct handover */

#endif
