/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <string.h>

#define L3 ETHERNET_HEADER_LEN

static bool is_ip6(const uint8_t *frame)
{
	return be16_get(frame + L3 - 2) == IP6_ETHERNET_TYPE;
}

static uint32_t l4_at(const uint8_t *frame)
{
	return L3 + (is_ip6(frame) ? IP6_HEADER_LEN : IP4_HEADER_MIN);
}

static uint8_t proto_of(const uint8_t *frame)
{
	return is_ip6(frame) ? frame[L3 + 6] : ip4_proto(frame + L3);
}

static uint32_t csum_at(const uint8_t *frame)
{
	return l4_at(frame) + (proto_of(frame) == IP_PROTO_TCP ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET);
}

/* Addresses, protocol and length, in memory order and not complemented. */
static uint64_t pseudo_sum(const uint8_t *frame, uint32_t l4_len)
{
	uint8_t rest[8] = {0};
	uint64_t sum = is_ip6(frame) ? csum_sum(frame + L3 + 8, 32) : csum_sum(frame + L3 + 12, 8);

	be32_set(rest, l4_len);
	rest[7] = proto_of(frame);
	return csum_add(sum, csum_sum(rest, sizeof(rest)));
}

static uint16_t l4_sum(const uint8_t *frame, uint32_t len)
{
	uint32_t l4 = l4_at(frame);

	return csum_fold(csum_add(pseudo_sum(frame, len - l4), csum_sum(frame + l4, len - l4)));
}

static void ip_make(uint8_t *frame, const struct packet_shape *shape, uint32_t left)
{
	uint8_t *ip = frame + L3;
	uint8_t proto = shape->tcp ? IP_PROTO_TCP : IP_PROTO_UDP;

	be16_set(ip - 2, shape->ip6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	if (shape->ip6) {
		ip[0] = 0x60;
		ip6_set_payload_len(ip, (uint16_t)(left - IP6_HEADER_LEN));
		ip[6] = proto;
		return;
	}
	ip[0] = 0x45;
	ip4_set_total_len(ip, (uint16_t)left);
	be16_set(ip + 6, 0);
	ip[9] = proto;
	ip4_set_csum(ip, IP4_HEADER_MIN);
}

static void csum_make(struct packet *p, const struct packet_shape *shape)
{
	uint32_t at = csum_at(p->bytes);
	uint16_t csum = 0;

	memcpy(p->bytes + at, &csum, sizeof(csum));
	csum = shape->begun ? csum_fold(pseudo_sum(p->bytes, p->len - l4_at(p->bytes)))
			    : (uint16_t)~l4_sum(p->bytes, p->len);
	memcpy(p->bytes + at, &csum, sizeof(csum));
}

static void hdr_make(struct packet *p, const struct packet_shape *shape)
{
	uint32_t l4 = l4_at(p->bytes);

	p->hdr = (struct virtio_net_hdr){0};
	if (!shape->begun)
		return;
	p->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	p->hdr.csum_start = (uint16_t)l4;
	p->hdr.csum_offset = (uint16_t)(csum_at(p->bytes) - l4);
	if (shape->gso_size == 0)
		return;
	p->hdr.gso_type = !shape->tcp  ? VIRTIO_NET_HDR_GSO_UDP_L4
			  : shape->ip6 ? VIRTIO_NET_HDR_GSO_TCPV6
				       : VIRTIO_NET_HDR_GSO_TCPV4;
	p->hdr.gso_size = shape->gso_size;
	p->hdr.hdr_len = (uint16_t)p->payload_at;
}

void packet_make(
	struct packet *p, const struct packet_shape *shape, uint32_t from, uint32_t to, struct random *r)
{
	uint32_t l4 = L3 + (shape->ip6 ? IP6_HEADER_LEN : IP4_HEADER_MIN);

	p->payload_at = l4 + (shape->tcp ? TCP_HEADER_MIN : UDP_HEADER_LEN);
	p->len = p->payload_at + shape->payload;
	sim_frame(p->bytes, p->len, from, to, r);
	ip_make(p->bytes, shape, p->len - L3);
	if (shape->tcp)
		p->bytes[l4 + 12] = TCP_HEADER_MIN / 4 << 4;
	else
		be16_set(p->bytes + l4 + 4, (uint16_t)(p->len - l4));
	csum_make(p, shape);
	hdr_make(p, shape);
}

void packet_address(struct packet *p, const struct packet_shape *shape, const struct packet_ends *ends)
{
	uint8_t *ip = p->bytes + L3, *l4 = p->bytes + l4_at(p->bytes);

	be32_set(ip + 12, ends->src);
	be32_set(ip + 16, ends->dst);
	ip[8] = 64;
	ip4_set_csum(ip, IP4_HEADER_MIN);
	be16_set(l4, ends->src_port);
	be16_set(l4 + 2, ends->dst_port);
	csum_make(p, shape);
}

struct packet_ends packet_ends_of(const uint8_t *frame)
{
	const uint8_t *ip = frame + L3, *l4 = frame + l4_at(frame);

	return (struct packet_ends){be32_get(ip + 12), be32_get(ip + 16), be16_get(l4), be16_get(l4 + 2)};
}

void packet_readdress(struct packet *p, const uint8_t *src, const uint8_t *dst)
{
	struct packet_shape shape = {.begun = p->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM};
	uint8_t *ip = p->bytes + L3;
	bool ip6 = is_ip6(p->bytes);

	memcpy(ip + (ip6 ? 8 : 12), src, ip6 ? 16 : 4);
	memcpy(ip + (ip6 ? 24 : 16), dst, ip6 ? 16 : 4);
	ip[ip6 ? 7 : 8] = 64;
	if (!ip6)
		ip4_set_csum(ip, IP4_HEADER_MIN);
	csum_make(p, &shape);
}

bool packet_is_sound(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + L3;

	if (is_ip6(frame) && ip6_payload_len(ip) != len - L3 - IP6_HEADER_LEN)
		return false;
	if (!is_ip6(frame) &&
		(ip4_total_len(ip) != len - L3 || csum_fold(csum_sum(ip, IP4_HEADER_MIN)) != 0xffff))
		return false;
	return l4_sum(frame, len) == 0xffff;
}

uint32_t packet_payload_at(const uint8_t *frame)
{
	uint32_t l4 = l4_at(frame);

	return l4 + (proto_of(frame) == IP_PROTO_TCP ? (frame[l4 + 12] >> 4) * 4u : UDP_HEADER_LEN);
}
