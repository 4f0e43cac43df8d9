/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table - command lines from tables: getopt's view, --help, the manual page and the messages about mistakes all
 * come from one row for each option.
 *
 * Tables stand one behind another, as a program's own behind those that several programs share; each has the thing that
 * its rows fill. --log-level, --print-man, --version and --help come by themselves.
 */
#ifndef GINNEL_PROG_OPTION_TABLE_H
#define GINNEL_PROG_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_PRINT_MAN,
	OPTIONS_DONE,  /* help or version was printed */
	OPTIONS_WRONG, /* said why on standard error */
};

#define OPTION_WANTED_LEN 160

struct option_row {
	const char *name;  /* without dashes; NULL ends a table */
	char key;          /* the short form; 0: there is none */
	const char *value; /* what the value is called; NULL: takes none */
	const char *help;
	/*
	 * Takes the value, NULL where there is none. 0, or -EINVAL and what would have been right, as in "a number from 1
	 * to 16". Texts live as long as the process.
	 */
	int (*set)(void *target, const char *text, char wanted[OPTION_WANTED_LEN]);
};

struct option_table {
	const struct option_row *rows;
	void *target;
};

#define OPTION_TABLES_MAX 4

struct option_set {
	const char *program;
	const char *brief; /* what --help says first */
	struct option_table tables[OPTION_TABLES_MAX];
	uint32_t n_tables;
};

/* Everything on the line has to be an option. */
enum options_verdict options_read(const struct option_set *set, int argc, char **argv);

/* As items of an mdoc list. */
void options_print_man(const struct option_set *set, FILE *out);

/* For set(): 0 and *out, or -EINVAL and wanted. */
int option_number(
	const char *text, uint64_t min, uint64_t max, uint64_t *out, char wanted[OPTION_WANTED_LEN]);
/* -EINVAL, with this in wanted. */
int option_wrong(char wanted[OPTION_WANTED_LEN], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
