/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragments - datagrams for us that come in pieces (RFC 791, RFC 8200 4.5), put together again.
 *
 * A table of FRAGMENTS_MAX datagrams of at most 64 KiB; each interface may hold FRAGMENTS_PER_PORT of them. What is not
 * whole after FRAGMENTS_TIMEOUT_S is forgotten. A piece that overlaps another in any byte ends its datagram, in IPv4 as
 * RFC 5722 wants it in IPv6: an honest sender's pieces do not, but for exact repetitions, which are ignored.
 *
 * Under one lock: it is rare that a router receives for itself, and more so in pieces.
 */
#ifndef GINNEL_IP_FRAGMENTS_H
#define GINNEL_IP_FRAGMENTS_H

#include "pkt/turn.h"

#define FRAGMENTS_MAX       64
#define FRAGMENTS_PER_PORT  16
#define FRAGMENTS_TIMEOUT_S 15

struct ip_fragments;

struct ip_fragments *fragments_create(void);
void fragments_destroy(struct ip_fragments *f);

/*
 * Takes a fragment; l4 is where what follows the IP header (in IPv6: the fragment header) starts in the frame. NULL, and
 * the packet was dropped or finished, or the whole datagram as a packet without fragment header.
 */
struct pkt *fragments_put(struct ip_fragments *f, struct turn *turn, struct pkt *pkt, uint32_t l4);

/* How many are not whole. */
uint32_t fragments_count(struct ip_fragments *f, uint64_t now_ns);

#endif
