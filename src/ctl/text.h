/* SPDX-License-Identifier: Apache-2.0 */
/* text - strings on their way to a user: safe for a terminal and for JSON. */
#ifndef GINNEL_CTL_TEXT_H
#define GINNEL_CTL_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Replaces control characters and whatever is no UTF-8 by '?', in place. Newline and tab may stay. */
void text_clean(char *text, bool keep_lines);

/* A JSON string of any text, cleaned if it is no UTF-8. */
json_t *text_to_json(const char *text);

/* A string that grows with what is printed to out; take() gives it to the caller, who frees it. */
struct text_buf {
	FILE *out;
	char *text;
	size_t len;
};

void text_buf_open(struct text_buf *b);
char *text_buf_take(struct text_buf *b);

/* Memory for control's own small things: never NULL. No size here is a peer's choice. */
void *text_alloc(size_t n, size_t size);
void *text_grow(void *old, size_t n, size_t size);
char *text_copy(const char *text, size_t len);

#endif
