/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/stats.h"

#include "os/shared.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKER_LEN_MAX 4096

static_assert(
	offsetof(struct iface_counters, rx_packets) == offsetof(struct ginnel_stats_lane, rx_packets) &&
		offsetof(struct iface_counters, rx_bytes) == offsetof(struct ginnel_stats_lane, rx_bytes) &&
		offsetof(struct iface_counters, tx_packets) ==
			offsetof(struct ginnel_stats_lane, tx_packets) &&
		offsetof(struct iface_counters, tx_bytes) == offsetof(struct ginnel_stats_lane, tx_bytes),
	"a lane's counters begin as readers know them");
static_assert(sizeof(struct ginnel_stats_worker) + STAGE_COUNT * sizeof(struct ginnel_stats_count) <=
		      WORKER_LEN_MAX,
	"a worker's counters have room");

struct stats {
	struct shared shared;
	struct ginnel_stats_header *header;
};

static void *entry(const struct stats *s, const struct ginnel_stats_table *table, uint32_t i)
{
	ASSERT(i < table->n);
	return (uint8_t *)s->header + table->at + (size_t)i * table->len;
}

static uint32_t rounded(size_t len)
{
	return (uint32_t)(len + CACHE_LINE - 1) & ~(CACHE_LINE - 1u);
}

/* Puts a table behind what is there. */
static struct ginnel_stats_table table(uint32_t *end, uint32_t n, uint32_t len)
{
	struct ginnel_stats_table t = {.at = *end, .n = n, .len = len};

	*end = rounded(*end + (size_t)n * len);
	return t;
}

static struct ginnel_stats_header plan(uint32_t n_workers)
{
	uint32_t end = rounded(sizeof(struct ginnel_stats_header)), lanes = n_workers + 1;
	struct ginnel_stats_header h = {
		.magic = GINNEL_STATS_MAGIC,
		.version = GINNEL_STATS_VERSION,
		.pid = (uint32_t)getpid(),
		.drops = table(&end, DROP_COUNT, sizeof(struct ginnel_stats_drop)),
	};

	h.stages = table(&end, STAGE_COUNT, sizeof(struct ginnel_stats_stage));
	h.workers = table(&end, n_workers, WORKER_LEN_MAX);
	h.interfaces = table(&end, IFACE_MAX, sizeof(struct ginnel_stats_interface));
	h.lanes = table(&end, IFACE_MAX * lanes, rounded(sizeof(struct iface_lane)));
	h.lanes_each = lanes;
	h.lane_drops_at = offsetof(struct iface_counters, drops);
	h.worker_stages_at = sizeof(struct ginnel_stats_worker);
	h.size = end;
	return h;
}

static void name_everything(struct stats *s)
{
	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		struct ginnel_stats_drop *d = entry(s, &s->header->drops, i);

		snprintf(d->name, sizeof(d->name), "%s", drop_name((enum drop)i));
		snprintf(d->text, sizeof(d->text), "%s", drop_text((enum drop)i));
		d->is_loss = drop_is_loss((enum drop)i);
	}
	for (uint32_t i = 0; i < STAGE_COUNT; i++) {
		struct ginnel_stats_stage *stage = entry(s, &s->header->stages, i);

		snprintf(stage->name, sizeof(stage->name), "%s", stage_name((enum stage)i));
	}
}

struct stats *stats_create(uint32_t n_workers)
{
	struct ginnel_stats_header h = plan(n_workers);
	struct stats *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (shared_create(&s->shared, "ginnel-statistics", h.size) != 0) {
		free(s);
		return NULL;
	}
	s->header = s->shared.addr;
	*s->header = h;
	name_everything(s);
	return s;
}

void stats_destroy(struct stats *s)
{
	shared_destroy(&s->shared);
	free(s);
}

int stats_fd(const struct stats *s)
{
	return s->shared.fd;
}

struct iface_lane *stats_lane(struct stats *s, uint32_t iface, uint32_t worker)
{
	return entry(s, &s->header->lanes, iface * s->header->lanes_each + worker);
}

void *stats_worker(struct stats *s, uint32_t worker, uint32_t len)
{
	ASSERT(len <= WORKER_LEN_MAX);
	return entry(s, &s->header->workers, worker);
}

/* --- the directory: one writer, whose readers look at seq before and after --- */

static void begin(struct stats *s)
{
	__atomic_store_n(&s->header->seq, s->header->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* odd before anything else is seen */
}

static void end(struct stats *s)
{
	__atomic_store_n(&s->header->seq, s->header->seq + 1, __ATOMIC_RELEASE);
}

static void describe(struct ginnel_stats_interface *to, const struct iface *iface)
{
	snprintf(to->name, sizeof(to->name), "%s", iface->name);
	snprintf(to->kind, sizeof(to->kind), "%s", iface->kind);
	memcpy(to->mac, iface->mac, sizeof(to->mac));
	to->up = iface_is_up(iface);
	to->mtu = iface_mtu(iface);
}

void stats_set_iface(struct stats *s, uint32_t idx, const struct iface *iface)
{
	struct ginnel_stats_interface *to = entry(s, &s->header->interfaces, idx);

	begin(s);
	to->used = iface != NULL;
	if (iface) {
		to->generation++;
		for (uint32_t w = 0; w < s->header->lanes_each; w++)
			memset(&stats_lane(s, idx, w)->counters, 0, sizeof(struct iface_counters));
		describe(to, iface);
	}
	end(s);
}

void stats_beat(struct stats *s, const struct iface_table *ifaces, uint64_t now_ns, uint64_t clocks)
{
	struct ginnel_stats_header *h = s->header;

	begin(s);
	for (const struct iface *i = iface_next(ifaces, 0); i; i = iface_next(ifaces, i->idx + 1))
		describe(entry(s, &h->interfaces, i->idx), i);
	if (h->start_ns == 0) {
		h->start_ns = now_ns;
		h->start_clocks = clocks;
	}
	h->beat_ns = now_ns;
	h->beat_clocks = clocks;
	end(s);
}
