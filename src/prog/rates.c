/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/rates.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* --- facts --- */

/* Two looks at one process. */
struct span {
	const struct stats_reader *reader;
	const struct stats_snapshot *before, *now;
	double seconds;
};

/* As it was before; a new one was nothing. */
static struct stats_interface interface_before(const struct span *s, const struct stats_interface *now)
{
	for (uint32_t i = 0; i < s->before->n_interfaces; i++)
		if (s->before->interfaces[i].idx == now->idx &&
			s->before->interfaces[i].generation == now->generation)
			return s->before->interfaces[i];
	return (struct stats_interface){0};
}

/* The reason that took most of late, or else ever; NULL: none. */
static const char *main_reason(
	const struct span *s, const struct stats_interface *now, const struct stats_interface *before)
{
	uint64_t most = 0;
	uint32_t reason = 0;

	for (int ever = 0; ever < 2 && most == 0; ever++)
		for (uint32_t d = 1; d < s->now->n_drops; d++) {
			uint64_t n = now->drops[d] - (ever || !before->drops ? 0 : before->drops[d]);

			if (n > most && stats_reader_drop(s->reader, d)->is_loss) {
				most = n;
				reason = d;
			}
		}
	return most ? stats_reader_drop(s->reader, reason)->name : NULL;
}

static double rate(const struct span *s, uint64_t now, uint64_t before)
{
	return (double)(now - before) / s->seconds;
}

static json_t *interface_json(const struct span *s, const struct stats_interface *now)
{
	struct stats_interface was = interface_before(s, now);

	return json_pack("{s:s, s:s, s:b, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:s?}", "name", now->name,
		"kind", now->kind, "up", now->up, "rx_packets_per_s",
		rate(s, now->rx_packets, was.rx_packets), "rx_bits_per_s",
		8 * rate(s, now->rx_bytes, was.rx_bytes), "tx_packets_per_s",
		rate(s, now->tx_packets, was.tx_packets), "tx_bits_per_s",
		8 * rate(s, now->tx_bytes, was.tx_bytes), "drops_per_s", rate(s, now->lost, was.lost),
		"rx_packets", (json_int_t)now->rx_packets, "tx_packets", (json_int_t)now->tx_packets, "drops",
		(json_int_t)now->lost, "reason", main_reason(s, now, &was));
}

/* The share of its time that a worker did something; empty turns and sleep are the rest. */
static json_t *busy_json(const struct span *s, const struct stats_worker *now, const struct stats_worker *was)
{
	double clocks = s->seconds * 1e9 * s->now->clocks_per_ns;
	double busy = clocks > 0 ? (double)(now->busy_clocks - was->busy_clocks) / clocks : 0;

	return clocks > 0 ? json_real(busy > 1 ? 1 : busy) : json_null();
}

static json_t *worker_json(const struct span *s, uint32_t i)
{
	const struct stats_worker *now = &s->now->workers[i], *was = &s->before->workers[i];
	const struct ginnel_stats_worker *c = &now->counters, *w = &was->counters;
	uint64_t turns = c->busy_turns - w->busy_turns, packets = c->input.packets - w->input.packets;

	return json_pack("{s:i, s:o, s:f, s:f, s:f, s:f}", "worker", (int)i, "busy", busy_json(s, now, was),
		"packets_per_s", rate(s, c->input.packets, w->input.packets), "packets_per_turn",
		turns ? (double)packets / (double)turns : 0.0, "turns_per_s",
		rate(s, c->busy_turns, w->busy_turns), "sleeps_per_s", rate(s, c->sleeps, w->sleeps));
}

json_t *rates_json(
	const struct stats_reader *r, const struct stats_snapshot *before, const struct stats_snapshot *now)
{
	const struct span s = {r, before, now, (double)(now->now_ns - before->now_ns) / 1e9};
	json_t *interfaces = json_array(), *workers = json_array();

	for (uint32_t i = 0; i < now->n_interfaces; i++)
		json_array_append_new(interfaces, interface_json(&s, &now->interfaces[i]));
	for (uint32_t i = 0; i < now->n_workers; i++)
		json_array_append_new(workers, worker_json(&s, i));
	return json_pack("{s:i, s:f, s:f, s:o, s:o}", "pid", (int)now->pid, "up_s",
		(double)(now->now_ns - now->start_ns) / 1e9, "seconds", s.seconds, "workers", workers,
		"interfaces", interfaces);
}

/* --- text --- */

struct page {
	const struct rates_view *view;
	FILE *out;
	uint32_t row;
};

static double num(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* "812", "1.23 k", "14.9 M": seven columns at most. */
static const char *human(char text[16], double n)
{
	static const char units[] = " kMGTP";
	size_t unit = 0;

	for (; n >= 999.5 && unit + 2 < sizeof(units); n /= 1000)
		unit++;
	snprintf(text, 16,
		unit == 0   ? "%.0f"
		: n < 9.995 ? "%.2f %c"
		: n < 99.95 ? "%.1f %c"
			    : "%.0f %c",
		n, units[unit]);
	return text;
}

/* Not wider than the screen; a line that has no room at all is left out. */
static void line(struct page *p, const char *text)
{
	uint32_t rows = p->view->rows, columns = p->view->columns;

	if (rows && p->row + 1 >= rows)
		return;
	p->row++;
	fprintf(p->out, "%.*s%s", columns ? (int)columns : 4096, text, p->view->newline);
}

static void print_head(struct page *p, const json_t *rates)
{
	char text[256];
	unsigned long up = (unsigned long)num(rates, "up_s");

	snprintf(text, sizeof(text),
		"ginnel top   process %.0f, up %lu:%02lu:%02lu, %zu interfaces, over %.1f s",
		num(rates, "pid"), up / 3600, up / 60 % 60, up % 60,
		json_array_size(json_object_get(rates, "interfaces")), num(rates, "seconds"));
	line(p, text);
	line(p, "");
}

static void print_worker(struct page *p, const json_t *w)
{
	char text[256], busy[16] = "?", idle[16] = "?", packets[16], turns[16], sleeps[16];

	if (json_is_real(json_object_get(w, "busy"))) {
		snprintf(busy, sizeof(busy), "%.1f %%", 100 * num(w, "busy"));
		snprintf(idle, sizeof(idle), "%.1f %%", 100 - 100 * num(w, "busy"));
	}
	snprintf(text, sizeof(text), "%-24.0f%9s%9s%12s%14.1f%12s%12s", num(w, "worker"), busy, idle,
		human(packets, num(w, "packets_per_s")), num(w, "packets_per_turn"),
		human(turns, num(w, "turns_per_s")), human(sleeps, num(w, "sleeps_per_s")));
	line(p, text);
}

static void print_interface(struct page *p, const json_t *i)
{
	char text[256], rx[16], rx_bits[16], tx[16], tx_bits[16], drops_now[16], drops[16];
	const char *reason = json_string_value(json_object_get(i, "reason"));

	snprintf(text, sizeof(text), "%-24s%-6s%9s%10s%9s%10s%9s%9s%s%s",
		json_string_value(json_object_get(i, "name")),
		json_is_true(json_object_get(i, "up")) ? "up" : "down", human(rx, num(i, "rx_packets_per_s")),
		human(rx_bits, num(i, "rx_bits_per_s")), human(tx, num(i, "tx_packets_per_s")),
		human(tx_bits, num(i, "tx_bits_per_s")), human(drops_now, num(i, "drops_per_s")),
		human(drops, num(i, "drops")), reason ? "  " : "", reason ? reason : "");
	line(p, text);
}

/* --- order --- */

static const char *const sort_keys[] = {[RATES_BY_RX] = "rx_packets_per_s",
	[RATES_BY_TX] = "tx_packets_per_s",
	[RATES_BY_DROPS] = "drops_per_s"};

static int by_name(const void *a, const void *b)
{
	return strcmp(json_string_value(json_object_get(*(json_t *const *)a, "name")),
		json_string_value(json_object_get(*(json_t *const *)b, "name")));
}

static int by_key(const void *a, const void *b, void *key)
{
	double x = num(*(json_t *const *)a, key), y = num(*(json_t *const *)b, key);

	return x > y ? -1 : x < y ? 1 : by_name(a, b);
}

static void sort(json_t *rates, enum rates_sort by)
{
	json_t *interfaces = json_object_get(rates, "interfaces"), *sorted = json_array();
	size_t n = json_array_size(interfaces);
	json_t **all = calloc(n + 1, sizeof(*all));

	for (size_t i = 0; all && i < n; i++)
		all[i] = json_array_get(interfaces, i);
	if (all && by == RATES_BY_NAME)
		qsort(all, n, sizeof(*all), by_name);
	else if (all)
		qsort_r(all, n, sizeof(*all), by_key, (void *)(uintptr_t)sort_keys[by]);
	for (size_t i = 0; all && i < n; i++)
		json_array_append(sorted, all[i]);
	free(all);
	json_object_set_new(rates, "interfaces", sorted);
}

void rates_print(json_t *rates, const struct rates_view *view, FILE *out)
{
	struct page p = {view, out, 0};
	const json_t *item;
	size_t i;

	sort(rates, view->sort);
	print_head(&p, rates);
	line(&p, "Worker                       busy     idle   packets/s  packets/turn     turns/s    "
		 "sleeps/s");
	json_array_foreach (json_object_get(rates, "workers"), i, item)
		print_worker(&p, item);
	line(&p, "");
	line(&p,
		"Interface               State     rx/s  rx bit/s     tx/s  tx bit/s  drops/s    drops  why");
	json_array_foreach (json_object_get(rates, "interfaces"), i, item)
		print_interface(&p, item);
}
