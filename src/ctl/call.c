/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

#include "ctl/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int ctl_fail(struct ctl_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(call->error, sizeof(call->error), fmt, args);
	va_end(args);
	text_clean(call->error, true);
	return -1;
}

bool ctl_has(const struct ctl_call *call, const char *name)
{
	return json_object_get(call->args, name) != NULL;
}

const char *ctl_str(const struct ctl_call *call, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(call->args, name));

	return text ? text : otherwise;
}

/* An onoff is 1 or 0; numbers above 63 bits come as decimal strings. */
uint64_t ctl_u64(const struct ctl_call *call, const char *name, uint64_t otherwise)
{
	const json_t *value = json_object_get(call->args, name);

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	if (json_is_boolean(value))
		return json_is_true(value);
	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return otherwise;
}

bool ctl_mac(const struct ctl_call *call, const char *name, uint8_t mac[6])
{
	const char *text = ctl_str(call, name, NULL);

	if (!text || strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
	return true;
}
