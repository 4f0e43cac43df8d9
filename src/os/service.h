/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - the talk with a service manager, in systemd's words (sd_notify(3), sd_listen_fds(3)).
 *
 * A manager that wants to hear from us names a datagram socket in $NOTIFY_SOCKET. What it keeps for us while we are
 * not there comes back at the next start as descriptors from 3 on, named in $LISTEN_FDNAMES.
 */
#ifndef GINNEL_OS_SERVICE_H
#define GINNEL_OS_SERVICE_H

/* "READY=1", "STOPPING=1": lines, without a final newline. 0, -ENOENT when nobody wants to know, or -errno. */
int service_notify(const char *state);

/* Lets the manager keep fd under that name over our end; returns when it has it. As above, or -ETIMEDOUT. */
int service_store(const char *name, int fd);
/* What the manager keeps under that name it may close. */
int service_forget(const char *name);

/* The first descriptor that came under that name at start, and its place is empty from then on; -1 if there is none. */
int service_take(const char *name);

#endif
