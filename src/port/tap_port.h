/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap_port - a port whose other end is a network interface of the kernel: what the kernel sends there comes in here.
 *
 *	tap_port.c       control: making and ending a port, the kernel's side of it, the port in a successor process
 *	tap_io.c         frames, a system call each
 *	tap_commands.c   the words
 *
 * Before each frame lies the header that virtio-net has: checksums that are only begun and frames that stand for several
 * pass in both directions as they are, as far as the user and the kernel like. What the kernel's side says is checked as a
 * guest's is.
 *
 * A frame that is received lies, but for its head, in memory of the queue until the turn ends. One that is sent is gathered
 * by the kernel from where its sender has it.
 */
#ifndef GINNEL_PORT_TAP_PORT_H
#define GINNEL_PORT_TAP_PORT_H

#include "os/netif.h"
#include "os/tap.h"
#include "port/port.h"

/* What one turn can hold of bodies, and the largest body. */
#define TAP_BODY_MAX  (PKT_LEN_MAX - PKT_HEAD_MAX)
#define TAP_BODIES    (256u * 1024)
#define TAP_BODY_ROOM (TAP_BODIES + TAP_BODY_MAX)
/* A frame with its header, in one piece. */
#define TAP_WHOLE_LEN (TAP_HDR_LEN + PKT_LEN_MAX)

struct tap_queue {
	int fd;
	/* The worker that polls it: */
	bool drained;       /* the last look found nothing */
	uint64_t looked_ns; /* when that was */
	uint8_t *bodies;    /* TAP_BODY_ROOM bytes */
};

struct tap_port {
	struct port port;
	struct tap tap;
	char *host_ns; /* NULL: ours */
	uint32_t caps; /* enum frame_cap bits: what the kernel takes undone */
	bool gone;     /* relaxed atomic: the kernel's interface was removed */
	struct tap_queue queues[TAP_MAX_QUEUES];
	uint8_t *whole; /* per worker TAP_WHOLE_LEN bytes, for frames that are completed here */
};

struct tap_port_config {
	int32_t instance;    /* N of tapN; -1: the lowest free one */
	int fd;              /* one that is open already; -1: none */
	const uint8_t *mac;  /* of our side; NULL: made up */
	uint32_t n_queues;   /* 1 .. TAP_MAX_QUEUES */
	bool csum, gso;      /* may be left undone; gso needs csum */
	const char *host_if; /* NULL: tapN, whatever number is free there */
	const char *host_ns; /* as netns_run() */
	const char *host_bridge;
	const uint8_t *host_mac;
	uint32_t host_mtu; /* 0: as it is */
	struct netif_addr addrs[2];
	uint32_t n_addrs;
};

/* 0, or -errno after saying in why what could not be done and how to mend it. */
int tap_port_create(
	struct ports *ports, const struct tap_port_config *config, struct tap_port **out, char why[256]);
int tap_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct tap_port *tap_port_of(struct port *port);

static inline bool tap_port_is_gone(const struct tap_port *tp)
{
	return __atomic_load_n(&tp->gone, __ATOMIC_RELAXED);
}

/* The memory that frames need. 0 or -ENOMEM. */
int tap_io_init(struct tap_port *tp, uint32_t n_workers);
void tap_io_fini(struct tap_port *tp);

uint32_t tap_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max);
void tap_rx_done(struct port *port, uint32_t queue);
bool tap_rx_arm(struct port *port, uint32_t queue);
void tap_rx_disarm(struct port *port, uint32_t queue);
void tap_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);

extern const struct ctl_table tap_commands; /* subject: struct ports */

#endif
