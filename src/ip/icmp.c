/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP for both kinds: echo is answered, and senders are told what their packets met. */
#include "ip/ip_private.h"

#include "wire/nd.h"

/* Errors a second because of one port, for each worker. */
#define ERRORS_PER_S 200

/* --- echo --- */

static bool csum_ok(const struct pkt *pkt, uint32_t l4, uint32_t len, uint64_t pseudo)
{
	return len >= ICMP_HEADER_LEN && l4 + ICMP_HEADER_LEN <= pkt->head_len &&
	       pkt->offload.gso == PKT_GSO_NONE &&
	       (pkt->offload.csum || csum_fold(csum_add(pseudo, pkt_sum(pkt, l4, len))) == 0xffff);
}

/* Of a message whose type changes, which is the high byte of a word. */
static void retype(uint8_t *icmp, uint8_t type)
{
	uint16_t old_type, new_type, csum;

	memcpy(&old_type, icmp, sizeof(old_type));
	icmp[0] = type;
	memcpy(&new_type, icmp, sizeof(new_type));
	memcpy(&csum, icmp + ICMP_CSUM_OFFSET, sizeof(csum));
	/* RFC 1624, equation 3 */
	csum = (uint16_t)~csum_fold((uint64_t)(uint16_t)~csum + (uint16_t)~old_type + new_type);
	memcpy(icmp + ICMP_CSUM_OFFSET, &csum, sizeof(csum));
}

static void swap_bytes(uint8_t *a, uint8_t *b, uint32_t len)
{
	uint8_t t[IP6_LEN];

	memcpy(t, a, len);
	memcpy(a, b, len);
	memcpy(b, t, len);
}

/* A reply may be to a ping of ours. */
static void echo_reply(
	struct ip *ip, const struct turn *turn, const struct pkt *pkt, uint32_t l4, uint32_t len)
{
	const uint8_t *p = pkt_l3(pkt), *icmp = pkt->data + l4;
	bool ip6 = p[0] >> 4 == 6;

	if (turn_is_trial(turn))
		return;
	ping_reply(ip->pings, &(struct ping_reply){.ip6 = ip6,
				      .ttl = p[ip6 ? 7 : 8],
				      .id = be16_get(icmp + 4),
				      .seq = be16_get(icmp + 6),
				      .len = l4 - ETHERNET_HEADER_LEN + len,
				      .src = ip_addr_at(ip6 ? ip6_src(p) : p + 12, ip6),
				      .now_ns = turn->now_ns});
}

/* Somebody says why a request of ours, from its IP header on, got no further. */
static void echo_error(struct ip *ip, const uint8_t *p, uint32_t len, struct ping_error *error)
{
	uint8_t proto = 0, request = error->ip6 ? ICMP6_ECHO : ICMP4_ECHO;
	uint32_t at = error->ip6 ? ip6_upper(p, len, &proto) : ip4_header_len(p, len);

	if (at == 0 || (!error->ip6 && ip4_fragment_at(p) > 0))
		return;
	if (!error->ip6)
		proto = ip4_proto(p);
	if (proto == IP_PROTO_FRAGMENT && at + IP6_FRAGMENT_LEN <= len && be16_get(p + at + 2) < 8) {
		proto = p[at];
		at += IP6_FRAGMENT_LEN;
	}
	if (proto != (error->ip6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP) || at + ICMP_HEADER_LEN > len ||
		p[at] != request)
		return;
	error->id = icmp_id(p + at);
	error->seq = icmp_seq(p + at);
	error->dst = ip_addr_at(error->ip6 ? ip6_dst(p) : p + 16, error->ip6);
	ping_error(ip->pings, error);
}

/* An error may be about a ping of ours. */
static void error_input(struct ip *ip, const struct turn *turn, const struct pkt *pkt, uint32_t l4)
{
	const uint8_t *p = pkt_l3(pkt), *icmp = pkt->data + l4;
	bool ip6 = p[0] >> 4 == 6;
	struct ping_error error = {.ip6 = ip6,
		.type = icmp[0],
		.code = icmp[1],
		.from = ip_addr_at(ip6 ? ip6_src(p) : p + 12, ip6)};

	if (ip6 ? icmp[0] == ICMP6_TOO_BIG : icmp[0] == ICMP4_UNREACHABLE && icmp[1] == ICMP4_FRAGMENTATION)
		error.mtu = be16_get(icmp + 6);
	if (!turn_is_trial(turn))
		echo_error(ip, icmp + ICMP_HEADER_LEN, pkt->head_len - l4 - ICMP_HEADER_LEN, &error);
}

static void echo4(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4)
{
	uint8_t *p = pkt_l3(pkt);

	retype(pkt->data + l4, ICMP4_ECHO_REPLY);
	swap_bytes(p + 12, p + 16, IP4_LEN);
	p[6] = 0; /* it may be cut, as its answer's way may be narrower */
	p[7] = 0;
	p[8] = IP_OWN_TTL;
	ip4_set_csum(p, l4 - ETHERNET_HEADER_LEN);
	ip_send(ip, turn, ip_iface_of(pkt->rx), pkt);
}

void icmp4_local(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4, uint32_t len, bool to_group)
{
	const uint8_t *icmp = pkt->data + l4;

	if (!csum_ok(pkt, l4, len, 0)) {
		turn_drop(turn, pkt, DROP_ICMP_MALFORMED);
		return;
	}
	if (icmp[0] == ICMP4_ECHO && !to_group) { /* one for all would be answered by all */
		echo4(ip, turn, pkt, l4);
		return;
	}
	if (icmp[0] == ICMP4_ECHO_REPLY)
		echo_reply(ip, turn, pkt, l4, len);
	else if (icmp4_ends_packet(icmp[0]))
		error_input(ip, turn, pkt, l4);
	turn_finish(turn, pkt);
}

static void echo6(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4)
{
	uint8_t *p = pkt_l3(pkt);

	retype(pkt->data + l4, ICMP6_ECHO_REPLY);
	swap_bytes(p + 8, p + 24, IP6_LEN);
	p[7] = IP_OWN_TTL;
	ip_send(ip, turn, ip_iface_of(pkt->rx), pkt);
}

void icmp6_local(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4, uint32_t len, bool to_group)
{
	const uint8_t *icmp = pkt->data + l4;

	if (!csum_ok(pkt, l4, len, ip6_pseudo_sum(pkt_l3(pkt), IP_PROTO_ICMP6, len))) {
		turn_drop(turn, pkt, DROP_ICMP_MALFORMED);
		return;
	}
	if (icmp[0] >= ICMP6_ROUTER_SOLICITATION && icmp[0] <= ICMP6_REDIRECT) {
		nd_input(ip, turn, pkt, l4, len);
	} else if (icmp[0] == ICMP6_ECHO && !to_group) {
		echo6(ip, turn, pkt, l4);
	} else {
		if (icmp[0] == ICMP6_ECHO_REPLY)
			echo_reply(ip, turn, pkt, l4, len);
		else if (icmp[0] < ICMP6_ECHO)
			error_input(ip, turn, pkt, l4);
		turn_finish(turn, pkt);
	}
}

/* --- errors --- */

void icmp6_csum(uint8_t *p, uint32_t len)
{
	uint8_t *icmp = p + IP6_HEADER_LEN;
	uint16_t csum;

	memset(icmp + ICMP_CSUM_OFFSET, 0, sizeof(csum));
	csum = (uint16_t)~csum_fold(csum_add(ip6_pseudo_sum(p, IP_PROTO_ICMP6, len), csum_sum(icmp, len)));
	memcpy(icmp + ICMP_CSUM_OFFSET, &csum, sizeof(csum));
}

/* Nobody is told about an error, about anything but a first fragment, or what went to or came from more than one. */
static bool may_tell4(const struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	uint32_t l4 = ETHERNET_HEADER_LEN + (p[0] & 15u) * 4, src = ip4_src(p), dst = ip4_dst(p);

	if (pkt->data[0] & 1 || ip4_fragment_at(p) > 0 || src >> 28 >= 14 || src == 0 || dst >> 28 >= 14)
		return false;
	return ip4_proto(p) != IP_PROTO_ICMP || (l4 < pkt->head_len && !icmp4_is_error(pkt->data[l4]));
}

static bool may_tell6(const struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	struct ip_addr src = ip_addr_at(ip6_src(p), true);
	uint8_t proto = 0, type = (uint8_t)(pkt->icmp >> 24);
	uint32_t at = ip6_upper(p, pkt->head_len - ETHERNET_HEADER_LEN, &proto);
	bool to_group = pkt->data[0] & 1 || ip6_dst(p)[0] == 0xff;

	if (at == 0 || ip_addr_is_zero(&src) || ip_addr_is_multicast(&src))
		return false;
	if (to_group && type != ICMP6_TOO_BIG) /* RFC 4443, 2.4 (e) */
		return false;
	at += ETHERNET_HEADER_LEN;
	return proto != IP_PROTO_ICMP6 || (at < pkt->head_len && !icmp6_is_error(pkt->data[at]));
}

/* Source and destination of the message. False: the interface has no address to say it from. */
static bool message_addrs(const struct pkt *pkt, bool ip6, struct ip_addr *src, struct ip_addr *dst)
{
	const uint8_t *p = pkt_l3(pkt);

	*dst = ip_addr_at(ip6 ? ip6_src(p) : p + 12, ip6);
	return ip_iface_source(pkt->rx, dst, src);
}

/* The whole frame of a message about pkt. NULL: there is no room, or no address. */
static struct pkt *message(struct ip *ip, struct turn *turn, const struct pkt *pkt, bool ip6)
{
	uint32_t header_len = ip_header_len(ip6) + ICMP_HEADER_LEN, code = pkt->icmp;
	uint32_t max = (ip6 ? ICMP6_MESSAGE_MAX : ICMP4_MESSAGE_MAX) - header_len;
	uint32_t quoted = min_u32(pkt_len(pkt) - ETHERNET_HEADER_LEN, max);
	uint8_t *bytes = turn_bytes(turn, ETHERNET_HEADER_LEN + header_len + quoted), *p, *icmp;
	struct ip_addr src, dst;
	uint16_t csum;

	if (!bytes || !message_addrs(pkt, ip6, &src, &dst))
		return NULL;
	p = bytes + ETHERNET_HEADER_LEN;
	icmp = p + ip_header_len(ip6);
	memset(bytes, 0, ETHERNET_HEADER_LEN);
	ip_header_write(ip, p, &src, &dst, ip6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP, ICMP_HEADER_LEN + quoted);
	icmp[0] = (uint8_t)(code >> 24);
	icmp[1] = (uint8_t)(code >> 16);
	be16_set(icmp + 2, 0);
	be32_set(icmp + 4, code & 0xffff); /* MTU: of IPv4 in the low half; a pointer of IPv6's too */
	pkt_bytes(pkt, ETHERNET_HEADER_LEN, icmp + ICMP_HEADER_LEN, quoted);
	if (ip6) {
		icmp6_csum(p, ICMP_HEADER_LEN + quoted);
	} else {
		csum = (uint16_t)~csum_fold(csum_sum(icmp, ICMP_HEADER_LEN + quoted));
		memcpy(icmp + ICMP_CSUM_OFFSET, &csum, sizeof(csum));
	}
	return turn_make_frame(turn, pkt->rx, bytes, ETHERNET_HEADER_LEN + header_len + quoted);
}

/* A packet of our own has no sender to be told, but it may be a ping's. */
static bool tell_ourselves(
	struct ip *ip, const struct turn *turn, const struct ip_iface *l3, const struct pkt *pkt, bool ip6)
{
	const uint8_t *p = pkt_l3(pkt);
	struct ping_error error = {.ip6 = ip6,
		.type = (uint8_t)(pkt->icmp >> 24),
		.code = (uint8_t)(pkt->icmp >> 16),
		.from = ip_addr_at(ip6 ? ip6_src(p) : p + 12, ip6)};

	if (!ip_is_own(l3, &error.from))
		return false;
	if (!turn_is_trial(turn))
		echo_error(ip, p, pkt->head_len - ETHERNET_HEADER_LEN, &error);
	return true;
}

static void tell(struct ip *ip, struct turn *turn, struct pkt *pkt)
{
	const struct ip_iface *l3 = ip_iface_of(pkt->rx);
	bool ip6 = be16_get(pkt->data + ETHERNET_TYPE_AT) == IP6_ETHERNET_TYPE;
	struct pkt *out;

	if (!l3 || !(ip6 ? may_tell6(pkt) : may_tell4(pkt)) || tell_ourselves(ip, turn, l3, pkt, ip6))
		return;
	if (!limit_take(&l3->state->errors[turn->worker], ERRORS_PER_S, turn->now_ns)) {
		iface_count(&turn_lane(turn, pkt->rx)->counters.drops[DROP_ICMP_RATE], 1);
		return;
	}
	out = message(ip, turn, pkt, ip6);
	if (out)
		ip_send(ip, turn, l3, out);
}

void icmp_error(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++) {
		tell(subject, turn, vec->pkts[i]);
		turn_push(turn, vec->pkts[i], STAGE_DROP); /* its reason was set */
	}
}
