/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the configuration that runs, as one tree, and files that say what it should be.
 *
 *	commands of users --> tree (config/note.h)          what runs
 *	file (YAML)       --> tree (config/wanted.h)        what is wanted, checked
 *	                      both --> plan (config/plan.h) --> commands, run as if a user had typed them
 *
 * So there is one way to change anything, the command, and the tree is always what commands made of it: it can be shown
 * and saved, and applying a file touches only what differs.
 *
 * A file with a mistake changes nothing. If a command of a plan fails, what was done of it is undone. Applied with a time
 * to confirm, a configuration goes back to what was before unless somebody confirms it in that time.
 *
 * All of it belongs to the control thread.
 */
#ifndef GINNEL_CONFIG_CONFIG_H
#define GINNEL_CONFIG_CONFIG_H

#include "config/rule.h"
#include "ctl/ctl.h"
#include "os/loop.h"

struct config;

/* The rules must outlive it. 0 or -ENOMEM. */
int config_create(struct config **out, struct loop *loop, struct ctl *ctl, const struct config_rules *rules);
/* All commands are in their places: observes them from now on. A rule that speaks of none of them ends the program. */
void config_start(struct config *config);
void config_destroy(struct config *config);

/* 0, or -1 with FILE:LINE: what is wrong in error; then everything is as it was. */
int config_apply_file(struct config *config, const char *path, char error[512]);

/* For a successor process. NULL is restored as: nothing is known. */
json_t *config_save(const struct config *config);
void config_restore(struct config *config, const json_t *state);

extern const struct ctl_table config_commands; /* subject: struct config */

#endif
