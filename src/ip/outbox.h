/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox - what control wants sent: worker 0 takes it at the beginning of its next turn, and control wakes it for that.
 *
 * One writer (control), one reader (worker 0), no lock. Bytes are control's, which frees them after the worker has gone
 * past.
 */
#ifndef GINNEL_IP_OUTBOX_H
#define GINNEL_IP_OUTBOX_H

#include "pkt/turn.h"

#define OUTBOX_SIZE 1024u

enum out_kind {
	OUT_IP,          /* bytes: an IP packet, to be routed in iface's table */
	OUT_PING,        /* the same; number: ip/ping.h */
	OUT_FRAME,       /* bytes: a frame for iface */
	OUT_ASK,         /* a request for a neighbour's address */
	OUT_ASK_UNICAST, /* the same, to the address it has */
	OUT_UNREACHABLE, /* a packet that waited for a neighbour (ip/neigh.h): its sender is told */
};

struct out {
	enum out_kind kind;
	uint32_t iface;  /* an index */
	uint32_t number; /* of a neighbour, or of a packet that waits */
	uint32_t len;
	uint8_t *bytes; /* malloc() */
};

struct outbox {
	uint32_t head, tail; /* atomic: control's, the worker's */
	uint32_t freed;      /* control's: up to where bytes were freed */
	struct out list[OUTBOX_SIZE];
	void (*wake)(void *subject);
	void *wake_subject;
};

struct ip;

/* Control. False: it is full, and bytes are freed. Those that are not NULL belong to it from here on. */
bool outbox_put(struct outbox *box, const struct out *out);
/* What is still in it is not sent any more: no worker looks. */
void outbox_fini(struct outbox *box);
/* The worker. Returns packets that were made. */
uint32_t outbox_take(struct ip *ip, struct turn *turn);

static inline bool outbox_is_empty(const struct outbox *box)
{
	return __atomic_load_n(&box->head, __ATOMIC_ACQUIRE) == box->tail;
}

#endif
