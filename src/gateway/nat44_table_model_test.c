/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random packets and changes through a table and through arrays that do the same the slow way; both must agree after
 * each. Which port is taken when the wanted one is not free is the table's choice: it must be free in the arrays, too.
 * GINNEL_SEED=n in the environment runs that seed alone.
 */
#include "gateway/nat44_table.h"

#include "base/check.h"
#include "base/test.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_SEEDS  30
#define N_STEPS  4000
#define N_HOSTS  4
#define N_PORTS  6
#define N_REMOTE 4
#define N_ADDRS  3
#define SESSIONS 40
#define PER_HOST 15
#define MAX      256

static const uint32_t timeouts_s[NAT44_TIMERS] = {60, 300, 240, 7440};

struct map {
	bool used, is_static;
	uint8_t proto;
	struct nat44_endpoint in, out;
};

struct talk {
	bool used;
	uint32_t map, seen_s;
	struct nat44_endpoint remote; /* port 0 but for TCP */
	enum nat44_timer timer;
	bool out, in, open, fin_out, fin_in, rst;
};

struct model {
	bool addresses[N_ADDRS];
	struct map maps[MAX];
	struct talk talks[MAX];
};

struct run {
	struct nat44_table *t;
	struct model m;
	struct random random;
	uint32_t now_s;
};

static uint32_t address(uint32_t i)
{
	return 0xc0000201 + i;
}

static bool eq(struct nat44_endpoint a, struct nat44_endpoint b)
{
	return a.ip == b.ip && a.port == b.port;
}

static uint32_t n_talks(const struct model *m, uint32_t map)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAX; i++)
		n += m->talks[i].used && (map == MAX || m->talks[i].map == map);
	return n;
}

static uint32_t n_talks_of_host(const struct model *m, uint32_t ip)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAX; i++)
		n += m->talks[i].used && m->maps[m->talks[i].map].in.ip == ip;
	return n;
}

static void talk_end(struct model *m, struct talk *talk)
{
	struct map *map = &m->maps[talk->map];

	talk->used = false;
	if (!map->is_static && n_talks(m, talk->map) == 0)
		map->used = false;
}

static void model_expire(struct model *m, uint32_t now_s)
{
	for (uint32_t i = 0; i < MAX; i++)
		if (m->talks[i].used && now_s - m->talks[i].seen_s >= timeouts_s[m->talks[i].timer])
			talk_end(m, &m->talks[i]);
}

static uint32_t map_by_out(const struct model *m, uint8_t proto, struct nat44_endpoint out)
{
	for (uint32_t i = 0; i < MAX; i++)
		if (m->maps[i].used && m->maps[i].proto == proto && eq(m->maps[i].out, out))
			return i;
	return MAX;
}

static struct talk *talk_find(struct model *m, uint32_t map, struct nat44_endpoint remote)
{
	for (uint32_t i = 0; i < MAX; i++)
		if (m->talks[i].used && m->talks[i].map == map && eq(m->talks[i].remote, remote))
			return &m->talks[i];
	return NULL;
}

static struct talk *talk_new(struct model *m, uint32_t map, struct nat44_endpoint remote)
{
	uint32_t i = 0;

	while (m->talks[i].used)
		i++;
	m->talks[i] = (struct talk){.used = true, .map = map, .remote = remote};
	return &m->talks[i];
}

static void talk_tcp(struct talk *k, uint8_t flags, bool out)
{
	if (flags & TCP_RST) {
		k->rst = true;
	} else {
		if (flags & TCP_SYN && (k->rst || (k->fin_in && k->fin_out)))
			k->out = k->in = k->open = k->fin_in = k->fin_out = k->rst = false;
		*(out ? &k->out : &k->in) = true;
		if (!(flags & TCP_SYN)) {
			k->rst = false;
			k->open = k->open || (k->out && k->in);
			if (flags & TCP_FIN)
				*(out ? &k->fin_out : &k->fin_in) = true;
		}
	}
	k->timer = k->open && !k->rst && !(k->fin_in && k->fin_out) ? NAT44_TIMER_TCP_ESTABLISHED
								    : NAT44_TIMER_TCP_TRANSITORY;
}

static void talk_touch(struct talk *k, const struct nat44_packet *p, uint32_t now_s, bool out)
{
	if (p->proto == IP_PROTO_TCP)
		talk_tcp(k, p->tcp_flags, out);
	else if (p->proto == IP_PROTO_UDP && p->remote.port != 53)
		k->timer = NAT44_TIMER_UDP;
	k->seen_s = now_s;
}

static struct nat44_endpoint key_of(const struct nat44_packet *p)
{
	return (struct nat44_endpoint){p->remote.ip, p->proto == IP_PROTO_TCP ? p->remote.port : 0};
}

static enum drop model_room(const struct model *m, uint32_t ip)
{
	if (n_talks_of_host(m, ip) >= PER_HOST)
		return DROP_NAT44_HOST_FULL;
	return n_talks(m, MAX) >= SESSIONS ? DROP_NAT44_FULL : DROP_NONE;
}

/* The map whose inside this is: the one with that talk, else any: MAX if there is none. *n: how many. */
static uint32_t map_by_in(struct model *m, const struct nat44_packet *p, uint32_t *n)
{
	uint32_t any = MAX, with = MAX;

	*n = 0;
	for (uint32_t i = 0; i < MAX; i++) {
		if (!m->maps[i].used || m->maps[i].proto != p->proto || !eq(m->maps[i].in, p->inside))
			continue;
		(*n)++;
		any = i;
		if (talk_find(m, i, key_of(p)))
			with = i;
	}
	return with != MAX ? with : any;
}

static bool any_address(const struct model *m)
{
	bool any = false;

	for (uint32_t i = 0; i < N_ADDRS; i++)
		any = any || m->addresses[i];
	return any;
}

/* The table made a mapping: what it took must have been free, and the wanted port if it was. */
static uint32_t check_new_map(struct model *m, const struct nat44_packet *p, const struct nat44_mapping *got)
{
	uint32_t i = 0;

	assert_in_range(got->out.port, NAT44_PORT_FIRST, NAT44_PORT_LAST);
	assert_true(got->out.ip - address(0) < N_ADDRS && m->addresses[got->out.ip - address(0)]);
	assert_int_equal(map_by_out(m, p->proto, got->out), MAX);
	if (got->out.port != p->inside.port)
		assert_true(
			p->inside.port > NAT44_PORT_LAST ||
			map_by_out(m, p->proto, (struct nat44_endpoint){got->out.ip, p->inside.port}) != MAX);
	while (m->maps[i].used)
		i++;
	m->maps[i] = (struct map){.used = true, .proto = p->proto, .in = p->inside, .out = got->out};
	return i;
}

static void step_out(struct run *r, const struct nat44_packet *p)
{
	struct model *m = &r->m;
	enum drop why, want = DROP_NONE;
	const struct nat44_mapping *got = nat44_table_out(r->t, p, r->now_s, &why);
	uint32_t n_maps, map = map_by_in(m, p, &n_maps);
	struct talk *talk = map != MAX ? talk_find(m, map, key_of(p)) : NULL;

	if (!talk)
		want = model_room(m, p->inside.ip);
	if (!want && map == MAX && !any_address(m))
		want = DROP_NAT44_NO_PORT;
	assert_int_equal(why, want);
	assert_int_equal(got == NULL, want != DROP_NONE);
	if (want)
		return;
	if (map == MAX)
		map = check_new_map(m, p, got);
	if (n_maps > 1) { /* any of several forwards, but one over which they spoke if there is any */
		bool spoke = talk;

		map = map_by_out(m, p->proto, got->out);
		talk = talk_find(m, map, key_of(p));
		assert_int_equal(talk != NULL, spoke);
	}
	assert_true(eq(got->in, p->inside) && eq(got->out, m->maps[map].out));
	talk_touch(talk ? talk : talk_new(m, map, key_of(p)), p, r->now_s, true);
}

static bool spoken_to(const struct model *m, uint32_t map, uint32_t ip)
{
	for (uint32_t i = 0; i < MAX; i++)
		if (m->talks[i].used && m->talks[i].map == map && m->talks[i].remote.ip == ip)
			return true;
	return false;
}

static void step_in(struct run *r, const struct nat44_packet *p)
{
	struct model *m = &r->m;
	enum drop why, want = DROP_NONE;
	const struct nat44_mapping *got = nat44_table_in(r->t, p, r->now_s, &why);
	uint32_t map = map_by_out(m, p->proto, p->inside);
	struct talk *talk = map != MAX ? talk_find(m, map, key_of(p)) : NULL;

	if (map == MAX)
		want = DROP_NAT44_NO_SESSION;
	else if (!talk &&
		 ((!m->maps[map].is_static && !spoken_to(m, map, p->remote.ip)) || p->tcp_flags & TCP_RST))
		want = DROP_NAT44_FILTERED;
	else if (!talk)
		want = model_room(m, m->maps[map].in.ip);
	assert_int_equal(why, want);
	assert_int_equal(got == NULL, want != DROP_NONE);
	if (want)
		return;
	assert_true(eq(got->in, m->maps[map].in));
	talk_touch(talk ? talk : talk_new(m, map, key_of(p)), p, r->now_s, false);
}

static void model_end_map(struct model *m, uint32_t map)
{
	for (uint32_t i = 0; i < MAX; i++)
		if (m->talks[i].used && m->talks[i].map == map)
			talk_end(m, &m->talks[i]);
}

static void step_address(struct run *r)
{
	uint32_t i = random_below(&r->random, N_ADDRS);
	struct model *m = &r->m;

	if (random_below(&r->random, 2)) {
		assert_int_equal(nat44_table_add_address(r->t, address(i)), m->addresses[i] ? -EEXIST : 0);
		m->addresses[i] = true;
		return;
	}
	assert_int_equal(nat44_table_del_address(r->t, address(i)), m->addresses[i] ? 0 : -ENOENT);
	m->addresses[i] = false;
	for (uint32_t map = 0; map < MAX; map++)
		if (m->maps[map].used && !m->maps[map].is_static && m->maps[map].out.ip == address(i))
			model_end_map(m, map);
}

static void model_add_static(
	struct model *m, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint out)
{
	uint32_t i = 0;

	for (uint32_t map = 0; map < MAX; map++)
		if (m->maps[map].used && !m->maps[map].is_static && m->maps[map].proto == proto &&
			(eq(m->maps[map].in, in) || eq(m->maps[map].out, out)))
			model_end_map(m, map);
	while (m->maps[i].used)
		i++;
	m->maps[i] = (struct map){.used = true, .is_static = true, .proto = proto, .in = in, .out = out};
}

static void step_static(struct run *r, const struct nat44_packet *p)
{
	struct nat44_endpoint out = {address(random_below(&r->random, N_ADDRS)),
		(uint16_t)(4000 + random_below(&r->random, N_PORTS))};
	uint32_t map = map_by_out(&r->m, p->proto, out);
	bool is_static = map != MAX && r->m.maps[map].is_static;

	if (random_below(&r->random, 2)) {
		assert_int_equal(nat44_table_del_static(r->t, p->proto, out), is_static ? 0 : -ENOENT);
		if (!is_static)
			return;
		model_end_map(&r->m, map);
		r->m.maps[map].used = false;
		return;
	}
	assert_int_equal(nat44_table_add_static(r->t, p->proto, p->inside, out), is_static ? -EEXIST : 0);
	if (!is_static)
		model_add_static(&r->m, p->proto, p->inside, out);
}

/* Everything into another table, as into another process. */
static void step_restore(struct run *r)
{
	const struct nat44_limits limits = r->t->limits;
	struct nat44_table *to = nat44_table_create(&limits, random_u64(&r->random));
	const struct nat44_session *s;
	const struct nat44_mapping *m;
	uint32_t pos = 0;

	assert_non_null(to);
	for (uint32_t i = 0; i < r->t->n_addresses; i++)
		nat44_table_add_address(to, r->t->addresses[i]);
	while ((m = nat44_table_next_static(r->t, &pos)))
		assert_int_equal(nat44_table_add_static(to, m->proto, m->in, m->out), 0);
	for (uint32_t timer = 0; timer < NAT44_TIMERS; timer++)
		for (uint32_t at = r->t->lists[timer].oldest; at; at = r->t->sessions[at].newer) {
			s = &r->t->sessions[at];
			assert_int_equal(nat44_table_restore(to, &r->t->mappings[s->mapping], s), 0);
		}
	nat44_table_destroy(r->t);
	r->t = to;
}

static struct nat44_packet some_packet(struct random *random)
{
	static const uint8_t protos[] = {IP_PROTO_TCP, IP_PROTO_TCP, IP_PROTO_UDP, IP_PROTO_ICMP};
	static const uint8_t flags[] = {
		TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};
	struct nat44_packet p = {
		.proto = protos[random_below(random, ARRAY_LEN(protos))],
		.inside = {0x0a000000 + random_below(random, N_HOSTS),
			(uint16_t)(4000 + random_below(random, N_PORTS))},
		.remote = {0xc6336400 + random_below(random, N_REMOTE),
			(uint16_t)(52 + random_below(random, 3))},
		.len = 60,
	};

	if (random_below(random, 20) == 0)
		p.inside.port = 60000;
	if (p.proto == IP_PROTO_TCP)
		p.tcp_flags = flags[random_below(random, ARRAY_LEN(flags))];
	if (p.proto == IP_PROTO_ICMP)
		p.remote.port = 0;
	return p;
}

/* To what somebody is outside, or might be. */
static void aim_inside(struct run *r, struct nat44_packet *p)
{
	const struct map *map = &r->m.maps[random_below(&r->random, MAX / 4)];

	p->inside.ip = address(random_below(&r->random, N_ADDRS));
	if (!map->used)
		return;
	p->inside = map->out;
	p->proto = map->proto;
	if (p->proto != IP_PROTO_TCP)
		p->tcp_flags = 0;
	p->remote.port = p->proto == IP_PROTO_ICMP ? 0 : p->remote.port ? p->remote.port : 53;
}

static void step(struct run *r)
{
	struct nat44_packet p = some_packet(&r->random);
	uint32_t what = random_below(&r->random, 1000);

	if (random_below(&r->random, 10) == 0)
		r->now_s += random_below(&r->random, what < 10 ? 8000 : 100);
	nat44_table_expire(r->t, r->now_s, UINT32_MAX);
	model_expire(&r->m, r->now_s);
	if (what < 500) {
		step_out(r, &p);
	} else if (what < 950) {
		aim_inside(r, &p);
		step_in(r, &p);
	} else if (what < 980) {
		step_static(r, &p);
	} else if (what < 995) {
		step_address(r);
	} else {
		step_restore(r);
	}
}

static void check(const struct run *r)
{
	uint32_t n_maps = 0, n_static = 0, n = 0;
	const struct nat44_session *s;

	for (uint32_t i = 0; i < MAX; i++) {
		n_maps += r->m.maps[i].used;
		n_static += r->m.maps[i].used && r->m.maps[i].is_static;
	}
	assert_int_equal(r->t->n_mappings, n_maps);
	assert_int_equal(r->t->n_static, n_static);
	assert_int_equal(r->t->n_sessions, n_talks(&r->m, MAX));
	for (uint32_t pos = 0; (s = nat44_table_next_session(r->t, &pos)); n++) {
		const struct nat44_mapping *m = &r->t->mappings[s->mapping];
		uint32_t map = map_by_out(&r->m, m->proto, m->out);
		const struct talk *talk;

		assert_int_not_equal(map, MAX);
		talk = talk_find((struct model *)(uintptr_t)&r->m, map, s->remote);
		assert_non_null(talk);
		assert_int_equal(talk->timer, s->timer);
		assert_int_equal(talk->seen_s, s->seen_s);
	}
	assert_int_equal(n, r->t->n_sessions);
}

static void run_seed(uint64_t seed)
{
	const struct nat44_limits limits = {.sessions = SESSIONS, .sessions_per_host = PER_HOST};
	struct run *r = calloc(1, sizeof(*r));

	print_message("seed %" PRIu64 "\n", seed);
	assert_non_null(r);
	r->t = nat44_table_create(&limits, seed);
	assert_non_null(r->t);
	random_init(&r->random, seed);
	r->now_s = 1;
	for (int i = 0; i < N_STEPS; i++) {
		step(r);
		check(r);
	}
	nat44_table_clear(r->t);
	assert_int_equal(r->t->n_sessions, 0);
	assert_int_equal(r->t->n_mappings, r->t->n_static);
	nat44_table_destroy(r->t);
	free(r);
}

TEST(a_table_does_what_plain_arrays_do)
{
	const char *seed = getenv("GINNEL_SEED");

	if (seed) {
		run_seed(strtoull(seed, NULL, 0));
		return;
	}
	for (uint64_t i = 1; i <= N_SEEDS; i++)
		run_seed(i);
}

TESTS(cmocka_unit_test(a_table_does_what_plain_arrays_do))
