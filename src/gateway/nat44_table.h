/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat44_table - who inside is which port of which address outside, and with whom they speak.
 *
 *	 inside                     mapping                      outside
 *	 10.0.0.5:4000 udp  <--->  192.0.2.1:4000  <-- session --> 198.51.100.7:53
 *	                                           <-- session --> 203.0.113.9
 *
 * A mapping belongs to an inside address and port, whoever is spoken to (endpoint-independent, RFC 4787 REQ-1): what
 * runs inside sees one address of its own and can tell it to others. A session says that a remote address was spoken
 * to; only from there something may come in (address-dependent filtering, RFC 4787 REQ-8), but to a static mapping
 * everybody may speak. Ports are kept where they are free.
 *
 * Always true:
 * - All memory is there from the beginning. Sessions and static mappings have a limit, and so have the sessions of one
 *   inside host, so that it fills no more than its own part. A dynamic mapping lives as long as it has sessions.
 * - Sessions stand in one list per timer, the one that was longest silent first: to expire is to look at the first.
 * - Where an entry lies depends on a secret seed: nobody can aim at a chain.
 * - Ports above NAT44_PORT_LAST are the router's own at the same address, as are those below NAT44_PORT_FIRST; only a
 *   static mapping may take one.
 *
 * Sessions of UDP and of ICMP queries know the remote address only, those of TCP the port too, as they follow the
 * connection (RFC 5382, 7857); beside them an entry with port 0 counts the connections with that address.
 *
 * The caller locks. Addresses are numbers; the port of an ICMP query is its identifier, at the side that asked.
 */
#ifndef GINNEL_GATEWAY_NAT44_TABLE_H
#define GINNEL_GATEWAY_NAT44_TABLE_H

#include "base/check.h"
#include "base/random.h"
#include "pkt/drop.h"

#include <stdbool.h>
#include <stdint.h>

#define NAT44_PORT_FIRST 1024
#define NAT44_PORT_LAST  59999

#define NAT44_ADDRESSES_MAX 64
#define NAT44_STATIC_MAX    1024
#define NAT44_SESSIONS_MAX  (1u << 20)
#define NAT44_HOST_SLOTS    4096

enum nat44_timer {
	NAT44_TIMER_QUERY,           /* ICMP queries (RFC 5508 REQ-2), and UDP to port 53 */
	NAT44_TIMER_UDP,             /* RFC 4787 REQ-5 */
	NAT44_TIMER_TCP_TRANSITORY,  /* opening, closing, reset (RFC 5382 REQ-5, RFC 7857 2.1) */
	NAT44_TIMER_TCP_ESTABLISHED, /* RFC 5382 REQ-5 */
	NAT44_TIMERS,
};

struct nat44_endpoint {
	uint32_t ip;
	uint16_t port;
};

struct nat44_mapping {
	struct nat44_endpoint in, out;
	uint32_t n_sessions;
	uint32_t next_in, next_out; /* chains */
	uint8_t proto;              /* enum ip_proto; 0: free */
	bool is_static;
};

struct nat44_session {
	_Alignas(CACHE_LINE) struct nat44_endpoint remote;
	uint32_t mapping;
	uint32_t seen_s;
	uint32_t next;          /* chain */
	uint32_t newer, older;  /* in its timer's list */
	uint32_t n_connections; /* of an entry that counts them */
	uint8_t timer;          /* enum nat44_timer */
	uint8_t state;          /* TCP: what was seen so far */
	uint64_t packets, bytes;
};

struct nat44_list {
	uint32_t oldest, newest;
};

struct nat44_limits {
	uint32_t sessions;
	uint32_t sessions_per_host;
};

struct nat44_table {
	struct nat44_limits limits;
	uint64_t seed;
	struct random random;
	uint32_t timeouts_s[NAT44_TIMERS];
	uint32_t n_addresses, n_static, n_sessions, n_mappings;
	uint32_t addresses[NAT44_ADDRESSES_MAX];
	/* entry 0 of either means "none" */
	struct nat44_mapping *mappings;
	struct nat44_session *sessions;
	uint32_t mappings_used, mappings_free, sessions_used, sessions_free;
	uint32_t mask;
	uint32_t *by_in, *by_out, *by_remote;
	struct nat44_list lists[NAT44_TIMERS];
	/* Hosts that share a slot, by chance, share what one may have. */
	uint32_t host_sessions[NAT44_HOST_SLOTS];
};

/* What a packet says, for the timers. */
struct nat44_packet {
	struct nat44_endpoint inside; /* in: as the outside knows it */
	struct nat44_endpoint remote;
	uint32_t len;
	uint8_t proto;
	uint8_t tcp_flags;
};

/* NULL when out of memory. At most NAT44_SESSIONS_MAX sessions. */
struct nat44_table *nat44_table_create(const struct nat44_limits *limits, uint64_t seed);
void nat44_table_destroy(struct nat44_table *t);

/* 0, -EEXIST or -ENOSPC. */
int nat44_table_add_address(struct nat44_table *t, uint32_t ip);
/* With everything that goes over it but static mappings. 0 or -ENOENT. */
int nat44_table_del_address(struct nat44_table *t, uint32_t ip);
bool nat44_table_has_address(const struct nat44_table *t, uint32_t ip);

/* Sessions that stand in its way end. 0, -EEXIST (what is outside is forwarded already) or -ENOSPC. */
int nat44_table_add_static(
	struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint out);
/* 0 or -ENOENT. */
int nat44_table_del_static(struct nat44_table *t, uint8_t proto, struct nat44_endpoint out);

/*
 * A packet goes out, or comes in: its mapping, which an outgoing one makes if there is none. NULL: *why says it.
 * DROP_NAT44_NO_SESSION: nobody inside is meant.
 */
const struct nat44_mapping *nat44_table_out(
	struct nat44_table *t, const struct nat44_packet *p, uint32_t now_s, enum drop *why);
const struct nat44_mapping *nat44_table_in(
	struct nat44_table *t, const struct nat44_packet *p, uint32_t now_s, enum drop *why);

/*
 * What is looked up for these packets, at most NAT44_FETCH_MAX, is asked for, all of them at once: a session is four lines, each of
 * which leads to the next. Changes nothing. Fewer than NAT44_FETCH_FROM sessions are near anyway.
 */
#define NAT44_FETCH_MAX  32
#define NAT44_FETCH_FROM 2048
void nat44_table_fetch(const struct nat44_table *t, const struct nat44_packet *packets, uint32_t n, bool out);

/* As nat44_table_out() and nat44_table_in() for a packet that only tries the road: nothing is made, so a port that would be chosen is the wanted one. */
enum drop nat44_table_try_out(
	const struct nat44_table *t, const struct nat44_packet *p, struct nat44_endpoint *out);
enum drop nat44_table_try_in(
	const struct nat44_table *t, const struct nat44_packet *p, struct nat44_endpoint *in);

/* The mapping by which this packet went out, or came in, before; NULL: there is none. Changes nothing. */
const struct nat44_mapping *nat44_table_went_out(
	const struct nat44_table *t, uint8_t proto, struct nat44_endpoint out, struct nat44_endpoint remote);
const struct nat44_mapping *nat44_table_came_in(
	const struct nat44_table *t, uint8_t proto, struct nat44_endpoint in, struct nat44_endpoint remote);

/* Somebody inside is known outside as this. */
bool nat44_table_knows(const struct nat44_table *t, uint8_t proto, struct nat44_endpoint out);

/* Ends at most n sessions that were silent too long. Returns how many. */
uint32_t nat44_table_expire(struct nat44_table *t, uint32_t now_s, uint32_t n);
/* Ends all sessions. */
void nat44_table_clear(struct nat44_table *t);

/* The next one from *pos on, which starts at 0; NULL at the end. */
const struct nat44_session *nat44_table_next_session(const struct nat44_table *t, uint32_t *pos);
const struct nat44_mapping *nat44_table_next_static(const struct nat44_table *t, uint32_t *pos);

/* A session as it was in another process. 0, or -ENOSPC or -EEXIST. */
int nat44_table_restore(
	struct nat44_table *t, const struct nat44_mapping *mapping, const struct nat44_session *session);

#endif
