/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/options.h"

#include "base/log.h"
#include "os/clock.h"
#include "os/unix.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough to bridge the gaps of a TCP transfer, short enough to cost nothing when idle. */
#define DEFAULT_SPIN_US 50

/* One row per option: getopt's table, --help and the messages come from here. */
static const struct option_row {
	const char *name;
	char key;
	const char *value; /* NULL: takes none */
	const char *help;
} rows[] = {
	{"api-socket", 'a', "PATH",
		"listen for ginnel here (default: $XDG_RUNTIME_DIR/ginnel/api.sock, "
		"or /run/ginnel/api.sock)"},
	{"startup", 's', "FILE", "run the command lines of FILE before anything else"},
	{"replace", 'r', NULL,
		"take over ports and guests from the daemon that runs at the control socket, and end it; "
		"without one, start as usual"},
	{"fd-store", 'f', NULL,
		"at SIGTERM, let the service manager keep ports and guests for the next start"},
	{"workers", 'w', "N", "threads that move packets (default 1)"},
	{"cpu", 'c', "LIST", "bind the workers to these CPUs, such as 1,2 or 2-5, in order"},
	{"poll", 'p', NULL, "never sleep: the lowest latency for the price of a core per worker"},
	{"spin", 'S', "USEC", "look for more work this long before sleeping (default 50)"},
	{"log-level", 'l', "LEVEL", "error, warning, info (default) or debug"},
	{"print-man", 'm', NULL, "print the manual page of all commands and exit"},
	{"version", 'V', NULL, "print the version and exit"},
	{"help", 'h', NULL, "print this and exit"},
};

static void print_help(void)
{
	puts("usage: ginneld [OPTION...]\n\nThe ginnel daemon: a switch for virtual machines. Stays in the "
	     "foreground;"
	     " SIGTERM ends it.\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char left[40];

		snprintf(left, sizeof(left), "-%c, --%s%s%s", rows[i].key, rows[i].name,
			rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
		printf("  %-26s %s\n", left, rows[i].help);
	}
}

static enum options_verdict wrong(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "ginneld: --%s %s: expected %s\n", option, value, expected);
	return OPTIONS_WRONG;
}

static bool parse_number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *out <= max;
}

/* "1,3-5" to 1 3 4 5; workers beyond the list go wherever the kernel likes. */
static bool parse_cpus(const char *text, int cpus[WORKER_MAX])
{
	uint32_t n = 0;

	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			return false;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text || last < first)
				return false;
		}
		for (; first <= last; first++) {
			if (n == WORKER_MAX)
				return false;
			cpus[n++] = (int)first;
		}
		if (*end != '\0' && *end != ',')
			return false;
		text = *end == ',' ? end + 1 : end;
	}
	return n > 0;
}

static enum options_verdict set_number(
	const char *option, const char *text, unsigned long max, unsigned long *out)
{
	char expected[64];

	if (parse_number(text, max, out))
		return OPTIONS_RUN;
	snprintf(expected, sizeof(expected), "a number up to %lu", max);
	return wrong(option, text, expected);
}

static enum options_verdict set_workers(struct options *o, const char *text)
{
	unsigned long n;

	if (!parse_number(text, WORKER_MAX, &n) || n == 0)
		return wrong("workers", text, "a number from 1 to 16");
	o->workers.n = (uint32_t)n;
	return OPTIONS_RUN;
}

static enum options_verdict set_spin(struct options *o, const char *text)
{
	unsigned long us;
	enum options_verdict verdict = set_number("spin", text, 1000000, &us);

	if (verdict == OPTIONS_RUN)
		o->workers.spin_ns = us * NS_PER_US;
	return verdict;
}

static enum options_verdict set_log_level(const char *text)
{
	enum log_level level;

	if (!log_level_parse(text, &level))
		return wrong("log-level", text, "error, warning, info or debug");
	log_set_level(level);
	return OPTIONS_RUN;
}

static enum options_verdict set_api_socket(struct options *o, const char *text)
{
	if (strlen(text) > UNIX_PATH_MAX)
		return wrong("api-socket", text, "a path of at most 107 bytes: choose a shorter one");
	snprintf(o->api_socket, sizeof(o->api_socket), "%s", text);
	return OPTIONS_RUN;
}

static enum options_verdict set_option(struct options *o, int key)
{
	switch (key) {
	case 'a':
		return set_api_socket(o, optarg);
	case 's':
		o->startup = optarg;
		return OPTIONS_RUN;
	case 'r':
		o->replace = true;
		return OPTIONS_RUN;
	case 'f':
		o->fd_store = true;
		return OPTIONS_RUN;
	case 'w':
		return set_workers(o, optarg);
	case 'c':
		return parse_cpus(optarg, o->workers.cpus) ? OPTIONS_RUN
							   : wrong("cpu", optarg, "CPUs such as 1,2 or 2-5");
	case 'p':
		o->workers.polling = true;
		return OPTIONS_RUN;
	case 'S':
		return set_spin(o, optarg);
	case 'l':
		return set_log_level(optarg);
	case 'm':
		return OPTIONS_PRINT_MAN;
	case 'V':
		puts("ginneld " GINNEL_VERSION);
		return OPTIONS_DONE;
	case 'h':
		print_help();
		return OPTIONS_DONE;
	default:
		fputs("try ginneld --help\n", stderr);
		return OPTIONS_WRONG;
	}
}

/* getopt's two tables out of ours. */
static void make_getopt(struct option longs[ARRAY_LEN(rows) + 1], char shorts[2 * ARRAY_LEN(rows) + 1])
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		longs[i] = (struct option){
			rows[i].name, rows[i].value ? required_argument : no_argument, NULL, rows[i].key};
		*shorts++ = rows[i].key;
		if (rows[i].value)
			*shorts++ = ':';
	}
	longs[ARRAY_LEN(rows)] = (struct option){0};
	*shorts = '\0';
}

enum options_verdict options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[ARRAY_LEN(rows) + 1];
	char shorts[2 * ARRAY_LEN(rows) + 1];
	int key;

	*o = (struct options){.workers = {.n = 1, .spin_ns = DEFAULT_SPIN_US * NS_PER_US}};
	for (uint32_t i = 0; i < WORKER_MAX; i++)
		o->workers.cpus[i] = WORKER_ANY_CPU;
	api_path_default(o->api_socket);
	make_getopt(longs, shorts);
	while ((key = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		enum options_verdict verdict = set_option(o, key);

		if (verdict != OPTIONS_RUN)
			return verdict;
	}
	if (optind < argc) {
		fprintf(stderr, "ginneld: unknown argument '%s': try ginneld --help\n", argv[optind]);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}
