/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - what goes out for a packet, once the receiver's abilities are known.
 *
 * A packet may ask for a checksum or for segmentation (struct pkt_offload). frame_begin() compares that with what the
 * receiver accepts undone, and with its MTU; frame_next() then yields the frames to write: the packet itself, or its
 * segments one by one. frame_copy() and frame_copy_plain() write one frame into the receiver's buffers and are the only
 * places where body bytes are copied; a checksum that must be completed is computed inside that copy.
 *
 *	struct frame_iter it;
 *	struct frame f;
 *
 *	drop = frame_begin(&it, pkt, caps, mtu);
 *	if (drop != DROP_NONE)
 *		... count it
 *	while (frame_next(&it, &f))
 *		... take buffers for f.head_len + f.body_len bytes, write a header from f.offload, frame_copy(&f, ...)
 *
 * A frame that stands for several (gso) is judged by its segments: they must fit the MTU, whoever cuts it, so a
 * receiver that accepts it whole is told a smaller gso_size where the sender's is too large. Its headers are looked
 * at in any case (frame_segment.c): nobody gets one whose lengths, checksum position or protocols are not what the
 * sender says.
 *
 * The packet is read only: several interfaces may send it.
 */
#ifndef GINNEL_PORT_FRAME_H
#define GINNEL_PORT_FRAME_H

#include "base/copy.h"
#include "pkt/pkt.h"
#include "port/vnet.h"
#include "virtio/virtq.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What a receiver accepts undone (bits). */
enum frame_cap {
	FRAME_CAP_CSUM = 1, /* a checksum that is only begun */
	FRAME_CAP_TSO4 = 2, /* TCP segments larger than its MTU, needs FRAME_CAP_CSUM */
	FRAME_CAP_TSO6 = 4,
	FRAME_CAP_ECN = 8,   /* the above with CWR set */
	FRAME_CAP_USO4 = 16, /* UDP datagrams in one frame, needs FRAME_CAP_CSUM */
	FRAME_CAP_USO6 = 32,
};

/* A place in a packet's body. */
struct frame_cursor {
	const struct pkt_seg *seg;
	uint32_t at; /* bytes of *seg that lie before */
};

struct frame {
	const uint8_t
		*head; /* the packet's, or a segment's own inside the iterator: valid until the next call */
	uint32_t head_len;
	struct frame_cursor body;
	uint32_t body_len;
	struct pkt_offload offload; /* what is left to the receiver */
	bool csum;                  /* complete the checksum in the copy: at csum_start + csum_offset of .. */
	uint16_t csum_start; /* .. the bytes from here to the end; the field holds the sum to begin with */
	uint16_t csum_offset;
	bool udp_zero; /* a UDP checksum of 0 is sent as 0xffff (RFC 768) */
};

/* Layer 4 of what can be segmented: TCP or UDP. */
struct frame_l4;

struct frame_iter {
	const struct pkt *pkt;
	bool whole; /* one frame: the packet as it is */
	bool begun; /* the receiver accepts a checksum that is only begun */
	bool done;
	/* gso */
	bool ip4;
	const struct frame_l4 *proto;
	uint16_t l3, l4, payload; /* where headers and payload start */
	uint16_t gso_size;        /* payload per segment */
	/* segmentation */
	uint16_t segment; /* how many were yielded */
	struct frame_cursor body;
	uint32_t payload_left;
	uint32_t payload_at; /* bytes of payload sent so far */
	uint8_t head[PKT_HEADROOM + PKT_HEAD_MAX];
};

/*
 * caps: enum frame_cap bits. mtu: what a frame may hold behind the Ethernet header and tags. DROP_NONE, or
 * DROP_TX_MTU, or DROP_TX_OFFLOAD: the headers make it impossible to do what is asked.
 */
enum drop frame_begin(struct frame_iter *it, const struct pkt *pkt, uint32_t caps, uint32_t mtu);
bool frame_next(struct frame_iter *it, struct frame *f);

/*
 * Writes the frame over the pieces, after the first `skip` bytes of them. The caller made sure they hold skip +
 * head_len + body_len bytes. Returns the body bytes copied from the sender's memory.
 */
uint32_t frame_copy(const struct frame *f, const struct virtq_seg *dst, uint32_t n_dst, uint32_t skip);

/*
 * The shortcut for a packet of which nothing is left to do for us, into one piece of at least hdr_len + pkt_len() bytes: a
 * header (virtio 1.2, 5.1.6), which may leave a checksum to the receiver, and the whole frame.
 */
static inline void frame_copy_plain(
	uint8_t *to, uint32_t hdr_len, uint16_t num_buffers, const struct pkt *pkt)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {.num_buffers = num_buffers};

	if (unlikely(pkt->offload.csum))
		vnet_build(&hdr, &pkt->offload, num_buffers);
	if (likely(hdr_len == sizeof(hdr)))
		memcpy(to, &hdr, sizeof(hdr));
	else
		memcpy(to, &hdr.hdr, sizeof(hdr.hdr));
	to += hdr_len;
	copy_head(to, pkt->data, pkt->head_len);
	to += pkt->head_len;
	for (uint32_t i = 0; i < pkt->n_segs; i++) {
		copy_bytes(to, pkt->segs[i].addr, pkt->segs[i].len);
		to += pkt->segs[i].len;
	}
}

static_assert(PKT_HEADROOM + PKT_HEAD_MAX <= COPY_SHORT + 64, "a head is copied in one go");

#endif
