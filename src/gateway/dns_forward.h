/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_forward - questions of guests, on their way to a server that knows, and the answers back. Knows no packets.
 *
 * A question leaves with an identifier and from a port that nobody can guess (RFC 5452, 9.2), and its place in the table
 * is the port: the answer finds it without a search, and must come from the server that was asked. Answers are passed on
 * as they are: the guest that asked checks that its question is in it. Nothing is kept, so nothing can be poisoned.
 *
 * Always true: a question is outstanding for DNS_WAIT_S at most; the table has DNS_PORTS places, and one client has
 * DNS_PER_CLIENT of them. When for a second nothing was answered and something expired, the next server is asked.
 *
 * The caller locks.
 */
#ifndef GINNEL_GATEWAY_DNS_FORWARD_H
#define GINNEL_GATEWAY_DNS_FORWARD_H

#include "base/random.h"
#include "gateway/nat44_table.h"
#include "pkt/drop.h"
#include "wire/ip_addr.h"

#include <stdbool.h>
#include <stdint.h>

/* The router's own ports, which address translation leaves alone. */
#define DNS_PORT_FIRST  (NAT44_PORT_LAST + 1)
#define DNS_PORTS       (UINT16_MAX - NAT44_PORT_LAST)
#define DNS_SERVERS_MAX 3
#define DNS_WAIT_S      5
#define DNS_PER_CLIENT  512
/* Clients that share one, by chance, share what one may have. */
#define DNS_CLIENT_SLOTS 1024
/* The largest message we pass on (RFC 6891, 6.2.5 asks for 4096). */
#define DNS_MESSAGE_MAX 4096

struct dns_client {
	struct ip_addr addr, own; /* own: the address of ours that it asked */
	uint32_t iface_idx;
	uint16_t port;
};

struct dns_question {
	struct dns_client client;
	struct ip_addr server;
	uint16_t id, client_id;
	uint16_t client_slot;
	uint64_t until_s; /* 0: free */
};

struct dns_forward {
	struct random random;
	uint64_t seed;
	struct ip_addr servers[DNS_SERVERS_MAX];
	uint32_t n_servers, current;
	uint32_t n_outstanding, n_answered, n_expired; /* the latter two since the last tick */
	uint64_t questions, answers, expired;          /* for show */
	uint16_t of_client[DNS_CLIENT_SLOTS];
	struct dns_question outstanding[DNS_PORTS];
};

void dns_forward_init(struct dns_forward *f, uint64_t seed);
/* 0, -EEXIST or -ENOSPC. */
int dns_forward_add_server(struct dns_forward *f, const struct ip_addr *server);
/* 0 or -ENOENT. */
int dns_forward_del_server(struct dns_forward *f, const struct ip_addr *server);

/* A message, which is changed for the way on. */
struct dns_message {
	uint8_t *bytes;
	uint32_t len;
};

/* Between a server and one of our ports. */
struct dns_way {
	struct ip_addr server;
	uint16_t port;
};

/* From a client. DROP_NONE, and which way it goes; or why not. */
enum drop dns_forward_ask(struct dns_forward *f, const struct dns_client *client,
	const struct dns_message *message, uint64_t now_s, struct dns_way *way);
/* The way back. */
enum drop dns_forward_answer(struct dns_forward *f, const struct dns_way *way,
	const struct dns_message *message, uint64_t now_s, struct dns_client *client);

/* About once a second. */
void dns_forward_tick(struct dns_forward *f, uint64_t now_s);

#endif
