/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/grammar.h"

#include "ctl/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	const char *text;
	const char *at;
	const struct value_types *types;
	unsigned depth;
	struct grammar_error *error;
};

static bool parse_seq(struct parser *p, struct grammar_seq *seq);

/* Always false, so that a caller can return it. */
static bool __attribute__((format(printf, 2, 3))) mistake(struct parser *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->error->text, sizeof(p->error->text), fmt, args);
	va_end(args);
	p->error->at = (size_t)(p->at - p->text);
	return false;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

static struct grammar_item *add_item(struct grammar_seq *seq)
{
	seq->items = text_grow(seq->items, seq->n_items + 1, sizeof(*seq->items));
	seq->items[seq->n_items] = (struct grammar_item){0};
	return &seq->items[seq->n_items++];
}

static struct grammar_seq *add_alternative(struct grammar_item *group)
{
	group->alternatives =
		text_grow(group->alternatives, group->n_alternatives + 1, sizeof(*group->alternatives));
	group->alternatives[group->n_alternatives] = (struct grammar_seq){0};
	return &group->alternatives[group->n_alternatives++];
}

/* What is found in the sequence tells that it was there: its words need not. */
static bool seq_tells(const struct grammar_seq *seq)
{
	for (size_t i = 0; i < seq->n_items; i++)
		if (seq->items[i].kind != GRAMMAR_WORD && !seq->items[i].optional)
			return true;
	return false;
}

/* A sequence that may be empty inside a group would match nothing in two ways. */
static bool seq_may_be_empty(const struct grammar_seq *seq)
{
	for (size_t i = 0; i < seq->n_items; i++)
		if (!seq->items[i].optional)
			return false;
	return true;
}

static void mark_keys(struct grammar_seq *seq)
{
	if (seq_tells(seq))
		return;
	for (size_t i = 0; i < seq->n_items; i++)
		seq->items[i].is_key = seq->items[i].kind == GRAMMAR_WORD;
}

/* Behind the opening bracket. */
static bool parse_group(struct parser *p, struct grammar_item *group, char closing)
{
	group->kind = GRAMMAR_GROUP;
	group->optional = closing == ']';
	if (++p->depth > GRAMMAR_DEPTH_MAX)
		return mistake(p, "groups are nested too deeply");
	do {
		struct grammar_seq *seq = add_alternative(group);

		if (!parse_seq(p, seq))
			return false;
		if (seq_may_be_empty(seq))
			return mistake(p, "a group must not be empty");
		mark_keys(seq);
	} while (*p->at == '|' && p->at++);
	if (*p->at != closing)
		return mistake(p, "expected %c", closing);
	p->at++;
	p->depth--;
	return true;
}

/* Behind <name: of <name:{a|b}>. */
static bool parse_named_choice(struct parser *p, struct grammar_item *group)
{
	p->at++;
	if (!parse_group(p, group, '}'))
		return false;
	for (size_t i = 0; i < group->n_alternatives; i++) {
		struct grammar_seq *seq = &group->alternatives[i];

		if (seq->n_items != 1 || seq->items[0].kind != GRAMMAR_WORD)
			return mistake(p, "a named choice is between single words");
		seq->items[0].is_key = false;
		seq->items[0].choice_of = group->text;
	}
	return true;
}

/* Behind the <; before is the word in front of it, or NULL. */
static bool parse_value(struct parser *p, struct grammar_item *item, const char *before)
{
	size_t len = strcspn(p->at, ":<>[]{}| ");

	item->kind = GRAMMAR_VALUE;
	if (len == 0 || p->at[len] != ':')
		return mistake(p, "expected name:type");
	item->text = text_copy(p->at, len);
	p->at += len + 1;
	if (*p->at == '{') {
		if (!parse_named_choice(p, item))
			return false;
	} else {
		len = strcspn(p->at, "<>[]{}| ");
		item->type = value_type_find(p->types, p->at, len);
		if (!item->type)
			return mistake(p, "no type '%.*s': add types before the tables that use them",
				(int)len, p->at);
		/* `socket <path>` says more than `socket <socket>`. */
		bool repeats = before && strcmp(before, item->text) == 0;

		item->label = repeats || item->type->label_tells ? item->type->label : item->text;
		p->at += len;
	}
	if (*p->at != '>')
		return mistake(p, "expected >");
	p->at++;
	return true;
}

static bool parse_word(struct parser *p, struct grammar_item *item)
{
	size_t len = strcspn(p->at, "<>[]{}| \t");

	if (len == 0)
		return mistake(p, "'%c' is out of place", *p->at);
	item->kind = GRAMMAR_WORD;
	item->text = text_copy(p->at, len);
	p->at += len;
	return true;
}

/* Up to a closing bracket, a bar or the end. */
static bool parse_seq(struct parser *p, struct grammar_seq *seq)
{
	for (skip_blanks(p); *p->at && !strchr("|]}", *p->at); skip_blanks(p)) {
		struct grammar_item *item = add_item(seq);
		const char *before = seq->n_items > 1 && item[-1].kind == GRAMMAR_WORD ? item[-1].text : NULL;
		bool ok;

		if (seq->n_items > GRAMMAR_ITEMS_MAX)
			return mistake(p, "more than %d items", GRAMMAR_ITEMS_MAX);
		if (*p->at == '[' || *p->at == '{')
			ok = parse_group(p, item, *p->at++ == '[' ? ']' : '}');
		else if (*p->at == '<')
			p->at++, ok = parse_value(p, item, before);
		else
			ok = parse_word(p, item);
		if (!ok)
			return false;
	}
	return true;
}

static void free_seq(struct grammar_seq *seq)
{
	for (size_t i = 0; i < seq->n_items; i++) {
		struct grammar_item *item = &seq->items[i];

		for (size_t k = 0; k < item->n_alternatives; k++)
			free_seq(&item->alternatives[k]);
		free(item->alternatives);
		free(item->text);
	}
	free(seq->items);
}

static void print_item(const struct grammar_item *item, FILE *out)
{
	switch (item->kind) {
	case GRAMMAR_WORD:
		fputs(item->text, out);
		break;
	case GRAMMAR_VALUE:
		fprintf(out, "<%s>", item->label);
		break;
	case GRAMMAR_GROUP:
		fputc(item->optional ? '[' : '{', out);
		for (size_t i = 0; i < item->n_alternatives; i++) {
			fputs(i ? "|" : "", out);
			grammar_print_seq(&item->alternatives[i], 0, out);
		}
		fputc(item->optional ? ']' : '}', out);
	}
}

void grammar_print_seq(const struct grammar_seq *seq, size_t from, FILE *out)
{
	for (size_t i = from; i < seq->n_items; i++) {
		fputs(i > from ? " " : "", out);
		print_item(&seq->items[i], out);
	}
}

static char *make_synopsis(const struct grammar *grammar)
{
	struct text_buf b;

	text_buf_open(&b);
	grammar_print_seq(&grammar->seq, 0, b.out);
	return text_buf_take(&b);
}

static char *make_method(const struct grammar *grammar)
{
	const struct grammar_seq *seq = &grammar->seq;
	struct text_buf b;

	text_buf_open(&b);
	for (size_t i = 0; i < seq->n_items && seq->items[i].kind == GRAMMAR_WORD; i++)
		fprintf(b.out, "%s%s", i ? "." : "", seq->items[i].text);
	return text_buf_take(&b);
}

struct grammar *grammar_parse(const char *text, const struct value_types *types, struct grammar_error *error)
{
	struct grammar *grammar = text_alloc(1, sizeof(*grammar));
	struct parser p = {.text = text, .at = text, .types = types, .error = error};
	bool ok = parse_seq(&p, &grammar->seq);

	if (ok && *p.at)
		ok = mistake(&p, "'%c' is out of place", *p.at);
	if (ok && (grammar->seq.n_items == 0 || grammar->seq.items[0].kind != GRAMMAR_WORD))
		ok = mistake(&p, "a command begins with a word");
	if (!ok) {
		grammar_free(grammar);
		return NULL;
	}
	grammar->synopsis = make_synopsis(grammar);
	grammar->method = make_method(grammar);
	return grammar;
}

void grammar_free(struct grammar *grammar)
{
	free_seq(&grammar->seq);
	free(grammar->synopsis);
	free(grammar->method);
	free(grammar);
}
