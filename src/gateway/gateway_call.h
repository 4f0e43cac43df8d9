/* SPDX-License-Identifier: Apache-2.0 */
/* gateway_call - what the commands of this room read from their arguments; each ends in ctl_fail() when it cannot. */
#ifndef GINNEL_GATEWAY_GATEWAY_CALL_H
#define GINNEL_GATEWAY_GATEWAY_CALL_H

#include "ctl/command.h"
#include "pkt/iface.h"
#include "wire/ip_addr.h"

/* An address of IPv4, in host order. */
bool gateway_call_ip4(struct ctl_call *call, const char *name, uint32_t *ip);
/* NULL after ctl_fail(). */
struct iface *gateway_call_iface(struct ctl_call *call, const struct iface_table *ifaces, const char *name);

static inline const char *ip4_format(char text[IP_TEXT_SIZE], uint32_t ip)
{
	const struct ip_addr a = ip4_addr(ip);

	return ip_addr_format(text, &a);
}

/* As a value of JSON. */
static inline json_t *ip4_json(uint32_t ip)
{
	char text[IP_TEXT_SIZE];

	return json_string(ip4_format(text, ip));
}

#endif
