/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dns_service.h"

#include "base/units.h"
#include "gateway/gateway_call.h"
#include "ip/service.h"
#include "wire/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_on(const struct dns_service *s, const struct iface *iface)
{
	return __atomic_load_n(&s->on[iface->idx], __ATOMIC_RELAXED);
}

static enum drop ask(struct dns_service *s, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	const struct dns_client client = {
		.addr = d->src, .own = d->dst, .port = d->src_port, .iface_idx = pkt->rx->idx};
	uint8_t bytes[DNS_MESSAGE_MAX];
	const struct dns_message message = {bytes, d->payload_len};
	struct ip_udp udp = {
		.iface = pkt->rx, .dst_port = DNS_PORT, .payload = bytes, .payload_len = d->payload_len};
	struct dns_way way;
	enum drop drop;

	if (!is_on(s, pkt->rx) || d->to_group)
		return DROP_IP_NO_SERVICE;
	if (d->payload_len > sizeof(bytes))
		return DROP_DNS_MALFORMED;
	pkt_bytes(pkt, d->payload_at, bytes, d->payload_len);
	lock_take(&s->lock);
	drop = dns_forward_ask(&s->forward, &client, &message, turn->now_ns / NS_PER_S, &way);
	lock_release(&s->lock);
	if (drop)
		return drop;
	udp.dst = way.server;
	udp.src_port = way.port;
	if (!ip_way_source(s->ip, pkt->rx, &udp.dst, &udp.src))
		return DROP_IP_NO_ROUTE;
	return ip_udp_send(s->ip, turn, &udp) ? DROP_NONE : DROP_TURN_FULL;
}

static void on_question(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	turn_drop(turn, pkt, ask(subject, turn, pkt, d));
}

static enum drop answer(
	struct dns_service *s, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	uint8_t bytes[DNS_MESSAGE_MAX];
	const struct dns_message message = {bytes, d->payload_len};
	const struct dns_way way = {d->src, d->dst_port};
	struct ip_udp udp = {.src_port = DNS_PORT, .payload = bytes, .payload_len = d->payload_len};
	struct dns_client client;
	enum drop drop;

	if (d->src_port != DNS_PORT || d->payload_len > sizeof(bytes))
		return DROP_DNS_UNASKED;
	pkt_bytes(pkt, d->payload_at, bytes, d->payload_len);
	lock_take(&s->lock);
	drop = dns_forward_answer(&s->forward, &way, &message, turn->now_ns / NS_PER_S, &client);
	lock_release(&s->lock);
	if (drop)
		return drop;
	udp.iface = iface_get(s->ifaces, client.iface_idx);
	udp.src = client.own;
	udp.dst = client.addr;
	udp.dst_port = client.port;
	if (!udp.iface || !is_on(s, udp.iface))
		return DROP_DNS_UNASKED;
	return ip_udp_send(s->ip, turn, &udp) ? DROP_NONE : DROP_TURN_FULL;
}

static void on_answer(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	turn_drop(turn, pkt, answer(subject, turn, pkt, d));
}

struct dns_service *dns_service_create(struct ip *ip, struct iface_table *ifaces, uint64_t seed)
{
	struct dns_service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ip = ip;
	s->ifaces = ifaces;
	dns_forward_init(&s->forward, seed);
	if (ip_udp_listen(ip, DNS_PORT, on_question, s) != 0)
		goto free_service;
	if (ip_udp_listen_range(ip, DNS_PORT_FIRST, UINT16_MAX, on_answer, s) != 0)
		goto unlisten;
	return s;
unlisten:
	ip_udp_unlisten(ip, DNS_PORT);
free_service:
	free(s);
	return NULL;
}

void dns_service_destroy(struct dns_service *s)
{
	if (!s)
		return;
	ip_udp_unlisten(s->ip, DNS_PORT);
	ip_udp_unlisten(s->ip, DNS_PORT_FIRST);
	free(s);
}

void dns_service_set(struct dns_service *s, const struct iface *iface, bool on)
{
	snprintf(s->names[iface->idx], sizeof(s->names[0]), "%s", iface->name);
	__atomic_store_n(&s->on[iface->idx], on, __ATOMIC_RELAXED);
}

bool dns_service_serves(struct dns_service *s, const struct iface *iface)
{
	bool serves;

	lock_take(&s->lock);
	serves = is_on(s, iface) && s->forward.n_servers > 0;
	lock_release(&s->lock);
	return serves;
}

int dns_service_add_server(struct dns_service *s, const struct ip_addr *server)
{
	int err;

	lock_take(&s->lock);
	err = dns_forward_add_server(&s->forward, server);
	lock_release(&s->lock);
	return err;
}

int dns_service_del_server(struct dns_service *s, const struct ip_addr *server)
{
	int err;

	lock_take(&s->lock);
	err = dns_forward_del_server(&s->forward, server);
	lock_release(&s->lock);
	return err;
}

/* An interface that has gone takes its switch along. */
void dns_service_tick(struct dns_service *s, uint64_t now_ns)
{
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++) {
		const struct iface *iface = s->on[idx] ? iface_get(s->ifaces, idx) : NULL;

		if (s->on[idx] && (!iface || strcmp(iface->name, s->names[idx]) != 0))
			__atomic_store_n(&s->on[idx], false, __ATOMIC_RELAXED);
	}
	lock_take(&s->lock);
	dns_forward_tick(&s->forward, now_ns / NS_PER_S);
	lock_release(&s->lock);
}

static json_t *servers_json(const struct dns_forward *f)
{
	char text[IP_TEXT_SIZE];
	json_t *servers = json_array();

	for (uint32_t i = 0; i < f->n_servers; i++)
		json_array_append_new(servers, json_string(ip_addr_format(text, &f->servers[i])));
	return servers;
}

static json_t *interfaces_json(const struct dns_service *s)
{
	json_t *names = json_array();

	for (const struct iface *i = iface_next(s->ifaces, 0); i; i = iface_next(s->ifaces, i->idx + 1))
		if (is_on(s, i))
			json_array_append_new(names, json_string(i->name));
	return names;
}

json_t *dns_service_save(struct dns_service *s)
{
	return json_pack(
		"{s:o, s:o}", "servers", servers_json(&s->forward), "interfaces", interfaces_json(s));
}

/* Of servers, those of the one before: what this process found by itself is forgotten. */
void dns_service_restore(struct dns_service *s, const json_t *state)
{
	const json_t *o;
	size_t i;

	if (!json_is_object(state))
		return;
	while (s->forward.n_servers > 0) {
		const struct ip_addr first = s->forward.servers[0];

		dns_service_del_server(s, &first);
	}
	json_array_foreach (json_object_get(state, "servers"), i, o) {
		struct ip_addr server;

		if (ip_addr_parse(json_string_value(o) ? json_string_value(o) : "", &server))
			dns_service_add_server(s, &server);
	}
	json_array_foreach (json_object_get(state, "interfaces"), i, o) {
		const struct iface *iface =
			iface_by_name(s->ifaces, json_string_value(o) ? json_string_value(o) : "");

		if (iface)
			dns_service_set(s, iface, true);
	}
}

/* --- commands --- */

static int run_server(struct ctl_call *call)
{
	struct dns_service *s = call->subject;
	const struct iface *iface = gateway_call_iface(call, s->ifaces, "interface");

	if (!iface)
		return -1;
	dns_service_set(s, iface, !ctl_has(call, "disable") && ctl_u64(call, "dns", 1));
	return 0;
}

static int run_upstream(struct ctl_call *call)
{
	struct dns_service *s = call->subject;
	const char *text = ctl_str(call, "address", "");
	struct ip_addr server;

	if (!ip_addr_parse(text, &server))
		return ctl_fail(call, "'%s' is no address", text);
	switch (ctl_has(call, "del") ? dns_service_del_server(s, &server)
				     : dns_service_add_server(s, &server)) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(call, "%s is asked already: see show dns", text);
	case -ENOENT:
		return ctl_fail(call, "%s is not asked: see show dns", text);
	default:
		return ctl_fail(call, "%d servers are asked already: delete one first", DNS_SERVERS_MAX);
	}
}

static int run_show(struct ctl_call *call)
{
	struct dns_service *s = call->subject;
	const struct dns_forward *f = &s->forward;

	lock_take(&s->lock);
	call->result = json_pack("{s:o, s:i, s:o, s:I, s:I, s:I, s:I}", "servers", servers_json(f), "current",
		(int)f->current, "interfaces", interfaces_json(s), "outstanding",
		(json_int_t)f->n_outstanding, "questions", (json_int_t)f->questions, "answers",
		(json_int_t)f->answers, "expired", (json_int_t)f->expired);
	lock_release(&s->lock);
	return 0;
}

static void print_show(const json_t *result, FILE *out)
{
	static const char *const counters[] = {"questions", "answers", "expired", "outstanding"};
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(result, "servers"), i, o)
		fprintf(out, "upstream %s%s\n", json_string_value(o),
			(json_int_t)i == json_integer_value(json_object_get(result, "current"))
				? " (asked now)"
				: "");
	json_array_foreach (json_object_get(result, "interfaces"), i, o)
		fprintf(out, "interface %s\n", json_string_value(o));
	for (i = 0; i < ARRAY_LEN(counters); i++)
		fprintf(out, "%s %" JSON_INTEGER_FORMAT "\n", counters[i],
			json_integer_value(json_object_get(result, counters[i])));
}

static const struct ctl_command commands[] = {
	{"dns server <interface:interface> [disable|<dns:onoff>]",
		"Answer questions of DNS at an interface's addresses", run_server, NULL},
	{"dns upstream add <address:ip> [del]",
		"Ask this server; without one the host's are asked, see /etc/resolv.conf", run_upstream,
		NULL},
	{"show dns", "Whom questions of DNS are passed on to, and where they are answered", run_show,
		print_show},
	{0},
};

const struct ctl_table dns_commands = {commands};
