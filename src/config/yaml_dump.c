/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml_file.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

struct dumping {
	yaml_document_t doc;
};

/* As a plain scalar it would be read as something else: by us, or by readers who know numbers with colons. */
static bool wants_quotes(const char *text)
{
	return !*text || strspn(text, "0123456789.:-+eExX") == strlen(text) || strcmp(text, "true") == 0 ||
	       strcmp(text, "false") == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0 ||
	       strcmp(text, "on") == 0 || strcmp(text, "off") == 0 || strcmp(text, "yes") == 0 ||
	       strcmp(text, "no") == 0;
}

static int add_scalar(struct dumping *d, const char *text, yaml_scalar_style_t style)
{
	return yaml_document_add_scalar(&d->doc, NULL, (const yaml_char_t *)text, (int)strlen(text), style);
}

static int add_text(struct dumping *d, const char *text)
{
	return add_scalar(
		d, text, wants_quotes(text) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
}

static int add(struct dumping *d, const json_t *value);

static int add_mapping(struct dumping *d, const json_t *value)
{
	int node = yaml_document_add_mapping(&d->doc, NULL, YAML_ANY_MAPPING_STYLE);
	const char *name;
	json_t *child;

	json_object_foreach ((json_t *)(uintptr_t)value, name, child)
		/* a name is text whatever it looks like */
		yaml_document_append_mapping_pair(
			&d->doc, node, add_scalar(d, name, YAML_ANY_SCALAR_STYLE), add(d, child));
	return node;
}

static int add_sequence(struct dumping *d, const json_t *value)
{
	int node = yaml_document_add_sequence(&d->doc, NULL, YAML_BLOCK_SEQUENCE_STYLE);
	json_t *child;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)value, i, child)
		yaml_document_append_sequence_item(&d->doc, node, add(d, child));
	return node;
}

static int add(struct dumping *d, const json_t *value)
{
	char number[24];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return add_mapping(d, value);
	case JSON_ARRAY:
		return add_sequence(d, value);
	case JSON_STRING:
		return add_text(d, json_string_value(value));
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return add_scalar(d, number, YAML_PLAIN_SCALAR_STYLE);
	case JSON_TRUE:
		return add_scalar(d, "true", YAML_PLAIN_SCALAR_STYLE);
	case JSON_FALSE:
		return add_scalar(d, "false", YAML_PLAIN_SCALAR_STYLE);
	default:
		return add_scalar(d, "~", YAML_PLAIN_SCALAR_STYLE);
	}
}

static bool emit(struct dumping *d, FILE *out)
{
	yaml_emitter_t emitter;
	bool ok;

	if (!yaml_emitter_initialize(&emitter))
		return false;
	yaml_emitter_set_output_file(&emitter, out);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	ok = yaml_emitter_open(&emitter) && yaml_emitter_dump(&emitter, &d->doc) &&
	     yaml_emitter_flush(&emitter);
	yaml_emitter_delete(&emitter);
	return ok;
}

int yaml_dump(const json_t *tree, FILE *out)
{
	struct dumping d;

	if (!yaml_document_initialize(&d.doc, NULL, NULL, NULL, 1, 1))
		return -EIO;
	add(&d, tree);
	/* emitting takes the document's nodes; what is left of them goes with the emitter */
	return emit(&d, out) ? 0 : -EIO;
}
