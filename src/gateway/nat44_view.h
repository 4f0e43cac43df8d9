/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat44_view - a packet as address translation sees it: who speaks to whom, and where that stands in its bytes.
 *
 * All that is looked at and written lies in the head, which is ours, and within the packet's own lengths. Checksums
 * follow each change (RFC 1624) and are never made anew: a wrong one stays wrong, and so do these:
 * - one that is only begun (struct pkt_offload) holds the addresses' sum and follows those;
 * - a UDP checksum of zero means there is none, and there is none afterwards (RFC 768).
 *
 * An error by ICMP quotes the packet that it is about. Its view speaks of the quoted one, which went the other way;
 * both change, as RFC 5508 REQ-4 and REQ-5 ask.
 */
#ifndef GINNEL_GATEWAY_NAT44_VIEW_H
#define GINNEL_GATEWAY_NAT44_VIEW_H

#include "gateway/nat44_table.h"
#include "pkt/pkt.h"

enum nat44_kind {
	NAT44_KIND_FLOW,  /* src speaks to dst */
	NAT44_KIND_ERROR, /* about a packet from src to dst; they are the quoted packet's */
	NAT44_KIND_LATER, /* a fragment but the first: no ports */
};

/* An IPv4 packet, or one that is quoted. */
struct nat44_layers {
	uint8_t *ip, *l4;
	uint8_t proto;
	/* where in l4 the numbers stand; 0: not there */
	uint8_t src_port_at, dst_port_at, csum_at;
	bool pseudo; /* the checksum covers the addresses */
	bool begun;  /* .. and only them, so far */
};

struct nat44_view {
	enum nat44_kind kind;
	struct nat44_layers layers; /* of the packet that src and dst are about */
	struct nat44_endpoint src, dst;
	uint8_t tcp_flags;
	bool fragment; /* a first one */
	bool asks;     /* ICMP: a query, not a reply */
	/* of an error: the packet around, and how many bytes of the quoted one from its IP header on are here */
	uint8_t *outer_ip, *outer_l4;
	uint32_t quoted_len;
};

/* The IPv4 packet in the frame from byte l3 on, whose header is good. DROP_NONE, or why it cannot be translated. */
enum drop nat44_view(struct nat44_view *v, struct pkt *pkt, uint32_t l3);

/* Of what the view speaks of; src and dst of the view stay what they were. */
void nat44_set_src(struct nat44_view *v, struct nat44_endpoint to);
void nat44_set_dst(struct nat44_view *v, struct nat44_endpoint to);
/* Of an error: who sends it, to whom. */
void nat44_set_outer_src(struct nat44_view *v, uint32_t ip);
void nat44_set_outer_dst(struct nat44_view *v, uint32_t ip);

#endif
