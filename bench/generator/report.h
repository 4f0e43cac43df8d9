/* SPDX-License-Identifier: Apache-2.0 */
/* report - the result of a run on standard output: a short table for people, or one JSON object. */
#ifndef GINNEL_BENCH_REPORT_H
#define GINNEL_BENCH_REPORT_H

#include "load.h"

/* 0 or -ENOMEM. */
int report(const struct ports *ports, const struct load_result *r);

#endif
