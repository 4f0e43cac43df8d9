/* SPDX-License-Identifier: Apache-2.0 */
#include "config/rule.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step_kind {
	STEP_WORD,
	STEP_ARG,
	STEP_RESULT,
};

struct step {
	enum step_kind kind;
	char text[CONFIG_STEP_LEN];
	char otherwise[CONFIG_STEP_LEN]; /* of an argument; empty: there is none */
};

static void step_parse(struct step *step, const char *text, size_t len)
{
	size_t equals = 0;

	*step = (struct step){.kind = text[0] == '$' ? STEP_ARG : text[0] == '=' ? STEP_RESULT : STEP_WORD};
	ASSERT(len < CONFIG_STEP_LEN);
	if (step->kind == STEP_ARG) {
		text++;
		len--;
		while (equals < len && text[equals] != '=')
			equals++;
		if (equals < len)
			memcpy(step->otherwise, text + equals + 1, len - equals - 1);
		len = equals;
	}
	memcpy(step->text, text, len);
}

static unsigned steps_of(const struct config_rule *rule, struct step steps[CONFIG_STEPS_MAX])
{
	unsigned n = 0;

	for (const char *at = rule->place; at; n++) {
		const char *end = strchr(at, '/');

		ASSERT(n < CONFIG_STEPS_MAX);
		step_parse(&steps[n], at, end ? (size_t)(end - at) : strlen(at));
		at = end ? end + 1 : NULL;
	}
	return n;
}

bool config_place_add(struct config_place *place, const char *step)
{
	if (place->n == CONFIG_STEPS_MAX || strlen(step) >= CONFIG_STEP_LEN)
		return false;
	memset(place->steps[place->n], 0, CONFIG_STEP_LEN);
	memcpy(place->steps[place->n++], step, strlen(step));
	return true;
}

const char *config_place_word(const struct config_rule *rule, unsigned step, struct config_place *place)
{
	struct step steps[CONFIG_STEPS_MAX];

	if (step >= steps_of(rule, steps) || steps[step].kind != STEP_WORD ||
		!config_place_add(place, steps[step].text))
		return NULL;
	return place->steps[place->n - 1];
}

/* False: there is no such argument, or it can be no step. */
static bool add_arg(struct config_place *place, const struct step *step, const json_t *args)
{
	const json_t *value = json_object_get(args, step->text);
	char number[24];

	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return config_place_add(place, number);
	}
	if (json_is_string(value))
		return config_place_add(place, json_string_value(value));
	return !value && step->otherwise[0] && config_place_add(place, step->otherwise);
}

bool config_place_of(
	const struct config_rule *rule, const json_t *args, const char *result, struct config_place *place)
{
	struct step steps[CONFIG_STEPS_MAX];
	unsigned n = steps_of(rule, steps);
	bool ok = true;

	place->n = 0;
	for (unsigned i = 0; i < n && ok; i++) {
		if (steps[i].kind == STEP_ARG)
			ok = add_arg(place, &steps[i], args);
		else if (steps[i].kind == STEP_RESULT)
			ok = result && config_place_add(place, result);
		else
			ok = config_place_add(place, steps[i].text);
	}
	return ok;
}

void config_place_args(const struct config_rule *rule, const struct config_place *place, json_t *args)
{
	struct step steps[CONFIG_STEPS_MAX];
	unsigned n = steps_of(rule, steps);

	for (unsigned i = 0; i < n && i < place->n; i++)
		if (steps[i].kind == STEP_ARG)
			json_object_set_new(args, steps[i].text, json_string(place->steps[i]));
}

bool config_place_leads(const struct config_rule *rule, const struct config_place *place, bool whole)
{
	struct step steps[CONFIG_STEPS_MAX];
	unsigned n = steps_of(rule, steps);

	if (whole ? place->n != n : place->n > n)
		return false;
	for (unsigned i = 0; i < place->n; i++)
		if (steps[i].kind == STEP_WORD && strcmp(steps[i].text, place->steps[i]) != 0)
			return false;
	return true;
}

char *config_place_text(const struct config_place *place)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ASSERT(out);
	for (unsigned i = 0; i < place->n; i++)
		fprintf(out, "%s%s", i ? " " : "", place->steps[i]);
	fclose(out);
	return text;
}

bool config_word_is_in(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

bool config_place_has_result(const struct config_rule *rule)
{
	return strstr(rule->place, "/=") != NULL;
}

json_t *config_at(const json_t *tree, const struct config_place *place)
{
	const json_t *at = tree;

	for (unsigned i = 0; i < place->n && at; i++)
		at = json_object_get(at, place->steps[i]);
	return (json_t *)(uintptr_t)at;
}

struct visit {
	const struct config_rule *rule;
	struct step steps[CONFIG_STEPS_MAX];
	unsigned n;
	config_visit *fn;
	void *arg;
};

static void visit(const struct visit *v, json_t *at, const struct config_place *place)
{
	const char *name;
	json_t *child;

	if (place->n == v->n) {
		v->fn(v->arg, v->rule, place, at);
		return;
	}
	json_object_foreach (at, name, child) {
		const struct step *step = &v->steps[place->n];
		struct config_place below = *place;

		if ((step->kind != STEP_WORD || strcmp(step->text, name) == 0) &&
			config_place_add(&below, name))
			visit(v, child, &below);
	}
}

void config_each(const json_t *tree, const struct config_rule *rule, config_visit *fn, void *arg)
{
	struct visit v = {.rule = rule, .fn = fn, .arg = arg};

	v.n = steps_of(rule, v.steps);
	visit(&v, (json_t *)(uintptr_t)tree, &(struct config_place){0});
}
