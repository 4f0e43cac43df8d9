/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag - VLAN tags put into a packet's head and taken out of it: the addresses move, the rest stays where it is.
 *
 *	 0          12     16
 *	+----------+------+------+--------
 *	| addresses| tag  | type | payload		tag: type and TCI, 16 bits each, as one number
 *	+----------+------+------+--------
 *
 * What is left to do to the packet moves along.
 */
#ifndef GINNEL_PKT_TAG_H
#define GINNEL_PKT_TAG_H

#include "pkt/pkt.h"

#include <endian.h>
#include <string.h>

#define TAG_LEN 4
#define TAG_AT  12

/* The 32 bits where a tag would be; the caller knows that there are so many. */
static inline uint32_t pkt_tag(const struct pkt *pkt)
{
	uint32_t tag;

	memcpy(&tag, pkt->data + TAG_AT, sizeof(tag));
	return be32toh(tag);
}

static inline void pkt_set_tag(struct pkt *pkt, uint32_t tag)
{
	tag = htobe32(tag);
	memcpy(pkt->data + TAG_AT, &tag, sizeof(tag));
}

/* False: no headroom, or the packet's offsets would not fit their fields; nothing is changed then. */
static inline bool pkt_push_tag(struct pkt *pkt, uint32_t tag)
{
	if (unlikely(pkt->data - pkt->buf < TAG_LEN || pkt->offload.csum_start > UINT16_MAX - TAG_LEN))
		return false;
	memmove(pkt->data - TAG_LEN, pkt->data, TAG_AT);
	pkt->data -= TAG_LEN;
	pkt->head_len += TAG_LEN;
	pkt_set_tag(pkt, tag);
	if (pkt->offload.csum)
		pkt->offload.csum_start += TAG_LEN;
	if (pkt->offload.hdr_len > 0)
		pkt->offload.hdr_len += TAG_LEN;
	return true;
}

/* The packet has one. False: a checksum would begin inside the addresses and type that are left. */
static inline bool pkt_pop_tag(struct pkt *pkt)
{
	if (unlikely(pkt->offload.csum && pkt->offload.csum_start < TAG_AT + 2 + TAG_LEN))
		return false;
	memmove(pkt->data + TAG_LEN, pkt->data, TAG_AT);
	pkt->data += TAG_LEN;
	pkt->head_len -= TAG_LEN;
	if (pkt->offload.csum)
		pkt->offload.csum_start -= TAG_LEN;
	if (pkt->offload.hdr_len >= TAG_LEN)
		pkt->offload.hdr_len -= TAG_LEN;
	return true;
}

#endif
