/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - how a connection comes about, one at a time: as a server at a path, as a client that tries again until somebody
 * listens there, or over a socket that whoever started us has opened.
 *
 *	server: a front-end that comes while another one is connected waits in the backlog, unaccepted;
 *	        when the first one is gone, for whatever reason, it is served at once
 *	client: connects without blocking; after a failure it waits 100 ms, doubling up to 1 s, or as long as it was told
 *	a socket given: one that listens makes us a server, but its file is not ours to remove;
 *	        one that is connected is the only connection there ever is, and over() tells that it has ended
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
	/* The connection that was given has ended. From the loop; the link may be stopped here. */
	void (*over)(void *arg);
};

struct link_config {
	const char *path; /* copied; NULL: fd */
	int fd;           /* unix_adopt() has to like it */
	bool server;
	mode_t mode;
	const gid_t *group;    /* of the socket file; NULL: the one it gets by itself */
	uint64_t reconnect_ns; /* 0: as said above */
};

struct link {
	struct loop *loop;
	const struct link_events *events;
	void *arg;
	char *path;
	bool server;
	bool given; /* the listener was */
	bool once;  /* a connection was given: none comes after it */
	bool busy;  /* a connection is open */
	int first;  /* that connection, until the loop runs; -1 */
	struct loop_watch watch;
	struct loop_timer timer;
	uint64_t next_ns;  /* nobody is served before */
	uint64_t retry_ns; /* until the next attempt */
	uint64_t retry_min_ns, retry_max_ns;
	uint64_t reconnect_ns;
	dev_t dev; /* the socket file we made: another one in its place is not ours to remove */
	ino_t ino;
};

struct link_left {
	const char *path;
	int listen_fd; /* -1: a client, or once */
	dev_t dev;     /* of the socket file */
	ino_t ino;
	uint64_t next_ns;
	uint64_t reconnect_ns;
	bool given, once;
	bool busy;
};

/*
 * The fields loop, events and arg are the caller's to set before. 0 or -errno; opened() comes later, from the loop. A
 * socket that was given is taken over, but on error.
 */
int link_start(struct link *l, const struct link_config *config);
/* As link_start(), from where another process left off. The listener is taken over, but on error. */
int link_resume(struct link *l, const struct link_left *left);
void link_stop(struct link *l);
/* The connection is over: the next one, please, but not before pause_ns have passed. */
void link_next(struct link *l, uint64_t pause_ns);

#endif
