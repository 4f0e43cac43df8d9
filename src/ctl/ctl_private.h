/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_private - what the files behind ctl/ctl.h share. */
#ifndef GINNEL_CTL_CTL_PRIVATE_H
#define GINNEL_CTL_CTL_PRIVATE_H

#include "ctl/ctl.h"
#include "ctl/match.h"

#define CTL_EXEC_DEPTH_MAX 8

struct ctl {
	struct value_types types;
	struct ctl_row *rows;
	size_t n_rows;
	unsigned exec_depth; /* files that run files */
	const char *cwd;     /* of the line that runs now */
	ctl_observer *observer;
	void *observer_arg;
	const struct ctl_asker *asker; /* of the next command: a handler's own lines have none */
};

extern const struct ctl_table builtin_table; /* subject: the ctl */

/* One row as JSON: command, method, help, params. */
json_t *ctl_row_describe(const struct ctl_row *row);

/* Prints commands with their help in two columns, or one command with its values. */
void builtin_print_commands(const json_t *commands, FILE *out);

/* As ctl_exec_file(), for a user's exec: never waits for a pipe. */
int ctl_exec_regular(struct ctl *ctl, const char *path, FILE *out, char error[512]);

#endif
