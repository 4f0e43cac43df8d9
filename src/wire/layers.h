/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers - where the headers of a frame start, as far as its first bytes reach: for those who look at any frame, such
 * as filters and traces.
 */
#ifndef GINNEL_WIRE_LAYERS_H
#define GINNEL_WIRE_LAYERS_H

#include "wire/ethernet.h"
#include "wire/ip.h"

struct layers {
	uint32_t l3_at;  /* behind the tags; 0: not there */
	uint16_t type;   /* what stands there */
	uint8_t proto;   /* of IPv4 and IPv6 */
	uint32_t l4_at;  /* 0: no IP, a later fragment, or not there */
	uint32_t l4_len; /* so many bytes of it are there */
};

static inline uint32_t layers_l4_in_ip4(const uint8_t *ip, uint32_t len, struct layers *l)
{
	uint32_t header_len = ip4_header_len(ip, len);

	if (!header_len)
		return 0;
	l->proto = ip4_proto(ip);
	return be16_get(ip + 6) & 0x1fff ? 0 : header_len;
}

/* Of a frame of which len bytes are there. */
static inline struct layers layers_find(const uint8_t *frame, uint32_t len)
{
	struct layers l = {0};
	uint32_t at = 0;

	l.l3_at = ethernet_payload(frame, len, &l.type);
	if (!l.l3_at)
		return l;
	if (l.type == IP4_ETHERNET_TYPE)
		at = layers_l4_in_ip4(frame + l.l3_at, len - l.l3_at, &l);
	else if (l.type == IP6_ETHERNET_TYPE)
		at = ip6_upper(frame + l.l3_at, len - l.l3_at, &l.proto);
	if (at) {
		l.l4_at = l.l3_at + at;
		l.l4_len = len - l.l4_at;
	}
	return l;
}

#endif
