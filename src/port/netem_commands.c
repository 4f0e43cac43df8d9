/* SPDX-License-Identifier: Apache-2.0 */
/* Making a lossless wire worse, in the words of tc-netem(8). */
#include "ctl/command.h"
#include "port/port.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_USEC    1000ull
#define FRAMES_DEFAULT 1000
#define RATE_MAX_KBIT  (NETEM_RATE_MAX_BPS / 1000)

/* "1.5" or "1.5%". */
static int read_share(struct ctl_call *call, const char *name, uint32_t *share)
{
	const char *text = ctl_str(call, name, "0");
	char *end;
	double percent = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%") != 0) || !(percent >= 0 && percent <= 100))
		return ctl_fail(call, "%s is a share of all frames: give a percentage from 0 to 100", name);
	*share = (uint32_t)(percent / 100 * NETEM_ALL + 0.5);
	return 0;
}

static int read_times(struct ctl_call *call, struct netem_config *c)
{
	uint64_t delay_us = ctl_u64(call, "delay", 0), jitter_us = ctl_u64(call, "jitter", 0);

	if (delay_us > NETEM_DELAY_MAX_US || jitter_us > delay_us)
		return ctl_fail(call, "delay is in microseconds, %d at most, and jitter no more than that",
			NETEM_DELAY_MAX_US);
	c->delay_ns = delay_us * NS_PER_USEC;
	c->jitter_ns = jitter_us * NS_PER_USEC;
	return 0;
}

static int read_config(struct ctl_call *call, struct netem_config *c)
{
	uint64_t kbit = ctl_u64(call, "rate", 0), frames = ctl_u64(call, "limit", FRAMES_DEFAULT);

	*c = (struct netem_config){.seed = ctl_u64(call, "seed", 1)};
	if (read_times(call, c) != 0 || read_share(call, "loss", &c->loss) != 0 ||
		read_share(call, "duplicate", &c->duplicate) != 0 ||
		read_share(call, "reorder", &c->reorder) != 0)
		return -1;
	if (kbit > RATE_MAX_KBIT)
		return ctl_fail(call, "rate is in kbit/s: give at most %llu", RATE_MAX_KBIT);
	if (frames < 1 || frames > NETEM_FRAMES_MAX)
		return ctl_fail(call, "limit is how many frames are held: give 1 to %d", NETEM_FRAMES_MAX);
	c->rate_bps = kbit * 1000;
	c->frames = (uint32_t)frames;
	return 0;
}

static int run_set(struct ctl_call *call)
{
	struct port *port = ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0));
	struct netem_config config;

	if (!port || !port->ops->wire)
		return ctl_fail(call, "only what comes in at a vhost-user interface can be made worse");
	if (ctl_has(call, "off"))
		return port_set_netem(port, NULL);
	if (!iface_is_lossless(&port->iface))
		return ctl_fail(call,
			"%s begins no lossless wire: lay one with set interface l2 xconnect %s TO lossless",
			port->iface.name, port->iface.name);
	if (read_config(call, &config) != 0)
		return -1;
	return port_set_netem(port, &config) == 0 ? 0 : ctl_fail(call, "out of memory: give a smaller limit");
}

static json_t *netem_json(const struct port *port)
{
	const struct netem_config *c = netem_config_of(port->netem[0]);

	return json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:I}", "interface", port->iface.name,
		"delay", (json_int_t)(c->delay_ns / NS_PER_USEC), "jitter",
		(json_int_t)(c->jitter_ns / NS_PER_USEC), "rate", (json_int_t)(c->rate_bps / 1000), "loss",
		c->loss * 100.0 / NETEM_ALL, "duplicate", c->duplicate * 100.0 / NETEM_ALL, "reorder",
		c->reorder * 100.0 / NETEM_ALL, "limit", (json_int_t)c->frames, "seed", (json_int_t)c->seed);
}

static int run_show(struct ctl_call *call)
{
	const struct ports *ports = call->subject;
	const struct port *port;

	call->result = json_array();
	list_for_each (port, &ports->list, link)
		if (port->netem[0])
			json_array_append_new(call->result, netem_json(port));
	return 0;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		fprintf(out,
			"%s: delay %.0f us jitter %.0f us rate %.0f kbit/s loss %g%% duplicate %g%% reorder "
			"%g%% "
			"limit %.0f seed %.0f\n",
			json_string_value(json_object_get(o, "interface")), number(o, "delay"),
			number(o, "jitter"), number(o, "rate"), number(o, "loss"), number(o, "duplicate"),
			number(o, "reorder"), number(o, "limit"), number(o, "seed"));
	if (json_array_size(result) == 0)
		fputs("no wire is made worse\n", out);
}

static const struct ctl_command commands[] = {
	{"set netem <interface:interface> [off] [delay <delay:u32>] [jitter <jitter:u32>] [rate <rate:u32>] "
	 "[loss <loss:word>] [duplicate <duplicate:word>] [reorder <reorder:word>] [limit <limit:u32>] "
	 "[seed <seed:u32>]",
		"Make the lossless wire that begins at an interface worse: delay and jitter in microseconds, "
		"rate "
		"in kbit/s, shares in percent, limit of frames held; frames held when it changes are dropped",
		run_set, NULL},
	{"show netem", "Wires that are made worse", run_show, print_show},
	{0},
};

const struct ctl_table netem_commands = {commands};
