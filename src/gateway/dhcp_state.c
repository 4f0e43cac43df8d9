/* SPDX-License-Identifier: Apache-2.0 */
/* Pools and leases as a successor process needs them. */
#include "gateway/dhcp_service.h"

#include "os/parcel.h"

#include <string.h>

static json_t *leases_save(const struct dhcp_server *server)
{
	json_t *leases = json_array();
	const struct dhcp_lease *l;
	uint32_t pos = 0, ip;

	while ((l = dhcp_server_next(server, &pos, &ip)))
		json_array_append_new(
			leases, json_pack("{s:I, s:I, s:I, s:i, s:s}", "ip", (json_int_t)ip, "mac",
					(json_int_t)l->mac, "until-s",
					(json_int_t)(l->until_s > INT64_MAX ? INT64_MAX : l->until_s),
					"state", (int)l->state, "host", l->host));
	return leases;
}

static json_t *statics_save(const struct dhcp_server *server)
{
	json_t *statics = json_array();

	for (uint32_t i = 0; i < server->n_static; i++)
		json_array_append_new(
			statics, json_pack("{s:I, s:I}", "ip", (json_int_t)server->statics[i].ip, "mac",
					 (json_int_t)server->statics[i].mac));
	return statics;
}

static json_t *config_save(const struct dhcp_config *c)
{
	json_t *dns = json_array();

	for (uint32_t i = 0; i < c->n_dns; i++)
		json_array_append_new(dns, json_integer(c->dns[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:s, s:o}", "first", (json_int_t)c->first,
		"last", (json_int_t)c->last, "server", (json_int_t)c->server, "mask", (json_int_t)c->mask,
		"router", (json_int_t)c->router, "lease-s", (json_int_t)c->lease_s, "mtu", (int)c->mtu,
		"domain", c->domain, "dns", dns);
}

json_t *dhcp_service_save(struct dhcp_service *s)
{
	json_t *pools = json_array();

	lock_take(&s->lock);
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++)
		if (s->pools[idx])
			json_array_append_new(
				pools, json_pack("{s:s, s:b, s:o, s:o, s:o}", "interface", s->names[idx],
					       "own-dns", (int)s->pools[idx]->own_dns, "config",
					       config_save(&s->pools[idx]->server->config), "static",
					       statics_save(s->pools[idx]->server), "leases",
					       leases_save(s->pools[idx]->server)));
	lock_release(&s->lock);
	return pools;
}

static struct dhcp_config config_restore(const json_t *o)
{
	struct dhcp_config c = {
		.first = (uint32_t)parcel_u64(o, "first", 0),
		.last = (uint32_t)parcel_u64(o, "last", 0),
		.server = (uint32_t)parcel_u64(o, "server", 0),
		.mask = (uint32_t)parcel_u64(o, "mask", 0),
		.router = (uint32_t)parcel_u64(o, "router", 0),
		.lease_s = (uint32_t)parcel_u64(o, "lease-s", DHCP_LEASE_DEFAULT_S),
		.mtu = (uint16_t)parcel_u64(o, "mtu", 0),
	};
	const json_t *dns;
	size_t i;

	snprintf(c.domain, sizeof(c.domain), "%s", parcel_str(o, "domain", ""));
	json_array_foreach (json_object_get(o, "dns"), i, dns)
		if (c.n_dns < DHCP_DNS_MAX)
			c.dns[c.n_dns++] = (uint32_t)json_integer_value(dns);
	return c;
}

static void leases_restore(struct dhcp_server *server, const json_t *leases)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)leases, i, o) {
		struct dhcp_lease l = {
			.mac = parcel_u64(o, "mac", 0),
			.until_s = parcel_u64(o, "until-s", 0),
			.state = (uint8_t)parcel_u64(o, "state", DHCP_LEASE_NONE),
		};

		snprintf(l.host, sizeof(l.host), "%s", parcel_str(o, "host", ""));
		dhcp_server_restore(server, (uint32_t)parcel_u64(o, "ip", 0), &l);
	}
}

static int pool_restore(struct dhcp_service *s, const json_t *o)
{
	const struct iface *iface = iface_by_name(s->ifaces, parcel_str(o, "interface", ""));
	const struct dhcp_config config = config_restore(json_object_get(o, "config"));
	struct dhcp_server *server;
	const json_t *fixed;
	size_t i;
	int err;

	if (!iface || dhcp_config_problem(&config))
		return 0; /* it did not come along */
	err = dhcp_service_set(s, iface, &config, parcel_bool(o, "own-dns", false));
	if (err)
		return err;
	server = dhcp_service_find(s, iface)->server;
	json_array_foreach (json_object_get(o, "static"), i, fixed)
		dhcp_server_add_static(
			server, parcel_u64(fixed, "mac", 0), (uint32_t)parcel_u64(fixed, "ip", 0));
	leases_restore(server, json_object_get(o, "leases"));
	return 0;
}

int dhcp_service_restore(struct dhcp_service *s, const json_t *state)
{
	const json_t *o;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)state, i, o)
		if (!err)
			err = pool_restore(s, o);
	s->changed = true; /* whoever keeps them somewhere has not these */
	return err;
}
