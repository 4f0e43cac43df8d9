/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest to switch. A burst is taken in two steps: first the buffers, then header and head of each, which are copied.
 * Buffers are pushed back to the used ring at once, in slots the guest does not see before vhost_rx_done(): until then
 * their bodies are ours to read.
 */
#include "base/prefetch.h"
#include "port/rx_frame.h"
#include "port/vhost_port.h"
#include "wire/rarp.h"

#include <errno.h>
#include <string.h>

#define RX_BURST 64
/* Header and head of a small frame. */
#define HEAD_LINES 2

/* For a turn that may give it back. */
static void hold(struct pkt *pkt, struct virtq_buffer buffer)
{
	pkt->buffer_id = buffer.id;
	pkt->buffer_slots = buffer.slots;
}

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
	hold(pkt, (struct virtq_buffer){0});
	rarp_announce(pkt->data, mac);
	turn_push(turn, pkt, STAGE_ETH_INPUT);
	return 1;
}

/* What goes along with queue 0. Returns the frames that came of it, max at most. */
static uint32_t besides(struct vhost_port *vp, struct turn *turn, uint32_t max)
{
	struct vhost_ring *ctrl = rcu_load(vp->ctrl_ring);

	if (unlikely(ctrl != NULL))
		vhost_ctrl_serve(vp, ctrl);
	if (unlikely(__atomic_load_n(&vp->announce, __ATOMIC_RELAXED) != 0) && max > 0)
		return announce(vp, turn);
	return 0;
}

static inline void pass_on(struct turn *turn, struct pkt *pkt, enum drop drop)
{
	if (unlikely(drop != DROP_NONE))
		turn_drop(turn, pkt, drop);
	else
		turn_push(turn, pkt, STAGE_ETH_INPUT);
}

/* Of n buffers, as many as the turn still takes by bytes. */
static uint32_t within_bytes(struct turn *turn, const struct virtq_plain *buffers, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n && likely(turn->n_bytes < TURN_BYTES); i++)
		turn->n_bytes += min_u32(buffers[i].len, PKT_LEN_MAX);
	return i;
}

/* A frame that is no good, and why. The turn has room for its piece. */
static __attribute__((noinline)) enum drop fill_slow(
	struct vhost_port *vp, struct turn *turn, struct pkt *pkt, const struct virtq_plain *buffer)
{
	struct virtq_seg *seg = (struct virtq_seg *)(void *)&turn->segs[turn->n_segs++];
	struct rx_frame f = {.segs = seg, .n = 1, .len = buffer->len};

	*seg = (struct virtq_seg){.addr = buffer->addr, .len = buffer->len};
	return rx_frame_fill(pkt, &f, vp->hdr_len);
}

static inline enum drop fill(
	struct vhost_port *vp, struct turn *turn, struct pkt *pkt, const struct virtq_plain *buffer)
{
	if (unlikely(buffer->len < vp->hdr_len ||
		     !rx_frame_fill_plain(pkt, buffer->addr, buffer->addr + vp->hdr_len,
			     buffer->len - vp->hdr_len, &turn->segs[turn->n_segs])))
		return fill_slow(vp, turn, pkt, buffer);
	if (pkt->n_segs > 0)
		turn->n_segs++;
	return DROP_NONE;
}

static void hold_plain(struct pkt *pkts, const struct virtq_plain *buffers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		hold(&pkts[i], (struct virtq_buffer){.id = buffers[i].id, .slots = 1});
}

static uint32_t receive_plain(struct vhost_port *vp, struct vhost_ring *ring, struct turn *turn, uint32_t max)
{
	struct virtq_plain buffers[RX_BURST];
	struct pkt *pkts = &turn->pkts[turn->n_pkts];
	uint32_t taken = virtq_pop_plain(&ring->vq, buffers, max, VIRTQ_READ);
	uint32_t n = within_bytes(turn, buffers, taken);

	virtq_unpop(&ring->vq, taken - n);
	if (unlikely(turn->hold))
		hold_plain(pkts, buffers, n);
	else
		virtq_push_plain(&ring->vq, buffers, n, VIRTQ_READ);
	turn->n_pkts += n;
	for (uint32_t i = 0; i < min_u32(n, PREFETCH_AHEAD); i++)
		prefetch_read(buffers[i].addr, HEAD_LINES);
	for (uint32_t i = 0; i < n; i++) {
		enum drop drop;

		if (i + PREFETCH_AHEAD < n)
			prefetch_read(buffers[i + PREFETCH_AHEAD].addr, HEAD_LINES);
		pkt_init(&pkts[i], &vp->port.iface);
		drop = fill(vp, turn, &pkts[i], &buffers[i]);
		pass_on(turn, &pkts[i], likely(ring->enabled) ? drop : DROP_RX_DISABLED);
	}
	return n;
}

static_assert(VIRTQ_MAX_CHAIN <= TURN_SEGS_PER_PKT, "a frame that comes in pieces never has too many");

/* As many as the turn still takes by bytes. */
static uint32_t take_pieces(struct virtq *vq, struct turn *turn, struct virtq_pieces *buffers, uint32_t max)
{
	struct virtq_seg *segs = (struct virtq_seg *)(void *)&turn->segs[turn->n_segs];
	uint32_t taken = virtq_pop_pieces(vq, buffers, max, segs, TURN_SEGS - turn->n_segs), n, slots = 0;

	for (n = 0; n < taken && likely(turn->n_bytes < TURN_BYTES); n++) {
		turn->n_bytes += min_u64(buffers[n].len, PKT_LEN_MAX);
		turn->n_segs += buffers[n].n;
	}
	for (uint32_t i = n; i < taken; i++)
		slots += buffers[i].buffer.slots;
	virtq_unpop(vq, slots);
	return n;
}

static void hold_pieces(struct pkt *pkts, const struct virtq_pieces *buffers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		hold(&pkts[i], buffers[i].buffer);
}

/* Mostly a header and what follows it. */
PREFETCH_FN fetch_pieces(const struct virtq_pieces *buffer)
{
	prefetch_read(buffer->segs[0].addr, 1);
	if (likely(buffer->n > 1))
		prefetch_read(buffer->segs[1].addr, HEAD_LINES);
}

static inline enum drop fill_pieces(struct vhost_port *vp, struct pkt *pkt, const struct virtq_pieces *buffer)
{
	struct virtq_seg *segs = buffer->segs;
	struct rx_frame frame = {.segs = segs, .n = buffer->n, .len = buffer->len};

	if (likely(buffer->n == 2 && segs[0].len == vp->hdr_len) &&
		likely(rx_frame_fill_plain(
			pkt, segs[0].addr, segs[1].addr, segs[1].len, (struct pkt_seg *)(void *)&segs[1])))
		return DROP_NONE;
	return rx_frame_fill(pkt, &frame, vp->hdr_len);
}

static uint32_t receive_pieces(
	struct vhost_port *vp, struct vhost_ring *ring, struct turn *turn, uint32_t max)
{
	struct virtq_pieces buffers[RX_BURST];
	struct pkt *pkts = &turn->pkts[turn->n_pkts];
	uint32_t n = take_pieces(&ring->vq, turn, buffers, max);

	if (unlikely(turn->hold))
		hold_pieces(pkts, buffers, n);
	else
		virtq_push_pieces(&ring->vq, buffers, n);
	turn->n_pkts += n;
	for (uint32_t i = 0; i < min_u32(n, PREFETCH_AHEAD); i++)
		fetch_pieces(&buffers[i]);
	for (uint32_t i = 0; i < n; i++) {
		enum drop drop;

		if (i + PREFETCH_AHEAD < n)
			fetch_pieces(&buffers[i + PREFETCH_AHEAD]);
		pkt_init(&pkts[i], &vp->port.iface);
		drop = fill_pieces(vp, &pkts[i], &buffers[i]);
		pass_on(turn, &pkts[i], likely(ring->enabled) ? drop : DROP_RX_DISABLED);
	}
	return n;
}

static void receive_one(
	struct vhost_port *vp, struct vhost_ring *ring, struct turn *turn, const struct virtq_chain *chain)
{
	struct rx_frame frame = {.segs = chain->segs, .n = chain->n_read, .len = chain->read_len};
	struct pkt *pkt = turn_pkt(turn);
	enum drop drop;

	turn->n_segs += chain->n_read;
	turn->n_bytes += min_u64(chain->read_len, PKT_LEN_MAX);
	if (turn->hold)
		hold(pkt, chain->buffer);
	else
		virtq_push(&ring->vq, chain->buffer, 0);
	pkt->rx = &vp->port.iface;
	drop = rx_frame_fill(pkt, &frame, vp->hdr_len);
	pass_on(turn, pkt, ring->enabled ? drop : DROP_RX_DISABLED);
}

/* Chain by chain, whatever they are. */
static __attribute__((noinline)) uint32_t receive_slow(
	struct vhost_port *vp, struct vhost_ring *ring, struct turn *turn, uint32_t max)
{
	struct virtq_chain chain = {.max = TURN_SEGS_PER_PKT};
	uint32_t taken;

	for (taken = 0; taken < max && turn_room(turn) > 0; taken++) {
		int got;

		chain.segs = (struct virtq_seg *)(void *)&turn->segs[turn->n_segs];
		got = virtq_pop(&ring->vq, &chain);
		if (got == -ENOSPC) {
			if (turn->hold && turn->n_pkts > 0)
				break; /* it is returned now or not at all: after those before it */
			drop_monster(vp, &ring->vq, chain.buffer, turn);
			continue;
		}
		if (got <= 0)
			break;
		receive_one(vp, ring, turn, &chain);
	}
	return taken;
}

/*
 * A burst of plain buffers. One that is not ends it, and what follows is taken in pieces; what is not as buffers usually
 * are ends that, and the rest goes one by one.
 */
static uint32_t receive(struct vhost_port *vp, struct vhost_ring *ring, struct turn *turn, uint32_t max)
{
	uint32_t n;

	virtq_call_due(&ring->vq);
	max = min_u32(min_u32(virtq_available(&ring->vq, RX_BURST), max), min_u32(RX_BURST, turn_room(turn)));
	if (max == 0)
		return 0;
	n = receive_plain(vp, ring, turn, max);
	if (n < max)
		n += receive_pieces(vp, ring, turn, max - n);
	if (n < max)
		n += receive_slow(vp, ring, turn, max - n);
	return n;
}

/* It found no room at the other end. */
static void announce_again(struct vhost_port *vp, const struct pkt *pkt)
{
	uint64_t none = 0;

	__atomic_compare_exchange_n(
		&vp->announce, &none, ethernet_src(pkt->data), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

uint32_t vhost_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	uint32_t taken = queue == 0 ? besides(vp, turn, max) : 0;
	struct vhost_ring *ring = vhost_port_rx_ring(vp, queue);

	if (unlikely(turn->hold)) {
		turn->held_from = ring;
		if (ring && !ring->enabled) /* what it has waits; on any other road it is discarded */
			return taken;
	}
	return ring ? taken + receive(vp, ring, turn, max) : taken;
}

void vhost_rx_settle(struct port *port, uint32_t queue, struct turn *turn, uint32_t n)
{
	struct vhost_ring *ring = turn->held_from;
	uint32_t slots = 0;

	for (uint32_t i = n; i < turn->n_pkts; i++)
		slots += turn->pkts[i].buffer_slots;
	if (ring)
		virtq_unpop(&ring->vq, slots);
	for (uint32_t i = 0; i < n; i++) {
		const struct pkt *pkt = &turn->pkts[i];

		if (pkt->buffer_slots > 0)
			virtq_push(&ring->vq,
				(struct virtq_buffer){.id = pkt->buffer_id, .slots = pkt->buffer_slots}, 0);
	}
	for (uint32_t i = n; i < turn->n_pkts; i++)
		if (turn->pkts[i].buffer_slots == 0)
			announce_again(CONTAINER_OF(port, struct vhost_port, port), &turn->pkts[i]);
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
	struct vhost_ring *ring = vhost_port_rx_ring(vp, queue);

	if (ring && !ring->enabled && iface_is_lossless(&port->iface))
		return work;
	return ring_arm(ring) || work;
}

bool vhost_rx_arm_besides(struct port *port, uint32_t queue)
{
	return queue == 0 && ring_arm(rcu_load(CONTAINER_OF(port, struct vhost_port, port)->ctrl_ring));
}

void vhost_rx_disarm(struct port *port, uint32_t queue)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);

	if (queue == 0)
		ring_disarm(rcu_load(vp->ctrl_ring));
	ring_disarm(vhost_port_rx_ring(vp, queue));
}
