/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_level_parse(const char *text, enum log_level *level)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"error", LOG_LEVEL_ERROR},
		{"warning", LOG_LEVEL_WARNING},
		{"info", LOG_LEVEL_INFO},
		{"debug", LOG_LEVEL_DEBUG},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i].name) == 0) {
			*level = names[i].level;
			return true;
		}
	}
	return false;
}

/* One fprintf per line: lines of several threads do not mix. */
static void write_line(enum log_level level, const char *fmt, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, args);
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", (int)level, line);
	else
		fprintf(stderr, "%s\n", line);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (level > max_level)
		return;
	va_start(args, fmt);
	write_line(level, fmt, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, uint64_t now_ns, enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (level > max_level)
		return;
	if (now_ns - limit->window_start_ns >= LOG_LIMIT_WINDOW_NS) {
		if (limit->left_out > 0)
			log_line(level, "(%u similar lines left out)", limit->left_out);
		*limit = (struct log_limit){.window_start_ns = now_ns};
	}
	if (limit->lines >= LOG_LIMIT_LINES) {
		limit->left_out++;
		return;
	}
	limit->lines++;
	va_start(args, fmt);
	write_line(level, fmt, args);
	va_end(args);
}
