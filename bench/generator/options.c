/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "base/check.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, NUMBER, SECONDS, PATH, HELP };

/* One row per option: getopt's table, --help, the limits and the messages come from here. */
static const struct option_row {
	const char *name;
	enum kind kind;
	size_t at; /* in struct options */
	uint32_t min, max;
	const char *value; /* what it is called in --help; NULL: takes none */
	const char *help;
} rows[] = {
	{"port", PATH, 0, 0, 0, "PATH", "a guest at this vhost-user socket; given 2 to 64 times, in pairs"},
	{"server", FLAG, offsetof(struct options, server), 0, 0, NULL, "listen, the switch connects to us"},
	{"cpu", NUMBER, offsetof(struct options, cpu), 0, 1023, "N", "run on this CPU"},
	{"fifo-priority", FLAG, offsetof(struct options, fifo_priority), 0, 0, NULL,
		"run before all ordinary programs (SCHED_FIFO 1)"},
	{"packed", FLAG, offsetof(struct options, packed), 0, 0, NULL, "packed rings"},
	{"in-order", FLAG, offsetof(struct options, in_order), 0, 0, NULL, "negotiate IN_ORDER"},
	{"queue-size", NUMBER, offsetof(struct options, queue_size), QUEUE_SIZE_MIN, QUEUE_SIZE_MAX, "N",
		"descriptors per ring, a power of two (default 1024)"},
	{"no-mrg", FLAG, offsetof(struct options, no_mrg), 0, 0, NULL, "without MRG_RXBUF"},
	{"indirect", FLAG, offsetof(struct options, indirect), 0, 0, NULL,
		"send header and frame as two entries of an indirect table"},
	{"hugepages", FLAG, offsetof(struct options, hugepages), 0, 0, NULL, "guest memory of 2 MB pages"},
	{"size", NUMBER, offsetof(struct options, size), FRAME_LEN_MIN, FRAME_LEN_MAX, "BYTES",
		"of a frame (default 64)"},
	{"burst", NUMBER, offsetof(struct options, burst), 1, QUEUE_SIZE_MAX, "N",
		"frames offered or taken per port at a time, at most (default 32)"},
	{"rate", NUMBER, offsetof(struct options, rate), 0, 100000000, "PPS",
		"frames per second and port (default 0: as many as go)"},
	{"slow", NUMBER, offsetof(struct options, slow), 1, 1000000, "N",
		"receivers take frames in one of N rounds only, senders offer them in each (default 1)"},
	{"one-way", FLAG, offsetof(struct options, one_way), 0, 0, NULL, "only even ports send"},
	{"echo", FLAG, offsetof(struct options, echo), 0, 0, NULL,
		"odd ports send back what they get; implies --latency, of the round trip"},
	{"flows", NUMBER, offsetof(struct options, flows), 1, DESTS_MAX, "N",
		"UDP source ports per port, in turn; with --route, destinations (default 1)"},
	{"route", NUMBER, offsetof(struct options, route), 4, 6, "4|6",
		"the switch is a router: at 02:1N:00:00:00:00 for port N, which is at 10.N.0.2 or fd10:N::2"},
	{"networks", NUMBER, offsetof(struct options, networks), 1, NETWORKS_MAX, "N",
		"with --route: /24 from 16.0.0.0 + N * 8.0.0.0, or /48 from 201N::, behind each port "
		"(default 1)"},
	{"nat", FLAG, offsetof(struct options, nat), 0, 0, NULL,
		"with --route 4: even ports are inside, at 10.64.0.0 and up, each flow from a port of its "
		"own up to "
		"57344; the router is 192.0.2.1 outside"},
	{"macs", NUMBER, offsetof(struct options, macs), 1, MACS_MAX, "N",
		"addresses per port, in turn (default 1)"},
	{"gso", FLAG, offsetof(struct options, gso), 0, 0, NULL, "frames are TCP segments to be cut (TSO4)"},
	{"idle", FLAG, offsetof(struct options, idle), 0, 0, NULL, "connect, post buffers, send nothing"},
	{"verify", FLAG, offsetof(struct options, verify), 0, 0, NULL, "fill and check every byte"},
	{"latency", FLAG, offsetof(struct options, latency), 0, 0, NULL, "measure each frame's time"},
	{"pause", SECONDS, offsetof(struct options, pause_s), 0, 3600, "S",
		"sleep between connecting and the first frame (default 0)"},
	{"warm-up", SECONDS, offsetof(struct options, warm_up_s), 0, 3600, "S",
		"before measuring (default 1)"},
	{"seconds", SECONDS, offsetof(struct options, seconds), 0, 3600, "S", "of measuring (default 2)"},
	{"json", FLAG, offsetof(struct options, json), 0, 0, NULL, "print one JSON object"},
	{"help", HELP, 0, 0, 0, NULL, "print this and exit"},
};

static void print_help(void)
{
	puts("usage: generator --port PATH --port PATH [OPTION...]\n\n"
	     "Plays guests of a vhost-user switch, in pairs, from one polling thread: sends numbered "
	     "frames,\n"
	     "checks what comes and measures.\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
			rows[i].value ? rows[i].value : "");
		printf("  %-20s %s\n", left, rows[i].help);
	}
}

static bool wrong(const struct option_row *row, const char *value, const char *expected)
{
	fprintf(stderr, "generator: --%s %s: expected %s\n", row->name, value, expected);
	return false;
}

static bool set_number(const struct option_row *row, uint32_t *out, const char *text)
{
	char *end, expected[64];
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	*out = (uint32_t)n;
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && n >= row->min && n <= row->max)
		return true;
	snprintf(expected, sizeof(expected), "a number from %u to %u", row->min, row->max);
	return wrong(row, text, expected);
}

static bool set_seconds(const struct option_row *row, double *out, const char *text)
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && *end == '\0' && *out >= row->min && *out <= row->max)
		return true;
	return wrong(row, text, "seconds, such as 0.5");
}

static bool add_path(struct options *o, const struct option_row *row, const char *text)
{
	if (o->n_ports == PORTS_MAX)
		return wrong(row, text, "at most 64 of them");
	o->paths[o->n_ports++] = text;
	return true;
}

static bool set(struct options *o, const struct option_row *row, const char *text)
{
	void *field = (char *)o + row->at;

	switch (row->kind) {
	case FLAG:
		*(bool *)field = true;
		return true;
	case NUMBER:
		if (field == &o->cpu)
			o->cpu_given = true;
		return set_number(row, field, text);
	case SECONDS:
		return set_seconds(row, field, text);
	case PATH:
		return add_path(o, row, text);
	default:
		return false;
	}
}

/* What options ask of each other. NULL: nothing is wrong. */
static const char *conflict(const struct options *o)
{
	if (o->n_ports < 2 || o->n_ports % 2)
		return "guests come in pairs: give --port two, four, ... times";
	if (o->queue_size & (o->queue_size - 1))
		return "--queue-size must be a power of two";
	if (o->echo && (o->one_way || o->idle))
		return "--echo needs both directions: leave --one-way and --idle out";
	if (o->flows > FLOWS_MAX && !o->route)
		return "--flows above 32768 needs --route";
	if (o->route && (o->route == 5 || o->gso || o->latency || o->macs > 1))
		return "--route is 4 or 6, without --gso, --latency, --echo and --macs";
	if (o->nat && (o->route != 4 || o->verify))
		return "--nat is with --route 4, without --verify";
	if (o->gso && o->size <= 1514)
		return "--gso needs frames that have to be cut: give --size 1515 or more";
	return NULL;
}

static const struct options defaults = {
	.queue_size = 1024,
	.size = 64,
	.burst = 32,
	.slow = 1,
	.flows = 1,
	.macs = 1,
	.networks = 1,
	.warm_up_s = 1,
	.seconds = 2,
};

enum options_verdict options_parse(struct options *o, int argc, char **argv)
{
	struct option table[ARRAY_LEN(rows) + 1] = {0};
	const char *why;
	int at;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		table[i] = (struct option){
			rows[i].name, rows[i].value ? required_argument : no_argument, NULL, (int)i + 256};
	*o = defaults;
	while ((at = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (at < 256)
			return OPTIONS_WRONG;
		if (rows[at - 256].kind == HELP) {
			print_help();
			return OPTIONS_DONE;
		}
		if (!set(o, &rows[at - 256], optarg))
			return OPTIONS_WRONG;
	}
	o->latency |= o->echo;
	why = optind < argc ? "it takes options only, see --help" : conflict(o);
	if (why)
		fprintf(stderr, "generator: %s\n", why);
	return why ? OPTIONS_WRONG : OPTIONS_RUN;
}
