/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip_addr - addresses of both kinds as values: in network order, IPv4 in the first four bytes and zeros behind, so that
 * comparing all of it compares the address.
 */
#ifndef GINNEL_WIRE_IP_ADDR_H
#define GINNEL_WIRE_IP_ADDR_H

#include "wire/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IP4_LEN 4
#define IP6_LEN 16

#define IP_TEXT_SIZE     sizeof("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
#define PREFIX_TEXT_SIZE (IP_TEXT_SIZE + sizeof("/128"))

struct ip_addr {
	uint8_t bytes[IP6_LEN];
	bool ip6;
};

/* An address and how many of its bits count; the others may be set: 10.0.0.1/24. */
struct ip_prefix {
	struct ip_addr addr;
	uint8_t len;
};

static inline struct ip_addr ip4_addr(uint32_t host_order)
{
	struct ip_addr a = {.ip6 = false};

	be32_set(a.bytes, host_order);
	return a;
}

static inline struct ip_addr ip_addr_at(const uint8_t *p, bool ip6)
{
	struct ip_addr a = {.ip6 = ip6};

	memcpy(a.bytes, p, ip6 ? IP6_LEN : IP4_LEN);
	return a;
}

static inline uint32_t ip4_of(const struct ip_addr *a)
{
	return be32_get(a->bytes);
}

static inline uint32_t ip_addr_len(const struct ip_addr *a)
{
	return a->ip6 ? IP6_LEN : IP4_LEN;
}

static inline uint8_t ip_addr_bits(const struct ip_addr *a)
{
	return a->ip6 ? 128 : 32;
}

static inline bool ip_addr_same(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->ip6 == b->ip6 && memcmp(a->bytes, b->bytes, IP6_LEN) == 0;
}

static inline bool ip_addr_is_zero(const struct ip_addr *a)
{
	static const uint8_t zeros[IP6_LEN];

	return memcmp(a->bytes, zeros, IP6_LEN) == 0;
}

static inline bool ip_addr_is_multicast(const struct ip_addr *a)
{
	return a->ip6 ? a->bytes[0] == 0xff : a->bytes[0] >> 4 == 14;
}

/* fe80::/10, 169.254.0.0/16 */
static inline bool ip_addr_is_link_local(const struct ip_addr *a)
{
	if (a->ip6)
		return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
	return a->bytes[0] == 169 && a->bytes[1] == 254;
}

/* Clears the bits behind the first len. */
static inline void ip_addr_mask(struct ip_addr *a, uint8_t len)
{
	for (uint32_t i = 0; i < ip_addr_len(a); i++) {
		uint32_t keep = len >= 8 * (i + 1) ? 8 : len > 8 * i ? len - 8 * i : 0;

		a->bytes[i] &= (uint8_t)(0xff00u >> keep);
	}
}

static inline struct ip_prefix ip_prefix_network(struct ip_prefix p)
{
	ip_addr_mask(&p.addr, p.len);
	return p;
}

static inline bool ip_prefix_same(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_addr_same(&a->addr, &b->addr);
}

static inline bool ip_prefix_has(const struct ip_prefix *p, const struct ip_addr *a)
{
	struct ip_prefix one = {.addr = *a, .len = p->len}, net = ip_prefix_network(*p);

	one = ip_prefix_network(one);
	return ip_addr_same(&one.addr, &net.addr);
}

/* False: it is none. A/N for a prefix. */
bool ip_addr_parse(const char *text, struct ip_addr *a);
bool ip_prefix_parse(const char *text, struct ip_prefix *p);
const char *ip_addr_format(char text[IP_TEXT_SIZE], const struct ip_addr *a);
const char *ip_prefix_format(char text[PREFIX_TEXT_SIZE], const struct ip_prefix *p);

#endif
