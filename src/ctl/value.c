/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/value.h"

#include "base/check.h"
#include "ctl/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 10

/* An integer when JSON has room for it (63 bits), else a decimal string; ctl_u64() reads both. */
static json_t *number_to_json(uint64_t number)
{
	char text[24];

	if (number <= INT64_MAX)
		return json_integer((json_int_t)number);
	snprintf(text, sizeof(text), "%" PRIu64, number);
	return json_string(text);
}

static json_t *parse_u64_up_to(const char *text, uint64_t max)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	if (!isdigit((unsigned char)text[0]) || (hex && !isxdigit((unsigned char)text[2])))
		return NULL;
	errno = 0;

	uint64_t number = strtoull(text, &end, hex ? 16 : 10);

	if (*end || errno || number > max)
		return NULL;
	return number_to_json(number);
}

static json_t *parse_u16(void *subject, const char *text)
{
	return parse_u64_up_to(text, UINT16_MAX);
}

static json_t *parse_u32(void *subject, const char *text)
{
	return parse_u64_up_to(text, UINT32_MAX);
}

static json_t *parse_u64(void *subject, const char *text)
{
	return parse_u64_up_to(text, UINT64_MAX);
}

static json_t *parse_hex(void *subject, const char *text)
{
	char *end;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	if (!isxdigit((unsigned char)text[0]))
		return NULL;
	errno = 0;

	uint64_t number = strtoull(text, &end, 16);

	return *end || errno ? NULL : number_to_json(number);
}

static json_t *parse_mac(void *subject, const char *text)
{
	char mac[18];

	if (strlen(text) != 17)
		return NULL;
	for (int i = 0; i < 17; i++) {
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return NULL;
		mac[i] = (char)tolower((unsigned char)text[i]);
	}
	return json_stringn(mac, 17);
}

static json_t *parse_onoff(void *subject, const char *text)
{
	if (strcmp(text, "on") == 0 || strcmp(text, "1") == 0)
		return json_true();
	if (strcmp(text, "off") == 0 || strcmp(text, "0") == 0)
		return json_false();
	return NULL;
}

static void each_onoff(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	word(arg, "on");
	word(arg, "off");
}

static json_t *parse_text(void *subject, const char *text)
{
	return *text ? json_string(text) : NULL;
}

static const struct ctl_type word_row = {"word", "a word", parse_text, NULL, NULL};
static const struct ctl_type path_row = {"path", "a file path", parse_text, NULL, NULL};
static const struct ctl_type u16_row = {"u16", "a number", parse_u16, NULL, NULL};
static const struct ctl_type u32_row = {"u32", "a number", parse_u32, NULL, NULL};
static const struct ctl_type u64_row = {"u64", "a number", parse_u64, NULL, NULL};
static const struct ctl_type hex_row = {
	"hex", "a hexadecimal number of up to 64 bits", parse_hex, NULL, NULL};
static const struct ctl_type mac_row = {
	"mac", "a MAC address such as 52:54:00:12:34:56", parse_mac, NULL, NULL};
static const struct ctl_type onoff_row = {"onoff", "on or off", parse_onoff, each_onoff, NULL};
static const struct ctl_type line_row = {"line", "text to the end of the line", parse_text, NULL, NULL};

static const struct value_type builtin_types[] = {
	{.row = &word_row, .label = "word", .free_form = true},
	{.row = &path_row, .label = "path", .free_form = true, .is_path = true},
	{.row = &u16_row, .label = "number", .max = UINT16_MAX},
	{.row = &u32_row, .label = "number", .max = UINT32_MAX},
	{.row = &u64_row, .label = "number", .max = UINT64_MAX},
	{.row = &hex_row, .label = "hex"},
	{.row = &mac_row, .label = "mac"},
	{.row = &onoff_row, .label = "on|off", .label_tells = true},
	{.row = &line_row, .label = "text", .free_form = true, .is_line = true},
};

void value_types_init(struct value_types *types)
{
	memcpy(types->items, builtin_types, sizeof(builtin_types));
	types->n = ARRAY_LEN(builtin_types);
}

void value_types_add(struct value_types *types, const struct ctl_type *row, void *subject)
{
	ASSERT(types->n < VALUE_TYPES_MAX);
	ASSERT(row->name && row->help && row->parse);
	ASSERT(!value_type_find(types, row->name, strlen(row->name)));
	types->items[types->n++] = (struct value_type){.row = row, .subject = subject, .label = row->name};
}

const struct value_type *value_type_find(const struct value_types *types, const char *name, size_t len)
{
	for (size_t i = 0; i < types->n; i++) {
		const char *known = types->items[i].row->name;

		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return &types->items[i];
	}
	return NULL;
}

json_t *value_parse(const struct value_type *type, const char *text, const char *cwd)
{
	if (type->is_path && cwd && *text && *text != '/')
		return json_sprintf("%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, text);
	return type->row->parse(type->subject, text);
}

char *value_to_text(const struct value_type *type, const json_t *json)
{
	char number[24];

	switch (json_typeof(json)) {
	case JSON_STRING:
		return text_copy(json_string_value(json), json_string_length(json));
	case JSON_INTEGER:
		snprintf(number, sizeof(number), type->row == &hex_row ? "0x%" PRIx64 : "%" PRId64,
			(int64_t)json_integer_value(json));
		return text_copy(number, strlen(number));
	case JSON_TRUE:
		return type->row == &onoff_row ? text_copy("on", 2) : NULL;
	case JSON_FALSE:
		return type->row == &onoff_row ? text_copy("off", 3) : NULL;
	default:
		return NULL;
	}
}

struct names {
	FILE *out;
	size_t n;
};

static void print_name(void *arg, const char *text)
{
	struct names *names = arg;

	if (names->n < NAMES_SHOWN)
		fprintf(names->out, "%s%s", names->n ? ", " : ": there are ", text);
	else if (names->n == NAMES_SHOWN)
		fputs(", ...", names->out);
	names->n++;
}

void value_explain(const struct value_type *type, const char *name, const char *text, FILE *out)
{
	struct names names = {.out = out};

	if (type->max && *text && strspn(text, "0123456789") == strlen(text)) {
		fprintf(out, "'%s' is too large (%s): at most %" PRIu64 " is possible", text, name,
			type->max);
		return;
	}
	fprintf(out, "'%s' is not %s (%s)", text, type->row->help, name);
	if (!type->row->each || type->row == &onoff_row)
		return;
	type->row->each(type->subject, print_name, &names);
	if (names.n == 0)
		fputs(": there is none yet", out);
}
