/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/iface.h"

#include "os/rcu.h"
#include "pkt/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct iface_table {
	uint32_t n_workers;
	struct iface *ifaces[IFACE_MAX]; /* rcu_publish() */
	struct iface local0;
	struct stats *stats;
	/* What the lanes' sums were at the last clear. */
	struct iface_counters cleared[IFACE_MAX];
};

static void lanes_free(struct iface *iface)
{
	for (uint32_t w = 0; w < IFACE_LANES_MAX; w++) {
		if (iface->lanes[w])
			free(iface->lanes[w]->out);
		iface->lanes[w] = NULL;
	}
}

/* Its counters are zero. */
static int lanes_alloc(const struct iface_table *t, struct iface *iface)
{
	for (uint32_t w = 0; w <= t->n_workers; w++) {
		struct iface_lane *lane = stats_lane(t->stats, iface->idx, w);

		lane->n_out = 0;
		lane->out = calloc(TURN_PKTS_ALL, sizeof(struct pkt *));
		iface->lanes[w] = lane;
		if (!lane->out) {
			lanes_free(iface);
			return -ENOMEM;
		}
	}
	return 0;
}

struct iface_table *iface_table_create(uint32_t n_workers)
{
	struct iface_table *t = calloc(1, sizeof(*t));

	ASSERT(n_workers <= WORKER_MAX);
	if (!t)
		return NULL;
	t->n_workers = n_workers;
	t->stats = stats_create(n_workers);
	if (!t->stats) {
		free(t);
		return NULL;
	}
	t->local0 = (struct iface){.name = "local0", .kind = "local"};
	if (iface_add(t, &t->local0) != 0) {
		stats_destroy(t->stats);
		free(t);
		return NULL;
	}
	t->local0.mtu = 0; /* nothing leaves there */
	return t;
}

void iface_table_destroy(struct iface_table *t)
{
	if (!t)
		return;
	lanes_free(&t->local0);
	stats_destroy(t->stats);
	free(t);
}

uint32_t iface_table_workers(const struct iface_table *t)
{
	return t->n_workers;
}

struct stats *iface_table_stats(const struct iface_table *t)
{
	return t->stats;
}

int iface_add(struct iface_table *t, struct iface *iface)
{
	uint32_t idx = 0;

	while (idx < IFACE_MAX && t->ifaces[idx])
		idx++;
	return idx == IFACE_MAX ? -ENOSPC : iface_add_at(t, iface, idx);
}

int iface_add_at(struct iface_table *t, struct iface *iface, uint32_t idx)
{
	ASSERT(idx < IFACE_MAX);
	if (t->ifaces[idx] || iface_by_name(t, iface->name))
		return -EEXIST;
	iface->idx = idx;
	iface->up = false;
	iface->mtu = IFACE_MTU_DEFAULT;
	iface->mode = IFACE_MODE_NONE;
	iface->lossless = false;
	iface->vlan = NULL;
	iface->n_fed = 0;
	memset(&t->cleared[idx], 0, sizeof(t->cleared[idx]));
	stats_set_iface(t->stats, idx, iface);
	if (lanes_alloc(t, iface) != 0) {
		stats_set_iface(t->stats, idx, NULL);
		return -ENOMEM;
	}
	rcu_publish(t->ifaces[idx], iface);
	return 0;
}

void iface_feed(struct iface *to, bool more)
{
	__atomic_store_n(&to->n_fed, more ? to->n_fed + 1 : to->n_fed - 1, __ATOMIC_RELAXED);
	if (to->rewired)
		to->rewired(to);
}

/*
 * What else there is to do is iface_remove()'s: it waits for the workers. A lossless wire goes on without an end: what
 * is to leave there waits.
 */
static void iface_forget_l2(struct iface *iface)
{
	if (!iface->lossless) {
		iface_set_mode(iface, iface_mode_alone(iface));
		iface->l2_detach = NULL;
	}
	rcu_publish(iface->l2, NULL);
}

static void end_xconnects_to(struct iface_table *t, const struct iface *to)
{
	for (struct iface *i = iface_next(t, 0); i; i = iface_next(t, i->idx + 1))
		if (iface_mode(i) == IFACE_MODE_XCONNECT && i->l2 == to)
			iface_forget_l2(i);
}

void iface_remove(struct iface_table *t, struct iface *iface)
{
	ASSERT(t->ifaces[iface->idx] == iface);
	if (iface->l2_detach)
		iface->l2_detach(iface);
	if (iface->l3_detach)
		iface->l3_detach(iface);
	end_xconnects_to(t, iface);
	rcu_publish(t->ifaces[iface->idx], NULL);
	rcu_wait();
	stats_set_iface(t->stats, iface->idx, NULL);
	lanes_free(iface);
}

struct iface *iface_get(const struct iface_table *t, uint32_t idx)
{
	return idx < IFACE_MAX ? rcu_load(t->ifaces[idx]) : NULL;
}

struct iface *iface_by_name(const struct iface_table *t, const char *name)
{
	for (struct iface *i = iface_next(t, 0); i; i = iface_next(t, i->idx + 1))
		if (strcmp(i->name, name) == 0)
			return i;
	return NULL;
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return len > 0 && len < IFACE_NAME_LEN;
}

int iface_rename(struct iface_table *t, struct iface *iface, const char *name)
{
	const struct iface *other = iface_by_name(t, name);

	if (!name_ok(name))
		return -EINVAL;
	if (other && other != iface)
		return -EEXIST;
	snprintf(iface->name, sizeof(iface->name), "%s", name);
	return 0;
}

struct iface *iface_next(const struct iface_table *t, uint32_t idx)
{
	for (; idx < IFACE_MAX; idx++)
		if (t->ifaces[idx])
			return t->ifaces[idx];
	return NULL;
}

/* Counters are a plain row of uint64_t: sums need no list of their names. */
#define N_COUNTERS (sizeof(struct iface_counters) / sizeof(uint64_t))

static void lanes_sum(const struct iface_table *t, const struct iface *iface, struct iface_counters *out)
{
	uint64_t *sum = (uint64_t *)out;

	memset(out, 0, sizeof(*out));
	for (uint32_t w = 0; w < t->n_workers; w++) {
		const uint64_t *lane = (const uint64_t *)&iface->lanes[w]->counters;

		for (size_t i = 0; i < N_COUNTERS; i++)
			sum[i] += __atomic_load_n(&lane[i], __ATOMIC_RELAXED);
	}
}

void iface_counters_sum(const struct iface_table *t, const struct iface *iface, struct iface_counters *out)
{
	const uint64_t *cleared = (const uint64_t *)&t->cleared[iface->idx];
	uint64_t *sum = (uint64_t *)out;

	lanes_sum(t, iface, out);
	for (size_t i = 0; i < N_COUNTERS; i++)
		sum[i] -= cleared[i];
}

uint64_t iface_drops_sum(const struct iface_table *t, enum drop reason)
{
	struct iface_counters c;
	uint64_t sum = 0;

	for (const struct iface *i = iface_next(t, 0); i; i = iface_next(t, i->idx + 1)) {
		iface_counters_sum(t, i, &c);
		sum += c.drops[reason];
	}
	return sum;
}

void iface_counters_clear(struct iface_table *t)
{
	for (const struct iface *i = iface_next(t, 0); i; i = iface_next(t, i->idx + 1))
		lanes_sum(t, i, &t->cleared[i->idx]);
}

void iface_counters_drop(struct iface_table *t, const struct iface *iface, enum drop reason, uint64_t n)
{
	t->cleared[iface->idx].drops[reason] -= n;
}

/* What was cleared is subtracted: a negative number of that, then. */
void iface_counters_resume(
	struct iface_table *t, const struct iface *iface, const struct iface_counters *from)
{
	uint64_t *cleared = (uint64_t *)&t->cleared[iface->idx];

	for (size_t i = 0; i < N_COUNTERS; i++)
		cleared[i] = -((const uint64_t *)from)[i];
}
