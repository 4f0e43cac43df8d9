/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl - all commands of a program: the tables, the types of their values, and the ways to run a command.
 *
 * A line goes through ctl/token, ctl/match and a handler; a method with named parameters through ctl/params
 * and the same handler. Both end in an answer, which can be read as JSON or as text. Everything here belongs
 * to the control thread. A mistake in a table ends the program at start with the row and the column.
 */
#ifndef GINNEL_CTL_CTL_H
#define GINNEL_CTL_CTL_H

#include "ctl/command.h"

struct ctl;

/* With the commands that every program has: help, exec, show commands. 0 or -errno. */
int ctl_create(struct ctl **out);
void ctl_destroy(struct ctl *ctl);

/* Types first: a table may only use types that are known. The subject is handed to parse() and each(). */
void ctl_add_type(struct ctl *ctl, const struct ctl_type *type, void *subject);
void ctl_add_table(struct ctl *ctl, const struct ctl_table *table, void *subject);

enum ctl_status {
	CTL_DONE,
	CTL_FAILED,         /* the handler said no */
	CTL_NOT_UNDERSTOOD, /* no handler was called */
	CTL_NO_METHOD,      /* there is no such method */
	CTL_LATER,          /* the handler has begun; the answer comes to who asks by itself */
};

struct ctl_answer {
	enum ctl_status status;
	json_t *result;                    /* NULL: nothing to say */
	const struct ctl_command *command; /* NULL: none was called */
	char error[512];
};

/*
 * Runs one line; an empty one is done. A line that ends in the word ? answers what may come at that place.
 * Relative paths are taken from cwd unless it is NULL. The answer must be freed.
 */
void ctl_run_line(struct ctl *ctl, const char *line, const char *cwd, struct ctl_answer *answer);
/* params is an object or NULL, borrowed. */
void ctl_run_method(struct ctl *ctl, const char *method, const json_t *params, struct ctl_answer *answer);

/*
 * The same without running it. *said is what the handler would get, but names stay names (struct ctl_type) and need not
 * exist yet; the caller owns it. 0, -ENOENT (no such method) or -EINVAL, with a sentence in error.
 */
int ctl_check_method(
	struct ctl *ctl, const char *method, const json_t *params, json_t **said, char error[512]);

/* Told of each command that was run and did what it should. said: see ctl_check_method(); result may be NULL. */
typedef void ctl_observer(void *arg, const char *method, const json_t *said, const json_t *result);

/* There is one at most. */
void ctl_observe(struct ctl *ctl, ctl_observer *observer, void *arg);

void ctl_answer_print(const struct ctl_answer *answer, FILE *out);
void ctl_answer_free(struct ctl_answer *answer);

/*
 * Runs the lines of a file, answers go to out unless that is NULL. The first line that fails ends it: -1 with
 * FILE:LINE: what is wrong in error.
 */
int ctl_exec_file(struct ctl *ctl, const char *path, FILE *out, char error[512]);

/* A manual page (mdoc, section 7) of all commands. */
void ctl_print_man(const struct ctl *ctl, FILE *out);

/* Of that, the list of commands alone, for a page of another program. */
void ctl_print_man_commands(const struct ctl *ctl, FILE *out);

#endif
