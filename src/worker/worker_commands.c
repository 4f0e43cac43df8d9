/* SPDX-License-Identifier: Apache-2.0 */
/* show runtime, show threads: what the workers do with their time. */
#include "ctl/command.h"
#include "os/clock.h"
#include "worker/private.h"

#include <string.h>

#define N_COUNTERS (sizeof(struct turn_counters) / sizeof(uint64_t))

/* A consistent enough copy: each number is right for itself. */
static struct turn_counters counters_since_clear(const struct worker *w)
{
	const uint64_t *now = (const uint64_t *)w->runner.counters, *cleared = (const uint64_t *)&w->cleared;
	struct turn_counters c;

	for (size_t i = 0; i < N_COUNTERS; i++)
		((uint64_t *)&c)[i] = __atomic_load_n(&now[i], __ATOMIC_RELAXED) - cleared[i];
	return c;
}

/* Stages run when there is something to do and never suspend; the input does, when the worker sleeps. */
static json_t *stage_json(const char *name, const struct stage_counters *c, uint64_t suspends)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f}", "name", name, "state", "active", "calls",
		(json_int_t)c->calls, "vectors", (json_int_t)c->vectors, "suspends", (json_int_t)suspends,
		"clocks", c->vectors ? (double)c->clocks / (double)c->vectors : 0.0, "vectors_per_call",
		c->calls ? (double)c->vectors / (double)c->calls : 0.0);
}

static json_t *worker_json(const struct worker *w, double seconds)
{
	struct turn_counters c = counters_since_clear(w);
	json_t *stages = json_array();

	if (c.input.calls > 0)
		json_array_append_new(stages, stage_json("port-input", &c.input, c.sleeps));
	for (int s = 0; s < STAGE_COUNT; s++)
		if (c.stages[s].calls > 0)
			json_array_append_new(stages, stage_json(stage_name((enum stage)s), &c.stages[s], 0));
	return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:o}", "thread", (int)w->idx,
		"seconds", seconds, "vector_rate",
		c.busy_turns ? (double)c.input.vectors / (double)c.busy_turns : 0.0, "in",
		(double)c.input.vectors / seconds, "out",
		(double)c.stages[STAGE_PORT_OUTPUT].vectors / seconds, "drop",
		(double)c.stages[STAGE_DROP].vectors / seconds, "turns", (json_int_t)c.turns, "busy_turns",
		(json_int_t)c.busy_turns, "sleeps", (json_int_t)c.sleeps, "stages", stages);
}

static int run_show_runtime(struct ctl_call *call)
{
	const struct workers *ws = call->subject;
	double seconds = (double)(clock_now_ns() - ws->cleared_ns) / NS_PER_S;

	call->result = json_array();
	for (uint32_t i = 0; i < ws->n; i++)
		json_array_append_new(call->result, worker_json(&ws->workers[i], seconds));
	return 0;
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void print_runtime(const json_t *w, FILE *out)
{
	const json_t *stage;
	size_t i;

	fprintf(out, "Thread %.0f worker %.0f\n", number(w, "thread"), number(w, "thread"));
	fprintf(out, "Time %.1f, vector rate %.2f, turns %.0f, busy %.0f, sleeps %.0f\n",
		number(w, "seconds"), number(w, "vector_rate"), number(w, "turns"), number(w, "busy_turns"),
		number(w, "sleeps"));
	fprintf(out, "  packets per second: in %.4e, out %.4e, drop %.4e, punt %.4e\n", number(w, "in"),
		number(w, "out"), number(w, "drop"), 0.0);
	fprintf(out, "%-20s%12s%14s%14s%12s%12s%14s\n", "Name", "State", "Calls", "Vectors", "Suspends",
		"Clocks", "Vectors/Call");
	json_array_foreach (json_object_get(w, "stages"), i, stage)
		fprintf(out, "%-20s%12s%14.0f%14.0f%12.0f%12.1f%14.2f\n",
			json_string_value(json_object_get(stage, "name")),
			json_string_value(json_object_get(stage, "state")), number(stage, "calls"),
			number(stage, "vectors"), number(stage, "suspends"), number(stage, "clocks"),
			number(stage, "vectors_per_call"));
}

static void print_show_runtime(const json_t *result, FILE *out)
{
	const json_t *w;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, w) {
		if (i > 0)
			fputs("---------------\n", out);
		print_runtime(w, out);
	}
}

static int run_clear_runtime(struct ctl_call *call)
{
	struct workers *ws = call->subject;

	for (uint32_t i = 0; i < ws->n; i++) {
		struct worker *w = &ws->workers[i];

		memset(&w->cleared, 0, sizeof(w->cleared));
		w->cleared = counters_since_clear(w);
	}
	ws->cleared_ns = clock_now_ns();
	return 0;
}

static int run_show_threads(struct ctl_call *call)
{
	const struct workers *ws = call->subject;

	call->result = json_array();
	json_array_append_new(call->result,
		json_pack("{s:i, s:s, s:s, s:n}", "id", 0, "name", "control", "mode", "events", "cpu"));
	for (uint32_t i = 0; i < ws->n; i++) {
		const struct worker *w = &ws->workers[i];
		json_t *cpu = w->cpu == WORKER_ANY_CPU ? json_null() : json_integer(w->cpu);

		json_array_append_new(call->result, json_pack("{s:i, s:o, s:s, s:o, s:i}", "id", (int)i + 1,
							    "name", json_sprintf("worker %u", i), "mode",
							    ws->polling       ? "polling"
							    : ws->poll_ns > 0 ? "timer"
									      : "adaptive",
							    "cpu", cpu, "queues", (int)w->list->n));
	}
	return 0;
}

static void print_show_threads(const json_t *result, FILE *out)
{
	const json_t *row, *cpu;
	size_t i;

	fprintf(out, "%-5s%-20s%-12s%-8s%s\n", "ID", "Name", "Type", "lcore", "Queues");
	json_array_foreach ((json_t *)(uintptr_t)result, i, row) {
		char core[16] = "any";

		cpu = json_object_get(row, "cpu");
		if (json_is_integer(cpu))
			snprintf(core, sizeof(core), "%d", (int)json_integer_value(cpu));
		fprintf(out, "%-5.0f%-20s%-12s%-8s%.0f\n", number(row, "id"),
			json_string_value(json_object_get(row, "name")),
			json_string_value(json_object_get(row, "mode")), core, number(row, "queues"));
	}
}

static const struct ctl_command commands[] = {
	{"show runtime", "What each worker spends its time on, stage by stage", run_show_runtime,
		print_show_runtime},
	{"clear runtime", "Start the counts of show runtime again", run_clear_runtime, NULL},
	{"show threads", "The threads, their CPUs and how many queues each polls", run_show_threads,
		print_show_threads},
	{0},
};

const struct ctl_table worker_commands = {commands};
