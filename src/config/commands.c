/* SPDX-License-Identifier: Apache-2.0 */
#include "config/plan.h"
#include "config/private.h"
#include "config/wanted.h"
#include "config/yaml_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIRM_S_MAX 86400

/* --- as text --- */

static char *yaml_text(const struct config *c)
{
	json_t *file = config_unwanted(c->rules, c->tree);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		if (json_object_size(file) > 0)
			yaml_dump(file, out);
		fclose(out);
	}
	json_decref(file);
	return text;
}

static void print_value(const json_t *value, FILE *out)
{
	if (json_is_string(value))
		fputs(json_string_value(value), out);
	else if (value)
		json_dumpf(value, out, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void print_steps(const json_t *result, FILE *out)
{
	const json_t *steps = json_object_get(result, "changes"), *step;
	const json_t *confirm = json_object_get(result, "confirm");
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)steps, i, step) {
		const json_t *value = json_object_get(step, "value"), *was = json_object_get(step, "was");
		bool says = value && !(json_is_object(value) && json_object_size(value) == 0);

		fprintf(out, "%s %s%s", json_string_value(json_object_get(step, "op")),
			json_string_value(json_object_get(step, "place")), says ? ": " : "");
		if (says)
			print_value(value, out);
		if (was) {
			fputs(", was ", out);
			print_value(was, out);
		}
		fputc('\n', out);
	}
	if (json_array_size(steps) == 0)
		fputs("no changes\n", out);
	if (confirm)
		fprintf(out, "goes back in %" JSON_INTEGER_FORMAT " s unless: config confirm\n",
			json_integer_value(confirm));
}

/* steps are taken over. */
static json_t *steps_json(json_t *steps, bool applied)
{
	return json_pack("{s:o, s:b}", "changes", steps, "applied", applied);
}

/* --- commands --- */

static int run_show(struct ctl_call *call)
{
	const struct config *c = call->subject;

	call->result = config_unwanted(c->rules, c->tree);
	return 0;
}

static void print_show(const json_t *result, FILE *out)
{
	if (json_object_size(result) > 0)
		yaml_dump(result, out);
}

static json_t *wanted(struct ctl_call *call)
{
	struct config *c = call->subject;
	char error[512];
	json_t *tree = config_wanted(c->ctl, c->rules, ctl_str(call, "file", ""), error);

	if (!tree)
		ctl_fail(call, "%s", error);
	return tree;
}

static int run_diff(struct ctl_call *call)
{
	struct config *c = call->subject;
	json_t *tree = wanted(call);

	if (!tree)
		return -1;
	call->result = steps_json(config_plan(c->ctl, c->rules, c->tree, tree), false);
	json_decref(tree);
	return 0;
}

static int apply(struct ctl_call *call, const json_t *tree)
{
	struct config *c = call->subject;
	uint64_t confirm = ctl_u64(call, "seconds", 0);
	json_t *steps = NULL;
	char error[512];

	if (config_apply(c, tree, &steps, error) != 0) {
		json_decref(steps);
		return ctl_fail(call, "nothing is changed: %s", error);
	}
	free(c->path);
	c->path = strdup(ctl_str(call, "file", ""));
	call->result = steps_json(steps, true);
	if (confirm > 0 && json_array_size(steps) > 0) {
		config_confirm_within(c, confirm);
		json_object_set_new(call->result, "confirm", json_integer((json_int_t)confirm));
	}
	return 0;
}

static int run_apply(struct ctl_call *call)
{
	uint64_t confirm = ctl_u64(call, "seconds", 1);
	json_t *tree;
	int err;

	if (ctl_has(call, "dry-run"))
		return run_diff(call);
	if (confirm == 0 || confirm > CONFIRM_S_MAX)
		return ctl_fail(call, "the time to confirm is 1 to %d seconds", CONFIRM_S_MAX);
	tree = wanted(call);
	if (!tree)
		return -1;
	err = apply(call, tree);
	json_decref(tree);
	return err;
}

static int run_confirm(struct ctl_call *call)
{
	if (config_confirm(call->subject))
		return 0;
	return ctl_fail(call, "nothing waits to be confirmed");
}

static int run_rollback(struct ctl_call *call)
{
	json_t *steps = NULL;
	char error[512];

	if (config_rollback(call->subject, (size_t)ctl_u64(call, "steps", 1), &steps, error) != 0) {
		json_decref(steps);
		return ctl_fail(call, "nothing is changed: %s", error);
	}
	call->result = steps_json(steps, true);
	return 0;
}

/* Never half a file: another one takes its place. */
static int write_file(const char *path, const char *text)
{
	char *temporary;
	FILE *out;
	int err = 0;

	if (asprintf(&temporary, "%s.new", path) < 0)
		return -ENOMEM;
	out = fopen(temporary, "we");
	if (!out) {
		err = -errno;
		goto free_name;
	}
	if (fputs(text, out) < 0 || fflush(out) != 0 || fsync(fileno(out)) != 0)
		err = -errno;
	fclose(out);
	if (err == 0 && rename(temporary, path) != 0)
		err = -errno;
	if (err)
		unlink(temporary);
free_name:
	free(temporary);
	return err;
}

static int run_save(struct ctl_call *call)
{
	struct config *c = call->subject;
	const char *path = ctl_str(call, "file", c->path);
	char *text;
	int err;

	if (!path)
		return ctl_fail(call, "no file was applied yet: say which one to write");
	text = yaml_text(c);
	err = text ? write_file(path, text) : -ENOMEM;
	free(text);
	if (err)
		return ctl_fail(call, "%s: %s", path, strerror(-err));
	call->result = json_string(path);
	return 0;
}

static const struct ctl_command commands[] = {
	{"config show", "What runs, as a configuration file", run_show, print_show},
	{"config diff <file:path>", "What a configuration file would change", run_diff, print_steps},
	{"config apply <file:path> [dry-run] [confirm <seconds:u32>]",
		"Let a configuration file be true; with confirm it goes back after so many seconds",
		run_apply, print_steps},
	{"config confirm", "Keep what was applied with confirm", run_confirm, NULL},
	{"config rollback [<steps:u32>]", "Go back to what was before the last files that were applied",
		run_rollback, print_steps},
	{"config save [<file:path>]",
		"Write what runs into a configuration file, the one applied last if none is named", run_save,
		NULL},
	{0},
};

const struct ctl_table config_commands = {commands};
