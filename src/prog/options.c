/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/options.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/unix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough to bridge the gaps of a TCP transfer, short enough to cost nothing when idle. */
#define DEFAULT_SPIN_US 50

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

static int set_api_socket(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct options *o = target;

	if (strlen(text) > UNIX_PATH_MAX)
		return option_wrong(
			wanted, "a path of at most %d bytes: choose a shorter one", UNIX_PATH_MAX);
	snprintf(o->api_socket, sizeof(o->api_socket), "%s", text);
	return 0;
}

static int set_startup(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->startup = text;
	return 0;
}

static int set_config(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->config = text;
	return 0;
}

static int set_leases(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->leases = text;
	return 0;
}

static int set_replace(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->replace = true;
	return 0;
}

static int set_fd_store(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->fd_store = true;
	return 0;
}

static int set_workers(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t n;
	int err = option_number(text, 1, WORKER_MAX, &n, wanted);

	if (err == 0)
		((struct options *)target)->workers.n = (uint32_t)n;
	return err;
}

static int set_cpus(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct options *o = target;

	return parse_cpus(text, o->workers.cpus) ? 0 : option_wrong(wanted, "CPUs such as 1,2 or 2-5");
}

static int set_poll(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->workers.polling = true;
	return 0;
}

static int set_spin(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t us;
	int err = option_number(text, 0, 1000000, &us, wanted);

	if (err == 0)
		((struct options *)target)->workers.spin_ns = us * NS_PER_US;
	return err;
}

static const struct option_row rows[] = {
	{"api-socket", 'a', "PATH",
		"listen for ginnel here (default: $XDG_RUNTIME_DIR/ginnel/api.sock, "
		"or /run/ginnel/api.sock)",
		set_api_socket},
	{"startup", 's', "FILE", "run the command lines of FILE before anything else", set_startup},
	{"config", 'C', "FILE", "apply this configuration file at the start, and again at SIGHUP",
		set_config},
	{"leases", 'L', "FILE", "keep what DHCP has given to whom in FILE, and know it at the next start",
		set_leases},
	{"replace", 'r', NULL,
		"take over ports and guests from the daemon that runs at the control socket, and end it; "
		"without one, start as usual",
		set_replace},
	{"fd-store", 'f', NULL,
		"at SIGTERM, let the service manager keep ports and guests for the next start", set_fd_store},
	{"workers", 'w', "N", "threads that move packets (default 1)", set_workers},
	{"cpu", 'c', "LIST", "bind the workers to these CPUs, such as 1,2 or 2-5, in order", set_cpus},
	{"poll", 'p', NULL, "never sleep: the lowest latency for the price of a core per worker", set_poll},
	{"spin", 'S', "USEC", "look for more work this long before sleeping (default 50)", set_spin},
	{0},
};

enum options_verdict options_parse(struct options *o, int argc, char **argv)
{
	const struct option_set set = {.program = "ginneld",
		.brief = "The ginnel daemon: a switch for virtual machines. Stays in the foreground; SIGTERM "
			 "ends it.",
		.tables = {{rows, o}},
		.n_tables = 1};

	*o = (struct options){.workers = {.n = 1, .spin_ns = DEFAULT_SPIN_US * NS_PER_US}};
	for (uint32_t i = 0; i < WORKER_MAX; i++)
		o->workers.cpus[i] = WORKER_ANY_CPU;
	api_path_default(o->api_socket);
	return options_read(&set, argc, argv);
}
