/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include "base/csum.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#define IP_AT        ETHERNET_HEADER_LEN
#define L4_AT        (IP_AT + IP4_HEADER_MIN)
#define UDP_PORT     4791
#define MAC_OF(port) (0x020000000000ull | (uint64_t)(port) << 32)
#define IP_OF(port)  (0x0a000001u + (port))

/* Of the golden ratio: multiples of it are spread evenly. */
#define SPREAD_NUMBER 0x9e3779b97f4a7c15ull
#define SPREAD_PLACE  0xd1b54a32d192ed03ull

struct frame_shape frame_shape(const struct options *o)
{
	const uint32_t at = L4_AT + (o->gso ? TCP_HEADER_MIN : UDP_HEADER_LEN);

	return (struct frame_shape){
		.len = o->size,
		.number_at = at,
		.stamp_at = at + 8,
		.body_at = at + 16,
		.macs = o->macs,
		.flows = o->flows,
		.tcp = o->gso,
	};
}

static void ip_build(const struct frame_shape *s, uint8_t *ip, uint32_t from, uint32_t to)
{
	ip[0] = 4 << 4 | IP4_HEADER_MIN / 4;
	ip4_set_total_len(ip, (uint16_t)(s->len - IP_AT));
	be16_set(ip + 6, 0x4000); /* do not fragment */
	ip[8] = 64;
	ip[9] = s->tcp ? IP_PROTO_TCP : IP_PROTO_UDP;
	be32_set(ip + 12, IP_OF(from));
	be32_set(ip + 16, IP_OF(to));
	ip4_set_csum(ip, IP4_HEADER_MIN);
}

/* The checksum field holds the sum of the pseudo header: the rest is the device's (virtio 1.2, 5.1.6.2). */
static void tcp_build(const struct frame_shape *s, struct virtio_net_hdr *hdr, uint8_t *ip)
{
	const uint8_t pseudo[4] = {
		0, IP_PROTO_TCP, (uint8_t)((s->len - L4_AT) >> 8), (uint8_t)(s->len - L4_AT)};
	uint8_t *tcp = ip + IP4_HEADER_MIN;
	const uint16_t sum = csum_fold(csum_add(csum_sum(ip + 12, 8), csum_sum(pseudo, sizeof(pseudo))));

	be16_set(tcp + 2, UDP_PORT);
	tcp[12] = TCP_HEADER_MIN / 4 << 4;
	tcp[13] = TCP_ACK;
	be16_set(tcp + 14, 0xffff); /* window */
	memcpy(tcp + TCP_CSUM_OFFSET, &sum, sizeof(sum));
	*hdr = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = L4_AT + TCP_HEADER_MIN,
		.gso_size = FRAME_GSO_SEGMENT,
		.csum_start = L4_AT,
		.csum_offset = TCP_CSUM_OFFSET,
	};
}

void frame_build(const struct frame_shape *s, uint8_t *buffer, uint32_t from, uint32_t to)
{
	uint8_t *frame = buffer + VNET_HDR_LEN, *ip = frame + IP_AT;

	mac_store(frame, MAC_OF(to));
	mac_store(frame + ETHERNET_SRC_AT, MAC_OF(from));
	be16_set(frame + ETHERNET_TYPE_AT, IP4_ETHERNET_TYPE);
	ip_build(s, ip, from, to);
	if (s->tcp) {
		tcp_build(s, (struct virtio_net_hdr *)(void *)buffer, ip);
	} else {
		be16_set(frame + L4_AT + 2, UDP_PORT);
		udp_set_len(frame + L4_AT, (uint16_t)(s->len - L4_AT)); /* a checksum of 0: none */
	}
	frame_set_flow(frame, 0);
	frame_set_word(frame, s->number_at, frame_number(from, 0));
}

void frame_fill(const struct frame_shape *s, uint8_t *frame, uint64_t number)
{
	uint64_t word = number * SPREAD_NUMBER;
	uint32_t at = s->body_at;

	for (; at + sizeof(word) <= s->len; at += sizeof(word), word += SPREAD_PLACE)
		frame_set_word(frame, at, word);
	memcpy(frame + at, &word, s->len - at);
}

bool frame_check(const struct frame_shape *s, const uint8_t *frame, uint32_t to, uint64_t number)
{
	const uint32_t from = (uint32_t)(number >> FRAME_PORT_SHIFT);
	const uint32_t mac = (uint32_t)(frame_count_of(number) % s->macs);
	const uint16_t flow = (uint16_t)(FRAME_FLOW_FIRST + frame_count_of(number) % s->flows);
	uint64_t word = number * SPREAD_NUMBER, differs = 0;
	uint32_t at = s->body_at;

	if (ethernet_dst(frame) != (MAC_OF(to) | mac) || ethernet_src(frame) != (MAC_OF(from) | mac) ||
		be16_get(frame + FRAME_FLOW_AT) != flow)
		return false;
	for (; at + sizeof(word) <= s->len; at += sizeof(word), word += SPREAD_PLACE)
		differs |= frame_word(frame, at) ^ word;
	return differs == 0 && memcmp(frame + at, &word, s->len - at) == 0;
}
