/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of a lossless wire: a frame waits for its buffers.
 *
 * Buffers may never be enough: those of a ring that is full of them, or of a driver that sleeps until one of those it
 * posted is used. Nobody can tell the latter from one that is slow but by its asking for calls, and by time
 * (struct wire_wait, last). Drivers refill a ring when half of it is free at the latest, as far as they can.
 *
 * Any worker may sleep until a receive ring has more buffers, and the guest's kick for that wakes all of them. A ring
 * has one place at which it asks for a kick, always behind all buffers that are there, so whoever asks does so for
 * all. A ring that can only ask for every kick or none asks as long as anybody sleeps (tx_waiters).
 */
#include "port/vhost_port.h"

/* There will be no more buffers before some are used. */
static bool is_all(const struct virtq *vq, const struct wire_wait *wait, uint32_t n_descs)
{
	return n_descs >= vq->size || (wait->last && n_descs > 0 && virtq_driver_sleeps(vq));
}

bool vhost_wire_waits(const struct virtq *vq, const struct wire_wait *wait, uint32_t n_descs, enum drop *drop)
{
	if (*drop == DROP_TX_NO_BUFFER && is_all(vq, wait, n_descs))
		*drop = DROP_TX_TOO_LONG;
	return *drop == DROP_TX_NO_BUFFER || *drop == DROP_TX_BROKEN;
}

bool vhost_wire_cuts(const struct virtq *vq, const struct wire_wait *wait, uint32_t n_descs, enum drop drop)
{
	return drop == DROP_TX_TOO_LONG ||
	       (drop == DROP_TX_NO_BUFFER && (2 * n_descs >= vq->size || is_all(vq, wait, n_descs)));
}

/* The ring that wait is about, locked. NULL: it is another one now, or none. */
static struct vhost_ring *lock_ring(struct vhost_port *vp, const struct wire_wait *wait)
{
	struct vhost_ring *ring;

	if (wait->queue >= VHOST_PORT_PAIRS || !(vhost_port_tx_pairs(vp) & 1u << wait->queue))
		return NULL;
	ring = rcu_load(vp->rings[2 * wait->queue]);
	if (!ring)
		return NULL;
	vhost_port_tx_lock(vp, wait->queue);
	return ring;
}

bool vhost_tx_short(struct port *port, const struct wire_wait *wait)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	struct vhost_ring *ring;
	bool is_short;

	if (vhost_port_tx_pairs(vp) == 0)
		return true;
	ring = lock_ring(vp, wait);
	if (!ring)
		return false;
	is_short =
		ring->vq.error != VIRTQ_OK || (ring->vq.next_avail == wait->place && !ring->vq.always_call &&
						      !virtq_more(&ring->vq, wait->buffers));
	vhost_port_tx_unlock(vp, wait->queue);
	return is_short;
}

bool vhost_tx_arm(struct port *port, const struct wire_wait *wait, uint32_t worker)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	struct vhost_ring *ring;
	bool work = true;

	if (vhost_port_tx_pairs(vp) == 0)
		return false; /* control wakes us when there are some */
	ring = lock_ring(vp, wait);
	if (!ring)
		return true;
	if (ring->vq.error != VIRTQ_OK) {
		work = false;
	} else if (ring->vq.next_avail == wait->place && !ring->vq.always_call &&
		   !virtq_arm_beyond(&ring->vq, wait->buffers)) {
		vp->tx_waiters[wait->queue] |= 1u << worker;
		work = ring->kick_fd < 0 && !ring->kick_by_message;
	}
	vhost_port_tx_unlock(vp, wait->queue);
	return work;
}

void vhost_tx_disarm(struct port *port, const struct wire_wait *wait, uint32_t worker)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	struct vhost_ring *ring = lock_ring(vp, wait);

	if (!ring)
		return;
	vp->tx_waiters[wait->queue] &= ~(1u << worker);
	if (vp->tx_waiters[wait->queue] == 0)
		virtq_disarm(&ring->vq);
	vhost_port_tx_unlock(vp, wait->queue);
}
