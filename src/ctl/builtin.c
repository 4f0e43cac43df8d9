/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_private.h"

#include "base/check.h"
#include "ctl/text.h"
#include "ctl/token.h"

#include <stdlib.h>
#include <string.h>

#define SYNOPSIS_COLUMN 44

static const char *member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void print_two_columns(const json_t *commands, FILE *out)
{
	size_t i;
	json_t *command;

	json_array_foreach (commands, i, command) {
		const char *synopsis = member(command, "command");

		if (strlen(synopsis) > SYNOPSIS_COLUMN)
			fprintf(out, "  %s\n  %-*s  %s\n", synopsis, SYNOPSIS_COLUMN, "",
				member(command, "help"));
		else
			fprintf(out, "  %-*s  %s\n", SYNOPSIS_COLUMN, synopsis, member(command, "help"));
	}
}

static void print_one_command(const json_t *command, FILE *out)
{
	size_t i;
	json_t *param;

	fprintf(out, "%s\n  %s\n", member(command, "command"), member(command, "help"));
	json_array_foreach (json_object_get(command, "params"), i, param) {
		const json_t *schema = json_object_get(param, "schema");

		if (strcmp(member(schema, "type"), "boolean") != 0 && !json_object_get(schema, "enum"))
			fprintf(out, "  %-20s  %s\n", member(param, "name"), member(param, "description"));
	}
}

void builtin_print_commands(const json_t *commands, FILE *out)
{
	if (json_array_size(commands) == 1)
		print_one_command(json_array_get(commands, 0), out);
	else
		print_two_columns(commands, out);
}

/* The rows that a line may still become, in the order of the tables. */
static json_t *describe_paths(const struct match *m)
{
	const struct ctl_row *last = NULL;
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_paths; i++) {
		if (m->paths[i].row != last)
			json_array_append_new(list, ctl_row_describe(m->paths[i].row));
		last = m->paths[i].row;
	}
	return list;
}

static int run_help(struct ctl_call *call)
{
	struct ctl *ctl = call->subject;
	struct tokens t;
	struct match m;
	int err = 0;

	tokens_split(&t, ctl_str(call, "words", ""));
	match_start(&m, ctl->rows, ctl->n_rows, NULL);
	for (size_t i = 0; i < t.n && !err; i++)
		err = match_step(&m, t.items[i].text, t.items[i].text);
	if (err)
		err = ctl_fail(call, "%s", m.error);
	else
		call->result = describe_paths(&m);
	match_free(&m);
	tokens_free(&t);
	return err;
}

static int run_show_commands(struct ctl_call *call)
{
	struct ctl *ctl = call->subject;

	call->result = json_array();
	for (size_t i = 0; i < ctl->n_rows; i++)
		json_array_append_new(call->result, ctl_row_describe(&ctl->rows[i]));
	return 0;
}

static int run_exec(struct ctl_call *call)
{
	struct text_buf b;
	char error[512];
	char *output;
	int err;

	text_buf_open(&b);
	err = ctl_exec_regular(call->subject, ctl_str(call, "file", ""), b.out, error);
	output = text_buf_take(&b);
	if (err)
		err = ctl_fail(call, "%s", error);
	else if (*output)
		call->result = text_to_json(output);
	free(output);
	return err;
}

static const struct ctl_command builtin_commands[] = {
	{"help [<words:line>]", "What commands there are, or those that begin with some words", run_help,
		builtin_print_commands},
	{"show commands", "All commands with their parameters", run_show_commands, builtin_print_commands},
	{"exec <file:path>", "Run the lines of a file, up to the first that fails", run_exec, NULL},
	{0},
};

const struct ctl_table builtin_table = {.commands = builtin_commands};
