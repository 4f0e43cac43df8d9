/* SPDX-License-Identifier: Apache-2.0 */
/* One packet, one decision: what the table says is written into the packet. */
#include "gateway/nat44.h"

#include "gateway/nat44_view.h"
#include "wire/ip.h"

/* The fragments that follow will look the same as this first one did. */
static void remember(
	struct nat44 *n, const struct nat44_view *v, const struct nat44_datagram *was, uint32_t now_s)
{
	const uint8_t *ip = v->layers.ip;

	if (unlikely(v->fragment))
		nat44_fragments_add(&n->fragments, was, ip4_src(ip), ip4_dst(ip), now_s);
}

static enum drop later(struct nat44 *n, struct nat44_view *v, uint32_t now_s)
{
	const struct nat44_datagram datagram = nat44_datagram_of(v->layers.ip);
	const struct nat44_fragment *first = nat44_fragments_find(&n->fragments, &datagram, now_s);

	if (!first)
		return DROP_NAT44_FRAGMENT;
	nat44_set_src(v, (struct nat44_endpoint){.ip = first->new_src});
	nat44_set_dst(v, (struct nat44_endpoint){.ip = first->new_dst});
	return DROP_NONE;
}

static struct nat44_packet packet_of(
	const struct nat44_view *v, struct nat44_endpoint inside, struct nat44_endpoint remote)
{
	return (struct nat44_packet){
		.inside = inside,
		.remote = remote,
		.len = ip4_total_len(v->layers.ip),
		.proto = v->layers.proto,
		.tcp_flags = v->tcp_flags,
	};
}

/* An error about something that came in before. */
static enum drop error_out(struct nat44 *n, struct nat44_view *v)
{
	const struct nat44_mapping *m = nat44_table_came_in(n->table, v->layers.proto, v->dst, v->src);

	if (!m)
		return DROP_NAT44_NO_SESSION;
	nat44_set_dst(v, m->out);
	nat44_set_outer_src(v, m->out.ip);
	return DROP_NONE;
}

static enum drop error_in(struct nat44 *n, struct nat44_view *v)
{
	const struct nat44_mapping *m = nat44_table_went_out(n->table, v->layers.proto, v->src, v->dst);

	if (!m)
		return DROP_NAT44_NO_SESSION;
	nat44_set_src(v, m->in);
	nat44_set_outer_dst(v, m->in.ip);
	return DROP_NONE;
}

static enum drop flow_out(struct nat44 *n, struct nat44_view *v, uint32_t now_s)
{
	const struct nat44_packet p = packet_of(v, v->src, v->dst);
	const struct nat44_datagram was = nat44_datagram_of(v->layers.ip);
	const struct nat44_mapping *m;
	enum drop why;

	if (p.proto == IP_PROTO_ICMP && !v->asks)
		return DROP_NAT44_PROTOCOL;
	m = nat44_table_out(n->table, &p, now_s, &why);
	if (!m)
		return why;
	nat44_set_src(v, m->out);
	remember(n, v, &was, now_s);
	return DROP_NONE;
}

static enum drop flow_in(struct nat44 *n, struct nat44_view *v, uint32_t now_s)
{
	const struct nat44_packet p = packet_of(v, v->dst, v->src);
	const struct nat44_datagram was = nat44_datagram_of(v->layers.ip);
	const struct nat44_mapping *m;
	enum drop why;

	if (p.proto == IP_PROTO_ICMP && v->asks)
		return DROP_NAT44_NO_SESSION;
	m = nat44_table_in(n->table, &p, now_s, &why);
	if (!m)
		return why;
	nat44_set_dst(v, m->in);
	remember(n, v, &was, now_s);
	return DROP_NONE;
}

enum drop nat44_out(struct nat44 *n, struct pkt *pkt, uint32_t l3, uint32_t now_s)
{
	struct nat44_view v;
	enum drop drop = nat44_view(&v, pkt, l3);

	if (unlikely(drop))
		return drop;
	if (unlikely(v.kind == NAT44_KIND_ERROR))
		return error_out(n, &v);
	return likely(v.kind == NAT44_KIND_FLOW) ? flow_out(n, &v, now_s) : later(n, &v, now_s);
}

enum drop nat44_in(struct nat44 *n, struct pkt *pkt, uint32_t l3, uint32_t now_s)
{
	struct nat44_view v;
	enum drop drop = nat44_view(&v, pkt, l3);

	if (unlikely(drop))
		return drop;
	if (unlikely(v.kind == NAT44_KIND_ERROR))
		return error_in(n, &v);
	return likely(v.kind == NAT44_KIND_FLOW) ? flow_in(n, &v, now_s) : later(n, &v, now_s);
}

/* Both sides of a first fragment at once, so that the later ones find what became of it in the end. */
static void remember_hairpin(
	struct nat44 *n, struct pkt *pkt, uint32_t l3, const struct nat44_datagram *was, uint32_t now_s)
{
	const uint8_t *ip = pkt->data + l3;

	if (ip4_is_fragment(ip) && ip4_fragment_at(ip) == 0)
		nat44_fragments_add(&n->fragments, was, ip4_src(ip), ip4_dst(ip), now_s);
}

enum drop nat44_hairpin(struct nat44 *n, struct pkt *pkt, uint32_t l3, uint32_t now_s)
{
	const struct nat44_datagram was = nat44_datagram_of(pkt->data + l3);
	struct nat44_view v;
	enum drop drop = nat44_view(&v, pkt, l3);

	if (drop || v.kind == NAT44_KIND_LATER)
		return drop ? DROP_NAT44_NO_SESSION : later(n, &v, now_s) ? DROP_NAT44_NO_SESSION : DROP_NONE;
	/* of an error it is whose packet is quoted, of anything else whom it is for */
	if (!nat44_table_knows(n->table, v.layers.proto, v.kind == NAT44_KIND_ERROR ? v.src : v.dst))
		return DROP_NAT44_NO_SESSION;
	drop = nat44_out(n, pkt, l3, now_s);
	if (!drop)
		drop = nat44_in(n, pkt, l3, now_s);
	if (!drop)
		remember_hairpin(n, pkt, l3, &was, now_s);
	else if (drop == DROP_NAT44_NO_SESSION)
		drop = DROP_NAT44_FILTERED; /* changed by half: it goes nowhere */
	return drop;
}

enum drop nat44_try_out(const struct nat44 *n, struct pkt *pkt, uint32_t l3)
{
	struct nat44_endpoint out;
	struct nat44_packet p;
	struct nat44_view v;
	enum drop drop = nat44_view(&v, pkt, l3);

	if (drop || v.kind != NAT44_KIND_FLOW)
		return drop;
	p = packet_of(&v, v.src, v.dst);
	drop = nat44_table_try_out(n->table, &p, &out);
	if (!drop)
		nat44_set_src(&v, out);
	return drop;
}

enum drop nat44_try_in(const struct nat44 *n, struct pkt *pkt, uint32_t l3)
{
	struct nat44_endpoint in;
	struct nat44_packet p;
	struct nat44_view v;
	enum drop drop = nat44_view(&v, pkt, l3);

	if (drop || v.kind != NAT44_KIND_FLOW)
		return drop;
	p = packet_of(&v, v.dst, v.src);
	drop = nat44_table_try_in(n->table, &p, &in);
	if (!drop)
		nat44_set_dst(&v, in);
	return drop;
}
