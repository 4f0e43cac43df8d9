/* SPDX-License-Identifier: Apache-2.0 */
/* blk_bench_options - ginnel-blk-bench's command line. */
#ifndef GINNEL_PROG_BLK_BENCH_OPTIONS_H
#define GINNEL_PROG_BLK_BENCH_OPTIONS_H

#include "blkbench/plan.h"
#include "prog/option_table.h"

/* OPTIONS_RUN: the plan is complete. The manual page is printed here: OPTIONS_DONE. */
enum options_verdict blk_bench_options_parse(struct blkbench_plan *plan, int argc, char **argv);

#endif
