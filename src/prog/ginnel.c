/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ginnel - the shell: commands for a running ginneld, one from the arguments or many from a terminal or a
 * pipe.
 *
 * Exit status: 0 done, 1 the command failed, 2 wrong usage, no such command, or no daemon.
 */
#include "ctl/api_path.h"
#include "ctl/bash_completion.h"
#include "ctl/client.h"
#include "ctl/shell.h"
#include "ctl/text.h"
#include "ctl/token.h"
#include "os/unix.h"
#include "prog/top.h"
#include "prog/up.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATUS_USAGE 2

static const char usage[] =
	"usage: ginnel [OPTION]... [COMMAND]\n"
	"       ginnel [--api-socket PATH] up [GUEST]...\n"
	"       ginnel [--api-socket PATH] down\n"
	"Runs a command of ginneld, or a shell when none is given (commands from a pipe work too). up makes\n"
	"a network that works, with addresses and a way out, and says how guests attach to it; down ends "
	"it.\n"
	"top shows ports, rates, drops and workers, live.\n"
	"\n"
	"  --api-socket PATH        where ginneld listens (default: $XDG_RUNTIME_DIR/ginnel/api.sock,\n"
	"                           for root /run/ginnel/api.sock)\n"
	"  --json                   answer as JSON; a failure is {\"error\": \"...\"}\n"
	"  --watch SECONDS          run the command again and again\n"
	"  --print-bash-completion  a script for bash: eval \"$(ginnel --print-bash-completion)\"\n"
	"  -h, --help               this text; ginnel help lists the commands\n"
	"  --version                the version\n";

enum option_value {
	OPTION_API_SOCKET = 256,
	OPTION_JSON,
	OPTION_WATCH,
	OPTION_VERSION,
	OPTION_BASH,
	OPTION_COMPLETE,
};

struct options {
	char path[API_PATH_SIZE];
	struct client_style style;
	double watch_s;       /* 0: once */
	const char *complete; /* a line to complete, for the script above */
	char *line;           /* the command; NULL: a shell */
	bool is_top;          /* ginnel top, which is no command of the daemon */
	struct top_options top;
};

/* A single argument is a line; several are words, of which some need quotes. */
static char *join_arguments(char **argv, int argc)
{
	struct text_buf b;

	if (argc == 1)
		return text_copy(argv[0], strlen(argv[0]));
	text_buf_open(&b);
	for (int i = 0; i < argc; i++) {
		char *word = token_quote(argv[i]);

		fprintf(b.out, "%s%s", i ? " " : "", word);
		free(word);
	}
	return text_buf_take(&b);
}

/* -1 to go on, or the exit status. */
static int take_option(struct options *o, int option)
{
	char *end;

	switch (option) {
	case OPTION_API_SOCKET:
		snprintf(o->path, sizeof(o->path), "%s", optarg);
		return -1;
	case OPTION_JSON:
		o->style.json = true;
		return -1;
	case OPTION_WATCH:
		o->watch_s = strtod(optarg, &end);
		if (*end == '\0' && o->watch_s >= 0.1 && o->watch_s <= 86400)
			return -1;
		fprintf(stderr, "ginnel: --watch wants seconds from 0.1 to 86400, not '%s'\n", optarg);
		return STATUS_USAGE;
	case OPTION_COMPLETE:
		o->complete = optarg;
		return -1;
	case OPTION_BASH:
		fputs(bash_completion_script(), stdout);
		return 0;
	case OPTION_VERSION:
		puts("ginnel " GINNEL_VERSION);
		return 0;
	case 'h':
		fputs(usage, stdout);
		return 0;
	default:
		fputs("Try ginnel --help\n", stderr);
		return STATUS_USAGE;
	}
}

/* -1 to go on, or the exit status. */
static int take_arguments(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"api-socket", required_argument, NULL, OPTION_API_SOCKET},
		{"json", no_argument, NULL, OPTION_JSON},
		{"watch", required_argument, NULL, OPTION_WATCH},
		{"print-bash-completion", no_argument, NULL, OPTION_BASH},
		{"complete", required_argument, NULL, OPTION_COMPLETE},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{0},
	};
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, "+h", long_options, NULL)) >= 0)
		status = take_option(o, option);
	if (status >= 0)
		return status;
	if (optind < argc && strcmp(argv[optind], "top") == 0) {
		o->is_top = true;
		o->top = (struct top_options){.path = o->path, .json = o->style.json};
		return top_parse(&o->top, argc - optind, argv + optind);
	}
	if (optind < argc && strcmp(argv[optind], "up") == 0)
		return up_run(o->path, argv + optind + 1, argc - optind - 1);
	if (optind + 1 == argc && strcmp(argv[optind], "down") == 0)
		return down_run(o->path);
	if (optind < argc)
		o->line = join_arguments(argv + optind, argc - optind);
	if (o->watch_s > 0 && !o->line) {
		fputs("ginnel: --watch needs a command\n", stderr);
		return STATUS_USAGE;
	}
	return -1;
}

static int explain_unreachable(int err, const struct options *o)
{
	char message[1024];

	snprintf(message, sizeof(message),
		"cannot reach ginneld at %s: %s: start it with `ginneld` or give --api-socket PATH", o->path,
		strerror(-err));
	client_print_error(message, o->style);
	return STATUS_USAGE;
}

static int explain_lost(const struct options *o)
{
	char message[1024];

	snprintf(message, sizeof(message), "ginneld at %s went away before it answered", o->path);
	client_print_error(message, o->style);
	return STATUS_USAGE;
}

static enum client_status watch(struct client *client, const struct options *o)
{
	const struct timespec pause = {.tv_sec = (time_t)o->watch_s,
		.tv_nsec = (long)((o->watch_s - (double)(time_t)o->watch_s) * 1e9)};
	bool terminal = isatty(STDOUT_FILENO) && !o->style.json;
	enum client_status status;

	do {
		if (terminal)
			printf("\033[H\033[2J%s, every %g s (Ctrl-C ends)\n\n", o->line, o->watch_s);
		status = client_exec(client, o->line, o->style);
	} while (status == CLIENT_OK && nanosleep(&pause, NULL) == 0);
	return status;
}

static enum client_status print_completions(struct client *client, const char *line)
{
	char *cwd = getcwd(NULL, 0);
	json_t *response = NULL, *candidate;
	size_t i;
	int err = client_call(
		client, "cli.complete", json_pack("{s:s, s:s*}", "line", line, "cwd", cwd), &response);

	free(cwd);
	json_array_foreach (
		json_object_get(json_object_get(response, "result"), "candidates"), i, candidate) {
		const char *text = json_string_value(json_object_get(candidate, "text"));

		if (text)
			puts(text);
	}
	json_decref(response);
	return err ? CLIENT_LOST : CLIENT_OK;
}

static enum client_status run(struct client *client, const struct options *o)
{
	if (o->complete)
		return print_completions(client, o->complete);
	if (o->watch_s > 0)
		return watch(client, o);
	if (o->line)
		return client_exec(client, o->line, o->style);
	return shell_run(client, o->style);
}

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR");
	struct options o = {.style.colour = isatty(STDERR_FILENO) && (!no_color || !*no_color)};
	struct client *client;
	int status, err;

	setlocale(LC_CTYPE, "");
	api_path_default(o.path);
	status = take_arguments(&o, argc, argv);
	if (status < 0 && o.is_top) {
		status = top_run(&o.top);
	} else if (status < 0) {
		err = client_connect(&client, o.path);
		if (err) {
			status = explain_unreachable(err, &o);
		} else {
			status = (int)run(client, &o);
			if (status == CLIENT_LOST)
				status = explain_lost(&o);
			client_close(client);
		}
	}
	free(o.line);
	return status;
}
