/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule - how commands and the configuration say the same thing.
 *
 * The configuration is a tree of mappings. A rule says what a command changes in it, and so also which command makes the
 * tree true. A place is a path through the tree, of words, of the command's arguments ($interface, or $queue=0 when it
 * may be left out) and of its result (=):
 *
 *	create vhost-user socket F server    interfaces/=/vhost-user      interfaces:
 *	set interface mtu 1500 vm1           interfaces/$interface/mtu      vm1:
 *	                                                                      vhost-user: {socket: F, server: true}
 *	                                                                      mtu: 1500
 *
 * The first two steps lead to a thing: a section and a name. What stands at a place are the arguments that the place
 * does not name: as a mapping, or alone when it is only the one called `value`. A command that has nothing more to say
 * sets true.
 *
 * Rules stand in the order in which commands can be given to an empty program; things are taken away the other way. The
 * table is prog/config_rules.c, whose test holds it against the commands.
 */
#ifndef GINNEL_CONFIG_RULE_H
#define GINNEL_CONFIG_RULE_H

#include <jansson.h>
#include <stdbool.h>

#define CONFIG_STEPS_MAX 4
#define CONFIG_STEP_LEN  64

enum config_kind {
	CONFIG_MAKE,   /* a thing comes to be */
	CONFIG_SET,    /* the place has a value */
	CONFIG_ADD,    /* the list at the place has one more item */
	CONFIG_END,    /* the thing at the place is gone, and whatever named it */
	CONFIG_CLEAR,  /* the place is empty */
	CONFIG_TAKE,   /* the items that say the same are gone from the list */
	CONFIG_RENAME, /* the thing at the place is called as `value` says */
};

/* Texts may be NULL when they do not matter. A method may have several rules. */
struct config_rule {
	const char *method;
	enum config_kind kind;
	const char *place;
	const char *value;    /* the argument that may stand alone */
	const char *ignore;   /* arguments that say nothing */
	const char *on, *off; /* SET: the words for true and false; without any it is true */
	const char *initial;  /* SET: JSON of what is so from the beginning; not kept in the tree */
	const char *presumed; /* SET: JSON of what a file means that does not say; NULL: `initial` */
	const char *only; /* the rule speaks of calls with one of these arguments, as in "static filter" */
	const char *del;  /* with this argument the command takes away what it would make, set or add */
	const char *undo; /* MAKE, SET, ADD: the method that takes it away, if del does not */
	const char *undo_args; /* ADD: of the item, what undo wants to know */
	const char *names;     /* arguments that name things: without those there cannot be this */
	const char *names_in;  /* and their section */
	bool implied;          /* the command does this as well, but it is not the way to do it */
};

/* The table ends with an empty rule. */
struct config_rules {
	const struct config_rule *rules;
};

/* A place, resolved. */
struct config_place {
	unsigned n;
	char steps[CONFIG_STEPS_MAX][CONFIG_STEP_LEN];
};

/* Arguments may be those of a call, or of what stands in the tree. False: one that the place needs is missing. */
bool config_place_of(
	const struct config_rule *rule, const json_t *args, const char *result, struct config_place *place);
/* The arguments that the place tells, into args. `name` is what stands for a result; it may be NULL. */
void config_place_args(const struct config_rule *rule, const struct config_place *place, json_t *args);
/* The rule's place begins with this one, or is this one. */
bool config_place_leads(const struct config_rule *rule, const struct config_place *place, bool whole);
bool config_place_add(struct config_place *place, const char *step);
/* Adds a step of the rule's place if it is a word, and returns that; else NULL. */
const char *config_place_word(const struct config_rule *rule, unsigned step, struct config_place *place);
/* "interfaces vm1 mtu"; the caller frees it. */
char *config_place_text(const struct config_place *place);
/* "a" is in "b a c". */
bool config_word_is_in(const char *words, const char *word);
/* The thing's name comes from the command's result. */
bool config_place_has_result(const struct config_rule *rule);
/* NULL when there is nothing. */
json_t *config_at(const json_t *tree, const struct config_place *place);

/* Calls fn for each place of the tree that the rule speaks of; the tree must not change meanwhile. */
typedef void config_visit(
	void *arg, const struct config_rule *rule, const struct config_place *place, json_t *value);
void config_each(const json_t *tree, const struct config_rule *rule, config_visit *fn, void *arg);

#endif
