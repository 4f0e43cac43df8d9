/* SPDX-License-Identifier: Apache-2.0 */
/* gateway - what the router does for the guests behind it: address translation, DHCP, DNS. One handle for all of it. */
#ifndef GINNEL_GATEWAY_GATEWAY_H
#define GINNEL_GATEWAY_GATEWAY_H

#include "gateway/dhcp_service.h"
#include "gateway/dns_service.h"
#include "gateway/nat44.h"

struct gateway {
	struct nat44 *nat44;
	struct dhcp_service *dhcp;
	struct dns_service *dns;
};

/* 0 or -ENOMEM. Must end before ip and ifaces, and after the workers. */
int gateway_init(struct gateway *g, struct ip *ip, struct iface_table *ifaces, uint64_t seed);
void gateway_fini(struct gateway *g);

/* Control, about once a second. */
void gateway_tick(const struct gateway *g, uint64_t now_ns);

/* For a successor process; interfaces and their addresses are in place. 0 or -errno. */
json_t *gateway_save(const struct gateway *g);
int gateway_restore(const struct gateway *g, const json_t *state);

#endif
