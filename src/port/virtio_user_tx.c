/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switch to back-end: the one copy, into free buffers of our own. The device returns them without a call; they are taken back
 * at the start of each burst. A plain frame that fits one buffer goes the short way, everything else through
 * frame_copy() into as many buffers as it needs.
 */
#include "port/flow.h"
#include "port/frame.h"
#include "port/virtio_user_port.h"
#include "port/vnet.h"
#include "wire/ethernet.h"

#include <string.h>

/* The largest frame in buffers of the least length, and what is left over. */
#define TX_SEGS 64

#define HDR_LEN ((uint32_t)VNET_HDR_LEN)

/* What one call of virtio_user_tx() works with. */
struct tx {
	struct virtio_user_port *vu;
	struct turn *turn;
	struct virtio_user_life *life;
	struct driverq *q;
	struct iface_counters *counters;
	uint32_t mtu;
};

static void drop_n(struct tx *tx, struct pkt *const *pkts, uint32_t n, enum drop reason)
{
	turn_tx_drop(tx->turn, &tx->vu->port.iface, pkts, n, reason);
}

static void count_sent(struct tx *tx, uint32_t bytes, uint32_t copied)
{
	iface_count(&tx->counters->tx_packets, 1);
	iface_count(&tx->counters->tx_bytes, bytes);
	iface_count(&tx->counters->copied_bytes, copied);
}

static enum drop no_room(const struct tx *tx)
{
	return tx->q->error == DRIVERQ_OK ? DROP_TX_NO_BUFFER : DROP_TX_BROKEN;
}

/* Nothing is left to do to the packet, by us or by the device, and one buffer holds it. */
static bool is_plain(const struct tx *tx, const struct pkt *pkt)
{
	return likely(!pkt->offload.csum && pkt_len(pkt) <= tx->mtu + ETHERNET_HEADER_LEN &&
		      HDR_LEN + pkt_len(pkt) <= tx->q->buffer_len);
}

static void send_plain(struct tx *tx, const struct pkt *pkt)
{
	frame_copy_plain(driverq_next(tx->q, 0), HDR_LEN, 0, pkt);
	driverq_add(tx->q, 1, HDR_LEN + pkt_len(pkt));
	count_sent(tx, pkt_len(pkt), pkt->body_len);
}

static enum drop send_frame(struct tx *tx, const struct frame *f)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct virtq_seg segs[TX_SEGS];
	uint32_t frame_len = f->head_len + f->body_len, len = HDR_LEN + frame_len;
	uint32_t n = 0, room = driverq_room(tx->q);

	for (uint32_t there = 0; there < len; there += tx->q->buffer_len, n++) {
		if (n == room)
			return no_room(tx);
		ASSERT(n < TX_SEGS);
		segs[n] = (struct virtq_seg){.addr = driverq_next(tx->q, n), .len = tx->q->buffer_len};
	}
	vnet_build(&hdr, &f->offload, 0);
	memcpy(segs[0].addr, &hdr, HDR_LEN);
	count_sent(tx, frame_len, frame_copy(f, segs, n, HDR_LEN));
	driverq_add(tx->q, n, len);
	return DROP_NONE;
}

/* The rest of a packet whose segment did not fit is useless to the receiver: it is dropped with it. */
static void send_slow(struct tx *tx, struct pkt *pkt)
{
	struct frame_iter it;
	struct frame f;
	enum drop drop = frame_begin(&it, pkt, tx->life->caps, tx->mtu);

	while (drop == DROP_NONE && frame_next(&it, &f))
		drop = send_frame(tx, &f);
	if (drop != DROP_NONE)
		drop_n(tx, &pkt, 1, drop);
}

static void send_all(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (unlikely(driverq_room(tx->q) == 0)) {
			drop_n(tx, pkts + i, n - i, no_room(tx));
			return;
		}
		if (is_plain(tx, pkts[i]))
			send_plain(tx, pkts[i]);
		else
			send_slow(tx, pkts[i]);
	}
}

static void take_back(struct driverq *q)
{
	struct driverq_used used;

	while (driverq_take(q, &used) == 1)
		;
}

static void lock(const struct tx *tx, struct virtio_user_queue *q)
{
	if (tx->vu->port.ports->config.n_workers > 1)
		pthread_spin_lock(&q->lock);
}

static void unlock(const struct tx *tx, struct virtio_user_queue *q)
{
	if (tx->vu->port.ports->config.n_workers > 1)
		pthread_spin_unlock(&q->lock);
}

static void send_on(void *arg, uint32_t pair, struct pkt *const *pkts, uint32_t n)
{
	struct tx *tx = arg;
	struct virtio_user_queue *q = &tx->life->queues[2 * pair + 1];
	bool kick;

	tx->q = &q->vq;
	lock(tx, q);
	take_back(tx->q);
	send_all(tx, pkts, n);
	kick = driverq_publish(tx->q);
	unlock(tx, q);
	if (!kick || likely(driverq_kick(tx->q)))
		return;
	/* no worker shall fall into that again */
	lock(tx, q);
	driverq_break(tx->q, DRIVERQ_KICK_BLOCKS);
	unlock(tx, q);
}

void virtio_user_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);
	struct tx tx = {
		.vu = vu,
		.turn = turn,
		.life = rcu_load(vu->life),
		.counters = &turn_lane(turn, &port->iface)->counters,
		.mtu = iface_mtu(&port->iface),
	};

	if (unlikely(!tx.life))
		drop_n(&tx, pkts, n, DROP_TX_NO_PEER);
	else if (likely(tx.life->n_rings == 2))
		send_on(&tx, 0, pkts, n);
	else
		flow_spread((1u << tx.life->n_rings / 2) - 1, pkts, n, send_on, &tx);
}
