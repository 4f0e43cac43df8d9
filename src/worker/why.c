/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/why.h"

#include "os/clock.h"
#include "watch/trace.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "worker/private.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define IP_PROTO_ICMP     1
#define IP_PROTO_ICMP6    58
#define ICMP_LEN          8
#define TTL               64
#define FRAME_MIN         60
#define FRAME_MAX         65535u
#define SRC_PORT          49152 /* what a client picks: the first of those that nobody has a name for */
#define ICMP_ECHO         8
#define ICMP6_ECHO        128
#define IP4_SRC_AT        12
#define IP6_SRC_AT        8
#define LEN_OF_FAMILY(v6) ((v6) ? 16u : 4u)

/* --- the described packet --- */

struct description {
	struct iface *from;
	uint64_t src, dst;
	bool tagged;
	uint16_t vlan;
	bool ip, ip6;
	uint8_t ip_src[16], ip_dst[16];
	uint8_t proto;
	uint16_t port; /* of TCP and UDP */
	uint32_t len;  /* of the frame; 0: as it comes */
};

static bool read_address(const char *text, struct description *d, uint8_t to[16])
{
	d->ip6 = strchr(text, ':') != NULL;
	return inet_pton(d->ip6 ? AF_INET6 : AF_INET, text, to) == 1;
}

static int read_ip(struct ctl_call *call, struct description *d)
{
	const char *src = ctl_str(call, "ip", NULL), *dst = ctl_str(call, "to", NULL);
	bool src_is_6;

	if (!src)
		return 0;
	d->ip = true;
	if (!read_address(src, d, d->ip_src))
		return ctl_fail(call, "'%s' is no address: give one such as 10.0.0.1 or fd00::1", src);
	src_is_6 = d->ip6;
	if (!read_address(dst, d, d->ip_dst))
		return ctl_fail(call, "'%s' is no address: give one such as 10.0.0.1 or fd00::1", dst);
	if (src_is_6 != d->ip6)
		return ctl_fail(call, "one address is of IPv4 and one of IPv6: give two of a kind");
	return 0;
}

/* TCP or UDP if it was said, an echo request if not. */
static int read_proto(struct ctl_call *call, struct description *d)
{
	d->proto = d->ip6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP;
	if (!ctl_has(call, "tcp") && !ctl_has(call, "udp"))
		return 0;
	if (!d->ip)
		return ctl_fail(call, "a port number needs addresses: give ip A to B before it");
	d->proto = ctl_has(call, "tcp") ? IP_PROTO_TCP : IP_PROTO_UDP;
	d->port = (uint16_t)ctl_u64(call, ctl_has(call, "tcp") ? "tcp" : "udp", 0);
	return 0;
}

/* Who asks from a routed interface speaks to the router; in a bridge, to everybody. */
static uint64_t usual_dst(const struct iface *from)
{
	enum iface_mode mode = iface_mode(from);

	return mode == IFACE_MODE_BRIDGE || mode == IFACE_MODE_XCONNECT || mode == IFACE_MODE_NONE
		       ? MAC_BROADCAST
		       : mac_load(from->mac);
}

static int read_description(struct ctl_call *call, const struct why *why, struct description *d)
{
	uint8_t mac[MAC_LEN];

	*d = (struct description){.from = iface_get(why->ifaces, (uint32_t)ctl_u64(call, "from", 0)),
		.tagged = ctl_has(call, "vlan"),
		.vlan = (uint16_t)ctl_u64(call, "vlan", 0),
		.len = (uint32_t)ctl_u64(call, "length", 0)};
	if (!d->from || d->from->idx == 0)
		return ctl_fail(
			call, "nothing comes in at local0: name another interface, see show interface");
	d->src = ctl_mac(call, "src", mac) ? mac_load(mac) : 0x020000000001;
	d->dst = ctl_mac(call, "dst", mac) ? mac_load(mac) : usual_dst(d->from);
	if (d->vlan > 4095)
		return ctl_fail(call, "a VLAN is a number up to 4095");
	if (d->len > FRAME_MAX || (d->len > 0 && d->len < FRAME_MIN))
		return ctl_fail(call, "a frame has %d to %u bytes", FRAME_MIN, FRAME_MAX);
	return read_ip(call, d) != 0 ? -1 : read_proto(call, d);
}

/* --- as bytes --- */

static uint32_t build_l4(uint8_t *p, const struct description *d)
{
	switch (d->proto) {
	case IP_PROTO_TCP:
		be16_set(p, SRC_PORT);
		be16_set(p + 2, d->port);
		p[12] = TCP_HEADER_MIN / 4 << 4;
		p[13] = TCP_SYN;
		be16_set(p + 14, 65535);
		return TCP_HEADER_MIN;
	case IP_PROTO_UDP:
		be16_set(p, SRC_PORT);
		be16_set(p + 2, d->port);
		return UDP_HEADER_LEN;
	default:
		p[0] = d->ip6 ? ICMP6_ECHO : ICMP_ECHO;
		be16_set(p + 6, 1);
		return ICMP_LEN;
	}
}

/* Where the checksum of what IP carries stands. */
static uint32_t csum_at(const struct description *d)
{
	return d->proto == IP_PROTO_TCP ? TCP_CSUM_OFFSET : d->proto == IP_PROTO_UDP ? UDP_CSUM_OFFSET : 2;
}

/* Everything but the checksum of an ICMP for IPv4 counts the addresses. */
static void complete(uint8_t *ip, uint8_t *l4, uint32_t l4_len, const struct description *d)
{
	uint8_t rest[8] = {0};
	uint64_t sum;
	uint16_t csum;

	if (d->proto == IP_PROTO_UDP)
		udp_set_len(l4, (uint16_t)l4_len);
	be32_set(rest, l4_len);
	rest[7] = d->proto;
	sum = csum_sum(l4, l4_len);
	if (d->proto != IP_PROTO_ICMP) {
		sum = csum_add(sum, csum_sum(rest, sizeof(rest)));
		sum = csum_add(
			sum, csum_sum(ip + (d->ip6 ? IP6_SRC_AT : IP4_SRC_AT), 2 * LEN_OF_FAMILY(d->ip6)));
	}
	csum = (uint16_t)~csum_fold(sum);
	memcpy(l4 + csum_at(d), &csum, sizeof(csum));
}

static void build_ip(uint8_t *ip, uint32_t len, const struct description *d)
{
	uint32_t header_len = d->ip6 ? IP6_HEADER_LEN : IP4_HEADER_MIN;
	uint8_t *addresses = ip + (d->ip6 ? IP6_SRC_AT : IP4_SRC_AT);

	memcpy(addresses, d->ip_src, LEN_OF_FAMILY(d->ip6));
	memcpy(addresses + LEN_OF_FAMILY(d->ip6), d->ip_dst, LEN_OF_FAMILY(d->ip6));
	if (d->ip6) {
		ip[0] = 0x60;
		ip6_set_payload_len(ip, (uint16_t)(len - header_len));
		ip[6] = d->proto;
		ip[7] = TTL;
	} else {
		ip[0] = 0x45;
		ip4_set_total_len(ip, (uint16_t)len);
		ip[8] = TTL;
		ip[9] = d->proto;
		ip4_set_csum(ip, header_len);
	}
	build_l4(ip + header_len, d);
	complete(ip, ip + header_len, len - header_len, d);
}

/* Returns the frame's length; frame has FRAME_MAX bytes, all zero. */
static uint32_t build(uint8_t *frame, const struct description *d)
{
	uint32_t at = ETHERNET_TYPE_AT, len;
	uint8_t scratch[TCP_HEADER_MIN] = {0};

	mac_store(frame, d->dst);
	mac_store(frame + ETHERNET_SRC_AT, d->src);
	if (d->tagged) {
		be16_set(frame + at, ETHERNET_TYPE_VLAN);
		be16_set(frame + at + 2, d->vlan);
		at += ETHERNET_TAG_LEN;
	}
	be16_set(frame + at, !d->ip ? 0x88b5 : d->ip6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	at += 2;
	if (!d->ip)
		return max_u32(d->len, FRAME_MIN);
	len = at + (d->ip6 ? IP6_HEADER_LEN : IP4_HEADER_MIN) + build_l4(scratch, d);
	len = max_u32(len, d->len);
	build_ip(frame + at, len - at, d);
	return max_u32(len, FRAME_MIN);
}

/* --- the verdict --- */

/* What an interface has dropped so far: a trial knows nothing of buffers. */
static json_t *dropped_there(const struct why *why, const char *name)
{
	const struct iface *iface = iface_by_name(why->ifaces, name);
	json_t *drops = json_object();
	struct iface_counters c;

	if (!iface)
		return drops;
	iface_counters_sum(why->ifaces, iface, &c);
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (c.drops[reason] > 0)
			json_object_set_new(drops, drop_name((enum drop)reason),
				json_integer((json_int_t)c.drops[reason]));
	return drops;
}

static void judge_outputs(const struct why *why, const json_t *packet, json_t *leaves)
{
	const json_t *output;
	size_t i;

	json_array_foreach (json_object_get(packet, "outputs"), i, output) {
		const char *name = json_string_value(json_object_get(output, "interface"));

		if (!json_object_get(output, "drop"))
			json_array_append_new(leaves, json_pack("{s:s, s:o}", "interface", name,
							      "dropped_so_far", dropped_there(why, name)));
	}
}

/* Of the packet itself; what came of it besides are the other packets. */
static json_t *verdict(const struct why *why, const json_t *packets)
{
	const json_t *packet = json_array_get(packets, 0);
	json_t *leaves = json_array(), *o = json_object();

	judge_outputs(why, packet, leaves);
	json_object_set(o, "drop", json_object_get(packet, "drop"));
	json_object_set(o, "text", json_object_get(packet, "text"));
	json_object_set(o, "taken_by", json_object_get(packet, "taken_by"));
	json_object_set_new(o, "leaves", leaves);
	return o;
}

static int run_why(struct ctl_call *call)
{
	struct why *why = call->subject;
	struct description d;
	uint8_t *frame;
	json_t *packets;

	if (read_description(call, why, &d) != 0)
		return -1;
	frame = calloc(1, FRAME_MAX);
	if (!frame)
		return ctl_fail(call, "out of memory");
	turn_try(&why->workers->trial, watch_trial_begin(why->watch), clock_now_ns(),
		&(struct turn_trial){d.from, frame, build(frame, &d)});
	packets = watch_trial_end(why->watch);
	free(frame);
	call->result = json_pack("{s:o, s:o}", "verdict", verdict(why, packets), "packets", packets);
	return 0;
}

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_leaves(const json_t *leaves, FILE *out)
{
	const json_t *leave, *n;
	const char *reason;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)leaves, i, leave) {
		fprintf(out, "It would leave through %s.\n", str(leave, "interface"));
		json_object_foreach (json_object_get(leave, "dropped_so_far"), reason, n)
			fprintf(out, "  dropped there so far: %s %" JSON_INTEGER_FORMAT "\n", reason,
				json_integer_value(n));
	}
}

static void print_why(const json_t *result, FILE *out)
{
	const json_t *verdict = json_object_get(result, "verdict"), *packet;
	const json_t *leaves = json_object_get(verdict, "leaves");
	size_t i;

	json_array_foreach (json_object_get(result, "packets"), i, packet) {
		if (i > 0)
			fputs("\nand of it comes\n", out);
		trace_print(packet, out);
	}
	fputc('\n', out);
	print_leaves(leaves, out);
	if (str(verdict, "drop"))
		fprintf(out, "It would be dropped: %s.\n", str(verdict, "text"));
	else if (str(verdict, "taken_by"))
		fprintf(out, "It would end in %s, which keeps or answers it.\n", str(verdict, "taken_by"));
	else if (json_array_size(leaves) == 0)
		fputs("It would leave through no interface.\n", out);
}

static const struct ctl_command commands[] = {
	{"why from <from:interface> [src <src:mac>] [dst <dst:mac>] [vlan <vlan:u16>] [ip <ip:word> to "
	 "<to:word>] "
	 "[tcp <tcp:u16>] [udp <udp:u16>] [length <length:u32>]",
		"The road that such a packet would take, and where it would end; nothing is sent", run_why,
		print_why},
	{0},
};

const struct ctl_table why_commands = {commands};
