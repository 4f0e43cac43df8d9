/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/version_command.h"

#include <unistd.h>

static int run_show_version(struct ctl_call *call)
{
	call->result = json_pack("{s:s, s:s, s:i, s:i}", "program", call->subject, "version", GINNEL_VERSION,
		"pid", (int)getpid(), "uid", (int)getuid());
	return 0;
}

static void print_show_version(const json_t *result, FILE *out)
{
	fprintf(out, "%s v%s (pid %d, uid %d)\n", json_string_value(json_object_get(result, "program")),
		json_string_value(json_object_get(result, "version")),
		(int)json_integer_value(json_object_get(result, "pid")),
		(int)json_integer_value(json_object_get(result, "uid")));
}

static const struct ctl_command rows[] = {
	{"show version", "What runs here", run_show_version, print_show_version},
	{0},
};

static const struct ctl_table table = {rows};

void version_command_add(struct ctl *ctl, const char *program)
{
	ctl_add_table(ctl, &table, (void *)(uintptr_t)program);
}
