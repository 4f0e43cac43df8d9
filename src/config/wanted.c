/* SPDX-License-Identifier: Apache-2.0 */
#include "config/wanted.h"

#include "config/note.h"
#include "config/yaml_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	struct ctl *ctl;
	const struct config_rules *rules;
	const char *path;
	const json_t *file, *marks;
	json_t *tree;
	char *error; /* the first one stays */
};

static void __attribute__((format(printf, 3, 4)))
refuse(struct reading *r, const struct config_place *place, const char *fmt, ...)
{
	char *where = config_place_text(place), what[400];
	unsigned line = yaml_line(r->marks, place);
	va_list args;

	if (!r->error[0]) {
		va_start(args, fmt);
		vsnprintf(what, sizeof(what), fmt, args);
		va_end(args);
		snprintf(r->error, 512, "%s:%u: %s: %s", r->path, line, where, what);
	}
	free(where);
}

/* --- words that no rule knows --- */

static bool leads_somewhere(const struct reading *r, const struct config_place *place, bool whole)
{
	for (const struct config_rule *rule = r->rules->rules; rule->method; rule++)
		if (!rule->implied && rule->kind <= CONFIG_ADD && config_place_leads(rule, place, whole))
			return true;
	return false;
}

/* What could have stood there, for the message. */
static void name_others(const struct reading *r, const struct config_place *place, char *out, size_t size)
{
	size_t used = 0;

	out[0] = 0;
	for (const struct config_rule *rule = r->rules->rules; rule->method; rule++) {
		struct config_place parent = *place, own;
		const char *last;

		parent.n--;
		if (rule->implied || rule->kind > CONFIG_ADD || !config_place_leads(rule, &parent, false))
			continue;
		own = (struct config_place){0};
		last = config_place_word(rule, parent.n, &own);
		if (last && !strstr(out, last) && used + strlen(last) + 3 < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", last);
	}
}

static void check_words(struct reading *r, const json_t *at, const struct config_place *place)
{
	const char *name;
	json_t *child;

	json_object_foreach ((json_t *)(uintptr_t)at, name, child) {
		struct config_place below = *place;
		char others[256];

		if (!config_place_add(&below, name)) {
			refuse(r, place, "'%.40s' is too long for a name", name);
		} else if (!leads_somewhere(r, &below, false)) {
			name_others(r, &below, others, sizeof(others));
			refuse(r, &below, "nothing is known of that: there are %s", others);
		} else if (!leads_somewhere(r, &below, true)) {
			if (json_is_object(child))
				check_words(r, child, &below);
			else if (!json_is_null(child) || below.n == 2)
				refuse(r, &below, "a mapping is expected here");
		} else if (below.n == 2 && json_is_object(child)) {
			check_words(r, child, &below); /* a thing that is made, and its settings */
		}
	}
}

/* --- what the rules know --- */

static void want(struct reading *r, const struct config_rule *rule, const struct config_place *place,
	const json_t *value)
{
	json_t *params = json_object(), *said = NULL;
	char why[512];

	config_place_args(rule, place, params);
	if (value)
		config_value_args(rule, value, params);
	if (ctl_check_method(r->ctl, rule->method, params, &said, why) != 0)
		refuse(r, place, "%s", why);
	else
		config_note(r->rules, r->tree, rule->method, said, place->n > 1 ? place->steps[1] : NULL);
	json_decref(said);
	json_decref(params);
}

static void want_place(
	void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	struct reading *r = arg;
	json_t *item;
	size_t i;

	if (rule->kind == CONFIG_ADD && !json_is_array(value)) {
		refuse(r, place, "a list is expected here");
	} else if (rule->kind == CONFIG_ADD) {
		json_array_foreach (value, i, item)
			want(r, rule, place, item);
	} else if (rule->kind == CONFIG_MAKE && place->n == 2) {
		want(r, rule, place, NULL); /* what is in it has rules of its own */
	} else if (json_is_false(value) && !rule->value && !rule->off) {
		return; /* as if it were not there */
	} else if (json_is_array(value)) {
		refuse(r, place, "one value is expected here, not a list");
	} else {
		want(r, rule, place, value);
	}
}

/* Settings that a file takes for granted. */
static void presume(struct reading *r, const struct config_rule *rule)
{
	json_t *section, *thing, *value = json_loads(rule->presumed, JSON_DECODE_ANY, NULL);
	struct config_place of_rule = {0};
	const char *name;

	config_place_word(rule, 0, &of_rule);
	section = json_object_get(r->tree, of_rule.steps[0]);
	json_object_foreach (section, name, thing) {
		struct config_place place = {0};

		config_place_add(&place, of_rule.steps[0]);
		config_place_add(&place, name);
		config_place_word(rule, 2, &place);
		if (!config_at(r->file, &place))
			want(r, rule, &place, value);
	}
	json_decref(value);
}

/* --- names --- */

static void check_name(struct reading *r, const struct config_rule *rule, const struct config_place *place,
	const json_t *name)
{
	const char *text = json_string_value(name);

	if (text && !json_object_get(json_object_get(r->tree, rule->names_in), text))
		refuse(r, place, "there is no '%.60s' among the %s of this file", text, rule->names_in);
}

static void check_names_of(struct reading *r, const struct config_rule *rule,
	const struct config_place *place, const json_t *value)
{
	const char *name;
	json_t *child;

	if (!json_is_object(value))
		check_name(r, rule, place, value);
	json_object_foreach ((json_t *)(uintptr_t)value, name, child)
		if (config_word_is_in(rule->names, name))
			check_name(r, rule, place, child);
}

static void check_names(
	void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	json_t *item;
	size_t i;

	if (rule->kind != CONFIG_ADD)
		check_names_of(arg, rule, place, value);
	json_array_foreach (value, i, item)
		check_names_of(arg, rule, place, item);
}

/* In a section whose things are of several kinds, each is of one. */
static void check_kind(struct reading *r, const struct config_place *thing)
{
	unsigned n = 0;
	bool several = false;

	for (const struct config_rule *rule = r->rules->rules; rule->method; rule++) {
		struct config_place place = *thing;

		if (rule->kind != CONFIG_MAKE || !config_place_has_result(rule) ||
			!config_place_leads(rule, thing, false))
			continue;
		several = true;
		config_place_word(rule, 2, &place);
		n += config_at(r->tree, &place) != NULL;
	}
	if (several && n != 1)
		refuse(r, thing,
			n ? "this is of two kinds: make two of it" : "it does not say of what kind it is");
}

static void check_kinds(struct reading *r)
{
	const char *section, *name;
	json_t *things, *thing;

	json_object_foreach (r->tree, section, things)
		json_object_foreach (things, name, thing) {
			struct config_place place = {0};

			config_place_add(&place, section);
			config_place_add(&place, name);
			check_kind(r, &place);
		}
}

static void read_tree(struct reading *r)
{
	check_words(r, r->file, &(struct config_place){0});
	for (const struct config_rule *rule = r->rules->rules; rule->method; rule++)
		if (!rule->implied && rule->kind <= CONFIG_ADD)
			config_each(r->file, rule, want_place, r);
	for (const struct config_rule *rule = r->rules->rules; rule->method; rule++)
		if (rule->presumed)
			presume(r, rule);
	check_kinds(r);
	for (const struct config_rule *rule = r->rules->rules; rule->method; rule++)
		if (rule->names && !rule->implied)
			config_each(r->tree, rule, check_names, r);
}

json_t *config_wanted(struct ctl *ctl, const struct config_rules *rules, const char *path, char error[512])
{
	struct reading r = {.ctl = ctl, .rules = rules, .path = path, .tree = json_object(), .error = error};
	json_t *marks = NULL, *file = NULL;
	FILE *in = fopen(path, "re");

	error[0] = 0;
	if (in) {
		file = yaml_load(in, path, &marks, error);
		fclose(in);
	} else {
		snprintf(error, 512, "%s: %s", path, strerror(errno));
	}
	r.file = file;
	r.marks = marks;
	if (file)
		read_tree(&r);
	json_decref(marks);
	json_decref(file);
	if (!error[0])
		return r.tree;
	json_decref(r.tree);
	return NULL;
}

/* --- and back --- */

json_t *config_unwanted(const struct config_rules *rules, const json_t *tree)
{
	json_t *file = json_deep_copy(tree);

	for (const struct config_rule *rule = rules->rules; rule->method; rule++) {
		struct config_place of_rule = {0}, last = {0};
		json_t *presumed, *initial, *thing;
		const char *field, *name;

		if (!rule->presumed)
			continue;
		presumed = json_loads(rule->presumed, JSON_DECODE_ANY, NULL);
		initial = json_loads(rule->initial, JSON_DECODE_ANY, NULL);
		config_place_word(rule, 0, &of_rule);
		field = config_place_word(rule, 2, &last);
		json_object_foreach (json_object_get(file, of_rule.steps[0]), name, thing) {
			json_t *value = json_object_get(thing, field);

			if (!value)
				json_object_set(thing, field, initial);
			else if (json_equal(value, presumed))
				json_object_del(thing, field);
		}
		json_decref(presumed);
		json_decref(initial);
	}
	return file;
}
