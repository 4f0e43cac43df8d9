/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/topology.h"

#include "bridge/xconnect.h"
#include "ip/show.h"
#include "prog/commands.h"

#include <inttypes.h>
#include <string.h>

/* --- facts --- */

static json_t *tunnel_json(const struct vxlan *v)
{
	char src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:I}", "src", ip_addr_format(src, &v->ends.src), "dst",
		ip_addr_format(dst, &v->ends.dst), "vni", (json_int_t)v->ends.vni);
}

/* What the router has there: addresses, and stations that routes lead to. A BVI has both, in a bridge. */
static void add_router(json_t *o, const struct iface *iface, const json_t *gateways)
{
	json_t *via = json_object_get(gateways, iface->name);

	if (!iface->l3)
		return;
	json_object_set_new(o, "addresses", ip_addresses(iface));
	if (via)
		json_object_set(o, "gateways", via);
}

/* An interface and where its packets go: "place" is bridge, wire, router or nowhere. */
static json_t *interface_json(const struct rooms *rooms, struct iface *iface, const json_t *gateways)
{
	struct port *port = ports_get(rooms->ports, iface->idx);
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", iface->name, "kind", iface->kind, "state",
		iface_is_up(iface) ? "up" : "down");
	const struct iface *to = xconnect_target(iface);
	uint32_t bd_id;

	if (port)
		json_object_set_new(o, "connected", json_boolean(port->ops->connected(port)));
	if (port && vxlan_of(port))
		json_object_set_new(o, "tunnel", tunnel_json(vxlan_of(port)));
	add_router(o, iface, gateways);
	if (bridge_domain_of(iface, &bd_id)) {
		json_object_set_new(o, "place", json_string("bridge"));
		json_object_set_new(o, "bridge", json_integer(bd_id));
	} else if (iface_mode(iface) == IFACE_MODE_XCONNECT) {
		json_object_set_new(o, "place", json_string("wire"));
		json_object_set_new(o, "to", to ? json_string(to->name) : json_null());
		json_object_set_new(o, "lossless", json_boolean(iface_is_lossless(iface)));
	} else {
		json_object_set_new(
			o, "place", json_string(iface_mode(iface) == IFACE_MODE_NONE ? "nowhere" : "router"));
	}
	return o;
}

/* Without local0, which is the program itself. */
static int run_show_topology(struct ctl_call *call)
{
	const struct rooms *rooms = call->subject;
	json_t *gateways = ip_gateways(rooms->ip);

	call->result = json_array();
	for (struct iface *i = iface_next(rooms->ifaces, 1); i; i = iface_next(rooms->ifaces, i->idx + 1))
		json_array_append_new(call->result, interface_json(rooms, i, gateways));
	json_decref(gateways);
	return 0;
}

static const char *str(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_int_t bridge_of(const json_t *interface)
{
	return strcmp(str(interface, "place"), "bridge") == 0
		       ? json_integer_value(json_object_get(interface, "bridge"))
		       : -1;
}

static const char *condition(const json_t *interface)
{
	if (strcmp(str(interface, "state"), "up") != 0)
		return "down";
	return json_is_false(json_object_get(interface, "connected")) ? "up, nobody connected" : "up";
}

/* --- text --- */

static void print_list(const json_t *o, const char *key, const char *title, FILE *out)
{
	const json_t *text;
	size_t i;

	json_array_foreach (json_object_get(o, key), i, text)
		fprintf(out, "%s%s", i ? ", " : title, json_string_value(text));
	if (json_array_size(json_object_get(o, key)) > 0)
		fputc('\n', out);
}

static void print_interface(const json_t *i, FILE *out)
{
	const json_t *tunnel = json_object_get(i, "tunnel");

	fprintf(out, "  %-32s %-16s %s\n", str(i, "name"), str(i, "kind"), condition(i));
	if (tunnel)
		fprintf(out, "      from %s to %s, vni %" JSON_INTEGER_FORMAT "\n", str(tunnel, "src"),
			str(tunnel, "dst"), json_integer_value(json_object_get(tunnel, "vni")));
	print_list(i, "addresses", "      ", out);
	print_list(i, "gateways", "      routes via ", out);
}

/* The least domain above the given one; -1: there is none. */
static json_int_t next_bridge(const json_t *interfaces, json_int_t after)
{
	json_int_t least = -1;
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)interfaces, i, o)
		if (bridge_of(o) > after && (least < 0 || bridge_of(o) < least))
			least = bridge_of(o);
	return least;
}

static void print_place(const json_t *interfaces, const char *place, const char *title, FILE *out)
{
	bool first = true;
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)interfaces, i, o) {
		if (strcmp(str(o, "place"), place) != 0)
			continue;
		if (first)
			fprintf(out, "%s\n", title);
		first = false;
		print_interface(o, out);
	}
}

static void print_bridge(const json_t *interfaces, json_int_t bd_id, FILE *out)
{
	const json_t *o;
	size_t i;

	fprintf(out, "bridge domain %" JSON_INTEGER_FORMAT "\n", bd_id);
	json_array_foreach ((json_t *)(uintptr_t)interfaces, i, o)
		if (bridge_of(o) == bd_id)
			print_interface(o, out);
}

static void print_wires(const json_t *interfaces, FILE *out)
{
	bool first = true;
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)interfaces, i, o) {
		if (strcmp(str(o, "place"), "wire") != 0)
			continue;
		fprintf(out, "%s  %s > %s%s: %s, %s\n", first ? "wires\n" : "", str(o, "name"),
			*str(o, "to") ? str(o, "to") : "nobody",
			json_is_true(json_object_get(o, "lossless")) ? ", lossless" : "", str(o, "kind"),
			condition(o));
		first = false;
	}
}

static void print_show_topology(const json_t *result, FILE *out)
{
	for (json_int_t b = next_bridge(result, -1); b >= 0; b = next_bridge(result, b))
		print_bridge(result, b, out);
	print_wires(result, out);
	print_place(result, "router", "router", out);
	print_place(result, "nowhere", "nowhere", out);
}

/* --- for Graphviz --- */

static void print_dot_node(const json_t *o, FILE *out)
{
	const json_t *address;
	size_t i;

	fprintf(out, "\t\"%s\" [shape=box, style=%s, label=\"%s\\n%s, %s", str(o, "name"),
		strcmp(condition(o), "up") == 0 ? "solid" : "dashed", str(o, "name"), str(o, "kind"),
		condition(o));
	json_array_foreach (json_object_get(o, "addresses"), i, address)
		fprintf(out, "\\n%s", json_string_value(address));
	fputs("\"];\n", out);
}

/* Stations behind an interface: those that routes lead to, and a tunnel's other end. */
static void print_dot_stations(const json_t *o, FILE *out)
{
	const json_t *tunnel = json_object_get(o, "tunnel"), *via;
	size_t i;

	json_array_foreach (json_object_get(o, "gateways"), i, via)
		fprintf(out, "\t\"%s\" -> \"%s\";\n", str(o, "name"), json_string_value(via));
	if (tunnel)
		fprintf(out,
			"\t\"%s\" -> \"%s\" [dir=both, style=dashed, label=\"vni %" JSON_INTEGER_FORMAT
			"\"];\n",
			str(o, "name"), str(tunnel, "dst"),
			json_integer_value(json_object_get(tunnel, "vni")));
	if (json_object_get(o, "addresses") && strcmp(str(o, "place"), "router") != 0)
		fprintf(out, "\t\"%s\" -> \"router\" [dir=both];\n", str(o, "name"));
}

static void print_dot_edge(const json_t *o, FILE *out)
{
	const char *place = str(o, "place");

	if (strcmp(place, "nowhere") == 0 || (strcmp(place, "wire") == 0 && !*str(o, "to")))
		return;
	fprintf(out, "\t\"%s\" -> ", str(o, "name"));
	if (strcmp(place, "bridge") == 0)
		fprintf(out, "\"bridge domain %" JSON_INTEGER_FORMAT "\" [dir=both];\n", bridge_of(o));
	else if (strcmp(place, "wire") == 0)
		fprintf(out, "\"%s\";\n", str(o, "to"));
	else
		fputs("\"router\" [dir=both];\n", out);
}

static void print_show_topology_dot(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	fputs("digraph ginnel {\n\tnode [fontname=sans];\n", out);
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_dot_node(o, out);
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_dot_edge(o, out);
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_dot_stations(o, out);
	fputs("}\n", out);
}

static const struct ctl_command rows[] = {
	{"show topology",
		"What is connected with what: bridge domains, wires, the router, and stations that routes "
		"lead to",
		run_show_topology, print_show_topology},
	{"show topology dot", "The same for Graphviz: ginnel show topology dot | dot -Tsvg",
		run_show_topology, print_show_topology_dot},
	{0},
};

const struct ctl_table topology_commands = {rows};
