/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_io - frames over a socket that keeps messages apart: many with one system call, both ways. For ports whose socket
 * is the kernel's or a peer's.
 *
 * A message is a struct virtio_net_hdr if the socket has it, and the frame. Its head is read to its place, its body into
 * memory of the queue, where it lies until the turn ends. What is sent is gathered from where its sender has it; what has to
 * be completed first is copied together.
 *
 * A look is a system call: after one in vain the queue is left alone for a while, as other queues of a busy worker shall not
 * pay for it. Nothing is missed by that: whatever comes after the last look wakes a worker that went to sleep.
 */
#ifndef GINNEL_PORT_SOCKET_IO_H
#define GINNEL_PORT_SOCKET_IO_H

#include "port/port.h"

#include <linux/virtio_net.h>

/* Messages with one call. */
#define SOCKET_IO_BATCH 32
/* Without a look after one in vain. */
#define SOCKET_IO_PAUSE_NS 5000

struct socket_io_batch;

struct socket_queue {
	int fd;
	bool hdr;  /* struct virtio_net_hdr before each frame */
	bool tags; /* VLAN tags come beside the frame (PACKET_AUXDATA) */
	/* The worker that polls it: */
	bool drained;       /* the last look found nothing */
	uint64_t looked_ns; /* when that was */
	struct socket_io_batch *batch;
};

/* fd stays the caller's. 0 or -ENOMEM. */
int socket_queue_init(struct socket_queue *q, int fd, bool hdr, bool tags);
void socket_queue_fini(struct socket_queue *q);

/* As the operations of a port. */
uint32_t socket_queue_rx(struct socket_queue *q, struct iface *iface, struct turn *turn, uint32_t max);

/* The descriptor is watched edge-triggered: it tells of what comes after the last look only. */
static inline bool socket_queue_arm(const struct socket_queue *q)
{
	return !q->drained;
}

static inline void socket_queue_disarm(struct socket_queue *q)
{
	q->drained = false;
}

/* Where frames that are completed here are put together: one for each worker. */
#define SOCKET_IO_SCRATCH (4u * PKT_LEN_MAX)

/* What lies before each frame that is sent. */
enum socket_prefix {
	SOCKET_PREFIX_NONE,
	SOCKET_PREFIX_VNET,   /* struct virtio_net_hdr */
	SOCKET_PREFIX_LENGTH, /* the frame's length in 32 bits, most significant byte first */
};

struct socket_sender {
	int fd;
	enum socket_prefix prefix;
	uint32_t caps; /* enum frame_cap bits: what the other side takes undone; none without a vnet header */
	uint32_t mtu_max; /* if the interface's is larger */
	uint8_t *scratch;
};

/* Sends n packets out of iface and counts, also what could not be sent. False: of some message a part only has left. */
bool socket_send(const struct socket_sender *s, struct iface *iface, struct turn *turn,
	struct pkt *const *pkts, uint32_t n);

#endif
