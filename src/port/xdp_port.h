/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xdp_port - a port on a network interface of the kernel whose frames are ours alone: they come and go over AF_XDP sockets
 * (os/xdp.h), one for each queue, past the kernel's network stack.
 *
 *	xdp_port.c       control: making and ending a port, the port in a successor process
 *	xdp_io.c         frames
 *	xdp_commands.c   the words
 *
 * A frame that comes lies, but for its head, in the chunk where it arrived until the turn ends; then the kernel gets the
 * chunk back. One that leaves is copied into a chunk of the queue's stock. With AF_XDP nothing is said about a frame but
 * its length: checksums and segmentation are completed in that copy, and what comes with a checksum that is only begun is
 * told by its look (port/begun.h).
 */
#ifndef GINNEL_PORT_XDP_PORT_H
#define GINNEL_PORT_XDP_PORT_H

#include "os/xdp.h"
#include "port/port.h"

#include <pthread.h>

struct xdp_queue {
	struct xdp_socket *socket;
	/* The worker that polls it: chunks of frames of this turn. */
	uint32_t n_held;
	uint32_t held[TURN_PKTS];
	/* Whoever has the lock, which is taken only when there are several workers: chunks for frames to send. */
	pthread_spinlock_t tx_lock;
	uint32_t n_stock;
	uint16_t stock[XDP_TX_CHUNKS];
	bool stuck; /* relaxed atomic: the kernel did not take all that is in the ring; it is asked again */
};

struct xdp_port {
	struct port port;
	struct xdp xdp;
	char host_if[IFNAMSIZ]; /* the kernel's name, which may change */
	char *netns;            /* NULL: ours, or not known */
	bool gone;              /* relaxed atomic: the kernel's interface was removed */
	struct xdp_queue queues[XDP_MAX_QUEUES];
};

struct xdp_port_config {
	const char *host_if;
	const char *name;   /* NULL: host_if/0, as VPP */
	const char *netns;  /* as netns_run() */
	const char *queues; /* a number or "all" */
	const char *mode;   /* as of ginnel-xdp-open */
	const char *prog;   /* NULL: ours */
	int fd;             /* a socket on which an opener's answer is; -1: start one */
	const uint8_t *mac; /* NULL: made up */
};

/* 0, or -errno after saying in why what could not be done and how to mend it. */
int xdp_port_create(
	struct ports *ports, const struct xdp_port_config *config, struct xdp_port **out, char why[256]);
int xdp_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct xdp_port *xdp_port_of(struct port *port);

static inline bool xdp_port_is_gone(const struct xdp_port *xp)
{
	return __atomic_load_n(&xp->gone, __ATOMIC_RELAXED);
}

/* All chunks for frames to send are there. */
void xdp_io_fill_stock(struct xdp_queue *q);

uint32_t xdp_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max);
void xdp_rx_done(struct port *port, uint32_t queue);
bool xdp_rx_arm(struct port *port, uint32_t queue);
void xdp_rx_disarm(struct port *port, uint32_t queue);
void xdp_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);

extern const struct ctl_table xdp_commands; /* subject: struct ports */

#endif
