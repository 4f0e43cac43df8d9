/* SPDX-License-Identifier: Apache-2.0 */
#include "port/begun.h"

#include "base/csum.h"
#include "wire/layers.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <string.h>

/* Where the checksum of layer 4 stands; 0: none that a sender leaves to others. */
static uint32_t csum_offset_of(uint8_t proto)
{
	if (proto == IP_PROTO_TCP)
		return TCP_CSUM_OFFSET;
	return proto == IP_PROTO_UDP ? UDP_CSUM_OFFSET : 0;
}

/* The frame ends where its IP packet does, and is no fragment. */
static bool ends_with_packet(const struct pkt *pkt, const struct layers *l)
{
	const uint8_t *ip = pkt->data + l->l3_at;

	if (l->type == IP4_ETHERNET_TYPE)
		return l->l3_at + ip4_total_len(ip) == pkt_len(pkt) && !ip4_is_fragment(ip);
	return l->l3_at + IP6_HEADER_LEN + ip6_payload_len(ip) == pkt_len(pkt);
}

static uint16_t begun_sum(const struct pkt *pkt, const struct layers *l)
{
	const uint8_t *ip = pkt->data + l->l3_at;
	uint32_t len = pkt_len(pkt) - l->l4_at;

	return csum_fold(l->type == IP4_ETHERNET_TYPE ? ip4_pseudo_sum(ip, l->proto, len)
						      : ip6_pseudo_sum(ip, l->proto, len));
}

void begun_find(struct pkt *pkt)
{
	const struct layers l = layers_find(pkt->data, pkt->head_len);
	uint32_t offset = csum_offset_of(l.proto);
	uint16_t csum;

	if (!l.l4_at || !offset || l.l4_len < offset + sizeof(csum) || !ends_with_packet(pkt, &l))
		return;
	memcpy(&csum, pkt->data + l.l4_at + offset, sizeof(csum));
	if (csum != begun_sum(pkt, &l))
		return;
	pkt->offload.csum = true;
	pkt->offload.csum_start = (uint16_t)l.l4_at;
	pkt->offload.csum_offset = (uint16_t)offset;
}
