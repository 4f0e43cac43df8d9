/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign - file descriptors that came from a peer.
 *
 * The peer keeps a copy that shares everything with ours: it may fill it, take O_NONBLOCK off again, or have a
 * file system of its own (FUSE) answer for it. So nothing is asked of such a descriptor before its kind is known,
 * and no call made here waits for the peer. Where the kernel gives no way to promise that, the caller's alarm
 * (os/thread.h) ends the wait.
 *
 *	             closed by     may wait for the peer
 *	eventfd      the caller    in write() (os/bell.h): until the alarm
 *	memory       the caller    never
 *	socket       a reaper      in close(), for a lingering TCP socket that lies unread in it: until the alarm
 *	pipe, other  a reaper      in close(), for ever: a file on FUSE, a pipe whose reader holds its lock
 *
 * A reaper is a thread of its own, started when it is needed; there is one for sockets and one for the rest. What
 * waits behind one that hangs stays open.
 */
#ifndef GINNEL_OS_FOREIGN_H
#define GINNEL_OS_FOREIGN_H

enum foreign_kind {
	FOREIGN_EVENTFD,
	FOREIGN_PIPE,   /* without a name */
	FOREIGN_SOCKET, /* AF_UNIX: a call on another family may wait for a lock that the peer holds */
	FOREIGN_MEMORY, /* memfd, or a file of tmpfs or hugetlbfs */
	FOREIGN_OTHER,
};

/* Asks no file system. */
enum foreign_kind foreign_kind(int fd);

/* Takes fd over; never blocks. */
void foreign_close(int fd);
/* For tests: returns when all that was handed over before is closed. */
void foreign_settle(void);

#endif
