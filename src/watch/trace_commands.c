/* SPDX-License-Identifier: Apache-2.0 */
/* trace add, trace filter, show trace, clear trace. */
#include "watch/private.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_DEFAULT 50 /* packets of each worker, as in VPP */
#define KIND_SUFFIX   "-input"

/* --- nodes as values: stages, and "KIND-input" for kinds of interfaces that are there --- */

static int stage_by_name(const char *text)
{
	for (int s = 0; s < STAGE_COUNT; s++)
		if (strcmp(stage_name((enum stage)s), text) == 0)
			return s;
	return -1;
}

/* The kind in "KIND-input", of an interface that is there. */
static const char *kind_by_name(const struct watch *w, const char *text)
{
	for (const struct iface *i = w ? iface_next(w->config.ifaces, 0) : NULL; i;
		i = iface_next(w->config.ifaces, i->idx + 1)) {
		size_t len = strlen(i->kind);

		if (strncmp(i->kind, text, len) == 0 && strcmp(text + len, KIND_SUFFIX) == 0)
			return i->kind;
	}
	return NULL;
}

static json_t *parse_node(void *subject, const char *text)
{
	return stage_by_name(text) >= 0 || kind_by_name(subject, text) ? json_string(text) : NULL;
}

static void each_node(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	const struct watch *w = subject;
	char name[64];

	for (int s = 0; s < STAGE_COUNT; s++)
		word(arg, stage_name((enum stage)s));
	for (const struct iface *i = w ? iface_next(w->config.ifaces, 1) : NULL; i;
		i = iface_next(w->config.ifaces, i->idx + 1)) {
		snprintf(name, sizeof(name), "%s" KIND_SUFFIX, i->kind);
		word(arg, name);
	}
}

const struct ctl_type watch_node_type = {"node",
	"a stage as in show runtime, or KIND-input such as vhost-user-input", parse_node, each_node, NULL};

/* --- trace add, trace filter, clear trace --- */

static struct trace_kind *kind_slot(struct trace_settings *s, const char *kind)
{
	for (uint32_t i = 0; i < s->n_kinds; i++)
		if (strcmp(s->kinds[i].kind, kind) == 0)
			return &s->kinds[i];
	if (s->n_kinds == TRACE_KINDS_MAX)
		return NULL;
	snprintf(s->kinds[s->n_kinds].kind, sizeof(s->kinds[0].kind), "%s", kind);
	return &s->kinds[s->n_kinds++];
}

static int add_to_lane(struct watch *w, struct trace_lane *t, const char *node, uint32_t n)
{
	int stage = stage_by_name(node);
	struct trace_kind *kind;

	if (!t->packets && trace_lane_init(t, TRACE_PACKETS_MAX) != 0)
		return -1;
	t->settings.filter = w->trace_filter;
	if (stage >= 0) {
		t->settings.left[stage] += n;
		return 0;
	}
	kind = kind_slot(&t->settings, kind_by_name(w, node));
	if (kind)
		kind->left += n;
	return kind ? 0 : -1;
}

static int run_trace_add(struct ctl_call *call)
{
	struct watch *w = call->subject;
	uint64_t n = ctl_u64(call, "count", 0);
	int err = 0;

	if (n == 0 || n > TRACE_PACKETS_MAX)
		return ctl_fail(call, "a trace holds 1 to %d packets of each worker", TRACE_PACKETS_MAX);
	watch_hold_traces(w);
	for (uint32_t i = 0; i < w->config.n_workers && !err; i++)
		err = add_to_lane(w, &w->watchers[i].trace, ctl_str(call, "node", ""), (uint32_t)n);
	watch_go_on(w);
	loop_timer_set(w->config.loop, &w->trace_rest, loop_now(w->config.loop) + TRACE_REST_NS);
	return err ? ctl_fail(call, "no more room for that: clear trace first") : 0;
}

static int run_trace_filter(struct ctl_call *call)
{
	struct watch *w = call->subject;
	struct filter f = FILTER_ALL;
	const struct iface *iface;

	f.iface = (uint32_t)ctl_u64(call, "interface", FILTER_ANY_IFACE);
	if (filter_read(&f, call) != 0)
		return -1;
	if (!ctl_has(call, "show")) {
		watch_hold_traces(w);
		w->trace_filter = f;
		for (uint32_t i = 0; i < w->config.n_workers; i++)
			w->watchers[i].trace.settings.filter = f;
		watch_go_on(w);
	}
	iface = iface_get(w->config.ifaces, w->trace_filter.iface);
	call->result = filter_json(&w->trace_filter);
	if (iface)
		json_object_set_new(call->result, "interface", json_string(iface->name));
	return 0;
}

static void print_trace_filter(const json_t *result, FILE *out)
{
	const json_t *value;
	const char *key;

	fputs("trace filter:", out);
	json_object_foreach ((json_t *)(uintptr_t)result, key, value)
		if (json_is_string(value))
			fprintf(out, " %s %s", key, json_string_value(value));
		else
			fprintf(out, " %s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	fputs(json_object_size(result) ? "\n" : " every packet\n", out);
}

/* A worker that has all packets it was to follow is left alone. */
static void on_trace_rest(void *arg)
{
	struct watch *w = arg;
	bool awaits = false;

	watch_hold_traces(w);
	for (uint32_t i = 0; i < w->config.n_workers; i++)
		awaits |= trace_awaits(&w->watchers[i].trace) > 0;
	watch_go_on(w);
	if (awaits)
		loop_timer_set(w->config.loop, &w->trace_rest, loop_now(w->config.loop) + TRACE_REST_NS);
}

void trace_init(struct watch *w)
{
	loop_timer_init(&w->trace_rest, on_trace_rest, w);
}

void trace_stop(struct watch *w)
{
	watch_hold_traces(w);
	for (uint32_t i = 0; i < w->config.n_workers; i++)
		trace_lane_fini(&w->watchers[i].trace);
	watch_go_on(w);
	loop_timer_cancel(w->config.loop, &w->trace_rest);
}

static int run_clear_trace(struct ctl_call *call)
{
	trace_stop(call->subject);
	return 0;
}

/* --- show trace --- */

static int run_show_trace(struct ctl_call *call)
{
	struct watch *w = call->subject;
	size_t max = ctl_u64(call, "max", SHOWN_DEFAULT);

	call->result = json_array();
	watch_hold_traces(w);
	for (uint32_t i = 0; i < w->config.n_workers; i++) {
		const struct trace_lane *t = &w->watchers[i].trace;
		json_t *packets = trace_json(t, w->config.ifaces, w->begun_ns);

		while (json_array_size(packets) > max)
			json_array_remove(packets, json_array_size(packets) - 1);
		json_array_append_new(
			call->result, json_pack("{s:i, s:i, s:I, s:i, s:o}", "thread", (int)i, "traced",
					      (int)t->n, "awaited", (json_int_t)trace_awaits(t), "no_room",
					      (int)t->n_refused, "packets", packets));
	}
	watch_go_on(w);
	return 0;
}

static json_int_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_lane(const json_t *lane, FILE *out)
{
	const json_t *packets = json_object_get(lane, "packets"), *packet;
	size_t i;

	fprintf(out, "------------------- Start of thread %d worker %d -------------------\n",
		(int)num(lane, "thread"), (int)num(lane, "thread"));
	json_array_foreach ((json_t *)(uintptr_t)packets, i, packet) {
		fprintf(out, "Packet %zu\n\n", i + 1);
		trace_print(packet, out);
		fputc('\n', out);
	}
	if (num(lane, "traced") > (json_int_t)json_array_size(packets))
		fprintf(out, "%d more: show trace max %d\n",
			(int)(num(lane, "traced") - (json_int_t)json_array_size(packets)),
			(int)num(lane, "traced"));
	if (num(lane, "no_room"))
		fprintf(out, "%d more had no room: clear trace\n", (int)num(lane, "no_room"));
	if (num(lane, "traced") == 0)
		fputs(num(lane, "awaited") ? "No packets yet\n"
					   : "No packets in trace buffer: trace add NODE N\n",
			out);
}

static void print_show_trace(const json_t *result, FILE *out)
{
	const json_t *lane;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, lane)
		print_lane(lane, out);
}

static const struct ctl_command commands[] = {
	{"trace add <node:node> <count:u32>",
		"Follow the next packets of each worker that come to a stage, or in at a kind of interface",
		run_trace_add, NULL},
	{"trace filter [show] [interface <interface:interface>] " FILTER_GRAMMAR,
		"Which packets a trace follows; without words: all", run_trace_filter, print_trace_filter},
	{"show trace [max <max:u32>]", "The roads of the packets that were followed", run_show_trace,
		print_show_trace},
	{"clear trace", "Forget the packets that were followed, and follow none", run_clear_trace, NULL},
	{0},
};

const struct ctl_table trace_commands = {commands};
