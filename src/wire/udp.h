/* SPDX-License-Identifier: Apache-2.0 */
/* udp - the header of UDP (RFC 768): UDP_HEADER_LEN bytes, and nothing here can fail. */
#ifndef GINNEL_WIRE_UDP_H
#define GINNEL_WIRE_UDP_H

#include "wire/bytes.h"

#include <stdint.h>

#define UDP_HEADER_LEN  8
#define UDP_CSUM_OFFSET 6

/* Of header and payload. */
static inline uint16_t udp_len(const uint8_t *p)
{
	return be16_get(p + 4);
}

static inline void udp_set_len(uint8_t *p, uint16_t len)
{
	be16_set(p + 4, len);
}

#endif
