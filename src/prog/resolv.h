/* SPDX-License-Identifier: Apache-2.0 */
/* resolv - which DNS servers the host asks, read once at start: resolv.conf(5). */
#ifndef GINNEL_PROG_RESOLV_H
#define GINNEL_PROG_RESOLV_H

#include "wire/ip_addr.h"

/*
 * Up to max of them; returns how many. Servers of the host's own loopback cannot be asked from outside: where there is
 * only that of systemd-resolved, those that it asks.
 */
uint32_t resolv_servers(struct ip_addr *servers, uint32_t max);

/* The same from the text of one file. */
uint32_t resolv_parse(const char *text, struct ip_addr *servers, uint32_t max);

#endif
