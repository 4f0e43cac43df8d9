/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dhcp_server.h"

#include "base/check.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IP_ALL   UINT32_MAX
#define FOR_EVER UINT32_MAX

const char *dhcp_config_problem(const struct dhcp_config *c)
{
	if (c->last < c->first)
		return "ends before it begins";
	if (c->last - c->first >= DHCP_POOL_MAX)
		return "is too large: give at most 4096 addresses";
	if ((c->first & c->mask) != (c->server & c->mask) || (c->last & c->mask) != (c->server & c->mask))
		return "is not in the interface's network: see show interface addr";
	if ((c->first & ~c->mask) == 0 || (c->last | c->mask) == UINT32_MAX)
		return "holds an address that means the network or all of it";
	return NULL;
}

struct dhcp_server *dhcp_server_create(const struct dhcp_config *config)
{
	struct dhcp_server *s = calloc(1, sizeof(*s));

	ASSERT(!dhcp_config_problem(config));
	if (s)
		s->config = *config;
	return s;
}

void dhcp_server_destroy(struct dhcp_server *s)
{
	free(s);
}

static uint32_t pool_len(const struct dhcp_server *s)
{
	return s->config.last - s->config.first + 1;
}

static bool in_network(const struct dhcp_server *s, uint32_t ip)
{
	return ((ip ^ s->config.server) & s->config.mask) == 0;
}

static uint32_t static_by_mac(const struct dhcp_server *s, uint64_t mac)
{
	uint32_t i = 0;

	while (i < s->n_static && s->statics[i].mac != mac)
		i++;
	return i;
}

static uint32_t static_by_ip(const struct dhcp_server *s, uint32_t ip)
{
	uint32_t i = 0;

	while (i < s->n_static && s->statics[i].ip != ip)
		i++;
	return i;
}

/* The entry of an address that this station may have; NULL: it is no address of ours, or another's for ever. */
static struct dhcp_lease *lease_at(struct dhcp_server *s, uint32_t ip, uint64_t mac)
{
	uint32_t mine = static_by_mac(s, mac);

	if (mine < s->n_static)
		return s->statics[mine].ip == ip ? &s->static_leases[mine] : NULL;
	/* the router's own may lie in the pool */
	if (ip - s->config.first >= pool_len(s) || ip == s->config.server || ip == s->config.router ||
		static_by_ip(s, ip) < s->n_static)
		return NULL;
	return &s->leases[ip - s->config.first];
}

enum dhcp_lease_state dhcp_lease_now(const struct dhcp_lease *lease, uint64_t now_s)
{
	return lease->until_s > now_s ? (enum dhcp_lease_state)lease->state : DHCP_LEASE_NONE;
}

const char *dhcp_lease_state_name(enum dhcp_lease_state state)
{
	static const char *const names[] = {"free", "offered", "bound", "declined"};

	return names[state];
}

/* Where the station was before; 0: nowhere. */
static uint32_t ip_of(const struct dhcp_server *s, uint64_t mac)
{
	uint32_t mine = static_by_mac(s, mac);

	if (mine < s->n_static)
		return s->statics[mine].ip;
	for (uint32_t i = 0; i < pool_len(s); i++)
		if (s->leases[i].mac == mac && s->leases[i].state != DHCP_LEASE_DECLINED)
			return s->config.first + i;
	return 0;
}

/* Nobody has it now, or this station has it. */
static bool may_have(struct dhcp_server *s, uint32_t ip, uint64_t mac, uint64_t now_s)
{
	const struct dhcp_lease *lease = lease_at(s, ip, mac);

	if (!lease)
		return false;
	if (dhcp_lease_now(lease, now_s) == DHCP_LEASE_NONE)
		return true;
	return lease->mac == mac && lease->state != DHCP_LEASE_DECLINED;
}

/* One that nobody had, else the one that is longest free; 0: there is none. Where it looks first depends on who asks. */
static uint32_t ip_free(struct dhcp_server *s, uint64_t mac, uint64_t now_s)
{
	uint32_t n = pool_len(s), from = (uint32_t)((mac * 0x9e3779b97f4a7c15ull >> 32) % n), best = 0;
	uint64_t best_s = UINT64_MAX;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t ip = s->config.first + (from + i) % n;
		const struct dhcp_lease *lease = &s->leases[ip - s->config.first];
		uint64_t since_s = lease->mac ? lease->until_s + 1 : 0;

		if (since_s < best_s && may_have(s, ip, mac, now_s)) {
			best = ip;
			best_s = since_s;
		}
		if (best && best_s == 0)
			break;
	}
	return best;
}

static uint32_t ip_to_offer(struct dhcp_server *s, const struct dhcp_message *m, uint64_t mac, uint64_t now_s)
{
	uint32_t ip = ip_of(s, mac);

	if (ip && may_have(s, ip, mac, now_s))
		return ip;
	if (m->requested_ip && may_have(s, m->requested_ip, mac, now_s))
		return m->requested_ip;
	return ip_free(s, mac, now_s);
}

static void remember_host(struct dhcp_lease *lease, struct dhcp_value name)
{
	uint32_t len = min_u32(name.len, DHCP_HOST_LEN - 1);

	memset(lease->host, 0, sizeof(lease->host));
	for (uint32_t i = 0; i < len; i++)
		lease->host[i] = name.at[i] > ' ' && name.at[i] < 0x7f ? (char)name.at[i] : '?';
}

/* The station has no other entry than this one. */
static void lease_take(
	struct dhcp_server *s, uint32_t ip, uint64_t mac, enum dhcp_lease_state state, uint64_t until_s)
{
	struct dhcp_lease *lease = lease_at(s, ip, mac);
	uint32_t before = ip_of(s, mac);

	if (before && before != ip)
		*lease_at(s, before, mac) = (struct dhcp_lease){0};
	lease->mac = mac;
	lease->state = (uint8_t)state;
	lease->until_s = until_s;
}

static void add_network(struct dhcp_writer *w, const struct dhcp_server *s, const struct dhcp_message *m)
{
	const struct dhcp_config *c = &s->config;
	uint8_t dns[4 * DHCP_DNS_MAX], mtu[2];

	for (uint32_t i = 0; i < c->n_dns; i++)
		be32_set(dns + 4 * i, c->dns[i]);
	be16_set(mtu, c->mtu);
	dhcp_add_u32(w, DHCP_OPT_MASK, c->mask);
	if (c->router && dhcp_wants(m, DHCP_OPT_ROUTER))
		dhcp_add_u32(w, DHCP_OPT_ROUTER, c->router);
	if (c->n_dns && dhcp_wants(m, DHCP_OPT_DNS))
		dhcp_add(w, DHCP_OPT_DNS, dns, (uint8_t)(4 * c->n_dns));
	if (c->domain[0] && dhcp_wants(m, DHCP_OPT_DOMAIN))
		dhcp_add(w, DHCP_OPT_DOMAIN, c->domain, (uint8_t)strlen(c->domain));
	if (c->mtu && dhcp_wants(m, DHCP_OPT_MTU))
		dhcp_add(w, DHCP_OPT_MTU, mtu, sizeof(mtu));
	if (dhcp_wants(m, DHCP_OPT_BROADCAST))
		dhcp_add_u32(w, DHCP_OPT_BROADCAST, c->server | ~c->mask);
}

static void begin(struct dhcp_writer *w, struct dhcp_answer *a, const struct dhcp_server *s,
	const struct dhcp_message *m, enum dhcp_type type)
{
	dhcp_begin(w, a->bytes, sizeof(a->bytes), m, (uint8_t)type);
	dhcp_add_u32(w, DHCP_OPT_SERVER_ID, s->config.server);
	if (m->client_id.at)
		dhcp_add(w, DHCP_OPT_CLIENT_ID, m->client_id.at, m->client_id.len);
}

/* RFC 2131, 4.1: how a station is reached that may have no address yet. */
static void end(struct dhcp_writer *w, struct dhcp_answer *a, const struct dhcp_message *m, uint32_t ip)
{
	a->len = dhcp_end(w);
	a->to_all = m->flags & DHCP_FLAG_BROADCAST && !m->ciaddr;
	a->to = m->ciaddr ? m->ciaddr : a->to_all ? IP_ALL : ip;
}

/* OFFER or ACK of an address. */
static enum drop answer_lease(struct dhcp_server *s, const struct dhcp_message *m, enum dhcp_type type,
	uint32_t ip, struct dhcp_answer *a)
{
	struct dhcp_writer w;

	begin(&w, a, s, m, type);
	dhcp_set_ciaddr(&w, type == DHCP_ACK ? m->ciaddr : 0);
	dhcp_set_yiaddr(&w, ip);
	dhcp_add_u32(&w, DHCP_OPT_LEASE_S, s->config.lease_s);
	if (s->config.lease_s != FOR_EVER) {
		dhcp_add_u32(&w, DHCP_OPT_RENEW_S, s->config.lease_s / 2);
		dhcp_add_u32(&w, DHCP_OPT_REBIND_S, (uint32_t)(s->config.lease_s * 7ull / 8));
	}
	add_network(&w, s, m);
	end(&w, a, m, ip);
	return DROP_NONE;
}

static enum drop answer_nak(struct dhcp_server *s, const struct dhcp_message *m, struct dhcp_answer *a)
{
	struct dhcp_writer w;

	begin(&w, a, s, m, DHCP_NAK);
	a->len = dhcp_end(&w);
	a->to = IP_ALL;
	a->to_all = true;
	return DROP_NONE;
}

static enum drop discover(struct dhcp_server *s, const struct dhcp_message *m, uint64_t mac, uint64_t now_s,
	struct dhcp_answer *a)
{
	uint32_t ip = ip_to_offer(s, m, mac, now_s);
	const struct dhcp_lease *lease;

	if (!ip)
		return DROP_DHCP_NO_ADDRESS;
	lease = lease_at(s, ip, mac);
	/* a station that asks anew may still use what it has */
	if (dhcp_lease_now(lease, now_s) != DHCP_LEASE_BOUND)
		lease_take(s, ip, mac, DHCP_LEASE_OFFERED, now_s + DHCP_OFFER_S);
	return answer_lease(s, m, DHCP_OFFER, ip, a);
}

static uint64_t lease_end(const struct dhcp_server *s, uint64_t now_s)
{
	return s->config.lease_s == FOR_EVER ? UINT64_MAX : now_s + s->config.lease_s;
}

/* It took another server's offer: ours is free again. */
static enum drop request_of_other(struct dhcp_server *s, uint64_t mac, uint64_t now_s)
{
	uint32_t ip = ip_of(s, mac);
	struct dhcp_lease *lease = ip ? lease_at(s, ip, mac) : NULL;

	if (lease && dhcp_lease_now(lease, now_s) == DHCP_LEASE_OFFERED)
		lease->until_s = now_s;
	return DROP_NONE;
}

/* Of an offer (server_id), or of what it had before: at start (requested_ip), or to have it longer (ciaddr). */
static enum drop request(struct dhcp_server *s, const struct dhcp_message *m, uint64_t mac, uint64_t now_s,
	struct dhcp_answer *a)
{
	uint32_t ip = m->ciaddr ? m->ciaddr : m->requested_ip, had = ip_of(s, mac);

	if (m->server_id && m->server_id != s->config.server)
		return request_of_other(s, mac, now_s);
	if (!ip)
		return DROP_DHCP_MALFORMED;
	/* who has a record here has that address, and an offer is for the address that was offered */
	if (!may_have(s, ip, mac, now_s) || (had && had != ip) || (m->server_id && had != ip))
		return answer_nak(s, m, a);
	lease_take(s, ip, mac, DHCP_LEASE_BOUND, lease_end(s, now_s));
	remember_host(lease_at(s, ip, mac), m->host_name);
	return answer_lease(s, m, DHCP_ACK, ip, a);
}

/* The lease a station speaks of when it gives it up; NULL: not its own. */
static struct dhcp_lease *lease_given_up(
	struct dhcp_server *s, const struct dhcp_message *m, uint64_t mac, uint32_t ip)
{
	struct dhcp_lease *lease = lease_at(s, ip, mac);

	return m->server_id == s->config.server && lease && lease->mac == mac &&
			       lease->state != DHCP_LEASE_DECLINED
		       ? lease
		       : NULL;
}

static enum drop decline(struct dhcp_server *s, const struct dhcp_message *m, uint64_t mac, uint64_t now_s)
{
	struct dhcp_lease *lease = lease_given_up(s, m, mac, m->requested_ip);

	if (!lease)
		return DROP_DHCP_NOT_ITS_OWN;
	for (uint32_t i = 0; i < pool_len(s); i++)
		if (s->leases[i].mac == mac && s->leases[i].state == DHCP_LEASE_DECLINED)
			s->leases[i] = (struct dhcp_lease){0};
	lease->state = DHCP_LEASE_DECLINED;
	lease->until_s = now_s + DHCP_DECLINE_S;
	return DROP_NONE;
}

static enum drop release(struct dhcp_server *s, const struct dhcp_message *m, uint64_t mac, uint64_t now_s)
{
	struct dhcp_lease *lease = lease_given_up(s, m, mac, m->ciaddr);

	if (!lease)
		return DROP_DHCP_NOT_ITS_OWN;
	lease->until_s = min_u64(lease->until_s, now_s);
	return DROP_NONE;
}

static enum drop inform(struct dhcp_server *s, const struct dhcp_message *m, struct dhcp_answer *a)
{
	struct dhcp_writer w;

	if (!m->ciaddr || !in_network(s, m->ciaddr))
		return DROP_DHCP_MALFORMED;
	begin(&w, a, s, m, DHCP_ACK);
	dhcp_set_ciaddr(&w, m->ciaddr);
	add_network(&w, s, m);
	end(&w, a, m, m->ciaddr);
	return DROP_NONE;
}

enum drop dhcp_server_handle(
	struct dhcp_server *s, const struct dhcp_message *m, uint64_t now_s, struct dhcp_answer *answer)
{
	uint64_t mac = mac_load(m->mac);

	answer->len = 0;
	if (m->giaddr)
		return DROP_DHCP_RELAY;
	if (mac == 0 || mac_is_group(mac))
		return DROP_DHCP_MALFORMED;
	switch (m->type) {
	case DHCP_DISCOVER:
		return discover(s, m, mac, now_s, answer);
	case DHCP_REQUEST:
		return request(s, m, mac, now_s, answer);
	case DHCP_DECLINE:
		return decline(s, m, mac, now_s);
	case DHCP_RELEASE:
		return release(s, m, mac, now_s);
	case DHCP_INFORM:
		return inform(s, m, answer);
	default:
		return DROP_DHCP_MALFORMED;
	}
}

int dhcp_server_add_static(struct dhcp_server *s, uint64_t mac, uint32_t ip)
{
	if (!in_network(s, ip) || ip == s->config.server)
		return -ERANGE;
	if (static_by_mac(s, mac) < s->n_static || static_by_ip(s, ip) < s->n_static)
		return -EEXIST;
	if (s->n_static == DHCP_STATIC_MAX)
		return -ENOSPC;
	/* what either had ends: the station is told when it wants to have it longer */
	for (uint32_t i = 0; i < pool_len(s); i++)
		if (s->leases[i].mac == mac || s->config.first + i == ip)
			s->leases[i] = (struct dhcp_lease){0};
	s->static_leases[s->n_static] = (struct dhcp_lease){0};
	s->statics[s->n_static++] = (struct dhcp_static){.mac = mac, .ip = ip};
	return 0;
}

int dhcp_server_del_static(struct dhcp_server *s, uint64_t mac)
{
	uint32_t i = static_by_mac(s, mac);

	if (i == s->n_static)
		return -ENOENT;
	s->n_static--;
	s->statics[i] = s->statics[s->n_static];
	s->static_leases[i] = s->static_leases[s->n_static];
	return 0;
}

const struct dhcp_lease *dhcp_server_next(const struct dhcp_server *s, uint32_t *pos, uint32_t *ip)
{
	for (; *pos < pool_len(s) + s->n_static; (*pos)++) {
		bool is_static = *pos >= pool_len(s);
		uint32_t i = is_static ? *pos - pool_len(s) : *pos;
		const struct dhcp_lease *lease = is_static ? &s->static_leases[i] : &s->leases[i];

		if (!lease->mac)
			continue;
		*ip = is_static ? s->statics[i].ip : s->config.first + i;
		(*pos)++;
		return lease;
	}
	return NULL;
}

bool dhcp_server_restore(struct dhcp_server *s, uint32_t ip, const struct dhcp_lease *from)
{
	struct dhcp_lease *lease = lease_at(s, ip, from->mac);

	if (!lease || lease->mac || !from->mac || from->state > DHCP_LEASE_DECLINED ||
		(from->state != DHCP_LEASE_DECLINED && ip_of(s, from->mac) && ip_of(s, from->mac) != ip))
		return false;
	*lease = *from;
	lease->host[DHCP_HOST_LEN - 1] = 0;
	return true;
}
