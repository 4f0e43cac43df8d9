/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44_table.h"

#include "base/prefetch.h"
#include "os/pages.h"
#include "wire/dns.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Ports that are tried before there is none free: with nine of ten taken, one search in a million fails. */
#define PORT_TRIES 128

static const uint32_t default_timeouts_s[NAT44_TIMERS] = {
	[NAT44_TIMER_QUERY] = 60,
	[NAT44_TIMER_UDP] = 300,
	[NAT44_TIMER_TCP_TRANSITORY] = 240,
	[NAT44_TIMER_TCP_ESTABLISHED] = 7440,
};

/* What was seen of a connection. */
enum tcp_seen {
	SEEN_OUT = 1,
	SEEN_IN = 2,
	SEEN_OPEN = 4, /* a segment without SYN, after both: who began it has had its answer */
	SEEN_FIN_OUT = 8,
	SEEN_FIN_IN = 16,
	SEEN_RST = 32,
};

#define SEEN_BOTH (SEEN_OUT | SEEN_IN)
#define SEEN_FINS (SEEN_FIN_OUT | SEEN_FIN_IN)

static uint32_t n_mappings(const struct nat44_table *t)
{
	return t->limits.sessions + NAT44_STATIC_MAX + 1;
}

/* Each connection may need an entry that counts it. */
static uint32_t n_sessions(const struct nat44_table *t)
{
	return 2 * t->limits.sessions + 1;
}

struct nat44_table *nat44_table_create(const struct nat44_limits *limits, uint64_t seed)
{
	struct nat44_table *t = calloc(1, sizeof(*t));
	uint32_t n = 16;

	if (!t)
		return NULL;
	ASSERT(limits->sessions <= NAT44_SESSIONS_MAX);
	t->limits = *limits;
	while (n < n_sessions(t))
		n *= 2;
	random_init(&t->random, seed);
	t->seed = random_u64(&t->random);
	memcpy(t->timeouts_s, default_timeouts_s, sizeof(t->timeouts_s));
	t->mask = n - 1;
	t->mappings_used = t->sessions_used = 1;
	t->mappings = pages_alloc(n_mappings(t), sizeof(*t->mappings));
	t->sessions = pages_alloc(n_sessions(t), sizeof(*t->sessions));
	t->by_in = pages_alloc(n, sizeof(*t->by_in));
	t->by_out = pages_alloc(n, sizeof(*t->by_out));
	t->by_remote = pages_alloc(n, sizeof(*t->by_remote));
	if (t->mappings && t->sessions && t->by_in && t->by_out && t->by_remote)
		return t;
	nat44_table_destroy(t);
	return NULL;
}

void nat44_table_destroy(struct nat44_table *t)
{
	if (!t)
		return;
	pages_free(t->mappings, n_mappings(t), sizeof(*t->mappings));
	pages_free(t->sessions, n_sessions(t), sizeof(*t->sessions));
	pages_free(t->by_in, t->mask + 1, sizeof(*t->by_in));
	pages_free(t->by_out, t->mask + 1, sizeof(*t->by_out));
	pages_free(t->by_remote, t->mask + 1, sizeof(*t->by_remote));
	free(t);
}

static bool same(struct nat44_endpoint a, struct nat44_endpoint b)
{
	return a.ip == b.ip && a.port == b.port;
}

static uint32_t *chain(const struct nat44_table *t, uint32_t *heads, struct nat44_endpoint e, uint32_t with)
{
	uint64_t key[2] = {(uint64_t)e.ip << 16 | e.port, with};

	return &heads[XXH3_64bits_withSeed(key, sizeof(key), t->seed) & t->mask];
}

static uint32_t *host_sessions(struct nat44_table *t, uint32_t ip)
{
	return &t->host_sessions[XXH3_64bits_withSeed(&ip, sizeof(ip), t->seed) % NAT44_HOST_SLOTS];
}

/* Sessions */

static uint32_t session_find(const struct nat44_table *t, uint32_t mapping, struct nat44_endpoint remote)
{
	uint32_t at = *chain(t, t->by_remote, remote, mapping);

	while (at && !(t->sessions[at].mapping == mapping && same(t->sessions[at].remote, remote)))
		at = t->sessions[at].next;
	return at;
}

/* Unlinks entry `at` from the chain that begins at *link, whose links are at the same place of each entry. */
static void session_unchain(struct nat44_table *t, uint32_t at)
{
	const struct nat44_session *s = &t->sessions[at];
	uint32_t *link = chain(t, t->by_remote, s->remote, s->mapping);

	while (*link != at)
		link = &t->sessions[*link].next;
	*link = s->next;
}

static uint32_t session_new(struct nat44_table *t, uint32_t mapping, struct nat44_endpoint remote)
{
	uint32_t at = t->sessions_free, *head;

	if (at)
		t->sessions_free = t->sessions[at].next;
	else
		at = t->sessions_used++;
	ASSERT(at <= 2 * t->limits.sessions);
	head = chain(t, t->by_remote, remote, mapping);
	t->sessions[at] = (struct nat44_session){.remote = remote, .mapping = mapping, .next = *head};
	*head = at;
	return at;
}

static void session_free(struct nat44_table *t, uint32_t at)
{
	session_unchain(t, at);
	t->sessions[at] = (struct nat44_session){.next = t->sessions_free};
	t->sessions_free = at;
}

static void list_remove(struct nat44_table *t, uint32_t at)
{
	const struct nat44_session *s = &t->sessions[at];
	struct nat44_list *list = &t->lists[s->timer];

	*(s->older ? &t->sessions[s->older].newer : &list->oldest) = s->newer;
	*(s->newer ? &t->sessions[s->newer].older : &list->newest) = s->older;
}

static void list_append(struct nat44_table *t, uint32_t at)
{
	struct nat44_session *s = &t->sessions[at];
	struct nat44_list *list = &t->lists[s->timer];

	s->older = list->newest;
	s->newer = 0;
	*(list->newest ? &t->sessions[list->newest].newer : &list->oldest) = at;
	list->newest = at;
}

/* Mappings */

static uint32_t mapping_find_out(const struct nat44_table *t, uint8_t proto, struct nat44_endpoint out)
{
	uint32_t at = *chain(t, t->by_out, out, proto);

	while (at && !(t->mappings[at].proto == proto && same(t->mappings[at].out, out)))
		at = t->mappings[at].next_out;
	return at;
}

static uint32_t mapping_next_in(
	const struct nat44_table *t, uint32_t at, uint8_t proto, struct nat44_endpoint in)
{
	while (at && !(t->mappings[at].proto == proto && same(t->mappings[at].in, in)))
		at = t->mappings[at].next_in;
	return at;
}

/* Several ports outside may be forwarded to one inside: then the one over which they spoke before. */
static uint32_t mapping_find_in(
	const struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint remote)
{
	uint32_t first = mapping_next_in(t, *chain(t, t->by_in, in, proto), proto, in), at = first;

	while (at) {
		uint32_t next = mapping_next_in(t, t->mappings[at].next_in, proto, in);

		if ((at == first && !next) || session_find(t, at, remote))
			return at;
		at = next;
	}
	return first;
}

static uint32_t mapping_new(
	struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint out, bool fixed)
{
	uint32_t *head_in = chain(t, t->by_in, in, proto), *head_out = chain(t, t->by_out, out, proto);
	uint32_t at = t->mappings_free;

	if (at)
		t->mappings_free = t->mappings[at].next_in;
	else
		at = t->mappings_used++;
	ASSERT(at <= t->limits.sessions + NAT44_STATIC_MAX);
	t->mappings[at] = (struct nat44_mapping){
		.in = in,
		.out = out,
		.proto = proto,
		.is_static = fixed,
		.next_in = *head_in,
		.next_out = *head_out,
	};
	*head_in = *head_out = at;
	t->n_mappings++;
	return at;
}

static void mapping_free(struct nat44_table *t, uint32_t at)
{
	struct nat44_mapping *m = &t->mappings[at];
	uint32_t *link = chain(t, t->by_in, m->in, m->proto);

	while (*link != at)
		link = &t->mappings[*link].next_in;
	*link = m->next_in;
	link = chain(t, t->by_out, m->out, m->proto);
	while (*link != at)
		link = &t->mappings[*link].next_out;
	*link = m->next_out;
	*m = (struct nat44_mapping){.next_in = t->mappings_free};
	t->mappings_free = at;
	t->n_mappings--;
}

/* The entry that counts connections with a remote address. */
static struct nat44_endpoint any_port(struct nat44_endpoint remote)
{
	return (struct nat44_endpoint){.ip = remote.ip};
}

static void connection_begins(struct nat44_table *t, uint32_t mapping, struct nat44_endpoint remote)
{
	uint32_t at = session_find(t, mapping, any_port(remote));

	if (!at)
		at = session_new(t, mapping, any_port(remote));
	t->sessions[at].n_connections++;
}

static void connection_ends(struct nat44_table *t, uint32_t mapping, struct nat44_endpoint remote)
{
	uint32_t at = session_find(t, mapping, any_port(remote));

	if (--t->sessions[at].n_connections == 0)
		session_free(t, at);
}

/* The session ends, and the mapping with its last one. */
static void end(struct nat44_table *t, uint32_t at)
{
	const struct nat44_session s = t->sessions[at];
	struct nat44_mapping *m = &t->mappings[s.mapping];

	list_remove(t, at);
	session_free(t, at);
	if (m->proto == IP_PROTO_TCP)
		connection_ends(t, s.mapping, s.remote);
	(*host_sessions(t, m->in.ip))--;
	t->n_sessions--;
	if (--m->n_sessions == 0 && !m->is_static)
		mapping_free(t, s.mapping);
}

static bool is_over(const struct nat44_table *t, const struct nat44_session *s, uint32_t now_s)
{
	/* a worker may have been faster than this one's clock */
	return (int32_t)(now_s - s->seen_s) >= (int32_t)t->timeouts_s[s->timer];
}

uint32_t nat44_table_expire(struct nat44_table *t, uint32_t now_s, uint32_t n)
{
	uint32_t ended = 0;

	for (uint32_t timer = 0; timer < NAT44_TIMERS; timer++) {
		const struct nat44_list *list = &t->lists[timer];

		while (ended < n && list->oldest && is_over(t, &t->sessions[list->oldest], now_s)) {
			end(t, list->oldest);
			ended++;
		}
	}
	return ended;
}

void nat44_table_clear(struct nat44_table *t)
{
	for (uint32_t timer = 0; timer < NAT44_TIMERS; timer++)
		while (t->lists[timer].oldest)
			end(t, t->lists[timer].oldest);
}

/* Timers */

static uint8_t tcp_see(uint8_t seen, uint8_t flags, bool out)
{
	if (flags & TCP_RST)
		return seen | SEEN_RST;
	if (flags & TCP_SYN) {
		if (seen & SEEN_RST || (seen & SEEN_FINS) == SEEN_FINS)
			seen = 0; /* the next connection between the same ports */
		return (uint8_t)(seen | (out ? SEEN_OUT : SEEN_IN));
	}
	/* who still speaks after a reset has not accepted it (RFC 7857, 2.2) */
	seen = (uint8_t)((seen & ~SEEN_RST) | (out ? SEEN_OUT : SEEN_IN));
	if ((seen & SEEN_BOTH) == SEEN_BOTH)
		seen |= SEEN_OPEN;
	if (flags & TCP_FIN)
		seen |= out ? SEEN_FIN_OUT : SEEN_FIN_IN;
	return seen;
}

static enum nat44_timer tcp_timer(uint8_t seen)
{
	bool open = seen & SEEN_OPEN && !(seen & SEEN_RST) && (seen & SEEN_FINS) != SEEN_FINS;

	return open ? NAT44_TIMER_TCP_ESTABLISHED : NAT44_TIMER_TCP_TRANSITORY;
}

static enum nat44_timer next_timer(const struct nat44_session *s, const struct nat44_packet *p)
{
	switch (p->proto) {
	case IP_PROTO_TCP:
		return tcp_timer(s->state);
	case IP_PROTO_UDP:
		return p->remote.port == DNS_PORT ? s->timer : NAT44_TIMER_UDP;
	default:
		return NAT44_TIMER_QUERY;
	}
}

/* A packet of this session passes. */
static void touch(struct nat44_table *t, uint32_t at, const struct nat44_packet *p, uint32_t now_s, bool out)
{
	struct nat44_session *s = &t->sessions[at];
	enum nat44_timer timer;

	if (p->proto == IP_PROTO_TCP)
		s->state = tcp_see(s->state, p->tcp_flags, out);
	timer = next_timer(s, p);
	s->packets++;
	s->bytes += p->len;
	if (s->seen_s == now_s && s->timer == timer)
		return;
	list_remove(t, at);
	s->timer = (uint8_t)timer;
	s->seen_s = now_s;
	list_append(t, at);
}

/* What tells sessions of a mapping apart. */
static struct nat44_endpoint session_key(uint8_t proto, struct nat44_endpoint remote)
{
	return proto == IP_PROTO_TCP ? remote : any_port(remote);
}

/* The session, unless it was silent too long; then it ends, and the mapping may. */
static uint32_t session_alive(
	struct nat44_table *t, uint32_t mapping, struct nat44_endpoint key, uint32_t now_s)
{
	uint32_t at = session_find(t, mapping, key);

	if (!at || !is_over(t, &t->sessions[at], now_s))
		return at;
	end(t, at);
	return 0;
}

static enum drop room(struct nat44_table *t, uint32_t in_ip, uint32_t now_s)
{
	if (*host_sessions(t, in_ip) >= t->limits.sessions_per_host)
		nat44_table_expire(t, now_s, t->limits.sessions_per_host);
	if (*host_sessions(t, in_ip) >= t->limits.sessions_per_host)
		return DROP_NAT44_HOST_FULL;
	if (t->n_sessions >= t->limits.sessions)
		nat44_table_expire(t, now_s, 16);
	return t->n_sessions >= t->limits.sessions ? DROP_NAT44_FULL : DROP_NONE;
}

/* In the list of a timer, as touch() expects it. */
static uint32_t session_begin(
	struct nat44_table *t, uint32_t mapping, struct nat44_endpoint key, uint32_t now_s)
{
	struct nat44_mapping *m = &t->mappings[mapping];
	uint32_t at = session_new(t, mapping, key);

	if (m->proto == IP_PROTO_TCP)
		connection_begins(t, mapping, key);
	t->sessions[at].seen_s = now_s;
	list_append(t, at);
	m->n_sessions++;
	t->n_sessions++;
	(*host_sessions(t, m->in.ip))++;
	return at;
}

static bool port_is_usable(uint16_t port)
{
	return port >= NAT44_PORT_FIRST && port <= NAT44_PORT_LAST;
}

/* The same port if it is free, else by chance; at first one that is odd or even as it is (RFC 4787 REQ-4). */
static bool pick_port(struct nat44_table *t, uint8_t proto, uint16_t wanted, struct nat44_endpoint *out)
{
	out->port = wanted;
	if (port_is_usable(wanted) && !mapping_find_out(t, proto, *out))
		return true;
	for (uint32_t i = 0; i < PORT_TRIES; i++) {
		uint32_t at = random_below(&t->random, NAT44_PORT_LAST - NAT44_PORT_FIRST + 1);

		if (i < PORT_TRIES / 2)
			at = (at & ~1u) | (wanted & 1u);
		out->port = (uint16_t)(NAT44_PORT_FIRST + at);
		if (!mapping_find_out(t, proto, *out))
			return true;
	}
	return false;
}

/* A host's sessions all go over the same address while it has free ports (RFC 4787 REQ-2). */
static bool pick(struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint *out)
{
	uint32_t first =
		t->n_addresses
			? (uint32_t)(XXH3_64bits_withSeed(&in.ip, sizeof(in.ip), t->seed) % t->n_addresses)
			: 0;

	for (uint32_t i = 0; i < t->n_addresses; i++) {
		out->ip = t->addresses[(first + i) % t->n_addresses];
		if (pick_port(t, proto, in.port, out))
			return true;
	}
	return false;
}

const struct nat44_mapping *nat44_table_out(
	struct nat44_table *t, const struct nat44_packet *p, uint32_t now_s, enum drop *why)
{
	struct nat44_endpoint key = session_key(p->proto, p->remote), out = {0};
	uint32_t m = mapping_find_in(t, p->proto, p->inside, key);
	uint32_t s = m ? session_alive(t, m, key, now_s) : 0;

	if (!s) {
		*why = room(t, p->inside.ip, now_s);
		if (*why)
			return NULL;
		/* looked for again: it may have ended with its last session */
		m = mapping_find_in(t, p->proto, p->inside, key);
		*why = DROP_NAT44_NO_PORT;
		if (!m && !pick(t, p->proto, p->inside, &out))
			return NULL;
		if (!m)
			m = mapping_new(t, p->proto, p->inside, out, false);
		s = session_begin(t, m, key, now_s);
	}
	*why = DROP_NONE;
	touch(t, s, p, now_s, true);
	return &t->mappings[m];
}

void nat44_table_fetch(const struct nat44_table *t, const struct nat44_packet *packets, uint32_t n, bool out)
{
	uint32_t mappings[NAT44_FETCH_MAX];
	const uint32_t *heads[NAT44_FETCH_MAX];

	for (uint32_t i = 0; i < n; i++) {
		heads[i] = chain(t, out ? t->by_in : t->by_out, packets[i].inside, packets[i].proto);
		prefetch_read(heads[i], 1);
	}
	for (uint32_t i = 0; i < n; i++) {
		mappings[i] = *heads[i]; /* the first of its chain is mostly the right one */
		prefetch_read(&t->mappings[mappings[i]], 1);
	}
	for (uint32_t i = 0; i < n; i++) {
		heads[i] =
			chain(t, t->by_remote, session_key(packets[i].proto, packets[i].remote), mappings[i]);
		prefetch_read(heads[i], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		prefetch_write(&t->sessions[*heads[i]], 1);
}

/* Something was sent to this address before, if not over the same session. */
static bool may_come_in(const struct nat44_table *t, uint32_t mapping, struct nat44_endpoint remote)
{
	return t->mappings[mapping].is_static || session_find(t, mapping, any_port(remote));
}

const struct nat44_mapping *nat44_table_in(
	struct nat44_table *t, const struct nat44_packet *p, uint32_t now_s, enum drop *why)
{
	struct nat44_endpoint key = session_key(p->proto, p->remote);
	uint32_t m = mapping_find_out(t, p->proto, p->inside), s;

	*why = DROP_NAT44_NO_SESSION;
	if (!m)
		return NULL;
	s = session_alive(t, m, key, now_s);
	if (!s) {
		if (!t->mappings[m].proto) /* that was its last session */
			return NULL;
		*why = DROP_NAT44_FILTERED;
		if (!may_come_in(t, m, p->remote) || p->tcp_flags & TCP_RST)
			return NULL;
		*why = room(t, t->mappings[m].in.ip, now_s);
		if (*why)
			return NULL;
		*why = DROP_NAT44_FILTERED;
		if (!t->mappings[m].proto || !may_come_in(t, m, p->remote))
			return NULL;
		s = session_begin(t, m, key, now_s);
	}
	*why = DROP_NONE;
	touch(t, s, p, now_s, false);
	return &t->mappings[m];
}

enum drop nat44_table_try_out(
	const struct nat44_table *t, const struct nat44_packet *p, struct nat44_endpoint *out)
{
	uint32_t m = mapping_find_in(t, p->proto, p->inside, session_key(p->proto, p->remote));

	if (!m && t->n_addresses == 0)
		return DROP_NAT44_NO_PORT;
	*out = m ? t->mappings[m].out : (struct nat44_endpoint){t->addresses[0], p->inside.port};
	return DROP_NONE;
}

enum drop nat44_table_try_in(
	const struct nat44_table *t, const struct nat44_packet *p, struct nat44_endpoint *in)
{
	uint32_t m = mapping_find_out(t, p->proto, p->inside);

	if (!m)
		return DROP_NAT44_NO_SESSION;
	*in = t->mappings[m].in;
	return may_come_in(t, m, p->remote) ? DROP_NONE : DROP_NAT44_FILTERED;
}

const struct nat44_mapping *nat44_table_went_out(
	const struct nat44_table *t, uint8_t proto, struct nat44_endpoint out, struct nat44_endpoint remote)
{
	uint32_t m = mapping_find_out(t, proto, out);

	return m && session_find(t, m, session_key(proto, remote)) ? &t->mappings[m] : NULL;
}

bool nat44_table_knows(const struct nat44_table *t, uint8_t proto, struct nat44_endpoint out)
{
	return mapping_find_out(t, proto, out) != 0;
}

const struct nat44_mapping *nat44_table_came_in(
	const struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint remote)
{
	struct nat44_endpoint key = session_key(proto, remote);
	uint32_t m = mapping_find_in(t, proto, in, key);

	return m && session_find(t, m, key) ? &t->mappings[m] : NULL;
}

/* Control */

static uint32_t address_find(const struct nat44_table *t, uint32_t ip)
{
	uint32_t i = 0;

	while (i < t->n_addresses && t->addresses[i] != ip)
		i++;
	return i;
}

bool nat44_table_has_address(const struct nat44_table *t, uint32_t ip)
{
	return address_find(t, ip) < t->n_addresses;
}

int nat44_table_add_address(struct nat44_table *t, uint32_t ip)
{
	if (nat44_table_has_address(t, ip))
		return -EEXIST;
	if (t->n_addresses == NAT44_ADDRESSES_MAX)
		return -ENOSPC;
	t->addresses[t->n_addresses++] = ip;
	return 0;
}

/* All sessions of one mapping. */
static void end_mapping(struct nat44_table *t, uint32_t mapping)
{
	for (uint32_t at = 1; at < t->sessions_used; at++)
		if (t->sessions[at].mapping == mapping && t->sessions[at].packets)
			end(t, at);
}

int nat44_table_del_address(struct nat44_table *t, uint32_t ip)
{
	uint32_t i = address_find(t, ip);

	if (i == t->n_addresses)
		return -ENOENT;
	t->addresses[i] = t->addresses[--t->n_addresses];
	for (uint32_t at = 1; at < t->sessions_used; at++) {
		const struct nat44_session *s = &t->sessions[at];
		const struct nat44_mapping *m = &t->mappings[s->mapping];

		if (s->packets && m->out.ip == ip && !m->is_static)
			end(t, at);
	}
	return 0;
}

int nat44_table_add_static(
	struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint out)
{
	struct nat44_endpoint nobody = {0};
	uint32_t m = mapping_find_out(t, proto, out);

	if (m && t->mappings[m].is_static)
		return -EEXIST;
	if (t->n_static == NAT44_STATIC_MAX)
		return -ENOSPC;
	if (m)
		end_mapping(t, m);
	/* what went out from there until now went as somebody else */
	m = mapping_find_in(t, proto, in, nobody);
	if (m && !t->mappings[m].is_static)
		end_mapping(t, m);
	mapping_new(t, proto, in, out, true);
	t->n_static++;
	return 0;
}

int nat44_table_del_static(struct nat44_table *t, uint8_t proto, struct nat44_endpoint out)
{
	uint32_t m = mapping_find_out(t, proto, out);

	if (!m || !t->mappings[m].is_static)
		return -ENOENT;
	end_mapping(t, m);
	mapping_free(t, m);
	t->n_static--;
	return 0;
}

const struct nat44_session *nat44_table_next_session(const struct nat44_table *t, uint32_t *pos)
{
	while (++*pos < t->sessions_used)
		if (t->sessions[*pos].packets)
			return &t->sessions[*pos];
	return NULL;
}

const struct nat44_mapping *nat44_table_next_static(const struct nat44_table *t, uint32_t *pos)
{
	while (++*pos < t->mappings_used)
		if (t->mappings[*pos].is_static)
			return &t->mappings[*pos];
	return NULL;
}

int nat44_table_restore(
	struct nat44_table *t, const struct nat44_mapping *mapping, const struct nat44_session *session)
{
	uint32_t m = mapping_find_out(t, mapping->proto, mapping->out), s;
	struct nat44_session *made;

	if (t->n_sessions >= t->limits.sessions)
		return -ENOSPC;
	if (m && (!same(t->mappings[m].in, mapping->in) || session_find(t, m, session->remote)))
		return -EEXIST;
	if (session->timer >= NAT44_TIMERS || (session->remote.port == 0) == (mapping->proto == IP_PROTO_TCP))
		return -EINVAL;
	if (!m)
		m = mapping_new(t, mapping->proto, mapping->in, mapping->out, false);
	s = session_begin(t, m, session->remote, session->seen_s);
	made = &t->sessions[s];
	list_remove(t, s);
	made->timer = session->timer;
	made->state = session->state;
	made->packets = session->packets + !session->packets;
	made->bytes = session->bytes;
	list_append(t, s);
	return 0;
}
