/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway_call.h"

bool gateway_call_ip4(struct ctl_call *call, const char *name, uint32_t *ip)
{
	const char *text = ctl_str(call, name, "");
	struct ip_addr addr;

	if (!ip_addr_parse(text, &addr) || addr.ip6) {
		ctl_fail(call, "'%s' is no address of IPv4: give one such as 192.0.2.1 (%s)", text, name);
		return false;
	}
	*ip = ip4_of(&addr);
	return true;
}

struct iface *gateway_call_iface(struct ctl_call *call, const struct iface_table *ifaces, const char *name)
{
	struct iface *iface = iface_get(ifaces, (uint32_t)ctl_u64(call, name, IFACE_MAX));

	if (!iface)
		ctl_fail(call, "there is no such interface: see show interface");
	return iface;
}
