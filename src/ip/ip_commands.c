/* SPDX-License-Identifier: Apache-2.0 */
/* The router's words, in VPP's grammar. */
#include "ip/ip_private.h"
#include "ip/own.h"
#include "ip/show.h"

#include <errno.h>
#include <inttypes.h>

/* In one command: a second or two. */
#define ROUTES_AT_ONCE 1000000u

static struct iface *named_iface(struct ctl_call *call)
{
	const struct ip *ip = call->subject;
	struct iface *iface = iface_get(ip->ifaces, (uint32_t)ctl_u64(call, "interface", 0));

	if (iface && iface->idx != 0)
		return iface;
	ctl_fail(call, "local0 carries no packets: name another interface");
	return NULL;
}

static struct ip_prefix named_prefix(const struct ctl_call *call)
{
	struct ip_prefix prefix = {0};

	ip_prefix_parse(ctl_str(call, "prefix", ""), &prefix);
	return prefix;
}

static uint32_t named_table(const struct ctl_call *call)
{
	return (uint32_t)ctl_u64(call, "table", 0);
}

/* --- interfaces --- */

static int del_addr(struct ctl_call *call, struct iface *iface, const struct ip_prefix *prefix)
{
	if (ip_iface_del_addr(call->subject, iface, prefix) == 0)
		return 0;
	return ctl_fail(call, "%s has no address %s: see show interface addr", iface->name,
		ctl_str(call, "prefix", ""));
}

/* A member of a bridge has its addresses at the bridge's BVI. */
static bool is_bridged(const struct iface *iface)
{
	return iface_mode(iface) == IFACE_MODE_XCONNECT ||
	       (iface_mode(iface) == IFACE_MODE_BRIDGE && strcmp(iface->kind, "loopback") != 0);
}

static int run_addr(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);
	struct ip_prefix prefix = named_prefix(call);
	const char *text = ctl_str(call, "prefix", "");

	if (!iface)
		return -1;
	if (ctl_has(call, "del"))
		return del_addr(call, iface, &prefix);
	if (is_bridged(iface))
		return ctl_fail(call,
			"%s is bridged or cross-connected: give the address to the bridge's BVI (create "
			"loopback interface), or take it out first, with set interface l3 %s",
			iface->name, iface->name);
	switch (ip_iface_add_addr(call->subject, iface, &prefix)) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(
			call, "%s, or its network, is an interface's already: see show interface addr", text);
	case -EINVAL:
		return ctl_fail(call,
			"%s is no address that a station can have: give one of the network's "
			"middle, with a length",
			text);
	case -ENOSPC:
		return ctl_fail(call, "%s has %d addresses already, or the table of routes is full",
			iface->name, IP_ADDRS_MAX);
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int run_del_addr(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);
	struct ip_prefix prefix = named_prefix(call);

	if (!iface)
		return -1;
	if (!ctl_has(call, "all"))
		return del_addr(call, iface, &prefix);
	ip_iface_clear(call->subject, iface);
	return 0;
}

static int run_iface_table(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);
	uint32_t table = named_table(call);

	if (!iface)
		return -1;
	switch (ip_iface_set_table(call->subject, iface, table)) {
	case 0:
		return 0;
	case -ENOENT:
		return ctl_fail(call, "there is no table %" PRIu32 ": make it with ip table add %" PRIu32,
			table, table);
	case -EBUSY:
		return ctl_fail(call,
			"%s has addresses: remove them first, with set interface ip address del %s all",
			iface->name, iface->name);
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int change(struct ctl_call *call, enum own_setting setting, bool on)
{
	struct iface *iface = named_iface(call);

	if (!iface)
		return -1;
	if (own_set(iface, setting, on) == 0)
		return 0;
	return ctl_fail(call, "%s has no address: give it one with set interface ip address", iface->name);
}

static int run_proxy_arp(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);

	if (!iface)
		return -1;
	if (ctl_has(call, "disable") && !iface->l3)
		return 0; /* it does not */
	return change(call, OWN_PROXY_ARP, !ctl_has(call, "disable"));
}

static int run_nd(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);

	if (!iface)
		return -1;
	if (ctl_has(call, "default"))
		return iface->l3 ? change(call, OWN_RA, own_ra_default(iface)) : 0;
	return change(call, OWN_RA, ctl_has(call, "no"));
}

/* --- routes --- */

static int run_table(struct ctl_call *call)
{
	switch (ip_table_add(call->subject, named_table(call))) {
	case 0:
		return 0;
	case -ENOSPC:
		return ctl_fail(call, "there are %d tables already: delete one first", IP_TABLES_MAX);
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int run_del_table(struct ctl_call *call)
{
	uint32_t table = named_table(call);

	switch (ip_table_del(call->subject, table)) {
	case 0:
		return 0;
	case -ENOENT:
		return ctl_fail(call, "there is no table %" PRIu32 ": see show ip table", table);
	default:
		return ctl_fail(
			call, "table %" PRIu32 " is in use: move its interfaces to another first", table);
	}
}

/* False after ctl_fail(). */
static bool read_path(struct ctl_call *call, struct ip_path *path)
{
	const struct ip *ip = call->subject;
	uint64_t weight = ctl_u64(call, "weight", 1);

	*path = (struct ip_path){.drop = ctl_has(call, "drop"), .has_via = ctl_has(call, "next-hop")};
	if (path->has_via)
		ip_addr_parse(ctl_str(call, "next-hop", ""), &path->via);
	if (ctl_has(call, "interface"))
		path->iface = iface_get(ip->ifaces, (uint32_t)ctl_u64(call, "interface", 0));
	if (weight == 0 || weight > UINT8_MAX) {
		ctl_fail(call, "a weight is a number from 1 to %d", UINT8_MAX);
		return false;
	}
	path->weight = (uint8_t)weight;
	return true;
}

/* The network behind this one; the first one again after the last. */
static void next_network(struct ip_prefix *p)
{
	uint32_t at = p->len ? (p->len - 1u) / 8 : 0, step = p->len ? 0x80u >> (p->len - 1) % 8 : 0;

	for (;; step = 1) {
		step += p->addr.bytes[at];
		p->addr.bytes[at] = (uint8_t)step;
		if (step <= UINT8_MAX || at-- == 0)
			return;
	}
}

static int add_routes(struct ctl_call *call, const struct ip_path *path)
{
	struct ip_prefix prefix = ip_prefix_network(named_prefix(call));
	int err = 0;

	for (uint64_t left = ctl_u64(call, "count", 1); left > 0 && err == 0; left--) {
		err = ip_route_add(call->subject, named_table(call), &prefix, path);
		next_network(&prefix);
	}
	return err;
}

static int run_route_add(struct ctl_call *call)
{
	const char *text = ctl_str(call, "prefix", "");
	struct ip_path path;

	if (!read_path(call, &path))
		return -1;
	if (ctl_u64(call, "count", 1) > ROUTES_AT_ONCE)
		return ctl_fail(call, "a count is a number up to %u: everything else waits meanwhile",
			ROUTES_AT_ONCE);
	switch (add_routes(call, &path)) {
	case 0:
		return 0;
	case -ENOENT:
		return ctl_fail(call, "there is no table %" PRIu32 ": make it with ip table add %" PRIu32,
			named_table(call), named_table(call));
	case -ENETUNREACH:
		return ctl_fail(call,
			"%s is in no network of this table's interfaces: see show interface addr",
			ctl_str(call, "next-hop", "the gateway"));
	case -EEXIST:
		return ctl_fail(call,
			"%s has this path already, or is an interface's own network: see show ip fib", text);
	case -EINVAL:
		return ctl_fail(call,
			"%s cannot go there: the gateway must be of its kind, the interface have an "
			"address in this table",
			text);
	case -ENOSPC:
		return ctl_fail(call,
			"a table is full (routes behind /24, gateways, or paths of one route): delete some");
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int run_route_del(struct ctl_call *call)
{
	struct ip_prefix prefix = named_prefix(call);
	const char *text = ctl_str(call, "prefix", "");
	struct ip_path path;
	bool all = !ctl_has(call, "next-hop") && !ctl_has(call, "interface") && !ctl_has(call, "drop");

	if (!read_path(call, &path))
		return -1;
	switch (ip_route_del(call->subject, named_table(call), &prefix, all ? NULL : &path)) {
	case 0:
		return 0;
	case -EBUSY:
		return ctl_fail(call, "%s belongs to an interface: it goes with its address", text);
	default:
		return ctl_fail(call, "there is no such route to %s: see show ip fib", text);
	}
}

/* --- neighbours --- */

static int run_neigh(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);
	struct ip_addr addr;
	uint8_t mac[MAC_LEN];

	if (!iface)
		return -1;
	ip_addr_parse(ctl_str(call, "address", ""), &addr);
	ctl_mac(call, "mac", mac);
	if (mac_is_group(mac_load(mac)))
		return ctl_fail(call, "%s is a group address: give one station's", ctl_str(call, "mac", ""));
	switch (ip_neigh_set(call->subject, iface, &addr, mac_load(mac), ctl_has(call, "static"))) {
	case 0:
		return 0;
	case -EINVAL:
		return ctl_fail(call, "%s is no neighbour of %s: see show interface addr",
			ctl_str(call, "address", ""), iface->name);
	default:
		return ctl_fail(call, "there are too many neighbours: delete some, see show ip neighbors");
	}
}

static int run_neigh_del(struct ctl_call *call)
{
	struct iface *iface = named_iface(call);
	struct ip_addr addr;

	if (!iface)
		return -1;
	ip_addr_parse(ctl_str(call, "address", ""), &addr);
	if (ip_neigh_del(call->subject, iface, &addr) == 0)
		return 0;
	return ctl_fail(call, "%s does not know %s: see show ip neighbors", iface->name,
		ctl_str(call, "address", ""));
}

static const struct ctl_command commands[] = {
	{"set interface ip address <interface:interface> <prefix:prefix> [del]",
		"Give an interface an address of IPv4 or IPv6: it becomes one of the router's", run_addr,
		NULL},
	{"set interface ip address del <interface:interface> {all|<prefix:prefix>}",
		"Take one address of an interface away, or all", run_del_addr, NULL},
	{"set interface ip table <interface:interface> <table:u32>",
		"Put an interface that has no address yet into another table of routes", run_iface_table,
		NULL},
	{"set interface proxy-arp <interface:interface> [enable|disable]",
		"Answer ARP for what there is a route to elsewhere", run_proxy_arp, NULL},
	{"ip6 nd <interface:interface> [no|default] ra-suppress",
		"Send no router advertisements, or send them; by default loopback interfaces do", run_nd,
		NULL},
	{"show interface addr [<interface:interface>]", "Interfaces and their addresses", ip_show_addr,
		ip_print_addr},
	{"ip route add <prefix:prefix> [table <table:u32>] [count <count:u32>] "
	 "{via {<next-hop:ip> [<interface:interface>]|<interface:interface>} [weight <weight:u32>]|drop}",
		"Send packets for a network to a neighbour, one more of several by weight, or drop them; "
		"count: so many "
		"networks that follow each other",
		run_route_add, NULL},
	{"ip route del <prefix:prefix> [table <table:u32>] "
	 "[via {<next-hop:ip> [<interface:interface>]|<interface:interface>}|drop]",
		"Forget one way to a network, or all", run_route_del, NULL},
	{"ip table add <table:u32>", "Make a table of routes of its own (VRF)", run_table, NULL},
	{"ip table del <table:u32>", "Remove a table of routes that no interface uses", run_del_table, NULL},
	{"show ip table", "The tables of routes", ip_show_tables, ip_print_tables},
	{"show ip fib [summary] [table <table:u32>] [<address:ip>]",
		"Routes of IPv4: all, how many, or the one for an address", ip_show_fib4, ip_print_fib},
	{"show ip6 fib [summary] [table <table:u32>] [<address:ip>]",
		"Routes of IPv6: all, how many, or the one for an address", ip_show_fib6, ip_print_fib},
	{"set ip neighbor <interface:interface> <address:ip> <mac:mac> [static]",
		"Say which MAC address a neighbour has", run_neigh, NULL},
	{"set ip neighbor del <interface:interface> <address:ip>", "Forget a neighbour", run_neigh_del, NULL},
	{"show ip neighbors [<interface:interface>]",
		"Stations on the router's networks and their MAC addresses", ip_show_neighbors,
		ip_print_neighbors},
	{"show ip6 neighbors [<interface:interface>]", "The same", ip_show_neighbors, ip_print_neighbors},
	{0},
};

const struct ctl_table ip_commands = {commands};
