/* SPDX-License-Identifier: Apache-2.0 */
#include "config/note.h"

#include "base/check.h"

#include <string.h>

static bool said_true(const json_t *said, const char *name)
{
	return name && json_is_true(json_object_get(said, name));
}

/* --- values --- */

static void drop_what_the_place_tells(const struct config_rule *rule, json_t *rest)
{
	struct config_place place;
	json_t *told = json_object();
	const char *name;
	json_t *value;

	if (config_place_of(rule, rest, "", &place))
		config_place_args(rule, &place, told);
	json_object_foreach (told, name, value)
		json_object_del(rest, name);
	json_decref(told);
}

/* An argument that is false is one that was not given, but for a value that is on or off. */
static void drop_what_says_nothing(const struct config_rule *rule, json_t *rest)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(rest, next, name, value)
	{
		bool is_value = rule->value && strcmp(name, rule->value) == 0;
		bool is_ignored = rule->ignore && config_word_is_in(rule->ignore, name);
		bool is_del = rule->del && strcmp(name, rule->del) == 0;

		if (json_is_null(value) || is_ignored || is_del || (json_is_false(value) && !is_value))
			json_object_del(rest, name);
	}
}

static bool is_initial(const struct config_rule *rule, const json_t *value)
{
	json_t *initial = rule->initial ? json_loads(rule->initial, JSON_DECODE_ANY, NULL) : NULL;
	bool same = initial && json_equal(initial, value);

	json_decref(initial);
	return same;
}

/* NULL if it is so from the beginning. value is taken over. */
static json_t *unless_initial(const struct config_rule *rule, json_t *value)
{
	if (!is_initial(rule, value))
		return value;
	json_decref(value);
	return NULL;
}

/* True or false is said by a word, or by saying nothing at all. */
static bool is_switch(const struct config_rule *rule, const json_t *rest)
{
	if (rule->kind != CONFIG_SET)
		return false;
	if (rule->off)
		return !rule->value || !json_object_get(rest, rule->value);
	return !rule->value && json_object_size(rest) == 0;
}

/* rest is taken over. */
static json_t *switched(const struct config_rule *rule, json_t *rest)
{
	bool off = said_true(rest, rule->off);

	json_decref(rest);
	return unless_initial(rule, json_boolean(!off));
}

json_t *config_value(const struct config_rule *rule, const json_t *said)
{
	json_t *rest = json_copy((json_t *)(uintptr_t)said), *value;

	drop_what_the_place_tells(rule, rest);
	drop_what_says_nothing(rule, rest);
	if (is_switch(rule, rest))
		return switched(rule, rest);
	value = rule->value ? json_object_get(rest, rule->value) : NULL;
	if (rule->kind == CONFIG_SET && rule->value && !value) {
		json_decref(rest); /* a setting is taken away by not saying it */
		return NULL;
	}
	if (value && json_object_size(rest) == 1) {
		value = json_incref(value);
		json_decref(rest);
		rest = value;
	}
	return unless_initial(rule, rest);
}

void config_value_args(const struct config_rule *rule, const json_t *value, json_t *args)
{
	const char *word = json_is_true(value) ? rule->on : json_is_false(value) ? rule->off : NULL;

	if (json_is_object(value))
		json_object_update_missing(args, (json_t *)(uintptr_t)value);
	else if (word)
		json_object_set_new(args, word, json_true());
	else if (rule->value)
		json_object_set(args, rule->value, (json_t *)(uintptr_t)value);
}

/* --- places --- */

/* A mapping that nobody made for itself goes with what was in it. */
static void place_clear(json_t *tree, const struct config_place *place)
{
	struct config_place above = *place;
	json_t *parent;

	above.n--;
	parent = config_at(tree, &above);
	json_object_del(parent, place->steps[above.n]);
	if (parent && json_object_size(parent) == 0 && above.n != 2 && above.n > 0)
		place_clear(tree, &above);
}

static json_t *mapping_at(json_t *tree, const struct config_place *place, unsigned n)
{
	json_t *at = tree;

	for (unsigned i = 0; i < n; i++) {
		json_t *below = json_object_get(at, place->steps[i]);

		if (!json_is_object(below)) {
			below = json_object();
			json_object_set_new(at, place->steps[i], below);
		}
		at = below;
	}
	return at;
}

/* value is taken over. */
static void place_set(json_t *tree, const struct config_place *place, json_t *value)
{
	json_object_set_new(mapping_at(tree, place, place->n - 1), place->steps[place->n - 1], value);
}

/* --- what names a thing that is gone, or is called otherwise now --- */

struct renaming {
	const struct config_rules *rules;
	json_t *copy; /* of the tree, to be changed while the tree is looked at */
	const struct config_place *from;
	const char *to; /* NULL: it is gone */
};

static bool is_its_name(const json_t *value, const struct renaming *r)
{
	return json_is_string(value) && strcmp(json_string_value(value), r->from->steps[1]) == 0;
}

/* Which of rule->names has its name as value, or NULL; a value that stands alone has no name of its own. */
static const char *names_it(const struct config_rule *rule, const json_t *value, const struct renaming *r)
{
	const char *name;
	json_t *child;

	if (!json_is_object(value))
		return is_its_name(value, r) ? rule->names : NULL;
	json_object_foreach ((json_t *)(uintptr_t)value, name, child)
		if (config_word_is_in(rule->names, name) && is_its_name(child, r))
			return name;
	return NULL;
}

static void item_rename(const struct config_rule *rule, json_t *value, const struct renaming *r)
{
	const char *name;

	while ((name = names_it(rule, value, r)) != NULL)
		json_object_set_new(value, name, json_string(r->to));
}

static void rename_in_list(
	const struct config_rule *rule, const struct config_place *place, struct renaming *r)
{
	json_t *list = config_at(r->copy, place), *item;
	size_t i;

	for (i = json_array_size(list); i-- > 0;) {
		item = json_array_get(list, i);
		if (!names_it(rule, item, r))
			continue;
		if (r->to)
			item_rename(rule, item, r);
		else
			json_array_remove(list, i);
	}
	if (json_array_size(list) == 0)
		place_clear(r->copy, place);
}

static void place_end(const struct config_rules *rules, json_t *tree, const struct config_place *place);

static void thing_end(struct renaming *r, const struct config_place *place)
{
	struct config_place thing = *place;

	thing.n = 2;
	place_end(r->rules, r->copy, &thing);
}

static void rename_at(
	void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	struct renaming *r = arg;

	if (rule->kind == CONFIG_ADD)
		rename_in_list(rule, place, r);
	else if (!names_it(rule, value, r))
		return;
	else if (!r->to && rule->kind == CONFIG_MAKE) /* it was made of what is gone, and goes with it */
		thing_end(r, place);
	else if (!r->to)
		place_clear(r->copy, place);
	else if (json_is_object(value))
		item_rename(rule, config_at(r->copy, place), r);
	else
		place_set(r->copy, place, json_string(r->to));
}

static void rename_all(
	const struct config_rules *rules, json_t *tree, const struct config_place *from, const char *to)
{
	struct renaming r = {.rules = rules, .copy = json_deep_copy(tree), .from = from, .to = to};

	for (const struct config_rule *rule = rules->rules; rule->method; rule++)
		if (rule->names && !rule->implied && strcmp(rule->names_in, from->steps[0]) == 0)
			config_each(tree, rule, rename_at, &r);
	json_object_clear(tree);
	json_object_update(tree, r.copy);
	json_decref(r.copy);
}

static void place_rename(
	const struct config_rules *rules, json_t *tree, const struct config_place *place, const char *name)
{
	struct config_place to = {0};
	json_t *thing = json_incref(config_at(tree, place));

	if (thing && name && config_place_add(&to, place->steps[0]) && config_place_add(&to, name)) {
		place_clear(tree, place);
		place_set(tree, &to, json_incref(thing));
		rename_all(rules, tree, place, name);
	}
	json_decref(thing);
}

static void place_end(const struct config_rules *rules, json_t *tree, const struct config_place *place)
{
	place_clear(tree, place);
	rename_all(rules, tree, place, NULL);
}

/* --- lists --- */

static bool item_says(const json_t *item, const json_t *said)
{
	const char *name;
	json_t *value;

	if (!json_is_object(said) || !json_is_object(item))
		return json_equal(item, said);
	json_object_foreach ((json_t *)(uintptr_t)said, name, value)
		if (!json_equal(json_object_get(item, name), value))
			return false;
	return true;
}

/* said is taken over. */
static void list_take(json_t *tree, const struct config_place *place, json_t *said)
{
	json_t *list = config_at(tree, place);

	for (size_t i = json_array_size(list); i-- > 0;)
		if (item_says(json_array_get(list, i), said))
			json_array_remove(list, i);
	if (list && json_array_size(list) == 0)
		place_clear(tree, place);
	json_decref(said);
}

static bool list_has(const json_t *list, const json_t *item)
{
	size_t i;
	json_t *other;

	json_array_foreach ((json_t *)(uintptr_t)list, i, other)
		if (json_equal(other, item))
			return true;
	return false;
}

/* item is taken over. */
static void list_add(json_t *tree, const struct config_place *place, json_t *item)
{
	json_t *list = config_at(tree, place);

	if (!json_is_array(list)) {
		list = json_array();
		place_set(tree, place, list);
	}
	if (!list_has(list, item))
		json_array_append(list, item);
	json_decref(item);
}

/* --- rules --- */

/* What was said about a thing when it was made is kept as if it had been set, where there are settings for it. */
static void note_made(const struct config_rules *rules, json_t *tree, const struct config_rule *make,
	const struct config_place *place, json_t *value)
{
	if (place->n > 2 || !json_is_object(value)) {
		place_set(tree, place, value ? value : json_object());
		return;
	}
	mapping_at(tree, place, place->n);
	for (const struct config_rule *rule = rules->rules; rule->method; rule++) {
		json_t *said =
			rule->kind == CONFIG_SET && rule->value ? json_object_get(value, rule->value) : NULL;
		struct config_place below = *place;
		json_t *one;

		if (!said || !config_place_add(&below, rule->value) ||
			!config_place_leads(rule, &below, true))
			continue;
		one = json_pack("{s:O}", rule->value, said);
		said = config_value(rule, one);
		if (said)
			place_set(tree, &below, said);
		json_decref(one);
	}
	json_decref(value);
}

static void note_rule(const struct config_rules *rules, json_t *tree, const struct config_rule *rule,
	const json_t *said, const struct config_place *place)
{
	bool del = said_true(said, rule->del);
	json_t *value = config_value(rule, said);

	if (del && rule->kind == CONFIG_MAKE)
		place_end(rules, tree, place);
	else if (del && rule->kind == CONFIG_ADD)
		list_take(tree, place, json_incref(value));
	else if (rule->kind == CONFIG_MAKE && (!rule->implied || !config_at(tree, place)))
		note_made(rules, tree, rule, place, json_incref(value));
	else if (rule->kind == CONFIG_SET && value && !del)
		place_set(tree, place, json_incref(value));
	else if (rule->kind == CONFIG_ADD)
		list_add(tree, place, json_incref(value));
	else if (rule->kind == CONFIG_END)
		place_end(rules, tree, place);
	else if (rule->kind == CONFIG_TAKE)
		list_take(tree, place, json_incref(value));
	else if (rule->kind == CONFIG_RENAME)
		place_rename(rules, tree, place, json_string_value(value));
	else if (rule->kind == CONFIG_CLEAR || rule->kind == CONFIG_SET)
		place_clear(tree, place);
	json_decref(value);
}

/* The rule speaks of this call. */
static bool concerns(const struct config_rule *rule, const json_t *said)
{
	const char *name;
	json_t *value;

	if (!rule->only)
		return true;
	json_object_foreach ((json_t *)(uintptr_t)said, name, value)
		if (!json_is_false(value) && config_word_is_in(rule->only, name))
			return true;
	return false;
}

/* A thing that is taken away by what it was made of: its name is not said. */
struct unnamed {
	const json_t *value;
	struct config_place thing;
};

static void find_unnamed(
	void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	struct unnamed *u = arg;

	if (!json_equal(value, u->value))
		return;
	u->thing = *place;
	u->thing.n = 2;
}

static void note_unnamed_end(
	const struct config_rules *rules, json_t *tree, const struct config_rule *rule, const json_t *said)
{
	json_t *value = config_value(rule, said);
	struct unnamed u = {.value = value};

	config_each(tree, rule, find_unnamed, &u);
	if (u.thing.n > 0)
		place_end(rules, tree, &u.thing);
	json_decref(value);
}

void config_note(const struct config_rules *rules, json_t *tree, const char *method, const json_t *said,
	const char *result)
{
	for (const struct config_rule *rule = rules->rules; rule->method; rule++) {
		struct config_place place;

		if (strcmp(rule->method, method) != 0 || !concerns(rule, said))
			continue;
		if (config_place_has_result(rule) && said_true(said, rule->del))
			note_unnamed_end(rules, tree, rule, said);
		else if (config_place_of(rule, said, result, &place))
			note_rule(rules, tree, rule, said, &place);
	}
}
