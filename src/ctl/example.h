/* SPDX-License-Identifier: Apache-2.0 */
/*
 * example - a small set of commands for tests: the shapes that real tables have, and a world of a few ports.
 *
 * `echo` answers its arguments, so that a test sees what a line became.
 */
#ifndef GINNEL_CTL_EXAMPLE_H
#define GINNEL_CTL_EXAMPLE_H

#include "ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

struct example {
	const char *ports[4]; /* names, up to the first NULL */
};

static inline json_t *example_port_parse(void *subject, const char *text)
{
	const struct example *example = subject;

	for (size_t i = 0; i < 4 && example->ports[i]; i++)
		if (strcmp(example->ports[i], text) == 0)
			return json_string(text);
	return NULL;
}

static inline void example_port_each(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	const struct example *example = subject;

	for (size_t i = 0; i < 4 && example->ports[i]; i++)
		word(arg, example->ports[i]);
}

static inline int example_echo(struct ctl_call *call)
{
	call->result = json_incref(call->args);
	return 0;
}

static inline int example_nothing(struct ctl_call *call)
{
	return 0;
}

static inline int example_name(struct ctl_call *call)
{
	call->result = json_string("VirtualEthernet0/0/0");
	return 0;
}

static inline int example_fail(struct ctl_call *call)
{
	return ctl_fail(call, "bridge-domain %u is not there", (unsigned)ctl_u64(call, "bridge-domain", 0));
}

static inline int example_large(struct ctl_call *call)
{
	size_t len = (size_t)ctl_u64(call, "len", 0);
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	text[len] = '\0';
	call->result = json_string(text);
	free(text);
	return 0;
}

static inline void example_ports_print(const json_t *result, FILE *out)
{
	fprintf(out, "one port, %s\n",
		json_is_true(json_object_get(result, "addr")) ? "addresses" : "counters");
}

static const struct ctl_command example_commands[] = {
	{"create vhost-user socket <socket:path> [server] [feature-mask <feature-mask:hex>] [hwaddr "
	 "<hwaddr:mac>] "
	 "[gso|csum-offload]",
		"Make a port for a virtual machine", example_name, NULL},
	{"create bridge-domain <bridge-domain:u32> [learn <learn:onoff>] [flood <flood:onoff>] [mac-age "
	 "<mac-age:u16>]",
		"Make a bridge domain", example_echo, NULL},
	{"delete bridge-domain <bridge-domain:u32>", "Delete a bridge domain", example_fail, NULL},
	{"set interface state <interface:interface> {up|down}", "Set a port up or down", example_echo, NULL},
	{"set interface l2 bridge <interface:interface> <bridge-domain:u32> [bvi] [<shg:u16>]",
		"Put a port into a bridge domain", example_echo, NULL},
	{"set interface tag <interface:interface> <tag:word>", "Give a port a name", example_echo, NULL},
	{"set interface rx-mode <interface:interface> [queue {<queue:u16>|all}] "
	 "<mode:{polling|interrupt|adaptive}>",
		"How a port learns of packets", example_echo, NULL},
	{"show interface [addr [detail]|features] [<interface:interface>]", "Show ports", example_echo,
		example_ports_print},
	{"show version", "Show the version", example_name, NULL},
	{"show vhost-user [<interface:interface>] [descriptors] [verbose]", "Show vhost-user ports",
		example_echo, NULL},
	{"say <words:line>", "Say something", example_echo, NULL},
	{"nothing", "Do nothing", example_nothing, NULL},
	{"large <len:u32>", "A long answer", example_large, NULL},
	{0},
};

static const struct ctl_table example_table = {.commands = example_commands};
static const struct ctl_type example_port_type = {
	"interface", "an interface, see show interface", example_port_parse, example_port_each, NULL};

/* subject: a struct example */
static inline struct ctl *example_ctl(struct example *example)
{
	struct ctl *ctl;

	if (ctl_create(&ctl))
		return NULL;
	ctl_add_type(ctl, &example_port_type, example);
	ctl_add_table(ctl, &example_table, example);
	return ctl;
}

#endif
