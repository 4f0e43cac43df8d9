/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/show.h"

#include "ip/ip_private.h"

#include <inttypes.h>
#include <stdlib.h>

/* Routes in one answer: control makes it at a stretch. */
#define ROUTES_SHOWN 4096

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_int_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* --- show interface addr --- */

json_t *ip_addresses(const struct iface *iface)
{
	const struct ip_iface *l3 = iface->l3;
	json_t *addrs = json_array();
	char text[PREFIX_TEXT_SIZE];

	for (uint32_t i = 0; l3 && i < l3->n_addrs; i++)
		json_array_append_new(addrs, json_string(ip_prefix_format(text, &l3->addrs[i])));
	return addrs;
}

static json_t *iface_json(const struct iface *iface)
{
	const struct ip_iface *l3 = iface->l3;
	json_t *o = json_pack(
		"{s:s, s:s}", "interface", iface->name, "state", iface_is_up(iface) ? "up" : "down");
	char text[PREFIX_TEXT_SIZE];

	json_object_set_new(o, "addresses", ip_addresses(iface));
	if (l3) {
		json_object_set_new(o, "table", json_integer(l3->table->id));
		json_object_set_new(o, "proxy-arp", json_boolean(l3->proxy_arp));
		json_object_set_new(o, "router-advertisements", json_boolean(l3->ra && l3->ip6));
		json_object_set_new(o, "conflicts",
			json_integer(__atomic_load_n(&l3->state->conflicts, __ATOMIC_RELAXED)));
	}
	if (l3 && l3->ip6)
		json_object_set_new(o, "link-local", json_string(ip_addr_format(text, &l3->link_local)));
	return o;
}

int ip_show_addr(struct ctl_call *call)
{
	const struct ip *ip = call->subject;
	bool one = ctl_has(call, "interface");

	call->result = json_array();
	for (const struct iface *i = iface_next(ip->ifaces, 0); i; i = iface_next(ip->ifaces, i->idx + 1))
		if (!one || i->idx == ctl_u64(call, "interface", 0))
			json_array_append_new(call->result, iface_json(i));
	return 0;
}

void ip_print_addr(const json_t *result, FILE *out)
{
	const json_t *o, *addr;
	size_t i, k;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o) {
		fprintf(out, "%s (%s):\n", str(o, "interface"), str(o, "state"));
		json_array_foreach (json_object_get(o, "addresses"), k, addr)
			if (num(o, "table"))
				fprintf(out, "  L3 %s ip4 table-id %" JSON_INTEGER_FORMAT "\n",
					json_string_value(addr), num(o, "table"));
			else
				fprintf(out, "  L3 %s\n", json_string_value(addr));
		if (json_object_get(o, "link-local"))
			fprintf(out, "  L3 %s/64 link-local\n", str(o, "link-local"));
		if (num(o, "conflicts"))
			fprintf(out,
				"  %" JSON_INTEGER_FORMAT
				" times another station claimed an address of these\n",
				num(o, "conflicts"));
	}
}

/* --- show ip fib --- */

static const char *const kind_names[] = {
	[HOP_NO_ROUTE] = "none",
	[HOP_BLACKHOLE] = "drop",
	[HOP_MARTIAN] = "martian",
	[HOP_LOCAL] = "local",
	[HOP_BROADCAST] = "broadcast",
	[HOP_MULTICAST] = "multicast",
	[HOP_LINK] = "link-local",
	[HOP_VIA] = "via",
	[HOP_CONNECTED] = "connected",
};

static json_t *path_json(const struct ip *ip, const struct hop *hop, uint8_t weight)
{
	json_t *o = json_pack("{s:s}", "kind", kind_names[hop->kind]);
	char text[IP_TEXT_SIZE];

	if (hop->kind == HOP_VIA)
		json_object_set_new(
			o, "next-hop", json_string(ip_addr_format(text, &ip->neighs.list[hop->neigh].addr)));
	if (hop->iface)
		json_object_set_new(o, "interface", json_string(hop->iface->name));
	if (weight)
		json_object_set_new(o, "weight", json_integer(weight));
	return o;
}

static json_t *route_json(const struct ip *ip, const struct ip_prefix *prefix, uint32_t idx)
{
	const struct hop *hop = &ip->hops.list[idx];
	json_t *paths = json_array();
	char text[PREFIX_TEXT_SIZE];

	if (hop->kind == HOP_GROUP)
		for (uint32_t i = 0; i < hop->n_paths; i++)
			json_array_append_new(
				paths, path_json(ip, &ip->hops.list[hop->paths[i]], hop->weights[i]));
	else
		json_array_append_new(paths, path_json(ip, hop, 0));
	return json_pack("{s:s, s:o}", "prefix", ip_prefix_format(text, prefix), "paths", paths);
}

struct row {
	struct ip_prefix prefix;
	uint32_t hop;
};

static int by_prefix(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = memcmp(x->prefix.addr.bytes, y->prefix.addr.bytes, IP6_LEN);

	return order ? order : (int)x->prefix.len - (int)y->prefix.len;
}

/* In order, the first ROUTES_SHOWN of them. */
static json_t *routes_json(const struct ip *ip, const struct lpm *fib, bool ip6)
{
	struct row *rows = calloc(fib->n + 1, sizeof(*rows));
	json_t *routes = json_array();
	struct lpm_cursor cursor = {.len = 0};
	uint32_t n = 0;

	for (; rows && n < fib->n; n++) {
		rows[n].prefix.addr.ip6 = ip6;
		if (!lpm_next(fib, &cursor, rows[n].prefix.addr.bytes, &rows[n].prefix.len, &rows[n].hop))
			break;
	}
	if (rows)
		qsort(rows, n, sizeof(*rows), by_prefix);
	for (uint32_t i = 0; i < min_u32(n, ROUTES_SHOWN); i++)
		json_array_append_new(routes, route_json(ip, &rows[i].prefix, rows[i].hop));
	free(rows);
	return routes;
}

static json_t *lengths_json(const struct lpm *fib)
{
	json_t *lengths = json_array();

	for (uint32_t len = 0; len <= fib->addr_len * 8u; len++)
		if (fib->n_by_len[len])
			json_array_append_new(lengths, json_pack("{s:i, s:i}", "length", (int)len, "routes",
							       (int)fib->n_by_len[len]));
	return lengths;
}

static json_t *lookup_json(const struct ip *ip, const struct lpm *fib, const struct ip_addr *addr)
{
	struct ip_prefix found = {.addr = *addr};
	uint32_t hop = lpm_find(fib, addr->bytes, &found.len);
	json_t *routes = json_array();

	found = ip_prefix_network(found);
	if (hop)
		json_array_append_new(routes, route_json(ip, &found, hop));
	return routes;
}

static int show_table(struct ctl_call *call, struct ip_table *t, bool ip6)
{
	const struct lpm *fib = ip_table_fib(t, ip6);
	json_t *o = json_pack("{s:I, s:s, s:I}", "table", (json_int_t)t->id, "family", ip6 ? "ipv6" : "ipv4",
		"routes", (json_int_t)fib->n);
	struct ip_addr addr;

	json_array_append_new(call->result, o);
	if (ctl_has(call, "address")) {
		ip_addr_parse(ctl_str(call, "address", ""), &addr);
		if (addr.ip6 != ip6)
			return ctl_fail(call, "%s is of the other kind: use show %s fib",
				ctl_str(call, "address", ""), ip6 ? "ip" : "ip6");
		json_object_set_new(o, "list", lookup_json(call->subject, fib, &addr));
	} else if (ctl_has(call, "summary")) {
		json_object_set_new(o, "lengths", lengths_json(fib));
		json_object_set_new(o, "memory", json_integer((json_int_t)lpm_memory(fib)));
	} else {
		json_object_set_new(o, "list", routes_json(call->subject, fib, ip6));
	}
	return 0;
}

static int show_fib(struct ctl_call *call, bool ip6)
{
	const struct ip *ip = call->subject;
	bool one = ctl_has(call, "table");
	uint32_t id = (uint32_t)ctl_u64(call, "table", 0);

	if (one && !ip_table_find(ip, id))
		return ctl_fail(
			call, "there is no table %" PRIu32 ": make it with ip table add %" PRIu32, id, id);
	call->result = json_array();
	for (uint32_t i = 0; i < ip->n_tables; i++)
		if ((!one || ip->tables[i]->id == id) && show_table(call, ip->tables[i], ip6) != 0)
			return -1;
	return 0;
}

int ip_show_fib4(struct ctl_call *call)
{
	return show_fib(call, false);
}

int ip_show_fib6(struct ctl_call *call)
{
	return show_fib(call, true);
}

static void print_path(const json_t *path, FILE *out)
{
	fputs(str(path, "kind"), out);
	if (json_object_get(path, "next-hop"))
		fprintf(out, " %s", str(path, "next-hop"));
	if (json_object_get(path, "interface"))
		fprintf(out, " %s", str(path, "interface"));
	if (num(path, "weight"))
		fprintf(out, " weight %" JSON_INTEGER_FORMAT, num(path, "weight"));
	fputc('\n', out);
}

static void print_routes(const json_t *table, FILE *out)
{
	const json_t *list = json_object_get(table, "list"), *route, *path;
	size_t i, k;

	json_array_foreach ((json_t *)(uintptr_t)list, i, route)
		json_array_foreach (json_object_get(route, "paths"), k, path) {
			fprintf(out, "%-44s ", k == 0 ? str(route, "prefix") : "");
			print_path(path, out);
		}
	if (json_array_size(list) == ROUTES_SHOWN)
		fprintf(out,
			"and more, %" JSON_INTEGER_FORMAT
			" in all: ask for one address, or for the summary\n",
			num(table, "routes"));
}

static void print_lengths(const json_t *table, FILE *out)
{
	const json_t *row;
	size_t i;

	fprintf(out, "%20s%20s\n", "Prefix length", "Count");
	json_array_foreach (json_object_get(table, "lengths"), i, row)
		fprintf(out, "%20" JSON_INTEGER_FORMAT "%20" JSON_INTEGER_FORMAT "\n", num(row, "length"),
			num(row, "routes"));
	fprintf(out, "%" JSON_INTEGER_FORMAT " bytes\n", num(table, "memory"));
}

void ip_print_fib(const json_t *result, FILE *out)
{
	const json_t *table;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, table) {
		fprintf(out, "%s-VRF:%" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " routes\n",
			str(table, "family"), num(table, "table"), num(table, "routes"));
		if (json_object_get(table, "lengths"))
			print_lengths(table, out);
		else
			print_routes(table, out);
	}
}

/* --- show ip neighbors --- */

static json_t *neigh_json(const struct ip *ip, const struct neigh *n)
{
	uint64_t word = neigh_word(n);
	char addr[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	json_t *o = json_pack("{s:s, s:s, s:I, s:s}", "address", ip_addr_format(addr, &n->addr), "interface",
		n->iface->name, "age", (json_int_t)(ip->now_ns / NS_PER_S - n->confirmed_s), "state",
		word & NEIGH_STATIC   ? "static"
		: word & NEIGH_KNOWN  ? "dynamic"
		: word & NEIGH_FAILED ? "failed"
				      : "incomplete");

	if (word & NEIGH_KNOWN)
		json_object_set_new(o, "mac", json_string(mac_format(mac, neigh_mac(word))));
	if (n->n_waiting)
		json_object_set_new(o, "packets-waiting", json_integer(n->n_waiting));
	return o;
}

int ip_show_neighbors(struct ctl_call *call)
{
	struct ip *ip = call->subject;
	bool one = ctl_has(call, "interface");

	call->result = json_array();
	lock_take(&ip->neighs.lock);
	for (uint32_t i = 1; i < ip->neighs.n; i++) {
		const struct neigh *n = &ip->neighs.list[i];

		if (n->listed && (!one || n->iface->idx == ctl_u64(call, "interface", 0)))
			json_array_append_new(call->result, neigh_json(ip, n));
	}
	lock_release(&ip->neighs.lock);
	return 0;
}

json_t *ip_gateways(struct ip *ip)
{
	json_t *all = json_object();
	char text[IP_TEXT_SIZE];

	lock_take(&ip->neighs.lock);
	for (uint32_t i = 1; i < ip->neighs.n; i++) {
		const struct neigh *n = &ip->neighs.list[i];

		if (!n->listed || n->refs == 0)
			continue;
		if (!json_object_get(all, n->iface->name))
			json_object_set_new(all, n->iface->name, json_array());
		json_array_append_new(
			json_object_get(all, n->iface->name), json_string(ip_addr_format(text, &n->addr)));
	}
	lock_release(&ip->neighs.lock);
	return all;
}

void ip_print_neighbors(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	fprintf(out, "%10s%40s%9s%20s   %s\n", "Age", "IP", "Flags", "Ethernet", "Interface");
	json_array_foreach ((json_t *)(uintptr_t)result, i, o) {
		const char *state = str(o, "state"), *mac = str(o, "mac");

		fprintf(out, "%10" JSON_INTEGER_FORMAT "%40s%9s%20s   %s\n", num(o, "age"), str(o, "address"),
			strcmp(state, "static") == 0    ? "S"
			: strcmp(state, "dynamic") == 0 ? "D"
			: strcmp(state, "failed") == 0  ? "F"
							: "I",
			*mac ? mac : "-", str(o, "interface"));
	}
}

/* --- show ip table --- */

int ip_show_tables(struct ctl_call *call)
{
	const struct ip *ip = call->subject;

	call->result = json_array();
	for (uint32_t i = 0; i < ip->n_tables; i++)
		json_array_append_new(
			call->result, json_pack("{s:I, s:I, s:I}", "table", (json_int_t)ip->tables[i]->id,
					      "ip4-routes", (json_int_t)ip->tables[i]->fib4.n, "ip6-routes",
					      (json_int_t)ip->tables[i]->fib6.n));
	return 0;
}

void ip_print_tables(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	fprintf(out, "%10s%14s%14s\n", "Table", "IPv4 routes", "IPv6 routes");
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		fprintf(out,
			"%10" JSON_INTEGER_FORMAT "%14" JSON_INTEGER_FORMAT "%14" JSON_INTEGER_FORMAT "\n",
			num(o, "table"), num(o, "ip4-routes"), num(o, "ip6-routes"));
}
