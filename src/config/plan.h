/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - the commands that lead from one tree to another.
 *
 * First, last rule first, all that is no more goes; then, first rule first, what is new comes. What is the same in both
 * trees is touched by no command. A thing that can only be made anew (its socket is another one) goes and comes with all
 * that belongs to it. While the plan is made, each step is noted in a copy of the tree, so what a step does besides
 * (a wire ends with the interface at its end) is known to the next.
 */
#ifndef GINNEL_CONFIG_PLAN_H
#define GINNEL_CONFIG_PLAN_H

#include "config/rule.h"
#include "ctl/ctl.h"

/*
 * Steps as a list, for people ("op", "place", "value", "was") and for config_do() ("method", "params", "section", "name", "names"). The
 * caller owns it.
 */
json_t *config_plan(struct ctl *ctl, const struct config_rules *rules, const json_t *from, const json_t *to);

/* Runs one step. 0, or -1 with a sentence in error. */
int config_do(struct ctl *ctl, const struct config_rules *rules, const json_t *step, char error[512]);

#endif
