/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include "base/csum.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#define IP_AT           ETHERNET_HEADER_LEN
#define L4_AT           (IP_AT + IP4_HEADER_MIN)
#define UDP_PORT        4791
#define ROUTER_OF(port) (0x021000000000ull | (uint64_t)(port) << 32)
#define ROUTED4(port)   (0x10000000u + 0x08000000u * (port))
#define MAC_OF(port)    (0x020000000000ull | (uint64_t)(port) << 32)
#define IP_OF(port)     (0x0a000001u + (port))

/* Hosts that are translated, and as whom. */
#define INSIDE_OF(host)  (0x0a400000u + (host))
#define OUTSIDE          0xc0000201u
#define PORTS_PER_HOST   8192u
#define PORTS_TRANSLATED (7 * PORTS_PER_HOST)

/* Of the golden ratio: multiples of it are spread evenly. */
#define SPREAD_NUMBER 0x9e3779b97f4a7c15ull
#define SPREAD_PLACE  0xd1b54a32d192ed03ull

/* Far apart, so that no cache makes a table look small. */
static const uint32_t *networks_of(const struct options *o)
{
	static uint32_t networks[DESTS_MAX];

	for (uint32_t flow = 0; flow < o->flows; flow++)
		networks[flow] = (uint32_t)((uint64_t)(flow * 2654435761u) * o->networks >> 32);
	return networks;
}

struct frame_shape frame_shape(const struct options *o)
{
	const uint32_t at = L4_AT + (o->gso ? TCP_HEADER_MIN : UDP_HEADER_LEN);

	if (o->route == 6)
		return (struct frame_shape){
			.len = o->size,
			.number_at = IP_AT + 16,
			.stamp_at = IP_AT + 16, /* none */
			.body_at = IP_AT + IP6_HEADER_LEN + UDP_HEADER_LEN,
			.macs = 1,
			.flows = o->flows,
			.route = 6,
			.networks = networks_of(o),
		};
	return (struct frame_shape){
		.route = (uint8_t)o->route,
		.nat = o->nat,
		.networks = o->route ? networks_of(o) : NULL,
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

static void routed_build(const struct frame_shape *s, uint8_t *frame, uint32_t from, uint32_t to)
{
	uint8_t *ip = frame + IP_AT, *udp = frame + L4_AT;

	mac_store(frame, ROUTER_OF(from));
	mac_store(frame + ETHERNET_SRC_AT, MAC_OF(from));
	be16_set(frame + ETHERNET_TYPE_AT, s->route == 6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	if (s->route == 6) {
		udp = ip + IP6_HEADER_LEN;
		ip[0] = 6 << 4;
		ip6_set_payload_len(ip, (uint16_t)(s->len - IP_AT - IP6_HEADER_LEN));
		ip[6] = IP_PROTO_UDP;
		ip[7] = 64;
		ip[8] = 0xfd;
		ip[9] = 0x10;
		ip[11] = (uint8_t)from;
	} else {
		ip_build(s, ip, from, to);
	}
	be16_set(udp, FRAME_FLOW_FIRST);
	be16_set(udp + 2, UDP_PORT);
	udp_set_len(udp, (uint16_t)(s->len - (uint32_t)(udp - frame)));
	frame_set_route(s, frame, to, 0);
	frame_set_word(frame, s->number_at, frame_number(from, 0));
}

/* RFC 1624, equation 3, for the words of an address. */
static void set_ip4(uint8_t *ip, uint32_t at, uint32_t to)
{
	const uint32_t old = ~be32_get(ip + at);
	uint32_t sum =
		(uint16_t)~be16_get(ip + 10) + (old >> 16) + (old & 0xffff) + (to >> 16) + (to & 0xffff);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	be16_set(ip + 10, (uint16_t)~sum);
	be32_set(ip + at, to);
}

/* From a host inside to one outside, or back. */
static void set_translated(uint8_t *ip, uint32_t to, uint32_t flow, uint32_t outside)
{
	const uint32_t number = flow % PORTS_TRANSLATED;
	const uint16_t port = (uint16_t)(FRAME_FLOW_FIRST + number);

	set_ip4(ip, 12, to % 2 ? INSIDE_OF(number / PORTS_PER_HOST) : outside);
	set_ip4(ip, 16, to % 2 ? outside : OUTSIDE);
	be16_set(ip + IP4_HEADER_MIN, to % 2 ? port : UDP_PORT);
	be16_set(ip + IP4_HEADER_MIN + 2, to % 2 ? UDP_PORT : port);
}

void frame_set_route(const struct frame_shape *s, uint8_t *frame, uint32_t to, uint32_t flow)
{
	uint8_t *ip = frame + IP_AT;

	if (s->nat) {
		set_translated(ip, to, flow, ROUTED4(to | 1) + (s->networks[flow] << 8) + 1);
		return;
	}
	if (s->route == 4) {
		set_ip4(ip, 16, ROUTED4(to) + (s->networks[flow] << 8) + 1);
		return;
	}
	be16_set(ip + 24, (uint16_t)(0x2010 + to));
	be32_set(ip + 26, s->networks[flow]);
	ip[39] = 1;
}

void frame_build(const struct frame_shape *s, uint8_t *buffer, uint32_t from, uint32_t to)
{
	uint8_t *frame = buffer + VNET_HDR_LEN, *ip = frame + IP_AT;

	if (s->route) {
		routed_build(s, frame, from, to);
		return;
	}
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

/* From the router, one hop less, to where it was sent. */
static bool routed_check(const struct frame_shape *s, const uint8_t *frame, uint32_t to)
{
	const uint8_t *ip = frame + IP_AT;

	if (ethernet_dst(frame) != MAC_OF(to) || ethernet_src(frame) != ROUTER_OF(to))
		return false;
	if (s->route == 6)
		return ip[7] == 63 && be16_get(ip + 24) == 0x2010 + to;
	return ip[8] == 63 && be32_get(ip + 16) >> 27 == ROUTED4(to) >> 27 &&
	       csum_fold(csum_sum(ip, IP4_HEADER_MIN)) == 0xffff;
}

/* Which of n that go round is this frame's? A division takes as long as all else that is done for a short frame. */
static uint32_t turn_of(uint64_t number, uint32_t n)
{
	return n > 1 ? (uint32_t)(frame_count_of(number) % n) : 0;
}

bool frame_check(const struct frame_shape *s, const uint8_t *frame, uint32_t to, uint64_t number)
{
	const uint32_t from = (uint32_t)(number >> FRAME_PORT_SHIFT);
	const uint32_t mac = turn_of(number, s->macs);
	const uint16_t flow = (uint16_t)(FRAME_FLOW_FIRST + turn_of(number, s->flows));
	uint64_t word = number * SPREAD_NUMBER, differs = 0;
	uint32_t at = s->body_at;

	if (s->route && !routed_check(s, frame, to))
		return false;
	if (!s->route &&
		(ethernet_dst(frame) != (MAC_OF(to) | mac) || ethernet_src(frame) != (MAC_OF(from) | mac) ||
			be16_get(frame + FRAME_FLOW_AT) != flow))
		return false;
	for (; at + sizeof(word) <= s->len; at += sizeof(word), word += SPREAD_PLACE)
		differs |= frame_word(frame, at) ^ word;
	return differs == 0 && memcmp(frame + at, &word, s->len - at) == 0;
}
