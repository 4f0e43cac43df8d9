/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include "os/rcu.h"
#include "watch/private.h"

#include <stdlib.h>
#include <string.h>

static void show_stage(struct turn_watch *tw, struct turn *turn, enum stage stage, const struct vec *vec)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, base);

	w->turn = turn;
	capture_stage(&w->capture, turn, stage, vec);
}

static void show_tx_drop(struct turn_watch *tw, const struct iface *iface, struct pkt *const *pkts,
	uint32_t n, enum drop reason)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, base);

	capture_tx_drop(&w->capture, w->turn, &(struct capture_burst){iface, pkts, n}, reason);
}

static void show_output(struct turn_watch *tw, const struct iface *iface, struct pkt *const *pkts, uint32_t n)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, base);

	capture_output(&w->capture, w->turn, &(struct capture_burst){iface, pkts, n});
}

static void show_end(struct turn_watch *tw, struct turn *turn)
{
}

static const struct turn_watch_ops ops = {
	.stage = show_stage, .tx_drop = show_tx_drop, .output = show_output, .end = show_end};

struct watch *watch_create(const struct watch_config *config)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	ASSERT(config->n_workers <= WORKER_MAX);
	w->config = *config;
	for (uint32_t i = 0; i < config->n_workers; i++)
		w->watchers[i].base.ops = &ops;
	capture_init(w);
	return w;
}

void watch_destroy(struct watch *w)
{
	capture_stop(w);
	free(w);
}

void watch_sync(struct watch *w)
{
	if (w->capture.what)
		capture_drain(w);
}

void watch_hold(struct watch *w)
{
	for (uint32_t i = 0; i < w->config.n_workers; i++)
		w->config.publish(w->config.subject, i, NULL);
	rcu_wait();
}

void watch_go_on(struct watch *w)
{
	if (!w->capture.what)
		return;
	for (uint32_t i = 0; i < w->config.n_workers; i++)
		w->config.publish(w->config.subject, i, &w->watchers[i].base);
}

/* --- reasons as values of commands --- */

static json_t *parse_reason(void *subject, const char *text)
{
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (strcmp(drop_name((enum drop)reason), text) == 0)
			return json_integer(reason);
	return NULL;
}

static void each_reason(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		word(arg, drop_name((enum drop)reason));
}

const struct ctl_type watch_reason_type = {
	"drop-reason", "why packets are dropped, see show errors", parse_reason, each_reason};
