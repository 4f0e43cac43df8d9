/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml_file.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FILE_MAX  (4u << 20)
#define NODES_MAX 200000
#define DEPTH_MAX 8

struct loading {
	yaml_document_t doc;
	const char *name;
	json_t *marks;
	unsigned n_nodes;
	char *error;
};

static json_t *refuse(struct loading *l, const yaml_mark_t *at, const char *what)
{
	snprintf(l->error, 512, "%s:%zu:%zu: %s", l->name, at->line + 1, at->column + 1, what);
	return NULL;
}

static bool is_number(const char *text)
{
	if (*text == '-')
		text++;
	if (!isdigit((unsigned char)*text))
		return false;
	if (text[0] == '0' && text[1])
		return false; /* an octal number, or part of an address: text keeps it as it is */
	return strspn(text, "0123456789") == strlen(text) && strlen(text) < 19;
}

static json_t *scalar(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return json_string(text);
	if (is_number(text))
		return json_integer(strtoll(text, NULL, 10));
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(text[0] == 't');
	if (strcmp(text, "") == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
		return json_null();
	return json_string(text);
}

static json_t *value(
	struct loading *l, const yaml_node_t *node, const struct config_place *place, unsigned depth);

static json_t *sequence(
	struct loading *l, const yaml_node_t *node, const struct config_place *place, unsigned depth)
{
	json_t *list = json_array();

	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
		json_t *item = value(l, yaml_document_get_node(&l->doc, *i), place, depth + 1);

		if (!item) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, item);
	}
	return list;
}

static void mark(struct loading *l, const struct config_place *place, const yaml_mark_t *at)
{
	char *text = config_place_text(place);

	if (!json_object_get(l->marks, text)) /* a list's first item tells where the list is */
		json_object_set_new(l->marks, text, json_integer((json_int_t)at->line + 1));
	free(text);
}

/* False with an error: the mapping has no room for it, or it has it already. */
static bool pair(struct loading *l, json_t *mapping, const yaml_node_pair_t *p,
	const struct config_place *place, unsigned depth)
{
	const yaml_node_t *key = yaml_document_get_node(&l->doc, p->key);
	const char *name = (const char *)key->data.scalar.value;
	struct config_place below = *place;
	json_t *v;

	if (key->type != YAML_SCALAR_NODE || !*name)
		return refuse(l, &key->start_mark, "a name is expected here");
	if (json_object_get(mapping, name))
		return refuse(l, &key->start_mark, "this name was there before");
	if (config_place_add(&below, name))
		mark(l, &below, &key->start_mark);
	v = value(l, yaml_document_get_node(&l->doc, p->value), &below, depth + 1);
	if (v && json_object_set_new(mapping, name, v) != 0)
		return refuse(l, &key->start_mark, "this is no text");
	return v != NULL;
}

static json_t *mapping(
	struct loading *l, const yaml_node_t *node, const struct config_place *place, unsigned depth)
{
	json_t *m = json_object();

	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		if (!pair(l, m, p, place, depth)) {
			json_decref(m);
			return NULL;
		}
	}
	return m;
}

static json_t *value(
	struct loading *l, const yaml_node_t *node, const struct config_place *place, unsigned depth)
{
	json_t *v;

	if (!node || ++l->n_nodes > NODES_MAX || depth > DEPTH_MAX)
		return refuse(l, node ? &node->start_mark : &(yaml_mark_t){0},
			"this is more, or more nested, than a configuration is");
	if (node->type == YAML_MAPPING_NODE)
		return mapping(l, node, place, depth);
	if (node->type == YAML_SEQUENCE_NODE)
		return sequence(l, node, place, depth);
	v = scalar(node);
	return v ? v : refuse(l, &node->start_mark, "this is no text");
}

static json_t *document(struct loading *l)
{
	const yaml_node_t *root = yaml_document_get_root_node(&l->doc);

	if (!root)
		return json_object(); /* an empty file: nothing is wanted */
	if (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)
		return json_object();
	if (root->type != YAML_MAPPING_NODE)
		return refuse(l, &root->start_mark, "a mapping is expected, as in \"interfaces:\"");
	return value(l, root, &(struct config_place){0}, 0);
}

static void explain(const yaml_parser_t *parser, const char *name, char error[512])
{
	const yaml_mark_t *at = &parser->problem_mark;

	snprintf(error, 512, "%s:%zu:%zu: %s%s%s", name, at->line + 1, at->column + 1,
		parser->problem ? parser->problem : "cannot be read", parser->context ? ", " : "",
		parser->context ? parser->context : "");
}

json_t *yaml_load(FILE *in, const char *name, json_t **marks, char error[512])
{
	struct loading l = {.name = name, .marks = json_object(), .error = error};
	unsigned char *text = malloc(FILE_MAX);
	yaml_parser_t parser;
	json_t *tree = NULL;
	size_t len = text ? fread(text, 1, FILE_MAX, in) : 0;

	*marks = l.marks;
	if (len == FILE_MAX || !text || ferror(in) || !yaml_parser_initialize(&parser)) {
		snprintf(error, 512, "%s: cannot be read, or is larger than %u MiB", name, FILE_MAX >> 20);
		free(text);
		return NULL;
	}
	yaml_parser_set_input_string(&parser, text, len);
	if (yaml_parser_load(&parser, &l.doc)) {
		tree = document(&l);
		yaml_document_delete(&l.doc);
	} else {
		explain(&parser, name, error);
	}
	yaml_parser_delete(&parser);
	free(text);
	return tree;
}

unsigned yaml_line(const json_t *marks, const struct config_place *place)
{
	for (struct config_place at = *place; at.n > 0; at.n--) {
		char *text = config_place_text(&at);
		const json_t *line = json_object_get(marks, text);

		free(text);
		if (line)
			return (unsigned)json_integer_value(line);
	}
	return 0;
}
