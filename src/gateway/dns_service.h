/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_service - answers questions of DNS at interfaces where that is wanted, by asking a server outside
 * (gateway/dns_forward.h). Questions leave by the routes of the interface they came from, under our own address, past
 * address translation. Over UDP only: nobody listens at TCP's port 53, so an answer that was too long for UDP
 * (truncated) stays so; clients ask for up to 4096 bytes (EDNS), and that much passes.
 *
 * Threads: workers handle messages under a lock; control changes settings under it.
 */
#ifndef GINNEL_GATEWAY_DNS_SERVICE_H
#define GINNEL_GATEWAY_DNS_SERVICE_H

#include "gateway/dns_forward.h"
#include "ip/ip.h"
#include "ip/lock.h"

#include <jansson.h>

struct dns_service {
	struct ip *ip;
	struct iface_table *ifaces;
	struct lock lock; /* over the forwarder */
	struct dns_forward forward;
	bool on[IFACE_MAX];                    /* relaxed atomic */
	char names[IFACE_MAX][IFACE_NAME_LEN]; /* control: whose switch it is, as numbers are used again */
};

/* NULL when out of memory, or a port is taken. */
struct dns_service *dns_service_create(struct ip *ip, struct iface_table *ifaces, uint64_t seed);
void dns_service_destroy(struct dns_service *s);

/* Control. */
void dns_service_set(struct dns_service *s, const struct iface *iface, bool on);
/* Questions are answered there: it is on, and there is somebody to ask. */
bool dns_service_serves(struct dns_service *s, const struct iface *iface);
/* As dns_forward_add_server(), dns_forward_del_server(). */
int dns_service_add_server(struct dns_service *s, const struct ip_addr *server);
int dns_service_del_server(struct dns_service *s, const struct ip_addr *server);

/* Control, about once a second. */
void dns_service_tick(struct dns_service *s, uint64_t now_ns);

/* Settings only: questions that are outstanding are asked again by who asked them. */
json_t *dns_service_save(struct dns_service *s);
void dns_service_restore(struct dns_service *s, const json_t *state);

extern const struct ctl_table dns_commands; /* subject: struct dns_service */

#endif
