/* SPDX-License-Identifier: Apache-2.0 */
/* value - the kinds of values in a grammar: the built-in ones and those that modules bring (struct ctl_type).
 */
#ifndef GINNEL_CTL_VALUE_H
#define GINNEL_CTL_VALUE_H

#include "ctl/command.h"

#define VALUE_TYPES_MAX 64

struct value_type {
	const struct ctl_type *row;
	void *subject;
	const char *label; /* what stands for it between < and >, such as "number" */
	bool label_tells;  /* the label says more than the name of any value of this type */
	uint64_t max;      /* numbers only: the largest one */
	bool free_form;    /* takes nearly any text, so a word of the grammar goes first */
	bool is_path;
	bool is_line; /* takes the rest of the line */
};

/* Grammars point into items: it never moves. */
struct value_types {
	struct value_type items[VALUE_TYPES_MAX];
	size_t n;
};

/* With the built-in types. */
void value_types_init(struct value_types *types);
void value_types_add(struct value_types *types, const struct ctl_type *row, void *subject);
/* The name has len bytes; NULL when there is no such type. */
const struct value_type *value_type_find(const struct value_types *types, const char *name, size_t len);

/* Text to JSON, or NULL; a relative path is taken from cwd unless that is NULL. */
json_t *value_parse(const struct value_type *type, const char *text, const char *cwd);
/* The text a user would have typed for a JSON value, to be freed; NULL if it is no value of this type. */
char *value_to_text(const struct value_type *type, const json_t *json);
/* A sentence on why text is none: 'abc' is not a number (bridge-domain). */
void value_explain(const struct value_type *type, const char *name, const char *text, FILE *out);

#endif
