/* SPDX-License-Identifier: Apache-2.0 */
/* pcap trace, in VPP's words. */
#include "watch/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum capture_what what;
} kinds[] = {{"rx", CAPTURE_RX}, {"tx", CAPTURE_TX}, {"drop", CAPTURE_DROP}};

static uint32_t wanted(const struct ctl_call *call)
{
	uint32_t what = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (ctl_has(call, kinds[i].name))
			what |= kinds[i].what;
	return what;
}

static json_t *what_json(uint32_t what)
{
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (what & kinds[i].what)
			json_array_append_new(names, json_string(kinds[i].name));
	return names;
}

static json_t *status_json(const struct watch *w)
{
	const struct capture *c = &w->capture;
	const struct capture_settings *s = &c->settings;
	const struct iface *iface = iface_get(w->config.ifaces, s->filter.iface);

	if (!c->path)
		return json_pack("{s:b}", "on", 0);
	return json_pack("{s:b, s:s, s:o, s:I, s:i, s:s*, s:s*, s:o, s:I, s:I, s:s*}", "on", c->what != 0,
		"file", c->path, "what", what_json(s->what), "max", (json_int_t)s->max, "snap_len",
		(int)s->snap_len, "interface", iface ? iface->name : NULL, "reason",
		s->reason ? drop_name(s->reason) : NULL, "filter", filter_json(&s->filter), "written",
		(json_int_t)c->written, "lost", (json_int_t)c->lost, "error",
		c->error ? strerror(-c->error) : NULL);
}

static int read_settings(struct ctl_call *call, struct capture_settings *s)
{
	uint64_t snap_len = ctl_u64(call, "max-bytes-per-pkt", CAPTURE_SNAP_MAX);

	*s = (struct capture_settings){
		.what = wanted(call),
		.max = ctl_u64(call, "max", CAPTURE_MAX_DEFAULT),
		.snap_len = (uint32_t)snap_len,
		.reason = (enum drop)ctl_u64(call, "reason", DROP_NONE),
		.filter = FILTER_ALL,
	};
	if (snap_len == 0 || snap_len > CAPTURE_SNAP_MAX)
		return ctl_fail(call, "max-bytes-per-pkt is a number from 1 to %d", CAPTURE_SNAP_MAX);
	if (s->reason != DROP_NONE && s->what != CAPTURE_DROP)
		return ctl_fail(call, "a reason goes with drop alone: pcap trace drop reason %s file ...",
			drop_name(s->reason));
	s->filter.iface = (uint32_t)ctl_u64(call, "interface", FILTER_ANY_IFACE);
	return filter_read(&s->filter, call);
}

static int start(struct ctl_call *call, struct watch *w)
{
	const char *path = ctl_str(call, "file", NULL);
	struct capture_settings settings;
	int err;

	if (w->capture.what)
		return ctl_fail(call, "a capture into %s goes on: end it first, with pcap trace off",
			w->capture.path);
	if (!path)
		return ctl_fail(call, "say where to: pcap trace rx tx drop file NAME.pcapng");
	if (read_settings(call, &settings) != 0)
		return -1;
	err = capture_start(w, &settings, path);
	if (err == -ENXIO)
		return ctl_fail(call, "%s is a pipe that nobody reads: start the reader first", path);
	if (err == -ELOOP)
		return ctl_fail(call, "%s is a symbolic link: name the file itself", path);
	return err ? ctl_fail(call, "cannot write %s: %s", path, strerror(-err)) : 0;
}

static int run_pcap_trace(struct ctl_call *call)
{
	struct watch *w = call->subject;

	if (ctl_has(call, "off"))
		capture_stop(w);
	else if (wanted(call) && start(call, w) != 0)
		return -1;
	else if (!wanted(call) && ctl_has(call, "file"))
		return ctl_fail(call, "say what to capture: rx, tx, drop, or several of them");
	if (w->capture.what)
		capture_drain(w);
	call->result = status_json(w);
	return 0;
}

static json_int_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_pcap_trace(const json_t *r, FILE *out)
{
	const json_t *name, *value;
	const char *key;
	size_t i;

	if (!json_object_get(r, "file")) {
		fputs("no capture: pcap trace rx tx drop file NAME begins one\n", out);
		return;
	}
	fprintf(out, "capture %s, file %s:", json_is_true(json_object_get(r, "on")) ? "on" : "off",
		str(r, "file"));
	json_array_foreach (json_object_get(r, "what"), i, name)
		fprintf(out, " %s", json_string_value(name));
	if (str(r, "reason"))
		fprintf(out, " reason %s", str(r, "reason"));
	if (str(r, "interface"))
		fprintf(out, " intfc %s", str(r, "interface"));
	json_object_foreach (json_object_get(r, "filter"), key, value)
		if (json_is_string(value))
			fprintf(out, " %s %s", key, json_string_value(value));
		else
			fprintf(out, " %s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	fprintf(out, "\n%" JSON_INTEGER_FORMAT " packets written", num(r, "written"));
	if (num(r, "max"))
		fprintf(out, " of at most %" JSON_INTEGER_FORMAT, num(r, "max"));
	fprintf(out, ", %" JSON_INTEGER_FORMAT " lost because there was no room for them\n", num(r, "lost"));
	if (str(r, "error"))
		fprintf(out, "ended: cannot write the file: %s\n", str(r, "error"));
}

static const struct ctl_command commands[] = {
	{"pcap trace [rx] [tx] [drop] [off] [status] [max <max:u32>] [intfc {any|<interface:interface>}] "
	 "[file <file:path>] [max-bytes-per-pkt <max-bytes-per-pkt:u32>] [reason "
	 "<reason:drop-reason>] " FILTER_GRAMMAR,
		"Capture frames into a pcapng file: as they come in, leave, or are dropped (the reason is a "
		"comment)",
		run_pcap_trace, print_pcap_trace},
	{0},
};

const struct ctl_table capture_commands = {commands};
