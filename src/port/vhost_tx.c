/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switch to guest: the one copy. For a burst of plain frames that fit one plain buffer each (the common case) all buffers
 * are taken first and filled then. Everything else, frames over several buffers, checksums and segmentation to complete,
 * goes frame by frame through frame_copy().
 */
#include "base/prefetch.h"
#include "port/flow.h"
#include "port/frame.h"
#include "port/vhost_port.h"
#include "port/vnet.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <string.h>

#define TX_BURST 64

/* What one call of vhost_tx() works with. */
struct tx {
	struct vhost_port *vp;
	struct turn *turn;
	struct virtq *vq;
	struct iface_counters *counters;
	uint32_t mtu;
	bool begun;             /* the guest accepts a checksum that is only begun; of one ring */
	uint32_t ahead;         /* buffers to take at once: few, after some had to be given back */
	struct wire_wait *wait; /* what finds no room waits; NULL: it is dropped */
	uint32_t short_of;      /* ring slots that were there for a frame, and too few, */
	uint32_t short_descs;   /* and the descriptors that these are */
};

static void drop_n(struct tx *tx, struct pkt *const *pkts, uint32_t n, enum drop reason)
{
	turn_tx_drop(tx->turn, &tx->vp->port.iface, pkts, n, reason);
}

/* --- the common case --- */

/*
 * Nothing is left to do to the packet, but for a checksum that the guest accepts undone, and it may go: one with tags is
 * looked at closer.
 */
static bool is_plain(const struct tx *tx, const struct pkt *pkt)
{
	return likely(pkt->offload.gso == PKT_GSO_NONE && (!pkt->offload.csum || tx->begun) &&
		      pkt_len(pkt) <= tx->mtu + ETHERNET_HEADER_LEN);
}

/* Of a buffer: all of a small frame. */
#define HEAD_LINES 2
/* Beyond this a copy is long enough for the processor to see where it goes. */
#define LINES_AHEAD (2048 / CACHE_LINE)

/*
 * The rest of a buffer, while the frame before is copied: bodies do not fit into the cache that is close, and what costs
 * is to get the lines that are written from whoever had them last (1518 bytes: 390 clocks a packet instead of 470).
 */
PREFETCH_FN fetch_body(const struct virtq_plain *buffer)
{
	uint32_t lines = min_u32(buffer->len / CACHE_LINE + 1, LINES_AHEAD);

	if (lines > HEAD_LINES)
		prefetch_write(buffer->addr + HEAD_LINES * CACHE_LINE, lines - HEAD_LINES);
}

/* Takes buffers for the first packets that are plain and fit a buffer of one piece each. Returns how many. */
static uint32_t plan_plain(struct tx *tx, struct pkt *const *pkts, struct virtq_plain *buffers, uint32_t n)
{
	uint32_t taken = virtq_pop_plain(tx->vq, buffers, n, VIRTQ_WRITE), i;

	for (i = 0; i < taken; i++) {
		uint32_t len = tx->vp->hdr_len + pkt_len(pkts[i]);

		if (unlikely(!is_plain(tx, pkts[i]) || len > buffers[i].len))
			break;
		buffers[i].len = len;
	}
	virtq_unpop(tx->vq, taken - i);
	tx->ahead = i < n ? 1 : min_u32(2 * n, TX_BURST);
	return i;
}

static void log_plain(struct tx *tx, const struct virtq_plain *buffers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct virtq_seg seg = {.addr = buffers[i].addr, .len = buffers[i].len};

		virtq_log_written(tx->vq, &seg, 1, seg.len);
	}
}

/* Sends plain packets from the front of the burst. Returns how many went. */
static uint32_t send_plain(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	struct virtq_plain buffers[TX_BURST];
	uint64_t bytes = 0, body_bytes = 0;

	if (!is_plain(tx, pkts[0]))
		return 0;
	n = plan_plain(tx, pkts, buffers, min_u32(n, tx->ahead));
	for (uint32_t i = 0; i < min_u32(n, PREFETCH_AHEAD); i++)
		prefetch_write(buffers[i].addr, HEAD_LINES);
	for (uint32_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			prefetch_write(buffers[i + PREFETCH_AHEAD].addr, HEAD_LINES);
		if (i + 1 < n)
			fetch_body(&buffers[i + 1]);
		frame_copy_plain(buffers[i].addr, tx->vp->hdr_len, 1, pkts[i]);
		bytes += pkt_len(pkts[i]);
		body_bytes += pkts[i]->body_len;
	}
	if (unlikely(tx->vq->log != NULL))
		log_plain(tx, buffers, n);
	virtq_push_plain(tx->vq, buffers, n, VIRTQ_WRITE);
	iface_count(&tx->counters->tx_packets, n);
	iface_count(&tx->counters->tx_bytes, bytes);
	iface_count(&tx->counters->copied_bytes, body_bytes);
	return n;
}

/* --- everything else --- */

/* The buffers that one frame goes to. */
struct bunch {
	struct virtq_seg segs[VHOST_TX_SEGS];
	uint32_t n_segs;
	uint32_t n; /* buffers */
	uint64_t room;
	uint32_t slots, n_descs; /* of the ring, that they hold */
	struct virtq_buffer buffers[VHOST_TX_BUFFERS];
	uint64_t lens[VHOST_TX_BUFFERS]; /* room in each */
};

/* Adds one buffer. DROP_NONE, or why there is none. */
static enum drop take_buffer(struct tx *tx, struct bunch *b)
{
	struct virtq_chain chain = {.segs = &b->segs[b->n_segs], .max = VHOST_TX_SEGS - b->n_segs};
	int got = virtq_pop(tx->vq, &chain);

	if (got == 0)
		return tx->vq->error == VIRTQ_OK ? DROP_TX_NO_BUFFER : DROP_TX_BROKEN;
	if (got < 0)
		return got == -ENOSPC ? DROP_TX_TOO_LONG : DROP_TX_BROKEN;
	if (unlikely(chain.write_len == 0)) { /* it would stay first in the ring for ever */
		virtq_break(tx->vq, VIRTQ_NO_ROOM);
		return DROP_TX_BROKEN;
	}
	/* a receive buffer has nothing to read; what is there all the same is not ours to write */
	memmove(chain.segs, chain.segs + chain.n_read, chain.n_write * sizeof(*chain.segs));
	b->buffers[b->n] = chain.buffer;
	b->slots += chain.buffer.slots;
	b->n_descs += chain.n_descs;
	b->lens[b->n++] = chain.write_len;
	b->n_segs += chain.n_write;
	b->room += chain.write_len;
	return DROP_NONE;
}

/* Takes buffers for len bytes, several only with MRG_RXBUF. On failure the ring is left as it was. */
static enum drop take_buffers(struct tx *tx, struct bunch *b, uint64_t len)
{
	uint32_t max = tx->vp->mrg_rxbuf ? VHOST_TX_BUFFERS : 1;
	enum drop drop = DROP_NONE;

	b->n_segs = 0;
	b->n = 0;
	b->slots = 0;
	b->n_descs = 0;
	b->room = 0;
	while (b->room < len && drop == DROP_NONE)
		drop = b->n < max ? take_buffer(tx, b) : DROP_TX_TOO_LONG;
	if (drop != DROP_NONE) {
		virtq_unpop(tx->vq, b->slots);
		tx->short_of = b->slots;
		tx->short_descs = b->n_descs;
	}
	return drop;
}

static void put_hdr(const struct bunch *b, const void *hdr, uint32_t hdr_len)
{
	const uint8_t *from = hdr;

	for (uint32_t i = 0; i < b->n_segs && hdr_len > 0; i++) {
		uint32_t part = min_u32(b->segs[i].len, hdr_len);

		memcpy(b->segs[i].addr, from, part);
		from += part;
		hdr_len -= part;
	}
}

static void push_buffers(struct tx *tx, const struct bunch *b, uint64_t len)
{
	if (unlikely(tx->vq->log != NULL))
		virtq_log_written(tx->vq, b->segs, b->n_segs, len);
	for (uint32_t i = 0; i < b->n; i++) {
		uint64_t part = min_u64(b->lens[i], len);

		virtq_push(tx->vq, b->buffers[i], (uint32_t)part);
		len -= part;
	}
}

static enum drop send_frame(struct tx *tx, const struct frame *f)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint32_t hdr_len = tx->vp->hdr_len;
	uint32_t frame_len = f->head_len + f->body_len;
	struct bunch b;
	enum drop drop = take_buffers(tx, &b, hdr_len + frame_len);

	if (drop != DROP_NONE)
		return drop;
	vnet_build(&hdr, &f->offload, (uint16_t)b.n);
	put_hdr(&b, &hdr, hdr_len);
	iface_count(&tx->counters->copied_bytes, frame_copy(f, b.segs, b.n_segs, hdr_len));
	push_buffers(tx, &b, hdr_len + frame_len);
	iface_count(&tx->counters->tx_packets, 1);
	iface_count(&tx->counters->tx_bytes, frame_len);
	return DROP_NONE;
}

/* --- a lossless wire --- */

/* Tells a frame from others that may be first in its queue. */
static uint64_t frame_print(const struct pkt *pkt)
{
	uint64_t print = 14695981039346656037ull ^ pkt_len(pkt);

	for (uint32_t i = 0; i < pkt->head_len; i++)
		print = (print ^ pkt->data[i]) * 1099511628211ull; /* FNV-1a */
	return print;
}

/* The frames of a packet but for those that were sent before, until one finds no room. */
static enum drop send_rest(struct tx *tx, struct pkt *pkt, uint32_t caps)
{
	uint32_t n_sent = 0, skip = tx->wait->segments;
	struct frame_iter it;
	struct frame f;
	enum drop drop = frame_begin(&it, pkt, caps, tx->mtu);

	while (drop == DROP_NONE && frame_next(&it, &f)) {
		if (n_sent >= skip)
			drop = send_frame(tx, &f);
		n_sent += drop == DROP_NONE;
	}
	tx->wait->segments = n_sent;
	return drop;
}

/*
 * What finds no room waits. A frame that was begun in segments goes on so, whatever its receiver, who may be another by
 * now, accepts.
 */
static __attribute__((noinline)) bool send_slow_wire(struct tx *tx, struct pkt *pkt)
{
	struct wire_wait *wait = tx->wait;
	uint32_t caps = tx->vp->caps, cut = caps & FRAME_CAP_CSUM;
	enum drop drop;

	if (wait->segments > 0 && wait->frame != frame_print(pkt))
		wait->segments = 0;
	drop = send_rest(tx, pkt, wait->segments > 0 ? cut : caps);
	if (pkt->offload.gso != PKT_GSO_NONE && wait->segments == 0 &&
		vhost_wire_cuts(tx->vq, wait, tx->short_descs, drop))
		drop = send_rest(tx, pkt, cut);
	if (vhost_wire_waits(tx->vq, wait, tx->short_descs, &drop)) {
		wait->frame = wait->segments > 0 ? frame_print(pkt) : 0;
		return false;
	}
	wait->segments = 0;
	if (drop != DROP_NONE)
		drop_n(tx, &pkt, 1, drop);
	return true;
}

/*
 * The rest of a packet whose segment did not fit is useless to the receiver: it is dropped with it. False: the packet
 * is not done, it or the rest of it waits.
 */
static bool send_slow(struct tx *tx, struct pkt *pkt)
{
	struct frame_iter it;
	struct frame f;
	enum drop drop;

	if (unlikely(tx->wait != NULL))
		return send_slow_wire(tx, pkt);
	drop = frame_begin(&it, pkt, tx->vp->caps, tx->mtu);
	while (drop == DROP_NONE && frame_next(&it, &f))
		drop = send_frame(tx, &f);
	if (drop != DROP_NONE)
		drop_n(tx, &pkt, 1, drop);
	return true;
}

/* Returns how many are done, sent or dropped: all, but on a lossless wire. */
static uint32_t send_all(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	uint32_t done = 0;

	if (unlikely(tx->wait && tx->wait->segments > 0) && !send_slow(tx, pkts[done++]))
		return 0;
	while (done < n) {
		uint32_t sent = send_plain(tx, pkts + done, n - done);

		done += sent;
		if (done < n && virtq_available(tx->vq, 1) == 0) {
			tx->short_of = 0;
			if (tx->wait)
				return done;
			drop_n(tx, pkts + done, n - done,
				tx->vq->error == VIRTQ_OK ? DROP_TX_NO_BUFFER : DROP_TX_BROKEN);
			return n;
		}
		/* if none went, the next packet, or its buffer, is not plain */
		if (done < n && sent == 0 && !send_slow(tx, pkts[done++]))
			return done - 1;
	}
	return n;
}

/* The driver wants to see some frames only. */
static uint32_t send_filtered_slow(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	struct pkt *passed[TURN_PKTS_ALL];
	uint32_t n_passed = 0;

	for (uint32_t i = 0; i < n; i++)
		if (vnet_ctrl_passes(&tx->vp->ctrl, pkts[i]->data, pkts[i]->head_len))
			passed[n_passed++] = pkts[i];
		else
			drop_n(tx, &pkts[i], 1, DROP_TX_FILTERED);
	send_all(tx, passed, n_passed);
	return n;
}

/* The same one by one, as some may have to wait. */
static uint32_t send_filtered_wire(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!vnet_ctrl_passes(&tx->vp->ctrl, pkts[i]->data, pkts[i]->head_len))
			drop_n(tx, &pkts[i], 1, DROP_TX_FILTERED);
		else if (send_all(tx, &pkts[i], 1) == 0)
			return i;
	}
	return n;
}

/* --- which pair --- */

/* The front-end's call descriptor blocks: no worker shall fall into that again. */
static void break_call(struct vhost_port *vp, uint32_t pair, struct virtq *vq)
{
	vhost_port_tx_lock(vp, pair);
	virtq_break(vq, VIRTQ_CALL_BLOCKS);
	vhost_port_tx_unlock(vp, pair);
}

static uint32_t no_peer(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	if (tx->wait) {
		tx->wait->queue = WIRE_NO_QUEUE;
		tx->wait->buffers = 0;
		return 0;
	}
	drop_n(tx, pkts, n, DROP_TX_NO_PEER);
	return n;
}

static uint32_t send_locked(struct tx *tx, struct pkt *const *pkts, uint32_t n)
{
	tx->begun = tx->vp->caps & FRAME_CAP_CSUM; /* the driver may change its mind, under the lock */
	if (likely(!vnet_ctrl_filters(&tx->vp->ctrl)))
		return send_all(tx, pkts, n);
	return tx->wait ? send_filtered_wire(tx, pkts, n) : send_filtered_slow(tx, pkts, n);
}

/*
 * The buffer of the next burst's first frame, while there is time: its lines are here then when that frame comes, and it
 * does not wait for the guest's core to give them up. With one frame at a time that is a sixth of its way from guest to
 * guest (p50 1.45 µs without, 1.18 with it, p90 2.2 and 1.7; packed 1.36 and 1.14), for 1.7 instructions a frame in full
 * bursts.
 */
static void fetch_next(struct virtq *vq)
{
	struct virtq_plain buffer;
	uint32_t n = virtq_pop_plain(vq, &buffer, 1, VIRTQ_WRITE);

	if (n > 0)
		prefetch_write(buffer.addr, HEAD_LINES);
	virtq_unpop(vq, n);
}

/* Returns how many are done. */
static uint32_t send_on_pair(struct tx *tx, uint32_t pair, struct pkt *const *pkts, uint32_t n)
{
	struct vhost_port *vp = tx->vp;
	struct vhost_ring *ring = rcu_load(vp->rings[2 * pair]);
	uint32_t done;
	bool call;

	if (unlikely(!ring))
		return no_peer(tx, pkts, n);
	tx->vq = &ring->vq;
	vhost_port_tx_lock(vp, pair);
	if (unlikely(!(vhost_port_tx_pairs(vp) & 1u << pair))) { /* the driver has just given it up */
		vhost_port_tx_unlock(vp, pair);
		return no_peer(tx, pkts, n);
	}
	done = send_locked(tx, pkts, n);
	if (unlikely(done < n)) {
		tx->wait->queue = pair;
		tx->wait->place = tx->vq->next_avail;
		tx->wait->buffers = tx->short_of;
	}
	call = virtq_publish(tx->vq);
	if (unlikely(done < n && !call))
		call = virtq_take_call_due(
			tx->vq); /* a driver that was not told of used buffers posts none */
	fetch_next(tx->vq);
	vhost_port_tx_unlock(vp, pair);
	if (call && unlikely(!virtq_call(tx->vq)))
		break_call(vp, pair, tx->vq);
	return done;
}

static void send_on(void *arg, uint32_t pair, struct pkt *const *pkts, uint32_t n)
{
	send_on_pair(arg, pair, pkts, n);
}

static struct tx tx_begin(struct port *port, struct turn *turn, struct wire_wait *wait)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);

	return (struct tx){
		.vp = vp,
		.turn = turn,
		.counters = &turn_lane(turn, &port->iface)->counters,
		.mtu = vhost_port_mtu(vp),
		.ahead = TX_BURST,
		.wait = wait,
	};
}

void vhost_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct tx tx = tx_begin(port, turn, NULL);
	uint32_t pairs = vhost_port_tx_pairs(tx.vp);

	if (unlikely(pairs == 0))
		drop_n(&tx, pkts, n, DROP_TX_NO_PEER);
	else if (likely((pairs & (pairs - 1)) == 0))
		send_on_pair(&tx, (uint32_t)__builtin_ctz(pairs), pkts, n);
	else
		flow_spread(pairs, pkts, n, send_on, &tx);
}

/* Over several pairs: packets that follow each other to the same one at a time, so that the order stays. */
uint32_t vhost_tx_wire(
	struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n, struct wire_wait *wait)
{
	struct tx tx = tx_begin(port, turn, wait);
	uint32_t pairs = vhost_port_tx_pairs(tx.vp), done = 0;

	if (pairs == 0)
		return no_peer(&tx, pkts, n);
	while (done < n) {
		uint32_t pair, run = flow_run(pairs, pkts + done, n - done, &pair);
		uint32_t sent = send_on_pair(&tx, pair, pkts + done, run);

		done += sent;
		if (sent < run)
			break;
	}
	return done;
}
