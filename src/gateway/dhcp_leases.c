/* SPDX-License-Identifier: Apache-2.0 */
/* Leases as another start of the program needs them: by the calendar, and as people read them. */
#include "gateway/dhcp_service.h"

#include "gateway/gateway_call.h"
#include "os/parcel.h"
#include "wire/ethernet.h"

#include <string.h>

static json_t *lease_json(const struct dhcp_lease *l, uint32_t ip, const struct dhcp_clocks *clocks)
{
	uint64_t left_s = l->until_s > clocks->now_s ? l->until_s - clocks->now_s : 0;
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:o, s:s, s:I, s:s}", "address", ip4_json(ip), "mac", mac_format(mac, l->mac),
		"until", (json_int_t)(clocks->calendar_s + left_s), "host", l->host);
}

static json_t *pool_json(const struct dhcp_server *server, const struct dhcp_clocks *clocks)
{
	json_t *leases = json_array();
	const struct dhcp_lease *l;
	uint32_t pos = 0, ip;

	while ((l = dhcp_server_next(server, &pos, &ip)))
		if (l->mac && (l->state == DHCP_LEASE_BOUND || l->state == DHCP_LEASE_NONE))
			json_array_append_new(leases, lease_json(l, ip, clocks));
	return leases;
}

json_t *dhcp_service_leases(struct dhcp_service *s, const struct dhcp_clocks *clocks)
{
	json_t *all = json_object();

	lock_take(&s->lock);
	s->changed = false;
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++)
		if (s->pools[idx])
			json_object_set_new(all, s->names[idx], pool_json(s->pools[idx]->server, clocks));
	lock_release(&s->lock);
	return all;
}

bool dhcp_service_changed(struct dhcp_service *s)
{
	bool changed;

	lock_take(&s->lock);
	changed = s->changed;
	lock_release(&s->lock);
	return changed;
}

static void take(struct dhcp_server *server, const json_t *o, const struct dhcp_clocks *clocks)
{
	const char *mac = parcel_str(o, "mac", "");
	uint64_t until = parcel_u64(o, "until", 0), left_s = 0;
	struct dhcp_lease lease = {.state = DHCP_LEASE_BOUND};
	struct ip_addr addr;

	if (!ip_addr_parse(parcel_str(o, "address", ""), &addr) || addr.ip6 || !mac_parse(mac, &lease.mac))
		return;
	if (until > clocks->calendar_s)
		left_s = until - clocks->calendar_s;
	if (left_s > server->config.lease_s)
		left_s = server->config.lease_s;
	lease.until_s = left_s ? clocks->now_s + left_s : 0;
	snprintf(lease.host, sizeof(lease.host), "%s", parcel_str(o, "host", ""));
	dhcp_server_restore(server, ip4_of(&addr), &lease);
}

void dhcp_service_take_leases(struct dhcp_service *s, const json_t *leases, const struct dhcp_clocks *clocks)
{
	const char *name;
	json_t *list, *o;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)leases, name, list) {
		const struct iface *iface = iface_by_name(s->ifaces, name);
		struct dhcp_pool *pool = iface ? dhcp_service_find(s, iface) : NULL;

		if (!pool)
			continue;
		lock_take(&s->lock);
		json_array_foreach (list, i, o)
			take(pool->server, o, clocks);
		lock_release(&s->lock);
	}
}
