/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/params.h"

#include "ctl/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct filler {
	const json_t *params;
	json_t *args; /* what was taken so far */
	bool names;   /* stay names */
	char *error;
};

static bool fill_seq(struct filler *f, const struct grammar_seq *seq);

static bool __attribute__((format(printf, 2, 3))) refuse(struct filler *f, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	vsnprintf(f->error, 512, fmt, list);
	va_end(list);
	text_clean(f->error, false);
	return false;
}

/* The parameter, unless it is absent or was taken already. */
static const json_t *given(const struct filler *f, const char *name)
{
	const json_t *value = json_object_get(f->params, name);

	return json_is_null(value) || json_object_get(f->args, name) ? NULL : value;
}

static bool seq_is_mentioned(const struct filler *f, const struct grammar_seq *seq)
{
	for (size_t i = 0; i < seq->n_items; i++) {
		const struct grammar_item *item = &seq->items[i];

		if (item->kind == GRAMMAR_VALUE && given(f, item->text))
			return true;
		if (item->is_key && json_is_true(given(f, item->text)))
			return true;
		if (item->choice_of && given(f, item->choice_of))
			return true;
		for (size_t k = 0; k < item->n_alternatives; k++)
			if (seq_is_mentioned(f, &item->alternatives[k]))
				return true;
	}
	return false;
}

static bool fill_word(struct filler *f, const struct grammar_item *item)
{
	const json_t *value;

	if (item->choice_of) {
		value = given(f, item->choice_of);
		if (!json_is_string(value) || strcmp(json_string_value(value), item->text) != 0)
			return refuse(f, "'%s' is none of the words that are possible", item->choice_of);
		json_object_set_new(f->args, item->choice_of, json_string(item->text));
	} else if (item->is_key) {
		json_object_set_new(f->args, item->text, json_true());
	}
	return true;
}

static bool fill_value(struct filler *f, const struct grammar_item *item)
{
	const json_t *given_value = given(f, item->text);
	json_t *value = NULL;
	struct text_buf b;
	char *text;

	if (!given_value)
		return refuse(f, "parameter '%s' is missing", item->text);
	text = value_to_text(item->type, given_value);
	if (text && f->names && item->type->row->name_of)
		value = json_string(text);
	else if (text)
		value = value_parse(item->type, text, NULL);
	if (value) {
		free(text);
		json_object_set_new(f->args, item->text, value);
		return true;
	}
	text_buf_open(&b);
	if (text)
		value_explain(item->type, item->text, text, b.out);
	else
		fprintf(b.out, "parameter '%s' is not %s", item->text, item->type->row->help);
	free(text);
	text = text_buf_take(&b);
	refuse(f, "%s", text);
	free(text);
	return false;
}

static bool fill_group(struct filler *f, const struct grammar_item *group)
{
	bool mentioned = false;

	for (size_t i = 0; i < group->n_alternatives; i++) {
		struct filler attempt = *f;

		if (!seq_is_mentioned(f, &group->alternatives[i]))
			continue;
		mentioned = true;
		attempt.args = json_copy(f->args);
		if (fill_seq(&attempt, &group->alternatives[i])) {
			json_decref(f->args);
			f->args = attempt.args;
			return true;
		}
		json_decref(attempt.args);
	}
	if (mentioned)
		return false;
	if (group->optional)
		return true;
	if (group->text)
		return refuse(f, "parameter '%s' is missing", group->text);
	return refuse(f, "one of the parameters of a choice is missing");
}

static bool fill_seq(struct filler *f, const struct grammar_seq *seq)
{
	for (size_t i = 0; i < seq->n_items; i++) {
		const struct grammar_item *item = &seq->items[i];
		bool ok = item->kind == GRAMMAR_WORD    ? fill_word(f, item)
			  : item->kind == GRAMMAR_VALUE ? fill_value(f, item)
							: fill_group(f, item);

		if (!ok)
			return false;
	}
	return true;
}

/* Whatever was given must have found its place. */
static bool check_rest(struct filler *f)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)f->params, name, value)
		if (!json_is_null(value) && !json_is_false(value) && !json_object_get(f->args, name))
			return refuse(f, "parameter '%.64s' is unknown or does not go with the others", name);
	return true;
}

static int take_all(struct filler *f, const struct grammar *grammar, json_t **args)
{
	f->args = json_object();
	if (!fill_seq(f, &grammar->seq) || !check_rest(f)) {
		json_decref(f->args);
		return -EINVAL;
	}
	*args = f->args;
	return 0;
}

int params_to_args(const struct grammar *grammar, const json_t *params, json_t **args, char error[512])
{
	return take_all(&(struct filler){.params = params, .error = error}, grammar, args);
}

int params_to_said(const struct grammar *grammar, const json_t *params, json_t **said, char error[512])
{
	return take_all(&(struct filler){.params = params, .names = true, .error = error}, grammar, said);
}

static void say_names(json_t *said, const json_t *args, const struct grammar_seq *seq)
{
	for (size_t i = 0; i < seq->n_items; i++) {
		const struct grammar_item *item = &seq->items[i];
		const struct ctl_type *type = item->kind == GRAMMAR_VALUE ? item->type->row : NULL;
		const json_t *value = type && type->name_of ? json_object_get(args, item->text) : NULL;
		const char *name = value ? type->name_of(item->type->subject, value) : NULL;

		if (name)
			json_object_set_new(said, item->text, json_string(name));
		for (size_t k = 0; k < item->n_alternatives; k++)
			say_names(said, args, &item->alternatives[k]);
	}
}

json_t *params_said(const struct grammar *grammar, const json_t *args)
{
	json_t *said = json_copy((json_t *)(uintptr_t)args);

	say_names(said, args, &grammar->seq);
	return said;
}

static const char *json_type_of(const struct value_type *type)
{
	if (type->max)
		return "integer";
	return strcmp(type->row->name, "onoff") == 0 ? "boolean" : "string";
}

static bool described_before(const json_t *list, const char *name)
{
	size_t i;
	json_t *param;

	json_array_foreach (list, i, param)
		if (strcmp(json_string_value(json_object_get(param, "name")), name) == 0)
			return true;
	return false;
}

static void describe(json_t *list, const char *name, bool required, const char *type, const char *help)
{
	if (!described_before(list, name))
		json_array_append_new(list, json_pack("{s:s, s:b, s:{s:s}, s:s}", "name", name, "required",
						    required, "schema", "type", type, "description", help));
}

static void describe_choice(json_t *list, const struct grammar_item *group, bool required)
{
	json_t *words = json_array();

	for (size_t i = 0; i < group->n_alternatives; i++)
		json_array_append_new(words, json_string(group->alternatives[i].items[0].text));
	json_array_append_new(
		list, json_pack("{s:s, s:b, s:{s:s, s:o}, s:s}", "name", group->text, "required", required,
			      "schema", "type", "string", "enum", words, "description", "one of the words"));
}

static void describe_seq(json_t *list, const struct grammar_seq *seq, bool required)
{
	for (size_t i = 0; i < seq->n_items; i++) {
		const struct grammar_item *item = &seq->items[i];

		if (item->kind == GRAMMAR_VALUE)
			describe(list, item->text, required, json_type_of(item->type), item->type->row->help);
		else if (item->is_key)
			describe(list, item->text, false, "boolean", "true if wanted");
		else if (item->kind == GRAMMAR_GROUP && item->text)
			describe_choice(list, item, required);
		else
			for (size_t k = 0; k < item->n_alternatives; k++)
				describe_seq(list, &item->alternatives[k], false);
	}
}

json_t *params_describe(const struct grammar *grammar)
{
	json_t *list = json_array();

	describe_seq(list, &grammar->seq, true);
	return list;
}
