/* SPDX-License-Identifier: Apache-2.0 */
/* vxlan - the header between UDP and an Ethernet frame (RFC 7348, 5): VXLAN_HEADER_LEN bytes, and nothing here can fail. */
#ifndef GINNEL_WIRE_VXLAN_H
#define GINNEL_WIRE_VXLAN_H

#include "wire/bytes.h"

#include <stdbool.h>

#define VXLAN_PORT       4789
#define VXLAN_HEADER_LEN 8
#define VXLAN_VNI_MAX    0xffffffu

static inline void vxlan_write(uint8_t *p, uint32_t vni)
{
	be32_set(p, 0x08000000);
	be32_set(p + 4, vni << 8);
}

/* The network's number is there. */
static inline bool vxlan_is_good(const uint8_t *p)
{
	return p[0] & 0x08;
}

static inline uint32_t vxlan_vni(const uint8_t *p)
{
	return be32_get(p + 4) >> 8;
}

#endif
