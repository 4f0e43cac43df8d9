/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include "base/units.h"
#include "virtio/feature_names.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double ns_of(const struct load_result *r, uint64_t clocks)
{
	return ratio((double)clocks * (double)NS_PER_S, r->clocks_per_s);
}

static json_t *histogram_json(const struct load_result *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (r->latency.buckets[i])
			json_array_append_new(list, json_pack("[f, I]", ns_of(r, histogram_floor(i)),
							    (json_int_t)r->latency.buckets[i]));
	return list;
}

static json_t *latency_json(const struct load_result *r)
{
	const struct histogram *h = &r->latency;

	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:o}", "n", (json_int_t)h->n, "p50",
		ns_of(r, histogram_quantile(h, 0.5)), "p90", ns_of(r, histogram_quantile(h, 0.9)), "p99",
		ns_of(r, histogram_quantile(h, 0.99)), "max", ns_of(r, h->max), "histogram",
		histogram_json(r));
}

static json_t *features_json(uint64_t features)
{
	json_t *list = json_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = features >> bit & 1 ? virtio_net_feature_name(bit) : NULL;

		if (name)
			json_array_append_new(list, json_string(name));
	}
	return list;
}

static json_t *result_json(const struct ports *ports, const struct load_result *r)
{
	const struct counters *c = &r->total;
	json_t *o = json_pack("{s:I, s:I, s:f, s:f, s:f}", "packets", (json_int_t)r->received, "sent",
		(json_int_t)r->sent, "seconds", r->seconds, "mpps",
		ratio((double)r->received, r->seconds) / 1e6, "gbps",
		ratio((double)r->received * ports->shape.len * 8, r->seconds) / 1e9);
	json_t *counts = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "lost", (json_int_t)c->lost,
		"not_taken", (json_int_t)r->not_taken, "reordered", (json_int_t)c->reordered, "duplicates",
		(json_int_t)c->duplicates, "corrupt", (json_int_t)c->corrupt, "foreign",
		(json_int_t)c->foreign, "not_echoed", (json_int_t)c->no_room, "learned", r->learned);
	json_t *own = json_pack("{s:f, s:f, s:f, s:o}", "clocks_per_s", r->clocks_per_s,
		"busy_clocks_per_packet", ratio((double)r->busy_clocks, (double)r->received), "idle_share",
		ratio((double)r->idle_clocks, (double)(r->idle_clocks + r->busy_clocks)), "features",
		features_json(ports->all[0].features));

	json_object_update_new(o, counts);
	json_object_update_new(o, own);
	if (ports->options->latency)
		json_object_set_new(o, "latency", latency_json(r));
	return o;
}

static void print_table(const struct ports *ports, const struct load_result *r)
{
	const struct counters *c = &r->total;
	const struct histogram *h = &r->latency;

	printf("%.3f Mpps, %.2f Gb/s: %llu frames of %u bytes in %.2f s\n",
		ratio((double)r->received, r->seconds) / 1e6,
		ratio((double)r->received * ports->shape.len * 8, r->seconds) / 1e9,
		(unsigned long long)r->received, ports->shape.len, r->seconds);
	printf("lost %llu, reordered %llu, duplicates %llu, corrupt %llu, foreign %llu%s%s\n",
		(unsigned long long)c->lost, (unsigned long long)c->reordered,
		(unsigned long long)c->duplicates, (unsigned long long)c->corrupt,
		(unsigned long long)c->foreign, r->learned ? "" : "; not all addresses were learned",
		r->not_taken ? "; the switch stopped taking frames" : "");
	printf("generator: %.0f clocks per packet while busy, %.0f %% of its time it found nothing\n",
		ratio((double)r->busy_clocks, (double)r->received),
		100 * ratio((double)r->idle_clocks, (double)(r->idle_clocks + r->busy_clocks)));
	if (ports->options->latency)
		printf("%s of %llu frames: p50 %.0f ns, p90 %.0f ns, p99 %.0f ns, max %.0f ns\n",
			ports->options->echo ? "round trip" : "one way", (unsigned long long)h->n,
			ns_of(r, histogram_quantile(h, 0.5)), ns_of(r, histogram_quantile(h, 0.9)),
			ns_of(r, histogram_quantile(h, 0.99)), ns_of(r, h->max));
}

int report(const struct ports *ports, const struct load_result *r)
{
	json_t *o;

	if (!ports->options->json) {
		print_table(ports, r);
		return 0;
	}
	o = result_json(ports, r);
	if (!o)
		return -ENOMEM;
	json_dumpf(o, stdout, JSON_REAL_PRECISION(8));
	putchar('\n');
	json_decref(o);
	return 0;
}
