/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44_view.h"

#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#define IP4_CSUM_AT 10
#define IP4_SRC_AT  12
#define IP4_DST_AT  16
#define ICMP_ID_AT  4
/* How far into its layer 4 a quoted packet is looked at: a TCP checksum ends there. */
#define QUOTED_L4_LEN 18

/* Questions that an inside host asks, and their answers, by ICMP's types (RFC 792). */
static bool is_query(uint8_t type)
{
	return type == ICMP4_ECHO || type == 13 || type == 17;
}

static bool is_reply(uint8_t type)
{
	return type == ICMP4_ECHO_REPLY || type == 14 || type == 18;
}

static bool is_error(uint8_t type)
{
	return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

/* The sums here are of 16-bit numbers, in network order read as such; `sum` holds what to add to a checksum's sum. */
static uint32_t swap_sum(uint32_t sum, uint16_t from, uint16_t to)
{
	return sum + (uint16_t)~from + to;
}

static uint32_t swap_sum_ip(uint32_t sum, uint32_t from, uint32_t to)
{
	sum = swap_sum(sum, (uint16_t)(from >> 16), (uint16_t)(to >> 16));
	return swap_sum(sum, (uint16_t)from, (uint16_t)to);
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* A checksum at p, complete. */
static void csum_follow(uint8_t *p, uint32_t sum)
{
	be16_set(p, (uint16_t)~fold((uint16_t)~be16_get(p) + sum));
}

/* The one of layer 4; sums for what changed in the addresses and in the rest. */
static void l4_csum_follow(struct nat44_layers *l, uint32_t address_sum, uint32_t port_sum)
{
	uint8_t *p = l->l4 + l->csum_at;

	if (!l->csum_at)
		return;
	if (l->begun) {
		be16_set(p, fold(be16_get(p) + address_sum));
		return;
	}
	if (l->proto == IP_PROTO_UDP && be16_get(p) == 0)
		return;
	csum_follow(p, (l->pseudo ? address_sum : 0) + port_sum);
	if (l->proto == IP_PROTO_UDP && be16_get(p) == 0)
		be16_set(p, 0xffff);
}

static uint32_t set_ip(uint8_t *ip, uint32_t at, uint32_t to)
{
	uint32_t sum = swap_sum_ip(0, be32_get(ip + at), to);

	be32_set(ip + at, to);
	csum_follow(ip + IP4_CSUM_AT, sum);
	return sum;
}

/* Address at byte ip_at of the IP header, port at byte port_at of layer 4, 0 if there is none. */
static void set_endpoint(struct nat44_layers *l, uint32_t ip_at, uint8_t port_at, struct nat44_endpoint to)
{
	uint32_t address_sum = set_ip(l->ip, ip_at, to.ip), port_sum = 0;

	if (port_at) {
		port_sum = swap_sum(0, be16_get(l->l4 + port_at - 1), to.port);
		be16_set(l->l4 + port_at - 1, to.port);
	}
	if (l->l4)
		l4_csum_follow(l, address_sum, port_sum);
}

/* What the error's own checksum has to follow: all of the quoted packet that may change. Starts at an even byte. */
static uint16_t quoted_sum(const struct nat44_view *v)
{
	return csum_fold(csum_sum(v->layers.ip, v->quoted_len));
}

static void set_quoted(struct nat44_view *v, uint32_t ip_at, uint8_t port_at, struct nat44_endpoint to)
{
	uint16_t before = quoted_sum(v), after;
	uint8_t *csum = v->outer_l4 + ICMP_CSUM_OFFSET;

	set_endpoint(&v->layers, ip_at, port_at, to);
	after = quoted_sum(v);
	csum_follow(csum, swap_sum(0, be16_get((const uint8_t *)&before), be16_get((const uint8_t *)&after)));
}

void nat44_set_src(struct nat44_view *v, struct nat44_endpoint to)
{
	if (v->kind == NAT44_KIND_ERROR)
		set_quoted(v, IP4_SRC_AT, v->layers.src_port_at, to);
	else
		set_endpoint(&v->layers, IP4_SRC_AT, v->layers.src_port_at, to);
}

void nat44_set_dst(struct nat44_view *v, struct nat44_endpoint to)
{
	if (v->kind == NAT44_KIND_ERROR)
		set_quoted(v, IP4_DST_AT, v->layers.dst_port_at, to);
	else
		set_endpoint(&v->layers, IP4_DST_AT, v->layers.dst_port_at, to);
}

void nat44_set_outer_src(struct nat44_view *v, uint32_t ip)
{
	set_ip(v->outer_ip, IP4_SRC_AT, ip);
}

void nat44_set_outer_dst(struct nat44_view *v, uint32_t ip)
{
	set_ip(v->outer_ip, IP4_DST_AT, ip);
}

/* Where TCP and UDP have their numbers, plus one: 0 means none. */
static void place_ports(struct nat44_view *v, uint32_t l4_len)
{
	struct nat44_layers *l = &v->layers;
	uint32_t csum_at = l->proto == IP_PROTO_TCP ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET;

	l->src_port_at = 1;
	l->dst_port_at = 3;
	l->pseudo = true;
	if (l4_len >= csum_at + 2)
		l->csum_at = (uint8_t)csum_at;
	v->src.port = be16_get(l->l4);
	v->dst.port = be16_get(l->l4 + 2);
}

/* An identifier belongs to who asked. */
static enum drop place_id(struct nat44_view *v)
{
	struct nat44_layers *l = &v->layers;
	uint8_t type = l->l4[0];

	l->csum_at = ICMP_CSUM_OFFSET;
	v->asks = is_query(type);
	if (v->asks) {
		l->src_port_at = ICMP_ID_AT + 1;
		v->src.port = icmp_id(l->l4);
		return DROP_NONE;
	}
	l->dst_port_at = ICMP_ID_AT + 1;
	v->dst.port = icmp_id(l->l4);
	return is_reply(type) ? DROP_NONE : DROP_NAT44_PROTOCOL;
}

/* Layer 4 of the packet at l->ip, of which l4_len bytes are here. */
static enum drop place_l4(struct nat44_view *v, uint32_t l4_len)
{
	struct nat44_layers *l = &v->layers;

	if (l4_len < 8)
		return DROP_NAT44_TRUNCATED;
	switch (l->proto) {
	case IP_PROTO_TCP:
	case IP_PROTO_UDP:
		place_ports(v, l4_len);
		return v->src.port && v->dst.port ? DROP_NONE : DROP_NAT44_PROTOCOL;
	case IP_PROTO_ICMP:
		return place_id(v);
	default:
		return DROP_NAT44_PROTOCOL;
	}
}

/* How much of the packet at p, of which len bytes are here, is its own. 0: its header is no good. */
static uint32_t own_len(const uint8_t *p, uint32_t len, uint32_t *header_len)
{
	*header_len = ip4_header_len(p, len);
	if (*header_len == 0 || ip4_total_len(p) < *header_len)
		return 0;
	return min_u32(len, ip4_total_len(p));
}

static void set_addresses(struct nat44_view *v, uint8_t *ip)
{
	v->layers.ip = ip;
	v->layers.proto = ip4_proto(ip);
	v->src = (struct nat44_endpoint){.ip = ip4_src(ip)};
	v->dst = (struct nat44_endpoint){.ip = ip4_dst(ip)};
}

/* len bytes of the error's ICMP message are here. */
static enum drop view_error(struct nat44_view *v, uint8_t *ip, uint8_t *l4, uint32_t len)
{
	uint8_t *quoted = l4 + ICMP_HEADER_LEN;
	uint32_t header_len, l4_len, here;
	enum drop drop;

	if (len < ICMP_HEADER_LEN)
		return DROP_NAT44_TRUNCATED;
	/* quoted packets are cut: their total length says nothing about what is here */
	here = len - ICMP_HEADER_LEN;
	header_len = ip4_header_len(quoted, here);
	if (header_len == 0 || ip4_fragment_at(quoted) != 0)
		return DROP_NAT44_TRUNCATED;
	v->kind = NAT44_KIND_ERROR;
	v->outer_ip = ip;
	v->outer_l4 = l4;
	set_addresses(v, quoted);
	v->layers.l4 = quoted + header_len;
	l4_len = min_u32(here - header_len, QUOTED_L4_LEN);
	/* an odd byte at the end never changes */
	v->quoted_len = header_len + (l4_len & ~1u);
	drop = place_l4(v, l4_len & ~1u);
	/* nobody is told about an answer of his (RFC 5508) */
	return drop == DROP_NONE && v->layers.proto == IP_PROTO_ICMP && !v->asks ? DROP_NAT44_PROTOCOL : drop;
}

static bool csum_is_begun(const struct pkt *pkt, const struct nat44_layers *l)
{
	return pkt->offload.csum && pkt->data + pkt->offload.csum_start == l->l4 &&
	       pkt->offload.csum_offset == l->csum_at;
}

static enum drop view_flow(struct nat44_view *v, const struct pkt *pkt, uint32_t len)
{
	struct nat44_layers *l = &v->layers;
	enum drop drop;

	if (l->proto == IP_PROTO_TCP && len < TCP_HEADER_MIN)
		return DROP_NAT44_TRUNCATED;
	drop = place_l4(v, len);
	if (drop)
		return drop;
	if (l->proto == IP_PROTO_TCP)
		v->tcp_flags = l->l4[13];
	l->begun = l->pseudo && csum_is_begun(pkt, l);
	return DROP_NONE;
}

enum drop nat44_view(struct nat44_view *v, struct pkt *pkt, uint32_t l3)
{
	uint8_t *ip = pkt->data + l3;
	uint32_t header_len, len = own_len(ip, pkt->head_len - l3, &header_len);

	*v = (struct nat44_view){.kind = NAT44_KIND_FLOW};
	if (len == 0)
		return DROP_NAT44_TRUNCATED;
	set_addresses(v, ip);
	if (ip4_fragment_at(ip) != 0) {
		v->kind = NAT44_KIND_LATER;
		return DROP_NONE;
	}
	v->fragment = ip4_is_fragment(ip);
	v->layers.l4 = ip + header_len;
	if (v->layers.proto == IP_PROTO_ICMP && len > header_len && is_error(v->layers.l4[0]))
		return view_error(v, ip, v->layers.l4, len - header_len);
	return view_flow(v, pkt, len - header_len);
}
