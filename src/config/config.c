/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"
#include "config/note.h"
#include "config/plan.h"
#include "config/private.h"
#include "config/wanted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void observe(void *arg, const char *method, const json_t *said, const json_t *result)
{
	struct config *c = arg;

	config_note(c->rules, c->tree, method, said, json_string_value(result));
}

static void not_confirmed(void *arg)
{
	struct config *c = arg;
	json_t *steps = NULL;
	char error[512];

	if (config_rollback(c, 1, &steps, error) != 0)
		log_error("config: nobody confirmed, and going back failed: %s", error);
	else
		log_warning(
			"config: nobody confirmed the new configuration: the one before is back, %zu changes",
			json_array_size(steps));
	json_decref(steps);
}

static void check_method(struct ctl *ctl, const char *method)
{
	json_t *said = NULL;
	char error[512];

	if (method && ctl_check_method(ctl, method, NULL, &said, error) == -ENOENT)
		check_failed("a rule speaks of a command that is not there", method, 1);
	json_decref(said);
}

int config_create(struct config **out, struct loop *loop, struct ctl *ctl, const struct config_rules *rules)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct config){
		.loop = loop, .ctl = ctl, .rules = rules, .tree = json_object(), .history = json_array()};
	loop_timer_init(&c->confirm, not_confirmed, c);
	*out = c;
	return 0;
}

void config_start(struct config *c)
{
	for (const struct config_rule *rule = c->rules->rules; rule->method; rule++) {
		check_method(c->ctl, rule->method);
		check_method(c->ctl, rule->undo);
	}
	ctl_observe(c->ctl, observe, c);
}

void config_destroy(struct config *c)
{
	if (!c)
		return;
	ctl_observe(c->ctl, NULL, NULL);
	loop_timer_cancel(c->loop, &c->confirm);
	json_decref(c->tree);
	json_decref(c->history);
	free(c->path);
	free(c);
}

/* Runs steps up to the first that fails. */
static int run_steps(struct config *c, const json_t *steps, char error[512])
{
	json_t *step;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)steps, i, step)
		if (config_do(c->ctl, c->rules, step, error) != 0)
			return -1;
	return 0;
}

/* From whatever the tree is now. As much as can be done is done. */
static void lead_back(struct config *c, const json_t *before)
{
	json_t *steps = config_plan(c->ctl, c->rules, c->tree, before), *step;
	char error[512];
	size_t i;

	json_array_foreach (steps, i, step)
		if (config_do(c->ctl, c->rules, step, error) != 0)
			log_error("config: cannot undo: %s", error);
	json_decref(steps);
}

static int lead_to(struct config *c, const json_t *wanted, json_t **steps, char error[512])
{
	json_t *before = json_deep_copy(c->tree);
	int err;

	*steps = config_plan(c->ctl, c->rules, c->tree, wanted);
	err = run_steps(c, *steps, error);
	if (err)
		lead_back(c, before);
	json_decref(before);
	return err;
}

int config_apply(struct config *c, const json_t *wanted, json_t **steps, char error[512])
{
	json_t *before = json_deep_copy(c->tree);
	int err = lead_to(c, wanted, steps, error);

	if (err == 0 && json_array_size(*steps) > 0) {
		json_array_append(c->history, before);
		if (json_array_size(c->history) > CONFIG_HISTORY_MAX)
			json_array_remove(c->history, 0);
	}
	json_decref(before);
	return err;
}

int config_rollback(struct config *c, size_t steps_back, json_t **steps, char error[512])
{
	size_t n = json_array_size(c->history);
	json_t *wanted;
	int err;

	*steps = NULL;
	if (steps_back == 0 || steps_back > n) {
		snprintf(error, 512,
			n ? "there are %zu configurations to go back to" : "there is none to go back to", n);
		return -1;
	}
	wanted = json_incref(json_array_get(c->history, n - steps_back));
	err = lead_to(c, wanted, steps, error);
	while (err == 0 && json_array_size(c->history) > n - steps_back)
		json_array_remove(c->history, json_array_size(c->history) - 1);
	if (err == 0)
		loop_timer_cancel(c->loop, &c->confirm);
	json_decref(wanted);
	return err;
}

void config_confirm_within(struct config *c, uint64_t seconds)
{
	loop_timer_set(c->loop, &c->confirm, loop_now(c->loop) + seconds * NS_PER_S);
}

bool config_confirm(struct config *c)
{
	bool waits = !list_empty(&c->confirm.link);

	loop_timer_cancel(c->loop, &c->confirm);
	return waits;
}

int config_apply_file(struct config *c, const char *path, char error[512])
{
	json_t *wanted = config_wanted(c->ctl, c->rules, path, error), *steps = NULL;
	int err = -1;

	if (wanted)
		err = config_apply(c, wanted, &steps, error);
	if (err == 0) {
		free(c->path);
		c->path = strdup(path);
		log_info("config: %s applied, %zu changes", path, json_array_size(steps));
	}
	json_decref(steps);
	json_decref(wanted);
	return err;
}

json_t *config_save(const struct config *c)
{
	json_t *state = json_pack("{s:O, s:O}", "tree", c->tree, "history", c->history);

	if (c->path)
		json_object_set_new(state, "path", json_string(c->path));
	return state;
}

void config_restore(struct config *c, const json_t *state)
{
	const char *path = json_string_value(json_object_get(state, "path"));

	json_object_update(c->tree, json_object_get(state, "tree"));
	json_array_extend(c->history, json_object_get(state, "history"));
	free(c->path);
	c->path = path ? strdup(path) : NULL;
}
