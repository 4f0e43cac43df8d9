/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway.h"

#include "base/random.h"

#include <errno.h>

int gateway_init(struct gateway *g, struct ip *ip, struct iface_table *ifaces, uint64_t seed)
{
	const struct nat44_limits limits = {
		.sessions = NAT44_DEFAULT_SESSIONS, .sessions_per_host = NAT44_DEFAULT_SESSIONS_PER_HOST};
	struct random random;

	random_init(&random, seed);
	*g = (struct gateway){.nat44 = nat44_create(ip, ifaces, &limits, random_u64(&random))};
	g->dns = dns_service_create(ip, ifaces, random_u64(&random));
	g->dhcp = dhcp_service_create(ip, ifaces, g->dns);
	if (g->nat44 && g->dns && g->dhcp)
		return 0;
	gateway_fini(g);
	return -ENOMEM;
}

void gateway_fini(struct gateway *g)
{
	dhcp_service_destroy(g->dhcp);
	dns_service_destroy(g->dns);
	nat44_destroy(g->nat44);
	*g = (struct gateway){0};
}

void gateway_tick(const struct gateway *g, uint64_t now_ns)
{
	nat44_tick(g->nat44, now_ns);
	dhcp_service_tick(g->dhcp, now_ns);
	dns_service_tick(g->dns, now_ns);
}

json_t *gateway_save(const struct gateway *g)
{
	return json_pack("{s:o, s:o, s:o}", "nat44", nat44_save(g->nat44), "dhcp", dhcp_service_save(g->dhcp),
		"dns", dns_service_save(g->dns));
}

int gateway_restore(const struct gateway *g, const json_t *state)
{
	int err = nat44_restore(g->nat44, json_object_get(state, "nat44"));

	if (err == 0)
		err = dhcp_service_restore(g->dhcp, json_object_get(state, "dhcp"));
	if (err == 0)
		dns_service_restore(g->dns, json_object_get(state, "dns"));
	return err;
}
