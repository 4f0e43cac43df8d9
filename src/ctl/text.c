/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/text.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* The length of the UTF-8 sequence at p (RFC 3629), 0 if there is none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = *p < 0x80                 ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f))
		return 0;
	if ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void text_clean(char *text, bool keep_lines)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t n = utf8_len(p);
		bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);

		if (control && keep_lines && (*p == '\n' || *p == '\t'))
			control = false;
		if (n == 0 || control)
			*p = '?', n = 1;
		p += n;
	}
}

json_t *text_to_json(const char *text)
{
	json_t *json = json_string(text);

	if (!json) {
		char *clean = text_copy(text, strlen(text));

		text_clean(clean, true);
		json = json_string(clean);
		free(clean);
	}
	return json;
}

void text_buf_open(struct text_buf *b)
{
	b->out = open_memstream(&b->text, &b->len);
	ASSERT(b->out);
}

char *text_buf_take(struct text_buf *b)
{
	int err = fclose(b->out);

	ASSERT(!err && b->text);
	return b->text;
}

void *text_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	ASSERT(p);
	return p;
}

void *text_grow(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n, size);

	ASSERT(p);
	return p;
}

char *text_copy(const char *text, size_t len)
{
	char *copy = text_alloc(len + 1, 1);

	memcpy(copy, text, len);
	return copy;
}
