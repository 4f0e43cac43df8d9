/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/match.h"

#include "base/check.h"
#include "ctl/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum fit {
	FIT_NOT,
	FIT_FREE_TEXT,
	FIT_PREFIX,
	FIT_VALUE,
	FIT_EXACT,
};

void match_start(struct match *m, const struct ctl_row *rows, size_t n_rows, const char *cwd)
{
	*m = (struct match){.n_paths = n_rows, .cwd = cwd};
	m->paths = text_alloc(n_rows, sizeof(*m->paths));
	for (size_t i = 0; i < n_rows; i++) {
		m->paths[i].row = &rows[i];
		m->paths[i].place.frames[0].seq = &rows[i].grammar->seq;
		m->paths[i].args = json_object();
	}
}

static void free_paths(struct match_path *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(paths[i].args);
	free(paths);
}

void match_free(struct match *m)
{
	free_paths(m->paths, m->n_paths);
	*m = (struct match){0};
}

static void add_option(struct match_options *options, const struct match_path *path,
	const struct grammar_item *item, const struct match_place *next)
{
	options->items = text_grow(options->items, options->n + 1, sizeof(*options->items));
	options->items[options->n++] = (struct match_option){.path = path, .item = item, .next = *next};
}

static void options_at(
	struct match_options *options, const struct match_path *path, const struct match_place *place);

static void options_in_group(struct match_options *options, const struct match_path *path,
	const struct match_place *place, const struct grammar_item *group)
{
	for (size_t i = 0; i < group->n_alternatives; i++) {
		struct match_place inner = *place;

		inner.frames[++inner.depth] = (struct match_frame){.seq = &group->alternatives[i]};
		options_at(options, path, &inner);
	}
}

/* At a run of optional groups: each one that is still unused, or what follows the run. */
static void options_in_run(
	struct match_options *options, const struct match_path *path, const struct match_place *place)
{
	const struct match_frame *frame = &place->frames[place->depth];
	const struct grammar_seq *seq = frame->seq;
	struct match_place next;
	size_t i;

	for (i = frame->idx; i < seq->n_items && seq->items[i].optional; i++) {
		if (frame->used & 1ull << i)
			continue;
		next = *place;
		next.frames[next.depth].used |= 1ull << i;
		options_in_group(options, path, &next, &seq->items[i]);
	}
	next = *place;
	next.frames[next.depth].idx = i;
	options_at(options, path, &next);
}

/* The sequence is done: go on behind the group it stands in. */
static void options_behind(
	struct match_options *options, const struct match_path *path, const struct match_place *place)
{
	struct match_place outer = *place;

	if (place->depth == 0) {
		add_option(options, path, NULL, place);
		return;
	}
	outer.depth--;

	struct match_frame *frame = &outer.frames[outer.depth];

	if (!frame->seq->items[frame->idx].optional)
		frame->idx++;
	options_at(options, path, &outer);
}

static void options_at(
	struct match_options *options, const struct match_path *path, const struct match_place *place)
{
	const struct match_frame *frame = &place->frames[place->depth];
	const struct grammar_item *item;
	struct match_place next = *place;

	if (frame->idx == frame->seq->n_items) {
		options_behind(options, path, place);
		return;
	}
	item = &frame->seq->items[frame->idx];
	if (item->kind != GRAMMAR_GROUP) {
		next.frames[next.depth].idx++;
		add_option(options, path, item, &next);
	} else if (item->optional) {
		options_in_run(options, path, place);
	} else {
		options_in_group(options, path, place, item);
	}
}

void match_options_get(const struct match *m, struct match_options *options)
{
	*options = (struct match_options){0};
	for (size_t i = 0; i < m->n_paths; i++)
		options_at(options, &m->paths[i], &m->paths[i].place);
}

void match_options_after(const struct match_option *option, struct match_options *options)
{
	*options = (struct match_options){0};
	options_at(options, option->path, &option->next);
}

void match_options_free(struct match_options *options)
{
	for (size_t i = 0; i < options->n; i++)
		json_decref(options->items[i].value);
	free(options->items);
	*options = (struct match_options){0};
}

bool match_is_prefix(const char *word, const char *text)
{
	return *word && strncmp(word, text, strlen(word)) == 0;
}

static enum fit fit_of(const struct match *m, struct match_option *option, const char *word, const char *rest)
{
	const struct grammar_item *item = option->item;

	if (!item)
		return FIT_NOT;
	if (item->kind == GRAMMAR_WORD) {
		if (strcmp(word, item->text) == 0)
			return FIT_EXACT;
		return match_is_prefix(word, item->text) ? FIT_PREFIX : FIT_NOT;
	}
	option->value = value_parse(item->type, item->type->is_line ? rest : word, m->cwd);
	if (!option->value)
		return FIT_NOT;
	return item->type->free_form ? FIT_FREE_TEXT : FIT_VALUE;
}

/* "'create vhost'", or "the start" */
static void print_said(const struct match *m, FILE *out)
{
	if (m->n_words)
		fprintf(out, " after '%s'", m->said);
}

static bool option_seen_before(const struct match_options *options, size_t idx)
{
	const struct grammar_item *item = options->items[idx].item;

	for (size_t i = 0; i < idx; i++) {
		const struct grammar_item *other = options->items[i].item;

		if (!item || !other ? item == other
				    : item->kind == other->kind &&
					      strcmp(item->label ? item->label : item->text,
						      other->label ? other->label : other->text) == 0)
			return true;
	}
	return false;
}

/* "server, hwaddr, <number> or nothing more" */
static void print_expected(const struct match_options *options, const char *prefix, FILE *out)
{
	const char *comma = "";

	for (size_t i = 0; i < options->n; i++) {
		const struct grammar_item *item = options->items[i].item;

		if (!item || option_seen_before(options, i))
			continue;
		if (prefix && (item->kind != GRAMMAR_WORD || !match_is_prefix(prefix, item->text)))
			continue;
		fprintf(out, item->kind == GRAMMAR_WORD ? "%s%s" : "%s<%s>", comma,
			item->label ? item->label : item->text);
		comma = ", ";
	}
	if (!*comma)
		fputs("nothing more", out);
}

/* The one value that may stand here, NULL if there are several or words too. */
static const struct grammar_item *only_value(const struct match_options *options)
{
	const struct grammar_item *value = NULL;

	for (size_t i = 0; i < options->n; i++) {
		const struct grammar_item *item = options->items[i].item;

		if (!item)
			continue;
		if (item->kind != GRAMMAR_VALUE || (value && value->type != item->type))
			return NULL;
		value = item;
	}
	return value;
}

static void set_error(struct match *m, struct text_buf *b)
{
	char *text = text_buf_take(b);

	snprintf(m->error, sizeof(m->error), "%s", text);
	text_clean(m->error, false);
	free(text);
}

static void explain_unknown(struct match *m, const struct match_options *options, const char *word)
{
	const struct grammar_item *value = only_value(options);
	struct text_buf b;

	text_buf_open(&b);
	if (value) {
		value_explain(value->type, value->text, word, b.out);
	} else {
		fprintf(b.out, "unknown input '%.64s'", word);
		print_said(m, b.out);
		fputs(": expected ", b.out);
		print_expected(options, NULL, b.out);
	}
	set_error(m, &b);
}

static void explain_ambiguous(struct match *m, const struct match_options *options, const char *word)
{
	struct text_buf b;

	text_buf_open(&b);
	fprintf(b.out, "ambiguous '%.64s'", word);
	print_said(m, b.out);
	fputs(": could be ", b.out);
	print_expected(options, word, b.out);
	set_error(m, &b);
}

static void explain_incomplete(struct match *m, const struct match_options *options)
{
	struct text_buf b;

	text_buf_open(&b);
	fputs("incomplete: expected ", b.out);
	print_expected(options, NULL, b.out);
	print_said(m, b.out);
	set_error(m, &b);
}

/* Keeps the options of the best fit only; returns that fit. */
static enum fit keep_best(
	const struct match *m, struct match_options *options, const char *word, const char *rest)
{
	enum fit *fits = text_alloc(options->n, sizeof(*fits));
	enum fit best = FIT_NOT;
	size_t n = 0;

	for (size_t i = 0; i < options->n; i++) {
		fits[i] = fit_of(m, &options->items[i], word, rest);
		if (fits[i] > best)
			best = fits[i];
	}
	for (size_t i = 0; best != FIT_NOT && i < options->n; i++) {
		if (fits[i] == best)
			options->items[n++] = options->items[i];
		else
			json_decref(options->items[i].value);
	}
	if (best != FIT_NOT)
		options->n = n;
	free(fits);
	return best;
}

static bool words_differ(const struct match_options *options)
{
	for (size_t i = 1; i < options->n; i++)
		if (strcmp(options->items[0].item->text, options->items[i].item->text) != 0)
			return true;
	return false;
}

static void advance(struct match_path *to, const struct match_option *option)
{
	const struct grammar_item *item = option->item;

	to->row = option->path->row;
	to->place = option->next;
	to->args = json_copy(option->path->args);
	if (item->kind == GRAMMAR_VALUE)
		json_object_set(to->args, item->text, option->value);
	else if (item->choice_of)
		json_object_set_new(to->args, item->choice_of, json_string(item->text));
	else if (item->is_key)
		json_object_set_new(to->args, item->text, json_true());
}

static void say(struct match *m, const char *word)
{
	size_t len = strlen(m->said);

	snprintf(m->said + len, sizeof(m->said) - len, "%s%s", m->n_words ? " " : "", word);
	m->n_words++;
}

static void take_options(struct match *m, const struct match_options *options, const char *word)
{
	const struct grammar_item *first = options->items[0].item;
	struct match_path *paths = text_alloc(options->n, sizeof(*paths));

	for (size_t i = 0; i < options->n; i++)
		advance(&paths[i], &options->items[i]);
	m->line_is_all = first->kind == GRAMMAR_VALUE && first->type->is_line;
	free_paths(m->paths, m->n_paths);
	m->paths = paths;
	m->n_paths = options->n;
	say(m, first->kind == GRAMMAR_WORD ? first->text : word);
}

int match_step(struct match *m, const char *word, const char *rest)
{
	struct match_options options;
	int err = 0;

	match_options_get(m, &options);

	enum fit fit = keep_best(m, &options, word, rest);

	if (fit == FIT_NOT) {
		explain_unknown(m, &options, word);
		err = -EINVAL;
	} else if (fit == FIT_PREFIX && words_differ(&options)) {
		explain_ambiguous(m, &options, word);
		err = -EINVAL;
	} else {
		take_options(m, &options, word);
	}
	match_options_free(&options);
	return err;
}

const struct match_path *match_end(struct match *m)
{
	const struct match_path *path = NULL;
	struct match_options options;

	match_options_get(m, &options);
	for (size_t i = 0; i < options.n && !path; i++)
		if (!options.items[i].item)
			path = options.items[i].path;
	if (!path)
		explain_incomplete(m, &options);
	match_options_free(&options);
	return path;
}
