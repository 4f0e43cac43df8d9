/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt - a borrowed packet: a private copy of its first bytes (the head) and the rest (the body), which still lies
 * in the sender's memory.
 *
 *	 buf                data             data + head_len
 *	  |   headroom 64    |   head, at most 128    |
 *	  +------------------+------------------------+      body: n_segs pieces of the sender's memory,
 *	                                                     body_len bytes in all
 *
 * Always true:
 * - The frame is head, then body. Decisions and rewrites work on the head; only the copy out reads the body.
 * - A frame of at most PKT_HEAD_MAX bytes has no body; a longer one has exactly PKT_HEAD_MAX bytes of head when it
 *   comes in, so every header we look at is private.
 * - It never outlives the turn in which it was received: when the turn ends, the sender gets its buffer back.
 */
#ifndef GINNEL_PKT_PKT_H
#define GINNEL_PKT_PKT_H

#include "base/check.h"
#include "pkt/drop.h"

#include <stdbool.h>
#include <stdint.h>

#define PKT_HEADROOM 64
#define PKT_HEAD_MAX 128

/* 64 KiB of payload and the largest headers that a guest's segmentation offload may put before it. */
#define PKT_LEN_MAX (65536 + PKT_HEAD_MAX)

struct iface;

/* A piece of the body; read-only for us. */
struct pkt_seg {
	const uint8_t *addr;
	uint32_t len;
};

/* What still has to be done to a frame, in the terms of virtio-net's header (virtio 1.2, 5.1.6). */
enum pkt_gso {
	PKT_GSO_NONE,
	PKT_GSO_TCP4,
	PKT_GSO_TCP6,
	PKT_GSO_UDP, /* in IPv4 or IPv6, as the frame says */
};

struct pkt_offload {
	bool csum;         /* the checksum at csum_start + csum_offset holds the pseudo header's sum only */
	uint8_t gso;       /* enum pkt_gso: one frame that stands for several */
	bool ecn;          /* gso with the CWR bit: first segment only (VIRTIO_NET_HDR_GSO_ECN) */
	uint16_t gso_size; /* payload bytes per segment; not 0 when gso is set */
	uint16_t
		hdr_len; /* gso: bytes before the payload, known once the headers were looked at (port/frame.h) */
	uint16_t
		csum_start; /* both from the frame's first byte; csum_start + csum_offset + 2 <= frame length */
	uint16_t csum_offset;
};

struct pkt {
	uint8_t *data;
	uint32_t body_len;
	uint16_t head_len;
	uint16_t n_segs;
	const struct pkt_seg *segs;
	struct iface *rx; /* where it came in; valid for this turn */
	struct pkt_offload offload;
	uint16_t drop; /* enum drop, set when it goes to STAGE_DROP */
	/* while turn->hold: what it takes to return its buffer, or to give it back; no slots: it came from no ring */
	uint16_t buffer_id, buffer_slots;
	uint32_t neigh; /* routed: the neighbour it goes to (ip/neigh.h) */
	uint32_t icmp;  /* in STAGE_ICMP_ERROR: what to tell its sender (ip/icmp.c) */
	_Alignas(CACHE_LINE) uint8_t buf[PKT_HEADROOM + PKT_HEAD_MAX];
};

static_assert(sizeof(struct pkt) == 4 * CACHE_LINE, "a line of decisions, three of bytes");

/* Copies len bytes of the frame from byte `at` on; both lie within it. Body bytes are read once. */
void pkt_bytes(const struct pkt *pkt, uint32_t at, void *to, uint32_t len);

/* A partial sum (base/csum.h) of those bytes. */
uint64_t pkt_sum(const struct pkt *pkt, uint32_t at, uint32_t len);

static inline uint32_t pkt_len(const struct pkt *pkt)
{
	return pkt->head_len + pkt->body_len;
}

#endif
