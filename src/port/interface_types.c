/* SPDX-License-Identifier: Apache-2.0 */
#include "port/interface_types.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *parse_name(void *subject, const char *text)
{
	const struct iface *iface = subject ? iface_by_name(subject, text) : NULL;

	return iface ? json_integer((json_int_t)iface->idx) : NULL;
}

static json_t *parse_number(void *subject, const char *text)
{
	char *end;
	unsigned long idx = strtoul(text, &end, 10);
	bool is_number = *text >= '0' && *text <= '9' && !*end && idx < IFACE_MAX;

	return is_number && subject && iface_get(subject, (uint32_t)idx) ? json_integer((json_int_t)idx)
									 : NULL;
}

static void each_name(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	for (struct iface *i = subject ? iface_next(subject, 0) : NULL; i;
		i = iface_next(subject, i->idx + 1))
		word(arg, i->name);
}

static void each_number(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	char text[16];

	for (struct iface *i = subject ? iface_next(subject, 0) : NULL; i;
		i = iface_next(subject, i->idx + 1)) {
		snprintf(text, sizeof(text), "%u", i->idx);
		word(arg, text);
	}
}

static const char *name_of(void *subject, const json_t *value)
{
	const struct iface *iface = iface_get(subject, (uint32_t)json_integer_value(value));

	return iface ? iface->name : NULL;
}

const struct ctl_type interface_type = {
	"interface", "an interface, see show interface", parse_name, each_name, name_of};

const struct ctl_type interface_number_type = {"interface-number",
	"the number of an interface, see Idx of show interface", parse_number, each_number, name_of};
