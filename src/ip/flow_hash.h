/* SPDX-License-Identifier: Apache-2.0 */
/* flow_hash - which of several ways a flow takes: the same for each of its packets. Fragments go by addresses alone. */
#ifndef GINNEL_IP_FLOW_HASH_H
#define GINNEL_IP_FLOW_HASH_H

#include "wire/ip.h"

static inline uint32_t hash_words(const uint8_t *p, uint32_t n, uint64_t hash)
{
	for (uint32_t i = 0; i < n; i++)
		hash = ((hash ^ be32_get(p + 4 * i)) * 0x9e3779b97f4a7c15ull) ^ hash >> 31;
	return (uint32_t)(hash >> 32);
}

/* p: a header, of which len bytes are there with what follows. */
static inline uint32_t flow_hash_ip4(const uint8_t *p, uint32_t len, uint64_t seed)
{
	uint32_t header_len = (p[0] & 15u) * 4, hash = hash_words(p + 12, 2, seed ^ ip4_proto(p));

	if (ip4_is_fragment(p) || header_len + 4 > len ||
		(ip4_proto(p) != IP_PROTO_TCP && ip4_proto(p) != IP_PROTO_UDP))
		return hash;
	return hash_words(p + header_len, 1, (uint64_t)hash << 32 | hash);
}

static inline uint32_t flow_hash_ip6(const uint8_t *p, uint32_t len, uint64_t seed)
{
	uint8_t proto = 0;
	uint32_t at = ip6_upper(p, len, &proto), hash = hash_words(p + 8, 8, seed);

	if (at == 0 || at + 4 > len || (proto != IP_PROTO_TCP && proto != IP_PROTO_UDP))
		return hash;
	return hash_words(p + at, 1, (uint64_t)hash << 32 | hash);
}

#endif
