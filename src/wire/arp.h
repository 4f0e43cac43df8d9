/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arp - which MAC address has an IPv4 address (RFC 826), in its one form: Ethernet and IPv4.
 *
 *	0      2      4   5   6     8         14        18        24        28
 *	+------+------+---+---+-----+---------+---------+---------+---------+
 *	| hw 1 | 0800 | 6 | 4 | op  | sender  |   its   | target  |   its   |
 *	+------+------+---+---+-----+---- MAC-+-- IPv4 -+---- MAC-+-- IPv4 -+
 *
 * Where arp_ok() says so nothing else can fail.
 */
#ifndef GINNEL_WIRE_ARP_H
#define GINNEL_WIRE_ARP_H

#include "wire/ethernet.h"

#include <string.h>

#define ARP_ETHERNET_TYPE 0x0806
#define ARP_LEN           28
#define ARP_FRAME_LEN     (ETHERNET_HEADER_LEN + ARP_LEN)

enum arp_op {
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
};

struct arp {
	uint16_t op;
	uint64_t sender_mac, target_mac;
	uint32_t sender, target; /* IPv4 */
};

/* len bytes are there behind the Ethernet header. */
static inline bool arp_ok(const uint8_t *p, uint32_t len)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};

	return len >= ARP_LEN && memcmp(p, kind, sizeof(kind)) == 0;
}

static inline struct arp arp_read(const uint8_t *p)
{
	return (struct arp){
		.op = be16_get(p + 6),
		.sender_mac = mac_load(p + 8),
		.sender = be32_get(p + 14),
		.target_mac = mac_load(p + 18),
		.target = be32_get(p + 24),
	};
}

/* Writes ARP_FRAME_LEN bytes: to dst, from the sender. */
static inline void arp_write(uint8_t *frame, uint64_t dst, const struct arp *arp)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
	uint8_t *p = frame + ETHERNET_HEADER_LEN;

	mac_store(frame, dst);
	mac_store(frame + ETHERNET_SRC_AT, arp->sender_mac);
	be16_set(frame + ETHERNET_TYPE_AT, ARP_ETHERNET_TYPE);
	memcpy(p, kind, sizeof(kind));
	be16_set(p + 6, arp->op);
	mac_store(p + 8, arp->sender_mac);
	be32_set(p + 14, arp->sender);
	mac_store(p + 18, arp->target_mac);
	be32_set(p + 24, arp->target);
}

#endif
