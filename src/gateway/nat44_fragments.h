/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat44_fragments - how the first fragment of a datagram was translated, for those that follow: only it has the ports.
 *
 * A fixed table of small sets. A new datagram takes the place of the one in its set whose first fragment is longest
 * ago, so a flood of fragments costs others theirs at most, and where a datagram lies depends on a secret seed. The
 * caller locks.
 */
#ifndef GINNEL_GATEWAY_NAT44_FRAGMENTS_H
#define GINNEL_GATEWAY_NAT44_FRAGMENTS_H

#include "wire/ip.h"

#include <stdbool.h>
#include <stdint.h>

#define NAT44_FRAGMENT_SETS 256
#define NAT44_FRAGMENT_WAYS 4
/* As long as a datagram may take to be put together (RFC 1122, 3.3.2: 60 s at least; RFC 4787 leaves it open). */
#define NAT44_FRAGMENT_S 60

struct nat44_datagram {
	uint32_t src, dst;
	uint16_t id;
	uint8_t proto;
};

static inline struct nat44_datagram nat44_datagram_of(const uint8_t *ip)
{
	return (struct nat44_datagram){
		.src = ip4_src(ip), .dst = ip4_dst(ip), .id = ip4_id(ip), .proto = ip4_proto(ip)};
}

static inline bool nat44_datagram_same(const struct nat44_datagram *a, const struct nat44_datagram *b)
{
	return a->src == b->src && a->dst == b->dst && a->id == b->id && a->proto == b->proto;
}

struct nat44_fragment {
	struct nat44_datagram datagram;
	uint32_t new_src, new_dst;
	uint32_t first_s;
	bool used;
};

struct nat44_fragments {
	uint64_t seed;
	struct nat44_fragment sets[NAT44_FRAGMENT_SETS][NAT44_FRAGMENT_WAYS];
};

/* The first fragment; what it was and what it became. */
void nat44_fragments_add(struct nat44_fragments *f, const struct nat44_datagram *datagram, uint32_t new_src,
	uint32_t new_dst, uint32_t now_s);
/* A later one; NULL: its first one was not here. */
const struct nat44_fragment *nat44_fragments_find(
	const struct nat44_fragments *f, const struct nat44_datagram *datagram, uint32_t now_s);

#endif
