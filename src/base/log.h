/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line per event on standard error; with the `<N>` level prefix when journald reads it.
 *
 * Whatever a peer can trigger goes through log_limited(): at most LOG_LIMIT_LINES lines per window and limiter,
 * then silence, then one line that says how many were left out. A turn of a worker never logs.
 */
#ifndef GINNEL_BASE_LOG_H
#define GINNEL_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

#define LOG_LIMIT_LINES     10
#define LOG_LIMIT_WINDOW_NS (10ull * 1000 * 1000 * 1000)

struct log_limit {
	uint64_t window_start_ns;
	uint32_t lines;
	uint32_t left_out;
};

/* Lines above this level are not written; the start value is LOG_LEVEL_INFO. Set once, before threads. */
void log_set_level(enum log_level level);
/* "error", "warning", "info" or "debug"; false if text is none of them. */
bool log_level_parse(const char *text, enum log_level *level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_limited(struct log_limit *limit, uint64_t now_ns, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
