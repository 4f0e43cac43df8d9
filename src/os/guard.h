/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - mappings of a peer's file that may be cut short under our feet.
 *
 * A peer who shrinks a shared file makes our next access raise SIGBUS. The handler finds the guarded mapping,
 * puts zero pages in its place, marks it lost and writes to the notify fd; the access is repeated and reads zeros.
 * The owner of the mapping then ends that peer's connection. A SIGBUS elsewhere kills the process as usual.
 *
 * The table is process-wide because a signal handler has nothing else; guards are added and removed by the control
 * thread only, while no other thread uses that mapping.
 */
#ifndef GINNEL_OS_GUARD_H
#define GINNEL_OS_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* The kernel maps no more than that (vm.max_map_count) unless told to. */
#define GUARD_MAX 65536

/* Installs the handler; notify_fd (an eventfd, or -1) is written to at each loss. Once per process. 0 or -errno. */
int guard_start(int notify_fd);

/* Returns a guard's number, or -ENOSPC. */
int guard_add(void *addr, size_t len);
void guard_del(int guard);
/* The file under this mapping was cut; what is read there now is zeros. */
bool guard_lost(int guard);

#endif
