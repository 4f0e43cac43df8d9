/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces of the router. What workers see of one is replaced as a whole, by a copy with the change; hops and
 * neighbours belong to the struct iface and stay.
 */
#include "ip/ip_private.h"

#include "ip/own.h"
#include "wire/nd.h"

#include <errno.h>
#include <stdlib.h>

/* Publishes another description, NULL to end it, and frees the old one when no worker has it. */
static void swap(struct iface *iface, struct ip_iface *next)
{
	struct ip_iface *old = iface->l3;

	rcu_publish(iface->l3, next);
	rcu_wait();
	free(old);
}

static struct ip_iface *copy_of(const struct ip_iface *l3)
{
	struct ip_iface *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = *l3;
	return copy;
}

static void detach(struct iface *iface)
{
	const struct ip_iface *l3 = iface->l3;

	ip_iface_clear(l3->ip, iface);
}

bool own_ra_default(const struct iface *iface)
{
	return strcmp(iface->kind ? iface->kind : "", "loopback") == 0;
}

/* The first address: the interface becomes ours. NULL when out of memory. */
static struct ip_iface *attach(struct ip *ip, struct iface *iface, struct ip_table *table)
{
	struct ip_iface *l3 = calloc(1, sizeof(*l3));
	struct ip_iface_state *state = calloc(1, sizeof(*state));
	uint32_t connected =
		l3 && state ? hop_get(&ip->hops, &(struct hop){.kind = HOP_CONNECTED, .iface = iface}) : 0;

	if (!connected) {
		free(l3);
		free(state);
		return NULL;
	}
	*l3 = (struct ip_iface){.ip = ip,
		.iface = iface,
		.table = table,
		.state = state,
		.mac = mac_load(iface->mac),
		.ra = own_ra_default(iface),
		.connected = connected};
	l3->link_local.ip6 = true;
	nd_link_local(l3->link_local.bytes, iface->mac);
	iface->l3_detach = detach;
	rcu_publish(iface->l3, l3);
	if (iface_mode(iface) == IFACE_MODE_NONE)
		iface_set_mode(iface, IFACE_MODE_L3);
	return l3;
}

/* Neighbours and routes are gone; the last thing that leaves is the description itself. */
static void leave(struct ip *ip, struct iface *iface)
{
	const struct ip_iface *l3 = iface->l3;
	struct ip_iface_state *state = l3->state;
	uint32_t connected = l3->connected;

	if (iface_mode(iface) == IFACE_MODE_L3)
		iface_set_mode(iface, IFACE_MODE_NONE);
	iface->l3_detach = NULL;
	ip_routes_forget(ip, l3->table, iface);
	neighs_forget(ip, iface);
	swap(iface, NULL);
	hop_put(&ip->hops, connected);
	free(state);
}

/* --- addresses --- */

/* Of a station: not of a group, not a network's own. */
static bool addr_ok(const struct ip_prefix *p)
{
	struct ip_prefix network = ip_prefix_network(*p);
	uint8_t first = p->addr.bytes[0];

	if (p->len == 0 || ip_addr_is_multicast(&p->addr) || ip_addr_is_zero(&p->addr))
		return false;
	if (p->addr.ip6)
		return !ip_addr_is_link_local(&p->addr);
	if (first == 0 || first == 127 || first >= 224)
		return false;
	return p->len >= 31 || (!ip_addr_same(&network.addr, &p->addr) &&
				       (ip4_of(&p->addr) | ~0u << (32 - p->len)) != UINT32_MAX);
}

static struct ip_prefix host_prefix(const struct ip_addr *addr)
{
	return (struct ip_prefix){.addr = *addr, .len = ip_addr_bits(addr)};
}

/* The last address of a network of IPv4; false: it has none. */
static bool broadcast_of(const struct ip_prefix *p, struct ip_prefix *out)
{
	if (p->addr.ip6 || p->len >= 31)
		return false;
	*out = (struct ip_prefix){
		.addr = ip4_addr(ip4_of(&p->addr) | (p->len ? UINT32_MAX >> p->len : UINT32_MAX)), .len = 32};
	return true;
}

/* Another address of the interface is in the same network: its route stays. */
static bool network_shared(const struct ip_iface *l3, const struct ip_prefix *p)
{
	struct ip_prefix network = ip_prefix_network(*p);

	for (uint32_t i = 0; i < l3->n_addrs; i++) {
		struct ip_prefix other = ip_prefix_network(l3->addrs[i]);

		if (!ip_addr_same(&l3->addrs[i].addr, &p->addr) && ip_prefix_same(&other, &network))
			return true;
	}
	return false;
}

static void routes_del(struct ip *ip, const struct ip_iface *l3, const struct ip_prefix *p)
{
	struct ip_prefix broadcast, host = host_prefix(&p->addr);

	ip_route_del_hop(ip, l3->table, &host);
	if (network_shared(l3, p) || p->len == host.len)
		return;
	ip_route_del_hop(ip, l3->table, p);
	if (broadcast_of(p, &broadcast))
		ip_route_del_hop(ip, l3->table, &broadcast);
}

static int routes_add(struct ip *ip, const struct ip_iface *l3, const struct ip_prefix *p)
{
	struct ip_prefix broadcast, host = host_prefix(&p->addr);
	int err = 0;

	if (p->len < host.len)
		err = ip_route_set_hop(ip, l3->table, p, l3->connected);
	if (err == 0 && broadcast_of(p, &broadcast))
		err = ip_route_set_hop(ip, l3->table, &broadcast, HOP_BROADCAST);
	if (err == 0)
		err = ip_route_set_hop(ip, l3->table, &host, HOP_LOCAL);
	if (err)
		routes_del(ip, l3, p);
	return err;
}

/* The network is another interface's already. */
static bool network_taken(
	const struct ip *ip, struct ip_table *t, const struct ip_iface *l3, const struct ip_prefix *p)
{
	struct lpm *fib = ip_table_fib(t, p->addr.ip6);
	uint32_t host = lpm_get(fib, p->addr.bytes, ip_addr_bits(&p->addr));
	uint32_t network = lpm_get(fib, p->addr.bytes, p->len);

	if (host == HOP_LOCAL || host == HOP_BROADCAST)
		return true;
	return network && ip->hops.list[network].kind == HOP_CONNECTED && (!l3 || network != l3->connected);
}

int ip_iface_add_addr(struct ip *ip, struct iface *iface, const struct ip_prefix *prefix)
{
	struct ip_iface *l3 = iface->l3, *next;
	struct ip_table *table = l3 ? l3->table : ip->tables[0];
	int err;

	if (iface->idx == 0 || !addr_ok(prefix))
		return -EINVAL;
	if (network_taken(ip, table, l3, prefix))
		return -EEXIST;
	if (l3 && l3->n_addrs == IP_ADDRS_MAX)
		return -ENOSPC;
	if (!l3)
		l3 = attach(ip, iface, table);
	next = l3 ? copy_of(l3) : NULL;
	if (!next)
		return -ENOMEM;
	err = routes_add(ip, l3, prefix);
	if (err) {
		free(next);
		if (l3->n_addrs == 0)
			leave(ip, iface);
		return err;
	}
	next->addrs[next->n_addrs++] = *prefix;
	next->ip6 |= prefix->addr.ip6;
	swap(iface, next);
	own_announce(ip, next, &prefix->addr);
	return 0;
}

static uint32_t addr_at(const struct ip_iface *l3, const struct ip_addr *addr)
{
	uint32_t i = 0;

	while (i < l3->n_addrs && !ip_addr_same(&l3->addrs[i].addr, addr))
		i++;
	return i;
}

int ip_iface_del_addr(struct ip *ip, struct iface *iface, const struct ip_prefix *prefix)
{
	struct ip_iface *l3 = iface->l3, *next;
	uint32_t at = l3 ? addr_at(l3, &prefix->addr) : 0;
	struct ip_prefix gone;

	if (!l3 || at == l3->n_addrs || l3->addrs[at].len != prefix->len)
		return -ENOENT;
	if (l3->n_addrs == 1) {
		ip_iface_clear(ip, iface);
		return 0;
	}
	next = copy_of(l3);
	if (!next)
		return -ENOMEM;
	gone = l3->addrs[at];
	next->addrs[at] = next->addrs[--next->n_addrs];
	next->ip6 = false;
	for (uint32_t i = 0; i < next->n_addrs; i++)
		next->ip6 |= next->addrs[i].addr.ip6;
	swap(iface, next);
	routes_del(ip, next, &gone);
	return 0;
}

void ip_iface_clear(struct ip *ip, struct iface *iface)
{
	const struct ip_iface *l3 = iface->l3;

	if (!l3)
		return;
	for (uint32_t i = 0; i < l3->n_addrs; i++) {
		struct ip_prefix broadcast, host = host_prefix(&l3->addrs[i].addr);

		ip_route_del_hop(ip, l3->table, &host);
		if (broadcast_of(&l3->addrs[i], &broadcast))
			ip_route_del_hop(ip, l3->table, &broadcast);
	}
	leave(ip, iface); /* the routes of its networks with it */
}

/* Without addresses an interface is not the router's: the table is noted in one that has none yet. */
int ip_iface_set_table(struct ip *ip, struct iface *iface, uint32_t table)
{
	struct ip_table *t = ip_table_find(ip, table);
	struct ip_iface *l3 = iface->l3, *next;

	if (!t)
		return -ENOENT;
	if (iface->idx == 0)
		return -EINVAL;
	if (l3 && l3->n_addrs > 0)
		return l3->table == t ? 0 : -EBUSY;
	if (!l3)
		return attach(ip, iface, t) ? 0 : -ENOMEM;
	next = copy_of(l3);
	if (!next)
		return -ENOMEM;
	next->table = t;
	swap(iface, next);
	return 0;
}

/* --- settings --- */

int ip_feature_set(struct ip *ip, struct iface *iface, enum ip_feature feature, bool on)
{
	struct ip_iface *l3 = iface->l3;
	uint32_t features;

	if (!l3)
		return -EINVAL;
	features = on ? l3->features | feature : l3->features & ~(uint32_t)feature;
	__atomic_store_n(&l3->features, features, __ATOMIC_RELAXED);
	neigh_features(ip, iface, features);
	return 0;
}

int own_set(struct iface *iface, enum own_setting setting, bool on)
{
	const struct ip_iface *l3 = iface->l3;
	struct ip_iface *next = l3 ? copy_of(l3) : NULL;

	if (!next)
		return l3 ? -ENOMEM : -EINVAL;
	if (setting == OWN_PROXY_ARP)
		next->proxy_arp = on;
	else
		next->ra = on;
	swap(iface, next);
	return 0;
}

/* --- questions; any thread --- */

bool ip_iface_source(const struct iface *iface, const struct ip_addr *dst, struct ip_addr *src)
{
	const struct ip_iface *l3 = ip_iface_of(iface);
	bool found = false;

	if (!l3)
		return false;
	if (dst->ip6 && ip_addr_is_link_local(dst) && l3->ip6) {
		*src = l3->link_local;
		return true;
	}
	for (uint32_t i = 0; i < l3->n_addrs; i++) {
		if (l3->addrs[i].addr.ip6 != dst->ip6)
			continue;
		if (!found || ip_prefix_has(&l3->addrs[i], dst))
			*src = l3->addrs[i].addr;
		found = true;
		if (ip_prefix_has(&l3->addrs[i], dst))
			return true;
	}
	if (!found && dst->ip6 && l3->ip6)
		*src = l3->link_local;
	return found || (dst->ip6 && l3->ip6);
}

bool ip_iface_network(const struct iface *iface, const struct ip_addr *addr, struct ip_prefix *network)
{
	const struct ip_iface *l3 = ip_iface_of(iface);

	if (!l3)
		return false;
	if (addr->ip6 && ip_addr_is_link_local(addr)) {
		*network = ip_prefix_network((struct ip_prefix){.addr = l3->link_local, .len = 64});
		return l3->ip6;
	}
	for (uint32_t i = 0; i < l3->n_addrs; i++) {
		if (!ip_prefix_has(&l3->addrs[i], addr))
			continue;
		*network = ip_prefix_network(l3->addrs[i]);
		return true;
	}
	return false;
}

bool ip_iface_has(const struct iface *iface, const struct ip_addr *addr)
{
	const struct ip_iface *l3 = ip_iface_of(iface);

	if (!l3)
		return false;
	return addr_at(l3, addr) < l3->n_addrs || (l3->ip6 && ip_addr_same(&l3->link_local, addr));
}
