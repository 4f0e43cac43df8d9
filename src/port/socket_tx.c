/* SPDX-License-Identifier: Apache-2.0 */
#include "port/kernel_tx.h"
#include "port/socket_io.h"

#include <endian.h>
#include <sys/socket.h>

/* Of one batch; a frame takes no more than KERNEL_TX_PIECES. */
#define PIECES (4 * KERNEL_TX_PIECES)

union prefix {
	struct virtio_net_hdr_mrg_rxbuf vnet;
	uint32_t length;
};

static const uint8_t prefix_lens[] = {
	[SOCKET_PREFIX_VNET] = sizeof(struct virtio_net_hdr),
	[SOCKET_PREFIX_LENGTH] = sizeof(uint32_t),
};

/* A batch that is put together. */
struct batch {
	const struct socket_sender *s;
	struct iface *iface;
	struct turn *turn;
	uint32_t n, n_pieces, scratch_used;
	struct mmsghdr msgs[SOCKET_IO_BATCH];
	struct pkt *
		pkts[SOCKET_IO_BATCH]; /* what each message is of; segments of one packet follow each other */
	union prefix prefixes[SOCKET_IO_BATCH];
	uint32_t lens[SOCKET_IO_BATCH]; /* of frames */
	struct iovec pieces[PIECES];
	bool torn;        /* a message left in part */
	bool over;        /* the rest of the burst would fare no better */
	enum drop why;    /* what befell the last that was not taken .. */
	struct pkt *lost; /* .. which was this one */
};

static void count_sent(struct batch *b, uint32_t from, uint32_t n)
{
	struct iface_counters *c = &turn_lane(b->turn, b->iface)->counters;
	uint64_t bytes = 0;

	for (uint32_t i = from; i < from + n; i++) {
		bytes += b->lens[i];
		b->torn |= b->msgs[i].msg_len != prefix_lens[b->s->prefix] + b->lens[i];
	}
	iface_count(&c->tx_packets, n);
	iface_count(&c->tx_bytes, bytes);
}

/* Message `at` was not taken: what follows of its packet is useless to the receiver. Returns where to go on. */
static uint32_t drop_packet(struct batch *b, uint32_t at)
{
	b->lost = b->pkts[at];
	turn_tx_drop(b->turn, b->iface, &b->lost, 1, b->why);
	while (at < b->n && b->pkts[at] == b->lost)
		at++;
	return at;
}

static void flush(struct batch *b)
{
	for (uint32_t at = 0; at < b->n;) {
		int n = b->over ? 0
				: sendmmsg(b->s->fd, b->msgs + at, b->n - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (likely(n > 0)) {
			count_sent(b, at, (uint32_t)n);
			at += (uint32_t)n;
			b->over = b->torn;
			b->why = DROP_TX_BROKEN;
			continue;
		}
		if (!b->over) {
			b->why = kernel_tx_drop(errno);
			b->over = kernel_tx_is_over(b->why);
		}
		at = drop_packet(b, at);
	}
	b->n = b->n_pieces = b->scratch_used = 0;
}

/* In one piece, with what was left to do done in the copy. */
static uint32_t copy_whole(struct batch *b, const struct frame *f, struct iovec *piece)
{
	struct iface_counters *c = &turn_lane(b->turn, b->iface)->counters;
	uint32_t len = f->head_len + f->body_len;
	const struct virtq_seg dst = {.addr = b->s->scratch + b->scratch_used, .len = len};

	iface_count(&c->copied_bytes, frame_copy(f, &dst, 1, 0));
	b->scratch_used += len;
	*piece = (struct iovec){.iov_base = dst.addr, .iov_len = len};
	return 1;
}

/* whole: the frame is the packet itself, whose head stays where it is. */
static void add_frame(struct batch *b, struct pkt *pkt, const struct frame *f, bool whole)
{
	struct iovec *pieces;
	uint32_t n = 0;

	if (b->n == SOCKET_IO_BATCH || b->n_pieces + 1 + KERNEL_TX_PIECES > PIECES ||
		b->scratch_used + f->head_len + f->body_len > SOCKET_IO_SCRATCH)
		flush(b);
	if (unlikely(b->lost == pkt))
		return;
	pieces = &b->pieces[b->n_pieces];
	if (whole && !f->csum)
		n = kernel_tx_pieces(f, pieces + 1, KERNEL_TX_PIECES);
	if (n == 0)
		n = copy_whole(b, f, pieces + 1);
	b->lens[b->n] = f->head_len + f->body_len;
	if (b->s->prefix == SOCKET_PREFIX_LENGTH)
		b->prefixes[b->n].length = htobe32(b->lens[b->n]);
	else
		vnet_build(&b->prefixes[b->n].vnet, &f->offload, 0);
	pieces[0] = (struct iovec){.iov_base = &b->prefixes[b->n], .iov_len = prefix_lens[b->s->prefix]};
	b->msgs[b->n] = (struct mmsghdr){.msg_hdr = {.msg_iov = pieces, .msg_iovlen = 1 + n}};
	b->pkts[b->n++] = pkt;
	b->n_pieces += 1 + n;
}

static void add_packet(struct batch *b, struct pkt *pkt)
{
	struct frame_iter it;
	struct frame f;
	enum drop drop = frame_begin(&it, pkt, b->s->caps, min_u32(iface_mtu(b->iface), b->s->mtu_max));

	if (unlikely(drop != DROP_NONE)) {
		turn_tx_drop(b->turn, b->iface, &pkt, 1, drop);
		return;
	}
	while (b->lost != pkt && frame_next(&it, &f))
		add_frame(b, pkt, &f, it.whole);
}

bool socket_send(const struct socket_sender *s, struct iface *iface, struct turn *turn,
	struct pkt *const *pkts, uint32_t n)
{
	struct batch b;
	uint32_t i;

	b.s = s;
	b.iface = iface;
	b.turn = turn;
	b.n = b.n_pieces = b.scratch_used = 0;
	b.over = b.torn = false;
	b.lost = NULL;
	for (i = 0; i < n && !b.over; i++)
		add_packet(&b, pkts[i]);
	flush(&b);
	if (i < n)
		turn_tx_drop(turn, iface, pkts + i, n - i, b.why);
	return !b.torn;
}
