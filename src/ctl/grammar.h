/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grammar - the grammar text of one command (see ctl/command.h) as a tree, made once at start, then
 * only read.
 *
 *	create vhost-user socket <socket:path> [server] [mode {a|b}]
 *
 *	sequence: word create, word vhost-user, word socket, value socket,
 *	          group (optional): sequence: word server (a key)
 *	          group (optional): sequence: word mode, group: sequence: word a (a key)
 *	                                                        sequence: word b (a key)
 *
 * A group is one or more sequences to choose from. Optional groups that stand side by side may come in any
 * order. The words of a sequence inside a group are keys (they put a true into the arguments) unless the
 * sequence always holds a value or a choice, which tells as much. <name:{a|b}> is a group whose words put
 * their own text under the name.
 */
#ifndef GINNEL_CTL_GRAMMAR_H
#define GINNEL_CTL_GRAMMAR_H

#include "ctl/value.h"

#define GRAMMAR_DEPTH_MAX 6  /* groups within groups */
#define GRAMMAR_ITEMS_MAX 64 /* in one sequence */

enum grammar_kind {
	GRAMMAR_WORD,
	GRAMMAR_VALUE,
	GRAMMAR_GROUP,
};

struct grammar_seq;

struct grammar_item {
	enum grammar_kind kind;
	bool optional;                 /* group: in [ ] */
	bool is_key;                   /* word: puts a true under its text */
	char *text;                    /* word; value's name; name of a group that is written <name:{a|b}> */
	const char *choice_of;         /* word: that name, if it stands in such a group */
	const struct value_type *type; /* value */
	const char *label;             /* value: what users see between < and > */
	struct grammar_seq *alternatives;
	size_t n_alternatives;
};

struct grammar_seq {
	struct grammar_item *items;
	size_t n_items;
};

struct grammar {
	struct grammar_seq seq;
	char *synopsis; /* as users read it: create vhost-user socket <path> [server] */
	char *method;   /* the leading words with dots between: create.vhost-user.socket */
};

struct grammar_error {
	char text[160];
	size_t at; /* bytes from the start of the grammar */
};

/* NULL when text is no grammar; then error says why. */
struct grammar *grammar_parse(const char *text, const struct value_types *types, struct grammar_error *error);
void grammar_free(struct grammar *grammar);

/* The items from the given one on, as users read them. */
void grammar_print_seq(const struct grammar_seq *seq, size_t from, FILE *out);

#endif
