/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp - messages about packets, of IPv4 (RFC 792) and IPv6 (RFC 4443): type, code, checksum, four bytes whose meaning
 * is the type's, and what follows.
 */
#ifndef GINNEL_WIRE_ICMP_H
#define GINNEL_WIRE_ICMP_H

#include "wire/bytes.h"

#include <stdint.h>

#define ICMP_HEADER_LEN  8
#define ICMP_CSUM_OFFSET 2

/* Of a packet that a message quotes: all that fits into what every link carries (RFC 1812, 4.3.2.3; RFC 4443, 2.4). */
#define ICMP4_MESSAGE_MAX 576u
#define ICMP6_MESSAGE_MAX 1280u

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_SOURCE_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER = 12,
};

enum icmp4_code {
	ICMP4_NET = 0, /* unreachable */
	ICMP4_HOST = 1,
	ICMP4_PROTOCOL = 2,
	ICMP4_PORT = 3,
	ICMP4_FRAGMENTATION = 4,
	ICMP4_ADMIN = 13,
	ICMP4_TTL = 0, /* time exceeded */
	ICMP4_REASSEMBLY = 1,
};

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_ROUTER_SOLICITATION = 133,
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_NEIGHBOR_SOLICITATION = 135,
	ICMP6_NEIGHBOR_ADVERTISEMENT = 136,
	ICMP6_REDIRECT = 137,
};

enum icmp6_code {
	ICMP6_NO_ROUTE = 0, /* unreachable */
	ICMP6_ADMIN = 1,
	ICMP6_ADDRESS = 3,
	ICMP6_PORT = 4,
	ICMP6_HOPS = 0, /* time exceeded */
	ICMP6_REASSEMBLY = 1,
	ICMP6_NEXT_HEADER = 1, /* parameter */
};

/* A message about another packet: nobody may answer it with another (RFC 1122, 3.2.2). */
static inline bool icmp4_is_error(uint8_t type)
{
	return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
	       type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

/* Of those, one that says that the packet got no further: a redirect does not. */
static inline bool icmp4_ends_packet(uint8_t type)
{
	return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

static inline bool icmp6_is_error(uint8_t type)
{
	return type < 128 || type == ICMP6_REDIRECT;
}

static inline uint16_t icmp_id(const uint8_t *p)
{
	return be16_get(p + 4);
}

static inline uint16_t icmp_seq(const uint8_t *p)
{
	return be16_get(p + 6);
}

#endif
