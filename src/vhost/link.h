/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - how a connection comes about, one at a time, for ever: as a server at a path, or as a client that tries
 * again until somebody listens there.
 *
 *	server: a front-end that comes while another one is connected waits in the backlog, unaccepted;
 *	        when the first one is gone, for whatever reason, it is served at once
 *	client: connects without blocking; after a failure it waits 100 ms, doubling up to 1 s
 *
 * opened() hands the socket over; link_next() tells that it is closed again.
 */
#ifndef GINNEL_VHOST_LINK_H
#define GINNEL_VHOST_LINK_H

#include "os/loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct link_events {
	/* The socket is the owner's, until link_next(). */
	void (*opened)(void *arg, int fd);
	/* Nobody could be reached or accepted; it is tried again. */
	void (*failed)(void *arg, int err);
	/* A second front-end waits. */
	void (*crowded)(void *arg);
};

struct link {
	struct loop *loop;
	const struct link_events *events;
	void *arg;
	char *path;
	bool server;
	bool busy; /* a connection is open */
	struct loop_watch watch;
	struct loop_timer timer;
	uint64_t next_ns;  /* nobody is served before */
	uint64_t retry_ns; /* until the next attempt */
	uint64_t retry_min_ns, retry_max_ns;
	dev_t dev; /* the socket file we made: another one in its place is not ours to remove */
	ino_t ino;
};

struct link_left {
	const char *path;
	int listen_fd; /* -1: a client */
	dev_t dev;     /* of the socket file */
	ino_t ino;
	uint64_t next_ns;
	bool busy;
};

/* The fields loop, events and arg are the caller's to set before. 0 or -errno; opened() comes later, from the
 * loop. */
int link_start(struct link *l, const char *path, bool server, mode_t mode);
/* As link_start(), from where another process left off. The listener is taken over, but on error. */
int link_resume(struct link *l, const struct link_left *left);
void link_stop(struct link *l);
/* The connection is over: the next one, please, but not before pause_ns have passed. */
void link_next(struct link *l, uint64_t pause_ns);

#endif
