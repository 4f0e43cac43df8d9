/* SPDX-License-Identifier: Apache-2.0 */
/* own - what the router says by itself: who it is, and that it routes. Control; packets leave by the outbox. */
#ifndef GINNEL_IP_OWN_H
#define GINNEL_IP_OWN_H

#include "ip/ip.h"

struct ip_iface;

enum own_setting {
	OWN_PROXY_ARP, /* answers ARP for what it has a route to elsewhere */
	OWN_RA,        /* router advertisements */
};

/* 0, -EINVAL (no address) or -ENOMEM. */
int own_set(struct iface *iface, enum own_setting setting, bool on);

/* Whether an interface sends router advertisements when nobody has said anything. */
bool own_ra_default(const struct iface *iface);

/* A new address: gratuitous ARP, or duplicate address detection and an unsolicited advertisement. */
void own_announce(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr);
/* Once a second: router advertisements that are due, conflicts that were seen. */
void own_tick(struct ip *ip);

/* Seconds between router advertisements nobody asked for. */
#define OWN_RA_INTERVAL_S 60
/* What they say: how long it is a router, and how long addresses of its networks are good. */
#define OWN_RA_LIFETIME_S 1800

/* The message, ICMPv6 header first, without its checksum; room for OWN_RA_MAX. Returns its length. */
#define OWN_RA_MAX 512
uint32_t own_ra_write(const struct ip_iface *l3, uint8_t *p);

#endif
