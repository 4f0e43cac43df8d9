/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a TAP device. Each look is a system call, so after one in vain the queue is left alone for a while: other queues
 * of a busy worker shall not pay for a silent tap. Nothing is missed by that, as a worker that goes to sleep is woken by
 * whatever came after the last look.
 */
#include "port/kernel_tx.h"
#include "port/tap_port.h"
#include "port/vnet.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOOK_AGAIN_NS 5000

/* --- memory --- */

static uint8_t *memory_of(size_t len)
{
	void *memory =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int tap_io_init(struct tap_port *tp, uint32_t n_workers)
{
	for (uint32_t i = 0; i < tp->tap.n_fds; i++) {
		tp->queues[i] = (struct tap_queue){.fd = tp->tap.fds[i], .bodies = memory_of(TAP_BODY_ROOM)};
		if (!tp->queues[i].bodies)
			return -ENOMEM;
	}
	tp->whole = calloc(n_workers, TAP_WHOLE_LEN);
	return tp->whole ? 0 : -ENOMEM;
}

void tap_io_fini(struct tap_port *tp)
{
	for (uint32_t i = 0; i < TAP_MAX_QUEUES; i++)
		if (tp->queues[i].bodies)
			munmap(tp->queues[i].bodies, TAP_BODY_ROOM);
	free(tp->whole);
}

/* --- from the kernel --- */

/* What one call of tap_rx() works with. */
struct rx {
	struct tap_port *tp;
	struct tap_queue *q;
	struct turn *turn;
	uint32_t bodies; /* bytes of q->bodies that are taken */
};

/* The packet of len bytes whose head and body are where they belong. DROP_NONE, or why it is no good. */
static enum drop frame_fill(
	const struct rx *rx, struct pkt *pkt, const struct virtio_net_hdr *hdr, uint32_t len)
{
	pkt->head_len = (uint16_t)min_u32(len, PKT_HEAD_MAX);
	pkt->body_len = len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	pkt->segs = &rx->turn->segs[rx->turn->n_segs];
	pkt->offload = (struct pkt_offload){0};
	if (unlikely(len < ETHERNET_HEADER_LEN))
		return DROP_RX_RUNT;
	if (rx->tp->tap.hdr_len > 0 && unlikely(!vnet_parse(&pkt->offload, hdr, len)))
		return DROP_RX_HEADER;
	return DROP_NONE;
}

static void frame_push(struct rx *rx, const struct virtio_net_hdr *hdr, uint32_t len)
{
	struct turn *turn = rx->turn;
	struct pkt *pkt = turn_pkt(turn);
	enum drop drop = frame_fill(rx, pkt, hdr, len);

	pkt->rx = &rx->tp->port.iface;
	turn->n_bytes += len;
	if (pkt->n_segs > 0) {
		turn->segs[turn->n_segs++] =
			(struct pkt_seg){.addr = rx->q->bodies + rx->bodies, .len = pkt->body_len};
		rx->bodies += (pkt->body_len + CACHE_LINE - 1) & ~(CACHE_LINE - 1u);
	}
	if (unlikely(drop != DROP_NONE))
		turn_drop(turn, pkt, drop);
	else
		turn_push(turn, pkt, STAGE_ETH_INPUT);
}

/* False: there was none. Header, head and body go each to its place; the packet is taken when there is one. */
static bool receive(struct rx *rx)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct pkt *pkt = &rx->turn->pkts[rx->turn->n_pkts];
	uint32_t hdr_len = rx->tp->tap.hdr_len;
	const struct iovec iov[] = {
		{.iov_base = &hdr, .iov_len = hdr_len},
		{.iov_base = pkt->buf + PKT_HEADROOM, .iov_len = PKT_HEAD_MAX},
		{.iov_base = rx->q->bodies + rx->bodies, .iov_len = TAP_BODY_MAX},
	};
	ssize_t n = readv(rx->q->fd, iov, ARRAY_LEN(iov));

	if (unlikely(n < 0 && errno == EFAULT)) { /* it did not fit, and is gone */
		iface_count(&turn_lane(rx->turn, &rx->tp->port.iface)->counters.drops[DROP_RX_TOO_LONG], 1);
		return true;
	}
	if (n <= 0)
		return false;
	frame_push(rx, &hdr.hdr, n < (ssize_t)hdr_len ? 0 : (uint32_t)n - hdr_len);
	return true;
}

uint32_t tap_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct tap_port *tp = CONTAINER_OF(port, struct tap_port, port);
	struct rx rx = {.tp = tp, .q = &tp->queues[queue], .turn = turn};
	uint32_t taken = 0;

	if (rx.q->drained && turn->now_ns - rx.q->looked_ns < LOOK_AGAIN_NS)
		return 0;
	rx.q->drained = false;
	while (taken < max && rx.bodies < TAP_BODIES && turn_room(turn) > 0) {
		if (!receive(&rx)) {
			rx.q->drained = true;
			rx.q->looked_ns = turn->now_ns;
			break;
		}
		taken++;
	}
	return taken;
}

/* The memory of the bodies is used again from its start. */
void tap_rx_done(struct port *port, uint32_t queue)
{
}

/* The descriptor is watched edge-triggered: it tells of what comes after the last look only. */
bool tap_rx_arm(struct port *port, uint32_t queue)
{
	return !CONTAINER_OF(port, struct tap_port, port)->queues[queue].drained;
}

void tap_rx_disarm(struct port *port, uint32_t queue)
{
	CONTAINER_OF(port, struct tap_port, port)->queues[queue].drained = false;
}

/* --- to the kernel --- */

/* What one call of tap_tx() works with. */
struct tx {
	struct tap_port *tp;
	struct iface_counters *counters;
	int fd;
	uint8_t *whole;
};

/* In one piece, with what was left to do done in the copy. */
static struct iovec copy_whole(const struct tx *tx, const struct frame *f)
{
	uint32_t len = f->head_len + f->body_len;
	const struct virtq_seg dst = {.addr = tx->whole, .len = len};

	iface_count(&tx->counters->copied_bytes, frame_copy(f, &dst, 1, 0));
	return (struct iovec){.iov_base = tx->whole, .iov_len = len};
}

static enum drop send_frame(const struct tx *tx, const struct frame *f)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct iovec iov[1 + KERNEL_TX_PIECES];
	uint32_t n = f->csum ? 0 : kernel_tx_pieces(f, iov + 1, KERNEL_TX_PIECES);

	if (n == 0) {
		iov[1] = copy_whole(tx, f);
		n = 1;
	}
	vnet_build(&hdr, &f->offload, 0);
	iov[0] = (struct iovec){.iov_base = &hdr, .iov_len = tx->tp->tap.hdr_len};
	if (unlikely(writev(tx->fd, iov, (int)(1 + n)) < 0))
		return kernel_tx_drop(errno);
	iface_count(&tx->counters->tx_packets, 1);
	iface_count(&tx->counters->tx_bytes, f->head_len + f->body_len);
	return DROP_NONE;
}

/* The rest of a packet whose segment was not taken is useless to the receiver: it is dropped with it. */
static enum drop send_packet(const struct tx *tx, const struct pkt *pkt)
{
	struct frame_iter it;
	struct frame f;
	enum drop drop = frame_begin(&it, pkt, tx->tp->caps, iface_mtu(&tx->tp->port.iface));

	while (drop == DROP_NONE && frame_next(&it, &f))
		drop = send_frame(tx, &f);
	return drop;
}

/* A flow stays with the worker it came to, and the kernel answers on the queue it was heard from. */
void tap_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct tap_port *tp = CONTAINER_OF(port, struct tap_port, port);
	const struct tx tx = {
		.tp = tp,
		.counters = &turn_lane(turn, &port->iface)->counters,
		.fd = tp->queues[turn->worker % tp->tap.n_fds].fd,
		.whole = tp->whole + (size_t)turn->worker * TAP_WHOLE_LEN,
	};

	for (uint32_t i = 0; i < n; i++) {
		enum drop drop = send_packet(&tx, pkts[i]);

		if (likely(drop == DROP_NONE))
			continue;
		turn_tx_drop(turn, &port->iface, &pkts[i], kernel_tx_is_over(drop) ? n - i : 1, drop);
		if (kernel_tx_is_over(drop))
			return;
	}
}
