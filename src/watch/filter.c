/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/filter.h"

#include "wire/layers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ARP_ETHERNET_TYPE 0x0806
/* From where ARP starts: the two IPv4 addresses that a frame of it speaks of. */
#define ARP_SENDER_IP_AT 14
#define ARP_TARGET_IP_AT 24
#define ARP_LEN          28

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = {{"icmp", 1}, {"igmp", 2}, {"tcp", IP_PROTO_TCP}, {"udp", IP_PROTO_UDP}, {"gre", 47},
	{"esp", 50}, {"icmp6", 58}, {"sctp", 132}};

/* --- reading and telling --- */

static bool read_proto(struct filter *f, const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	f->by_proto = true;
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (strcmp(text, protos[i].name) == 0) {
			f->proto = protos[i].proto;
			return true;
		}
	f->proto = (uint8_t)number;
	return *text && !*end && number <= UINT8_MAX;
}

/* ADDRESS or ADDRESS/BITS */
static bool read_ip(struct filter *f, const char *text)
{
	char address[INET6_ADDRSTRLEN], *end;
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, f->ip) == 1)
		f->ip_len = 4;
	else if (inet_pton(AF_INET6, address, f->ip) == 1)
		f->ip_len = 16;
	else
		return false;
	bits = slash ? strtoul(slash + 1, &end, 10) : f->ip_len * 8ul;
	f->ip_bits = (uint8_t)bits;
	return bits <= f->ip_len * 8ul && (!slash || (slash[1] && !*end));
}

int filter_read(struct filter *f, struct ctl_call *call)
{
	const char *ip = ctl_str(call, "ip", NULL), *proto = ctl_str(call, "proto", NULL);
	uint8_t mac[MAC_LEN];

	if (ip && !read_ip(f, ip))
		return ctl_fail(
			call, "'%s' is no address: give one such as 10.0.0.1, 10.0.0.0/24 or fd00::1", ip);
	if (proto && !read_proto(f, proto))
		return ctl_fail(call,
			"'%s' is no protocol: give tcp, udp, icmp, icmp6, sctp or a number up to 255", proto);
	if (ctl_mac(call, "mac", mac)) {
		f->by_mac = true;
		f->mac = mac_load(mac);
	}
	f->by_port = ctl_has(call, "port");
	f->port = (uint16_t)ctl_u64(call, "port", 0);
	return 0;
}

json_t *filter_json(const struct filter *f)
{
	json_t *o = json_object();
	char text[INET6_ADDRSTRLEN];

	if (f->by_mac)
		json_object_set_new(o, "mac", json_string(mac_format(text, f->mac)));
	if (f->ip_len)
		json_object_set_new(o, "ip",
			json_sprintf("%s/%u",
				inet_ntop(f->ip_len == 4 ? AF_INET : AF_INET6, f->ip, text, sizeof(text)),
				f->ip_bits));
	if (f->by_proto)
		json_object_set_new(o, "proto", json_integer(f->proto));
	if (f->by_port)
		json_object_set_new(o, "port", json_integer(f->port));
	return o;
}

/* --- matching --- */

static bool ip_matches(const struct filter *f, const uint8_t *ip)
{
	uint32_t whole = f->ip_bits / 8, rest = f->ip_bits % 8;

	if (memcmp(ip, f->ip, whole) != 0)
		return false;
	return rest == 0 || ((ip[whole] ^ f->ip[whole]) & (uint8_t)(0xff00 >> rest)) == 0;
}

static bool any_ip_matches(const struct filter *f, const uint8_t *l3, uint32_t len, uint16_t type)
{
	if (f->ip_len == 4 && type == IP4_ETHERNET_TYPE)
		return ip4_header_len(l3, len) && (ip_matches(f, l3 + 12) || ip_matches(f, l3 + 16));
	if (f->ip_len == 4 && type == ARP_ETHERNET_TYPE)
		return len >= ARP_LEN &&
		       (ip_matches(f, l3 + ARP_SENDER_IP_AT) || ip_matches(f, l3 + ARP_TARGET_IP_AT));
	if (f->ip_len == 16 && type == IP6_ETHERNET_TYPE)
		return len >= IP6_HEADER_LEN && (ip_matches(f, l3 + 8) || ip_matches(f, l3 + 24));
	return false;
}

static bool has_ports(uint8_t proto)
{
	return proto == IP_PROTO_TCP || proto == IP_PROTO_UDP || proto == 132;
}

static bool port_matches(const struct filter *f, const uint8_t *frame, const struct layers *l)
{
	const uint8_t *l4 = frame + l->l4_at;

	return l->l4_at && l->l4_len >= 4 && has_ports(l->proto) &&
	       (be16_get(l4) == f->port || be16_get(l4 + 2) == f->port);
}

bool filter_matches_slow(const struct filter *f, const struct pkt *pkt)
{
	const uint8_t *frame = pkt->data;
	struct layers l;

	if (pkt->head_len < ETHERNET_HEADER_LEN)
		return false;
	if (f->by_mac && ethernet_dst(frame) != f->mac && ethernet_src(frame) != f->mac)
		return false;
	l = layers_find(frame, pkt->head_len);
	if (f->ip_len && (!l.l3_at || !any_ip_matches(f, frame + l.l3_at, pkt->head_len - l.l3_at, l.type)))
		return false;
	if (f->by_proto &&
		((l.type != IP4_ETHERNET_TYPE && l.type != IP6_ETHERNET_TYPE) || l.proto != f->proto))
		return false;
	return !f->by_port || port_matches(f, frame, &l);
}
