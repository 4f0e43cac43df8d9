/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - the talk with a service manager, in systemd's words (sd_notify(3), sd_listen_fds(3)).
 *
 * A manager that wants to hear from us names a datagram socket in $NOTIFY_SOCKET. What it keeps for us while we are
 * not there comes back at the next start as descriptors from 3 on, named in $LISTEN_FDNAMES.
 */
#ifndef GINNEL_OS_SERVICE_H
#define GINNEL_OS_SERVICE_H

#include <stdint.h>

/* "READY=1", "STOPPING=1": lines, without a final newline. 0, -ENOENT when nobody wants to know, or -errno. */
int service_notify(const char *state);

/*
 * The same in two steps, for a program that can make no socket any more when it ends: a descriptor that is connected to
 * the manager, -ENOENT or -errno; and what it is told. A negative descriptor tells nobody.
 */
int service_open(void);
void service_send(int manager, const char *state);

/* All descriptors that came at start, for a program that knows what they are by their order; at most max. How many. */
uint32_t service_sockets(int *fds, uint32_t max);

/* Lets the manager keep fd under that name over our end; returns when it has it. As above, or -ETIMEDOUT. */
int service_store(const char *name, int fd);
/* What the manager keeps under that name it may close. */
int service_forget(const char *name);

/* The first descriptor that came under that name at start, and its place is empty from then on; -1 if there is none. */
int service_take(const char *name);

#endif
