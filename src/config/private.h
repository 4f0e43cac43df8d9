/* SPDX-License-Identifier: Apache-2.0 */
/* private - what the files of config/ share. */
#ifndef GINNEL_CONFIG_PRIVATE_H
#define GINNEL_CONFIG_PRIVATE_H

#include "config/config.h"

#define CONFIG_HISTORY_MAX 16

struct config {
	struct loop *loop;
	struct ctl *ctl;
	const struct config_rules *rules;
	json_t *tree;
	json_t *history;           /* trees before each change of a file, the newest last */
	struct loop_timer confirm; /* set: the newest of them comes back then */
	char *path;                /* of the file applied last; NULL: none */
};

/*
 * Leads to the wanted tree; what was before goes into the history. *steps is the plan, the caller's. 0, or -1 with a
 * sentence in error: everything is as it was, or the sentence says what is not.
 */
int config_apply(struct config *config, const json_t *wanted, json_t **steps, char error[512]);
/* The same to a tree of the history, 1 is the newest; it and the newer ones leave it. */
int config_rollback(struct config *config, size_t steps_back, json_t **steps, char error[512]);
void config_confirm_within(struct config *config, uint64_t seconds);
/* False: nothing waits for it. */
bool config_confirm(struct config *config);

#endif
