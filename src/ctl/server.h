/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the control socket: JSON-RPC requests, one line each, from any number of clients.
 *
 * Everything runs in the loop's thread and nothing waits for a client. A client has an input buffer for one
 * line and an output buffer for answers it has not read; who reads nothing while SERVER_UNREAD_MAX bytes
 * gather is closed. A client gets a few requests per round of the loop, so that a flood from one does not
 * starve the others.
 *
 * Admitted are the daemon's own user and root, judged by the kernel's word (SO_PEERCRED); the file's mode is
 * 0600.
 */
#ifndef GINNEL_CTL_SERVER_H
#define GINNEL_CTL_SERVER_H

#include "ctl/ctl.h"
#include "os/loop.h"
#include "os/parcel.h"

#include <sys/types.h>

#define SERVER_CLIENTS_MAX 64
#define SERVER_UNREAD_MAX  (8 * 1024 * 1024) /* bytes */

struct ctl_server;

/*
 * Listens at path; its directory is made with mode 0700 if missing. The loop and ctl must live longer. 0 or
 * -errno, which unix_explain() turns into what to do about it.
 */
int ctl_server_start(struct ctl_server **out, struct loop *loop, struct ctl *ctl, const char *path);
/*
 * The socket that listens, and clients with what they sent and have not read, for a successor process. Answers that come
 * later come now, with what there is.
 */
json_t *ctl_server_save(struct ctl_server *server, struct parcel *parcel);
/* As ctl_server_start(), but goes on with that socket if it is the one at path. */
int ctl_server_restore(struct ctl_server **out, struct loop *loop, struct ctl *ctl, const char *path,
	const json_t *state, struct parcel *parcel);

/*
 * For a command whose caller wants more than an answer: as soon as the caller has that, its connection leaves the
 * server and becomes fn's. False: the command that runs came over no connection.
 */
bool ctl_server_pass_on(struct ctl_server *server, void (*fn)(void *arg, int fd), void *arg);

/*
 * For a command that answers with a descriptor: it goes along with the answer (SCM_RIGHTS), is taken over and closed then.
 * False: the command came over no connection, or another descriptor is still on its way there; fd stays the caller's.
 */
bool ctl_server_attach(struct ctl_server *server, int fd);

/* Closes all clients and removes the socket file, if it is still this server's. */
void ctl_server_stop(struct ctl_server *server);

/* Whether a user may talk to a daemon of another (or the same) user. */
bool ctl_server_admits(uid_t peer, uid_t daemon);

#endif
