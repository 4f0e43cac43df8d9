/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dhcp_service.h"

#include "base/units.h"
#include "gateway/dns_service.h"
#include "ip/service.h"
#include "os/rcu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* No client says more. */
#define MESSAGE_MAX 1500

static bool is_from_its_station(const struct pkt *pkt, const struct dhcp_message *m)
{
	return memcmp(pkt->data + ETHERNET_SRC_AT, m->mac, sizeof(m->mac)) == 0;
}

static enum drop send_answer(struct dhcp_service *s, struct turn *turn, struct iface *iface,
	const struct dhcp_message *m, const struct dhcp_answer *a, uint32_t server)
{
	const struct ip_udp udp = {
		.iface = iface,
		.mac = a->to_all ? MAC_BROADCAST : mac_load(m->mac),
		.src = ip4_addr(server),
		.dst = ip4_addr(a->to),
		.src_port = DHCP_SERVER_PORT,
		.dst_port = DHCP_CLIENT_PORT,
		.payload = a->bytes,
		.payload_len = a->len,
	};

	if (a->len == 0)
		return DROP_NONE;
	return ip_udp_send(s->ip, turn, &udp) ? DROP_NONE : DROP_TURN_FULL;
}

static enum drop handle(
	struct dhcp_service *s, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	const struct dhcp_pool *pool = rcu_load(s->pools[pkt->rx->idx]);
	struct dhcp_server *server = pool ? pool->server : NULL;
	struct ip_addr own = ip4_addr(server ? server->config.server : 0);
	uint8_t bytes[MESSAGE_MAX];
	struct dhcp_message m;
	struct dhcp_answer answer;
	enum drop drop;

	if (!server || !ip_iface_has(pkt->rx, &own))
		return DROP_IP_NO_SERVICE;
	if (d->payload_len > sizeof(bytes))
		return DROP_DHCP_MALFORMED;
	pkt_bytes(pkt, d->payload_at, bytes, d->payload_len);
	if (!dhcp_parse(&m, bytes, d->payload_len) || !is_from_its_station(pkt, &m))
		return DROP_DHCP_MALFORMED;
	lock_take(&s->lock);
	if (pool->own_dns) {
		server->config.dns[0] = server->config.server;
		server->config.n_dns = dns_service_serves(s->dns, pkt->rx);
	}
	drop = dhcp_server_handle(server, &m, turn->now_ns / NS_PER_S, &answer);
	s->changed |= drop == DROP_NONE && m.type != DHCP_DISCOVER;
	lock_release(&s->lock);
	return drop ? drop : send_answer(s, turn, pkt->rx, &m, &answer, server->config.server);
}

static void on_message(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	turn_drop(turn, pkt, d->src.ip6 ? DROP_IP_NO_SERVICE : handle(subject, turn, pkt, d));
}

struct dhcp_service *dhcp_service_create(struct ip *ip, struct iface_table *ifaces, struct dns_service *dns)
{
	struct dhcp_service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ip = ip;
	s->ifaces = ifaces;
	s->dns = dns;
	if (ip_udp_listen(ip, DHCP_SERVER_PORT, on_message, s) == 0)
		return s;
	free(s);
	return NULL;
}

static void pool_destroy(struct dhcp_pool *pool)
{
	if (!pool)
		return;
	dhcp_server_destroy(pool->server);
	free(pool);
}

static void pool_publish(struct dhcp_service *s, uint32_t idx, struct dhcp_pool *pool)
{
	struct dhcp_pool *old = s->pools[idx];

	rcu_publish(s->pools[idx], pool);
	rcu_wait();
	pool_destroy(old);
}

void dhcp_service_destroy(struct dhcp_service *s)
{
	if (!s)
		return;
	ip_udp_unlisten(s->ip, DHCP_SERVER_PORT);
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++)
		pool_destroy(s->pools[idx]);
	free(s);
}

struct dhcp_pool *dhcp_service_find(const struct dhcp_service *s, const struct iface *iface)
{
	struct dhcp_pool *pool = s->pools[iface->idx];

	return pool && strcmp(s->names[iface->idx], iface->name) == 0 ? pool : NULL;
}

/* Fixed addresses, and leases of addresses that are still in the pool. */
static void take_over(struct dhcp_service *s, struct dhcp_server *server, const struct dhcp_server *old)
{
	const struct dhcp_lease *lease;
	uint32_t pos = 0, ip;

	for (uint32_t i = 0; i < old->n_static; i++)
		dhcp_server_add_static(server, old->statics[i].mac, old->statics[i].ip);
	lock_take(&s->lock);
	while ((lease = dhcp_server_next(old, &pos, &ip)))
		dhcp_server_restore(server, ip, lease);
	lock_release(&s->lock);
}

int dhcp_service_set(
	struct dhcp_service *s, const struct iface *iface, const struct dhcp_config *config, bool own_dns)
{
	const struct dhcp_pool *old = dhcp_service_find(s, iface);
	struct dhcp_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pool->own_dns = own_dns;
	pool->server = dhcp_server_create(config);
	if (!pool->server) {
		free(pool);
		return -ENOMEM;
	}
	if (old)
		take_over(s, pool->server, old->server);
	snprintf(s->names[iface->idx], sizeof(s->names[0]), "%s", iface->name);
	pool_publish(s, iface->idx, pool);
	return 0;
}

int dhcp_service_del(struct dhcp_service *s, const struct iface *iface)
{
	if (!dhcp_service_find(s, iface))
		return -ENOENT;
	pool_publish(s, iface->idx, NULL);
	return 0;
}

/* An interface that has gone takes its pool along. */
void dhcp_service_tick(struct dhcp_service *s, uint64_t now_ns)
{
	s->now_s = now_ns / NS_PER_S;
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++) {
		const struct iface *iface = s->pools[idx] ? iface_get(s->ifaces, idx) : NULL;

		if (s->pools[idx] && (!iface || !dhcp_service_find(s, iface)))
			pool_publish(s, idx, NULL);
	}
}
