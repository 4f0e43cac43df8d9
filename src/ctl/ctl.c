/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include "base/check.h"
#include "ctl/complete.h"
#include "ctl/ctl_private.h"
#include "ctl/later.h"
#include "ctl/params.h"
#include "ctl/text.h"
#include "ctl/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ctl_create(struct ctl **out)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));

	if (!ctl)
		return -ENOMEM;
	value_types_init(&ctl->types);
	ctl_add_table(ctl, &builtin_table, ctl);
	*out = ctl;
	return 0;
}

void ctl_destroy(struct ctl *ctl)
{
	if (!ctl)
		return;
	for (size_t i = 0; i < ctl->n_rows; i++)
		grammar_free(ctl->rows[i].grammar);
	free(ctl->rows);
	free(ctl);
}

void ctl_add_type(struct ctl *ctl, const struct ctl_type *type, void *subject)
{
	value_types_add(&ctl->types, type, subject);
}

static const struct ctl_row *row_of_method(const struct ctl *ctl, const char *method)
{
	for (size_t i = 0; i < ctl->n_rows; i++)
		if (strcmp(ctl->rows[i].grammar->method, method) == 0)
			return &ctl->rows[i];
	return NULL;
}

static void add_row(struct ctl *ctl, const struct ctl_command *command, void *subject)
{
	struct grammar_error error;
	struct grammar *grammar = grammar_parse(command->grammar, &ctl->types, &error);

	if (!grammar)
		check_failed(error.text, command->grammar, (int)error.at + 1);
	if (row_of_method(ctl, grammar->method))
		check_failed("another row begins with the same words", command->grammar, 1);
	if (!command->help || !command->run)
		check_failed("a row needs a help line and a handler", command->grammar, 1);
	ctl->rows = text_grow(ctl->rows, ctl->n_rows + 1, sizeof(*ctl->rows));
	ctl->rows[ctl->n_rows++] = (struct ctl_row){command, subject, grammar};
}

void ctl_add_table(struct ctl *ctl, const struct ctl_table *table, void *subject)
{
	for (const struct ctl_command *command = table->commands; command->grammar; command++)
		add_row(ctl, command, subject);
}

void ctl_observe(struct ctl *ctl, ctl_observer *observer, void *arg)
{
	ctl->observer = observer;
	ctl->observer_arg = arg;
}

/* args are taken over. */
static void run_row(struct ctl *ctl, const struct ctl_row *row, json_t *args, struct ctl_answer *answer)
{
	struct ctl_call call = {.subject = row->subject, .args = args, .asker = ctl->asker};
	/* before: afterwards what was named may be gone */
	json_t *said = ctl->observer ? params_said(row->grammar, args) : NULL;
	int err;

	ctl->asker = NULL;
	err = row->command->run(&call);
	answer->command = row->command;
	if (said && !err && !call.later)
		ctl->observer(ctl->observer_arg, row->grammar->method, said, call.result);
	json_decref(said);
	if (err) {
		answer->status = CTL_FAILED;
		snprintf(answer->error, sizeof(answer->error), "%s", call.error[0] ? call.error : "failed");
		json_decref(call.result);
		if (call.later)
			later_drop(call.later);
	} else if (call.later) {
		answer->status = CTL_LATER;
		later_began(call.later, row->command);
	} else {
		answer->status = CTL_DONE;
		answer->result = call.result;
	}
	json_decref(args);
}

static void not_understood(struct ctl_answer *answer, const char *why)
{
	answer->status = CTL_NOT_UNDERSTOOD;
	snprintf(answer->error, sizeof(answer->error), "%s", why);
}

static void run_tokens(struct ctl *ctl, const struct tokens *t, const char *line, struct ctl_answer *answer)
{
	const struct match_path *path;
	struct match m;
	int err = 0;

	match_start(&m, ctl->rows, ctl->n_rows, ctl->cwd);
	for (size_t i = 0; i < t->n && !err && !m.line_is_all; i++) {
		char *rest = text_copy(line + t->items[i].start, t->end - t->items[i].start);

		err = match_step(&m, t->items[i].text, rest);
		free(rest);
	}
	path = err ? NULL : match_end(&m);
	if (path)
		run_row(ctl, path->row, json_incref(path->args), answer);
	else
		not_understood(answer, m.error);
	match_free(&m);
}

/* The line ends in a ? of its own. */
static void run_question(struct ctl *ctl, const char *line, size_t question_start, struct ctl_answer *answer)
{
	char *before = text_copy(line, question_start);

	answer->result = ctl_complete(ctl, before, ctl->cwd);
	answer->command = ctl_complete_command();
	free(before);
}

void ctl_run_line(struct ctl *ctl, const char *line, const char *cwd, struct ctl_answer *answer)
{
	const char *outer_cwd = ctl->cwd;
	struct tokens t;
	int err = tokens_split(&t, line);

	*answer = (struct ctl_answer){.status = CTL_DONE};
	ctl->cwd = cwd;
	if (err == -E2BIG)
		not_understood(answer, "the line has too many words");
	else if (err)
		not_understood(answer, "a double quote is not closed");
	else if (t.n > 0 && strcmp(t.items[t.n - 1].text, "?") == 0 && !t.items[t.n - 1].quoted)
		run_question(ctl, line, t.items[t.n - 1].start, answer);
	else if (t.n > 0)
		run_tokens(ctl, &t, line, answer);
	ctl->cwd = outer_cwd;
	tokens_free(&t);
}

void ctl_run_method(struct ctl *ctl, const char *method, const json_t *params, struct ctl_answer *answer)
{
	const struct ctl_row *row = row_of_method(ctl, method);
	json_t *args;

	*answer = (struct ctl_answer){.status = CTL_NO_METHOD};
	if (!row)
		snprintf(answer->error, sizeof(answer->error), "there is no such method, see rpc.discover");
	else if (params_to_args(row->grammar, params, &args, answer->error))
		answer->status = CTL_NOT_UNDERSTOOD;
	else
		run_row(ctl, row, args, answer);
}

int ctl_check_method(
	struct ctl *ctl, const char *method, const json_t *params, json_t **said, char error[512])
{
	const struct ctl_row *row = row_of_method(ctl, method);

	if (!row) {
		snprintf(error, 512, "there is no such command");
		return -ENOENT;
	}
	return params_to_said(row->grammar, params, said, error);
}

void ctl_answer_print(const struct ctl_answer *answer, FILE *out)
{
	const json_t *result = answer->result;

	if (!result)
		return;
	if (answer->command->print) {
		answer->command->print(result, out);
	} else if (json_is_string(result)) {
		const char *text = json_string_value(result);
		size_t len = json_string_length(result);

		fprintf(out, "%s%s", text, len && text[len - 1] == '\n' ? "" : "\n");
	} else {
		json_dumpf(result, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
		fputc('\n', out);
	}
}

void ctl_answer_free(struct ctl_answer *answer)
{
	json_decref(answer->result);
	answer->result = NULL;
}

json_t *ctl_row_describe(const struct ctl_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "command", row->grammar->synopsis, "method",
		row->grammar->method, "help", row->command->help, "params", params_describe(row->grammar));
}
