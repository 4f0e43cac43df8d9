/* SPDX-License-Identifier: Apache-2.0 */
#include "blkbench/report.h"

#include "base/check.h"
#include "base/units.h"
#include "virtio/feature_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_MAX 40

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static uint64_t total(const struct blkbench_result *r)
{
	uint64_t n = 0;

	for (uint32_t op = 0; op < OP_COUNT; op++)
		n += r->load.counters.done[op];
	return n;
}

static double iops(const struct blkbench_result *r)
{
	return ratio((double)total(r), r->seconds);
}

static double gbps(const struct blkbench_result *r)
{
	return ratio((double)r->load.counters.bytes * 8, r->seconds) / 1e9;
}

static const struct {
	const char *name;
	double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

/* --- JSON --- */

static json_t *latency_json(const struct histogram *h)
{
	json_t *o = json_pack("{s:I, s:I}", "n", (json_int_t)h->n, "max", (json_int_t)h->max);
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
		json_object_set_new(o, quantiles[i].name,
			json_integer((json_int_t)histogram_quantile(h, quantiles[i].share)));
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->buckets[i])
			json_array_append_new(list, json_pack("[I, I]", (json_int_t)histogram_floor(i),
							    (json_int_t)h->buckets[i]));
	json_object_set_new(o, "histogram", list);
	return o;
}

static json_t *ops_json(const struct blkbench_result *r)
{
	json_t *o = json_object();

	for (uint32_t op = 0; op < OP_COUNT; op++) {
		const struct histogram *h = &r->load.counters.latency[op];

		if (h->n > 0)
			json_object_set_new(o, blk_op_name(op),
				json_pack("{s:I, s:f, s:o}", "n", (json_int_t)h->n, "iops",
					ratio((double)h->n, r->seconds), "latency_ns", latency_json(h)));
	}
	return o;
}

static json_t *faults_json(const struct load_faults *f)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "io_errors", (json_int_t)f->io_errors,
		"unsupported", (json_int_t)f->unsupported, "no_status", (json_int_t)f->no_status,
		"short_lens", (json_int_t)f->short_lens, "lost", (json_int_t)f->lost, "foreign",
		(json_int_t)f->foreign, "corrupt", (json_int_t)f->corrupt);
}

static json_t *findings_json(const struct load *l)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < l->n_findings; i++)
		json_array_append_new(list, json_string(l->findings[i]));
	return list;
}

static json_t *features_json(uint64_t features)
{
	json_t *list = json_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = features >> bit & 1 ? virtio_blk_feature_name(bit) : NULL;

		if (name)
			json_array_append_new(list, json_string(name));
	}
	return list;
}

json_t *blkbench_json(const struct blkbench_plan *plan, const struct blkbench_result *r)
{
	json_t *o = json_pack("{s:f, s:I, s:f, s:f, s:o}", "seconds", r->seconds, "requests",
		(json_int_t)total(r), "iops", iops(r), "gbps", gbps(r), "ops", ops_json(r));
	json_t *verify =
		json_pack("{s:b, s:I, s:I, s:I, s:I, s:o}", "on", plan->verify, "seed", (json_int_t)r->seed,
			"checked", (json_int_t)r->load.checked, "unknown", (json_int_t)r->load.unknown,
			"read_back", (json_int_t)r->read_back, "findings", findings_json(&r->load));
	json_t *lives = json_pack("{s:i, s:i, s:I}", "connections", r->lives, "resumed", r->resumed,
		"asked_again", (json_int_t)r->asked_again);
	json_t *rings = json_pack("{s:I, s:I, s:I}", "kicks", (json_int_t)r->kicks, "kicks_saved",
		(json_int_t)r->kicks_saved, "calls", (json_int_t)r->calls);

	json_object_set_new(o, "faults", faults_json(&r->load.faults));
	json_object_set_new(o, "verify", verify);
	json_object_set_new(o, "lives", lives);
	json_object_set_new(o, "rings", rings);
	json_object_set_new(o, "features", features_json(r->features));
	json_object_set_new(o, "capacity", json_integer((json_int_t)r->capacity));
	if (plan->pid)
		json_object_set_new(
			o, "cpu_ns_per_request", json_real(ratio((double)r->cpu_ns, (double)total(r))));
	if (r->why[0])
		json_object_set_new(o, "error", json_string(r->why));
	return o;
}

/* --- text --- */

/* "1.23 ms" */
static const char *time_text(uint64_t ns, char *buf, size_t len)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		const double v = (double)ns / units[i].ns;

		if (v >= 1 || i + 1 == ARRAY_LEN(units)) {
			snprintf(buf, len, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[i].unit);
			break;
		}
	}
	return buf;
}

static void print_row(const struct blkbench_result *r, enum blk_op op)
{
	const struct histogram *h = &r->load.counters.latency[op];
	char text[24];

	if (h->n == 0)
		return;
	printf("%-13s %12" PRIu64 " %11.0f", blk_op_name(op), h->n, ratio((double)h->n, r->seconds));
	for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
		printf(" %9s", time_text(histogram_quantile(h, quantiles[i].share), text, sizeof(text)));
	printf(" %9s\n", time_text(h->max, text, sizeof(text)));
}

/* How many fall between two powers of two. */
static uint64_t octave(const struct histogram *h, unsigned shift)
{
	uint64_t n = 0;

	for (uint32_t i = histogram_bucket(1ull << shift); i < histogram_bucket(2ull << shift); i++)
		n += h->buckets[i];
	return n;
}

static void print_histogram(const struct blkbench_result *r, enum blk_op op)
{
	static const char bar[BAR_MAX + 1] = "########################################";
	const struct histogram *h = &r->load.counters.latency[op];
	char text[24];

	if (h->n == 0)
		return;
	printf("\n%s from\n", blk_op_name(op));
	for (unsigned shift = 0; shift < 40; shift++) {
		const double share = ratio((double)octave(h, shift), (double)h->n);

		if (share > 0)
			printf("%10s %6.2f %% %.*s\n", time_text(1ull << shift, text, sizeof(text)),
				100 * share, (int)(share * BAR_MAX + 0.5), bar);
	}
}

static void print_faults(const struct load *l)
{
	const struct load_faults *f = &l->faults;

	if (!load_failed(l))
		return;
	printf("WRONG: %" PRIu64 " I/O errors, %" PRIu64 " unsupported, %" PRIu64 " without status, %" PRIu64
	       " with too short a length, %" PRIu64 " blocks lost, %" PRIu64 " foreign, %" PRIu64
	       " damaged\n",
		f->io_errors, f->unsupported, f->no_status, f->short_lens, f->lost, f->foreign, f->corrupt);
	for (uint32_t i = 0; i < l->n_findings; i++)
		printf("  %s\n", l->findings[i]);
}

static void print_rest(const struct blkbench_plan *plan, const struct blkbench_result *r)
{
	if (plan->verify)
		printf("verified: %" PRIu64 " blocks as expected or told above, %" PRIu64
		       " of which nothing was known, seed %" PRIu64 "\n",
			r->load.checked, r->load.unknown, r->seed);
	if (plan->reconnect)
		printf("back-ends: %u, of which %u went on with what was on its way; %" PRIu64
		       " requests were asked again\n",
			r->lives, r->resumed, r->asked_again);
	printf("kicks: %" PRIu64 ", %" PRIu64 " were not wanted; calls: %" PRIu64 "\n", r->kicks,
		r->kicks_saved, r->calls);
	if (plan->pid && r->cpu_ns > 0)
		printf("back-end: %.0f ns of CPU per request, %.0f %% of one\n",
			ratio((double)r->cpu_ns, (double)total(r)),
			100 * ratio((double)r->cpu_ns, r->seconds * (double)NS_PER_S));
	if (r->why[0])
		printf("ended early: %s\n", r->why);
}

void blkbench_print(const struct blkbench_plan *plan, const struct blkbench_result *r)
{
	printf("%u bytes, depth %u, %u queue%s, %s%s: %.0f IOPS, %.2f Gbit/s in %.2f s\n\n", plan->block_size,
		plan->depth, plan->queues, plan->queues > 1 ? "s" : "", plan->packed ? "packed" : "split",
		plan->indirect ? ", indirect" : "", iops(r), gbps(r), r->seconds);
	printf("%-13s %12s %11s %9s %9s %9s %9s %9s\n", "", "requests", "IOPS", "p50", "p90", "p99", "p99.9",
		"max");
	for (uint32_t op = 0; op < OP_COUNT; op++)
		print_row(r, op);
	for (uint32_t op = 0; op < OP_COUNT; op++)
		print_histogram(r, op);
	putchar('\n');
	print_faults(&r->load);
	print_rest(plan, r);
}
