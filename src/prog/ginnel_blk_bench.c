/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ginnel-blk-bench - drives a vhost-user disk as a guest's driver does: how fast is it, and is it right?
 */
#include "base/log.h"
#include "blkbench/report.h"
#include "prog/blk_bench_options.h"

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static void print_json(const struct blkbench_plan *plan, const struct blkbench_result *r)
{
	json_t *o = blkbench_json(plan, r);

	json_dumpf(o, stdout, JSON_REAL_PRECISION(8));
	putchar('\n');
	json_decref(o);
}

static int run(const struct blkbench_plan *plan)
{
	static struct blkbench_result result;
	int err = blkbench_run(plan, &stop, &result);

	if (plan->progress)
		fputc('\r', stderr);
	if (plan->json)
		print_json(plan, &result);
	else if (result.seconds > 0)
		blkbench_print(plan, &result);
	if (err)
		fprintf(stderr, "ginnel-blk-bench: %s: %s\n", plan->path, result.why);
	return err || load_failed(&result.load) ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct blkbench_plan plan;
	const struct sigaction stops = {.sa_handler = on_signal};

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &stops, NULL);
	sigaction(SIGTERM, &stops, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	switch (blk_bench_options_parse(&plan, argc, argv)) {
	case OPTIONS_RUN:
		return run(&plan);
	case OPTIONS_DONE:
		return 0;
	default:
		return 2;
	}
}
