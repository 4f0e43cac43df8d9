/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep - packets of a turn whose port still has them when the turn is over, and brings those again for which somebody had
 * no buffers: the sender is held up instead of its packets dropped. They walk the whole road once more, so nobody on it has
 * to know.
 *
 * The port's rx() links it into the turn, for the packets that it has just taken, which follow each other in turn->pkts.
 * turn_tx_drop() marks in it. What goes to a group is never brought again: others have it. (A frame that is flooded because
 * nobody knows where its address is may come twice to those for whom it is not.) A copy that a stage made, as of what goes
 * into a tunnel, is nobody's.
 */
#ifndef GINNEL_PKT_KEEP_H
#define GINNEL_PKT_KEEP_H

#include "pkt/pkt.h"

struct turn;

/* As many as a turn may have (TURN_PKTS). */
#define TURN_KEEP_MAX 256

#define KEEP_NOT_SEEN UINT64_MAX

struct turn_keep {
	struct turn_keep *next; /* another port's */
	const struct pkt *from; /* the first packet */
	uint32_t n;             /* and how many follow it */
	uint32_t n_again;       /* of which this many are here again: they are counted already */
	uint32_t n_no_room;     /* marked */
	const struct iface
		*never; /* whose buffers are not waited for until it takes something; NULL: everybody's are */
	uint64_t
		never_sent; /* packets to it, by this worker, when it had no room first; KEEP_NOT_SEEN: not yet */
	const struct iface *who; /* had no room for the first that was marked */
	bool no_room[TURN_KEEP_MAX];
};

/* Marks them, counts each that waits for the first time as DROP_TX_WAITED, and drops those that nobody keeps. */
void turn_tx_no_room(struct turn *turn, struct iface *iface, struct pkt *const *pkts, uint32_t n);
/* How many of these, which came in together, are here again, and their bytes. */
uint32_t turn_came_before(const struct turn *turn, struct pkt *const *pkts, uint32_t n, uint64_t *bytes);

#endif
