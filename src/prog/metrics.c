/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/metrics.h"

#include "base/check.h"

#include <inttypes.h>
#include <stddef.h>

struct page {
	const struct stats_reader *r;
	const struct stats_snapshot *s;
	bool openmetrics;
	FILE *out;
};

/*
 * Head of a family. A counter's samples end in _total; OpenMetrics wants its family named without, Prometheus' own format
 * with that.
 */
static void family(const struct page *p, const char *name, const char *type, const char *help)
{
	const char *suffix = *type == 'c' && !p->openmetrics ? "_total" : "";

	fprintf(p->out, "# HELP ginnel_%s%s %s\n# TYPE ginnel_%s%s %s\n", name, suffix, help, name, suffix,
		type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void value(const struct page *p, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			fputs("\\n", p->out);
		else
			fprintf(p->out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void interface_label(const struct page *p, const char *name, const struct stats_interface *i)
{
	fprintf(p->out, "ginnel_interface_%s{interface=\"", name);
	value(p, i->name);
	fputc('"', p->out);
}

/* --- interfaces --- */

static const struct {
	const char *name, *help;
	size_t at;
} counters[] = {
	{"receive_packets", "Packets that came in.", offsetof(struct stats_interface, rx_packets)},
	{"receive_bytes", "Bytes that came in, Ethernet headers included.",
		offsetof(struct stats_interface, rx_bytes)},
	{"transmit_packets", "Packets that left.", offsetof(struct stats_interface, tx_packets)},
	{"transmit_bytes", "Bytes that left, Ethernet headers included.",
		offsetof(struct stats_interface, tx_bytes)},
};

static void interface_counter(const struct page *p, size_t which)
{
	char name[64];

	snprintf(name, sizeof(name), "interface_%s", counters[which].name);
	family(p, name, "counter", counters[which].help);
	snprintf(name, sizeof(name), "%s_total", counters[which].name);
	for (uint32_t i = 0; i < p->s->n_interfaces; i++) {
		interface_label(p, name, &p->s->interfaces[i]);
		fprintf(p->out, "} %" PRIu64 "\n",
			*(const uint64_t *)(const void *)((const char *)&p->s->interfaces[i] +
							  counters[which].at));
	}
}

/* Reasons that never happened there are left out. */
static void interface_drops(const struct page *p)
{
	family(p, "interface_drops", "counter",
		"Packets dropped, by reason, where they came in or could not leave.");
	for (uint32_t i = 0; i < p->s->n_interfaces; i++)
		for (uint32_t d = 1; d < p->s->n_drops; d++) {
			const struct stats_interface *interface = &p->s->interfaces[i];

			if (interface->drops[d] == 0)
				continue;
			interface_label(p, "drops_total", interface);
			fprintf(p->out, ",reason=\"%s\"} %" PRIu64 "\n", stats_reader_drop(p->r, d)->name,
				interface->drops[d]);
		}
}

static void interface_gauges(const struct page *p)
{
	family(p, "interface_info", "gauge", "What stands behind an interface; always 1.");
	for (uint32_t i = 0; i < p->s->n_interfaces; i++) {
		interface_label(p, "info", &p->s->interfaces[i]);
		fprintf(p->out, ",kind=\"%s\"} 1\n", p->s->interfaces[i].kind);
	}
	family(p, "interface_up", "gauge", "Whether the interface lets packets through.");
	for (uint32_t i = 0; i < p->s->n_interfaces; i++) {
		interface_label(p, "up", &p->s->interfaces[i]);
		fprintf(p->out, "} %d\n", p->s->interfaces[i].up);
	}
	family(p, "interface_mtu_bytes", "gauge", "Largest packet that leaves, behind the Ethernet header.");
	for (uint32_t i = 0; i < p->s->n_interfaces; i++) {
		interface_label(p, "mtu_bytes", &p->s->interfaces[i]);
		fprintf(p->out, "} %" PRIu32 "\n", p->s->interfaces[i].mtu);
	}
}

/* --- workers --- */

static double seconds(const struct page *p, uint64_t clocks)
{
	return p->s->clocks_per_ns > 0 ? (double)clocks / p->s->clocks_per_ns / 1e9 : 0;
}

static void workers(const struct page *p)
{
	family(p, "worker_turns", "counter", "Rounds that found something to do.");
	for (uint32_t w = 0; w < p->s->n_workers; w++)
		fprintf(p->out, "ginnel_worker_turns_total{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", w,
			p->s->workers[w].counters.busy_turns);
	family(p, "worker_sleeps", "counter", "How often the worker went to sleep.");
	for (uint32_t w = 0; w < p->s->n_workers; w++)
		fprintf(p->out, "ginnel_worker_sleeps_total{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", w,
			p->s->workers[w].counters.sleeps);
	family(p, "worker_busy_seconds", "counter",
		"Time in which the worker did something; the rest it was idle.");
	for (uint32_t w = 0; w < p->s->n_workers; w++)
		fprintf(p->out, "ginnel_worker_busy_seconds_total{worker=\"%" PRIu32 "\"} %.6f\n", w,
			seconds(p, p->s->workers[w].busy_clocks));
}

static void stage_lines(const struct page *p, const char *name, bool time)
{
	for (uint32_t w = 0; w < p->s->n_workers; w++)
		for (uint32_t i = 0; i < p->s->n_stages; i++) {
			const struct ginnel_stats_count *c = &p->s->workers[w].stages[i];

			if (c->calls == 0)
				continue;
			fprintf(p->out, "ginnel_stage_%s_total{worker=\"%" PRIu32 "\",stage=\"%s\"} ", name,
				w, stats_reader_stage(p->r, i));
			fprintf(p->out, time ? "%.6f\n" : "%.0f\n",
				time ? seconds(p, c->clocks) : (double)c->packets);
		}
}

static void stages(const struct page *p)
{
	family(p, "stage_packets", "counter", "Packets that came to a stage of the road.");
	stage_lines(p, "packets", false);
	family(p, "stage_seconds", "counter", "Time that a stage took.");
	stage_lines(p, "seconds", true);
}

void metrics_print(const struct stats_reader *r, const struct stats_snapshot *s, bool openmetrics, FILE *out)
{
	const struct page p = {r, s, openmetrics, out};

	family(&p, "up", "gauge", "Whether the daemon is there.");
	fprintf(out, "ginnel_up %d\n", r != NULL);
	if (r) {
		family(&p, "uptime_seconds", "gauge", "How long the daemon has run.");
		fprintf(out, "ginnel_uptime_seconds %.3f\n", (double)(s->now_ns - s->start_ns) / 1e9);
		interface_gauges(&p);
		for (size_t i = 0; i < ARRAY_LEN(counters); i++)
			interface_counter(&p, i);
		interface_drops(&p);
		workers(&p);
		stages(&p);
	}
	if (openmetrics)
		fputs("# EOF\n", out);
}
