/* SPDX-License-Identifier: Apache-2.0 */
/* The words about ports at unix datagram sockets. */
#include "ctl/command.h"
#include "os/unix.h"
#include "port/dgram_port.h"
#include "port/show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET_MODE 0660

static int fail_create(struct ctl_call *call, int err, const char *path)
{
	char why[256];

	if (err == -ENOSPC)
		return ctl_fail(call, "there are %d interfaces already: delete one first", IFACE_MAX);
	return ctl_fail(call, "%s", unix_explain(err, path, why, sizeof(why)));
}

static int run_create(struct ctl_call *call)
{
	const char *mode = ctl_str(call, "mode", NULL);
	uint8_t mac[6];
	const struct dgram_config config = {
		.local = ctl_str(call, "local", ""),
		.remote = ctl_str(call, "remote", ""),
		.mode = mode ? (mode_t)strtoul(mode, NULL, 8) & 0777 : DEFAULT_SOCKET_MODE,
		.mac = ctl_mac(call, "hw-addr", mac) ? mac : NULL,
	};
	struct dgram_port *dp;
	int err;

	if (strlen(config.remote) > UNIX_PATH_MAX)
		return fail_create(call, -ENAMETOOLONG, config.remote);
	if (strcmp(config.local, config.remote) == 0)
		return ctl_fail(
			call, "both sides have a path of their own: choose another one for the remote");
	err = dgram_port_create(call->subject, &config, &dp);
	if (err)
		return fail_create(call, err, config.local);
	call->result = json_string(dp->port.iface.name);
	return 0;
}

static int run_delete(struct ctl_call *call)
{
	struct dgram_port *dp =
		dgram_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", UINT32_MAX)));

	if (!dp)
		return ctl_fail(call, "this is no dgram interface: see show dgram");
	port_remove(&dp->port);
	return 0;
}

static json_t *facts(struct port *port)
{
	const struct dgram_port *dp = dgram_port_of(port);

	if (!dp)
		return NULL;
	return json_pack("{s:s, s:i, s:s, s:s, s:b}", "interface", port->iface.name, "ifindex",
		(int)port->iface.idx, "local", dp->local, "remote", dp->remote, "connected",
		(int)dp->connected);
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no dgram interface: see show dgram");
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		fprintf(out, "Interface: %s (ifindex %d)\n  local %s remote %s, %s\n\n",
			show_str(o, "interface"), (int)show_num(o, "ifindex"), show_str(o, "local"),
			show_str(o, "remote"),
			json_is_true(json_object_get(o, "connected")) ? "connected" : "not there");
}

static const struct ctl_command commands[] = {
	{"create dgram socket <local:path> <remote:path> [mode <mode:word>] [hw-addr <hw-addr:mac>]",
		"Make a port to a program that sends frames as unix datagrams, as QEMU's dgram does",
		run_create, NULL},
	{"delete dgram <interface:interface>", "Remove a dgram port", run_delete, NULL},
	{"show dgram [<interface:interface>]", "Dgram ports: both paths, state", run_show, print_show},
	{0},
};

const struct ctl_table dgram_commands = {commands};
