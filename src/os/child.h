/* SPDX-License-Identifier: Apache-2.0 */
/* child - a program that works for us at the other end of a socket, and ends when we close ours. */
#ifndef GINNEL_OS_CHILD_H
#define GINNEL_OS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* The other end in the program, beside its standard ones. */
#define CHILD_FD 3

/*
 * Runs argv[0], looked for in PATH, with one end of a pair of stream sockets as CHILD_FD. Returns ours, non-blocking, or
 * -errno: -ENOENT when there is no such program. *pid is to be reaped.
 */
int child_start(char *const argv[], pid_t *pid);
/* True: it is over. Never blocks. */
bool child_reap(pid_t pid);

#endif
