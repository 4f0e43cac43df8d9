/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's control queue, where a front-end leaves it to us, and what goes with it. It is served by the worker that
 * polls receive queue 0, one command a turn and in passing: so a guest that floods it slows down its own receive queue.
 *
 * A command is applied with all transmit locks of the port held: workers look at what the driver wants under the lock
 * of the ring they send to, so when the answer is published no frame goes by the old state any more.
 */
#include "port/vhost_port.h"
#include "port/vnet.h"

#include <errno.h>
#include <string.h>

#define CTRL_SEGS 64

static uint32_t read_command(const struct virtq_chain *chain, uint8_t bytes[VNET_CTRL_COMMAND_MAX])
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < chain->n_read; i++) {
		uint32_t part = min_u32(chain->segs[i].len, VNET_CTRL_COMMAND_MAX - len);

		memcpy(bytes + len, chain->segs[i].addr, part);
		len += part;
	}
	return len;
}

void vhost_ctrl_apply(struct vhost_port *vp)
{
	vp->caps = vnet_guest_caps(vp->ctrl.offloads);
	__atomic_store_n(&vp->pairs_used, vp->ctrl.pairs, __ATOMIC_RELAXED);
}

static uint8_t handle(struct vhost_port *vp, const struct virtq_chain *chain)
{
	uint8_t bytes[VNET_CTRL_COMMAND_MAX], ack;
	uint32_t len = read_command(chain, bytes);

	for (uint32_t pair = 0; pair < VHOST_PORT_PAIRS; pair++)
		vhost_port_tx_lock(vp, pair);
	ack = vnet_ctrl_handle(&vp->ctrl, bytes, len);
	vhost_ctrl_apply(vp);
	for (uint32_t pair = 0; pair < VHOST_PORT_PAIRS; pair++)
		vhost_port_tx_unlock(vp, pair);
	if (iface_is_fed(&vp->port.iface)) /* somebody may wait for a queue that is used no longer */
		ports_wake(vp->port.ports);
	return ack;
}

void vhost_ctrl_serve(struct vhost_port *vp, struct vhost_ring *ring)
{
	struct virtq *vq = &ring->vq;
	struct virtq_seg segs[CTRL_SEGS];
	struct virtq_chain chain = {.segs = segs, .max = CTRL_SEGS};
	uint32_t written = 0;
	int got;

	virtq_call_due(vq);
	got = virtq_pop(vq, &chain);
	if (likely(got == 0) || got == -EPROTO)
		return;
	if (got == -ENOSPC) { /* no command has so many pieces */
		virtq_skip(vq, chain.buffer);
	} else if (chain.n_write > 0) {
		/* a piece is never empty */
		segs[chain.n_read].addr[0] = handle(vp, &chain);
		written = 1;
		if (vq->log)
			virtq_log_written(vq, &segs[chain.n_read], 1, written);
	}
	virtq_push(vq, chain.buffer, written);
	virtq_flush(vq);
}

void vhost_ctrl_state(struct vhost_port *vp, struct vnet_ctrl *out)
{
	struct vhost_ring *ring = vp->ctrl_ring;

	if (ring) {
		rcu_publish(vp->ctrl_ring, NULL);
		rcu_wait();
	}
	*out = vp->ctrl;
	if (!ring)
		return;
	rcu_publish(vp->ctrl_ring, ring);
	if (vp->port.rx_waker[0])
		waker_wake(vp->port.rx_waker[0]); /* it may have armed and slept without this ring */
}
