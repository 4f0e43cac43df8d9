/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"
#include "ip/service.h"
#include "tunnel/vxlan.h"
#include "wire/vxlan.h"

#include <errno.h>

static bool read_ends(struct ctl_call *call, struct vxlan_ends *ends)
{
	uint64_t vni = ctl_u64(call, "vni", 0);

	ends->vni = (uint32_t)vni;
	if (!ip_addr_parse(ctl_str(call, "src", ""), &ends->src) ||
		!ip_addr_parse(ctl_str(call, "dst", ""), &ends->dst) || ends->src.ip6 != ends->dst.ip6) {
		ctl_fail(call, "src and dst are of different kinds: give two addresses of IPv4, or of IPv6");
		return false;
	}
	if (ip_addr_is_multicast(&ends->dst)) {
		ctl_fail(call, "%s is a group: give the address of the other end", ctl_str(call, "dst", ""));
		return false;
	}
	if (vni > VXLAN_VNI_MAX) {
		ctl_fail(call, "%u is too large for a vni: give at most %u", ends->vni, VXLAN_VNI_MAX);
		return false;
	}
	return true;
}

static int run_del(struct ctl_call *call, const struct vxlan_ends *ends)
{
	struct vxlan *v = vxlan_find(call->subject, ends);

	if (!v)
		return ctl_fail(call, "there is no such tunnel: see show vxlan tunnel");
	call->result = json_string(v->port.iface.name); /* which one it was */
	port_remove(&v->port);
	return 0;
}

static int run_tunnel(struct ctl_call *call)
{
	int32_t instance = ctl_has(call, "instance") ? (int32_t)ctl_u64(call, "instance", 0) : -1;
	struct vxlan_ends ends;
	struct vxlan *v;

	if (!read_ends(call, &ends))
		return -1;
	if (ctl_has(call, "del"))
		return run_del(call, &ends);
	switch (vxlan_create(call->subject, &ends, instance, &v)) {
	case 0:
		call->result = json_string(v->port.iface.name);
		return 0;
	case -EEXIST:
		return ctl_fail(call,
			"there is a tunnel between these ends already, or one of that instance: see "
			"show vxlan tunnel");
	case -ENOSPC:
		return ctl_fail(call, "there are too many tunnels or interfaces: delete one first");
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int run_delete(struct ctl_call *call)
{
	const struct vxlans *vs = call->subject;
	struct vxlan *v = vxlan_of(ports_get(vs->ports, (uint32_t)ctl_u64(call, "interface", 0)));

	if (!v)
		return ctl_fail(call, "that is no tunnel: see show vxlan tunnel");
	port_remove(&v->port);
	return 0;
}

static json_t *tunnel_json(const struct vxlan *v)
{
	char src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE];
	const struct iface *underlay =
		v->underlay ? iface_get(v->port.ports->config.ifaces, v->underlay) : NULL;

	return json_pack("{s:s, s:i, s:s, s:s, s:I, s:s?}", "interface", v->port.iface.name, "sw_if_index",
		(int)v->port.iface.idx, "src", ip_addr_format(src, &v->ends.src), "dst",
		ip_addr_format(dst, &v->ends.dst), "vni", (json_int_t)v->ends.vni, "underlay",
		underlay ? underlay->name : NULL);
}

static int run_show(struct ctl_call *call)
{
	const struct vxlans *vs = call->subject;
	struct port *port;

	call->result = json_array();
	list_for_each (port, &vs->ports->list, link)
		if (vxlan_of(port))
			json_array_append_new(call->result, tunnel_json(vxlan_of(port)));
	return 0;
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *t;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, t) {
		const char *underlay = json_string_value(json_object_get(t, "underlay"));

		fprintf(out, "%s src %s dst %s vni %" JSON_INTEGER_FORMAT " over %s\n",
			json_string_value(json_object_get(t, "interface")),
			json_string_value(json_object_get(t, "src")),
			json_string_value(json_object_get(t, "dst")),
			json_integer_value(json_object_get(t, "vni")),
			underlay ? underlay : "nothing: no interface has the source address");
	}
}

static const struct ctl_command commands[] = {
	{"create vxlan tunnel src <src:ip> dst <dst:ip> vni <vni:u32> [instance <instance:u16>] [del]",
		"Make an interface whose frames travel in UDP to another end", run_tunnel, NULL},
	{"delete vxlan tunnel <interface:interface>", "Remove a tunnel", run_delete, NULL},
	{"show vxlan tunnel", "Which tunnels there are", run_show, print_show},
	{0},
};

const struct ctl_table vxlan_commands = {commands};
