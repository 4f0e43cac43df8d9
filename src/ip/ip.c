/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/ip.h"

#include "ip/fragments.h"
#include "ip/ip_private.h"
#include "ip/own.h"
#include "os/pages.h"

#include <errno.h>
#include <stdlib.h>

struct ip *ip_create(const struct ip_config *config)
{
	struct ip *ip = calloc(1, sizeof(*ip));

	if (!ip)
		return NULL;
	ip->ifaces = config->ifaces;
	ip->n_workers = config->n_workers;
	random_init(&ip->random, config->seed);
	ip->seed = random_u64(&ip->random);
	ip->next_id = (uint16_t)random_u64(&ip->random);
	ip->services = calloc(1, sizeof(*ip->services));
	ip->memos = pages_alloc(ip->n_workers + 1, sizeof(*ip->memos));
	ip->fragments = fragments_create();
	ip->pings = pings_create(random_u64(&ip->random));
	if (hops_init(&ip->hops) == 0 && neighs_init(&ip->neighs, random_u64(&ip->random)) == 0 &&
		ip->services && ip->memos && ip->fragments && ip->pings && ip_table_add(ip, 0) == 0)
		return ip;
	ip_destroy(ip);
	return NULL;
}

void ip_destroy(struct ip *ip)
{
	if (!ip)
		return;
	for (struct iface *i = iface_next(ip->ifaces, 0); i; i = iface_next(ip->ifaces, i->idx + 1))
		ip_iface_clear(ip, i);
	while (ip->n_tables > 1)
		ip_table_del(ip, ip->tables[ip->n_tables - 1]->id);
	if (ip->n_tables > 0) {
		lpm_fini(&ip->tables[0]->fib4);
		lpm_fini(&ip->tables[0]->fib6);
		free(ip->tables[0]);
	}
	outbox_fini(&ip->outbox);
	fragments_destroy(ip->fragments);
	pings_destroy(ip->pings);
	free(ip->services);
	pages_free(ip->memos, ip->n_workers + 1, sizeof(*ip->memos));
	neighs_fini(&ip->neighs);
	hops_fini(&ip->hops);
	free(ip);
}

void ip_set_waker(struct ip *ip, void (*wake)(void *subject), void *subject)
{
	ip->outbox.wake = wake;
	ip->outbox.wake_subject = subject;
}

void ip_tick(struct ip *ip, uint64_t now_ns)
{
	ip->now_ns = now_ns;
	neighs_tick(ip);
	own_tick(ip);
}

uint32_t ip_turn_input(struct ip *ip, struct turn *turn)
{
	return likely(outbox_is_empty(&ip->outbox)) ? 0 : outbox_take(ip, turn);
}
