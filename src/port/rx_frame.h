/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rx_frame - a frame as it lies in a peer's buffers, virtio-net header first, and how it becomes a packet: header and
 * head are copied, the body stays where it is.
 */
#ifndef GINNEL_PORT_RX_FRAME_H
#define GINNEL_PORT_RX_FRAME_H

#include "base/check.h"
#include "base/copy.h"
#include "pkt/pkt.h"
#include "port/vnet.h"
#include "virtio/virtq.h"
#include "wire/ethernet.h"

#include <string.h>

/* Pieces of foreign memory, none empty, that become the packet's. */
struct rx_frame {
	struct virtq_seg *segs;
	uint32_t n;
	uint64_t len; /* of all pieces */
};

static_assert(
	sizeof(struct virtq_seg) == sizeof(struct pkt_seg), "a frame's pieces become the packet's in place");

void rx_frame_take_slow(struct rx_frame *f, uint8_t *to, uint32_t len);

/* The first len bytes of the first piece have been taken. */
static inline void rx_frame_advance(struct rx_frame *f, uint32_t len)
{
	f->segs->addr += len;
	f->segs->len -= len;
	if (f->segs->len == 0) {
		f->segs++;
		f->n--;
	}
}

/* What a header, anywhere in foreign memory, asks for. False: it contradicts itself, or the frame. */
static inline bool rx_frame_offload(struct pkt_offload *o, const uint8_t *at, uint32_t frame_len)
{
	struct virtio_net_hdr hdr; /* who asked for num_buffers has looked at it before */

	if (likely(vnet_is_plain(at))) {
		*o = (struct pkt_offload){0};
		return true;
	}
	memcpy(&hdr, at, sizeof(hdr));
	return vnet_parse(o, &hdr, frame_len);
}

/* Takes header and head from the front of the pieces, mostly each from one; the caller made sure they are there. */
static inline bool rx_frame_take_hdr(
	struct rx_frame *f, struct pkt_offload *o, uint32_t hdr_len, uint32_t frame_len)
{
	const uint8_t *at = f->segs->addr;
	uint8_t whole[VNET_HDR_LEN];

	if (likely(f->segs->len >= hdr_len)) {
		rx_frame_advance(f, hdr_len);
	} else {
		rx_frame_take_slow(f, whole, hdr_len);
		at = whole;
	}
	return rx_frame_offload(o, at, frame_len);
}

static inline void rx_frame_take_head(struct rx_frame *f, uint8_t *head, uint32_t len)
{
	if (likely(f->segs->len >= len)) {
		copy_short(head, f->segs->addr, len);
		rx_frame_advance(f, len);
	} else {
		rx_frame_take_slow(f, head, len);
	}
}

/* Fills the packet; what is left of the pieces becomes its body. DROP_NONE, or why the frame is no good. */
static inline enum drop rx_frame_fill(struct pkt *pkt, struct rx_frame *f, uint32_t hdr_len)
{
	uint32_t frame_len;

	pkt->head_len = 0;
	pkt->body_len = 0;
	pkt->n_segs = 0;
	if (unlikely(f->len < hdr_len))
		return DROP_RX_HEADER;
	frame_len = (uint32_t)min_u64(f->len - hdr_len, UINT32_MAX);
	if (unlikely(frame_len < ETHERNET_HEADER_LEN))
		return DROP_RX_RUNT;
	if (unlikely(frame_len > PKT_LEN_MAX))
		return DROP_RX_TOO_LONG;
	if (unlikely(!rx_frame_take_hdr(f, &pkt->offload, hdr_len, frame_len)))
		return DROP_RX_HEADER;
	pkt->head_len = (uint16_t)min_u32(frame_len, PKT_HEAD_MAX);
	rx_frame_take_head(f, pkt->data, pkt->head_len);
	pkt->body_len = frame_len - pkt->head_len;
	pkt->segs = (const struct pkt_seg *)(const void *)f->segs;
	pkt->n_segs = (uint16_t)f->n;
	return DROP_NONE;
}

/*
 * The same for a frame of len bytes that lies in one piece, and its header before it or elsewhere, as most do; its body
 * becomes *body. False: something is wrong with it, and rx_frame_fill() says what.
 */
static inline bool rx_frame_fill_plain(
	struct pkt *pkt, const uint8_t *hdr, const uint8_t *frame, uint32_t len, struct pkt_seg *body)
{
	if (unlikely(len < ETHERNET_HEADER_LEN || len > PKT_LEN_MAX))
		return false;
	if (unlikely(!rx_frame_offload(&pkt->offload, hdr, len)))
		return false;
	pkt->head_len = (uint16_t)min_u32(len, PKT_HEAD_MAX);
	pkt->body_len = len - pkt->head_len;
	pkt->segs = body;
	pkt->n_segs = pkt->body_len > 0;
	copy_short(pkt->data, frame, pkt->head_len);
	*body = (struct pkt_seg){.addr = frame + pkt->head_len, .len = pkt->body_len};
	return true;
}

static_assert(PKT_HEAD_MAX <= COPY_SHORT, "a head is copied in one go");

#endif
