/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-end to switch. Used buffers are taken one after the other, as pieces of the turn, while their first bytes are asked
 * from the cache; then frames are made of them. Taken buffers are free but stay as they are until virtio_user_rx_done()
 * gives them back to the device: so long their bodies are ours to read, although the device may go on writing there.
 */
#include "base/prefetch.h"
#include "port/rx_frame.h"
#include "port/virtio_user_port.h"

#include <errno.h>

#define RX_BURST 64

struct rx {
	const struct virtio_user_life *life;
	struct driverq *q;
	struct turn *turn;
	struct virtq_seg *segs; /* the turn's */
	uint32_t taken;
};

/* Takes a used buffer as the turn's next piece; the turn has room for it. False: there is none. */
static bool take(struct rx *rx)
{
	struct turn *turn = rx->turn;
	struct driverq_used used;
	uint8_t *at;

	if (driverq_take(rx->q, &used) != 1)
		return false;
	at = driverq_buffer(rx->q, used.buffer);
	prefetch_read(at, 2);
	rx->segs[turn->n_segs++] = (struct virtq_seg){.addr = at, .len = used.len};
	turn->n_bytes += used.len;
	rx->taken++;
	return true;
}

static enum drop contradiction(struct rx *rx)
{
	driverq_break(rx->q, DRIVERQ_NUM_BUFFERS);
	return DROP_RX_HEADER;
}

/*
 * The frame that begins with piece `at` (virtio 1.2, 5.1.6.4): with MRG_RXBUF it may be spread over more buffers, which the
 * device returned together. The caller saw to it that the turn holds TURN_SEGS_PER_PKT pieces from there on.
 */
static enum drop gather(struct rx *rx, uint32_t at, struct rx_frame *f)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;

	*f = (struct rx_frame){.segs = &rx->segs[at], .n = 1, .len = rx->segs[at].len};
	if (unlikely(f->len < VNET_HDR_LEN))
		return DROP_RX_HEADER;
	if (!rx->life->mrg_rxbuf)
		return DROP_NONE;
	memcpy(&hdr, f->segs->addr, sizeof(hdr));
	if (unlikely(hdr.num_buffers == 0 || hdr.num_buffers > TURN_SEGS_PER_PKT))
		return contradiction(rx);
	for (; f->n < hdr.num_buffers; f->n++) {
		const struct virtq_seg *next = &f->segs[f->n];

		if (unlikely(at + f->n == rx->turn->n_segs && !take(rx)))
			return contradiction(rx);
		if (unlikely(next->len == 0)) {
			f->n++;
			return contradiction(rx);
		}
		f->len += next->len;
	}
	return DROP_NONE;
}

static void receive(struct rx *rx, struct iface *iface, uint32_t first)
{
	struct rx_frame f;

	for (uint32_t at = first, n; at < rx->turn->n_segs; at += n) {
		struct pkt *pkt = turn_pkt(rx->turn);
		enum drop drop = gather(rx, at, &f);

		n = f.n;
		pkt->rx = iface;
		if (likely(drop == DROP_NONE))
			drop = rx_frame_fill(pkt, &f, VNET_HDR_LEN);
		else
			pkt->head_len = 0;
		if (unlikely(drop != DROP_NONE))
			turn_drop(rx->turn, pkt, drop);
		else
			turn_push(rx->turn, pkt, STAGE_ETH_INPUT);
	}
}

static struct virtio_user_queue *queue_of(struct port *port, uint32_t queue)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);

	return virtio_user_rx_queue(rcu_load(vu->life), queue);
}

uint32_t virtio_user_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);
	struct virtio_user_life *life = rcu_load(vu->life);
	struct virtio_user_queue *q = virtio_user_rx_queue(life, queue);
	struct rx rx = {.life = life, .turn = turn, .segs = (struct virtq_seg *)(void *)turn->segs};
	uint32_t first = turn->n_segs;

	if (!q)
		return 0;
	rx.q = &q->vq;
	max = min_u32(min_u32(max, RX_BURST), turn_room(turn));
	while (rx.taken < max && turn_room(turn) > 0 && take(&rx))
		;
	receive(&rx, &port->iface, first);
	return rx.taken;
}

void virtio_user_refill(struct driverq *q)
{
	while (driverq_room(q) > 0)
		driverq_add(q, 1, q->buffer_len);
	if (driverq_publish(q) && unlikely(!driverq_kick(q)))
		driverq_break(q, DRIVERQ_KICK_BLOCKS);
}

void virtio_user_rx_done(struct port *port, uint32_t queue)
{
	struct virtio_user_queue *q = queue_of(port, queue);

	if (q)
		virtio_user_refill(&q->vq);
}

bool virtio_user_rx_arm(struct port *port, uint32_t queue)
{
	struct virtio_user_queue *q = queue_of(port, queue);

	return q && driverq_arm(&q->vq);
}

void virtio_user_rx_disarm(struct port *port, uint32_t queue)
{
	struct virtio_user_queue *q = queue_of(port, queue);

	if (q)
		driverq_disarm(&q->vq);
}
