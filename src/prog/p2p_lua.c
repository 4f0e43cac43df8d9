/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/p2p_lua.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  256 /* of a string or a dotted name */
#define VARS_MAX  64
#define ARGS_MAX  8
#define DEPTH_MAX 16

enum token_kind { T_END, T_NAME, T_NUMBER, T_STRING, T_SIGN };

struct token {
	enum token_kind kind;
	char text[TEXT_MAX]; /* name, string, or the sign */
	int64_t number;
	uint32_t line, column;
};

enum value_kind { V_NIL, V_NUMBER, V_STRING, V_TABLE, V_CHANNEL, V_PORT, V_THING };

struct value {
	enum value_kind kind;
	int64_t number;      /* V_PORT: which */
	char text[TEXT_MAX]; /* V_STRING; V_THING: its dotted name */
};

struct var {
	char name[P2P_NAME_LEN];
	struct value value;
};

struct lua {
	const char *at, *end;
	uint32_t line, column, depth;
	struct token t; /* the next */
	struct p2p_lua *out;
	struct var vars[VARS_MAX];
	uint32_t n_vars;
	const char *assigned; /* the name that is being given a value; NULL: none */
	int err;
	char *why;
};

static __attribute__((format(printf, 3, 4))) void fail(struct lua *l, int err, const char *fmt, ...)
{
	va_list args;
	int n;

	if (l->err) /* the first counts */
		return;
	l->err = err;
	n = snprintf(l->why, P2P_WHY_LEN, "%u:%u: ", l->t.line, l->t.column);
	va_start(args, fmt);
	vsnprintf(l->why + n, P2P_WHY_LEN - (size_t)n, fmt, args);
	va_end(args);
}

/* --- tokens --- */

static char peek(const struct lua *l)
{
	return l->at < l->end ? *l->at : 0;
}

static bool looks_at(const struct lua *l, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(l->end - l->at) >= len && memcmp(l->at, text, len) == 0;
}

static void step(struct lua *l, size_t n)
{
	for (; n > 0 && l->at < l->end; n--) {
		l->column = *l->at == '\n' ? 1 : l->column + 1;
		l->line += *l->at++ == '\n';
	}
}

static void skip_comment(struct lua *l)
{
	if (looks_at(l, "--[[")) {
		l->t.line = l->line;
		l->t.column = l->column;
		while (l->at < l->end && !looks_at(l, "]]"))
			step(l, 1);
		if (l->at == l->end)
			fail(l, -EINVAL, "a comment does not end: close it with ]]");
		step(l, 2);
		return;
	}
	while (l->at < l->end && *l->at != '\n')
		step(l, 1);
}

static void skip_space(struct lua *l)
{
	for (;;) {
		if (l->at < l->end && isspace((unsigned char)*l->at))
			step(l, 1);
		else if (looks_at(l, "--"))
			skip_comment(l);
		else
			return;
	}
}

static void add(struct lua *l, size_t *len, char c)
{
	if (*len + 1 >= TEXT_MAX)
		fail(l, -EINVAL, "more than %d bytes: make it shorter", TEXT_MAX - 1);
	else if (c == 0)
		fail(l, -EINVAL, "a zero byte has no place in a port list");
	else
		l->t.text[(*len)++] = c;
}

static void read_string(struct lua *l)
{
	static const char from[] = "ntr\\\"'", to[] = "\n\t\r\\\"'";
	char quote = peek(l);
	size_t len = 0;

	for (step(l, 1); l->at < l->end && *l->at != quote && *l->at != '\n' && !l->err; step(l, 1)) {
		const char *escape;

		if (*l->at != '\\') {
			add(l, &len, *l->at);
			continue;
		}
		step(l, 1);
		escape = peek(l) ? strchr(from, peek(l)) : NULL;
		if (escape)
			add(l, &len, to[escape - from]);
		else
			fail(l, -EINVAL, "an escape in a string is \\n, \\t, \\r, \\\\, \\\" or \\'");
	}
	if (peek(l) != quote)
		fail(l, -EINVAL, "a string does not end: close it with %c", quote);
	step(l, 1);
	l->t.text[len] = 0;
	l->t.kind = T_STRING;
}

static void read_name(struct lua *l)
{
	size_t len = 0;

	for (; isalnum((unsigned char)peek(l)) || peek(l) == '_'; step(l, 1))
		add(l, &len, peek(l));
	l->t.text[len] = 0;
	l->t.kind = T_NAME;
}

static void read_number(struct lua *l)
{
	bool hex = looks_at(l, "0x") || looks_at(l, "0X");
	size_t len = 0;
	char *end;

	for (; isalnum((unsigned char)peek(l)); step(l, 1))
		add(l, &len, peek(l));
	l->t.text[len] = 0;
	errno = 0;
	l->t.number = strtoll(l->t.text, &end, hex ? 16 : 10);
	if (*end || errno || peek(l) == '.')
		fail(l, -EINVAL, "'%.20s' is no whole number", l->t.text);
	l->t.kind = T_NUMBER;
}

static void next(struct lua *l)
{
	skip_space(l);
	l->t.line = l->line;
	l->t.column = l->column;
	l->t.text[0] = 0;
	if (l->at == l->end || l->err) {
		l->t.kind = T_END;
	} else if (*l->at == '"' || *l->at == '\'') {
		read_string(l);
	} else if (isalpha((unsigned char)*l->at) || *l->at == '_') {
		read_name(l);
	} else if (isdigit((unsigned char)*l->at)) {
		read_number(l);
	} else {
		l->t.kind = T_SIGN;
		l->t.text[0] = isprint((unsigned char)*l->at) ? *l->at : '?';
		l->t.text[1] = 0;
		step(l, 1);
	}
}

static bool is_sign(const struct lua *l, char sign)
{
	return l->t.kind == T_SIGN && l->t.text[0] == sign;
}

static bool is_word(const struct lua *l, const char *word)
{
	return l->t.kind == T_NAME && strcmp(l->t.text, word) == 0;
}

static bool take(struct lua *l, char sign)
{
	if (l->err || !is_sign(l, sign))
		return false;
	next(l);
	return true;
}

static const char *token_text(const struct lua *l)
{
	return l->t.kind == T_END ? "the end" : l->t.text;
}

static void need(struct lua *l, char sign)
{
	if (!take(l, sign))
		fail(l, -EINVAL, "'%c' is missing before '%.40s'", sign, token_text(l));
}

/* --- ports --- */

static struct var *find_var(struct lua *l, const char *name)
{
	for (uint32_t i = 0; i < l->n_vars; i++)
		if (strcmp(l->vars[i].name, name) == 0)
			return &l->vars[i];
	return NULL;
}

/* Does a name other than that one mean the port? */
static bool is_named(const struct lua *l, uint32_t port, const char *but)
{
	for (uint32_t i = 0; i < l->n_vars; i++) {
		const struct var *v = &l->vars[i];

		if (v->value.kind == V_PORT && v->value.number == port && strcmp(v->name, but) != 0)
			return true;
	}
	return false;
}

/* Where the next port goes, if necessary in place of the one whose only name is given away. */
static int free_port(struct lua *l)
{
	const struct var *v = l->assigned ? find_var(l, l->assigned) : NULL;

	if (v && v->value.kind == V_PORT && !is_named(l, (uint32_t)v->value.number, v->name))
		return (int)v->value.number;
	for (int i = 0; i < P2P_PORTS; i++)
		if (!l->out->in_use[i])
			return i;
	return -ENOMEM;
}

static struct value create(struct lua *l, const struct value *args, uint32_t n)
{
	char why[P2P_WHY_LEN], warning[P2P_WHY_LEN];
	struct p2p_spec spec;
	int port = free_port(l);

	p2p_spec_init(&spec);
	if (n == 0 || args[0].kind != V_NUMBER || args[0].number != 0)
		fail(l, -EINVAL, "the first argument of create() is the type of the port, 0");
	for (uint32_t i = 1; i < n && !l->err; i++) {
		if (args[i].kind != V_STRING)
			fail(l, -EINVAL, "create() takes strings behind the type, as \"ds-max=4\"");
		else if (p2p_spec_add(&spec, args[i].text, why, warning) != 0)
			fail(l, -EINVAL, "%s", why);
		else if (*warning)
			snprintf(l->out->warning, P2P_WHY_LEN, "%u:%u: %.200s", l->t.line, l->t.column,
				warning);
	}
	if (port < 0)
		fail(l, -ENOMEM, "a cable has two ends: this would be a third port");
	if (l->err)
		return (struct value){.kind = V_NIL};
	if (l->assigned)
		snprintf(spec.name, sizeof(spec.name), "%s", l->assigned);
	l->out->in_use[port] = true;
	l->out->ports[port] = spec;
	return (struct value){.kind = V_PORT, .number = port};
}

/* --- the command line of start() --- */

static bool option_is(const char *word, const char *letter, const char *name, const char **value)
{
	size_t len = strlen(name);

	*value = NULL;
	if (strcmp(word, letter) == 0 || strcmp(word, name) == 0)
		return true;
	if (strncmp(word, name, len) != 0 || word[len] != '=')
		return false;
	*value = word + len + 1;
	return true;
}

static uint64_t number_of(struct lua *l, const char *text, uint64_t max)
{
	char *end;
	unsigned long long n = text ? strtoull(text, &end, 10) : 0;

	if (!text || !isdigit((unsigned char)*text) || *end || n == 0 || n > max)
		fail(l, -EINVAL, "'%.20s' in the command line: give a number from 1 to %llu",
			text ? text : "", (unsigned long long)max);
	return n;
}

static void add_ds(struct lua *l, const char *name)
{
	if (!name || !p2p_name_is_good(name) || l->out->n_ds == P2P_LUA_DS)
		fail(l, -EINVAL, "-d in the command line: give up to %d names", P2P_LUA_DS);
	else
		snprintf(l->out->ds[l->out->n_ds++], P2P_NAME_LEN, "%s", name);
}

static void take_option(struct lua *l, const char *word, char **rest)
{
	const char *value;

	if (option_is(word, "-p", "--poll", &value)) {
		l->out->poll_us = number_of(l, value ? value : strtok_r(NULL, " \t\n", rest), 1000000);
	} else if (option_is(word, "-s", "--size", &value)) {
		l->out->size = (uint32_t)number_of(l, value ? value : strtok_r(NULL, " \t\n", rest), 32768);
		if ((l->out->size & (l->out->size - 1)) != 0)
			fail(l, -EINVAL, "--size in the command line: give a power of two up to 32768");
	} else if (option_is(word, "-d", "--register-ds", &value)) {
		add_ds(l, value ? value : strtok_r(NULL, " \t\n", rest));
	} else if (*word != '[') { /* "[<options>]", as documentation has it */
		fail(l, -EINVAL, "'%.40s' in the command line: -p USEC, -s SIZE and -d NAME are known", word);
	}
}

static struct value start(struct lua *l, const struct value *args, uint32_t n)
{
	char line[TEXT_MAX], *rest;
	const char *word;

	if (n != 2 || args[0].kind != V_TABLE || args[1].kind != V_STRING) {
		fail(l, -EINVAL, "start() takes a table and a command line");
		return (struct value){.kind = V_NIL};
	}
	memcpy(line, args[1].text, sizeof(line));
	word = strtok_r(line, " \t\n", &rest); /* the program, whatever it is called */
	while (word && !l->err && (word = strtok_r(NULL, " \t\n", &rest)))
		take_option(l, word, &rest);
	return (struct value){.kind = V_THING};
}

/* --- expressions --- */

static struct value expression(struct lua *l);

static void table(struct lua *l)
{
	while (!l->err && !is_sign(l, '}')) {
		if (take(l, '[')) {
			expression(l);
			need(l, ']');
			need(l, '=');
		}
		expression(l);
		if (take(l, '='))
			expression(l);
		if (!take(l, ',') && !take(l, ';'))
			break;
	}
	need(l, '}');
}

static uint32_t arguments(struct lua *l, struct value args[ARGS_MAX])
{
	uint32_t n = 0;

	need(l, '(');
	while (!l->err && !is_sign(l, ')')) {
		if (n == ARGS_MAX)
			fail(l, -EINVAL, "more than %d arguments", ARGS_MAX);
		else
			args[n++] = expression(l);
		if (!take(l, ','))
			break;
	}
	need(l, ')');
	return n;
}

static struct value call_method(struct lua *l, const struct value *of, const char *method)
{
	static const char loader[] = "L4.default_loader";
	struct value args[ARGS_MAX];
	uint32_t n = arguments(l, args);

	if (of->kind == V_THING && strcmp(of->text, loader) == 0) {
		if (strcmp(method, "new_channel") == 0)
			return (struct value){.kind = V_CHANNEL};
		if (strcmp(method, "start") == 0)
			return start(l, args, n);
	} else if (of->kind == V_CHANNEL || (of->kind == V_THING && !strchr(of->text, '.'))) {
		if (strcmp(method, "create") == 0)
			return create(l, args, n);
		if (strcmp(method, "svr") == 0 || strcmp(method, "m") == 0)
			return (struct value){.kind = V_THING};
	}
	fail(l, -EINVAL, "there is no %.40s() here: a channel has create(), %s has new_channel() and start()",
		method, loader);
	return (struct value){.kind = V_NIL};
}

static void member(struct lua *l, struct value *of)
{
	size_t len = strlen(of->text), more = strlen(l->t.text);

	if (of->kind != V_THING || l->t.kind != T_NAME || len + more + 2 > TEXT_MAX) {
		fail(l, -EINVAL, "'%.40s' is no part of anything here", token_text(l));
		return;
	}
	of->text[len] = '.';
	memcpy(of->text + len + 1, l->t.text, more + 1);
	next(l);
}

/* What follows a name: parts of it, calls. */
static struct value suffixes(struct lua *l, struct value v)
{
	while (!l->err) {
		if (take(l, '.')) {
			member(l, &v);
		} else if (is_sign(l, '(') && v.kind == V_THING && strcmp(v.text, "L4.cast") == 0) {
			struct value args[ARGS_MAX];
			uint32_t n = arguments(l, args);

			v = n > 0 ? args[n - 1] : (struct value){.kind = V_NIL};
		} else if (take(l, ':')) {
			struct token method = l->t;

			next(l);
			if (method.kind != T_NAME)
				fail(l, -EINVAL, "a method's name is missing behind ':'");
			else
				v = call_method(l, &v, method.text);
		} else {
			break;
		}
	}
	return v;
}

static struct value name(struct lua *l)
{
	const struct var *var = find_var(l, l->t.text);
	struct value v = {.kind = V_THING};

	if (is_word(l, "nil") || is_word(l, "true") || is_word(l, "false"))
		v.kind = V_NIL;
	else if (var)
		v = var->value;
	else
		memcpy(v.text, l->t.text, sizeof(v.text));
	next(l);
	return suffixes(l, v);
}

static struct value simple_expression(struct lua *l)
{
	struct value v = {.kind = V_NIL};

	if (l->t.kind == T_NAME)
		return name(l);
	if (l->t.kind == T_NUMBER) {
		v = (struct value){.kind = V_NUMBER, .number = l->t.number};
		next(l);
	} else if (l->t.kind == T_STRING) {
		v.kind = V_STRING;
		memcpy(v.text, l->t.text, sizeof(v.text));
		next(l);
	} else if (take(l, '{')) {
		table(l);
		v.kind = V_TABLE;
	} else {
		fail(l, -EINVAL, "'%.40s' is no value: a name, a number, a string or a table is",
			token_text(l));
	}
	return v;
}

static struct value expression(struct lua *l)
{
	struct value v = {.kind = V_NIL};

	if (++l->depth > DEPTH_MAX)
		fail(l, -EINVAL, "more than %d values in each other", DEPTH_MAX);
	else
		v = simple_expression(l);
	l->depth--;
	return v;
}

/* --- statements --- */

static void drop_unnamed(struct lua *l, const struct value *old)
{
	uint32_t port = (uint32_t)old->number;

	if (old->kind == V_PORT && !is_named(l, port, ""))
		l->out->in_use[port] = false;
}

static void assign(struct lua *l, const char *to)
{
	struct value v, old;
	struct var *var;

	if (!p2p_name_is_good(to))
		fail(l, -EINVAL, "'%.40s' is too long for a name: give up to %d letters", to,
			P2P_NAME_LEN - 1);
	l->assigned = to;
	v = expression(l);
	l->assigned = NULL;
	var = find_var(l, to);
	if (!var && l->n_vars == VARS_MAX)
		fail(l, -EINVAL, "more than %d names", VARS_MAX);
	if (l->err)
		return;
	if (!var) {
		var = &l->vars[l->n_vars++];
		*var = (struct var){.value.kind = V_NIL};
		memcpy(var->name, to, strlen(to) + 1);
	}
	old = var->value;
	var->value = v;
	drop_unnamed(l, &old);
}

static void statement(struct lua *l)
{
	bool local = is_word(l, "local");
	struct token first;

	if (local)
		next(l);
	first = l->t;
	if (first.kind != T_NAME) {
		fail(l, -EINVAL, "'%.40s' begins no statement: NAME = VALUE or CHANNEL:create(...) does",
			token_text(l));
		return;
	}
	next(l);
	if (take(l, '=')) {
		assign(l, first.text);
	} else if (!local) { /* a call */
		const struct var *var = find_var(l, first.text);
		struct value v = {.kind = V_THING};

		memcpy(v.text, first.text, sizeof(v.text));
		if (!is_sign(l, ':') && !is_sign(l, '.'))
			fail(l, -EINVAL,
				"'%.40s' alone says nothing: NAME = VALUE or CHANNEL:create(...) does",
				first.text);
		suffixes(l, var ? var->value : v);
	}
}

int p2p_lua_read(const char *text, size_t len, struct p2p_lua *out, char why[P2P_WHY_LEN])
{
	struct lua *l = calloc(1, sizeof(*l));
	int err;

	*out = (struct p2p_lua){.n_ds = 0};
	if (!l) {
		snprintf(why, P2P_WHY_LEN, "1:1: out of memory");
		return -ENOMEM;
	}
	if (len > P2P_LUA_TEXT) {
		free(l);
		snprintf(why, P2P_WHY_LEN, "1:1: a port list has at most %d bytes", P2P_LUA_TEXT);
		return -EINVAL;
	}
	*l = (struct lua){.at = text, .end = text + len, .line = 1, .column = 1, .out = out, .why = why};
	next(l);
	while (!l->err && l->t.kind != T_END)
		if (!take(l, ';'))
			statement(l);
	err = l->err;
	free(l);
	return err;
}
