/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - a lossless wire's turn: frames of one receive queue go straight to the port at the other end, in order, and
 * what that has no room for is given back to the ring it came from.
 *
 *	rx (the buffers stay unreturned) --> tx until the first that must wait --> return the buffers of those that
 *	are done, give back the rest
 *
 * So nothing is consumed that was not sent, or dropped for a reason that will not pass (drop.h): a frame too long for
 * any buffer of its receiver, or malformed. A frame that stands for several may be sent in part; the rest follows. One that
 * needs more buffers than its receiver has, and a second later still has, although it sleeps, goes in segments if it
 * stands for several and is dropped as too long otherwise: the receiver would wait for it as it waits for buffers.
 *
 * A frame that waits holds up those behind it in its own ring, whose buffers are returned in order. Other queues go on.
 * A worker sleeps over a queue that waits as over one without frames: it asks the receiver, not the sender, for a kick.
 *
 * wait->waits is false whenever a frame could be tried, so a look at a queue that waits costs as much as one at a ring.
 */
#ifndef GINNEL_WORKER_WIRE_H
#define GINNEL_WORKER_WIRE_H

#include "worker/turn.h"

/* Moves up to max frames, in a turn that was just begun. Returns how many buffers went back to their sender. */
uint32_t wire_run(struct turn *turn, const struct rxq *q, uint32_t max);

/* The first frame of the queue, if there is one, must wait. */
static inline bool wire_waits(const struct rxq *q)
{
	return iface_is_lossless(&q->port->iface) && q->port->rx_wait[q->queue].waits;
}

/* Of a queue that waits: asks to be woken when there is room. True: do not sleep. */
bool wire_arm(const struct rxq *q, uint32_t worker);
/* When the queue has to be looked at whatever comes; UINT64_MAX: never. */
uint64_t wire_due_ns(const struct rxq *q);
void wire_disarm(const struct rxq *q, uint32_t worker);

#endif
