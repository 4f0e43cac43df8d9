/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - what a command is: a row in a table, from which parsing, help, completion, text and JSON answers,
 * man pages and the JSON-RPC method of the same name all come.
 *
 * A module writes its rows as `static const struct ctl_command[]` and exports one `struct ctl_table` for
 * them; prog/commands.c lists the tables, each with the subject its handlers work on. All handlers run in
 * the control thread, one at a time.
 *
 * Grammar of a row: words; <name:type> is a value; [ ... ] may be left out, and optional groups may come in
 * any order; {a|b} is a choice. Every word may be cut to a prefix that is unambiguous at its place. Example:
 *
 *	create vhost-user socket <socket:path> [server] [hwaddr <hwaddr:mac>]
 *
 * The values of one call are a JSON object: value names are keys, an optional bare word is the key of a true
 * (`server`), a choice is a string under its own name when written <name:{a|b}>.
 */
#ifndef GINNEL_CTL_COMMAND_H
#define GINNEL_CTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ctl_asker;
struct ctl_later;

/* One call of one command. The handler reads args and sets result, or calls ctl_fail(). */
struct ctl_call {
	void *subject;  /* from the table's entry in prog/commands.c */
	json_t *args;   /* borrowed; checked against the grammar already */
	json_t *result; /* owned by the call; NULL means "done, nothing to say" */
	char error[512];
	const struct ctl_asker *asker; /* who can wait; NULL: nobody */
	struct ctl_later *later;       /* the answer comes later */
};

/* Ends a handler with a sentence for the user; always returns -1. Control characters become '?'. */
int ctl_fail(struct ctl_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A command that takes time answers later. Its handler takes a token, keeps it and returns 0; from the event loop it then
 * tells what there is, part by part, and at last ends it:
 *
 *	run = ctl_later(call, "replies", stop, ping);     NULL after ctl_fail(): return -1
 *	ctl_later_part(run, json_pack(...));              any number; print() makes a text of each
 *	ctl_later_end(run, json_pack(...), NULL);         once; print() makes the last text of it
 *
 * A caller gets each part at once (a shell does), or all of them at the end, in the result's list of that name. stop(): the
 * caller wants no more (Ctrl-C), has gone, or the program ends; ctl_later_end() comes before it returns. Results are
 * objects. A line of a file, a batch and a notification have nobody who waits.
 */
struct ctl_later *ctl_later(
	struct ctl_call *call, const char *parts_name, void (*stop)(void *subject), void *subject);
/* Takes over part. Not from stop() or the handler itself. */
void ctl_later_part(struct ctl_later *later, json_t *part);
/* Takes over the token and result; error, if not NULL, is the answer instead. */
void ctl_later_end(struct ctl_later *later, json_t *result, const char *error);

/* Readers of args for handlers; the default when the value was not given. */
bool ctl_has(const struct ctl_call *call, const char *name);
const char *ctl_str(const struct ctl_call *call, const char *name, const char *otherwise);
uint64_t ctl_u64(const struct ctl_call *call, const char *name, uint64_t otherwise);
/* A MAC address as six bytes; false when not given. */
bool ctl_mac(const struct ctl_call *call, const char *name, uint8_t mac[6]);

struct ctl_command {
	const char *grammar;
	const char *help;                  /* one line, no full stop */
	int (*run)(struct ctl_call *call); /* 0, or -1 after ctl_fail() */
	/* The answer as text. NULL: a string or integer result is printed as it is, anything else as JSON. */
	void (*print)(const json_t *result, FILE *out);
};

/* A table's rows end with an empty row. */
struct ctl_table {
	const struct ctl_command *commands;
};

/*
 * A kind of value that only a module knows, such as the names of interfaces. Built-in types: word, path,
 * u16, u32, u64, hex, mac, onoff ("on|off" or "0|1", a JSON bool), line (the rest of the line).
 */
struct ctl_type {
	const char *name; /* as in <name:type> */
	const char *help; /* "an interface, see show interface" */
	/* Turns text into the value for args; NULL if there is no such thing. */
	json_t *(*parse)(void *subject, const char *text);
	/* Calls word() for each value that exists now. */
	void (*each)(void *subject, void (*word)(void *arg, const char *text), void *arg);
	/*
	 * The text of a value that parse() made, borrowed, or NULL. For values that are names of things; a type without
	 * this has values that say all themselves.
	 */
	const char *(*name_of)(void *subject, const json_t *value);
};

#endif
