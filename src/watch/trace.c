/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side: records of chosen packets. */
#include "watch/trace.h"

#include "watch/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int trace_lane_init(struct trace_lane *t, uint32_t max)
{
	ASSERT(max < UINT16_MAX);
	*t = (struct trace_lane){.settings.filter = FILTER_ALL, .max = max};
	t->packets = malloc(max * sizeof(*t->packets));
	return t->packets ? 0 : -ENOMEM;
}

void trace_lane_fini(struct trace_lane *t)
{
	free(t->packets);
	*t = (struct trace_lane){0};
}

uint64_t trace_awaits(const struct trace_lane *t)
{
	const struct trace_settings *s = &t->settings;
	uint64_t n = 0;

	if (!t->packets || t->n == t->max)
		return 0;
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		n += s->left[stage];
	for (uint32_t i = 0; i < s->n_kinds; i++)
		n += s->kinds[i].left;
	return n;
}

/* NULL: the packet is not traced. */
static struct trace_packet *record_of(
	const struct trace_lane *t, const struct turn *turn, const struct pkt *pkt)
{
	uint32_t place = watch_place(turn, pkt);

	return place < TURN_PKTS_ALL && t->record[place] ? &t->packets[t->record[place] - 1] : NULL;
}

/* NULL: no room. */
static struct trace_event *event(struct trace_packet *p, enum trace_what what)
{
	struct trace_event *e = &p->events[p->n];

	if (p->n == TRACE_EVENTS_MAX) {
		p->more = true;
		return NULL;
	}
	p->n++;
	*e = (struct trace_event){.what = (uint8_t)what};
	return e;
}

static void event_stage(struct trace_packet *p, const struct pkt *pkt, enum stage stage)
{
	struct trace_event *e = event(p, stage == STAGE_DROP ? TRACE_DROP : TRACE_STAGE);

	if (!e)
		return;
	e->stage = (uint8_t)stage;
	e->drop = stage == STAGE_DROP ? pkt->drop : DROP_NONE;
	e->iface = pkt->rx->idx;
	e->len = pkt_len(pkt);
	e->offload = pkt->offload;
	e->head_len = (uint16_t)min_u32(pkt->head_len, TRACE_HEAD_MAX);
	memcpy(e->head, pkt->data, e->head_len);
}

/* --- which packets --- */

/* Follows the packet if one more is wanted and it matches. */
static void choose(struct trace_lane *t, const struct turn *turn, const struct pkt *pkt, uint32_t *left)
{
	uint32_t place = watch_place(turn, pkt);

	if (*left == 0 || place == TURN_PKTS_ALL || t->record[place] ||
		!filter_matches(&t->settings.filter, pkt->rx->idx, pkt))
		return;
	if (t->n == t->max) {
		t->n_refused++;
		return;
	}
	--*left;
	t->packets[t->n].time_ns = turn->now_ns;
	t->packets[t->n].rx = pkt->rx->idx;
	t->packets[t->n].n = 0;
	t->packets[t->n].more = false;
	t->record[place] = (uint16_t)++t->n;
}

static void choose_by_kind(struct trace_lane *t, const struct turn *turn, struct trace_kind *kind)
{
	for (uint32_t i = 0; i < turn->n_pkts && kind->left; i++)
		if (strcmp(turn->pkts[i].rx->kind, kind->kind) == 0)
			choose(t, turn, &turn->pkts[i], &kind->left);
}

static void begin(struct trace_lane *t, const struct turn *turn)
{
	if (t->in_turn)
		return;
	t->in_turn = true;
	for (uint32_t i = 0; i < t->settings.n_kinds; i++)
		choose_by_kind(t, turn, &t->settings.kinds[i]);
}

/* --- what becomes of them --- */

void trace_stage(struct trace_lane *t, const struct turn *turn, enum stage stage, const struct vec *vec)
{
	begin(t, turn);
	for (uint32_t i = 0; i < vec->n; i++) {
		struct trace_packet *p;

		choose(t, turn, vec->pkts[i], &t->settings.left[stage]);
		p = record_of(t, turn, vec->pkts[i]);
		if (p)
			event_stage(p, vec->pkts[i], stage);
	}
}

/* The stage before, once: packets of STAGE_PORT_OUTPUT are shown at their interfaces only. */
static struct trace_packet *at_output(struct trace_lane *t, const struct turn *turn, const struct pkt *pkt)
{
	struct trace_packet *p;

	choose(t, turn, pkt, &t->settings.left[STAGE_PORT_OUTPUT]);
	p = record_of(t, turn, pkt);
	if (p && (p->n == 0 || (p->events[p->n - 1].what == TRACE_STAGE &&
				       p->events[p->n - 1].stage != STAGE_PORT_OUTPUT)))
		event_stage(p, pkt, STAGE_PORT_OUTPUT);
	return p;
}

void trace_tx_drop(struct trace_lane *t, const struct turn *turn, const struct iface *iface,
	struct pkt *const pkt, enum drop reason)
{
	struct trace_packet *p = at_output(t, turn, pkt);
	struct trace_event *e = p ? event(p, TRACE_TX_DROP) : NULL;

	if (!e)
		return;
	e->iface = iface->idx;
	e->drop = (uint16_t)reason;
}

/* Unless it was said before that it does not leave there. */
void trace_output(
	struct trace_lane *t, const struct turn *turn, const struct iface *iface, const struct pkt *pkt)
{
	struct trace_packet *p = at_output(t, turn, pkt);
	struct trace_event *e;

	if (!p || (p->n && p->events[p->n - 1].what == TRACE_TX_DROP &&
			  p->events[p->n - 1].iface == iface->idx))
		return;
	e = event(p, TRACE_OUT);
	if (e)
		e->iface = iface->idx;
}

void trace_end(struct trace_lane *t)
{
	t->in_turn = false;
	memset(t->record, 0, sizeof(t->record));
}
