/* SPDX-License-Identifier: Apache-2.0 */
/* tcp - the header of TCP (RFC 9293, 3.1). Where tcp_header_len() says that it is there, nothing else can
 * fail. */
#ifndef GINNEL_WIRE_TCP_H
#define GINNEL_WIRE_TCP_H

#include "wire/bytes.h"

#include <stdint.h>

#define TCP_HEADER_MIN  20
#define TCP_CSUM_OFFSET 16

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

/* Of the header at p, options included, of which len bytes are there; 0: not all of it is there. */
static inline uint32_t tcp_header_len(const uint8_t *p, uint32_t len)
{
	uint32_t header_len;

	if (len < TCP_HEADER_MIN)
		return 0;
	header_len = (p[12] >> 4) * 4u;
	return header_len >= TCP_HEADER_MIN && header_len <= len ? header_len : 0;
}

static inline uint32_t tcp_seq(const uint8_t *p)
{
	return be32_get(p + 4);
}

static inline void tcp_set_seq(uint8_t *p, uint32_t seq)
{
	be32_set(p + 4, seq);
}

static inline void tcp_clear_flags(uint8_t *p, uint8_t flags)
{
	p[13] &= (uint8_t)~flags;
}

#endif
