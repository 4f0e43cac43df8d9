/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway_call.h"
#include "gateway/nat44.h"

#include "wire/ip.h"

#include <errno.h>
#include <inttypes.h>

#define SHOW_DEFAULT  100
#define TIMEOUT_MAX_S 86400

static const char *const timer_names[NAT44_TIMERS] = {"icmp", "udp", "tcp-transitory", "tcp-established"};

static const char *proto_name(uint8_t proto)
{
	return proto == IP_PROTO_TCP ? "tcp" : proto == IP_PROTO_UDP ? "udp" : "icmp";
}

static int run_address(struct ctl_call *call)
{
	struct nat44 *n = call->subject;
	bool del = ctl_has(call, "del");
	uint32_t ip;
	int err;

	if (!gateway_call_ip4(call, "address", &ip))
		return -1;
	lock_take(&n->lock);
	err = del ? nat44_table_del_address(n->table, ip) : nat44_table_add_address(n->table, ip);
	lock_release(&n->lock);
	switch (err) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(
			call, "%s is an address of translation already", ctl_str(call, "address", ""));
	case -ENOENT:
		return ctl_fail(call, "%s is no address of translation: see show nat44 addresses",
			ctl_str(call, "address", ""));
	default:
		return ctl_fail(
			call, "there are %d addresses already: delete one first", NAT44_ADDRESSES_MAX);
	}
}

static int run_interfaces(struct ctl_call *call)
{
	static const struct {
		const char *name;
		enum nat44_side side;
	} sides[] = {{"in", NAT44_INSIDE}, {"out", NAT44_OUTSIDE}};
	struct nat44 *n = call->subject;

	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		struct iface *iface;

		if (!ctl_has(call, sides[i].name))
			continue;
		iface = gateway_call_iface(call, n->ifaces, sides[i].name);
		if (!iface)
			return -1;
		if (nat44_set_side(n, iface, ctl_has(call, "del") ? NAT44_NO_SIDE : sides[i].side) != 0)
			return ctl_fail(call,
				"%s has no address: give it one first, with set interface ip address %s",
				iface->name, iface->name);
	}
	return 0;
}

static int run_static(struct ctl_call *call)
{
	struct nat44 *n = call->subject;
	uint8_t proto = strcmp(ctl_str(call, "proto", ""), "udp") == 0 ? IP_PROTO_UDP : IP_PROTO_TCP;
	struct nat44_endpoint in = {.port = (uint16_t)ctl_u64(call, "local-port", 0)};
	struct nat44_endpoint out = {.port = (uint16_t)ctl_u64(call, "external-port", 0)};
	int err;

	if (!gateway_call_ip4(call, "local", &in.ip) || !gateway_call_ip4(call, "external", &out.ip))
		return -1;
	if (in.port == 0 || out.port == 0)
		return ctl_fail(call, "0 is no port: give one of 1 to 65535");
	lock_take(&n->lock);
	err = ctl_has(call, "del") ? nat44_table_del_static(n->table, proto, out)
				   : nat44_table_add_static(n->table, proto, in, out);
	lock_release(&n->lock);
	switch (err) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(call, "%s port %u is forwarded already: delete that first, with del",
			ctl_str(call, "external", ""), out.port);
	case -ENOENT:
		return ctl_fail(call, "%s port %u is not forwarded: see show nat44 static mappings",
			ctl_str(call, "external", ""), out.port);
	default:
		return ctl_fail(
			call, "there are %d static mappings already: delete one first", NAT44_STATIC_MAX);
	}
}

static int run_timeout(struct ctl_call *call)
{
	struct nat44 *n = call->subject;

	for (uint32_t i = 0; i < NAT44_TIMERS; i++) {
		uint64_t s = ctl_u64(call, timer_names[i], 1);

		if (s == 0 || s > TIMEOUT_MAX_S)
			return ctl_fail(call, "a timeout is in seconds: give 1 to %d", TIMEOUT_MAX_S);
	}
	lock_take(&n->lock);
	for (uint32_t i = 0; i < NAT44_TIMERS; i++)
		n->table->timeouts_s[i] = (uint32_t)ctl_u64(call, timer_names[i], n->table->timeouts_s[i]);
	lock_release(&n->lock);
	return 0;
}

static int run_clear(struct ctl_call *call)
{
	struct nat44 *n = call->subject;

	lock_take(&n->lock);
	nat44_table_clear(n->table);
	lock_release(&n->lock);
	return 0;
}

static json_t *endpoint_json(struct nat44_endpoint e)
{
	char text[IP_TEXT_SIZE];

	return e.port ? json_sprintf("%s:%u", ip4_format(text, e.ip), e.port) : ip4_json(e.ip);
}

static json_t *session_json(const struct nat44_table *t, const struct nat44_session *s, uint32_t now_s)
{
	const struct nat44_mapping *m = &t->mappings[s->mapping];

	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:i, s:I, s:I, s:b}", "protocol", proto_name(m->proto),
		"inside", endpoint_json(m->in), "outside", endpoint_json(m->out), "remote",
		endpoint_json(s->remote), "timer", timer_names[s->timer], "idle-s",
		now_s > s->seen_s ? (int)(now_s - s->seen_s) : 0, "packets", (json_int_t)s->packets, "bytes",
		(json_int_t)s->bytes, "static", m->is_static);
}

/* At most so many at once: the lock is held meanwhile. */
static int run_show_sessions(struct ctl_call *call)
{
	struct nat44 *n = call->subject;
	uint64_t max = ctl_u64(call, "max", SHOW_DEFAULT);
	uint32_t now_s = n->now_s, pos = 0;
	json_t *sessions = json_array();
	const struct nat44_session *s;

	lock_take(&n->lock);
	while (json_array_size(sessions) < max && (s = nat44_table_next_session(n->table, &pos)))
		json_array_append_new(sessions, session_json(n->table, s, now_s));
	call->result = json_pack("{s:I, s:I, s:o}", "total", (json_int_t)n->table->n_sessions, "limit",
		(json_int_t)n->table->limits.sessions, "sessions", sessions);
	lock_release(&n->lock);
	return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_sessions(const json_t *result, FILE *out)
{
	const json_t *sessions = json_object_get(result, "sessions"), *s;
	size_t i;

	fprintf(out, "%" JSON_INTEGER_FORMAT " sessions of at most %" JSON_INTEGER_FORMAT "\n",
		number_of(result, "total"), number_of(result, "limit"));
	if (json_array_size(sessions) == 0)
		return;
	fprintf(out, "%-6s%-24s%-24s%-24s%-17s%8s%12s\n", "Proto", "Inside", "Outside", "Remote", "Timer",
		"Idle(s)", "Packets");
	json_array_foreach ((json_t *)(uintptr_t)sessions, i, s)
		fprintf(out, "%-6s%-24s%-24s%-24s%-17s%8" JSON_INTEGER_FORMAT "%12" JSON_INTEGER_FORMAT "\n",
			text_of(s, "protocol"), text_of(s, "inside"), text_of(s, "outside"),
			text_of(s, "remote"), text_of(s, "timer"), number_of(s, "idle-s"),
			number_of(s, "packets"));
	if ((json_int_t)json_array_size(sessions) < number_of(result, "total"))
		fprintf(out, "... and more: show nat44 sessions max N\n");
}

static int run_show_addresses(struct ctl_call *call)
{
	const struct nat44 *n = call->subject;

	call->result = json_array();
	for (uint32_t i = 0; i < n->table->n_addresses; i++)
		json_array_append_new(call->result, ip4_json(n->table->addresses[i]));
	return 0;
}

static void print_addresses(const json_t *result, FILE *out)
{
	const json_t *a;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, a)
		fprintf(out, "%s\n", json_string_value(a));
}

static int run_show_static(struct ctl_call *call)
{
	const struct nat44 *n = call->subject;
	const struct nat44_mapping *m;
	uint32_t pos = 0;

	call->result = json_array();
	while ((m = nat44_table_next_static(n->table, &pos)))
		json_array_append_new(
			call->result, json_pack("{s:s, s:o, s:o, s:I}", "protocol", proto_name(m->proto),
					      "local", endpoint_json(m->in), "external",
					      endpoint_json(m->out), "sessions", (json_int_t)m->n_sessions));
	return 0;
}

static void print_static(const json_t *result, FILE *out)
{
	const json_t *m;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, m)
		fprintf(out, "%s local %s external %s sessions %" JSON_INTEGER_FORMAT "\n",
			text_of(m, "protocol"), text_of(m, "local"), text_of(m, "external"),
			number_of(m, "sessions"));
}

static int run_show_interfaces(struct ctl_call *call)
{
	const struct nat44 *n = call->subject;

	call->result = json_array();
	for (const struct iface *i = iface_next(n->ifaces, 0); i; i = iface_next(n->ifaces, i->idx + 1)) {
		enum nat44_side side = nat44_side_of(n, i);

		if (side != NAT44_NO_SIDE)
			json_array_append_new(
				call->result, json_pack("{s:s, s:s}", "interface", i->name, "side",
						      side == NAT44_INSIDE ? "in" : "out"));
	}
	return 0;
}

static void print_interfaces(const json_t *result, FILE *out)
{
	const json_t *i;
	size_t at;

	json_array_foreach ((json_t *)(uintptr_t)result, at, i)
		fprintf(out, "%s %s\n", text_of(i, "interface"), text_of(i, "side"));
}

static int run_show_timeouts(struct ctl_call *call)
{
	const struct nat44 *n = call->subject;

	call->result = json_object();
	for (uint32_t i = 0; i < NAT44_TIMERS; i++)
		json_object_set_new(call->result, timer_names[i], json_integer(n->table->timeouts_s[i]));
	return 0;
}

static void print_timeouts(const json_t *result, FILE *out)
{
	for (uint32_t i = 0; i < NAT44_TIMERS; i++)
		fprintf(out, "%s timeout: %" JSON_INTEGER_FORMAT "s\n", timer_names[i],
			number_of(result, timer_names[i]));
}

static const struct ctl_command commands[] = {
	{"nat44 add address <address:ip> [del]",
		"Let the inside speak over this address, which is an outside interface's or routed to it",
		run_address, NULL},
	{"nat44 add static mapping <proto:{tcp|udp}> local <local:ip> <local-port:u16> external "
	 "<external:ip> "
	 "<external-port:u16> [del]",
		"Forward a port of an outside address to the inside", run_static, NULL},
	{"set interface nat44 [in <in:interface>] [out <out:interface>] [del]",
		"Say where the inside and the outside of address translation are", run_interfaces, NULL},
	{"set nat44 timeout [icmp <icmp:u32>] [udp <udp:u32>] [tcp-transitory <tcp-transitory:u32>] "
	 "[tcp-established <tcp-established:u32>]",
		"How many seconds a session may be silent; icmp counts for DNS questions, too", run_timeout,
		NULL},
	{"show nat44 sessions [max <max:u32>]", "Who inside speaks to whom outside", run_show_sessions,
		print_sessions},
	{"show nat44 addresses", "Over which addresses the inside speaks", run_show_addresses,
		print_addresses},
	{"show nat44 static mappings", "Which ports are forwarded", run_show_static, print_static},
	{"show nat44 interfaces", "Where the inside and the outside are", run_show_interfaces,
		print_interfaces},
	{"show nat44 timeouts", "How long sessions may be silent", run_show_timeouts, print_timeouts},
	{"clear nat44 sessions", "End all sessions", run_clear, NULL},
	{0},
};

const struct ctl_table nat44_commands = {commands};
