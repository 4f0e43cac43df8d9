/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_private.h"

#include "ctl/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_LEN 512

/* Always -1. */
static int __attribute__((format(printf, 2, 3))) explain(char *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, ERROR_LEN, fmt, args);
	va_end(args);
	text_clean(error, false);
	return -1;
}

/* Opens without waiting; a pipe is read like a file unless only_regular. NULL with a sentence in error. */
static FILE *open_lines(const char *path, bool only_regular, char *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	FILE *file;

	if (fd < 0 || fstat(fd, &st) < 0) {
		explain(error, "%s: %s", path, strerror(errno));
		goto close_fd;
	}
	if (S_ISDIR(st.st_mode) || (only_regular && !S_ISREG(st.st_mode))) {
		explain(error, "%s: is not a regular file", path);
		goto close_fd;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	file = fdopen(fd, "r");
	if (file)
		return file;
	explain(error, "%s: %s", path, strerror(errno));
close_fd:
	if (fd >= 0)
		close(fd);
	return NULL;
}

static int run_line(struct ctl *ctl, const char *line, FILE *out, char *error)
{
	struct ctl_answer answer;
	int err = 0;

	ctl_run_line(ctl, line, ctl->cwd, &answer);
	if (answer.status != CTL_DONE) {
		snprintf(error, ERROR_LEN, "%s", answer.error);
		err = -1;
	} else if (out) {
		ctl_answer_print(&answer, out);
	}
	ctl_answer_free(&answer);
	return err;
}

static int run_lines(struct ctl *ctl, const char *path, FILE *file, FILE *out, char *error)
{
	char why[ERROR_LEN];
	unsigned number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &size, file)) >= 0) {
		number++;
		if (strlen(line) != (size_t)len)
			err = explain(why, "this line has a zero byte: is it text?");
		else
			err = run_line(ctl, line, out, why);
	}
	if (err) {
		explain(error, "%s:%u: %s", path, number, why);
	} else if (ferror(file)) {
		err = explain(error, "%s: cannot be read to its end", path);
	}
	free(line);
	return err;
}

static int exec_file(struct ctl *ctl, const char *path, bool only_regular, FILE *out, char *error)
{
	FILE *file;
	int err;

	if (ctl->exec_depth == CTL_EXEC_DEPTH_MAX)
		return explain(error, "%s: too many files that run files: does it run itself?", path);
	file = open_lines(path, only_regular, error);
	if (!file)
		return -1;
	ctl->exec_depth++;
	err = run_lines(ctl, path, file, out, error);
	ctl->exec_depth--;
	fclose(file);
	return err;
}

int ctl_exec_file(struct ctl *ctl, const char *path, FILE *out, char error[512])
{
	return exec_file(ctl, path, false, out, error);
}

int ctl_exec_regular(struct ctl *ctl, const char *path, FILE *out, char error[512])
{
	return exec_file(ctl, path, true, out, error);
}
