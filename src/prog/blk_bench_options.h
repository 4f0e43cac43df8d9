/* SPDX-License-Identifier: Apache-2.0 */
/* blk_bench_options - ginnel-blk-bench's command line. */
#ifndef GINNEL_PROG_BLK_BENCH_OPTIONS_H
#define GINNEL_PROG_BLK_BENCH_OPTIONS_H

#include "blkbench/plan.h"

enum blk_bench_verdict {
	BLK_BENCH_RUN,
	BLK_BENCH_DONE,  /* help or version was printed */
	BLK_BENCH_WRONG, /* said why on standard error */
};

enum blk_bench_verdict blk_bench_options_parse(struct blkbench_plan *plan, int argc, char **argv);

#endif
