/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/ip_private.h"
#include "os/pages.h"

#include <errno.h>
#include <stdlib.h>

int neighs_init(struct neighs *ns, uint64_t seed)
{
	*ns = (struct neighs){.n = 1, .seed = seed, .free_packet = 1};
	ns->list = pages_alloc(IP_NEIGHS_MAX, sizeof(*ns->list));
	ns->spare = pages_alloc(IP_NEIGHS_MAX, sizeof(*ns->spare));
	ns->packets = calloc(NEIGH_WAIT_ALL, sizeof(*ns->packets));
	ns->packet_bytes = pages_alloc(NEIGH_WAIT_ALL, PKT_LEN_MAX);
	if (!ns->list || !ns->spare || !ns->packets || !ns->packet_bytes) {
		neighs_fini(ns);
		return -ENOMEM;
	}
	for (uint32_t i = 1; i < NEIGH_WAIT_ALL; i++) {
		ns->packets[i].next = i + 1 < NEIGH_WAIT_ALL ? i + 1 : 0;
		ns->packets[i].bytes = ns->packet_bytes + (size_t)i * PKT_LEN_MAX;
	}
	return 0;
}

void neighs_fini(struct neighs *ns)
{
	pages_free(ns->list, IP_NEIGHS_MAX, sizeof(*ns->list));
	pages_free(ns->spare, IP_NEIGHS_MAX, sizeof(*ns->spare));
	free(ns->packets);
	pages_free(ns->packet_bytes, NEIGH_WAIT_ALL, PKT_LEN_MAX);
	*ns = (struct neighs){0};
}

/* --- finding --- */

static uint32_t *bucket(const struct neighs *ns, const struct iface *iface, const struct ip_addr *addr)
{
	uint64_t hash = ns->seed ^ iface->idx, words[2];

	memcpy(words, addr->bytes, sizeof(words));
	hash = (hash ^ words[0]) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32 ^ words[1]) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t *)(uintptr_t)&ns->buckets[hash >> 40 & (NEIGH_BUCKETS - 1)];
}

uint32_t neigh_find(const struct neighs *ns, const struct iface *iface, const struct ip_addr *addr)
{
	uint32_t at = __atomic_load_n(bucket(ns, iface, addr), __ATOMIC_ACQUIRE);

	while (at && (ns->list[at].iface != iface || !ip_addr_same(&ns->list[at].addr, addr)))
		at = __atomic_load_n(&ns->list[at].chain, __ATOMIC_ACQUIRE);
	return at;
}

/* Under the lock. */
static uint32_t neigh_new(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr)
{
	struct neighs *ns = &ip->neighs;
	uint32_t *link = bucket(ns, l3->iface, addr), idx;

	if (l3->state->n_neighs >= IP_NEIGHS_PER_PORT || (ns->n_free == 0 && ns->n == IP_NEIGHS_MAX))
		return 0;
	idx = ns->n_free > 0 ? ns->spare[--ns->n_free] : ns->n++;
	l3->state->n_neighs++;
	ns->list[idx] = (struct neigh){
		.iface = l3->iface,
		.src_mac = l3->mac,
		.features = __atomic_load_n(&l3->features, __ATOMIC_RELAXED),
		.addr = *addr,
		.chain = *link,
		.listed = true,
		.used_s = __atomic_load_n(&ip->now_s, __ATOMIC_RELAXED),
	};
	ns->list[idx].confirmed_s = ns->list[idx].used_s;
	__atomic_store_n(link, idx, __ATOMIC_RELEASE); /* pairs with neigh_find() */
	return idx;
}

uint32_t neigh_get(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr)
{
	uint32_t idx = neigh_find(&ip->neighs, l3->iface, addr);

	if (likely(idx))
		return idx;
	lock_take(&ip->neighs.lock);
	idx = neigh_find(&ip->neighs, l3->iface, addr);
	if (!idx)
		idx = neigh_new(ip, l3, addr);
	lock_release(&ip->neighs.lock);
	return idx;
}

static void set_word(struct neigh *n, uint64_t mac, uint64_t bits)
{
	__atomic_store_n(&n->word, mac << NEIGH_MAC_SHIFT | bits, __ATOMIC_RELAXED);
}

/* --- packets that wait --- */

/* Under the lock. 0: there is no room. */
static uint32_t packet_put(struct neighs *ns, uint32_t neigh, const struct pkt *pkt)
{
	struct neigh *n = &ns->list[neigh];
	uint32_t idx = ns->free_packet, *link = &n->waiting;
	struct neigh_packet *p = &ns->packets[idx];

	if (idx == 0 || n->n_waiting == NEIGH_WAIT_MAX)
		return 0;
	ns->free_packet = p->next;
	p->next = 0;
	p->len = pkt_len(pkt);
	p->neigh = neigh;
	p->rx = pkt->rx->idx;
	p->offload = pkt->offload;
	pkt_bytes(pkt, 0, p->bytes, p->len);
	while (*link)
		link = &ns->packets[*link].next;
	*link = idx;
	n->n_waiting++;
	return idx;
}

/* Under the lock. */
static void packet_free(struct neighs *ns, uint32_t idx)
{
	ns->packets[idx].next = ns->free_packet;
	ns->free_packet = idx;
}

/* Under the lock. */
static void packets_free(struct neighs *ns, struct neigh *n)
{
	while (n->waiting) {
		uint32_t idx = n->waiting;

		n->waiting = ns->packets[idx].next;
		packet_free(ns, idx);
	}
	n->n_waiting = 0;
}

/* The interface it came from may have gone meanwhile: then it counts at the one it leaves by. */
static struct pkt *packet_make(struct ip *ip, struct turn *turn, const struct neigh_packet *p)
{
	struct iface *rx = iface_get(ip->ifaces, p->rx);
	uint8_t *bytes = turn_bytes(turn, p->len);
	struct pkt *pkt;

	if (!bytes)
		return NULL;
	memcpy(bytes, p->bytes, p->len);
	pkt = turn_make_frame(turn, rx ? rx : ip->neighs.list[p->neigh].iface, bytes, p->len);
	if (!pkt)
		return NULL;
	pkt->offload = p->offload;
	pkt->neigh = p->neigh;
	return pkt;
}

struct pkt *neigh_packet_take(struct ip *ip, struct turn *turn, uint32_t packet)
{
	struct pkt *pkt = packet_make(ip, turn, &ip->neighs.packets[packet]);

	lock_take(&ip->neighs.lock);
	packet_free(&ip->neighs, packet);
	lock_release(&ip->neighs.lock);
	return pkt;
}

/* Under the lock: all that the turn has room for go on. */
static void packets_flush(struct ip *ip, struct turn *turn, struct neigh *n)
{
	struct neighs *ns = &ip->neighs;

	while (n->waiting) {
		uint32_t idx = n->waiting;
		struct pkt *pkt = packet_make(ip, turn, &ns->packets[idx]);

		if (!pkt)
			return;
		turn_push(turn, pkt, STAGE_NEIGH_OUTPUT);
		n->waiting = ns->packets[idx].next;
		n->n_waiting--;
		packet_free(ns, idx);
	}
}

/* --- learning --- */

void neigh_learn(struct ip *ip, struct turn *turn, const struct ip_iface *l3, const struct ip_addr *addr,
	uint64_t mac, bool make)
{
	uint32_t idx = make ? neigh_get(ip, l3, addr) : neigh_find(&ip->neighs, l3->iface, addr);
	struct neigh *n = &ip->neighs.list[idx];

	if (idx == 0 || turn_is_trial(turn))
		return;
	lock_take(&ip->neighs.lock);
	if (n->listed && !(n->word & NEIGH_STATIC)) {
		set_word(n, mac, NEIGH_KNOWN);
		n->confirmed_s = (uint32_t)(turn->now_ns / NS_PER_S);
		n->tries = 0;
		packets_flush(ip, turn, n);
		packets_free(&ip->neighs, n); /* the turn has no room for more */
	}
	lock_release(&ip->neighs.lock);
}

/* --- the stage --- */

/* DROP_NONE: the packet waits, a copy of it. */
static enum drop neigh_wait(struct ip *ip, struct turn *turn, const struct pkt *pkt, bool *ask)
{
	struct neigh *n = &ip->neighs.list[pkt->neigh];
	uint32_t now_s = (uint32_t)(turn->now_ns / NS_PER_S);

	*ask = false;
	if (!n->listed || n->word & NEIGH_FAILED || turn_is_trial(turn))
		return DROP_NEIGH_UNREACHABLE;
	if (!packet_put(&ip->neighs, pkt->neigh, pkt))
		return DROP_NEIGH_PENDING;
	if (n->tries == 0) { /* the next ones are control's */
		n->tries = 1;
		n->asked_s = now_s;
		*ask = true;
	}
	return DROP_NONE;
}

static __attribute__((noinline)) void output_slow(struct ip *ip, struct turn *turn, struct pkt *pkt)
{
	struct neigh *n = &ip->neighs.list[pkt->neigh];
	enum drop drop = DROP_NONE;
	struct pkt *request;
	bool ask = false, known;

	lock_take(&ip->neighs.lock);
	known = n->word & NEIGH_KNOWN; /* since we looked */
	if (!known)
		drop = neigh_wait(ip, turn, pkt, &ask);
	lock_release(&ip->neighs.lock);
	if (known) { /* too late for this turn's order: as if it had waited */
		ethernet_rewrite(pkt->data, neigh_mac(neigh_word(n)), n->src_mac);
		ip_send_frame(turn, pkt, n->iface);
		return;
	}
	turn_drop(turn, pkt, drop);
	request = !ask ? NULL : n->addr.ip6 ? nd_solicit(turn, n, false) : arp_request(turn, n, false);
	if (request)
		ip_send_frame(turn, request, n->iface);
}

/* Packets that leave by one interface, one after the other. */
static void send_run(struct turn *turn, struct pkt *const *pkts, uint32_t n, struct iface *iface)
{
	if (unlikely(iface_mode(iface) == IFACE_MODE_BRIDGE)) {
		for (uint32_t i = 0; i < n; i++)
			ip_send_frame(turn, pkts[i], iface);
		return;
	}
	turn_output_n(turn, pkts, n, iface);
}

void neigh_output(void *subject, struct turn *turn, const struct vec *vec)
{
	struct ip *ip = subject;
	uint32_t now_s = (uint32_t)(turn->now_ns / NS_PER_S), run = 0;
	struct iface *out = NULL;

	for (uint32_t i = 0; i < vec->n; i++) {
		struct pkt *pkt = vec->pkts[i];
		struct neigh *n = &ip->neighs.list[pkt->neigh];
		uint64_t word = neigh_word(n);

		if (unlikely(!(word & NEIGH_KNOWN) || n->iface != out)) {
			if (i > run)
				send_run(turn, &vec->pkts[run], i - run, out);
			run = i;
			out = n->iface;
			if (unlikely(!(word & NEIGH_KNOWN))) {
				output_slow(ip, turn, pkt);
				run = i + 1;
				continue;
			}
		}
		if (unlikely(__atomic_load_n(&n->used_s, __ATOMIC_RELAXED) != now_s))
			__atomic_store_n(&n->used_s, now_s, __ATOMIC_RELAXED);
		ethernet_rewrite(pkt->data, neigh_mac(word), n->src_mac);
	}
	if (vec->n > run)
		send_run(turn, &vec->pkts[run], vec->n - run, out);
}

/* --- control --- */

void neigh_ref(struct ip *ip, uint32_t neigh, int by)
{
	lock_take(&ip->neighs.lock);
	ip->neighs.list[neigh].refs += (uint32_t)by;
	lock_release(&ip->neighs.lock);
}

/* Under the lock: nobody finds it any more; its place is given back by neighs_reap(). */
static void neigh_unlist(struct ip *ip, uint32_t idx)
{
	struct neighs *ns = &ip->neighs;
	struct neigh *n = &ns->list[idx];
	const struct ip_iface *l3 = n->iface->l3;
	uint32_t *link = bucket(ns, n->iface, &n->addr);

	while (*link != idx)
		link = &ns->list[*link].chain;
	__atomic_store_n(link, n->chain, __ATOMIC_RELEASE); /* its own chain stays: somebody may be on it */
	set_word(n, 0, NEIGH_DEAD);
	n->listed = false;
	packets_free(ns, n);
	if (l3)
		l3->state->n_neighs--;
}

/* Waits for the workers, then gives back the places. */
static void neighs_reap(struct neighs *ns, const uint32_t *gone, uint32_t n)
{
	if (n == 0)
		return;
	rcu_wait();
	lock_take(&ns->lock);
	for (uint32_t i = 0; i < n; i++)
		ns->spare[ns->n_free++] = gone[i];
	lock_release(&ns->lock);
}

void neighs_forget(struct ip *ip, const struct iface *iface)
{
	struct neighs *ns = &ip->neighs;
	uint32_t *gone = calloc(IP_NEIGHS_MAX, sizeof(*gone)), n = 0;

	lock_take(&ns->lock);
	for (uint32_t i = 1; i < ns->n; i++) {
		if (!ns->list[i].listed || ns->list[i].iface != iface)
			continue;
		neigh_unlist(ip, i);
		if (gone) /* if not, places are lost, which is better than wrong */
			gone[n++] = i;
	}
	lock_release(&ns->lock);
	neighs_reap(ns, gone, n);
	free(gone);
}

void neigh_features(struct ip *ip, const struct iface *iface, uint32_t features)
{
	lock_take(&ip->neighs.lock);
	for (uint32_t i = 1; i < ip->neighs.n; i++)
		if (ip->neighs.list[i].listed && ip->neighs.list[i].iface == iface)
			__atomic_store_n(&ip->neighs.list[i].features, features, __ATOMIC_RELAXED);
	lock_release(&ip->neighs.lock);
}

/* Under the lock. */
enum tick_act {
	TICK_NOTHING,
	TICK_ASK,
	TICK_ASK_UNICAST,
	TICK_FAIL,
	TICK_FORGET,
};

static enum tick_act tick_known(struct neigh *n, uint32_t now_s)
{
	uint32_t used_s = __atomic_load_n(&n->used_s, __ATOMIC_RELAXED);

	if (n->tries > NEIGH_TRIES) {
		set_word(n, 0, 0);
		n->tries = 1;
		return TICK_ASK;
	}
	if (n->tries > 0 || (now_s - n->confirmed_s >= NEIGH_FRESH_S &&
				    (n->refs > 0 || used_s + NEIGH_FRESH_S > now_s))) {
		n->tries++;
		return TICK_ASK_UNICAST;
	}
	if (n->refs == 0 && now_s - n->confirmed_s >= NEIGH_UNUSED_S && now_s - used_s >= NEIGH_UNUSED_S)
		return TICK_FORGET;
	return TICK_NOTHING;
}

static enum tick_act tick_unknown(struct neigh *n, uint32_t now_s)
{
	if (n->word & NEIGH_FAILED) {
		if (now_s - n->asked_s < NEIGH_FAILED_S)
			return TICK_NOTHING;
		set_word(n, 0, 0);
		n->tries = 0;
		return n->refs > 0 ? TICK_NOTHING : TICK_FORGET;
	}
	if (n->tries == 0) /* nobody wants it */
		return n->refs == 0 && now_s - n->used_s >= NEIGH_FAILED_S ? TICK_FORGET : TICK_NOTHING;
	if (now_s - n->asked_s < 1)
		return TICK_NOTHING;
	n->asked_s = now_s;
	if (n->tries++ < NEIGH_TRIES)
		return TICK_ASK;
	set_word(n, 0, NEIGH_FAILED);
	return TICK_FAIL;
}

/* Under the lock: those that waited are given to the worker, to tell their senders. */
static uint32_t take_waiting(struct neigh *n)
{
	uint32_t first = n->waiting;

	n->waiting = 0;
	n->n_waiting = 0;
	return first;
}

static void tell_unreachable(struct ip *ip, uint32_t packet)
{
	while (packet) {
		uint32_t next = ip->neighs.packets[packet].next;

		if (!outbox_put(&ip->outbox, &(struct out){.kind = OUT_UNREACHABLE, .number = packet})) {
			lock_take(&ip->neighs.lock);
			packet_free(&ip->neighs, packet);
			lock_release(&ip->neighs.lock);
		}
		packet = next;
	}
}

static enum tick_act tick_one(struct ip *ip, uint32_t idx, uint32_t now_s, uint32_t *failed)
{
	struct neigh *n = &ip->neighs.list[idx];
	enum tick_act act;

	if (!n->listed || n->word & NEIGH_STATIC)
		return TICK_NOTHING;
	act = n->word & NEIGH_KNOWN ? tick_known(n, now_s) : tick_unknown(n, now_s);
	if (act == TICK_FAIL)
		*failed = take_waiting(n);
	if (act == TICK_FORGET)
		neigh_unlist(ip, idx);
	return act;
}

#define FORGET_AT_ONCE 256

void neighs_tick(struct ip *ip)
{
	struct neighs *ns = &ip->neighs;
	uint32_t now_s = (uint32_t)(ip->now_ns / NS_PER_S), gone[FORGET_AT_ONCE], n_gone = 0, n;

	__atomic_store_n(&ip->now_s, now_s, __ATOMIC_RELAXED);
	lock_take(&ns->lock);
	n = ns->n; /* who is heard of meanwhile has time */
	lock_release(&ns->lock);
	for (uint32_t i = 1; i < n && n_gone < FORGET_AT_ONCE; i++) {
		uint32_t failed = 0;
		enum tick_act act;

		lock_take(&ns->lock);
		act = tick_one(ip, i, now_s, &failed);
		lock_release(&ns->lock);
		if (act == TICK_ASK || act == TICK_ASK_UNICAST)
			outbox_put(&ip->outbox,
				&(struct out){.kind = act == TICK_ASK ? OUT_ASK : OUT_ASK_UNICAST,
					.iface = ns->list[i].iface->idx,
					.number = i});
		else if (act == TICK_FAIL)
			tell_unreachable(ip, failed);
		else if (act == TICK_FORGET)
			gone[n_gone++] = i;
	}
	neighs_reap(ns, gone, n_gone);
}

int ip_neigh_set(struct ip *ip, struct iface *iface, const struct ip_addr *addr, uint64_t mac, bool is_static)
{
	const struct ip_iface *l3 = iface->l3;
	struct ip_prefix network;
	struct neigh *n;
	uint32_t idx;

	if (!l3 || !ip_iface_network(iface, addr, &network) || ip_iface_has(iface, addr))
		return -EINVAL;
	idx = neigh_get(ip, l3, addr);
	if (idx == 0)
		return -ENOSPC;
	n = &ip->neighs.list[idx];
	lock_take(&ip->neighs.lock);
	set_word(n, mac, NEIGH_KNOWN | (is_static ? NEIGH_STATIC : 0));
	n->confirmed_s = (uint32_t)(ip->now_ns / NS_PER_S);
	n->tries = 0;
	lock_release(&ip->neighs.lock);
	return 0;
}

int ip_neigh_del(struct ip *ip, struct iface *iface, const struct ip_addr *addr)
{
	uint32_t idx = neigh_find(&ip->neighs, iface, addr);
	struct neigh *n = &ip->neighs.list[idx];
	bool gone;

	if (idx == 0)
		return -ENOENT;
	lock_take(&ip->neighs.lock);
	gone = n->refs == 0;
	if (gone) {
		neigh_unlist(ip, idx);
	} else { /* a route leads to it: it has to be asked for again */
		set_word(n, 0, 0);
		n->tries = 0;
	}
	lock_release(&ip->neighs.lock);
	if (gone)
		neighs_reap(&ip->neighs, &idx, 1);
	return 0;
}
