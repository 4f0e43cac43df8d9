/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip_bed - what the router's tests share: interfaces, turns made by hand, and what left by which interface. Time is the
 * test's. Interface i is port<i> with the MAC address 02:00:00:00:00:0i.
 */
#ifndef GINNEL_IP_IP_BED_H
#define GINNEL_IP_IP_BED_H

#include "ip/ip_private.h"

#include "base/test.h"
#include "wire/arp.h"
#include "wire/nd.h"
#include "wire/udp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BED_IFACES 4

/* A station that is not us. */
#define STATION(n) (0x525400000000ull + (n))

struct bed {
	struct iface_table *table;
	struct ip *ip;
	struct iface ifaces[BED_IFACES];
	struct turn *turn;
	uint64_t now_ns;
	/* what left in the last turn, in order */
	uint32_t n_out;
	struct pkt *out[TURN_PKTS_ALL];
	struct iface *out_iface[TURN_PKTS_ALL];
};

static inline void bed_open(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	b->table = iface_table_create(1);
	b->now_ns = 1000 * NS_PER_S;
	b->ip = ip_create(&(struct ip_config){.ifaces = b->table, .n_workers = 1, .seed = 42});
	assert_non_null(b->ip);
	for (uint32_t i = 0; i < BED_IFACES; i++) {
		snprintf(b->ifaces[i].name, sizeof(b->ifaces[i].name), "port%u", i);
		mac_store(b->ifaces[i].mac, 0x020000000000ull + i);
		b->ifaces[i].kind = "bed";
		assert_int_equal(iface_add(b->table, &b->ifaces[i]), 0);
		b->ifaces[i].up = true;
		b->ifaces[i].mtu = 1500;
	}
	b->turn = aligned_alloc(CACHE_LINE, sizeof(*b->turn));
	assert_non_null(b->turn);
	memset(b->turn, 0, sizeof(*b->turn));
	b->turn->bytes_made = malloc(TURN_BYTES_MADE);
	turn_begin(b->turn, b->now_ns);
	ip_tick(b->ip, b->now_ns);
}

static inline void bed_close(struct bed *b)
{
	for (uint32_t i = 0; i < BED_IFACES; i++)
		if (iface_get(b->table, b->ifaces[i].idx) == &b->ifaces[i])
			iface_remove(b->table, &b->ifaces[i]);
	ip_destroy(b->ip);
	iface_table_destroy(b->table);
	free(b->turn->bytes_made);
	free(b->turn);
}

static inline struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix p;

	assert_true(ip_prefix_parse(text, &p));
	return p;
}

static inline struct ip_addr addr_of(const char *text)
{
	struct ip_addr a;

	assert_true(ip_addr_parse(text, &a));
	return a;
}

static inline void bed_addr(struct bed *b, uint32_t i, const char *text)
{
	struct ip_prefix p = prefix_of(text);

	assert_int_equal(ip_iface_add_addr(b->ip, &b->ifaces[i], &p), 0);
}

static inline void bed_neigh(struct bed *b, uint32_t i, const char *text, uint64_t mac)
{
	struct ip_addr a = addr_of(text);

	assert_int_equal(ip_neigh_set(b->ip, &b->ifaces[i], &a, mac, false), 0);
}

/* 0, or what ip_route_add() says. via NULL: by the interface alone; i < 0: by the gateway alone. */
static inline int bed_route(struct bed *b, const char *prefix, const char *via, int i)
{
	struct ip_path path = {.has_via = via != NULL, .iface = i < 0 ? NULL : &b->ifaces[i]};
	struct ip_prefix p = prefix_of(prefix);

	if (via)
		path.via = addr_of(via);
	return ip_route_add(b->ip, 0, &p, &path);
}

/* A packet that has come in at interface i. */
static inline struct pkt *bed_rx(struct bed *b, uint32_t i, const uint8_t *frame, uint32_t len)
{
	uint8_t *bytes = turn_bytes(b->turn, len);
	struct pkt *pkt;

	assert_non_null(bytes);
	memcpy(bytes, frame, len);
	pkt = turn_make_frame(b->turn, &b->ifaces[i], bytes, len);
	assert_non_null(pkt);
	turn_push(b->turn, pkt, STAGE_L3_INPUT);
	return pkt;
}

/* Runs what was received; then bed->out has what left, until the next bed_begin(). */
static inline void bed_run(struct bed *b)
{
	static stage_fn *const stages[STAGE_COUNT] = {
		[STAGE_L3_INPUT] = l3_input,
		[STAGE_ARP_INPUT] = arp_input,
		[STAGE_IP4_INPUT] = ip4_input,
		[STAGE_IP4_PRE_LOOKUP] = ip4_pre_lookup_none,
		[STAGE_IP4_LOOKUP] = ip4_lookup,
		[STAGE_IP6_INPUT] = ip6_input,
		[STAGE_IP_LOCAL] = ip_local,
		[STAGE_ICMP_ERROR] = icmp_error,
		[STAGE_IP4_PRE_OUTPUT] = ip4_pre_output_none,
		[STAGE_IP_FRAGMENT] = ip_fragment,
		[STAGE_NEIGH_OUTPUT] = neigh_output,
	};
	struct turn *turn = b->turn;

	ip_turn_input(b->ip, turn);
	for (enum stage s = 0; s < STAGE_DROP; s++) {
		if (turn->vecs[s].n == 0)
			continue;
		stages[s](b->ip, turn, &turn->vecs[s]);
		turn->vecs[s].n = 0;
	}
	b->n_out = 0;
	for (uint32_t i = 0; i < turn->n_out; i++) {
		struct iface_lane *lane = turn_lane(turn, turn->out[i]);

		for (uint32_t k = 0; k < lane->n_out; k++) {
			b->out_iface[b->n_out] = turn->out[i];
			b->out[b->n_out++] = lane->out[k];
		}
		lane->n_out = 0;
	}
	turn->n_out = 0;
	/* every packet is in one place */
	assert_int_equal(b->n_out + turn->vecs[STAGE_DROP].n, turn->n_pkts);
	turn->vecs[STAGE_DROP].n = 0;
}

/* The next turn; what left in the last one is gone. */
static inline void bed_begin(struct bed *b)
{
	b->now_ns += NS_PER_US;
	turn_begin(b->turn, b->now_ns);
}

/* Seconds pass, control ticks, and what it wants sent is sent. */
static inline void bed_tick(struct bed *b)
{
	b->now_ns += NS_PER_S;
	ip_tick(b->ip, b->now_ns);
	turn_begin(b->turn, b->now_ns);
	bed_run(b);
}

/* What control has made since the last turn: leaves, unseen. */
static inline void bed_drain(struct bed *b)
{
	bed_begin(b);
	bed_run(b);
	bed_begin(b);
}

/* --- frames --- */

struct bed_frame {
	uint32_t len;
	uint8_t bytes[70000];
};

static inline uint8_t *frame_l3(struct bed_frame *f)
{
	return f->bytes + ETHERNET_HEADER_LEN;
}

/* An IP packet with this payload, from a station to one of our interfaces. */
static inline void frame_ip(struct bed_frame *f, uint32_t to, const char *src, const char *dst, uint8_t proto,
	const void *payload, uint32_t payload_len)
{
	struct ip_addr s = addr_of(src), d = addr_of(dst);
	uint8_t *p = frame_l3(f);
	uint32_t header_len = ip_header_len(s.ip6);

	memset(f->bytes, 0, ETHERNET_HEADER_LEN + header_len);
	ethernet_rewrite(f->bytes, 0x020000000000ull + to, STATION(1));
	be16_set(f->bytes + ETHERNET_TYPE_AT, s.ip6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	if (s.ip6) {
		p[0] = 0x60;
		ip6_set_payload_len(p, (uint16_t)payload_len);
		p[6] = proto;
		p[7] = 64;
		memcpy(p + 8, s.bytes, IP6_LEN);
		memcpy(p + 24, d.bytes, IP6_LEN);
	} else {
		p[0] = 0x45;
		ip4_set_total_len(p, (uint16_t)(header_len + payload_len));
		ip4_set_id(p, 0x1234);
		p[8] = 64;
		p[9] = proto;
		memcpy(p + 12, s.bytes, IP4_LEN);
		memcpy(p + 16, d.bytes, IP4_LEN);
		ip4_set_csum(p, header_len);
	}
	memcpy(p + header_len, payload, payload_len);
	f->len = ETHERNET_HEADER_LEN + header_len + payload_len;
}

/* A datagram of UDP whose payload counts up. */
static inline void frame_udp(struct bed_frame *f, uint32_t to, const char *src, const char *dst,
	uint16_t src_port, uint16_t dst_port, uint32_t payload_len)
{
	static uint8_t udp[66000];
	uint8_t *p = frame_l3(f);
	uint16_t csum;
	uint32_t len = UDP_HEADER_LEN + payload_len;

	be16_set(udp, src_port);
	be16_set(udp + 2, dst_port);
	udp_set_len(udp, (uint16_t)len);
	be16_set(udp + UDP_CSUM_OFFSET, 0);
	for (uint32_t i = 0; i < payload_len; i++)
		udp[UDP_HEADER_LEN + i] = (uint8_t)(i * 7 + i / 256);
	frame_ip(f, to, src, dst, IP_PROTO_UDP, udp, len);
	csum = (uint16_t)~csum_fold(csum_add(
		p[0] >> 4 == 6 ? ip6_pseudo_sum(p, IP_PROTO_UDP, len) : ip4_pseudo_sum(p, IP_PROTO_UDP, len),
		csum_sum(udp, len)));
	if (csum == 0)
		csum = 0xffff;
	memcpy(f->bytes + f->len - len + UDP_CSUM_OFFSET, &csum, sizeof(csum));
}

/* Of a packet that left: all its bytes. */
static inline void frame_of_pkt(struct bed_frame *f, const struct pkt *pkt)
{
	f->len = pkt_len(pkt);
	pkt_bytes(pkt, 0, f->bytes, f->len);
}

static inline bool frame_ip4_sound(struct bed_frame *f)
{
	const uint8_t *p = frame_l3(f);
	uint32_t header_len = ip4_header_len(p, f->len - ETHERNET_HEADER_LEN);

	return header_len && csum_fold(csum_sum(p, header_len)) == 0xffff &&
	       ip4_total_len(p) <= f->len - ETHERNET_HEADER_LEN;
}

/* One frame in a turn of its own; what left is in b->out. Returns the packet. */
static inline struct pkt *bed_pass(struct bed *b, uint32_t i, const struct bed_frame *f)
{
	struct pkt *pkt;

	bed_begin(b);
	pkt = bed_rx(b, i, f->bytes, f->len);
	bed_run(b);
	return pkt;
}

#endif
