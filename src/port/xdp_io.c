/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prefetch.h"
#include "port/begun.h"
#include "port/frame.h"
#include "port/xdp_port.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <sys/socket.h>

static struct xdp_port *xdp_of(struct port *port)
{
	return CONTAINER_OF(port, struct xdp_port, port);
}

/* --- from the kernel --- */

/* DROP_NONE, or why it is no good. */
static enum drop frame_fill(
	const struct xdp_desc *desc, const uint8_t *frame, struct turn *turn, struct pkt *pkt)
{
	pkt->head_len = (uint16_t)min_u32(desc->len, PKT_HEAD_MAX);
	memcpy(pkt->data, frame, pkt->head_len);
	pkt->body_len = desc->len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	pkt->segs = &turn->segs[turn->n_segs];
	pkt->offload = (struct pkt_offload){0};
	if (pkt->n_segs > 0)
		turn->segs[turn->n_segs++] =
			(struct pkt_seg){.addr = frame + pkt->head_len, .len = pkt->body_len};
	if (unlikely(desc->len < ETHERNET_HEADER_LEN))
		return DROP_RX_RUNT;
	begun_find(pkt);
	return DROP_NONE;
}

/* Within one of the chunks that frames come in. */
static bool place_is_ours(const struct xdp_port *xp, const struct xdp_desc *desc)
{
	uint32_t chunk_len = xp->xdp.note.chunk_len;

	return desc->addr < (uint64_t)XDP_RX_CHUNKS * chunk_len &&
	       desc->len <= chunk_len - (uint32_t)(desc->addr & (chunk_len - 1));
}

static void take_frame(
	struct xdp_port *xp, struct xdp_queue *q, struct turn *turn, const struct xdp_desc *desc)
{
	struct pkt *pkt = turn_pkt(turn);
	enum drop drop = DROP_RX_HEADER;

	pkt->rx = &xp->port.iface;
	pkt->head_len = 0;
	pkt->body_len = 0;
	pkt->n_segs = 0;
	if (likely(place_is_ours(xp, desc))) {
		q->held[q->n_held++] = (uint32_t)(desc->addr & ~(uint64_t)(xp->xdp.note.chunk_len - 1));
		turn->n_bytes += desc->len;
		drop = frame_fill(desc, q->socket->memory + desc->addr, turn, pkt);
	}
	if (unlikely(drop != DROP_NONE))
		turn_drop(turn, pkt, drop);
	else
		turn_push(turn, pkt, STAGE_ETH_INPUT);
}

/* Asks the kernel to go on with frames that it did not take. */
static void push_again(struct xdp_port *xp, struct xdp_queue *q);

/* Its place is not checked yet: a number, until it is. */
PREFETCH_FN prefetch_frame(const struct xdp_socket *s, uint32_t i)
{
	prefetch_read((const void *)((uintptr_t)s->memory + xdp_ring_desc(&s->rx, i)->addr), 2);
}

uint32_t xdp_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct xdp_port *xp = xdp_of(port);
	struct xdp_queue *q = &xp->queues[queue];
	struct xdp_socket *s = q->socket;
	uint32_t n = min_u32(min_u32(max, turn_room(turn)), xdp_ring_filled(&s->rx));

	n = min_u32(n, TURN_PKTS - q->n_held);
	if (unlikely(__atomic_load_n(&q->stuck, __ATOMIC_RELAXED)))
		push_again(xp, q);
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < min_u32(n, PREFETCH_AHEAD); i++)
		prefetch_frame(s, i);
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc desc = *xdp_ring_desc(&s->rx, i);

		if (i + PREFETCH_AHEAD < n)
			prefetch_frame(s, i + PREFETCH_AHEAD);
		take_frame(xp, q, turn, &desc);
	}
	xdp_ring_took(&s->rx, n);
	return n;
}

/* There is always room: as many places as chunks. A driver that waits for chunks is told. */
void xdp_rx_done(struct port *port, uint32_t queue)
{
	struct xdp_queue *q = &xdp_of(port)->queues[queue];
	struct xdp_socket *s = q->socket;

	for (uint32_t i = 0; i < q->n_held; i++)
		*xdp_ring_addr(&s->fill, i) = q->held[i];
	xdp_ring_put(&s->fill, q->n_held);
	q->n_held = 0;
	if (unlikely(xdp_ring_wants_call(&s->fill)))
		recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* The socket is watched edge-triggered: it tells of what comes after the last look only. */
bool xdp_rx_arm(struct port *port, uint32_t queue)
{
	struct xdp_queue *q = &xdp_of(port)->queues[queue];

	return xdp_ring_filled(&q->socket->rx) > 0 || __atomic_load_n(&q->stuck, __ATOMIC_RELAXED);
}

void xdp_rx_disarm(struct port *port, uint32_t queue)
{
}

/* --- to the kernel --- */

static void tx_lock(struct xdp_port *xp, struct xdp_queue *q)
{
	if (xp->port.ports->config.n_workers > 1)
		pthread_spin_lock(&q->tx_lock);
}

static void tx_unlock(struct xdp_port *xp, struct xdp_queue *q)
{
	if (xp->port.ports->config.n_workers > 1)
		pthread_spin_unlock(&q->tx_lock);
}

void xdp_io_fill_stock(struct xdp_queue *q)
{
	for (q->n_stock = 0; q->n_stock < XDP_TX_CHUNKS; q->n_stock++)
		q->stock[q->n_stock] = (uint16_t)(XDP_RX_CHUNKS + q->n_stock);
}

/* Chunks of frames that were sent come back. */
static void restock(const struct xdp_port *xp, struct xdp_queue *q)
{
	struct xdp_ring *done = &q->socket->done;
	uint32_t n = min_u32(xdp_ring_filled(done), XDP_TX_CHUNKS - q->n_stock);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t chunk = *xdp_ring_addr(done, i) / xp->xdp.note.chunk_len;

		if (likely(chunk - XDP_RX_CHUNKS < XDP_TX_CHUNKS))
			q->stock[q->n_stock++] = (uint16_t)chunk;
	}
	if (n > 0)
		xdp_ring_took(done, n);
}

static uint32_t not_taken(const struct xdp_ring *r)
{
	return r->mask + 1 - xdp_ring_free(r);
}

/*
 * Without a driver of its own for this the kernel sends some frames per call and says EAGAIN while there are more; or when
 * it has no memory for more, which somebody has to come back for.
 */
static void push(struct xdp_port *xp, struct xdp_queue *q)
{
	struct xdp_socket *s = q->socket;
	uint32_t before = UINT32_MAX, left;
	int err = 0;

	if (!xdp_ring_wants_call(&s->tx)) {
		__atomic_store_n(&q->stuck, false, __ATOMIC_RELAXED);
		return;
	}
	for (left = not_taken(&s->tx); left > 0 && left != before; left = not_taken(&s->tx)) {
		before = left;
		err = sendto(s->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
	}
	if (err == ENXIO || err == ENETDOWN)
		left = 0; /* nobody is there to take them: they stay where they are */
	__atomic_store_n(&q->stuck, left > 0, __ATOMIC_RELAXED);
}

static void push_again(struct xdp_port *xp, struct xdp_queue *q)
{
	tx_lock(xp, q);
	push(xp, q);
	tx_unlock(xp, q);
}

/* What one call of xdp_tx() works with. */
struct tx {
	struct xdp_port *xp;
	struct xdp_queue *q;
	struct iface_counters *counters;
	uint32_t n; /* frames in the ring that the kernel has not been shown */
};

static bool have_chunk(struct tx *tx)
{
	struct xdp_queue *q = tx->q;

	if (likely(q->n_stock > 0))
		return true;
	restock(tx->xp, q);
	if (q->n_stock > 0)
		return true;
	xdp_ring_put(&q->socket->tx, tx->n);
	tx->n = 0;
	push(tx->xp, q);
	restock(tx->xp, q);
	return q->n_stock > 0;
}

/* As many places in the ring as chunks. */
static enum drop send_frame(struct tx *tx, const struct frame *f)
{
	struct xdp_socket *s = tx->q->socket;
	uint32_t len = f->head_len + f->body_len, chunk;
	struct virtq_seg dst = {.len = len};

	if (unlikely(len > tx->xp->xdp.note.chunk_len))
		return DROP_TX_MTU;
	if (unlikely(!have_chunk(tx) || xdp_ring_free(&s->tx) <= tx->n))
		return DROP_TX_NO_BUFFER;
	chunk = tx->q->stock[--tx->q->n_stock] * tx->xp->xdp.note.chunk_len;
	dst.addr = s->memory + chunk;
	iface_count(&tx->counters->copied_bytes, frame_copy(f, &dst, 1, 0));
	*xdp_ring_desc(&s->tx, tx->n++) = (struct xdp_desc){.addr = chunk, .len = len};
	iface_count(&tx->counters->tx_packets, 1);
	iface_count(&tx->counters->tx_bytes, len);
	return DROP_NONE;
}

/* Nothing is left to the receiver. The rest of a packet whose segment found no room is dropped with it. */
static enum drop send_packet(struct tx *tx, const struct pkt *pkt)
{
	struct frame_iter it;
	struct frame f;
	enum drop drop = frame_begin(&it, pkt, 0, iface_mtu(&tx->xp->port.iface));

	while (drop == DROP_NONE && frame_next(&it, &f))
		drop = send_frame(tx, &f);
	return drop;
}

static void send_all(struct tx *tx, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		enum drop drop = send_packet(tx, pkts[i]);

		if (likely(drop == DROP_NONE))
			continue;
		turn_tx_drop(
			turn, &tx->xp->port.iface, &pkts[i], drop == DROP_TX_NO_BUFFER ? n - i : 1, drop);
		if (drop == DROP_TX_NO_BUFFER)
			break;
	}
	xdp_ring_put(&tx->q->socket->tx, tx->n);
	push(tx->xp, tx->q);
}

/* A flow stays with the worker it came to. */
void xdp_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct xdp_port *xp = xdp_of(port);
	struct tx tx = {
		.xp = xp,
		.q = &xp->queues[turn->worker % xp->xdp.note.n_queues],
		.counters = &turn_lane(turn, &port->iface)->counters,
	};

	if (unlikely(xdp_port_is_gone(xp))) {
		turn_tx_drop(turn, &port->iface, pkts, n, DROP_TX_NO_PEER);
		return;
	}
	tx_lock(xp, tx.q);
	restock(xp, tx.q);
	send_all(&tx, turn, pkts, n);
	tx_unlock(xp, tx.q);
}
