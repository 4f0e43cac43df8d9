/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/token.h"

#include "ctl/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies one word from *in to *out and moves both on. Returns -EINVAL if a quote stays open. */
static int take_word(const char **in, char **out, struct token *token)
{
	const char *p = *in;
	char *q = *out;
	bool inside = false;

	for (; *p && (inside || !is_blank(*p)); p++) {
		if (*p == '"') {
			inside = !inside;
			token->quoted = true;
		} else if (*p == '\\' && p[1] && (!inside || p[1] == '"' || p[1] == '\\')) {
			*q++ = *++p;
		} else {
			*q++ = *p;
		}
	}
	*q++ = '\0';
	*in = p;
	*out = q;
	return inside ? -EINVAL : 0;
}

int tokens_split(struct tokens *t, const char *line)
{
	const char *p = line;
	int err = 0;

	t->n = 0;
	t->end = 0;
	t->touches_end = t->in_comment = false;
	t->storage = text_alloc(strlen(line) + 2, 1);

	char *out = t->storage;

	while (!err) {
		while (is_blank(*p))
			p++;
		t->in_comment = *p == '#';
		if (*p == '\0' || *p == '#')
			break;
		if (t->n == TOKENS_MAX)
			return -E2BIG;

		struct token *token = &t->items[t->n++];

		*token = (struct token){.text = out, .start = (size_t)(p - line)};
		err = take_word(&p, &out, token);
		t->end = (size_t)(p - line);
		t->touches_end = *p == '\0';
	}
	return err;
}

void tokens_free(struct tokens *t)
{
	free(t->storage);
	t->storage = NULL;
}

char *token_quote(const char *text)
{
	struct text_buf b;

	if (*text && *text != '#' && !strpbrk(text, " \t\r\n\"\\"))
		return text_copy(text, strlen(text));
	text_buf_open(&b);
	fputc('"', b.out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', b.out);
		fputc(*text, b.out);
	}
	fputc('"', b.out);
	return text_buf_take(&b);
}
