/* SPDX-License-Identifier: Apache-2.0 */
#include "config/plan.h"

#include "config/note.h"

#include <stdlib.h>
#include <string.h>

struct planning {
	struct ctl *ctl;
	const struct config_rules *rules;
	const json_t *to;
	json_t *tree; /* from, and then as it is after each step */
	json_t *steps;
};

/* --- steps --- */

static const char *name_at(const struct config_place *place)
{
	return place->n > 1 ? place->steps[1] : NULL;
}

/* params and value are borrowed. */
static void step(struct planning *p, const char *op, const struct config_place *place, const char *method,
	json_t *params, const json_t *value)
{
	char *text = config_place_text(place), why[512];
	const char *name = name_at(place);
	json_t *said = NULL;
	json_t *s = json_pack(
		"{s:s, s:s, s:s, s:O}", "op", op, "place", text, "method", method, "params", params);

	json_object_set_new(s, "section", json_string(place->steps[0]));
	if (name)
		json_object_set_new(s, "name", json_string(name));
	if (value)
		json_object_set(s, "value", (json_t *)(uintptr_t)value);
	if (ctl_check_method(p->ctl, method, params, &said, why) == 0)
		config_note(p->rules, p->tree, method, said, name);
	json_decref(said);
	json_array_append_new(p->steps, s);
	free(text);
}

/* The rule by whose place the arguments of a method are told. */
static const struct config_rule *rule_of_undo(const struct planning *p, const struct config_rule *rule)
{
	for (const struct config_rule *other = p->rules->rules; other->method; other++)
		if (strcmp(other->method, rule->undo) == 0)
			return other;
	return rule;
}

static void copy_named(json_t *to, const json_t *from, const char *names)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)from, name, value)
		if (config_word_is_in(names, name))
			json_object_set(to, name, value);
}

static void take_away(struct planning *p, const struct config_rule *rule, const struct config_place *place,
	const json_t *value)
{
	json_t *params = json_object();

	if (rule->undo) {
		config_place_args(rule_of_undo(p, rule), place, params);
		if (rule->undo_args)
			copy_named(params, value, rule->undo_args);
		step(p, "-", place, rule->undo, params,
			rule->kind == CONFIG_MAKE && place->n == 2 ? NULL : value);
	} else if (rule->del) {
		config_place_args(rule, place, params);
		if (rule->kind != CONFIG_SET)
			config_value_args(rule, value, params);
		json_object_set_new(params, rule->del, json_true());
		step(p, "-", place, rule->method, params, value);
	} else if (rule->initial) {
		json_t *initial = json_loads(rule->initial, JSON_DECODE_ANY, NULL);

		config_place_args(rule, place, params);
		config_value_args(rule, initial, params);
		step(p, "-", place, rule->method, params, value);
		json_decref(initial);
	}
	json_decref(params);
}

static void bring(struct planning *p, const struct config_rule *rule, const struct config_place *place,
	const json_t *value)
{
	json_t *params = json_object(), *was = json_incref(config_at(p->tree, place)), *made;

	config_place_args(rule, place, params);
	if (!(rule->kind == CONFIG_MAKE && place->n == 2))
		config_value_args(rule, value, params);
	step(p, was && rule->kind == CONFIG_SET ? "~" : "+", place, rule->method, params,
		rule->kind == CONFIG_MAKE && place->n == 2 ? NULL : value);
	made = json_array_get(p->steps, json_array_size(p->steps) - 1);
	if (was && rule->kind == CONFIG_SET)
		json_object_set(made, "was", was);
	if (config_place_has_result(rule))
		json_object_set_new(made, "names", json_true());
	json_decref(was);
	json_decref(params);
}

/* --- what goes --- */

static bool list_has(const json_t *list, const json_t *item)
{
	size_t i;
	json_t *other;

	json_array_foreach ((json_t *)(uintptr_t)list, i, other)
		if (json_equal(other, item))
			return true;
	return false;
}

/* The mapping that the thing was made of, or for things without one their place. */
static bool same_thing(const struct config_rule *make, const struct config_place *place, const json_t *to,
	const json_t *value)
{
	const json_t *other = config_at(to, place);

	return make->kind == CONFIG_MAKE && place->n == 2 ? other != NULL : other && json_equal(other, value);
}

static void go(void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	struct planning *p = arg;
	const json_t *wanted = config_at(p->to, place);
	json_t *item;
	size_t i;

	if (!config_at(p->tree, place))
		return; /* went with something else */
	if (rule->kind == CONFIG_MAKE && !same_thing(rule, place, p->to, value)) {
		take_away(p, rule, place, value);
	} else if (rule->kind == CONFIG_SET && !wanted) {
		take_away(p, rule, place, value);
	} else if (rule->kind == CONFIG_ADD) {
		json_array_foreach (value, i, item)
			if (!list_has(wanted, item) && list_has(config_at(p->tree, place), item))
				take_away(p, rule, place, item);
	}
}

/* Things that are not made as they are wanted: what is in them goes with them, without a step of its own. */
struct doomed {
	const struct planning *p;
	json_t *tree;
};

static void leave_out(
	void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	struct doomed *d = arg;
	struct config_place thing = *place;
	const char *name;
	json_t *below;
	void *next;

	if (same_thing(rule, place, d->p->to, value))
		return;
	thing.n = 2;
	json_object_foreach_safe(config_at(d->tree, &thing), next, name,
		below) if (place->n == 2 || strcmp(name, place->steps[2]) != 0)
		json_object_del(config_at(d->tree, &thing), name);
}

static void let_go(struct planning *p)
{
	json_t *before = json_deep_copy(p->tree);
	struct doomed d = {.p = p, .tree = json_deep_copy(p->tree)};
	unsigned n = 0;

	for (const struct config_rule *rule = p->rules->rules; rule->method; rule++, n++)
		if (rule->kind == CONFIG_MAKE && !rule->implied)
			config_each(before, rule, leave_out, &d);
	while (n-- > 0)
		if (p->rules->rules[n].kind <= CONFIG_ADD && !p->rules->rules[n].implied)
			config_each(d.tree, &p->rules->rules[n], go, p);
	json_decref(d.tree);
	json_decref(before);
}

/* --- what comes --- */

static void come(void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value)
{
	struct planning *p = arg;
	const json_t *there = config_at(p->tree, place);
	json_t *item;
	size_t i;

	if (rule->kind == CONFIG_MAKE && !there) {
		bring(p, rule, place, value);
	} else if (rule->kind == CONFIG_SET && !json_equal(there, value)) {
		bring(p, rule, place, value);
	} else if (rule->kind == CONFIG_ADD) {
		json_array_foreach (value, i, item)
			if (!list_has(there, item))
				bring(p, rule, place, item);
	}
}

json_t *config_plan(struct ctl *ctl, const struct config_rules *rules, const json_t *from, const json_t *to)
{
	struct planning p = {
		.ctl = ctl, .rules = rules, .to = to, .tree = json_deep_copy(from), .steps = json_array()};

	let_go(&p);
	for (const struct config_rule *rule = rules->rules; rule->method; rule++)
		if (rule->kind <= CONFIG_ADD && !rule->implied)
			config_each(to, rule, come, &p);
	json_decref(p.tree);
	return p.steps;
}

/* --- doing it --- */

static const struct config_rule *rule_of_renaming(const struct config_rules *rules, const char *section)
{
	struct config_place place = {0};

	config_place_add(&place, section);
	for (const struct config_rule *rule = rules->rules; rule->method; rule++)
		if (rule->kind == CONFIG_RENAME && config_place_leads(rule, &place, false))
			return rule;
	return NULL;
}

static int run(struct ctl *ctl, const char *method, const json_t *params, json_t **result, char error[512])
{
	struct ctl_answer answer;
	int err = 0;

	ctl_run_method(ctl, method, params, &answer);
	if (answer.status != CTL_DONE) {
		snprintf(error, 512, "%s", answer.error);
		err = -1;
	}
	*result = json_incref(answer.result);
	ctl_answer_free(&answer);
	return err;
}

/* What was made gets the name that the file has for it. */
static int name_it(struct ctl *ctl, const struct config_rules *rules, const json_t *step, const char *made,
	char error[512])
{
	const char *section = json_string_value(json_object_get(step, "section"));
	const char *name = json_string_value(json_object_get(step, "name"));
	const struct config_rule *rule = rule_of_renaming(rules, section);
	struct config_place place = {0};
	json_t *params, *result = NULL;
	int err;

	if (!rule || strcmp(made, name) == 0)
		return 0;
	params = json_pack("{s:s}", rule->value, name);
	config_place_add(&place, section);
	config_place_add(&place, made);
	config_place_args(rule, &place, params);
	err = run(ctl, rule->method, params, &result, error);
	json_decref(result);
	json_decref(params);
	return err;
}

int config_do(struct ctl *ctl, const struct config_rules *rules, const json_t *step, char error[512])
{
	json_t *result = NULL;
	char why[512];
	int err = run(ctl, json_string_value(json_object_get(step, "method")),
		json_object_get(step, "params"), &result, why);

	if (err == 0 && json_is_true(json_object_get(step, "names")) && json_is_string(result))
		err = name_it(ctl, rules, step, json_string_value(result), why);
	if (err)
		snprintf(
			error, 512, "%.100s: %.400s", json_string_value(json_object_get(step, "place")), why);
	json_decref(result);
	return err;
}
