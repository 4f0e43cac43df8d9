/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router as a successor process needs it: tables, interfaces with their addresses, routes, neighbours. Routes may be
 * a million, and forwarding stands still while they are read: hops are an object each, a route is a record of digits.
 */
#include "ip/ip_private.h"
#include "ip/own.h"

#include "os/parcel.h"

#include <errno.h>
#include <stdlib.h>

/* Length of the prefix, its address, the number of its hop in the list. */
#define RECORD_LEN(addr_len) (1 + (addr_len) + 4u)

/* --- saving --- */

static json_t *iface_json(const struct iface *iface)
{
	const struct ip_iface *l3 = iface->l3;
	json_t *addrs = json_array();
	char text[PREFIX_TEXT_SIZE];

	for (uint32_t i = 0; i < l3->n_addrs; i++)
		json_array_append_new(addrs, json_string(ip_prefix_format(text, &l3->addrs[i])));
	return json_pack("{s:s, s:I, s:b, s:b, s:o}", "interface", iface->name, "table",
		(json_int_t)l3->table->id, "proxy-arp", (int)l3->proxy_arp, "router-advertisements",
		(int)l3->ra, "addresses", addrs);
}

static json_t *path_json(const struct ip *ip, const struct hop *hop, uint8_t weight)
{
	json_t *o = json_pack("{s:I}", "weight", (json_int_t)weight);
	char text[IP_TEXT_SIZE];

	if (hop->iface)
		json_object_set_new(o, "interface", json_string(hop->iface->name));
	if (hop->kind == HOP_VIA)
		json_object_set_new(
			o, "via", json_string(ip_addr_format(text, &ip->neighs.list[hop->neigh].addr)));
	return o;
}

/* Paths; none is a blackhole. */
static json_t *hop_json(const struct ip *ip, uint32_t idx)
{
	const struct hop *hop = &ip->hops.list[idx];
	json_t *paths = json_array();

	if (hop->kind == HOP_GROUP)
		for (uint32_t i = 0; i < hop->n_paths; i++)
			json_array_append_new(
				paths, path_json(ip, &ip->hops.list[hop->paths[i]], hop->weights[i]));
	else if (hop->kind != HOP_BLACKHOLE)
		json_array_append_new(paths, path_json(ip, hop, 1));
	return paths;
}

/* Numbers of hops in the saved list; 0: not there yet. */
struct hop_list {
	json_t *list;
	uint32_t *numbers;
};

static uint32_t hop_number(const struct ip *ip, struct hop_list *hops, uint32_t idx)
{
	if (hops->numbers[idx] == 0) {
		json_array_append_new(hops->list, hop_json(ip, idx));
		hops->numbers[idx] = (uint32_t)json_array_size(hops->list);
	}
	return hops->numbers[idx] - 1;
}

static json_t *fib_save(const struct ip *ip, struct ip_table *t, bool ip6, struct hop_list *hops)
{
	const struct lpm *fib = ip_table_fib(t, ip6);
	uint32_t record_len = RECORD_LEN(fib->addr_len), n = 0, hop;
	uint8_t *records = malloc((size_t)fib->n * record_len + 1);
	struct ip_prefix prefix = {.addr.ip6 = ip6};
	struct lpm_cursor cursor = {.len = 0};
	json_t *hex;

	while (records && lpm_next(fib, &cursor, prefix.addr.bytes, &prefix.len, &hop)) {
		uint8_t *record = records + (size_t)n * record_len;

		if (ip_is_house_route(ip, &prefix, hop))
			continue;
		record[0] = prefix.len;
		memcpy(record + 1, prefix.addr.bytes, fib->addr_len);
		be32_set(record + 1 + fib->addr_len, hop_number(ip, hops, hop));
		n++;
	}
	hex = records ? parcel_hex(records, (size_t)n * record_len) : json_null();
	free(records);
	return hex;
}

static json_t *tables_save(const struct ip *ip, struct hop_list *hops)
{
	json_t *tables = json_array();

	for (uint32_t i = 0; i < ip->n_tables; i++) {
		json_t *ip4 = fib_save(ip, ip->tables[i], false, hops);

		json_array_append_new(
			tables, json_pack("{s:I, s:o, s:o}", "id", (json_int_t)ip->tables[i]->id, "ip4", ip4,
					"ip6", fib_save(ip, ip->tables[i], true, hops)));
	}
	return tables;
}

static json_t *neigh_json(const struct neigh *n)
{
	char addr[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:b}", "interface", n->iface->name, "address",
		ip_addr_format(addr, &n->addr), "mac", mac_format(mac, neigh_mac(neigh_word(n))), "static",
		(int)!!(neigh_word(n) & NEIGH_STATIC));
}

static json_t *neighs_save(struct ip *ip)
{
	json_t *all = json_array();

	lock_take(&ip->neighs.lock);
	for (uint32_t i = 1; i < ip->neighs.n; i++)
		if (ip->neighs.list[i].listed && neigh_word(&ip->neighs.list[i]) & NEIGH_KNOWN)
			json_array_append_new(all, neigh_json(&ip->neighs.list[i]));
	lock_release(&ip->neighs.lock);
	return all;
}

bool ip_any(const struct ip *ip)
{
	for (const struct iface *i = iface_next(ip->ifaces, 0); i; i = iface_next(ip->ifaces, i->idx + 1))
		if (i->l3)
			return true;
	return false;
}

json_t *ip_save(struct ip *ip)
{
	struct hop_list hops = {.list = json_array(), .numbers = calloc(HOPS_MAX, sizeof(*hops.numbers))};
	json_t *ifaces = json_array(), *tables = hops.numbers ? tables_save(ip, &hops) : json_array();

	for (const struct iface *i = iface_next(ip->ifaces, 0); i; i = iface_next(ip->ifaces, i->idx + 1))
		if (i->l3)
			json_array_append_new(ifaces, iface_json(i));
	free(hops.numbers);
	return json_pack("{s:o, s:o, s:o, s:o}", "interfaces", ifaces, "hops", hops.list, "tables", tables,
		"neighbors", neighs_save(ip));
}

/* --- restoring; what names an interface that is not there is left out --- */

static struct iface *iface_of(const struct ip *ip, const json_t *o)
{
	return iface_by_name(ip->ifaces, parcel_str(o, "interface", ""));
}

static int iface_restore_addrs(struct ip *ip, struct iface *iface, const json_t *o)
{
	const json_t *text;
	struct ip_prefix prefix;
	size_t i;
	int err = ip_iface_set_table(ip, iface, (uint32_t)parcel_u64(o, "table", 0));

	json_array_foreach ((json_t *)(uintptr_t)json_object_get(o, "addresses"), i, text)
		if (!err && json_is_string(text))
			err = ip_prefix_parse(json_string_value(text), &prefix)
				      ? ip_iface_add_addr(ip, iface, &prefix)
				      : -EINVAL;
	if (err == 0)
		err = own_set(iface, OWN_PROXY_ARP, parcel_bool(o, "proxy-arp", false));
	if (err == 0)
		err = own_set(iface, OWN_RA, parcel_bool(o, "router-advertisements", false));
	return err;
}

static int ifaces_restore(struct ip *ip, const json_t *list)
{
	const json_t *o;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)list, i, o) {
		struct iface *iface = iface_of(ip, o);

		if (iface && !err)
			err = iface_restore_addrs(ip, iface, o);
	}
	return err;
}

static int neighs_restore(struct ip *ip, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, o) {
		struct iface *iface = iface_of(ip, o);
		struct ip_addr addr;
		uint64_t mac;

		/* one that is no neighbour any more is asked for when it is needed */
		if (iface && ip_addr_parse(parcel_str(o, "address", ""), &addr) &&
			mac_parse(parcel_str(o, "mac", ""), &mac))
			ip_neigh_set(ip, iface, &addr, mac, parcel_bool(o, "static", false));
	}
	return 0;
}

/* The paths of a saved hop that still are: how many. */
static uint32_t paths_of(const struct ip *ip, const json_t *saved, struct ip_path paths[HOP_PATHS_MAX])
{
	const json_t *o;
	uint32_t n = 0;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)saved, i, o) {
		struct ip_path *path = &paths[n];

		if (n == HOP_PATHS_MAX)
			break;
		*path = (struct ip_path){
			.iface = iface_of(ip, o), .weight = (uint8_t)parcel_u64(o, "weight", 1)};
		path->has_via = ip_addr_parse(parcel_str(o, "via", ""), &path->via);
		n += path->iface != NULL;
	}
	return n;
}

static int route_restore(struct ip *ip, uint32_t table, const struct ip_prefix *prefix, const json_t *hop)
{
	struct ip_path paths[HOP_PATHS_MAX];
	uint32_t n = paths_of(ip, hop, paths);
	int err = 0;

	if (json_array_size(hop) == 0)
		return ip_route_add(ip, table, prefix, &(struct ip_path){.drop = true});
	for (uint32_t i = 0; i < n; i++) {
		err = ip_route_add(ip, table, prefix, &paths[i]);
		if (err == -ENOMEM || err == -ENOSPC)
			return err;
	}
	return 0;
}

/* Hops that records have named: what became of each here, so that the next route with it takes no time. */
static int fib_restore(struct ip *ip, struct ip_table *t, bool ip6, const json_t *hex, const json_t *hops)
{
	struct lpm *fib = ip_table_fib(t, ip6);
	uint32_t record_len = RECORD_LEN(fib->addr_len);
	size_t max = json_string_length(hex) / 2, n_hops = json_array_size(hops);
	uint8_t *records = malloc(max + 1);
	uint32_t *known = calloc(n_hops + 1, sizeof(*known));
	int err = 0, len = records && known ? parcel_bytes(hex, records, max) : -ENOMEM;

	if (!json_is_string(hex))
		len = 0;
	for (int at = 0; at + (int)record_len <= len && !err; at += (int)record_len) {
		uint32_t number = be32_get(records + at + 1 + fib->addr_len);
		struct ip_prefix prefix = {.addr = ip_addr_at(records + at + 1, ip6), .len = records[at]};

		if (prefix.len > ip_addr_bits(&prefix.addr) || number >= n_hops) {
			err = -EINVAL;
		} else if (known[number]) {
			err = ip_route_set_hop(ip, t, &prefix, known[number]);
		} else {
			err = route_restore(ip, t->id, &prefix, json_array_get(hops, number));
			known[number] = lpm_get(fib, prefix.addr.bytes, prefix.len);
		}
	}
	free(records);
	free(known);
	return len < 0 ? len : err;
}

static int tables_restore(struct ip *ip, const json_t *tables, const json_t *hops, bool routes)
{
	const json_t *o;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)tables, i, o) {
		uint32_t id = (uint32_t)parcel_u64(o, "id", 0);
		struct ip_table *t;

		if (!err)
			err = ip_table_add(ip, id);
		t = ip_table_find(ip, id);
		if (!err && routes)
			err = fib_restore(ip, t, false, json_object_get(o, "ip4"), hops);
		if (!err && routes)
			err = fib_restore(ip, t, true, json_object_get(o, "ip6"), hops);
	}
	return err;
}

int ip_restore(struct ip *ip, const json_t *state)
{
	const json_t *tables = json_object_get(state, "tables"), *hops = json_object_get(state, "hops");
	int err = tables_restore(ip, tables, hops, false);

	if (err == 0)
		err = ifaces_restore(ip, json_object_get(state, "interfaces"));
	if (err == 0)
		err = tables_restore(ip, tables, hops, true);
	if (err == 0)
		err = neighs_restore(ip, json_object_get(state, "neighbors"));
	return err;
}
