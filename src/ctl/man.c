/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_private.h"

#include <string.h>

/* Text that mdoc must not read as macros or escapes. */
static void print_plain(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else
			fputc(*text, out);
	}
	fputc('\n', out);
}

/* In the argument of a macro a quote is doubled. */
static void print_item_head(const char *text, FILE *out)
{
	fputs(".It Xo\n.Li \"", out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		if (*text == '-')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("\"\n.Xc\n", out);
}

static void print_head(FILE *out)
{
	fputs(".\\\" Generated from the table of commands.\n"
	      ".Dd ginnel " GINNEL_VERSION "\n.Dt GINNEL-COMMANDS 7\n.Os\n"
	      ".Sh NAME\n.Nm ginnel-commands\n.Nd commands of the ginnel shell\n"
	      ".Sh DESCRIPTION\n"
	      "These commands are understood by\n.Xr ginnel 1 ,\nin files that\n.Ic exec\nreads, and, under "
	      "the\n"
	      "name that their leading words make with dots between, as JSON-RPC methods.\n"
	      "Every word may be cut to a beginning that no other word has at its place.\n"
	      "What stands in square brackets may be left out; groups of them may come in any order.\n"
	      "Double quotes keep blanks in a value, and # starts a comment.\n",
		out);
}

static void print_types(const struct ctl *ctl, FILE *out)
{
	fputs(".Sh VALUES\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < ctl->types.n; i++) {
		const struct value_type *type = &ctl->types.items[i];

		fprintf(out, ".It %s\n", type->label);
		print_plain(type->row->help, out);
	}
	fputs(".El\n", out);
}

void ctl_print_man_commands(const struct ctl *ctl, FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < ctl->n_rows; i++) {
		print_item_head(ctl->rows[i].grammar->synopsis, out);
		print_plain(ctl->rows[i].command->help, out);
	}
	fputs(".El\n", out);
}

void ctl_print_man(const struct ctl *ctl, FILE *out)
{
	print_head(out);
	fputs(".Sh COMMANDS\n", out);
	ctl_print_man_commands(ctl, out);
	print_types(ctl, out);
	fputs(".Sh SEE ALSO\n.Xr ginnel 1 ,\n.Xr ginneld 8\n", out);
}
