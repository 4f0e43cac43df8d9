/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ping - echo requests of our own, and what comes back.
 *
 *	control   pings_run()   --> outbox: a request    --> worker 0   ping_sent(): notes the time
 *	control   pings_run()   <-- the table of echoes  <-- any worker ping_reply(): notes the time and hop limit
 *
 * Control looks every PINGS_PAUSE_NS while a ping runs; nobody wakes it. Times are those of the turns in which the request
 * left and the reply came in, so it does not matter when control looks. A reply counts if it has the identifier, which is
 * drawn at random, a number that is outstanding, and the address that was asked. With no ping running a stray reply costs
 * one look at a word. A message of ICMP that quotes a request ends it, too: somebody on the way says why it got no further.
 */
#ifndef GINNEL_IP_PING_H
#define GINNEL_IP_PING_H

#include "base/units.h"
#include "ctl/command.h"
#include "pkt/turn.h"
#include "wire/ip_addr.h"

#define PINGS_MAX      16
#define PING_ECHOES    64 /* of one ping that are outstanding, or not yet told */
#define PINGS_PAUSE_NS (10 * NS_PER_MS)
/* How long a reply may take: of a neighbour that does not answer we know NEIGH_TRIES or NEIGH_TRIES + 1 seconds later. */
#define PING_PATIENCE_NS (5 * NS_PER_S)
#define PING_STAMP_LEN   8 /* bytes before the data; nothing depends on what they say */
#define PING_SIZE_MAX    65400u

struct ip;
struct pings;
struct ping;

struct ping_plan {
	uint32_t iface; /* an index: whose table of routes counts */
	struct ip_addr src, dst;
	uint32_t size; /* of data */
	uint32_t repeat;
	uint64_t interval_ns;
	bool dont_fragment; /* on the way; of IPv4 */
};

struct pings *pings_create(uint64_t seed);
/* None runs. */
void pings_destroy(struct pings *pings);

/* --- control --- */

/* One that is not in use; NULL: there are too many. */
struct ping *ping_find_free(struct pings *pings);
/* What comes back goes to later's parts. When all has, or nothing more can, later is ended. */
void ping_start(struct ip *ip, struct ping *ping, const struct ping_plan *plan, struct ctl_later *later);
/* A struct ping that runs ends now, with what there is. */
void ping_stop(void *ping);

/* Sends what is due and tells what came. Returns when it wants to be called again; UINT64_MAX: nothing runs. */
uint64_t ip_pings_run(struct ip *ip, uint64_t now_ns);
/* arm() sees to it that ip_pings_run() is called soon. */
void ip_set_ping_alarm(struct ip *ip, void (*arm)(void *subject), void *subject);

/* --- workers --- */

/* A request leaves; number: see struct out. */
void ping_sent(struct pings *pings, uint32_t number, uint64_t now_ns);
/* A reply to us whose checksum is right. */
struct ping_reply {
	bool ip6;
	uint8_t ttl;
	uint16_t id, seq;
	uint32_t len; /* of the IP packet */
	struct ip_addr src;
	uint64_t now_ns;
};
void ping_reply(struct pings *pings, const struct ping_reply *reply);

/* What somebody, or we ourselves, says of a request: type and code are those of ICMP. */
struct ping_error {
	bool ip6;
	uint8_t type, code;
	uint16_t mtu;     /* of what was too big */
	uint16_t id, seq; /* of the request, as is its destination */
	struct ip_addr from, dst;
};
void ping_error(struct pings *pings, const struct ping_error *error);

#endif
