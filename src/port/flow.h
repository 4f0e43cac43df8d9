/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - which frames belong together: a hash over addresses, protocol and ports, or over what there is of them. Both
 * directions of a flow have the same one, and so have a frame that stands for several and its segments.
 */
#ifndef GINNEL_PORT_FLOW_H
#define GINNEL_PORT_FLOW_H

#include "pkt/pkt.h"

#include <stdint.h>

/* Of a frame whose first len bytes (14 at least) are here. */
uint32_t flow_hash(const uint8_t *frame, uint32_t len);

typedef void flow_send_fn(void *arg, uint32_t queue, struct pkt *const *pkts, uint32_t n);

/*
 * Hands n packets, at most TURN_PKTS_ALL, to send(): spread over queues (a bit each, at least one), those of a flow to the
 * same one, so it stays in order.
 */
void flow_spread(uint32_t queues, struct pkt *const *pkts, uint32_t n, flow_send_fn *send, void *arg);

/* How many of n packets, from the first, go to the same of these queues, and to which. */
uint32_t flow_run(uint32_t queues, struct pkt *const *pkts, uint32_t n, uint32_t *queue);

#endif
