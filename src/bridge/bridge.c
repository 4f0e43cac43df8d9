/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_private.h"

#include "os/pages.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <stdlib.h>

struct bridges *bridges_create(struct iface_table *ifaces, uint64_t seed)
{
	struct bridges *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->ifaces = ifaces;
	b->memos = pages_alloc(iface_table_workers(ifaces), sizeof(*b->memos));
	if (!b->memos) {
		free(b);
		return NULL;
	}
	random_init(&b->random, seed);
	return b;
}

void bridges_destroy(struct bridges *b)
{
	struct bridge_domain *d;

	if (!b)
		return;
	while ((d = bridge_domain_next(b, 0))) {
		while (d->members->n)
			bridge_detach(d->members->list[0]->iface);
		bridge_domain_delete(d);
	}
	pages_free(b->memos, iface_table_workers(b->ifaces), sizeof(*b->memos));
	free(b);
}

void bridges_age(struct bridges *b, uint64_t now_ns)
{
	b->now_s = (uint32_t)(now_ns / NS_PER_S);
	for (struct bridge_domain *d = bridge_domain_next(b, 0); d; d = bridge_domain_next(b, d->idx + 1))
		mac_table_age(d->macs, b->now_s, d->age_s);
}

struct bridge_domain *bridge_domain_next(const struct bridges *b, uint32_t idx)
{
	for (; idx < BRIDGE_DOMAINS_MAX; idx++)
		if (b->domains[idx])
			return b->domains[idx];
	return NULL;
}

struct bridge_domain *bridge_domain_find(const struct bridges *b, uint32_t id)
{
	struct bridge_domain *d = bridge_domain_next(b, 0);

	while (d && d->id != id)
		d = bridge_domain_next(b, d->idx + 1);
	return d;
}

int bridge_domain_create(
	struct bridges *b, uint32_t id, const struct bridge_config *config, struct bridge_domain **out)
{
	struct bridge_domain *d;
	uint32_t idx = 0;

	if (id > BRIDGE_ID_MAX)
		return -ERANGE;
	if (bridge_domain_find(b, id))
		return -EEXIST;
	while (idx < BRIDGE_DOMAINS_MAX && b->domains[idx])
		idx++;
	if (idx == BRIDGE_DOMAINS_MAX)
		return -ENOSPC;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->macs = mac_table_create(config->learn_limit, random_u64(&b->random));
	if (!d->macs) {
		free(d);
		return -ENOMEM;
	}
	d->members = &d->copies[0];
	d->settings = config->settings;
	d->age_s = config->age_s;
	d->bridges = b;
	d->id = id;
	d->idx = idx;
	b->domains[idx] = d;
	*out = d;
	return 0;
}

int bridge_domain_delete(struct bridge_domain *d)
{
	if (d->members->n)
		return -EBUSY;
	/* The last member's leaving waited for the workers: none of them holds this domain. */
	d->bridges->domains[d->idx] = NULL;
	mac_table_destroy(d->macs);
	free(d);
	return 0;
}

void bridge_domain_set(struct bridge_domain *d, enum bridge_setting setting, bool on)
{
	uint32_t settings = bridge_settings(d) & ~(uint32_t)setting;

	__atomic_store_n(&d->settings, on ? settings | setting : settings, __ATOMIC_RELAXED);
	memo_state_change(&d->macs->state);
}

void bridge_domain_set_age(struct bridge_domain *d, uint32_t age_s)
{
	d->age_s = age_s;
}

/* What workers learn while the entries are copied is learned again with the next packet. */
int bridge_domain_set_learn_limit(struct bridge_domain *d, uint32_t learn_limit)
{
	struct mac_table *old = d->macs, *larger;
	int err;

	if (mac_table_set_limit(old, learn_limit))
		return 0;
	larger = mac_table_create(learn_limit, random_u64(&d->bridges->random));
	if (!larger)
		return -ENOMEM;
	err = mac_table_copy(larger, old);
	if (err) {
		mac_table_destroy(larger);
		return err;
	}
	rcu_publish(d->macs, larger);
	rcu_wait();
	mac_table_destroy(old);
	return 0;
}

/* The copy of the members that nobody reads. */
static struct bridge_members *members_copy(struct bridge_domain *d)
{
	struct bridge_members *copy = d->members == &d->copies[0] ? &d->copies[1] : &d->copies[0];

	*copy = *d->members;
	return copy;
}

static void members_swap(struct bridge_domain *d, struct bridge_members *copy)
{
	rcu_publish(d->members, copy);
	memo_state_change(&d->macs->state);
	rcu_wait();
}

static void members_add(struct bridge_members *members, struct bridge_member *m)
{
	members->list[members->n++] = m;
	members->by_iface[m->iface->idx] = m;
}

static void members_remove(struct bridge_members *members, const struct bridge_member *m)
{
	uint32_t i = 0;

	while (members->list[i] != m)
		i++;
	for (members->n--; i < members->n; i++)
		members->list[i] = members->list[i + 1];
	members->by_iface[m->iface->idx] = NULL;
}

static int attach(struct bridge_domain *d, struct iface *iface, uint8_t shg, bool bvi)
{
	struct bridge_members *copy;
	struct bridge_member *m;

	if (iface->idx == 0)
		return -EINVAL;
	if (iface->l2_detach)
		iface->l2_detach(iface);
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	*m = (struct bridge_member){.domain = d, .iface = iface, .shg = shg, .bvi = bvi};
	copy = members_copy(d);
	members_add(copy, m);
	members_swap(d, copy);
	iface->l2_detach = bridge_detach;
	rcu_publish(iface->l2, m);
	iface_set_mode(iface, IFACE_MODE_BRIDGE);
	return 0;
}

int bridge_attach(struct bridge_domain *d, struct iface *iface, uint8_t shg)
{
	return attach(d, iface, shg, false);
}

const struct iface *bridge_domain_bvi(const struct bridge_domain *d)
{
	for (uint32_t i = 0; i < d->members->n; i++)
		if (d->members->list[i]->bvi)
			return d->members->list[i]->iface;
	return NULL;
}

int bridge_attach_bvi(struct bridge_domain *d, struct iface *iface)
{
	const struct iface *other = bridge_domain_bvi(d);
	int err;

	if (other && other != iface)
		return -EEXIST;
	err = attach(d, iface, 0, true);
	if (err)
		return err;
	err = mac_table_add_static(d->macs, mac_load(iface->mac), iface->idx);
	if (err)
		bridge_detach(iface);
	return err;
}

void bridge_detach(struct iface *iface)
{
	struct bridge_member *m = iface->l2;
	struct bridge_domain *d = m->domain;
	struct bridge_members *copy = members_copy(d);

	iface_set_mode(iface, iface_mode_alone(iface));
	iface->l2_detach = NULL;
	rcu_publish(iface->l2, NULL);
	members_remove(copy, m);
	members_swap(d, copy);
	/* From here on nobody learns behind it. */
	mac_table_flush(d->macs, iface->idx, true);
	free(m);
}

bool bridge_domain_of(const struct iface *iface, uint32_t *id)
{
	const struct bridge_member *member = iface_mode(iface) == IFACE_MODE_BRIDGE ? iface->l2 : NULL;

	if (member)
		*id = member->domain->id;
	return member != NULL;
}
