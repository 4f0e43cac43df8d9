/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dhcp_server - addresses for the stations of one network (RFC 2131): a message in, the answer out. Knows no packets.
 *
 * A station is its MAC address, which the caller has compared with where the message came from. What it says in option
 * 61 is said back to it (RFC 6842) and not believed: so none gets two addresses, or that of another.
 *
 * Always true:
 * - Each address of the pool has one entry, each station at most one that is not declined: its own for as long as
 *   nobody else needs the address, also when the lease is over or was given back.
 * - New stations get addresses that nobody had, then the one that was left longest ago. An address in which a station
 *   found somebody else (DECLINE) rests; each station makes one rest at most.
 * - We are the only server of the network: whoever wants an address that is not his is told so.
 */
#ifndef GINNEL_GATEWAY_DHCP_SERVER_H
#define GINNEL_GATEWAY_DHCP_SERVER_H

#include "pkt/drop.h"
#include "wire/dhcp.h"

#include <stdbool.h>
#include <stdint.h>

#define DHCP_POOL_MAX        4096
#define DHCP_STATIC_MAX      256
#define DHCP_DNS_MAX         3
#define DHCP_DOMAIN_LEN      64
#define DHCP_HOST_LEN        32
#define DHCP_LEASE_DEFAULT_S 3600
#define DHCP_LEASE_MIN_S     60
/* An offer that nobody takes up; an address that was declined. */
#define DHCP_OFFER_S   60
#define DHCP_DECLINE_S 3600

struct dhcp_config {
	uint32_t first, last; /* the pool */
	uint32_t server, mask;
	uint32_t router; /* 0: none */
	uint32_t dns[DHCP_DNS_MAX];
	uint32_t n_dns;
	uint32_t lease_s;
	uint16_t mtu; /* 0: not said */
	char domain[DHCP_DOMAIN_LEN];
};

enum dhcp_lease_state {
	DHCP_LEASE_NONE, /* free; if it has a mac, that one's again */
	DHCP_LEASE_OFFERED,
	DHCP_LEASE_BOUND,
	DHCP_LEASE_DECLINED,
};

struct dhcp_lease {
	uint64_t mac; /* 0: nobody's */
	uint64_t until_s;
	uint8_t state;            /* enum dhcp_lease_state, as it was at until_s */
	char host[DHCP_HOST_LEN]; /* the name it gives itself, printable */
};

struct dhcp_static {
	uint64_t mac;
	uint32_t ip;
};

struct dhcp_server {
	struct dhcp_config config;
	uint32_t n_static;
	struct dhcp_static statics[DHCP_STATIC_MAX];
	struct dhcp_lease static_leases[DHCP_STATIC_MAX]; /* beside statics */
	struct dhcp_lease leases[DHCP_POOL_MAX];          /* by address from the first on */
};

struct dhcp_answer {
	uint32_t len; /* 0: there is nothing to say */
	uint32_t to;  /* an address, or all (0xffffffff) */
	bool to_all;  /* .. stations, otherwise to the MAC address that asked */
	uint8_t bytes[DHCP_LEN_MAX_DEFAULT];
};

/* NULL when out of memory. The config is good: dhcp_config_problem(). */
struct dhcp_server *dhcp_server_create(const struct dhcp_config *config);
void dhcp_server_destroy(struct dhcp_server *s);

/* What is wrong with it, as the end of a sentence; NULL: nothing. */
const char *dhcp_config_problem(const struct dhcp_config *config);

/* Always the same address for a station. 0, -EEXIST (address or station has one), -ERANGE (not in the network) or -ENOSPC. */
int dhcp_server_add_static(struct dhcp_server *s, uint64_t mac, uint32_t ip);
/* 0 or -ENOENT. */
int dhcp_server_del_static(struct dhcp_server *s, uint64_t mac);

/* DROP_NONE, and what to answer if anything; or why there is no answer. */
enum drop dhcp_server_handle(
	struct dhcp_server *s, const struct dhcp_message *m, uint64_t now_s, struct dhcp_answer *answer);

/* The next address that is or was somebody's, from *pos on, which starts at 0; NULL at the end. */
const struct dhcp_lease *dhcp_server_next(const struct dhcp_server *s, uint32_t *pos, uint32_t *ip);
enum dhcp_lease_state dhcp_lease_now(const struct dhcp_lease *lease, uint64_t now_s);
const char *dhcp_lease_state_name(enum dhcp_lease_state state);

/* A lease of another process, or of a server before. False: there is no such address, or it is taken. */
bool dhcp_server_restore(struct dhcp_server *s, uint32_t ip, const struct dhcp_lease *lease);

#endif
