/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/option_table.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64
/* Of --help: where its explanations begin, and lines end. */
#define HELP_COLUMN 29
#define HELP_WIDTH  100
/* Of long options; short ones have their letter. */
#define FIRST_LONG 256

struct row {
	const struct option_row *row;
	void *target;
};

struct rows {
	struct row all[ROWS_MAX];
	uint32_t n;
};

static int set_log_level(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	enum log_level level;

	if (!log_level_parse(text, &level))
		return option_wrong(wanted, "error, warning, info or debug");
	log_set_level(level);
	return 0;
}

/* Those without set() are done by options_read() itself. */
static const struct option_row log_level_row = {
	"log-level", 'l', "LEVEL", "error, warning, info (default) or debug", set_log_level};
static const struct option_row man_row = {"print-man", 'm', NULL, "print the manual page and exit", NULL};
static const struct option_row version_row = {"version", 'V', NULL, "print the version and exit", NULL};
static const struct option_row help_row = {"help", 'h', NULL, "print this and exit", NULL};

static void rows_add(struct rows *rows, const struct option_row *row, void *target)
{
	ASSERT(rows->n < ROWS_MAX);
	for (uint32_t i = 0; i < rows->n; i++) {
		ASSERT(strcmp(rows->all[i].row->name, row->name) != 0);
		ASSERT(row->key == 0 || rows->all[i].row->key != row->key);
	}
	rows->all[rows->n++] = (struct row){row, target};
}

static void rows_of(const struct option_set *set, struct rows *rows)
{
	rows->n = 0;
	for (uint32_t i = 0; i < set->n_tables; i++)
		for (const struct option_row *row = set->tables[i].rows; row->name; row++)
			rows_add(rows, row, set->tables[i].target);
	rows_add(rows, &log_level_row, NULL);
	rows_add(rows, &man_row, NULL);
	rows_add(rows, &version_row, NULL);
	rows_add(rows, &help_row, NULL);
}

/* From HELP_COLUMN on, which the cursor is one place before. */
static void print_wrapped(const char *text)
{
	size_t at = HELP_COLUMN - 1;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (at >= HELP_COLUMN && at + 1 + len > HELP_WIDTH) {
			printf("\n%*s", HELP_COLUMN - 1, "");
			at = HELP_COLUMN - 1;
		}
		printf(" %.*s", (int)len, text);
		at += 1 + len;
		text += len + strspn(text + len, " ");
	}
	putchar('\n');
}

static void print_help(const struct option_set *set, const struct rows *rows)
{
	printf("usage: %s [OPTION...]\n\n%s\n\n", set->program, set->brief);
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct option_row *row = rows->all[i].row;
		char left[64], key[8] = "   ";

		if (row->key)
			snprintf(key, sizeof(key), "-%c,", row->key);
		snprintf(left, sizeof(left), "%s --%s%s%s", key, row->name, row->value ? " " : "",
			row->value ? row->value : "");
		printf("  %-*s", HELP_COLUMN - 3, left);
		if (strlen(left) > HELP_COLUMN - 3)
			printf("\n%*s", HELP_COLUMN - 1, "");
		print_wrapped(row->help);
	}
}

int option_wrong(char wanted[OPTION_WANTED_LEN], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(wanted, OPTION_WANTED_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

int option_number(const char *text, uint64_t min, uint64_t max, uint64_t *out, char wanted[OPTION_WANTED_LEN])
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *out >= min && *out <= max)
		return 0;
	if (min == 0)
		return option_wrong(wanted, "a number up to %llu", (unsigned long long)max);
	return option_wrong(
		wanted, "a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
}

static enum options_verdict set_row(const struct option_set *set, const struct rows *rows, uint32_t i)
{
	const struct option_row *row = rows->all[i].row;
	char wanted[OPTION_WANTED_LEN] = "";

	if (row == &man_row)
		return OPTIONS_PRINT_MAN;
	if (row == &version_row) {
		printf("%s %s\n", set->program, GINNEL_VERSION);
		return OPTIONS_DONE;
	}
	if (row == &help_row) {
		print_help(set, rows);
		return OPTIONS_DONE;
	}
	if (row->set(rows->all[i].target, optarg, wanted) == 0)
		return OPTIONS_RUN;
	fprintf(stderr, "%s: --%s%s%s: expected %s\n", set->program, row->name, row->value ? " " : "",
		row->value ? optarg : "", wanted);
	return OPTIONS_WRONG;
}

/* getopt's two tables out of ours. */
static void make_getopt(
	const struct rows *rows, struct option longs[ROWS_MAX + 1], char shorts[2 * ROWS_MAX + 1])
{
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct option_row *row = rows->all[i].row;

		longs[i] = (struct option){
			row->name, row->value ? required_argument : no_argument, NULL, FIRST_LONG + (int)i};
		if (!row->key)
			continue;
		*shorts++ = row->key;
		if (row->value)
			*shorts++ = ':';
	}
	longs[rows->n] = (struct option){0};
	*shorts = '\0';
}

/* The row that getopt means, or rows->n. */
static uint32_t row_of(const struct rows *rows, int val)
{
	uint32_t i = 0;

	if (val >= FIRST_LONG)
		return (uint32_t)(val - FIRST_LONG);
	while (i < rows->n && rows->all[i].row->key != val)
		i++;
	return i;
}

enum options_verdict options_read(const struct option_set *set, int argc, char **argv)
{
	struct option longs[ROWS_MAX + 1];
	char shorts[2 * ROWS_MAX + 1];
	struct rows rows;
	int val;

	rows_of(set, &rows);
	make_getopt(&rows, longs, shorts);
	while ((val = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		uint32_t i = row_of(&rows, val);
		enum options_verdict verdict = OPTIONS_WRONG;

		if (i < rows.n)
			verdict = set_row(set, &rows, i);
		else
			fprintf(stderr, "try %s --help\n", set->program);
		if (verdict != OPTIONS_RUN)
			return verdict;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unknown argument '%s': try %s --help\n", set->program, argv[optind],
			set->program);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

void options_print_man(const struct option_set *set, FILE *out)
{
	struct rows rows;

	rows_of(set, &rows);
	fputs(".Bl -tag -width Ds\n", out);
	for (uint32_t i = 0; i < rows.n; i++) {
		const struct option_row *row = rows.all[i].row;

		fputs(".It ", out);
		if (row->key)
			fprintf(out, "Fl %c , ", row->key);
		fprintf(out, "Fl \\-%s", row->name);
		if (row->value)
			fprintf(out, " Ar %s", row->value);
		fprintf(out, "\n%s\n", row->help);
	}
	fputs(".El\n", out);
}
