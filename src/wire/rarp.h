/* SPDX-License-Identifier: Apache-2.0 */
/* rarp - the frame by which a machine that has moved tells switches where it is now (RFC 903, a request to nobody). */
#ifndef GINNEL_WIRE_RARP_H
#define GINNEL_WIRE_RARP_H

#include "wire/ethernet.h"

#include <string.h>

#define RARP_ETHERNET_TYPE 0x8035
#define RARP_OP_REQUEST    3
/* Padded to what Ethernet asks for. */
#define RARP_FRAME_LEN 60

/* Writes RARP_FRAME_LEN bytes: a broadcast from mac that asks for mac's own address. */
static inline void rarp_announce(uint8_t *frame, uint64_t mac)
{
	uint8_t *p = frame + ETHERNET_HEADER_LEN;

	memset(frame, 0, RARP_FRAME_LEN);
	mac_store(frame, MAC_BROADCAST);
	mac_store(frame + ETHERNET_SRC_AT, mac);
	be16_set(frame + ETHERNET_TYPE_AT, RARP_ETHERNET_TYPE);
	be16_set(p, 1);          /* hardware: Ethernet */
	be16_set(p + 2, 0x0800); /* protocol: IPv4 */
	p[4] = MAC_LEN;
	p[5] = 4;
	be16_set(p + 6, RARP_OP_REQUEST);
	mac_store(p + 8, mac);  /* sender */
	mac_store(p + 18, mac); /* target */
}

#endif
