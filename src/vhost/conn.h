/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - one vhost-user connection: bytes of a non-blocking socket become messages, messages become bytes. Its owner
 * is either side: one that hears requests, or one that hears answers.
 *
 * A read never goes beyond the end of the current message, so descriptors that arrive belong to it, whichever
 * byte they came with. A message that has begun must be complete within deadline_ns; an idle peer may stay
 * silent for ever. What does not fit into the socket waits in `out`; a peer that lets more of it pile up is cut off.
 *
 * The owner hears of whole messages and of the end, once. It may close the connection itself with
 * conn_stop(), but not from inside message().
 */
#ifndef GINNEL_VHOST_CONN_H
#define GINNEL_VHOST_CONN_H

#include "os/loop.h"
#include "os/parcel.h"
#include "vhost/message.h"

#include <stdbool.h>
#include <stdint.h>

#define CONN_MAX_OUT     4096
#define CONN_MAX_OUT_FDS 8

struct conn_events {
	const char *peer; /* the other side, for sentences: "front-end" */
	bool replies;     /* it sends answers, otherwise requests */
	/* Non-zero, with m->why, ends the connection. */
	int (*message)(void *arg, struct message *m);
	/* All that had to wait has gone. The same; m->why is the only thing to look at in m. May be NULL. */
	int (*sent)(void *arg, struct message *m);
	/* It is over and the socket is closed; -ECONNRESET: the peer has left. The conn may be started again. */
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
	uint32_t out_fds_at; /* the byte of `out` that the descriptors go with */
	uint32_t out_n_fds;
	int out_fds[CONN_MAX_OUT_FDS]; /* ours */
	struct message in;
};

void conn_init(struct conn *c, struct loop *loop, const struct conn_events *events, void *arg);
/* Takes fd over. 0, or -errno and fd is closed. */
int conn_start(struct conn *c, int fd);
/* Closes without a word to the owner; does nothing if there is no connection. */
void conn_stop(struct conn *c);
/*
 * 0, or -errno: the connection has to end. The descriptors stay the caller's. -ENOBUFS: too much waits already; of
 * messages with descriptors one at a time may wait.
 */
int conn_send(struct conn *c, const struct vhost_user_header *header, const void *payload, const int *fds,
	uint32_t n_fds);
/* The same, for an answer without descriptors. */
int conn_reply(struct conn *c, uint32_t request, const void *payload, uint32_t size);

/* The socket with what was received of a message and what could not be sent yet, for a successor process. */
json_t *conn_save(const struct conn *c, struct parcel *parcel);
/* As conn_start(). 0, or -errno: the socket is still open with whoever saved it. */
int conn_restore(struct conn *c, const json_t *state, struct parcel *parcel);

#endif
