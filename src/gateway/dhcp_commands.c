/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dhcp_service.h"
#include "gateway/gateway_call.h"

#include "ip/service.h"

#include <errno.h>
#include <inttypes.h>

/* "A-B" */
static bool read_pool(struct ctl_call *call, struct dhcp_config *c)
{
	const char *text = ctl_str(call, "pool", ""), *dash = strchr(text, '-');
	char first[IP_TEXT_SIZE];
	struct ip_addr a, b;

	if (!dash || (size_t)(dash - text) >= sizeof(first))
		goto no_pool;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = '\0';
	if (!ip_addr_parse(first, &a) || !ip_addr_parse(dash + 1, &b) || a.ip6 || b.ip6)
		goto no_pool;
	c->first = ip4_of(&a);
	c->last = ip4_of(&b);
	return true;
no_pool:
	ctl_fail(call, "'%s' is no pool: give its first and last address, such as 10.0.0.100-10.0.0.199",
		text);
	return false;
}

/* The network of the interface that the pool is in, and our address there. */
static bool read_network(struct ctl_call *call, const struct iface *iface, struct dhcp_config *c)
{
	const struct ip_addr first = ip4_addr(c->first);
	struct ip_prefix network;
	struct ip_addr own;

	if (!ip_iface_network(iface, &first, &network) || !ip_iface_source(iface, &first, &own)) {
		ctl_fail(call,
			"%s has no address in the pool's network: give it one first, with set interface ip "
			"address %s",
			iface->name, iface->name);
		return false;
	}
	c->server = ip4_of(&own);
	c->mask = network.len ? UINT32_MAX << (32 - network.len) : 0;
	return true;
}

static bool read_options(struct ctl_call *call, struct dhcp_config *c)
{
	uint64_t lease_s = ctl_u64(call, "lease", DHCP_LEASE_DEFAULT_S);
	const char *domain = ctl_str(call, "domain", "");

	if (lease_s < DHCP_LEASE_MIN_S) {
		ctl_fail(call, "a lease is in seconds: give at least %d", DHCP_LEASE_MIN_S);
		return false;
	}
	if (strlen(domain) >= sizeof(c->domain)) {
		ctl_fail(call, "the domain is too long: give at most %zu characters", sizeof(c->domain) - 1);
		return false;
	}
	c->lease_s = (uint32_t)lease_s;
	snprintf(c->domain, sizeof(c->domain), "%s", domain);
	c->router = c->server;
	if (ctl_has(call, "router") && !gateway_call_ip4(call, "router", &c->router))
		return false;
	if (!ctl_has(call, "dns"))
		return true;
	c->n_dns = 1;
	return gateway_call_ip4(call, "dns", &c->dns[0]);
}

static int run_add(struct ctl_call *call)
{
	struct dhcp_service *s = call->subject;
	struct iface *iface = gateway_call_iface(call, s->ifaces, "interface");
	struct dhcp_config config = {0};
	const char *problem;

	if (!iface || !read_pool(call, &config) || !read_network(call, iface, &config) ||
		!read_options(call, &config))
		return -1;
	problem = dhcp_config_problem(&config);
	if (problem)
		return ctl_fail(call, "the pool %s %s", ctl_str(call, "pool", ""), problem);
	return dhcp_service_set(s, iface, &config, config.n_dns == 0) == 0 ? 0
									   : ctl_fail(call, "out of memory");
}

static int fail_no_pool(struct ctl_call *call, const struct iface *iface)
{
	return ctl_fail(call, "%s has no DHCP server: make one with dhcp server add %s pool A-B", iface->name,
		iface->name);
}

static int run_del(struct ctl_call *call)
{
	struct dhcp_service *s = call->subject;
	const struct iface *iface = gateway_call_iface(call, s->ifaces, "interface");

	if (!iface)
		return -1;
	return dhcp_service_del(s, iface) == 0 ? 0 : fail_no_pool(call, iface);
}

/* 0 or -errno of dhcp_server.h. */
static int change_static(struct dhcp_service *s, struct dhcp_pool *pool, uint64_t mac, uint32_t ip)
{
	int err;

	lock_take(&s->lock);
	err = ip ? dhcp_server_add_static(pool->server, mac, ip) : dhcp_server_del_static(pool->server, mac);
	lock_release(&s->lock);
	return err;
}

static int run_static(struct ctl_call *call)
{
	struct dhcp_service *s = call->subject;
	const struct iface *iface = gateway_call_iface(call, s->ifaces, "interface");
	struct dhcp_pool *pool = iface ? dhcp_service_find(s, iface) : NULL;
	uint8_t mac[MAC_LEN] = {0};
	uint32_t ip = 0;

	if (!iface || !gateway_call_ip4(call, "address", &ip))
		return -1;
	if (!pool)
		return fail_no_pool(call, iface);
	ctl_mac(call, "mac", mac);
	switch (change_static(s, pool, mac_load(mac), ctl_has(call, "del") ? 0 : ip)) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(call, "%s or %s has a fixed address already: delete that first",
			ctl_str(call, "mac", ""), ctl_str(call, "address", ""));
	case -ENOENT:
		return ctl_fail(
			call, "%s has no fixed address: see show dhcp server", ctl_str(call, "mac", ""));
	case -ERANGE:
		return ctl_fail(call, "%s is not in the network of %s, or is its own",
			ctl_str(call, "address", ""), iface->name);
	default:
		return ctl_fail(
			call, "there are %d fixed addresses already: delete one first", DHCP_STATIC_MAX);
	}
}

static json_t *mac_json(uint64_t mac)
{
	char text[MAC_TEXT_SIZE];

	return json_string(mac_format(text, mac));
}

static void leases_json(json_t *leases, const struct dhcp_service *s, uint32_t idx)
{
	const struct dhcp_lease *l;
	uint32_t pos = 0, ip;

	while ((l = dhcp_server_next(s->pools[idx]->server, &pos, &ip))) {
		enum dhcp_lease_state state = dhcp_lease_now(l, s->now_s);
		json_t *o = json_pack("{s:s, s:o, s:o, s:s, s:s}", "interface", s->names[idx], "address",
			ip4_json(ip), "mac", mac_json(l->mac), "state", dhcp_lease_state_name(state), "host",
			l->host);

		if (state != DHCP_LEASE_NONE && l->until_s < UINT32_MAX)
			json_object_set_new(o, "left-s", json_integer((json_int_t)(l->until_s - s->now_s)));
		json_array_append_new(leases, o);
	}
}

static int run_show_leases(struct ctl_call *call)
{
	struct dhcp_service *s = call->subject;
	uint64_t only = ctl_u64(call, "interface", IFACE_MAX);

	call->result = json_array();
	lock_take(&s->lock);
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++)
		if (s->pools[idx] && (only == IFACE_MAX || only == idx))
			leases_json(call->result, s, idx);
	lock_release(&s->lock);
	return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void print_leases(const json_t *result, FILE *out)
{
	const json_t *l;
	size_t i;

	fprintf(out, "%-16s%-19s%-10s%9s  %-24s%s\n", "Address", "MAC", "State", "Left(s)", "Interface",
		"Host");
	json_array_foreach ((json_t *)(uintptr_t)result, i, l) {
		const json_t *left = json_object_get(l, "left-s");
		char number[24] = "-";

		if (left)
			snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(left));
		fprintf(out, "%-16s%-19s%-10s%9s  %-24s%s\n", text_of(l, "address"), text_of(l, "mac"),
			text_of(l, "state"), number, text_of(l, "interface"), text_of(l, "host"));
	}
}

static json_t *static_json(const struct dhcp_server *server)
{
	json_t *fixed = json_array();

	for (uint32_t i = 0; i < server->n_static; i++)
		json_array_append_new(fixed, json_pack("{s:o, s:o}", "mac", mac_json(server->statics[i].mac),
						     "address", ip4_json(server->statics[i].ip)));
	return fixed;
}

static json_t *pool_json(const char *name, const struct dhcp_pool *pool)
{
	const struct dhcp_config *c = &pool->server->config;
	json_t *dns = json_array();

	for (uint32_t i = 0; i < c->n_dns; i++)
		json_array_append_new(dns, ip4_json(c->dns[i]));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:s, s:o}", "interface", name, "first",
		ip4_json(c->first), "last", ip4_json(c->last), "server", ip4_json(c->server), "router",
		ip4_json(c->router), "dns", dns, "own-dns", (int)pool->own_dns, "lease-s",
		(json_int_t)c->lease_s, "domain", c->domain, "static", static_json(pool->server));
}

static int run_show_server(struct ctl_call *call)
{
	struct dhcp_service *s = call->subject;

	call->result = json_array();
	lock_take(&s->lock);
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++)
		if (s->pools[idx])
			json_array_append_new(call->result, pool_json(s->names[idx], s->pools[idx]));
	lock_release(&s->lock);
	return 0;
}

static void print_server(const json_t *result, FILE *out)
{
	const json_t *p, *fixed;
	size_t i, at;

	json_array_foreach ((json_t *)(uintptr_t)result, i, p) {
		const char *dns = json_string_value(json_array_get(json_object_get(p, "dns"), 0));

		fprintf(out, "%s: pool %s-%s lease %" JSON_INTEGER_FORMAT " router %s dns %s%s%s\n",
			text_of(p, "interface"), text_of(p, "first"), text_of(p, "last"),
			json_integer_value(json_object_get(p, "lease-s")), text_of(p, "router"),
			json_is_true(json_object_get(p, "own-dns")) ? "own, see show dns"
			: dns                                       ? dns
								    : "none",
			*text_of(p, "domain") ? " domain " : "", text_of(p, "domain"));
		json_array_foreach (json_object_get(p, "static"), at, fixed)
			fprintf(out, "  static %s %s\n", text_of(fixed, "mac"), text_of(fixed, "address"));
	}
}

static const struct ctl_command commands[] = {
	{"dhcp server add <interface:interface> pool <pool:word> [lease <lease:u32>] [dns <dns:ip>] [router "
	 "<router:ip>] "
	 "[domain <domain:word>]",
		"Give the stations at an interface addresses A-B of its network for so many seconds, and "
		"ourselves "
		"as router and DNS server if not told otherwise",
		run_add, NULL},
	{"dhcp server del <interface:interface>", "Give no more addresses there", run_del, NULL},
	{"dhcp server static <interface:interface> <mac:mac> <address:ip> [del]",
		"Always give a station the same address", run_static, NULL},
	{"show dhcp leases [<interface:interface>]", "Which station has which address, and for how long",
		run_show_leases, print_leases},
	{"show dhcp server", "Which addresses are given where", run_show_server, print_server},
	{0},
};

const struct ctl_table dhcp_commands = {commands};
