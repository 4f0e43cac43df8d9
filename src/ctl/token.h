/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - a command line cut into words.
 *
 * Blanks separate words. Double quotes keep blanks; inside them a backslash keeps `"` and `\`, outside it
 * keeps any next character. A word that begins with an unquoted # starts a comment, which ends the line.
 */
#ifndef GINNEL_CTL_TOKEN_H
#define GINNEL_CTL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKENS_MAX 256

struct token {
	const char *text; /* without quotes and backslashes */
	size_t start;     /* bytes from the start of the line to the word's first, with its quote */
	bool quoted;
};

struct tokens {
	struct token items[TOKENS_MAX];
	size_t n;
	size_t end;       /* bytes: where a comment or the trailing blanks begin */
	bool touches_end; /* the line ends inside the last word: a reader at the end may still be typing it */
	bool in_comment;
	char *storage;
};

/*
 * 0, -EINVAL (a quote is not closed: the last word reaches to the end of the line) or -E2BIG. In each case
 * the words found are there, and tokens_free() is due.
 */
int tokens_split(struct tokens *t, const char *line);
void tokens_free(struct tokens *t);

/* Writes text so that tokens_split() gives it back as one word; the caller frees. */
char *token_quote(const char *text);

#endif
