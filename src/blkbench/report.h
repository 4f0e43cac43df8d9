/* SPDX-License-Identifier: Apache-2.0 */
/* report - what a run found, for people or as one JSON object. */
#ifndef GINNEL_BLKBENCH_REPORT_H
#define GINNEL_BLKBENCH_REPORT_H

#include "blkbench/run.h"

#include <jansson.h>

/* A new reference, or NULL. */
json_t *blkbench_json(const struct blkbench_plan *plan, const struct blkbench_result *r);
void blkbench_print(const struct blkbench_plan *plan, const struct blkbench_result *r);

#endif
