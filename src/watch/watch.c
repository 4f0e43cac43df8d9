/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include "os/rcu.h"
#include "watch/private.h"

#include <stdlib.h>
#include <string.h>

/* A packet that tries the road, and what comes of it. */
#define TRIAL_PACKETS_MAX 16

/* --- captures and traces --- */

static void show_stage(struct turn_watch *tw, struct turn *turn, enum stage stage, const struct vec *vec)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, all);

	w->turn = turn;
	capture_stage(&w->capture, turn, stage, vec);
	trace_stage(&w->trace, turn, stage, vec);
}

static void show_tx_drop(struct turn_watch *tw, const struct iface *iface, struct pkt *const *pkts,
	uint32_t n, enum drop reason)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, all);

	capture_tx_drop(&w->capture, w->turn, &(struct capture_burst){iface, pkts, n}, reason);
	for (uint32_t i = 0; i < n; i++)
		trace_tx_drop(&w->trace, w->turn, iface, pkts[i], reason);
}

static void show_output(struct turn_watch *tw, const struct iface *iface, struct pkt *const *pkts, uint32_t n)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, all);

	capture_output(&w->capture, w->turn, &(struct capture_burst){iface, pkts, n});
	for (uint32_t i = 0; i < n; i++)
		trace_output(&w->trace, w->turn, iface, pkts[i]);
}

static void show_end(struct turn_watch *tw, struct turn *turn)
{
	trace_end(&CONTAINER_OF(tw, struct watcher, all)->trace);
}

static const struct turn_watch_ops ops_all = {show_stage, show_tx_drop, show_output, show_end};

/* --- captures alone: no frame is missing while a trace changes --- */

static void capture_only_stage(
	struct turn_watch *tw, struct turn *turn, enum stage stage, const struct vec *vec)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, capture_only);

	w->turn = turn;
	capture_stage(&w->capture, turn, stage, vec);
}

static void capture_only_tx_drop(struct turn_watch *tw, const struct iface *iface, struct pkt *const *pkts,
	uint32_t n, enum drop reason)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, capture_only);

	capture_tx_drop(&w->capture, w->turn, &(struct capture_burst){iface, pkts, n}, reason);
}

static void capture_only_output(
	struct turn_watch *tw, const struct iface *iface, struct pkt *const *pkts, uint32_t n)
{
	struct watcher *w = CONTAINER_OF(tw, struct watcher, capture_only);

	capture_output(&w->capture, w->turn, &(struct capture_burst){iface, pkts, n});
}

static void capture_only_end(struct turn_watch *tw, struct turn *turn)
{
}

static const struct turn_watch_ops ops_capture_only = {
	capture_only_stage, capture_only_tx_drop, capture_only_output, capture_only_end};

/* --- who is shown what --- */

static void watcher_init(struct watcher *w)
{
	w->all.ops = &ops_all;
	w->capture_only.ops = &ops_capture_only;
}

struct watch *watch_create(const struct watch_config *config)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	ASSERT(config->n_workers <= WORKER_MAX);
	w->config = *config;
	for (uint32_t i = 0; i < config->n_workers; i++)
		watcher_init(&w->watchers[i]);
	watcher_init(&w->trial);
	w->trial.all.trial = true;
	w->trace_filter = FILTER_ALL;
	w->begun_ns = loop_now(config->loop);
	capture_init(w);
	trace_init(w);
	if (trace_lane_init(&w->trial.trace, TRIAL_PACKETS_MAX) == 0)
		return w;
	free(w);
	return NULL;
}

void watch_destroy(struct watch *w)
{
	capture_stop(w);
	trace_stop(w);
	trace_lane_fini(&w->trial.trace);
	free(w->capture.path);
	free(w);
}

void watch_sync(struct watch *w)
{
	if (w->capture.what)
		capture_drain(w);
}

static void publish(struct watch *w, bool traces)
{
	for (uint32_t i = 0; i < w->config.n_workers; i++) {
		struct watcher *watcher = &w->watchers[i];
		struct turn_watch *tw = w->capture.what ? &watcher->capture_only : NULL;

		if (traces && trace_awaits(&watcher->trace) > 0)
			tw = &watcher->all;
		w->config.publish(w->config.subject, i, tw);
	}
}

void watch_hold(struct watch *w)
{
	for (uint32_t i = 0; i < w->config.n_workers; i++)
		w->config.publish(w->config.subject, i, NULL);
	rcu_wait();
}

void watch_hold_traces(struct watch *w)
{
	publish(w, false);
	rcu_wait();
}

void watch_go_on(struct watch *w)
{
	publish(w, true);
}

struct turn_watch *watch_trial_begin(struct watch *w)
{
	struct trace_lane *t = &w->trial.trace;

	t->n = 0;
	t->n_refused = 0;
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		t->settings.left[stage] = UINT32_MAX;
	return &w->trial.all;
}

json_t *watch_trial_end(struct watch *w)
{
	return trace_json(&w->trial.trace, w->config.ifaces, w->begun_ns);
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
	"drop-reason", "why packets are dropped, see show errors", parse_reason, each_reason, NULL};
