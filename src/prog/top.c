/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/top.h"

#include "os/clock.h"
#include "prog/rates.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define STATUS_USAGE 2

#define SCREEN_BEGIN "\033[?1049h\033[?25l" /* another screen, no cursor */
#define SCREEN_END   "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define LINE_END     "\033[K\r\n"
#define SCREEN_REST  "\033[J"

struct top {
	const struct top_options *options;
	struct stats_reader *reader;
	struct stats_snapshot before, now;
	struct rates_view view;
	bool screen; /* a terminal, with keys */
	struct termios usual;
};

static volatile sig_atomic_t ended;

static void on_signal(int signal_number)
{
	ended = 1;
}

/* --- the daemon's memory --- */

static int reopen(struct top *t)
{
	stats_reader_close(t->reader);
	t->reader = NULL;
	stats_snapshot_free(&t->before);
	stats_snapshot_free(&t->now);
	return stats_reader_open(&t->reader, t->options->path);
}

/* The last look becomes the one before. 0 or -errno. */
static int look(struct top *t)
{
	struct stats_snapshot s = t->before;
	int err;

	t->before = t->now;
	t->now = s;
	err = t->reader ? stats_reader_read(t->reader, &t->now) : -ESTALE;
	if (err != -ESTALE)
		return err;
	err = reopen(t); /* it was replaced, or restarted */
	return err ? err : stats_reader_read(t->reader, &t->now);
}

static int explain(const struct top *t, int err)
{
	if (err == -EPROTO)
		fprintf(stderr,
			"ginnel: the daemon at %s has no statistics that this ginnel reads: is it of another "
			"version?\n",
			t->options->path);
	else
		fprintf(stderr,
			"ginnel: cannot reach ginneld at %s: %s: start it with `ginneld` or give "
			"--api-socket PATH\n",
			t->options->path, strerror(-err));
	return STATUS_USAGE;
}

/* --- the screen --- */

static void screen_begin(struct top *t)
{
	struct termios raw;

	t->screen = !t->options->json && !t->options->once && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		    tcgetattr(STDIN_FILENO, &t->usual) == 0;
	t->view.newline = "\n";
	if (!t->screen)
		return;
	raw = t->usual;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs(SCREEN_BEGIN, stdout);
	t->view.newline = LINE_END;
}

static void screen_end(struct top *t)
{
	if (!t->screen)
		return;
	fputs(SCREEN_END, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &t->usual);
}

static void measure_screen(struct top *t)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0) {
		t->view.rows = w.ws_row;
		t->view.columns = w.ws_col;
	}
}

static void print_keys(const struct top *t)
{
	static const char *const names[] = {[RATES_BY_NAME] = "name",
		[RATES_BY_RX] = "rx",
		[RATES_BY_TX] = "tx",
		[RATES_BY_DROPS] = "drops"};
	char text[256];

	snprintf(text, sizeof(text), "q quit   sort by: n name, r rx, t tx, d drops (now %s)",
		names[t->view.sort]);
	printf("%s%.*s\033[K", SCREEN_REST, (int)t->view.columns, text);
}

static void show(struct top *t)
{
	json_t *rates = rates_json(t->reader, &t->before, &t->now);

	if (t->options->json) {
		json_dumpf(rates, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		if (t->screen) {
			measure_screen(t);
			fputs(SCREEN_HOME, stdout);
		}
		rates_print(rates, &t->view, stdout);
		if (t->screen)
			print_keys(t);
	}
	fflush(stdout);
	json_decref(rates);
}

static void show_lost(struct top *t)
{
	if (t->screen)
		printf(SCREEN_HOME "ginneld at %s is away; q ends" LINE_END SCREEN_REST, t->options->path);
	fflush(stdout);
}

/* --- keys and time --- */

/* False: the end was asked for. */
static bool take_key(struct top *t)
{
	char key = 'q';

	if (read(STDIN_FILENO, &key, 1) < 0 && errno == EINTR)
		return true;
	switch (key) {
	case 'q':
		return false;
	case 'n':
		t->view.sort = RATES_BY_NAME;
		break;
	case 'r':
		t->view.sort = RATES_BY_RX;
		break;
	case 't':
		t->view.sort = RATES_BY_TX;
		break;
	case 'd':
		t->view.sort = RATES_BY_DROPS;
		break;
	default:
		break;
	}
	if (t->before.interfaces && t->now.interfaces)
		show(t);
	return true;
}

/* Until the interval is over. False: the end was asked for. */
static bool pause_one(struct top *t)
{
	uint64_t until_ns = clock_now_ns() + (uint64_t)(t->options->interval_s * NS_PER_S);
	int left_ms = (int)(t->options->interval_s * 1000);

	while (left_ms > 0 && !ended) {
		struct pollfd p = {.fd = t->screen ? STDIN_FILENO : -1, .events = POLLIN};

		if (poll(&p, 1, left_ms) > 0 && !take_key(t))
			return false;
		left_ms = (int)((int64_t)(until_ns - clock_now_ns()) / (int64_t)NS_PER_MS);
	}
	return !ended;
}

static int watch(struct top *t)
{
	bool more = true;
	int err = 0;

	while (more && pause_one(t)) {
		err = look(t);
		if (err && !t->screen)
			return err;
		if (err)
			show_lost(t);
		else if (t->before.interfaces && t->before.pid == t->now.pid)
			show(t);
		more = !t->options->once;
	}
	return 0;
}

int top_run(const struct top_options *o)
{
	struct top t = {.options = o};
	int err = reopen(&t);

	if (err == 0)
		err = stats_reader_read(t.reader, &t.now);
	if (err)
		return explain(&t, err);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	screen_begin(&t);
	err = watch(&t);
	screen_end(&t);
	stats_reader_close(t.reader);
	stats_snapshot_free(&t.before);
	stats_snapshot_free(&t.now);
	return err ? explain(&t, err) : 0;
}

/* --- options --- */

static const char usage[] =
	"usage: ginnel [OPTION]... top [--once] [--json] [--interval SECONDS]\n"
	"Ports, rates, drops and workers, live. Keys: q ends; n, r, t, d sort by name, rx, tx, drops.\n"
	"\n"
	"  --once              one look, over one interval, and no screen\n"
	"  --json              a line of JSON per interval\n"
	"  --interval SECONDS  from 0.1 to 3600 (default: 1)\n";

int top_parse(struct top_options *o, int argc, char **argv)
{
	static const struct option options[] = {{"once", no_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'}, {"interval", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'}, {0}};
	int option;
	char *end;

	o->interval_s = 1;
	optind = 0; /* anew: these are the words behind "top" */
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) >= 0) {
		if (option == 'o') {
			o->once = true;
		} else if (option == 'j') {
			o->json = true;
		} else if (option == 'i') {
			o->interval_s = strtod(optarg, &end);
			if (!*end && o->interval_s >= 0.1 && o->interval_s <= 3600)
				continue;
			fprintf(stderr, "ginnel: --interval wants seconds from 0.1 to 3600, not '%s'\n",
				optarg);
			return STATUS_USAGE;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : STATUS_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fputs(usage, stderr);
	return STATUS_USAGE;
}
