/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest to switch. A burst is taken in two loops: the first pops chains and asks the cache for their first bytes,
 * the second copies header and head. Buffers are pushed back to the used ring at once, in slots the guest does not
 * see before vhost_rx_done(): until then their bodies are ours to read.
 */
#include "port/rx_frame.h"
#include "port/vhost_port.h"
#include "wire/rarp.h"

#include <errno.h>
#include <string.h>

#define RX_BURST 64

/*
 * A chain of more pieces than any frame needs is given back as it is. To find that out took as long as to take those
 * pieces, so it uses them up.
 */
static void drop_monster(
	struct vhost_port *vp, struct virtq *vq, struct virtq_buffer buffer, struct turn *turn)
{
	virtq_skip(vq, buffer);
	virtq_push(vq, buffer, 0);
	turn->n_segs += TURN_SEGS_PER_PKT;
	iface_count(&turn_lane(turn, &vp->port.iface)->counters.drops[DROP_RX_PIECES], 1);
}

/* Pops up to max chains into frames, while the turn has room. *taken counts monsters, too. Returns the others. */
static uint32_t pop_burst(struct vhost_port *vp, struct turn *turn, struct virtq *vq, struct rx_frame *frames,
	uint32_t max, uint32_t *taken)
{
	struct virtq_chain chain = {.max = TURN_SEGS_PER_PKT};
	uint32_t n = 0;

	for (*taken = 0; *taken < max && turn_room(turn) > 0; ++*taken) {
		int got;

		chain.segs = (struct virtq_seg *)(void *)&turn->segs[turn->n_segs];
		got = virtq_pop(vq, &chain);
		if (unlikely(got == -ENOSPC)) {
			drop_monster(vp, vq, chain.buffer, turn);
			continue;
		}
		if (got <= 0)
			break;
		frames[n++] = (struct rx_frame){.segs = chain.segs, .n = chain.n_read, .len = chain.read_len};
		turn->n_segs += chain.n_read;
		turn->n_bytes += min_u64(chain.read_len, PKT_LEN_MAX);
		if (likely(chain.n_read > 0)) {
			__builtin_prefetch(chain.segs[0].addr);
			__builtin_prefetch(chain.segs[0].addr + CACHE_LINE);
		}
		virtq_push(vq, chain.buffer, 0);
	}
	return n;
}

/* The frame by which others learn that the guest is here now, as if it had sent it. */
static uint32_t announce(struct vhost_port *vp, struct turn *turn)
{
	uint64_t mac;
	struct pkt *pkt;

	if (turn_room(turn) == 0)
		return 0;
	mac = __atomic_exchange_n(&vp->announce, 0, __ATOMIC_RELAXED);
	if (mac == 0)
		return 0;
	pkt = turn_pkt(turn);
	pkt->rx = &vp->port.iface;
	pkt->offload = (struct pkt_offload){0};
	pkt->head_len = RARP_FRAME_LEN;
	pkt->body_len = 0;
	pkt->n_segs = 0;
	rarp_announce(pkt->data, mac);
	turn_push(turn, pkt, STAGE_ETH_INPUT);
	return 1;
}

/* What goes along with queue 0. Returns the frames that came of it. */
static uint32_t besides(struct vhost_port *vp, struct turn *turn)
{
	struct vhost_ring *ctrl = rcu_load(vp->ctrl_ring);

	if (unlikely(ctrl != NULL))
		vhost_ctrl_serve(vp, ctrl);
	if (unlikely(__atomic_load_n(&vp->announce, __ATOMIC_RELAXED) != 0))
		return announce(vp, turn);
	return 0;
}

static uint32_t receive(struct vhost_port *vp, struct vhost_ring *ring, struct turn *turn, uint32_t max)
{
	struct rx_frame frames[RX_BURST];
	uint32_t n, taken;

	virtq_call_due(&ring->vq);
	n = min_u32(min_u32(virtq_available(&ring->vq, RX_BURST), max), min_u32(RX_BURST, turn_room(turn)));
	virtq_prefetch(&ring->vq, n);
	n = pop_burst(vp, turn, &ring->vq, frames, n, &taken);
	for (uint32_t i = 0; i < n; i++) {
		struct pkt *pkt = turn_pkt(turn);
		enum drop drop = rx_frame_fill(pkt, &frames[i], vp->hdr_len);

		pkt->rx = &vp->port.iface;
		if (unlikely(!ring->enabled))
			drop = DROP_RX_DISABLED;
		if (unlikely(drop != DROP_NONE))
			turn_drop(turn, pkt, drop);
		else
			turn_push(turn, pkt, STAGE_ETH_INPUT);
	}
	return taken;
}

uint32_t vhost_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	uint32_t taken = queue == 0 ? besides(vp, turn) : 0;
	struct vhost_ring *ring = vhost_port_rx_ring(vp, queue);

	return ring ? taken + receive(vp, ring, turn, max) : taken;
}

void vhost_rx_done(struct port *port, uint32_t queue)
{
	struct vhost_ring *ring = vhost_port_rx_ring(CONTAINER_OF(port, struct vhost_port, port), queue);

	if (ring)
		virtq_flush(&ring->vq);
}

static bool ring_arm(struct vhost_ring *ring)
{
	if (!ring || ring->vq.error != VIRTQ_OK)
		return false;
	return virtq_arm(&ring->vq) || (ring->kick_fd < 0 && !ring->kick_by_message);
}

static void ring_disarm(struct vhost_ring *ring)
{
	if (ring)
		virtq_disarm(&ring->vq);
}

bool vhost_rx_arm(struct port *port, uint32_t queue)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	bool work = queue == 0 && ring_arm(rcu_load(vp->ctrl_ring));

	return ring_arm(vhost_port_rx_ring(vp, queue)) || work;
}

void vhost_rx_disarm(struct port *port, uint32_t queue)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);

	if (queue == 0)
		ring_disarm(rcu_load(vp->ctrl_ring));
	ring_disarm(vhost_port_rx_ring(vp, queue));
}
