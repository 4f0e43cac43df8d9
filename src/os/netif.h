/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netif - a network interface of the kernel, by name, in the namespace of the calling thread (os/netns.h). Nothing here
 * waits; all need CAP_NET_ADMIN but for netif_is_up(), netif_exists() and netif_index(). 0 or -errno.
 */
#ifndef GINNEL_OS_NETIF_H
#define GINNEL_OS_NETIF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* An address and the length of its prefix, as "10.0.0.1/24" or "fd00::1/64". */
struct netif_addr {
	int family; /* AF_INET, AF_INET6 */
	uint8_t addr[16];
	uint8_t prefix_len;
};

/* False: text is none, or of the other family. */
bool netif_addr_parse(struct netif_addr *addr, int family, const char *text);

/* 0: there is none. */
uint32_t netif_index(const char *name);
bool netif_is_up(const char *name);
int netif_set_up(const char *name);
int netif_set_mac(const char *name, const uint8_t mac[6]);
int netif_get_mac(const char *name, uint8_t mac[6]);
int netif_set_mtu(const char *name, uint32_t mtu);
int netif_add_addr(const char *name, const struct netif_addr *addr);
/* Makes name a port of the kernel's bridge; -ENODEV: one of them is not there. */
int netif_join_bridge(const char *name, const char *bridge);

#endif
