/* SPDX-License-Identifier: Apache-2.0 */
/* Records of packets as JSON, and that as text. */
#include "base/units.h"
#include "watch/describe.h"
#include "watch/trace.h"

#include <inttypes.h>
#include <string.h>

/* --- facts --- */

static const char *iface_text(const struct iface_table *ifaces, uint32_t idx)
{
	const struct iface *iface = iface_get(ifaces, idx);

	return iface ? iface->name : "an interface that is gone";
}

static bool same_frame(const struct trace_event *a, const struct trace_event *b)
{
	return a->len == b->len && a->head_len == b->head_len && memcmp(a->head, b->head, a->head_len) == 0;
}

/* What is left to do to the frame; NULL: nothing. */
static json_t *offload_json(const struct pkt_offload *o)
{
	if (o->gso != PKT_GSO_NONE)
		return json_sprintf("to be cut into segments of %u bytes", o->gso_size);
	return o->csum ? json_string("checksum to be completed") : NULL;
}

static json_t *stage_json(
	const struct trace_event *e, const struct trace_event *before, const struct iface_table *ifaces)
{
	json_t *o = json_pack("{s:s}", "stage", stage_name((enum stage)e->stage));

	if (before && same_frame(e, before))
		return o;
	json_object_set_new(o, "interface", json_string(iface_text(ifaces, e->iface)));
	json_object_set_new(o, "len", json_integer(e->len));
	json_object_set_new(o, "headers", describe_frame(e->head, e->head_len));
	json_object_set_new(o, "offload", offload_json(&e->offload));
	return o;
}

static void set_drop(json_t *o, uint16_t drop)
{
	json_object_set_new(o, "drop", json_string(drop_name((enum drop)drop)));
	json_object_set_new(o, "text", json_string(drop_text((enum drop)drop)));
}

static json_t *output_json(const struct trace_event *e, const struct iface_table *ifaces)
{
	json_t *o = json_pack("{s:s}", "interface", iface_text(ifaces, e->iface));

	if (e->what == TRACE_TX_DROP)
		set_drop(o, e->drop);
	return o;
}

static json_t *packet_json(const struct trace_packet *p, const struct iface_table *ifaces, uint64_t since_ns)
{
	json_t *stages = json_array(), *outputs = json_array(), *o;
	const struct trace_event *before = NULL, *last = p->n ? &p->events[p->n - 1] : NULL;

	for (const struct trace_event *e = p->events; e < p->events + p->n; e++) {
		if (e->what == TRACE_STAGE || e->what == TRACE_DROP) {
			json_array_append_new(stages, stage_json(e, before, ifaces));
			before = e;
		} else {
			json_array_append_new(outputs, output_json(e, ifaces));
		}
	}
	o = json_pack("{s:f, s:s, s:o, s:o}", "time", (double)(p->time_ns - since_ns) / NS_PER_S, "interface",
		iface_text(ifaces, p->rx), "stages", stages, "outputs", outputs);
	if (last && last->what == TRACE_DROP)
		set_drop(o, last->drop);
	else if (last && last->what == TRACE_STAGE && !p->more)
		json_object_set_new(o, "taken_by", json_string(stage_name((enum stage)last->stage)));
	json_object_set_new(o, "cut", json_boolean(p->more));
	return o;
}

json_t *trace_json(const struct trace_lane *t, const struct iface_table *ifaces, uint64_t since_ns)
{
	json_t *packets = json_array();

	for (uint32_t i = 0; i < t->n; i++)
		json_array_append_new(packets, packet_json(&t->packets[i], ifaces, since_ns));
	return packets;
}

/* --- text --- */

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_time(double seconds, FILE *out)
{
	uint64_t us = (uint64_t)(seconds * 1e6), s = us / 1000000;

	fprintf(out, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ":%06" PRIu64 ": ", s / 3600, s / 60 % 60,
		s % 60, us % 1000000);
}

static void print_stage(const json_t *stage, double time, FILE *out)
{
	print_time(time, out);
	fprintf(out, "%s\n", str(stage, "stage"));
	if (!json_object_get(stage, "headers"))
		return;
	fprintf(out, "  %s, %" JSON_INTEGER_FORMAT " bytes", str(stage, "interface"),
		json_integer_value(json_object_get(stage, "len")));
	if (str(stage, "offload"))
		fprintf(out, ", %s", str(stage, "offload"));
	fputc('\n', out);
	describe_print(json_object_get(stage, "headers"), 2, out);
}

void trace_print(const json_t *packet, FILE *out)
{
	double time = json_real_value(json_object_get(packet, "time"));
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(packet, "stages"), i, item)
		print_stage(item, time, out);
	json_array_foreach (json_object_get(packet, "outputs"), i, item)
		if (str(item, "drop"))
			fprintf(out, "  not through %s: %s: %s\n", str(item, "interface"), str(item, "drop"),
				str(item, "text"));
		else
			fprintf(out, "  left through %s\n", str(item, "interface"));
	if (str(packet, "drop"))
		fprintf(out, "  dropped: %s: %s\n", str(packet, "drop"), str(packet, "text"));
	if (str(packet, "taken_by"))
		fprintf(out, "  ends in %s, which keeps or answers it\n", str(packet, "taken_by"));
	if (json_is_true(json_object_get(packet, "cut")))
		fputs("  and so on: its road is longer than what a trace holds\n", out);
}
