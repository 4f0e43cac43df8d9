/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router - frames as they come from anybody, into all of the router: two interfaces, some routes, stations that may or may
 * not be known, a service that reads what it gets. A frame is a sound one of some kind with bytes changed, cut anywhere, or
 * just bytes.
 *
 * What must hold: each packet ends in one place; what leaves is long enough for its headers, an IPv4 header's checksum is
 * right, and its length fits the interface.
 */
#include "fuzz.h"

#include "base/units.h"
#include "ip/ip.h"
#include "ip/own.h"
#include "ip/service.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/nd.h"

#include <stdio.h>
#include <stdlib.h>

#define IFACES     2
#define FRAME_MAX  3000
#define FRAMES_MAX 24
#define MTU        1280

static struct iface_table *table;
static struct ip *ip;
static struct iface ifaces[IFACES];
static struct turn *turn;
static uint64_t now_ns;

static void add_addr(uint32_t i, const char *text)
{
	struct ip_prefix p;

	ASSERT(ip_prefix_parse(text, &p));
	ASSERT(ip_iface_add_addr(ip, &ifaces[i], &p) == 0);
}

static void add_neigh(uint32_t i, const char *text)
{
	struct ip_addr a;

	ASSERT(ip_addr_parse(text, &a));
	ASSERT(ip_neigh_set(ip, &ifaces[i], &a, 0x525400000000ull + i, false) == 0);
}

static void serve(void *subject, struct turn *t, struct pkt *pkt, const struct ip_datagram *d)
{
	uint8_t *copy = malloc(d->payload_len + 1);

	pkt_bytes(pkt, d->payload_at, copy, d->payload_len);
	ip_udp_send(ip, t,
		&(struct ip_udp){.iface = pkt->rx,
			.src = d->dst,
			.dst = d->src,
			.src_port = d->dst_port,
			.dst_port = d->src_port,
			.payload = copy,
			.payload_len = d->payload_len});
	free(copy);
	turn_finish(t, pkt);
}

static void open_router(void)
{
	struct ip_prefix far;
	struct ip_path path = {.has_via = true};

	table = iface_table_create(1);
	ip = ip_create(&(struct ip_config){.ifaces = table, .n_workers = 1, .seed = 1});
	now_ns = 1000 * NS_PER_S;
	ip_tick(ip, now_ns);
	for (uint32_t i = 0; i < IFACES; i++) {
		ifaces[i] = (struct iface){.kind = i ? "loopback" : "fuzz"};
		snprintf(ifaces[i].name, sizeof(ifaces[i].name), "port%u", i);
		mac_store(ifaces[i].mac, 0x020000000000ull + i);
		ASSERT(iface_add(table, &ifaces[i]) == 0);
		ifaces[i].up = true;
		ifaces[i].mtu = MTU;
	}
	add_addr(0, "10.0.0.1/24");
	add_addr(0, "2001:db8::1/64");
	add_addr(1, "10.0.1.1/24");
	add_addr(1, "2001:db8:1::1/64");
	add_neigh(0, "10.0.0.2");
	add_neigh(1, "10.0.1.2");
	add_neigh(1, "2001:db8:1::2");
	ip_prefix_parse("10.9.0.0/16", &far);
	ip_addr_parse("10.0.1.2", &path.via);
	ASSERT(ip_route_add(ip, 0, &far, &path) == 0);
	ASSERT(own_set(&ifaces[0], OWN_PROXY_ARP, true) == 0);
	ASSERT(ip_udp_listen(ip, 53, serve, NULL) == 0);
	turn = aligned_alloc(CACHE_LINE, sizeof(*turn));
	memset(turn, 0, sizeof(*turn));
	turn->bytes_made = malloc(TURN_BYTES_MADE);
}

static void close_router(void)
{
	for (uint32_t i = 0; i < IFACES; i++)
		iface_remove(table, &ifaces[i]);
	ip_destroy(ip);
	iface_table_destroy(table);
	free(turn->bytes_made);
	free(turn);
}

/* --- frames --- */

static const char *const addrs4[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.2", "10.9.1.1",
	"255.255.255.255", "224.0.0.1", "127.0.0.1"};
static const char *const addrs6[] = {"2001:db8::1", "2001:db8::2", "2001:db8:1::2", "fe80::1",
	"fe80::ff:fe00:0", "ff02::1", "ff02::1:ff00:1", "::"};

static uint32_t make_ip4(struct fuzz *f, uint8_t *p)
{
	static const uint8_t protos[] = {IP_PROTO_ICMP, IP_PROTO_UDP, IP_PROTO_TCP, 47};
	struct ip_addr src, dst;
	uint32_t len = 20 + fuzz_u16(f) % 1600;

	ip_addr_parse(addrs4[fuzz_below(f, ARRAY_LEN(addrs4))], &src);
	ip_addr_parse(addrs4[fuzz_below(f, ARRAY_LEN(addrs4))], &dst);
	memset(p, 0, len);
	p[0] = 0x45;
	ip4_set_total_len(p, (uint16_t)len);
	be16_set(p + 4, fuzz_u8(f) & 3);
	be16_set(p + 6, (uint16_t)((fuzz_u8(f) & 0xe0) << 8 | (fuzz_u8(f) & 3) * 50));
	p[8] = fuzz_u8(f) % 3 ? 64 : fuzz_u8(f) & 3;
	p[9] = protos[fuzz_below(f, ARRAY_LEN(protos))];
	memcpy(p + 12, src.bytes, 4);
	memcpy(p + 16, dst.bytes, 4);
	ip4_set_csum(p, 20);
	fuzz_bytes(f, p + 20, min_u32(len - 20, fuzz_u8(f)));
	return len;
}

static uint32_t make_ip6(struct fuzz *f, uint8_t *p)
{
	static const uint8_t protos[] = {
		IP_PROTO_ICMP6, IP_PROTO_UDP, IP_PROTO_FRAGMENT, 0, 43, 60, 59, IP_PROTO_TCP};
	struct ip_addr src, dst;
	uint32_t len = fuzz_u8(f) % 4 ? fuzz_u8(f) : fuzz_u16(f) % 1600;
	uint16_t csum;

	ip_addr_parse(addrs6[fuzz_below(f, ARRAY_LEN(addrs6))], &src);
	ip_addr_parse(addrs6[fuzz_below(f, ARRAY_LEN(addrs6))], &dst);
	memset(p, 0, 40 + len);
	p[0] = 0x60;
	ip6_set_payload_len(p, (uint16_t)len);
	p[6] = protos[fuzz_below(f, ARRAY_LEN(protos))];
	p[7] = fuzz_u8(f) % 2 ? 255 : fuzz_u8(f) & 3;
	memcpy(p + 8, src.bytes, 16);
	memcpy(p + 24, dst.bytes, 16);
	fuzz_bytes(f, p + 40, min_u32(len, fuzz_u8(f)));
	if (p[6] == IP_PROTO_ICMP6 && len >= 8) {
		p[40] = (uint8_t)(128 + p[40] % 10);
		p[41] = 0;
		be16_set(p + 42, 0);
		csum = (uint16_t)~csum_fold(
			csum_add(ip6_pseudo_sum(p, IP_PROTO_ICMP6, len), csum_sum(p + 40, len)));
		memcpy(p + 42, &csum, sizeof(csum));
	}
	return 40 + len;
}

static uint32_t make_arp(struct fuzz *f, uint8_t *frame)
{
	struct ip_addr sender, target;

	ip_addr_parse(addrs4[fuzz_below(f, ARRAY_LEN(addrs4))], &sender);
	ip_addr_parse(addrs4[fuzz_below(f, ARRAY_LEN(addrs4))], &target);
	arp_write(frame, MAC_BROADCAST,
		&(struct arp){.op = 1 + (fuzz_u8(f) & 1),
			.sender_mac = 0x525400000000ull + (fuzz_u8(f) & 3),
			.sender = be32_get(sender.bytes),
			.target = be32_get(target.bytes)});
	return ARP_LEN;
}

static uint32_t make_frame(struct fuzz *f, uint32_t rx, uint8_t *frame)
{
	uint32_t kind = fuzz_below(f, 4), len;

	memset(frame, 0, FRAME_MAX);
	ethernet_rewrite(frame, fuzz_u8(f) % 8 ? 0x020000000000ull + rx : MAC_BROADCAST,
		0x525400000000ull + (fuzz_u8(f) & 3));
	if (kind == 0) {
		be16_set(frame + ETHERNET_TYPE_AT, IP4_ETHERNET_TYPE);
		len = make_ip4(f, frame + ETHERNET_HEADER_LEN);
	} else if (kind == 1) {
		be16_set(frame + ETHERNET_TYPE_AT, IP6_ETHERNET_TYPE);
		len = make_ip6(f, frame + ETHERNET_HEADER_LEN);
	} else if (kind == 2) {
		len = make_arp(f, frame);
	} else {
		len = fuzz_u8(f);
		fuzz_bytes(f, frame + ETHERNET_TYPE_AT, len);
	}
	len += ETHERNET_HEADER_LEN;
	for (uint32_t edits = fuzz_u8(f) & 3; edits > 0; edits--)
		frame[fuzz_u16(f) % len] = fuzz_u8(f);
	return fuzz_u8(f) % 4 ? len : ETHERNET_HEADER_LEN + fuzz_u16(f) % (len - ETHERNET_HEADER_LEN + 1);
}

/* --- a turn --- */

static void receive(struct fuzz *f)
{
	uint32_t rx = fuzz_below(f, IFACES), len;
	uint8_t *bytes = turn_bytes(turn, FRAME_MAX), *exact;
	struct pkt *pkt;

	if (!bytes)
		return;
	len = make_frame(f, rx, bytes);
	exact = bytes; /* what lies behind the frame is zeros of ours: reading it is wrong, but sees nothing of others */
	pkt = turn_make_frame(turn, &ifaces[rx], exact, len);
	if (pkt)
		turn_push(turn, pkt, STAGE_L3_INPUT);
}

static void check_out(const struct iface *iface, const struct pkt *pkt)
{
	static uint8_t whole[PKT_LEN_MAX];
	uint8_t *p = whole + ETHERNET_HEADER_LEN;
	uint32_t len = pkt_len(pkt);

	ASSERT(len >= ETHERNET_HEADER_LEN && len <= PKT_LEN_MAX);
	pkt_bytes(pkt, 0, whole, len);
	if (be16_get(whole + ETHERNET_TYPE_AT) == IP4_ETHERNET_TYPE) {
		uint32_t header_len = ip4_header_len(p, len - ETHERNET_HEADER_LEN);

		ASSERT(header_len > 0 && csum_fold(csum_sum(p, header_len)) == 0xffff);
		ASSERT(ip4_total_len(p) <= MTU && ip4_total_len(p) <= len - ETHERNET_HEADER_LEN);
	} else if (be16_get(whole + ETHERNET_TYPE_AT) == IP6_ETHERNET_TYPE) {
		ASSERT(len >= ETHERNET_HEADER_LEN + 40);
		ASSERT(40u + ip6_payload_len(p) <= MTU &&
			40u + ip6_payload_len(p) <= len - ETHERNET_HEADER_LEN);
	} else {
		ASSERT(be16_get(whole + ETHERNET_TYPE_AT) == ARP_ETHERNET_TYPE && len >= ARP_FRAME_LEN);
	}
}

static void run_turn(void)
{
	static stage_fn *const stages[STAGE_DROP] = {
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
	uint32_t n_out = 0;

	ip_turn_input(ip, turn);
	for (enum stage s = 0; s < STAGE_DROP; s++) {
		if (turn->vecs[s].n == 0)
			continue;
		stages[s](ip, turn, &turn->vecs[s]);
		turn->vecs[s].n = 0;
	}
	for (uint32_t i = 0; i < turn->n_out; i++) {
		struct iface_lane *lane = turn_lane(turn, turn->out[i]);

		for (uint32_t k = 0; k < lane->n_out; k++)
			check_out(turn->out[i], lane->out[k]);
		n_out += lane->n_out;
		lane->n_out = 0;
	}
	ASSERT(n_out + turn->vecs[STAGE_DROP].n == turn->n_pkts);
	turn->vecs[STAGE_DROP].n = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);

	open_router();
	for (uint32_t i = 0; i < FRAMES_MAX && !fuzz_over(&f); i++) {
		uint32_t n = 1 + fuzz_below(&f, 4);

		now_ns += fuzz_u8(&f) % 8 ? NS_PER_US : NS_PER_S;
		if (now_ns % 3 == 0)
			ip_tick(ip, now_ns);
		turn_begin(turn, now_ns);
		while (n-- > 0)
			receive(&f);
		run_turn();
	}
	close_router();
	return 0;
}
