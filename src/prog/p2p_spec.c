/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/p2p_spec.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void p2p_spec_init(struct p2p_spec *s)
{
	*s = (struct p2p_spec){.ds_max = P2P_DS_MAX_DEFAULT};
}

bool p2p_name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= P2P_NAME_LEN || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return true;
}

static __attribute__((format(printf, 2, 3))) int wrong(char why[P2P_WHY_LEN], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, P2P_WHY_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int set_ds_max(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN])
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end || n < 1 || n > P2P_DS_MAX)
		return wrong(why, "ds-max=%.32s: give a number from 1 to %d", text, P2P_DS_MAX);
	s->ds_max = (uint32_t)n;
	return 0;
}

/* One digit or two for each byte. */
static bool read_byte(const char **text, uint8_t *byte)
{
	const char *at = *text;
	unsigned value = 0;

	for (; isxdigit((unsigned char)*at) && at < *text + 2; at++)
		value = value * 16 + (unsigned)(isdigit((unsigned char)*at)
							? *at - '0'
							: tolower((unsigned char)*at) - 'a' + 10);
	if (at == *text)
		return false;
	*text = at;
	*byte = (uint8_t)value;
	return true;
}

static int set_mac(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN])
{
	const char *at = text;

	for (int i = 0; i < 6; i++) {
		if ((i > 0 && *at++ != ':') || !read_byte(&at, &s->mac[i]))
			return wrong(why, "mac=%.32s: give an address as 11:22:33:44:55:66", text);
	}
	if (*at)
		return wrong(why, "mac=%.32s: give an address as 11:22:33:44:55:66", text);
	s->has_mac = true;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN]);
} keys[] = {{"ds-max=", set_ds_max}, {"mac=", set_mac}};

int p2p_spec_add(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN], char warning[P2P_WHY_LEN])
{
	*warning = 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		size_t len = strlen(keys[i].key);

		if (strncmp(text, keys[i].key, len) == 0)
			return keys[i].set(s, text + len, why);
	}
	snprintf(warning, P2P_WHY_LEN, "'%.64s' is not known and passed over: ds-max=N and mac=ADDRESS are",
		text);
	return 0;
}

int p2p_spec_parse(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN], char warning[P2P_WHY_LEN])
{
	char word[64];
	size_t len = strcspn(text, ",");
	int err = 0;

	p2p_spec_init(s);
	*warning = 0;
	snprintf(word, sizeof(word), "%.*s", (int)min_u64(len, sizeof(word) - 1), text);
	if (len >= sizeof(word) || !p2p_name_is_good(word))
		return wrong(why,
			"'%.32s' cannot name a port: give up to %d letters, digits, '_', '-' and '.'", word,
			P2P_NAME_LEN - 1);
	memcpy(s->name, word, len + 1);
	for (text += len; *text == ',' && err == 0; text += len) {
		len = strcspn(++text, ",");
		if (len == 0 || len >= sizeof(word))
			return wrong(
				why, "'%.32s' is no option of a port: give NAME,ds-max=N,mac=ADDRESS", text);
		memcpy(word, text, len);
		word[len] = 0;
		err = p2p_spec_add(s, word, why, warning);
	}
	return err;
}
