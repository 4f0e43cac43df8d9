/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bell - how a peer is told that something is new for it. A small value, copied as one likes; whoever made it keeps
 * the descriptor open as long as a copy may be rung.
 *
 *	           rung by                  when the peer does not listen and it is full
 *	eventfd    adding 1                 it was told already
 *	socket     8 bytes, the same 1      it was told already
 *	message    one whole message        this one is lost, and *missed says so: somebody has to repeat it
 *
 * Each ring is one system call, so threads may share a socket: a message this short goes into it as a whole or not at
 * all, and never between the bytes of another.
 */
#ifndef GINNEL_OS_BELL_H
#define GINNEL_OS_BELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BELL_MESSAGE_MAX 20

enum bell_kind {
	BELL_NONE, /* nobody wants to be told */
	BELL_EVENTFD,
	BELL_SOCKET,
	BELL_MESSAGE,
};

struct bell {
	enum bell_kind kind;
	int fd;
	/* All bells of one peer may share it: when one has blocked, none of them is tried again. Relaxed atomic. */
	bool *blocked;
	/* BELL_MESSAGE */
	bool *missed; /* written by whoever rings, relaxed atomic */
	uint32_t len;
	uint8_t message[BELL_MESSAGE_MAX];
};

/* A bell with nobody at the other end. */
static inline struct bell bell_none(void)
{
	return (struct bell){.fd = -1};
}

static inline struct bell bell_eventfd(int fd)
{
	return (struct bell){.kind = fd >= 0 ? BELL_EVENTFD : BELL_NONE, .fd = fd};
}

static inline struct bell bell_socket(int fd)
{
	return (struct bell){.kind = BELL_SOCKET, .fd = fd};
}

/*
 * 0 when done or when it is full; -EINTR when the call blocked until the thread's alarm (os/thread.h), or one of that
 * peer's did before. Other errors are the peer's loss and count as 0. Never for a pipe: who reads from it into a page that does not come holds its lock
 * meanwhile, and no signal ends the wait for that.
 */
int bell_ring(const struct bell *bell);

#endif
