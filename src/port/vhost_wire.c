/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of a lossless wire: a frame waits for its buffers.
 *
 * Any worker may sleep until a receive ring has more buffers, and the guest's kick for that wakes all of them. A ring
 * has one place at which it asks for a kick, always behind all buffers that are there, so whoever asks does so for
 * all. A ring that can only ask for every kick or none asks as long as anybody sleeps (tx_waiters).
 */
#include "port/vhost_port.h"

bool vhost_wire_waits(const struct virtq *vq, uint32_t slots, enum drop *drop)
{
	if (*drop == DROP_TX_BROKEN)
		return true;
	if (*drop != DROP_TX_NO_BUFFER)
		return false;
	if (slots < vq->size)
		return true;
	*drop = DROP_TX_TOO_LONG;
	return false;
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
	is_short = ring->vq.error != VIRTQ_OK ||
		   (ring->vq.next_avail == wait->place && !virtq_more(&ring->vq, wait->buffers));
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
	} else if (ring->vq.next_avail == wait->place && !virtq_arm_beyond(&ring->vq, wait->buffers)) {
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
