/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - one vhost-user connection: bytes of a non-blocking socket become messages, replies become bytes.
 *
 * A read never goes beyond the end of the current message, so descriptors that arrive belong to it, whichever
 * byte they came with. A message that has begun must be complete within deadline_ns; an idle peer may stay
 * silent for ever. Replies that do not fit into the socket wait in `out`; a peer that lets more of them pile
 * up is cut off.
 *
 * The owner hears of whole messages and of the end, once. It may close the connection itself with
 * conn_stop(), but not from inside message().
 */
#ifndef GINNEL_VHOST_CONN_H
#define GINNEL_VHOST_CONN_H

#include "os/loop.h"
#include "vhost/message.h"

#include <stdbool.h>
#include <stdint.h>

#define CONN_MAX_OUT 4096

struct conn_events {
	/* Non-zero, with m->why, ends the connection. */
	int (*message)(void *arg, struct message *m);
	/* It is over and the socket is closed; -ECONNRESET: the front-end has left. The conn may be started
	 * again. */
	void (*ended)(void *arg, int err, const char *why);
};

struct conn {
	struct loop *loop;
	struct loop_watch watch;
	struct loop_timer deadline;
	uint64_t deadline_ns;
	const struct conn_events *events;
	void *arg;
	int fd;           /* -1: no connection */
	uint32_t have;    /* bytes of `in` that have arrived */
	bool out_watched; /* wait for room in the socket */
	uint32_t out_len;
	uint8_t out[CONN_MAX_OUT];
	struct message in;
};

void conn_init(struct conn *c, struct loop *loop, const struct conn_events *events, void *arg);
/* Takes fd over. 0, or -errno and fd is closed. */
int conn_start(struct conn *c, int fd);
/* Closes without a word to the owner; does nothing if there is no connection. */
void conn_stop(struct conn *c);
/* 0, or -errno: the connection has to end. */
int conn_reply(struct conn *c, uint32_t request, const void *payload, uint32_t size);

#endif
