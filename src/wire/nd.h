/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nd - neighbour discovery (RFC 4861): which MAC address has an IPv6 address, and who routes. Messages of ICMPv6 that
 * must have come from the same link: hop limit 255. Options follow in units of eight bytes.
 */
#ifndef GINNEL_WIRE_ND_H
#define GINNEL_WIRE_ND_H

#include "wire/ethernet.h"
#include "wire/icmp.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ND_HOP_LIMIT 255
/* Of solicitation and advertisement of a neighbour: header and target. */
#define ND_NEIGHBOR_LEN 24
#define ND_TARGET_AT    8
/* Of a router's advertisement, before options. */
#define ND_RA_LEN 16
#define ND_RS_LEN 8

#define ND_OPTION_MAC_LEN    8
#define ND_OPTION_PREFIX_LEN 32
#define ND_OPTION_MTU_LEN    8

enum nd_option {
	ND_OPTION_SOURCE_MAC = 1,
	ND_OPTION_TARGET_MAC = 2,
	ND_OPTION_PREFIX = 3,
	ND_OPTION_MTU = 5,
	ND_OPTION_RDNSS = 25,
};

/* Of an advertisement's fifth byte. */
enum nd_flag {
	ND_ROUTER = 0x80,
	ND_SOLICITED = 0x40,
	ND_OVERRIDE = 0x20,
};

/*
 * Looks through the options in len bytes; *mac is that of the wanted option, or stays as it is. False: one is
 * malformed, and so is the message (RFC 4861, 6.1.1 and others).
 */
static inline bool nd_options(const uint8_t *p, uint32_t len, enum nd_option wanted, uint64_t *mac)
{
	while (len > 0) {
		uint32_t option_len = len >= 2 ? p[1] * 8u : 0;

		if (option_len == 0 || option_len > len)
			return false;
		if (p[0] == wanted)
			*mac = mac_load(p + 2);
		p += option_len;
		len -= option_len;
	}
	return true;
}

static inline void nd_option_mac(uint8_t *p, enum nd_option option, uint64_t mac)
{
	p[0] = (uint8_t)option;
	p[1] = 1;
	mac_store(p + 2, mac);
}

/* ff02::1:ffXX:XXXX, where whoever has the address listens (RFC 4291, 2.7.1). */
static inline void nd_solicited_node(uint8_t group[16], const uint8_t addr[16])
{
	static const uint8_t prefix[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};

	memcpy(group, prefix, sizeof(prefix));
	memcpy(group + 13, addr + 13, 3);
}

/* 33:33 and the last four bytes (RFC 2464, 7). */
static inline uint64_t nd_multicast_mac(const uint8_t group[16])
{
	return 0x333300000000ull | be32_get(group + 12);
}

/* fe80:: and the modified EUI-64 of a MAC address (RFC 4291, appendix A). */
static inline void nd_link_local(uint8_t addr[16], const uint8_t mac[MAC_LEN])
{
	memset(addr, 0, 16);
	addr[0] = 0xfe;
	addr[1] = 0x80;
	addr[8] = mac[0] ^ 2;
	addr[9] = mac[1];
	addr[10] = mac[2];
	addr[11] = 0xff;
	addr[12] = 0xfe;
	memcpy(addr + 13, mac + 3, 3);
}

#endif
