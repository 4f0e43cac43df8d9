/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/blk_bench_options.h"

#include "base/check.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { FLAG, NUMBER, SIZE, SEED, SECONDS, TEXT, RW, ON_OFF, POLL, HELP, VERSION };

#define AT(field) offsetof(struct blkbench_plan, field)

/* One row per option: getopt's table, --help, the limits and the messages come from here. */
static const struct row {
	const char *name;
	enum kind kind;
	size_t at; /* in the plan */
	uint64_t min, max;
	const char *value; /* what it is called in --help; NULL: takes none */
	const char *help;
} rows[] = {
	{"socket-path", TEXT, AT(path), 0, 0, "PATH", "the back-end's vhost-user socket"},
	{"rw", RW, 0, 0, 0, "HOW",
		"read, write, randread, randwrite, or mix of both at random (default randread)"},
	{"mix", NUMBER, AT(read_percent), 0, 100, "PERCENT", "reads of a mix (default 70)"},
	{"discard", NUMBER, AT(discard_percent), 0, 100, "PERCENT", "of the writes, are discards instead"},
	{"write-zeroes", NUMBER, AT(zeroes_percent), 0, 100, "PERCENT", "of the writes, are of zeroes"},
	{"flush-every", NUMBER, AT(flush_every), 0, 1u << 30, "N",
		"flush after N writes of a queue (default 0: never)"},
	{"block-size", SIZE, AT(block_size), BLKBENCH_BLOCK_MIN, BLKBENCH_BLOCK_MAX, "BYTES",
		"of a request, such as 4k (default) or 1m"},
	{"depth", NUMBER, AT(depth), 1, BLKBENCH_DEPTH_MAX, "N",
		"requests on their way in each queue (default 32)"},
	{"queues", NUMBER, AT(queues), 1, BLKBENCH_QUEUES_MAX, "N", "of the disk (default 1)"},
	{"offset", SIZE, AT(offset), 0, UINT64_MAX, "BYTES", "where on the disk to begin (default 0)"},
	{"size", SIZE, AT(size), 0, UINT64_MAX, "BYTES",
		"how much of the disk to use (default: all behind --offset)"},
	{"seed", SEED, AT(seed), 0, UINT64_MAX, "N", "of addresses and data (default 1)"},
	{"time", SECONDS, AT(seconds), 0, 1000000, "S",
		"to measure (default 5, or with --requests no limit)"},
	{"warm-up", SECONDS, AT(warm_up_s), 0, 3600, "S", "before that (default 0)"},
	{"requests", NUMBER, AT(requests), 0, 1ull << 40, "N", "end after so many"},
	{"packed", FLAG, AT(packed), 0, 0, NULL, "packed rings"},
	{"indirect", FLAG, AT(indirect), 0, 0, NULL, "indirect tables"},
	{"no-event-idx", FLAG, AT(no_event_idx), 0, 0, NULL, "do not negotiate EVENT_IDX"},
	{"segments", NUMBER, AT(segments), 1, BLKBENCH_SEGMENTS_MAX, "N",
		"pieces of a block in memory (default 1)"},
	{"poll", POLL, AT(sleep), 0, 0, NULL, "look again and again for what is done (default)"},
	{"sleep", FLAG, AT(sleep), 0, 0, NULL, "sleep until the back-end calls"},
	{"writeback", ON_OFF, AT(writeback), 0, 0, "on|off",
		"switch the disk's cache to that (default: leave it)"},
	{"verify", FLAG, AT(verify), 0, 0, NULL, "write what can be told again, and check what is read"},
	{"verify-state", TEXT, AT(verify_state), 0, 0, "FILE",
		"keep there what was acknowledged, for the next run; implies --verify"},
	{"read-back", FLAG, AT(read_back), 0, 0, NULL, "at the end read each block; implies --verify"},
	{"reconnect", FLAG, AT(reconnect), 0, 0, NULL,
		"wait for the next back-end when one dies, and go on there"},
	{"pid", NUMBER, AT(pid), 1, UINT32_MAX, "PID", "of the back-end: tell its CPU time per request"},
	{"json", FLAG, AT(json), 0, 0, NULL, "print one JSON object"},
	{"help", HELP, 0, 0, 0, NULL, "print this and exit"},
	{"version", VERSION, 0, 0, 0, NULL, "print the version and exit"},
};

static void print_help(void)
{
	puts("usage: ginnel-blk-bench --socket-path=PATH [OPTION...]\n\n"
	     "Drives a vhost-user disk as a guest would, from one thread, and tells how fast it was and "
	     "whether it\n"
	     "was right. --rw=write, randwrite and mix overwrite the disk. Ends with 0 if all was well, with "
	     "1 if\n"
	     "something was lost, damaged or refused, with 2 if the options are wrong.\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].value ? "=" : "",
			rows[i].value ? rows[i].value : "");
		printf("  %-22s %s\n", left, rows[i].help);
	}
}

static bool wrong(const struct row *row, const char *value, const char *expected)
{
	fprintf(stderr, "ginnel-blk-bench: --%s=%s: expected %s\n", row->name, value, expected);
	return false;
}

/* Digits, and for sizes one of k, m, g, t behind them. */
static bool parse_number(const char *text, bool with_unit, uint64_t *out)
{
	static const char units[] = "kmgt";
	unsigned shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || errno)
		return false;
	unit = with_unit && *end ? strchr(units, *end | 0x20) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end != '\0' || *out > UINT64_MAX >> shift)
		return false;
	*out <<= shift;
	return true;
}

static bool set_number(const struct row *row, uint64_t *out, const char *text)
{
	char expected[80];

	if (parse_number(text, row->kind == SIZE, out) && *out >= row->min && *out <= row->max)
		return true;
	if (row->max == UINT64_MAX)
		return wrong(row, text, row->kind == SIZE ? "bytes, such as 512m" : "a number");
	snprintf(expected, sizeof(expected), "a number from %llu to %llu", (unsigned long long)row->min,
		(unsigned long long)row->max);
	return wrong(row, text, expected);
}

static bool is_wide(const struct row *row)
{
	return row->at == AT(offset) || row->at == AT(size) || row->at == AT(seed) || row->at == AT(requests);
}

static bool set_seconds(const struct row *row, double *out, const char *text)
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && *end == '\0' && *out >= (double)row->min && *out <= (double)row->max)
		return true;
	return wrong(row, text, "seconds, such as 0.5");
}

struct words {
	const char *rw;
	bool mix_given, time_given;
};

static bool set(struct blkbench_plan *p, struct words *w, const struct row *row, const char *text)
{
	void *field = (char *)p + row->at;
	uint64_t n = 0;

	switch (row->kind) {
	case FLAG:
	case POLL:
		*(bool *)field = row->kind == FLAG;
		return true;
	case NUMBER:
	case SIZE:
	case SEED:
		w->mix_given |= row->at == AT(read_percent);
		if (!set_number(row, &n, text))
			return false;
		if (is_wide(row))
			*(uint64_t *)field = n;
		else
			*(uint32_t *)field = (uint32_t)n;
		return true;
	case SECONDS:
		w->time_given |= row->at == AT(seconds);
		return set_seconds(row, field, text);
	case ON_OFF:
		if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
			return wrong(row, text, "on or off");
		/* fall through */
	case TEXT:
		*(const char **)field = text;
		return true;
	case RW:
		w->rw = text;
		return true;
	default:
		return false;
	}
}

static bool set_rw(struct blkbench_plan *p, const struct words *w)
{
	static const struct {
		const char *name;
		bool random;
		uint32_t read_percent;
	} hows[] = {
		{"read", false, 100}, {"write", false, 0}, {"randread", true, 100}, {"randwrite", true, 0}};

	if (strcmp(w->rw, "mix") == 0) {
		p->random = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		if (strcmp(w->rw, hows[i].name) != 0)
			continue;
		p->random = hows[i].random;
		p->read_percent = hows[i].read_percent;
		return true;
	}
	fprintf(stderr, "ginnel-blk-bench: --rw=%s: expected read, write, randread, randwrite or mix\n",
		w->rw);
	return false;
}

/* What options ask of each other. NULL: nothing is wrong. */
static const char *conflict(const struct blkbench_plan *p, const struct words *w)
{
	if (!p->path)
		return "give --socket-path=PATH, the back-end's socket";
	if (w->mix_given && strcmp(w->rw, "mix") != 0)
		return "--mix is for --rw=mix";
	if (p->block_size % (512 * p->segments) != 0)
		return "--block-size must be a multiple of 512 bytes for each of the --segments";
	if (p->offset % 512 != 0)
		return "--offset must be a multiple of 512";
	if (p->discard_percent + p->zeroes_percent > 100)
		return "--discard and --write-zeroes are more than all writes together";
	return NULL;
}

static const struct blkbench_plan defaults = {.read_percent = 70,
	.block_size = 4096,
	.depth = 32,
	.queues = 1,
	.segments = 1,
	.seed = 1,
	.seconds = 5};

static bool complete(struct blkbench_plan *p, const struct words *w)
{
	const char *why = conflict(p, w);

	if (why) {
		fprintf(stderr, "ginnel-blk-bench: %s\n", why);
		return false;
	}
	if (!set_rw(p, w))
		return false;
	p->verify |= p->read_back || p->verify_state;
	p->progress = !p->json && isatty(STDERR_FILENO);
	if (p->requests > 0 && !w->time_given)
		p->seconds = 0;
	return true;
}

enum blk_bench_verdict blk_bench_options_parse(struct blkbench_plan *plan, int argc, char **argv)
{
	struct option table[ARRAY_LEN(rows) + 1] = {0};
	struct words words = {.rw = "randread"};
	int at;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		table[i] = (struct option){
			rows[i].name, rows[i].value ? required_argument : no_argument, NULL, (int)i + 256};
	*plan = defaults;
	while ((at = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (at < 256)
			return BLK_BENCH_WRONG;
		switch (rows[at - 256].kind) {
		case HELP:
			print_help();
			return BLK_BENCH_DONE;
		case VERSION:
			puts("ginnel-blk-bench " GINNEL_VERSION);
			return BLK_BENCH_DONE;
		default:
			if (!set(plan, &words, &rows[at - 256], optarg))
				return BLK_BENCH_WRONG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "ginnel-blk-bench: %s: it takes options only, see --help\n", argv[optind]);
		return BLK_BENCH_WRONG;
	}
	return complete(plan, &words) ? BLK_BENCH_RUN : BLK_BENCH_WRONG;
}
