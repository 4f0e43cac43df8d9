/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netns - work inside another network namespace. A thread that lives no longer than the work goes there: whatever
 * happens, nobody else leaves the namespace of the process, and nobody has to find the way back.
 */
#ifndef GINNEL_OS_NETNS_H
#define GINNEL_OS_NETNS_H

/*
 * Runs fn(arg) in the namespace and returns what it returns, or -errno: -ENOENT when there is no such namespace, -EPERM
 * when we may not enter. ns: a name (ip netns), a process number, or a path; NULL: here. Control thread.
 */
int netns_run(const char *ns, int (*fn)(void *arg), void *arg);

#endif
