/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns for callgrind to count: guests send each other full bursts of frames. Only counted_turn() is to be collected:
 * what the guests do besides is not the product's, and the turns before it learn addresses, touch memory and resolve
 * symbols, so that what is counted is the steady state. A function of its own does that in one run; the difference of
 * two runs of unlike length would take twice as long and say the same. tests/cost/check.py calls this and knows the
 * limits.
 *
 *	turn_cost                 names the cases
 *	turn_cost CASE TURNS      prints the frames that were sent in as many counted turns
 */
#include "packet.h"

#include "base/test.h"
#include "bridge/xconnect.h"
#include "gateway/nat44.h"
#include "ip/ip.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/udp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST        64
#define WARM_UP      16
#define MACS         0x020000000000
#define BEGUN_CSUM   (FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM))
#define SENT_OFFLOAD (FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4))

struct cost_case {
	const char *name;
	uint64_t features;         /* besides SIM_RING_FEATURES */
	uint32_t len;              /* of a frame; 0: it is the packet of this shape */
	struct packet_shape shape; /* TCP, what is left to do with it */
	uint32_t n_macs;           /* addresses behind each guest, in turn; 0: 1 */
	bool chain;                /* the header has a descriptor of its own */
	bool indirect;             /* both are in a table */
	uint32_t buffer_len;       /* of a receive buffer; 0: holds a frame as it was sent */
	uint32_t buffers;          /* that a guest fills for each frame it sends; 0: 1 */
	uint32_t n_guests;         /* 0: 2. More: everybody sends to all */
	bool wire;                 /* a cross-connect both ways in place of the bridge */
	bool lossless;             /* and one on which frames wait */
	uint8_t route;             /* 4 or 6: each guest is in a network of its own, a router between them */
	bool nat;                  /* which translates guest 0's addresses */
};

static const struct cost_case cases[] = {
	{.name = "split-60", .len = 60},
	{.name = "packed-60", .features = FEATURE(VIRTIO_F_RING_PACKED), .len = 60},
	{.name = "split-1514", .len = 1514},
	{.name = "split-60-addresses", .len = 60, .n_macs = 256},
	{.name = "split-60-chains", .len = 60, .chain = true},
	{.name = "packed-60-chains", .features = FEATURE(VIRTIO_F_RING_PACKED), .len = 60, .chain = true},
	{.name = "split-60-indirect", .len = 60, .indirect = true},
	{.name = "packed-60-indirect",
		.features = FEATURE(VIRTIO_F_RING_PACKED),
		.len = 60,
		.indirect = true},
	{.name = "split-60-xconnect", .len = 60, .wire = true},
	{.name = "split-60-lossless", .len = 60, .lossless = true},
	{.name = "packed-60-lossless",
		.features = FEATURE(VIRTIO_F_RING_PACKED),
		.len = 60,
		.lossless = true},
	{.name = "split-1514-lossless", .len = 1514, .lossless = true},
	{.name = "split-1514-lossless-mergeable",
		.len = 1514,
		.lossless = true,
		.buffer_len = 512,
		.buffers = 3},
	{.name = "split-64-ip4", .len = 64, .route = 4},
	{.name = "split-64-ip4-addresses", .len = 64, .route = 4, .n_macs = 256},
	{.name = "split-64-ip6", .len = 64, .route = 6},
	{.name = "split-64-ip6-addresses", .len = 64, .route = 6, .n_macs = 256},
	{.name = "split-64-nat44", .len = 64, .route = 4, .nat = true},
	{.name = "split-64-nat44-flows", .len = 64, .route = 4, .nat = true, .n_macs = 256},
	{.name = "split-60-flood", .len = 60, .n_guests = 4, .buffers = 3},
	{.name = "split-1514-mergeable", .len = 1514, .buffer_len = 512, .buffers = 3},
	{.name = "split-1514-csum-accepted",
		.features = BEGUN_CSUM,
		.shape = {.tcp = true, .begun = true, .payload = 1460}},
	{.name = "split-1514-csum-completed",
		.features = SENT_OFFLOAD,
		.shape = {.tcp = true, .begun = true, .payload = 1460}},
	/* each frame becomes four, and the checksums are completed */
	{.name = "split-tso4-cut",
		.features = SENT_OFFLOAD,
		.shape = {.tcp = true, .begun = true, .gso_size = 1448, .payload = 4 * 1448},
		.buffer_len = 1526,
		.buffers = 4},
};

static struct sim sim;
static struct guest_frame got;
static struct packet frames[SIM_PORTS];
static uint32_t n_sent[SIM_PORTS];

static uint32_t or_one(uint32_t n)
{
	return n ? n : 1;
}

static void frame_make(const struct cost_case *c, uint32_t from, struct random *random)
{
	struct packet *p = &frames[from];

	if (c->len == 0) {
		packet_make(p, &c->shape, from, SIM_PORTS, random);
		return;
	}
	p->len = c->len;
	sim_frame(p->bytes, p->len, from, SIM_PORTS, random);
}

/* --- guest i at 10.i.0.2, which is a gateway to 20.i.0.0/16; with IPv6 fd00:i::2 and fd20:i::/32 --- */

static struct ip_prefix router_prefix(uint8_t family, uint32_t i, uint8_t net, uint8_t host, uint8_t len)
{
	struct ip_prefix p = {.len = len};

	p.addr.ip6 = family == 6;
	p.addr.bytes[0] = family == 6 ? 0xfd : net;
	p.addr.bytes[1] = family == 6 ? net : (uint8_t)i;
	p.addr.bytes[3] = family == 6 ? (uint8_t)i : host;
	if (family == 6)
		p.addr.bytes[15] = host;
	return p;
}

static void router_begin(uint8_t family)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct iface *iface = &sim.port[i]->port.iface;
		struct ip_prefix own = router_prefix(family, i, 10, 1, family == 6 ? 64 : 24);
		struct ip_prefix far = router_prefix(family, i, 20, 0, family == 6 ? 32 : 16);
		struct ip_path path = {.has_via = true, .via = router_prefix(family, i, 10, 2, 0).addr};

		bridge_detach(iface);
		assert_int_equal(ip_iface_add_addr(sim.ip, iface, &own), 0);
		assert_int_equal(ip_route_add(sim.ip, 0, &far, &path), 0);
		assert_int_equal(ip_neigh_set(sim.ip, iface, &path.via, MACS + i, true), 0);
	}
	sim_settle(&sim); /* what the router says at first */
}

/* A datagram without payload, to the number-th /24 or /48 behind the other guest. */
static void router_address(const struct cost_case *c, uint8_t *frame, uint32_t from, uint32_t number)
{
	uint8_t *p = frame + ETHERNET_HEADER_LEN;
	struct ip_addr src = router_prefix(c->route, from, 10, 2, 0).addr;
	struct ip_addr dst = router_prefix(c->route, 1 - from, 20, 9, 0).addr;

	memset(p, 0, c->len - ETHERNET_HEADER_LEN);
	mac_store(frame, mac_load(sim.port[from]->port.iface.mac));
	be16_set(frame + ETHERNET_TYPE_AT, c->route == 6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	p[0] = c->route == 6 ? 0x60 : 0x45;
	p[c->route == 6 ? 6 : 9] = IP_PROTO_UDP;
	p[c->route == 6 ? 7 : 8] = 64;
	if (c->route == 6) {
		ip6_set_payload_len(p, 10);
		dst.bytes[5] = (uint8_t)number;
		memcpy(p + 8, src.bytes, IP6_LEN);
		memcpy(p + 24, dst.bytes, IP6_LEN);
	} else {
		ip4_set_total_len(p, (uint16_t)(c->len - ETHERNET_HEADER_LEN));
		dst.bytes[2] = (uint8_t)number;
		memcpy(p + 12, src.bytes, IP4_LEN);
		memcpy(p + 16, dst.bytes, IP4_LEN);
		ip4_set_csum(p, IP4_HEADER_MIN);
	}
}

/* Guest 0 is 192.0.2.1 to guest 1, and keeps its ports. */
#define OUTSIDE  0xc0000201u
#define NAT_PORT 5000u

static void nat_address(const struct cost_case *c, uint8_t *frame, uint32_t from, uint32_t number)
{
	struct ip_addr remote = router_prefix(4, 1, 20, 9, 0).addr;
	uint8_t *p = frame + ETHERNET_HEADER_LEN;

	remote.bytes[2] = (uint8_t)number;
	memcpy(p + (from == 0 ? 16 : 12), remote.bytes, IP4_LEN);
	if (from == 1)
		be32_set(p + 16, OUTSIDE);
	be16_set(p + IP4_HEADER_MIN + (from == 0 ? 0 : 2), (uint16_t)(NAT_PORT + number));
	be16_set(p + IP4_HEADER_MIN + (from == 0 ? 2 : 0), NAT_PORT);
	udp_set_len(p + IP4_HEADER_MIN, (uint16_t)(c->len - ETHERNET_HEADER_LEN - IP4_HEADER_MIN));
	ip4_set_csum(p, IP4_HEADER_MIN);
}

/* Addresses in turn, on both ends. */
static void address_frame(const struct cost_case *c, uint32_t from)
{
	uint64_t number = n_sent[from]++ % or_one(c->n_macs) << 8;

	if (c->route) {
		router_address(c, frames[from].bytes, from, (uint32_t)(number >> 8));
		if (c->nat)
			nat_address(c, frames[from].bytes, from, (uint32_t)(number >> 8));
		return;
	}
	if (sim.n == 2)
		mac_store(frames[from].bytes, MACS + number + (1 - from));
	mac_store(frames[from].bytes + ETHERNET_SRC_AT, MACS + number + from);
}

static void send_burst(const struct cost_case *c, uint32_t from)
{
	struct guest *g = &sim.guest[from];
	const struct packet *p = &frames[from];
	struct guest_layout layout = guest_layout_one(g->hdr_len + p->len);

	if (c->chain || c->indirect)
		layout = (struct guest_layout){.n = 2, .lens = {g->hdr_len, p->len}, .indirect = c->indirect};
	for (uint32_t i = 0; i < BURST; i++) {
		address_frame(c, from);
		assert_true(guest_send(g, &p->hdr, p->bytes, p->len, &layout));
	}
	guest_kick(g, GUEST_TX);
}

static void post_buffers(const struct cost_case *c, uint32_t at)
{
	struct guest *g = &sim.guest[at];

	guest_post_n(
		g, BURST * or_one(c->buffers), c->buffer_len ? c->buffer_len : g->hdr_len + frames[at].len);
}

/* Nothing was lost: every buffer that was posted is used. */
static void receive_all(uint32_t at)
{
	struct guest *g = &sim.guest[at];

	while (guest_receive(g, &got))
		;
	assert_int_equal(guest_outstanding(g, GUEST_RX), 0);
	assert_int_equal(guest_reap(g), BURST);
}

/* What is collected: by name, so it must stay a function. */
__attribute__((noinline)) static uint32_t counted_turn(struct sim *s)
{
	return sim_turn(s);
}

/* All guests send a burst and receive, in one turn. Returns the sent frames. */
static uint32_t exchange(const struct cost_case *c, bool counted)
{
	uint32_t n;

	for (uint32_t i = 0; i < sim.n; i++) {
		post_buffers(c, i);
		send_burst(c, i);
	}
	n = counted ? counted_turn(&sim) : sim_turn(&sim);
	assert_int_equal(n, sim.n * BURST);
	for (uint32_t i = 0; i < sim.n; i++)
		receive_all(i);
	return n;
}

static void lay_wires(const struct cost_case *c)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct iface *from = &sim.port[i]->port.iface, *to = &sim.port[1 - i]->port.iface;

		assert_int_equal(c->lossless ? xconnect_set_lossless(from, to) : xconnect_set(from, to), 0);
	}
}

/* Guest 0 speaks to all first, so that everything may come in. */
static void nat_begin(const struct cost_case *c)
{
	nat44_table_add_address(sim.gateway.nat44->table, OUTSIDE);
	assert_int_equal(nat44_set_side(sim.gateway.nat44, &sim.port[0]->port.iface, NAT44_INSIDE), 0);
	assert_int_equal(nat44_set_side(sim.gateway.nat44, &sim.port[1]->port.iface, NAT44_OUTSIDE), 0);
	for (uint32_t n = 0; n < or_one(c->n_macs); n += BURST) {
		post_buffers(c, 1);
		send_burst(c, 0);
		sim_turn(&sim);
		while (guest_receive(&sim.guest[1], &got))
			;
		assert_int_equal(guest_reap(&sim.guest[0]), BURST);
	}
}

static void run(const struct cost_case *c, uint32_t turns)
{
	struct random random;
	uint32_t n = 0;

	random_init(&random, 1);
	sim_init(&sim, c->n_guests ? c->n_guests : 2);
	sim_guests(&sim, SIM_RING_FEATURES | c->features);
	if (c->wire || c->lossless)
		lay_wires(c);
	if (c->route)
		router_begin(c->route);
	for (uint32_t i = 0; i < sim.n; i++)
		frame_make(c, i, &random);
	if (c->nat)
		nat_begin(c);
	for (uint32_t i = 0; i < WARM_UP; i++)
		exchange(c, false);
	while (turns-- > 0)
		n += exchange(c, true);
	printf("%u\n", n);
	sim_fini(&sim);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (argc == 1)
			printf("%s\n", cases[i].name);
		else if (argc == 3 && strcmp(argv[1], cases[i].name) == 0)
			return run(&cases[i], (uint32_t)atoi(argv[2])), 0;
	}
	return argc == 1 ? 0 : 2;
}
