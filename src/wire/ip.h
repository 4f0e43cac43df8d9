/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip - headers of IPv4 (RFC 791) and IPv6 (RFC 8200).
 *
 * ip4_header_len() and ip6_upper() look at the lengths; where they say that a header is there, nothing else
 * here can fail.
 */
#ifndef GINNEL_WIRE_IP_H
#define GINNEL_WIRE_IP_H

#include "base/csum.h"
#include "wire/bytes.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum ip_proto {
	IP_PROTO_HOP_BY_HOP = 0,
	IP_PROTO_ICMP = 1,
	IP_PROTO_TCP = 6,
	IP_PROTO_UDP = 17,
	IP_PROTO_ROUTING = 43,
	IP_PROTO_FRAGMENT = 44,
	IP_PROTO_ICMP6 = 58,
	IP_PROTO_DESTINATION = 60,
};

#define IP4_ETHERNET_TYPE 0x0800
#define IP6_ETHERNET_TYPE 0x86dd

#define IP4_HEADER_MIN   20
#define IP6_HEADER_LEN   40
#define IP6_FRAGMENT_LEN 8 /* a fragment header */

/* Of the header at p, of which len bytes are there; 0: it is no IPv4 header or not all of it is there. */
static inline uint32_t ip4_header_len(const uint8_t *p, uint32_t len)
{
	uint32_t header_len;

	if (len < IP4_HEADER_MIN || p[0] >> 4 != 4)
		return 0;
	header_len = (p[0] & 15u) * 4;
	return header_len >= IP4_HEADER_MIN && header_len <= len ? header_len : 0;
}

static inline uint16_t ip4_total_len(const uint8_t *p)
{
	return be16_get(p + 2);
}

static inline void ip4_set_total_len(uint8_t *p, uint16_t len)
{
	be16_set(p + 2, len);
}

static inline uint16_t ip4_id(const uint8_t *p)
{
	return be16_get(p + 4);
}

static inline void ip4_set_id(uint8_t *p, uint16_t id)
{
	be16_set(p + 4, id);
}

/* The first of several pieces, or a later one. */
static inline bool ip4_is_fragment(const uint8_t *p)
{
	return be16_get(p + 6) & 0x3fff; /* more fragments, offset */
}

/* Fragments: the byte of the datagram's payload at which this one starts, and whether more come. */
static inline uint32_t ip4_fragment_at(const uint8_t *p)
{
	return (be16_get(p + 6) & 0x1fffu) * 8;
}

static inline bool ip4_more_fragments(const uint8_t *p)
{
	return p[6] & 0x20;
}

static inline bool ip4_dont_fragment(const uint8_t *p)
{
	return p[6] & 0x40;
}

static inline uint8_t ip4_ttl(const uint8_t *p)
{
	return p[8];
}

static inline uint32_t ip4_src(const uint8_t *p)
{
	return be32_get(p + 12);
}

static inline uint32_t ip4_dst(const uint8_t *p)
{
	return be32_get(p + 16);
}

/* The checksum of a header without options is right: the sum of its words is 0 or -0, which is a multiple of 0xffff. */
static inline bool ip4_csum_ok_plain(const uint8_t *p)
{
	uint64_t a, b;
	uint32_t c;

	memcpy(&a, p, sizeof(a));
	memcpy(&b, p + 8, sizeof(b));
	memcpy(&c, p + 16, sizeof(c));
	return ((a & UINT32_MAX) + (a >> 32) + (b & UINT32_MAX) + (b >> 32) + c) % 0xffff == 0;
}

/* One hop less, and the checksum with it (RFC 1141): its high byte is a word's. */
static inline void ip4_ttl_take(uint8_t *p)
{
	uint32_t csum = be16_get(p + 10) + 0x100u;

	be16_set(p + 10, (uint16_t)(csum + (csum >= 0xffff)));
	p[8]--;
}

static inline uint8_t ip4_proto(const uint8_t *p)
{
	return p[9];
}

static inline void ip4_set_csum(uint8_t *p, uint32_t header_len)
{
	uint16_t csum;

	memset(p + 10, 0, sizeof(csum));
	csum = (uint16_t)~csum_fold(csum_sum(p, header_len));
	memcpy(p + 10, &csum, sizeof(csum));
}

/* Bytes after the fixed header. */
static inline uint16_t ip6_payload_len(const uint8_t *p)
{
	return be16_get(p + 4);
}

static inline void ip6_set_payload_len(uint8_t *p, uint16_t len)
{
	be16_set(p + 4, len);
}

static inline uint8_t ip6_next_header(const uint8_t *p)
{
	return p[6];
}

static inline uint8_t ip6_hop_limit(const uint8_t *p)
{
	return p[7];
}

static inline const uint8_t *ip6_src(const uint8_t *p)
{
	return p + 8;
}

static inline const uint8_t *ip6_dst(const uint8_t *p)
{
	return p + 24;
}

/* What a checksum of layer 4 begins with (RFC 768, RFC 9293, RFC 8200 8.1): a partial sum. */
static inline uint64_t ip4_pseudo_sum(const uint8_t *p, uint8_t proto, uint32_t len)
{
	return csum_add(csum_sum(p + 12, 8), (uint64_t)htobe16(proto) + htobe32(len));
}

static inline uint64_t ip6_pseudo_sum(const uint8_t *p, uint8_t proto, uint32_t len)
{
	return csum_add(csum_sum(p + 8, 32), (uint64_t)htobe16(proto) + htobe32(len));
}

/*
 * Where the header after the extension headers starts, counted from p, and its protocol. 0: it does not start
 * within len bytes. Headers that no router or switch may look behind (fragments, encryption) count as the
 * last.
 */
static inline uint32_t ip6_upper(const uint8_t *p, uint32_t len, uint8_t *proto)
{
	uint32_t at = IP6_HEADER_LEN;

	if (len < IP6_HEADER_LEN || p[0] >> 4 != 6)
		return 0;
	*proto = p[6];
	while (*proto == IP_PROTO_HOP_BY_HOP || *proto == IP_PROTO_ROUTING ||
		*proto == IP_PROTO_DESTINATION) {
		if (at + 2 > len)
			return 0;
		*proto = p[at];
		at += (p[at + 1] + 1u) * 8;
	}
	return at <= len ? at : 0;
}

#endif
