/* SPDX-License-Identifier: Apache-2.0 */
/* The words about interfaces of any kind, in VPP's grammar and columns. */
#include "ctl/command.h"
#include "port/port.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where the counters stand: the columns before them. */
#define SHOWN_INDENT (32 + 5 + 16)

/* --- show interface --- */

static const struct {
	const char *name;
	size_t at;
} shown_counters[] = {
	{"rx packets", offsetof(struct iface_counters, rx_packets)},
	{"rx bytes", offsetof(struct iface_counters, rx_bytes)},
	{"tx packets", offsetof(struct iface_counters, tx_packets)},
	{"tx bytes", offsetof(struct iface_counters, tx_bytes)},
};

static json_t *drops_json(const struct iface_counters *c, uint64_t *sum)
{
	json_t *drops = json_object();

	*sum = 0;
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++) {
		if (c->drops[reason] > 0)
			json_object_set_new(drops, drop_name((enum drop)reason),
				json_integer((json_int_t)c->drops[reason]));
		if (drop_is_loss((enum drop)reason))
			*sum += c->drops[reason];
	}
	return drops;
}

static json_t *counters_json(const struct iface_counters *c)
{
	json_t *counters = json_object();

	for (size_t i = 0; i < ARRAY_LEN(shown_counters); i++) {
		uint64_t value = *(const uint64_t *)(const void *)((const char *)c + shown_counters[i].at);

		json_object_set_new(counters, shown_counters[i].name, json_integer((json_int_t)value));
	}
	return counters;
}

static json_t *mac_json(const uint8_t mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static json_t *iface_json(const struct ports *ports, const struct iface *iface)
{
	struct iface_counters c;
	uint64_t dropped;
	json_t *drops, *counters;

	iface_counters_sum(ports->config.ifaces, iface, &c);
	drops = drops_json(&c, &dropped);
	counters = counters_json(&c);
	json_object_set_new(counters, "drops", json_integer((json_int_t)dropped));
	return json_pack("{s:s, s:i, s:s, s:i, s:o, s:s, s:o, s:o}", "name", iface->name, "index",
		(int)iface->idx, "state", iface_is_up(iface) ? "up" : "down", "mtu", (int)iface_mtu(iface),
		"mac", mac_json(iface->mac), "kind", iface->kind, "counters", counters, "drops", drops);
}

static int by_name(const void *a, const void *b)
{
	const struct iface *x = *(const struct iface *const *)a, *y = *(const struct iface *const *)b;

	return strcmp(x->name, y->name);
}

/* All interfaces by name, or the one that was asked for. Returns how many. */
static uint32_t wanted_ifaces(const struct ctl_call *call, struct iface *out[IFACE_MAX])
{
	const struct ports *ports = call->subject;
	uint32_t n = 0;

	if (ctl_has(call, "interface")) {
		out[0] = iface_get(ports->config.ifaces, (uint32_t)ctl_u64(call, "interface", 0));
		return 1;
	}
	for (struct iface *i = iface_next(ports->config.ifaces, 0); i;
		i = iface_next(ports->config.ifaces, i->idx + 1))
		out[n++] = i;
	qsort(out, n, sizeof(out[0]), by_name);
	return n;
}

static int run_show_interface(struct ctl_call *call)
{
	struct iface *ifaces[IFACE_MAX];
	uint32_t n = wanted_ifaces(call, ifaces);

	call->result = json_array();
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(call->result, iface_json(call->subject, ifaces[i]));
	return 0;
}

/* The columns, centred as VPP does it: the odd blank goes to the left. */
static const struct {
	const char *title;
	int width;
} columns[] = {{"Name", 32}, {"Idx", 5}, {"State", 16}, {"Counter", 16}, {"Count", 16}};

/* Blanks that a line still owes: those at its end are never written. */
static void print_centred(FILE *out, int *owed, const char *text, int width)
{
	int pad = width - (int)strlen(text);
	int left = pad > 0 ? (pad + 1) / 2 : 0;

	fprintf(out, "%*s%s", *owed + left, "", text);
	*owed = pad > 0 ? pad - left : 0;
}

/* The first counter stands beside the state, the others below it. */
static void print_counter(FILE *out, int owed, const char *name, json_int_t value)
{
	fprintf(out, "%*s%-16s%16" JSON_INTEGER_FORMAT "\n", owed, "", name, value);
}

static void print_iface(const json_t *iface, FILE *out)
{
	const json_t *counters = json_object_get(iface, "counters"), *value;
	const char *name = json_string_value(json_object_get(iface, "name")), *counter;
	bool first = true;
	char idx[24];
	int owed = columns[0].width - (int)strlen(name);

	snprintf(idx, sizeof(idx), "%" JSON_INTEGER_FORMAT,
		json_integer_value(json_object_get(iface, "index")));
	fputs(name, out);
	print_centred(out, &owed, idx, columns[1].width);
	print_centred(out, &owed, json_string_value(json_object_get(iface, "state")), columns[2].width);
	json_object_foreach ((json_t *)(uintptr_t)counters, counter, value) {
		if (json_integer_value(value) == 0)
			continue;
		print_counter(out, first ? owed : SHOWN_INDENT, counter, json_integer_value(value));
		first = false;
	}
	if (first)
		fputc('\n', out);
}

static void print_show_interface(const json_t *result, FILE *out)
{
	const json_t *iface;
	int owed = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(columns); i++)
		print_centred(out, &owed, columns[i].title, columns[i].width);
	fputc('\n', out);
	json_array_foreach ((json_t *)(uintptr_t)result, i, iface)
		print_iface(iface, out);
}

/* --- show hardware-interfaces --- */

static void print_show_hardware(const json_t *result, FILE *out)
{
	const json_t *iface;
	size_t i;

	fprintf(out, "%-32s%5s   %-6s%s\n", "Name", "Idx", "Link", "Hardware");
	json_array_foreach ((json_t *)(uintptr_t)result, i, iface) {
		const char *name = json_string_value(json_object_get(iface, "name"));

		fprintf(out, "%-32s%5" JSON_INTEGER_FORMAT "   %-6s%s\n", name,
			json_integer_value(json_object_get(iface, "index")),
			json_string_value(json_object_get(iface, "state")), name);
		fprintf(out, "  %s\n  Ethernet address %s\n  MTU %" JSON_INTEGER_FORMAT "\n",
			json_string_value(json_object_get(iface, "kind")),
			json_string_value(json_object_get(iface, "mac")),
			json_integer_value(json_object_get(iface, "mtu")));
	}
}

/* --- show errors --- */

/* Interfaces at which it happened. */
static json_t *error_interfaces(const struct ports *ports, enum drop reason)
{
	json_t *o = json_object();
	struct iface_counters c;

	for (const struct iface *i = iface_next(ports->config.ifaces, 0); i;
		i = iface_next(ports->config.ifaces, i->idx + 1)) {
		iface_counters_sum(ports->config.ifaces, i, &c);
		if (c.drops[reason] > 0)
			json_object_set_new(o, i->name, json_integer((json_int_t)c.drops[reason]));
	}
	return o;
}

static int run_show_errors(struct ctl_call *call)
{
	const struct ports *ports = call->subject;

	call->result = json_array();
	for (int r = DROP_NONE + 1; r < DROP_COUNT; r++) {
		enum drop reason = (enum drop)r;
		uint64_t n = iface_drops_sum(ports->config.ifaces, reason);
		json_t *row;

		if (n == 0)
			continue;
		row = json_pack("{s:I, s:s, s:s, s:s, s:s}", "count", (json_int_t)n, "node",
			drop_node(reason), "reason", drop_name(reason), "text", drop_text(reason), "severity",
			drop_is_loss(reason) ? "error" : "info");
		if (ctl_has(call, "verbose"))
			json_object_set_new(row, "interfaces", error_interfaces(ports, reason));
		json_array_append_new(call->result, row);
	}
	return 0;
}

static void print_error(const json_t *row, FILE *out)
{
	const json_t *n;
	const char *name;
	char reason[128];

	snprintf(reason, sizeof(reason), "%s: %s", json_string_value(json_object_get(row, "reason")),
		json_string_value(json_object_get(row, "text")));
	fprintf(out, "%10" JSON_INTEGER_FORMAT "   %-20s%-76s%s\n",
		json_integer_value(json_object_get(row, "count")),
		json_string_value(json_object_get(row, "node")), reason,
		json_string_value(json_object_get(row, "severity")));
	json_object_foreach (json_object_get(row, "interfaces"), name, n)
		fprintf(out, "%10" JSON_INTEGER_FORMAT "     at %s\n", json_integer_value(n), name);
}

static void print_show_errors(const json_t *result, FILE *out)
{
	const json_t *row;
	size_t i;

	fprintf(out, "%10s   %-20s%-76s%s\n", "Count", "Node", "Reason", "Severity");
	json_array_foreach ((json_t *)(uintptr_t)result, i, row)
		print_error(row, out);
}

/* --- changing things --- */

static int run_clear(struct ctl_call *call)
{
	iface_counters_clear(((struct ports *)call->subject)->config.ifaces);
	return 0;
}

/* The port that was named; local0 is an interface without one. */
static struct port *named_port(struct ctl_call *call)
{
	struct port *port = ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0));

	if (!port)
		ctl_fail(call,
			"local0 belongs to the program itself and cannot be changed: name another interface");
	return port;
}

static int run_set_state(struct ctl_call *call)
{
	struct port *port = named_port(call);

	if (!port)
		return -1;
	__atomic_store_n(
		&port->iface.up, strcmp(ctl_str(call, "state", "down"), "up") == 0, __ATOMIC_RELAXED);
	ports_wake(port->ports);
	return 0;
}

static int run_set_mtu(struct ctl_call *call)
{
	struct port *port = named_port(call);
	uint64_t mtu = ctl_u64(call, "mtu", 0);

	if (!port)
		return -1;
	if (mtu < IFACE_MTU_MIN || mtu > IFACE_MTU_MAX)
		return ctl_fail(call, "an MTU is a number of bytes from %d to %d, behind the Ethernet header",
			IFACE_MTU_MIN, IFACE_MTU_MAX);
	__atomic_store_n(&port->iface.mtu, (uint32_t)mtu, __ATOMIC_RELAXED);
	return 0;
}

static int run_set_name(struct ctl_call *call)
{
	const struct ports *ports = call->subject;
	struct port *port = named_port(call);
	const char *name = ctl_str(call, "name", "");

	if (!port)
		return -1;
	switch (iface_rename(ports->config.ifaces, &port->iface, name)) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(call, "another interface is called %s: choose another name", name);
	default:
		return ctl_fail(call, "a name is 1 to %d visible characters", IFACE_NAME_LEN - 1);
	}
}

static const struct ctl_command commands[] = {
	{"show interface [<interface:interface>]", "Interfaces, their state and counters", run_show_interface,
		print_show_interface},
	{"show hardware-interfaces [<interface:interface>]", "Interfaces and what stands behind them",
		run_show_interface, print_show_hardware},
	{"show errors [verbose]", "Dropped packets by reason, and at which interfaces", run_show_errors,
		print_show_errors},
	{"clear interfaces", "Set the counters of all interfaces to zero", run_clear, NULL},
	{"clear hardware-interfaces", "Set the counters of all interfaces to zero", run_clear, NULL},
	{"clear errors", "Set the counters of all interfaces to zero, drops by reason included", run_clear,
		NULL},
	{"set interface state <interface:interface> <state:{up|down}>",
		"Let packets through an interface, or none", run_set_state, NULL},
	{"set interface mtu [packet] <mtu:u32> <interface:interface>",
		"Largest packet that leaves through an interface, in bytes behind the Ethernet header",
		run_set_mtu, NULL},
	{"set interface name <interface:interface> <name:word>", "Call an interface by another name",
		run_set_name, NULL},
	{0},
};

const struct ctl_table interface_commands = {commands};
