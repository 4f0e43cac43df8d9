/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/blk_bench_options.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the command line says, before it is a plan. */
struct words {
	struct blkbench_plan plan;
	const char *rw;
	bool mix_given, time_given;
};

static struct blkbench_plan *plan_of(void *target)
{
	return &((struct words *)target)->plan;
}

static int set_u32(
	uint32_t *out, const char *text, uint64_t min, uint64_t max, char wanted[OPTION_WANTED_LEN])
{
	uint64_t n;
	int err = option_number(text, min, max, &n, wanted);

	if (err == 0)
		*out = (uint32_t)n;
	return err;
}

/* Digits, and behind them perhaps one of k, m, g, t. */
static int set_size(
	uint64_t *out, const char *text, uint64_t min, uint64_t max, char wanted[OPTION_WANTED_LEN])
{
	static const char units[] = "kmgt";
	char digits[24];
	const size_t len = strspn(text, "0123456789");
	const char *unit = len > 0 && text[len] ? strchr(units, text[len] | 0x20) : NULL;
	const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

	snprintf(digits, sizeof(digits), "%.*s", (int)min_u64(len, sizeof(digits) - 1), text);
	if (len < sizeof(digits) && text[len + (unit ? 1 : 0)] == '\0' &&
		option_number(digits, 0, UINT64_MAX >> shift, out, wanted) == 0) {
		*out <<= shift;
		if (*out >= min && *out <= max)
			return 0;
	}
	if (max == UINT64_MAX)
		return option_wrong(wanted, "bytes, such as 512m");
	return option_wrong(wanted, "bytes from %llu to %llu, such as 4k", (unsigned long long)min,
		(unsigned long long)max);
}

static int set_seconds(double *out, const char *text, char wanted[OPTION_WANTED_LEN])
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && *end == '\0' && *out >= 0 && *out <= 1e6)
		return 0;
	return option_wrong(wanted, "seconds, such as 0.5");
}

static int set_socket_path(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->path = text;
	return 0;
}

static int set_rw(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	static const struct {
		const char *name;
		bool random;
		uint32_t read_percent;
	} hows[] = {{"read", false, 100}, {"write", false, 0}, {"randread", true, 100},
		{"randwrite", true, 0}, {"mix", true, 70}};
	struct words *w = target;

	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		if (strcmp(text, hows[i].name) != 0)
			continue;
		w->rw = text;
		w->plan.random = hows[i].random;
		if (!w->mix_given)
			w->plan.read_percent = hows[i].read_percent;
		return 0;
	}
	return option_wrong(wanted, "read, write, randread, randwrite or mix");
}

static int set_mix(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct words *)target)->mix_given = true;
	return set_u32(&plan_of(target)->read_percent, text, 0, 100, wanted);
}

static int set_discard(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->discard_percent, text, 0, 100, wanted);
}

static int set_write_zeroes(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->zeroes_percent, text, 0, 100, wanted);
}

static int set_flush_every(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->flush_every, text, 0, 1u << 30, wanted);
}

static int set_block_size(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t n = 0;
	int err = set_size(&n, text, BLKBENCH_BLOCK_MIN, BLKBENCH_BLOCK_MAX, wanted);

	plan_of(target)->block_size = (uint32_t)n;
	return err;
}

static int set_depth(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->depth, text, 1, BLKBENCH_DEPTH_MAX, wanted);
}

static int set_queues(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->queues, text, 1, BLKBENCH_QUEUES_MAX, wanted);
}

static int set_offset(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_size(&plan_of(target)->offset, text, 0, UINT64_MAX, wanted);
}

static int set_size_option(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_size(&plan_of(target)->size, text, 0, UINT64_MAX, wanted);
}

static int set_seed(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return option_number(text, 0, UINT64_MAX, &plan_of(target)->seed, wanted);
}

static int set_time(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct words *)target)->time_given = true;
	return set_seconds(&plan_of(target)->seconds, text, wanted);
}

static int set_warm_up(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_seconds(&plan_of(target)->warm_up_s, text, wanted);
}

static int set_requests(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return option_number(text, 1, 1ull << 40, &plan_of(target)->requests, wanted);
}

static int set_packed(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->packed = true;
	return 0;
}

static int set_indirect(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->indirect = true;
	return 0;
}

static int set_no_event_idx(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->no_event_idx = true;
	return 0;
}

static int set_no_flush(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->no_flush = true;
	return 0;
}

static int set_segments(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->segments, text, 1, BLKBENCH_SEGMENTS_MAX, wanted);
}

static int set_poll(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->sleep = false;
	return 0;
}

static int set_sleep(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->sleep = true;
	return 0;
}

static int set_writeback(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return option_wrong(wanted, "on or off");
	plan_of(target)->writeback = text;
	return 0;
}

static int set_verify(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->verify = true;
	return 0;
}

static int set_verify_state(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->verify_state = text;
	return 0;
}

static int set_read_back(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->read_back = true;
	return 0;
}

static int set_reconnect(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->reconnect = true;
	return 0;
}

static int set_pid(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return set_u32(&plan_of(target)->pid, text, 1, INT32_MAX, wanted);
}

static int set_json(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	plan_of(target)->json = true;
	return 0;
}

static const struct option_row rows[] = {
	{"socket-path", 0, "PATH", "the back-end's vhost-user socket", set_socket_path},
	{"rw", 0, "HOW", "read, write, randread, randwrite, or mix of both at random (default randread)",
		set_rw},
	{"mix", 0, "PERCENT", "reads of a mix (default 70)", set_mix},
	{"discard", 0, "PERCENT", "of the writes, are discards instead", set_discard},
	{"write-zeroes", 0, "PERCENT", "of the writes, are of zeroes", set_write_zeroes},
	{"flush-every", 0, "N", "flush after N writes of a queue (default 0: never)", set_flush_every},
	{"block-size", 0, "BYTES", "of a request, such as 4k (default) or 1m", set_block_size},
	{"depth", 0, "N", "requests on their way in each queue (default 32)", set_depth},
	{"queues", 0, "N", "of the disk (default 1)", set_queues},
	{"offset", 0, "BYTES", "where on the disk to begin (default 0)", set_offset},
	{"size", 0, "BYTES", "how much of the disk to use (default: all behind the offset)", set_size_option},
	{"seed", 0, "N", "of addresses and data (default 1)", set_seed},
	{"time", 0, "S", "to measure (default 5, or with a number of requests no limit)", set_time},
	{"warm-up", 0, "S", "before that (default 0)", set_warm_up},
	{"requests", 0, "N", "end after so many", set_requests},
	{"packed", 0, NULL, "packed rings", set_packed},
	{"indirect", 0, NULL, "indirect tables", set_indirect},
	{"no-event-idx", 0, NULL, "do not negotiate EVENT_IDX", set_no_event_idx},
	{"no-flush", 0, NULL, "do not negotiate FLUSH", set_no_flush},
	{"segments", 0, "N", "pieces of a block in memory (default 1)", set_segments},
	{"poll", 0, NULL, "look again and again for what is done (default)", set_poll},
	{"sleep", 0, NULL, "sleep until the back-end calls", set_sleep},
	{"writeback", 0, "on|off", "switch the disk's cache to that (default: leave it)", set_writeback},
	{"verify", 0, NULL, "write what can be told again, and check what is read", set_verify},
	{"verify-state", 0, "FILE", "keep there what was acknowledged, for the next run; implies verify",
		set_verify_state},
	{"read-back", 0, NULL, "at the end read each block; implies verify", set_read_back},
	{"reconnect", 0, NULL, "wait for the next back-end when one dies, and go on there", set_reconnect},
	{"pid", 0, "PID", "of the back-end: tell its CPU time per request", set_pid},
	{"json", 0, NULL, "print one JSON object", set_json},
	{0},
};

/* What options ask of each other. NULL: nothing is wrong. */
static const char *conflict(const struct words *w)
{
	const struct blkbench_plan *p = &w->plan;

	if (!p->path)
		return "give --socket-path PATH, the back-end's socket";
	if (w->mix_given && strcmp(w->rw, "mix") != 0)
		return "--mix is for --rw mix";
	if (p->block_size % (512 * p->segments) != 0)
		return "--block-size must be a multiple of 512 bytes for each of the --segments";
	if (p->offset % 512 != 0)
		return "--offset must be a multiple of 512";
	if (p->discard_percent + p->zeroes_percent > 100)
		return "--discard and --write-zeroes are more than all writes together";
	return NULL;
}

static const struct words defaults = {.rw = "randread",
	.plan = {.random = true,
		.read_percent = 100,
		.block_size = 4096,
		.depth = 32,
		.queues = 1,
		.segments = 1,
		.seed = 1,
		.seconds = 5}};

#define PROGRAM "ginnel-blk-bench"

static const char brief[] =
	"Drives a vhost-user disk as a guest would, from one thread, and tells how fast it was and whether "
	"it\n"
	"was right. Give at least --socket-path. Writes, and a mix, overwrite the disk. Ends with 0 if all "
	"was\n"
	"well, with 1 if something was lost, damaged or refused, with 2 if the options are wrong.";

static void print_man(const struct option_set *set)
{
	puts(".Dd $Mdocdate$\n.Dt GINNEL\\-BLK\\-BENCH 1\n.Os\n"
	     ".Sh NAME\n.Nm " PROGRAM "\n.Nd drive a vhost-user disk, measure and verify\n"
	     ".Sh SYNOPSIS\n.Nm\n.Fl \\-socket-path Ar PATH\n.Op Ar OPTION ...\n"
	     ".Sh DESCRIPTION\n"
	     "Plays the driver of a guest, from one thread: each queue always has as many requests on their "
	     "way as\n"
	     ".Fl \\-depth\nsays.\n"
	     "It prints how many were done in a second and how long they took.\n"
	     ".Sy Writing overwrites the disk.\n"
	     ".Pp\n"
	     "With\n.Fl \\-verify\n"
	     "each sector written says where it belongs, and of which write of it and of which seed it is.\n"
	     "A block that is read must be what was acknowledged last, or newer.\n"
	     "With\n.Fl \\-verify-state\n"
	     "that is known over the end of this program, however it ends; the next run with the same file, "
	     "block\n"
	     "size, offset and size goes on from there.\n"
	     ".Pp\n"
	     "With\n.Fl \\-reconnect\n"
	     "a back-end may die at any time.\n"
	     "Where it noted what it had in hands (INFLIGHT_SHMFD), the next one gets the same memory and "
	     "rings and\n"
	     "has to finish; otherwise all that was on its way is asked again.\n"
	     ".Sh OPTIONS");
	options_print_man(set, stdout);
	puts(".Sh EXIT STATUS\n0 if all was well; 1 if a request failed, something was lost or damaged, or "
	     "there was no\n"
	     "disk; 2 for a mistake on the command line.");
}

static enum options_verdict complete(struct words *w, struct blkbench_plan *plan)
{
	struct blkbench_plan *p = &w->plan;
	const char *why = conflict(w);

	if (why) {
		fprintf(stderr, PROGRAM ": %s\n", why);
		return OPTIONS_WRONG;
	}
	p->verify |= p->read_back || p->verify_state;
	p->progress = !p->json && isatty(STDERR_FILENO);
	if (p->requests > 0 && !w->time_given)
		p->seconds = 0;
	*plan = *p;
	return OPTIONS_RUN;
}

enum options_verdict blk_bench_options_parse(struct blkbench_plan *plan, int argc, char **argv)
{
	struct words words = defaults;
	const struct option_set set = {
		.program = PROGRAM, .brief = brief, .tables = {{rows, &words}}, .n_tables = 1};
	enum options_verdict verdict = options_read(&set, argc, argv);

	if (verdict == OPTIONS_PRINT_MAN) {
		print_man(&set);
		return OPTIONS_DONE;
	}
	return verdict == OPTIONS_RUN ? complete(&words, plan) : verdict;
}
