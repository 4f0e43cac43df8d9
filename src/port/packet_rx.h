/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_rx - frames of a packet socket by its ring (os/packet_socket.h): no system call, no wait, and the body stays in its
 * place until the turn ends. Those that no place holds, such as what the kernel's GRO put together, come from the socket,
 * many with one call (port/socket_io.h), in their turn. A socket without a ring has them all there.
 */
#ifndef GINNEL_PORT_PACKET_RX_H
#define GINNEL_PORT_PACKET_RX_H

#include "port/socket_io.h"

struct packet_queue {
	struct socket_queue socket;
	uint8_t *ring; /* NULL: none */
	/* The worker that polls it: */
	uint32_t at;     /* the place that is next */
	uint32_t n_held; /* places before it that are not the kernel's again */
};

/* fd stays the caller's. make: it gets a ring if it can; otherwise it may have one already. 0 or -ENOMEM. */
int packet_queue_init(struct packet_queue *q, int fd, bool make);
void packet_queue_fini(struct packet_queue *q);

/* As the operations of a port. */
uint32_t packet_queue_rx(struct packet_queue *q, struct iface *iface, struct turn *turn, uint32_t max);
void packet_queue_rx_done(struct packet_queue *q);
bool packet_queue_arm(const struct packet_queue *q);
void packet_queue_disarm(struct packet_queue *q);

#endif
