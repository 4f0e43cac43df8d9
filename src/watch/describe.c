/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/describe.h"

#include "base/check.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <arpa/inet.h>
#include <string.h>

#define ARP_LEN           28
#define VXLAN_HEADER_LEN  8
#define VXLAN_PORT        4789
#define IP_PROTO_ICMP     1
#define IP_PROTO_ICMP6    58
#define ETHERNET_TYPE_ARP 0x0806
/* Headers in a frame: with a tunnel, twice as many as usual. */
#define LAYERS_MAX 16

/* What is left of the frame, and what it is. */
struct rest {
	const uint8_t *p;
	uint32_t len;
};

typedef void describe_fn(json_t *layers, struct rest r);

static describe_fn describe_ethernet;

/* Takes o and text over. */
static void add(json_t *layers, const char *layer, json_t *o, json_t *text)
{
	json_object_set_new(o, "layer", json_string(layer));
	json_object_set_new(o, "text", text);
	json_array_append_new(layers, o);
}

static void add_cut(json_t *layers, const char *layer)
{
	add(layers, layer, json_object(), json_sprintf("%s: the rest was not kept, or is malformed", layer));
}

static struct rest skip(struct rest r, uint32_t len)
{
	return (struct rest){r.p + len, r.len - len};
}

static const char *ip4_text(char text[INET6_ADDRSTRLEN], const uint8_t *p)
{
	return inet_ntop(AF_INET, p, text, INET6_ADDRSTRLEN);
}

static const char *ip6_text(char text[INET6_ADDRSTRLEN], const uint8_t *p)
{
	return inet_ntop(AF_INET6, p, text, INET6_ADDRSTRLEN);
}

/* --- what IP carries --- */

static const struct {
	enum tcp_flag flag;
	const char *name;
} tcp_flags[] = {{TCP_SYN, "syn"}, {TCP_ACK, "ack"}, {TCP_FIN, "fin"}, {TCP_RST, "rst"}, {TCP_PSH, "psh"},
	{TCP_URG, "urg"}, {TCP_ECE, "ece"}, {TCP_CWR, "cwr"}};

static void describe_tcp(json_t *layers, struct rest r)
{
	char flags[64] = "";

	if (r.len < TCP_HEADER_MIN) {
		add_cut(layers, "tcp");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(tcp_flags); i++)
		if (r.p[13] & tcp_flags[i].flag) {
			strcat(flags, *flags ? " " : "");
			strcat(flags, tcp_flags[i].name);
		}
	add(layers, "tcp",
		json_pack("{s:i, s:i, s:I, s:I, s:i, s:s}", "src_port", be16_get(r.p), "dst_port",
			be16_get(r.p + 2), "seq", (json_int_t)tcp_seq(r.p), "ack",
			(json_int_t)be32_get(r.p + 8), "window", be16_get(r.p + 14), "flags", flags),
		json_sprintf("tcp %u > %u %s, seq %u ack %u, window %u", be16_get(r.p), be16_get(r.p + 2),
			*flags ? flags : "no flags", tcp_seq(r.p), be32_get(r.p + 8), be16_get(r.p + 14)));
}

static void describe_vxlan(json_t *layers, struct rest r)
{
	uint32_t vni;

	if (r.len < VXLAN_HEADER_LEN) {
		add_cut(layers, "vxlan");
		return;
	}
	vni = be32_get(r.p + 4) >> 8;
	add(layers, "vxlan", json_pack("{s:i}", "vni", (int)vni), json_sprintf("vxlan vni %u", vni));
	describe_ethernet(layers, skip(r, VXLAN_HEADER_LEN));
}

static void describe_udp(json_t *layers, struct rest r)
{
	if (r.len < UDP_HEADER_LEN) {
		add_cut(layers, "udp");
		return;
	}
	add(layers, "udp",
		json_pack("{s:i, s:i, s:i}", "src_port", be16_get(r.p), "dst_port", be16_get(r.p + 2), "len",
			udp_len(r.p)),
		json_sprintf("udp %u > %u, length %u", be16_get(r.p), be16_get(r.p + 2), udp_len(r.p)));
	if (be16_get(r.p + 2) == VXLAN_PORT)
		describe_vxlan(layers, skip(r, UDP_HEADER_LEN));
}

struct icmp_kind {
	uint8_t type;
	const char *name;
	bool has_id; /* an identifier and a sequence number follow */
};

static const struct icmp_kind icmp_kinds[] = {{0, "echo reply", true}, {3, "destination unreachable", false},
	{5, "redirect", false}, {8, "echo request", true}, {11, "time exceeded", false},
	{12, "parameter problem", false}};

static const struct icmp_kind icmp6_kinds[] = {{1, "destination unreachable", false},
	{2, "packet too big", false}, {3, "time exceeded", false}, {4, "parameter problem", false},
	{128, "echo request", true}, {129, "echo reply", true}, {130, "listener query", false},
	{133, "router solicitation", false}, {134, "router advertisement", false},
	{135, "neighbour solicitation", false}, {136, "neighbour advertisement", false},
	{143, "listener report", false}};

static void describe_icmp_kind(json_t *layers, struct rest r, const char *layer, const struct icmp_kind *kind)
{
	json_t *o = json_pack(
		"{s:i, s:i, s:s*}", "type", r.p[0], "code", r.p[1], "kind", kind ? kind->name : NULL);
	json_t *text;

	if (!kind)
		text = json_sprintf("%s type %u code %u", layer, r.p[0], r.p[1]);
	else if (!kind->has_id)
		text = json_sprintf("%s %s, code %u", layer, kind->name, r.p[1]);
	else
		text = json_sprintf(
			"%s %s, id %u seq %u", layer, kind->name, be16_get(r.p + 4), be16_get(r.p + 6));
	if (kind && kind->has_id) {
		json_object_set_new(o, "id", json_integer(be16_get(r.p + 4)));
		json_object_set_new(o, "seq", json_integer(be16_get(r.p + 6)));
	}
	add(layers, layer, o, text);
}

static void describe_any_icmp(
	json_t *layers, struct rest r, const char *layer, const struct icmp_kind *kinds, size_t n)
{
	const struct icmp_kind *kind = NULL;

	if (r.len < 8) {
		add_cut(layers, layer);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (kinds[i].type == r.p[0])
			kind = &kinds[i];
	describe_icmp_kind(layers, r, layer, kind);
}

static void describe_icmp(json_t *layers, struct rest r)
{
	describe_any_icmp(layers, r, "icmp", icmp_kinds, ARRAY_LEN(icmp_kinds));
}

static void describe_icmp6(json_t *layers, struct rest r)
{
	describe_any_icmp(layers, r, "icmp6", icmp6_kinds, ARRAY_LEN(icmp6_kinds));
}

static const struct {
	uint8_t proto;
	const char *name;
	describe_fn *fn; /* NULL: the name is all */
} protos[] = {{IP_PROTO_ICMP, "icmp", describe_icmp}, {2, "igmp", NULL}, {IP_PROTO_TCP, "tcp", describe_tcp},
	{IP_PROTO_UDP, "udp", describe_udp}, {IP_PROTO_FRAGMENT, "fragment", NULL}, {47, "gre", NULL},
	{50, "esp", NULL}, {IP_PROTO_ICMP6, "icmp6", describe_icmp6}, {132, "sctp", NULL}};

static void describe_proto(json_t *layers, struct rest r, uint8_t proto)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (protos[i].proto == proto && protos[i].fn)
			protos[i].fn(layers, r);
}

static const char *proto_text(char text[16], uint8_t proto)
{
	snprintf(text, 16, "protocol %u", proto);
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (protos[i].proto == proto)
			snprintf(text, 16, "%s", protos[i].name);
	return text;
}

/* --- what Ethernet carries --- */

static void describe_ip4(json_t *layers, struct rest r)
{
	uint32_t header_len = ip4_header_len(r.p, r.len), offset;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], proto[16], piece[64] = "";

	if (!header_len) {
		add_cut(layers, "ipv4");
		return;
	}
	ip4_text(src, r.p + 12);
	ip4_text(dst, r.p + 16);
	proto_text(proto, ip4_proto(r.p));
	offset = (be16_get(r.p + 6) & 0x1fffu) * 8;
	if (ip4_is_fragment(r.p))
		snprintf(piece, sizeof(piece), ", fragment at %u%s", offset,
			r.p[6] & 0x20 ? ", more follow" : ", the last");
	add(layers, "ipv4",
		json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:b, s:s}", "src", src, "dst", dst, "ttl", r.p[8],
			"tos", r.p[1], "len", ip4_total_len(r.p), "id", ip4_id(r.p), "dont_fragment",
			r.p[6] >> 6 & 1, "proto", proto),
		json_sprintf("ipv4 %s > %s %s, ttl %u, length %u, id %u%s%s", src, dst, proto, r.p[8],
			ip4_total_len(r.p), ip4_id(r.p), r.p[6] >> 6 & 1 ? ", don't fragment" : "", piece));
	if (offset == 0)
		describe_proto(layers, skip(r, header_len), ip4_proto(r.p));
}

static void describe_ip6(json_t *layers, struct rest r)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], text[16];
	uint8_t proto = 0;
	uint32_t at = ip6_upper(r.p, r.len, &proto);

	if (r.len < IP6_HEADER_LEN || r.p[0] >> 4 != 6) {
		add_cut(layers, "ipv6");
		return;
	}
	ip6_text(src, r.p + 8);
	ip6_text(dst, r.p + 24);
	proto_text(text, proto);
	add(layers, "ipv6",
		json_pack("{s:s, s:s, s:i, s:i, s:s}", "src", src, "dst", dst, "hop_limit", r.p[7],
			"payload_len", ip6_payload_len(r.p), "proto", text),
		json_sprintf("ipv6 %s > %s %s, hop limit %u, payload %u", src, dst, text, r.p[7],
			ip6_payload_len(r.p)));
	if (at)
		describe_proto(layers, skip(r, at), proto);
	else
		add_cut(layers, "extension header");
}

static void describe_arp(json_t *layers, struct rest r)
{
	char mac[MAC_TEXT_SIZE], sender[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
	uint16_t op;

	if (r.len < ARP_LEN) {
		add_cut(layers, "arp");
		return;
	}
	op = be16_get(r.p + 6);
	mac_format(mac, mac_load(r.p + 8));
	ip4_text(sender, r.p + 14);
	ip4_text(target, r.p + 24);
	add(layers, "arp",
		json_pack("{s:i, s:s, s:s, s:s}", "op", op, "sender_mac", mac, "sender", sender, "target",
			target),
		op == 1   ? json_sprintf("arp who is %s? asks %s at %s", target, sender, mac)
		: op == 2 ? json_sprintf("arp %s is at %s, says it to %s", sender, mac, target)
			  : json_sprintf("arp operation %u", op));
}

static const struct {
	uint16_t type;
	const char *name;
	describe_fn *fn;
} types[] = {{IP4_ETHERNET_TYPE, "ipv4", describe_ip4}, {IP6_ETHERNET_TYPE, "ipv6", describe_ip6},
	{ETHERNET_TYPE_ARP, "arp", describe_arp}, {0x8035, "rarp", NULL}, {0x88cc, "lldp", NULL},
	{0x8809, "lacp", NULL}};

static const char *type_text(char text[16], uint16_t type)
{
	snprintf(text, 16, "type 0x%04x", type);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			snprintf(text, 16, "%s", types[i].name);
	return text;
}

/* A tag and what it carries; type is the tag's own. */
static struct rest describe_tag(json_t *layers, struct rest r, uint16_t *type)
{
	uint16_t tci = be16_get(r.p);
	const char *layer = *type == ETHERNET_TYPE_PROVIDER ? "dot1ad" : "dot1q";

	*type = be16_get(r.p + 2);
	add(layers, "vlan",
		json_pack("{s:s, s:i, s:i}", "kind", layer, "id", tci & 0xfff, "priority", tci >> 13),
		json_sprintf("vlan %u (%s), priority %u", tci & 0xfff, layer, tci >> 13));
	return skip(r, ETHERNET_TAG_LEN);
}

static void describe_ethernet(json_t *layers, struct rest r)
{
	char src[MAC_TEXT_SIZE], dst[MAC_TEXT_SIZE], text[16];
	uint16_t type;

	if (r.len < ETHERNET_HEADER_LEN || json_array_size(layers) > LAYERS_MAX) {
		add_cut(layers, "ethernet");
		return;
	}
	type = be16_get(r.p + ETHERNET_TYPE_AT);
	mac_format(dst, ethernet_dst(r.p));
	mac_format(src, ethernet_src(r.p));
	add(layers, "ethernet", json_pack("{s:s, s:s, s:i}", "src", src, "dst", dst, "type", type),
		json_sprintf("ethernet %s > %s %s", src, dst,
			ethernet_is_tag(type) ? "tagged" : type_text(text, type)));
	r = skip(r, ETHERNET_HEADER_LEN);
	for (uint32_t tags = 0; ethernet_is_tag(type) && tags < ETHERNET_TAGS_MAX; tags++) {
		if (r.len < ETHERNET_TAG_LEN) {
			add_cut(layers, "vlan");
			return;
		}
		r = describe_tag(layers, r, &type);
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type && types[i].fn)
			types[i].fn(layers, r);
}

json_t *describe_frame(const uint8_t *frame, uint32_t len)
{
	json_t *layers = json_array();

	describe_ethernet(layers, (struct rest){frame, len});
	return layers;
}

void describe_print(const json_t *layers, int indent, FILE *out)
{
	const json_t *layer;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)layers, i, layer)
		fprintf(out, "%*s%s\n", indent, "", json_string_value(json_object_get(layer, "text")));
}
