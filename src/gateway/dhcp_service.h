/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dhcp_service - a server of addresses (gateway/dhcp_server.h) on each interface that has one: takes messages from the
 * router's port 67 and sends the answers. Messages count only from the station that they speak of.
 *
 * Threads: workers handle messages, under a lock as they are rare; a server is published and taken away under RCU.
 */
#ifndef GINNEL_GATEWAY_DHCP_SERVICE_H
#define GINNEL_GATEWAY_DHCP_SERVICE_H

#include "gateway/dhcp_server.h"
#include "ip/ip.h"
#include "ip/lock.h"

#include <jansson.h>

struct dns_service;

struct dhcp_pool {
	struct dhcp_server *server;
	bool own_dns; /* says that we are the DNS server, while we are one */
};

struct dhcp_service {
	struct ip *ip;
	struct iface_table *ifaces;
	struct dns_service *dns;
	struct lock lock;                   /* over what servers hold, and: */
	bool changed;                       /* since dhcp_service_changed() */
	struct dhcp_pool *pools[IFACE_MAX]; /* rcu_load() */
	/* control */
	char names[IFACE_MAX][IFACE_NAME_LEN]; /* whose pool it is, as numbers are used again */
	uint64_t now_s;
};

/* NULL when out of memory, or the port is taken. */
struct dhcp_service *dhcp_service_create(struct ip *ip, struct iface_table *ifaces, struct dns_service *dns);
void dhcp_service_destroy(struct dhcp_service *s);

/* Control. A pool, or another one: leases that fit it stay. The config is good. 0 or -ENOMEM. */
int dhcp_service_set(
	struct dhcp_service *s, const struct iface *iface, const struct dhcp_config *config, bool own_dns);
/* 0 or -ENOENT. */
int dhcp_service_del(struct dhcp_service *s, const struct iface *iface);
/* NULL: the interface has none. */
struct dhcp_pool *dhcp_service_find(const struct dhcp_service *s, const struct iface *iface);

/* Control, about once a second. */
void dhcp_service_tick(struct dhcp_service *s, uint64_t now_ns);

json_t *dhcp_service_save(struct dhcp_service *s);
int dhcp_service_restore(struct dhcp_service *s, const json_t *state);

/* Two clocks at one time: ours, and one that outlives the process. */
struct dhcp_clocks {
	uint64_t now_s, calendar_s;
};

/*
 * What stations hold, for another start: {interface: [{address, mac, until, host}]}. Taken back are those that fit, for at
 * most as long as a lease lasts here, so a calendar that jumped costs nothing. The changed flag is down afterwards.
 */
json_t *dhcp_service_leases(struct dhcp_service *s, const struct dhcp_clocks *clocks);
void dhcp_service_take_leases(struct dhcp_service *s, const json_t *leases, const struct dhcp_clocks *clocks);
bool dhcp_service_changed(struct dhcp_service *s);

extern const struct ctl_table dhcp_commands; /* subject: struct dhcp_service */

#endif
