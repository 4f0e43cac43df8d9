/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dns_forward.h"

#include "wire/dns.h"

#include <errno.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Places that are looked at, by chance, before the table counts as full. */
#define PORT_TRIES 32

void dns_forward_init(struct dns_forward *f, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	random_init(&f->random, seed);
	f->seed = random_u64(&f->random);
}

static uint32_t server_find(const struct dns_forward *f, const struct ip_addr *server)
{
	uint32_t i = 0;

	while (i < f->n_servers && !ip_addr_same(&f->servers[i], server))
		i++;
	return i;
}

int dns_forward_add_server(struct dns_forward *f, const struct ip_addr *server)
{
	if (server_find(f, server) < f->n_servers)
		return -EEXIST;
	if (f->n_servers == DNS_SERVERS_MAX)
		return -ENOSPC;
	f->servers[f->n_servers++] = *server;
	return 0;
}

int dns_forward_del_server(struct dns_forward *f, const struct ip_addr *server)
{
	uint32_t i = server_find(f, server);

	if (i == f->n_servers)
		return -ENOENT;
	f->n_servers--;
	memmove(&f->servers[i], &f->servers[i + 1], (f->n_servers - i) * sizeof(f->servers[0]));
	f->current = 0;
	return 0;
}

static void question_end(struct dns_forward *f, struct dns_question *q)
{
	f->of_client[q->client_slot]--;
	f->n_outstanding--;
	q->until_s = 0;
}

static void question_expire(struct dns_forward *f, struct dns_question *q)
{
	question_end(f, q);
	f->n_expired++;
	f->expired++;
}

/* A free place, by chance; NULL: none was found. */
static struct dns_question *place_find(struct dns_forward *f, uint64_t now_s)
{
	for (uint32_t i = 0; i < PORT_TRIES; i++) {
		struct dns_question *q = &f->outstanding[random_below(&f->random, DNS_PORTS)];

		if (q->until_s != 0 && q->until_s <= now_s)
			question_expire(f, q);
		if (q->until_s == 0)
			return q;
	}
	return NULL;
}

static uint16_t client_slot(const struct dns_forward *f, const struct dns_client *client)
{
	const struct ip_addr *a = &client->addr;

	return (uint16_t)(XXH3_64bits_withSeed(a->bytes, sizeof(a->bytes), f->seed) % DNS_CLIENT_SLOTS);
}

enum drop dns_forward_ask(struct dns_forward *f, const struct dns_client *client,
	const struct dns_message *message, uint64_t now_s, struct dns_way *way)
{
	uint16_t slot = client_slot(f, client);
	struct dns_question *q;

	if (!dns_is_query(message->bytes, message->len, message->len))
		return DROP_DNS_MALFORMED;
	if (f->n_servers == 0)
		return DROP_DNS_NO_SERVER;
	if (f->of_client[slot] >= DNS_PER_CLIENT)
		return DROP_DNS_FULL;
	q = place_find(f, now_s);
	if (!q)
		return DROP_DNS_FULL;
	*q = (struct dns_question){
		.client = *client,
		.server = f->servers[f->current],
		.id = (uint16_t)(random_u64(&f->random) >> 48),
		.client_id = dns_id(message->bytes),
		.client_slot = slot,
		.until_s = now_s + DNS_WAIT_S,
	};
	f->of_client[slot]++;
	f->n_outstanding++;
	f->questions++;
	be16_set(message->bytes, q->id);
	way->server = q->server;
	way->port = (uint16_t)(DNS_PORT_FIRST + (q - f->outstanding));
	return DROP_NONE;
}

enum drop dns_forward_answer(struct dns_forward *f, const struct dns_way *way,
	const struct dns_message *message, uint64_t now_s, struct dns_client *client)
{
	struct dns_question *q;

	if (way->port < DNS_PORT_FIRST || message->len < DNS_HEADER_LEN ||
		!(dns_flags(message->bytes) & DNS_FLAG_RESPONSE))
		return DROP_DNS_UNASKED;
	q = &f->outstanding[way->port - DNS_PORT_FIRST];
	if (q->until_s <= now_s || q->id != dns_id(message->bytes) || !ip_addr_same(&q->server, &way->server))
		return DROP_DNS_UNASKED;
	be16_set(message->bytes, q->client_id);
	*client = q->client;
	question_end(f, q);
	f->n_answered++;
	f->answers++;
	return DROP_NONE;
}

void dns_forward_tick(struct dns_forward *f, uint64_t now_s)
{
	for (uint32_t i = 0; f->n_outstanding > 0 && i < DNS_PORTS; i++)
		if (f->outstanding[i].until_s != 0 && f->outstanding[i].until_s <= now_s)
			question_expire(f, &f->outstanding[i]);
	if (f->n_expired > 0 && f->n_answered == 0 && f->n_servers > 0)
		f->current = (f->current + 1) % f->n_servers;
	f->n_expired = f->n_answered = 0;
}
