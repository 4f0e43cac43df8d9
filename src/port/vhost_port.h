/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost_port - a port whose other end is a guest's virtio-net device, reached over vhost-user.
 *
 * Ring 2i carries what we send to the guest (its receive queue i), ring 2i + 1 what it sends to us. vhost/ publishes
 * and unpublishes rings; the workers read the published pointers once per burst.
 *
 *	vhost_port.c   control: making and ending a port, what vhost/ tells us
 *	vhost_rx.c     guest to switch: borrow its buffers
 *	vhost_tx.c     switch to guest: the one copy
 *	vhost_wire.c   waiting for the guest's buffers, at the end of a lossless wire
 *	vhost_ctrl.c   the driver's control queue, where the front-end leaves it to us
 *	vhost_port_state.c   all of it for a successor process
 *
 * The control queue lies behind all others: ring 2 * VHOST_PORT_PAIRS for a driver that negotiated several pairs, ring 2
 * for one that did not. Front-ends that serve it themselves (QEMU does) hide CTRL_VQ from us.
 */
#ifndef GINNEL_PORT_VHOST_PORT_H
#define GINNEL_PORT_VHOST_PORT_H

#include "base/log.h"
#include "os/rcu.h"
#include "port/port.h"
#include "port/vnet_ctrl.h"
#include "vhost/backend.h"

#include <linux/virtio_net.h>
#include <pthread.h>

#define VHOST_PORT_PAIRS PORT_MAX_RX_QUEUES
#define VHOST_PORT_RINGS (2 * VHOST_PORT_PAIRS + 1)

/* Most buffers, and pieces of them, that one frame to a guest may be spread over: 64 KiB need 43 of 1526 bytes. */
#define VHOST_TX_BUFFERS 256
#define VHOST_TX_SEGS    512

struct vhost_port {
	struct port port;
	struct vhost_backend *backend;
	uint64_t feature_mask;
	void (*over)(void *arg); /* see struct vhost_port_config */
	void (*came)(void *arg, bool here);
	void *over_arg;
	bool tells_link, link_up;
	bool in_band; /* kicks and calls may be messages: simulated time needs that, and each kick waits for its answer */
	/* What the guest negotiated; constant while a ring is published. */
	uint16_t hdr_len;
	bool mrg_rxbuf;
	uint32_t ctrl_idx; /* of the ring that is the control queue; none has UINT32_MAX */
	/* What its driver said since. Written by the worker that serves the control queue, holding all of tx_lock. */
	uint32_t caps; /* enum frame_cap bits it accepts undone */
	struct vnet_ctrl ctrl;
	uint32_t pairs_used;                            /* relaxed atomic */
	struct vhost_ring *rings[2 * VHOST_PORT_PAIRS]; /* rcu_publish() */
	struct vhost_ring *ctrl_ring;                   /* rcu_publish() */
	uint64_t announce; /* an address that a frame shall come from, once; 0: none; atomic */
	uint32_t peer_mtu; /* what the front-end told the guest (NET_SET_MTU); relaxed atomic */
	struct log_limit limit;
	uint32_t
		tx_pairs; /* a bit for each pair we may send to: its ring runs and is enabled; relaxed atomic */
	/* Taken once per burst, and only when several workers may send to one ring. */
	pthread_spinlock_t tx_lock[VHOST_PORT_PAIRS];
	uint32_t tx_waiters
		[VHOST_PORT_PAIRS]; /* workers that sleep until there are buffers, a bit each; tx_lock */
};

struct vhost_port_config {
	const char *path;
	bool server;
	mode_t mode;
	uint64_t feature_mask;
	bool in_band;
	const uint8_t *mac; /* NULL: one is made up */
	int32_t instance;   /* -1: the lowest free one */
	const char *name;   /* NULL: made up from the instance */
	bool tells_link; /* a front-end without answers of its own is told the address and the state of the link */
	/* As in struct vhost_backend_config; zeros are the usual. */
	int fd; /* when path is NULL */
	const gid_t *group;
	uint64_t reconnect_ns;
	uint32_t max_ring_size, max_mem_slots;
	const struct mem_filter *mem_filter;
	/* The one connection that the port was given has ended: from the loop, the port may be deleted here. */
	void (*over)(void *arg);
	void *over_arg;
	/* A front-end has come, or gone; over_arg. May be NULL. */
	void (*came)(void *arg, bool here);
};

/* With tells_link: whoever is at the other end has come or gone. Control. */
void vhost_port_set_link(struct vhost_port *vp, bool up);

/* 0 or -errno; with server the path is taken already when this returns (unix_explain()). */
int vhost_port_create(struct ports *ports, const struct vhost_port_config *config, struct vhost_port **out);
/* A port in no list, without name and address. NULL when out of memory. */
struct vhost_port *vhost_port_alloc(uint64_t feature_mask);
/* Of its back-end: all but path, server and mode. */
struct vhost_backend_config vhost_port_backend(struct vhost_port *vp);
/* As ops->save() and resume(); and back again. */
json_t *vhost_port_save(struct port *port, struct parcel *parcel);
void vhost_port_resume(struct port *port);
int vhost_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct vhost_port *vhost_port_of(struct port *port);

/* The pairs that frames to the guest are spread over, a bit each; 0: it cannot receive. */
static inline uint32_t vhost_port_tx_pairs(const struct vhost_port *vp)
{
	uint32_t used = __atomic_load_n(&vp->pairs_used, __ATOMIC_RELAXED);

	return __atomic_load_n(&vp->tx_pairs, __ATOMIC_RELAXED) & ((1u << used) - 1);
}

uint32_t vhost_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max);
void vhost_rx_done(struct port *port, uint32_t queue);
bool vhost_rx_arm(struct port *port, uint32_t queue);
void vhost_rx_disarm(struct port *port, uint32_t queue);
void vhost_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);
/* As struct port_wire_ops says. */
void vhost_rx_settle(struct port *port, uint32_t queue, struct turn *turn, uint32_t n);
bool vhost_rx_arm_besides(struct port *port, uint32_t queue);
uint32_t vhost_tx_wire(
	struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n, struct wire_wait *wait);
/*
 * Of a frame that did not go, for n_descs descriptors of the ring were buffers and too few: it will, when there are more,
 * or when the ring has been mended. Where there will never be more, *drop becomes DROP_TX_TOO_LONG.
 */
bool vhost_wire_waits(
	const struct virtq *vq, const struct wire_wait *wait, uint32_t n_descs, enum drop *drop);
/* The same of a frame that stands for several: it should rather go in segments, which is no loss. */
bool vhost_wire_cuts(const struct virtq *vq, const struct wire_wait *wait, uint32_t n_descs, enum drop drop);
bool vhost_tx_short(struct port *port, const struct wire_wait *wait);
bool vhost_tx_arm(struct port *port, const struct wire_wait *wait, uint32_t worker);
void vhost_tx_disarm(struct port *port, const struct wire_wait *wait, uint32_t worker);

static inline void vhost_port_tx_lock(struct vhost_port *vp, uint32_t pair)
{
	if (vp->port.ports->config.n_workers > 1)
		pthread_spin_lock(&vp->tx_lock[pair]);
}

static inline void vhost_port_tx_unlock(struct vhost_port *vp, uint32_t pair)
{
	if (vp->port.ports->config.n_workers > 1)
		pthread_spin_unlock(&vp->tx_lock[pair]);
}

/* Worker: answers the next command, if there is one. */
void vhost_ctrl_serve(struct vhost_port *vp, struct vhost_ring *ring);
/* What vp->ctrl says is in force from now on. */
void vhost_ctrl_apply(struct vhost_port *vp);
/* Control: a copy of vp->ctrl. */
void vhost_ctrl_state(struct vhost_port *vp, struct vnet_ctrl *out);

/* Of frames to the guest: the user's, or the guest's own if that is less. */
static inline uint32_t vhost_port_mtu(const struct vhost_port *vp)
{
	return min_u32(iface_mtu(&vp->port.iface), __atomic_load_n(&vp->peer_mtu, __ATOMIC_RELAXED));
}

static inline struct vhost_ring *vhost_port_rx_ring(struct vhost_port *vp, uint32_t queue)
{
	return rcu_load(vp->rings[2 * queue + 1]);
}

extern const struct ctl_table print_commands; /* subject: struct ports */
extern const struct ctl_table vhost_commands; /* subject: struct ports */
extern const struct ctl_table
	vhost_show_commands; /* the same, for a program that makes its ports in its own way */

#endif
