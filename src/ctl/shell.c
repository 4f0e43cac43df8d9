/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/shell.h"

#include "ctl/shell_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is left of a line without blanks around it. */
static char *trimmed(char *line)
{
	size_t len;

	line += strspn(line, " \t");
	len = strlen(line);
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	line[len] = '\0';
	return line;
}

static bool is_farewell(const char *line)
{
	return strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0 || strcmp(line, "q") == 0;
}

static enum client_status run_pipe(struct client *client, struct client_style style)
{
	enum client_status status = CLIENT_OK;
	char *buffer = NULL;
	size_t size = 0;

	while (status != CLIENT_LOST && getline(&buffer, &size, stdin) >= 0) {
		const char *line = trimmed(buffer);
		enum client_status line_status;

		if (is_farewell(line))
			break;
		line_status = *line ? client_exec(client, line, style) : CLIENT_OK;
		if (line_status != CLIENT_OK)
			status = line_status;
	}
	free(buffer);
	return status;
}

static void print_banner(struct client_style style)
{
	printf("%sginnel%s %s: ? says what may come, Tab completes, help lists all, quit leaves\n",
		style.colour ? "\033[1m" : "", style.colour ? "\033[0m" : "", GINNEL_VERSION);
}

static enum client_status run_terminal(struct client *client, struct client_style style)
{
	enum client_status status = CLIENT_OK;
	struct shell_edit *edit = shell_edit_open(client);
	char *line;

	if (!edit)
		return run_pipe(client, style);
	print_banner(style);
	while (status != CLIENT_LOST && (line = shell_edit_line(edit))) {
		const char *text = trimmed(line);

		if (is_farewell(text)) {
			free(line);
			break;
		}
		if (*text)
			status = client_exec(client, text, style);
		free(line);
	}
	shell_edit_close(edit);
	return status == CLIENT_LOST ? CLIENT_LOST : CLIENT_OK;
}

enum client_status shell_run(struct client *client, struct client_style style)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? run_terminal(client, style)
							     : run_pipe(client, style);
}
