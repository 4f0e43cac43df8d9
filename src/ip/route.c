/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of routes, and routes: which hop a network has. Control. */
#include "ip/ip_private.h"

#include <errno.h>
#include <stdlib.h>

static_assert(HOPS_MAX - 1 <= LPM_VALUE_MAX, "a route's value is a hop");

/* --- tables --- */

struct ip_table *ip_table_find(const struct ip *ip, uint32_t id)
{
	for (uint32_t i = 0; i < ip->n_tables; i++)
		if (ip->tables[i]->id == id)
			return ip->tables[i];
	return NULL;
}

/* What every table knows: addresses that are no station's. Those of IPv4 are no routes: ip4_hop() knows them. */
static int fixed_routes(struct ip *ip, struct ip_table *t)
{
	static const struct {
		const char *prefix;
		enum hop_kind hop;
	} fixed[] = {
		{"::/128", HOP_MARTIAN},
		{"::1/128", HOP_MARTIAN},
		{"fe80::/10", HOP_LINK},
		{"ff00::/8", HOP_MULTICAST},
	};
	struct ip_prefix prefix;
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(fixed) && err == 0; i++) {
		ip_prefix_parse(fixed[i].prefix, &prefix);
		err = ip_route_set_hop(ip, t, &prefix, fixed[i].hop);
	}
	return err;
}

static void table_free(struct ip_table *t)
{
	lpm_fini(&t->fib4);
	lpm_fini(&t->fib6);
	free(t);
}

int ip_table_add(struct ip *ip, uint32_t id)
{
	struct ip_table *t;
	int err;

	if (ip_table_find(ip, id))
		return 0;
	if (ip->n_tables == IP_TABLES_MAX)
		return -ENOSPC;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->id = id;
	err = lpm_init(&t->fib4, IP4_LEN, IP_ROUTE_NODES_MAX);
	if (err == 0)
		err = lpm_init(&t->fib6, IP6_LEN, IP_ROUTE_NODES_MAX);
	if (err == 0)
		err = fixed_routes(ip, t);
	if (err) {
		table_free(t);
		return err;
	}
	ip->tables[ip->n_tables++] = t;
	return 0;
}

static bool table_used(const struct ip *ip, const struct ip_table *t)
{
	for (const struct iface *i = iface_next(ip->ifaces, 0); i; i = iface_next(ip->ifaces, i->idx + 1))
		if (i->l3 && ((const struct ip_iface *)i->l3)->table == t)
			return true;
	return false;
}

/* --- hops of routes --- */

/* A route has this hop no more: what the hop itself held goes with the last one. */
static void hop_release(struct ip *ip, uint32_t idx)
{
	const struct hop *hop = &ip->hops.list[idx];

	if (!hop_put(&ip->hops, idx))
		return;
	if (hop->kind == HOP_VIA)
		neigh_ref(ip, hop->neigh, -1);
	for (uint32_t i = 0; i < hop->n_paths; i++)
		hop_release(ip, hop->paths[i]);
}

static void routes_release(struct ip *ip, struct lpm *fib)
{
	struct lpm_cursor cursor = {.len = 0};
	uint8_t addr[IP6_LEN], len;
	uint32_t hop;

	while (lpm_next(fib, &cursor, addr, &len, &hop))
		hop_release(ip, hop);
}

int ip_table_del(struct ip *ip, uint32_t id)
{
	struct ip_table *t = ip_table_find(ip, id);
	uint32_t at = 0;

	if (!t)
		return -ENOENT;
	if (id == 0 || table_used(ip, t))
		return -EBUSY;
	routes_release(ip, &t->fib4);
	routes_release(ip, &t->fib6);
	while (ip->tables[at] != t)
		at++;
	ip->tables[at] = ip->tables[--ip->n_tables];
	table_free(t); /* the last interface's leaving waited for the workers */
	return 0;
}

int ip_route_set_hop(struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix, uint32_t hop)
{
	struct lpm *fib = ip_table_fib(t, prefix->addr.ip6);
	uint32_t old = lpm_get(fib, prefix->addr.bytes, prefix->len);
	int err;

	if (old == hop)
		return 0;
	err = lpm_set(fib, prefix->addr.bytes, prefix->len, hop);
	if (err)
		return err;
	hop_ref(&ip->hops, hop);
	if (old)
		hop_release(ip, old);
	return 0;
}

void ip_route_del_hop(struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix)
{
	struct lpm *fib = ip_table_fib(t, prefix->addr.ip6);
	uint32_t hop = lpm_get(fib, prefix->addr.bytes, prefix->len);

	if (!hop)
		return;
	lpm_del(fib, prefix->addr.bytes, prefix->len);
	hop_release(ip, hop);
}

/* --- paths --- */

/* The interface of a gateway: that whose network it is in. */
static struct iface *gateway_iface(const struct ip *ip, struct ip_table *t, const struct ip_addr *via)
{
	struct lpm *fib = ip_table_fib(t, via->ip6);
	uint8_t len;
	const struct hop *hop;

	for (len = ip_addr_bits(via); len > 0; len--) {
		hop = &ip->hops.list[lpm_get(fib, via->bytes, len)];
		if (hop->kind == HOP_CONNECTED)
			return hop->iface;
	}
	return NULL;
}

/* The hop of one path, with one more user; 0 and *err. */
static uint32_t path_hop(struct ip *ip, struct ip_table *t, const struct ip_path *path, bool ip6, int *err)
{
	struct iface *iface = path->iface;
	const struct ip_iface *l3;
	struct hop like = {.kind = HOP_VIA};
	struct ip_prefix network;
	uint32_t hop;

	if (path->has_via && path->via.ip6 != ip6) {
		*err = -EINVAL;
		return 0;
	}
	if (!iface && path->has_via)
		iface = gateway_iface(ip, t, &path->via);
	l3 = iface ? iface->l3 : NULL;
	if (!l3 || l3->table != t) {
		*err = path->iface ? -EINVAL : -ENETUNREACH;
		return 0;
	}
	if (!path->has_via) {
		hop_ref(&ip->hops, l3->connected);
		return l3->connected;
	}
	if (!ip_iface_network(iface, &path->via, &network) || ip_iface_has(iface, &path->via)) {
		*err = -ENETUNREACH;
		return 0;
	}
	like.iface = iface;
	like.neigh = neigh_get(ip, l3, &path->via);
	*err = -ENOSPC;
	if (like.neigh == 0)
		return 0;
	hop = hop_get(&ip->hops, &like);
	if (hop && ip->hops.list[hop].refs == 1)
		neigh_ref(ip, like.neigh, 1);
	return hop;
}

/* Ways of a route as a list: one, or a group's. */
static struct hop ways_of(const struct ip *ip, uint32_t hop)
{
	if (ip->hops.list[hop].kind == HOP_GROUP)
		return ip->hops.list[hop];
	return (struct hop){.kind = HOP_GROUP, .n_paths = 1, .paths = {hop}, .weights = {1}};
}

/* Each member of the list gets a user; the hop is the member itself if it is one. 0: there are too many. */
static uint32_t hop_of_ways(struct ip *ip, const struct hop *ways)
{
	struct hop like = *ways;
	uint32_t hop;

	like.buckets = NULL;
	like.refs = 0;
	like.next = 0;
	if (like.n_paths == 1 && like.weights[0] == 1) {
		hop_ref(&ip->hops, like.paths[0]);
		return like.paths[0];
	}
	hop = hop_get(&ip->hops, &like);
	if (hop && ip->hops.list[hop].refs == 1)
		for (uint32_t i = 0; i < like.n_paths; i++)
			hop_ref(&ip->hops, like.paths[i]);
	return hop;
}

static int set_ways(struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix, const struct hop *ways)
{
	uint32_t hop = hop_of_ways(ip, ways);
	int err;

	if (!hop)
		return -ENOSPC;
	err = ip_route_set_hop(ip, t, prefix, hop);
	hop_release(ip, hop); /* the route has it */
	return err;
}

bool ip_is_house_route(const struct ip *ip, const struct ip_prefix *prefix, uint32_t hop)
{
	const struct ip_iface *l3;
	enum hop_kind kind = (enum hop_kind)ip->hops.list[hop].kind;

	if (kind == HOP_CONNECTED) { /* or a route to an interface without gateway, which is a user's */
		l3 = ip->hops.list[hop].iface->l3;
		for (uint32_t i = 0; i < l3->n_addrs; i++) {
			struct ip_prefix own = ip_prefix_network(l3->addrs[i]);
			struct ip_prefix network = ip_prefix_network(*prefix);

			if (ip_prefix_same(&own, &network))
				return true;
		}
		return false;
	}
	return kind != HOP_NO_ROUTE && kind < HOP_KINDS_FIXED && kind != HOP_BLACKHOLE;
}

int ip_route_add(struct ip *ip, uint32_t table, const struct ip_prefix *prefix, const struct ip_path *path)
{
	struct ip_table *t = ip_table_find(ip, table);
	struct hop ways;
	uint32_t old, hop;
	int err = 0;

	if (!t)
		return -ENOENT;
	old = lpm_get(ip_table_fib(t, prefix->addr.ip6), prefix->addr.bytes, prefix->len);
	if (ip_is_house_route(ip, prefix, old))
		return -EEXIST;
	if (path->drop)
		return ip_route_set_hop(ip, t, prefix, HOP_BLACKHOLE);
	hop = path_hop(ip, t, path, prefix->addr.ip6, &err);
	if (!hop)
		return err;
	ways = old && old != HOP_BLACKHOLE ? ways_of(ip, old) : (struct hop){.kind = HOP_GROUP};
	for (uint32_t i = 0; i < ways.n_paths && err != -EEXIST; i++)
		err = ways.paths[i] == hop ? -EEXIST : 0;
	if (err != -EEXIST)
		err = ways.n_paths == HOP_PATHS_MAX ? -ENOSPC : 0;
	if (err == 0) {
		ways.paths[ways.n_paths] = hop;
		ways.weights[ways.n_paths++] = path->weight ? path->weight : 1;
		err = set_ways(ip, t, prefix, &ways);
	}
	hop_release(ip, hop);
	return err;
}

/* Takes the i-th way out; with the last the route goes. */
static int way_del(
	struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix, struct hop *ways, uint32_t i)
{
	ways->n_paths--;
	memmove(&ways->paths[i], &ways->paths[i + 1], (ways->n_paths - i) * sizeof(ways->paths[0]));
	memmove(&ways->weights[i], &ways->weights[i + 1], ways->n_paths - i);
	ways->paths[ways->n_paths] = 0;
	ways->weights[ways->n_paths] = 0;
	if (ways->n_paths > 0)
		return set_ways(ip, t, prefix, ways);
	ip_route_del_hop(ip, t, prefix);
	return 0;
}

int ip_route_del(struct ip *ip, uint32_t table, const struct ip_prefix *prefix, const struct ip_path *path)
{
	struct ip_table *t = ip_table_find(ip, table);
	struct hop ways;
	uint32_t old, hop;
	int err = -ENOENT;

	if (!t)
		return -ENOENT;
	old = lpm_get(ip_table_fib(t, prefix->addr.ip6), prefix->addr.bytes, prefix->len);
	if (!old)
		return -ENOENT;
	if (ip_is_house_route(ip, prefix, old))
		return -EBUSY;
	if (!path || (path->drop && old == HOP_BLACKHOLE)) {
		ip_route_del_hop(ip, t, prefix);
		return 0;
	}
	hop = path->drop ? 0 : path_hop(ip, t, path, prefix->addr.ip6, &err);
	if (!hop)
		return -ENOENT;
	ways = ways_of(ip, old);
	err = -ENOENT;
	for (uint32_t i = 0; i < ways.n_paths && err == -ENOENT; i++)
		if (ways.paths[i] == hop)
			err = way_del(ip, t, prefix, &ways, i);
	hop_release(ip, hop);
	return err;
}

/* --- an interface goes --- */

static bool leads_to(const struct ip *ip, uint32_t hop, const struct iface *iface)
{
	return ip->hops.list[hop].iface == iface;
}

/* Its hop without one way out by iface. True: the route has changed. */
static bool route_forget(struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix, uint32_t old,
	const struct iface *iface)
{
	struct hop ways = ways_of(ip, old);

	for (uint32_t i = 0; i < ways.n_paths; i++)
		if (leads_to(ip, ways.paths[i], iface)) {
			if (way_del(ip, t, prefix, &ways, i) != 0) /* no memory for a smaller group */
				ip_route_del_hop(ip, t, prefix);
			return true;
		}
	return false;
}

static void fib_forget(struct ip *ip, struct ip_table *t, bool ip6, const struct iface *iface)
{
	struct lpm *fib = ip_table_fib(t, ip6);
	struct ip_prefix prefix = {.addr.ip6 = ip6};
	struct lpm_cursor cursor = {.len = 0};
	uint32_t hop;

	while (lpm_next(fib, &cursor, prefix.addr.bytes, &prefix.len, &hop))
		while (hop && route_forget(ip, t, &prefix, hop, iface))
			hop = lpm_get(fib, prefix.addr.bytes, prefix.len);
}

void ip_routes_forget(struct ip *ip, struct ip_table *t, const struct iface *iface)
{
	/* those that wrapped around the end of the table may have moved to before where we were: a second look */
	for (int look = 0; look < 2; look++) {
		fib_forget(ip, t, false, iface);
		fib_forget(ip, t, true, iface);
	}
}
