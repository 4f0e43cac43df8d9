/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/shell_edit.h"

#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROMPT        "ginnel# "
#define HISTORY_LINES 1000
#define PATH_SIZE     4096
#define WIDTH_DEFAULT 80
#define HELP_COLUMN   24

struct shell_edit {
	struct client *client;
	EditLine *el;
	History *history;
	char history_path[PATH_SIZE]; /* empty: none is kept */
};

static char *prompt(EditLine *el)
{
	static char text[] = PROMPT;

	return text;
}

static struct shell_edit *edit_of(EditLine *el)
{
	struct shell_edit *edit = NULL;

	el_get(el, EL_CLIENTDATA, &edit);
	return edit;
}

/* $XDG_STATE_HOME/ginnel/history or ~/.local/state/ginnel/history; empty when there is no home. */
static void find_history(char path[PATH_SIZE])
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int len = -1;

	if (state && *state == '/')
		len = snprintf(path, PATH_SIZE, "%s/ginnel/history", state);
	else if (home && *home == '/')
		len = snprintf(path, PATH_SIZE, "%s/.local/state/ginnel/history", home);
	if (len < 0 || len >= PATH_SIZE)
		path[0] = '\0';
}

static void make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
}

/* The line up to the cursor, to be freed. */
static char *line_before_cursor(EditLine *el)
{
	const LineInfo *info = el_line(el);

	return strndup(info->buffer, (size_t)(info->cursor - info->buffer));
}

/* {"start", "candidates"}, or NULL when the daemon does not answer. */
static json_t *ask_candidates(const struct shell_edit *edit, const char *line)
{
	char *cwd = getcwd(NULL, 0);
	json_t *params = json_pack("{s:s, s:s*}", "line", line, "cwd", cwd);
	json_t *response = NULL, *result = NULL;

	free(cwd);
	if (params && !client_call(edit->client, "cli.complete", params, &response))
		result = json_incref(json_object_get(response, "result"));
	json_decref(response);
	return result;
}

static const char *text_of(const json_t *candidate)
{
	return json_string_value(json_object_get(candidate, "text"));
}

/* How many bytes all texts have in common; *n is how many texts there are. */
static size_t common_prefix(const json_t *candidates, const char **first, size_t *n)
{
	size_t common = 0, i;
	json_t *candidate;

	*n = 0;
	json_array_foreach (candidates, i, candidate) {
		const char *text = text_of(candidate);
		size_t same = 0;

		if (!text)
			continue;
		if ((*n)++ == 0) {
			*first = text;
			common = strlen(text);
			continue;
		}
		while (same < common && text[same] == (*first)[same])
			same++;
		common = same;
	}
	return common;
}

static size_t terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

/* The texts beside each other; hints in < > tell what else may come. */
static void print_columns(const json_t *candidates)
{
	size_t widest = 0, column = 0, i, columns;
	json_t *candidate;

	json_array_foreach (candidates, i, candidate) {
		size_t len = text_of(candidate) ? strlen(text_of(candidate)) : 0;

		widest = len > widest ? len : widest;
	}
	columns = terminal_width() / (widest + 2);
	putchar('\n');
	json_array_foreach (candidates, i, candidate) {
		const char *text = text_of(candidate);

		if (!text)
			text = json_string_value(json_object_get(candidate, "hint"));
		if (columns && column == columns) {
			putchar('\n');
			column = 0;
		}
		printf("%-*s", (int)widest + 2, text);
		column++;
	}
	putchar('\n');
}

static void print_with_help(const json_t *result)
{
	const char *error = json_string_value(json_object_get(result, "error"));
	size_t i;
	json_t *candidate;

	printf("\n%s%s", error ? error : "", error ? "\n" : "");
	json_array_foreach (json_object_get(result, "candidates"), i, candidate) {
		const char *text = text_of(candidate);

		if (!text)
			text = json_string_value(json_object_get(candidate, "hint"));
		printf("  %-*s %s\n", HELP_COLUMN, text,
			json_string_value(json_object_get(candidate, "help")));
	}
}

/* libedit counts characters, not bytes. */
static int characters(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* Puts what the candidates have in common in place of the typed word; false if that changes nothing. */
static bool complete_word(EditLine *el, const char *typed, const json_t *candidates)
{
	const char *first = NULL;
	size_t n, common = common_prefix(candidates, &first, &n);
	char *word;

	if (n == 0)
		return false;
	if (n > 1 && common <= strlen(typed))
		return false;
	word = calloc(common + 2, 1);
	if (!word)
		return false;
	memcpy(word, first, common);
	if (n == 1 && !json_object_get(json_array_get(candidates, 0), "more"))
		word[common] = ' ';
	el_deletestr(el, characters(typed));
	el_insertstr(el, word);
	free(word);
	return true;
}

static unsigned char on_tab(EditLine *el, int ch)
{
	char *line = line_before_cursor(el);
	json_t *result = line ? ask_candidates(edit_of(el), line) : NULL;
	const json_t *candidates = json_object_get(result, "candidates");
	size_t start = (size_t)json_integer_value(json_object_get(result, "start"));
	unsigned char what = CC_ERROR;

	if (result && start <= strlen(line)) {
		if (complete_word(el, line + start, candidates)) {
			what = CC_REFRESH;
		} else if (json_array_size(candidates) > 0) {
			print_columns(candidates);
			what = CC_REDISPLAY;
		}
	}
	json_decref(result);
	free(line);
	return what;
}

static bool inside_quotes(const char *line)
{
	bool inside = false;

	for (; *line; line++) {
		if (*line == '\\' && line[1])
			line++;
		else if (*line == '"')
			inside = !inside;
	}
	return inside;
}

static unsigned char on_question(EditLine *el, int ch)
{
	char *line = line_before_cursor(el);
	unsigned char what = CC_REDISPLAY;

	if (!line)
		return CC_ERROR;
	if (inside_quotes(line)) {
		el_insertstr(el, "?");
		what = CC_REFRESH;
	} else {
		json_t *result = ask_candidates(edit_of(el), line);

		print_with_help(result);
		json_decref(result);
	}
	free(line);
	return what;
}

/* Ctrl-C: forgets the line. */
static unsigned char on_interrupt(EditLine *el, int ch)
{
	const LineInfo *info = el_line(el);

	el_cursor(el, (int)(info->lastchar - info->cursor));
	info = el_line(el);
	el_deletestr(el, (int)(info->cursor - info->buffer));
	fputs("^C\n", stdout);
	return CC_REDISPLAY;
}

static void set_up_keys(EditLine *el)
{
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_ADDFN, "ginnel-complete", "complete the word", on_tab);
	el_set(el, EL_ADDFN, "ginnel-what", "say what may come", on_question);
	el_set(el, EL_ADDFN, "ginnel-forget", "forget the line", on_interrupt);
	el_source(el, NULL);
	el_set(el, EL_BIND, "^I", "ginnel-complete", NULL);
	el_set(el, EL_BIND, "?", "ginnel-what", NULL);
	el_set(el, EL_BIND, "^C", "ginnel-forget", NULL);
	el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	/* While a line is edited Ctrl-C is a key; while a command runs it ends the shell. */
	el_set(el, EL_SETTY, "-d", "-isig", NULL);
}

static void set_up_history(struct shell_edit *edit)
{
	HistEvent event;

	history(edit->history, &event, H_SETSIZE, HISTORY_LINES);
	history(edit->history, &event, H_SETUNIQUE, 1);
	el_set(edit->el, EL_HIST, history, edit->history);
	find_history(edit->history_path);
	if (edit->history_path[0])
		history(edit->history, &event, H_LOAD, edit->history_path);
}

struct shell_edit *shell_edit_open(struct client *client)
{
	struct shell_edit *edit = calloc(1, sizeof(*edit));

	if (!edit)
		return NULL;
	edit->client = client;
	edit->el = el_init("ginnel", stdin, stdout, stderr);
	if (!edit->el)
		goto free_edit;
	edit->history = history_init();
	if (!edit->history)
		goto end_el;
	el_set(edit->el, EL_CLIENTDATA, edit);
	el_set(edit->el, EL_PROMPT, prompt);
	set_up_keys(edit->el);
	set_up_history(edit);
	return edit;
end_el:
	el_end(edit->el);
free_edit:
	free(edit);
	return NULL;
}

void shell_edit_close(struct shell_edit *edit)
{
	HistEvent event;
	mode_t mask = umask(077);

	if (edit->history_path[0]) {
		make_directories(edit->history_path);
		history(edit->history, &event, H_SAVE, edit->history_path);
	}
	umask(mask);
	history_end(edit->history);
	el_end(edit->el);
	free(edit);
}

char *shell_edit_line(struct shell_edit *edit)
{
	HistEvent event;
	int len = 0;
	const char *line = el_gets(edit->el, &len);

	if (!line || len <= 0) {
		putchar('\n');
		return NULL;
	}
	if (line[strspn(line, " \t\r\n")])
		history(edit->history, &event, H_ENTER, line);
	return strdup(line);
}
