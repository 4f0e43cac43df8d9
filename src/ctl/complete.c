/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/complete.h"

#include "base/check.h"
#include "ctl/ctl_private.h"
#include "ctl/text.h"
#include "ctl/token.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define HELP_LEN    60
#define PATHS_MAX   500
#define HELP_COLUMN 24

struct completion {
	json_t *candidates;
	const char *partial; /* the word that is being typed, maybe empty */
	const char *cwd;
};

static void add_text(struct completion *c, const char *text, const char *help, bool more)
{
	char *quoted = token_quote(text);
	json_t *candidate = json_pack("{s:s, s:s}", "text", quoted, "help", help);

	if (candidate && more)
		json_object_set_new(candidate, "more", json_true());
	if (candidate)
		json_array_append_new(c->candidates, candidate);
	free(quoted);
}

static void add_hint(struct completion *c, const char *label, const char *help)
{
	json_array_append_new(
		c->candidates, json_pack("{s:o, s:s}", "hint", json_sprintf("<%s>", label), "help", help));
}

/* "bridge-domain, interface, ...": the words that may follow any of the options that are this word. */
static void print_following(const struct match_options *options, const char *word, FILE *out)
{
	json_t *seen = json_object();

	for (size_t i = 0; i < options->n; i++) {
		const struct grammar_item *item = options->items[i].item;
		struct match_options after;

		if (!item || item->kind != GRAMMAR_WORD || strcmp(item->text, word) != 0)
			continue;
		match_options_after(&options->items[i], &after);
		for (size_t k = 0; k < after.n; k++) {
			const struct grammar_item *next = after.items[k].item;

			if (!next || next->kind != GRAMMAR_WORD || json_object_get(seen, next->text))
				continue;
			fprintf(out, "%s%s", json_object_size(seen) ? ", " : "", next->text);
			json_object_set_new(seen, next->text, json_true());
		}
		match_options_free(&after);
	}
	json_decref(seen);
}

/* A word of one row tells what follows it or what the command does; one of several rows, their words. */
static char *help_of_word(const struct match_options *options, const char *word)
{
	const struct match_option *only = NULL;
	bool several = false;
	struct text_buf b;

	for (size_t i = 0; i < options->n; i++) {
		const struct match_option *option = &options->items[i];

		if (!option->item || option->item->kind != GRAMMAR_WORD ||
			strcmp(option->item->text, word) != 0)
			continue;
		several = several || (only && only->path->row != option->path->row);
		only = option;
	}
	ASSERT(only);
	text_buf_open(&b);

	const struct match_frame *frame = &only->next.frames[only->next.depth];

	if (several)
		print_following(options, word, b.out);
	else if (only->next.depth == 0)
		fputs(only->path->row->command->help, b.out);
	else if (frame->seq->n_items > frame->idx)
		grammar_print_seq(frame->seq, frame->idx - 1, b.out);
	return text_buf_take(&b);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_words(struct completion *c, const struct match_options *options)
{
	const char **words = text_alloc(options->n, sizeof(*words));
	size_t n = 0;

	for (size_t i = 0; i < options->n; i++) {
		const struct grammar_item *item = options->items[i].item;

		if (item && item->kind == GRAMMAR_WORD &&
			strncmp(item->text, c->partial, strlen(c->partial)) == 0)
			words[n++] = item->text;
	}
	qsort(words, n, sizeof(*words), compare_words);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(words[i], words[i - 1]) == 0)
			continue;

		char *help = help_of_word(options, words[i]);

		if (strlen(help) > HELP_LEN)
			memcpy(help + HELP_LEN - 3, "...", 4);
		add_text(c, words[i], help, false);
		free(help);
	}
	free(words);
}

struct value_words {
	struct completion *completion;
	const char *help;
};

static void add_value_word(void *arg, const char *text)
{
	struct value_words *w = arg;

	if (strncmp(text, w->completion->partial, strlen(w->completion->partial)) == 0)
		add_text(w->completion, text, w->help, false);
}

static void add_path(struct completion *c, const struct dirent *entry, const char *partial_dir)
{
	bool is_dir = entry->d_type == DT_DIR;
	char *path = NULL;

	if (asprintf(&path, "%s%s%s", partial_dir, entry->d_name, is_dir ? "/" : "") < 0)
		return;
	add_text(c, path, is_dir ? "a directory" : "", is_dir);
	free(path);
}

/* Files that begin with what was typed; hidden ones only when a dot was typed. */
static void add_paths(struct completion *c)
{
	const char *slash = strrchr(c->partial, '/');
	size_t dir_len = slash ? (size_t)(slash - c->partial) + 1 : 0;
	const char *name = c->partial + dir_len;
	char *dir = text_copy(c->partial, dir_len);
	char *full = NULL;
	const struct dirent *entry;
	DIR *d;

	if (asprintf(&full, "%s%s%s", *dir == '/' || !c->cwd ? "" : c->cwd, *dir == '/' || !c->cwd ? "" : "/",
		    *dir ? dir : "./") < 0)
		full = NULL;
	d = full ? opendir(full) : NULL;
	while (d && (entry = readdir(d)) && json_array_size(c->candidates) < PATHS_MAX)
		if (strncmp(entry->d_name, name, strlen(name)) == 0 &&
			(entry->d_name[0] != '.' || *name == '.'))
			add_path(c, entry, dir);
	if (d)
		closedir(d);
	free(full);
	free(dir);
}

static void add_value(struct completion *c, const struct grammar_item *item)
{
	const struct value_type *type = item->type;
	struct value_words words = {c, type->row->help};

	if (!*c->partial || !type->row->each)
		add_hint(c, item->label, type->row->help);
	if (type->row->each)
		type->row->each(type->subject, add_value_word, &words);
	else if (type->is_path)
		add_paths(c);
}

static bool value_seen_before(const struct match_options *options, size_t idx)
{
	const struct grammar_item *item = options->items[idx].item;

	for (size_t i = 0; i < idx; i++) {
		const struct grammar_item *other = options->items[i].item;

		if (other && other->kind == GRAMMAR_VALUE && other->type == item->type)
			return true;
	}
	return false;
}

static void add_options(struct completion *c, const struct match_options *options)
{
	bool may_end = false;

	add_words(c, options);
	for (size_t i = 0; i < options->n; i++) {
		const struct grammar_item *item = options->items[i].item;

		if (item && item->kind == GRAMMAR_VALUE && !value_seen_before(options, i))
			add_value(c, item);
		may_end = may_end || !item;
	}
	if (may_end && !*c->partial)
		add_hint(c, "enter", "the line is complete");
}

json_t *ctl_complete(struct ctl *ctl, const char *line, const char *cwd)
{
	struct completion c = {.candidates = json_array(), .partial = "", .cwd = cwd};
	json_t *result = json_pack("{s:O}", "candidates", c.candidates);
	size_t start = strlen(line);
	struct tokens t;
	struct match m;
	int err = 0;

	match_start(&m, ctl->rows, ctl->n_rows, cwd);
	tokens_split(&t, line);
	if (t.n > 0 && t.touches_end) {
		c.partial = t.items[--t.n].text;
		start = t.items[t.n].start;
	}
	for (size_t i = 0; i < t.n && !err && !m.line_is_all; i++)
		err = match_step(&m, t.items[i].text, t.items[i].text);
	if (!err && !t.in_comment) {
		struct match_options options;

		match_options_get(&m, &options);
		add_options(&c, &options);
		match_options_free(&options);
	}
	json_object_set_new(result, "start", json_integer((json_int_t)start));
	if (err)
		json_object_set_new(result, "error", text_to_json(m.error));
	match_free(&m);
	tokens_free(&t);
	json_decref(c.candidates);
	return result;
}

void ctl_complete_print(const json_t *result, FILE *out)
{
	const char *error = json_string_value(json_object_get(result, "error"));
	size_t i;
	json_t *candidate;

	if (error)
		fprintf(out, "%s\n", error);
	json_array_foreach (json_object_get(result, "candidates"), i, candidate) {
		const char *text = json_string_value(json_object_get(candidate, "text"));
		const char *help = json_string_value(json_object_get(candidate, "help"));

		if (!text)
			text = json_string_value(json_object_get(candidate, "hint"));
		if (*help)
			fprintf(out, "  %-*s %s\n", HELP_COLUMN, text, help);
		else
			fprintf(out, "  %s\n", text);
	}
}

const struct ctl_command *ctl_complete_command(void)
{
	static const struct ctl_command command = {.print = ctl_complete_print};

	return &command;
}
