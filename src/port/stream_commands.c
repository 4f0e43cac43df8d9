/* SPDX-License-Identifier: Apache-2.0 */
/* The words about ports at unix stream sockets, and about passt, which is at one. */
#include "ctl/command.h"
#include "os/unix.h"
#include "port/show.h"
#include "port/stream_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET_MODE 0660

static int fail_create(struct ctl_call *call, int err, const char *path)
{
	char why[256];

	if (err == -ENOSPC)
		return ctl_fail(call, "there are %d interfaces already: delete one first", IFACE_MAX);
	if (err == -ENOEXEC)
		return ctl_fail(call, "there is no passt in PATH: apt install passt");
	return ctl_fail(call, "%s", unix_explain(err, path, why, sizeof(why)));
}

static int create(struct ctl_call *call, struct stream_config *config)
{
	const char *path = ctl_str(call, "socket", NULL);
	struct stream_port *sp;
	uint8_t mac[6];
	int err;

	if (path && strlen(path) > UNIX_PATH_MAX)
		return fail_create(call, -ENAMETOOLONG, path);
	config->path = path;
	config->mac = ctl_mac(call, "hw-addr", mac) ? mac : NULL;
	err = stream_port_create(call->subject, config, &sp);
	if (err)
		return fail_create(call, err, path ? path : "passt");
	call->result = json_string(sp->port.iface.name);
	return 0;
}

static int run_create(struct ctl_call *call)
{
	const char *mode = ctl_str(call, "mode", NULL);
	struct stream_config config = {
		.server = ctl_has(call, "server"),
		.mode = mode ? (mode_t)strtoul(mode, NULL, 8) & 0777 : DEFAULT_SOCKET_MODE,
	};

	return create(call, &config);
}

static int run_create_passt(struct ctl_call *call)
{
	struct stream_config config = {.passt = true, .user_net = ctl_has(call, "user-net")};

	return create(call, &config);
}

static int run_delete(struct ctl_call *call)
{
	struct stream_port *sp =
		stream_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", UINT32_MAX)));

	if (!sp)
		return ctl_fail(call, "this is no stream or passt interface: see show stream");
	port_remove(&sp->port);
	return 0;
}

/* --- show stream --- */

static json_t *stream_json(const struct stream_port *sp)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:b, s:I, s:I, s:s}", "interface", sp->port.iface.name,
		"ifindex", (int)sp->port.iface.idx, "kind", sp->port.iface.kind, "type",
		sp->server ? "server" : "client", "connected", (int)(sp->conn != NULL), "connections",
		(json_int_t)sp->connections, "protocol_errors", (json_int_t)sp->bad_ends, "why",
		stream_end_text(sp->why));

	if (sp->path)
		json_object_set_new(o, "socket", json_string(sp->path));
	if (sp->pid > 0)
		json_object_set_new(o, "pid", json_integer(sp->pid));
	return o;
}

static json_t *facts(struct port *port)
{
	const struct stream_port *sp = stream_port_of(port);

	return sp ? stream_json(sp) : NULL;
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no stream or passt interface: see show stream");
}

static void print_stream(const json_t *o, FILE *out)
{
	fprintf(out, "Interface: %s (ifindex %d)\n  ", show_str(o, "interface"), (int)show_num(o, "ifindex"));
	if (show_str(o, "socket"))
		fprintf(out, "socket %s type %s, ", show_str(o, "socket"), show_str(o, "type"));
	else
		fprintf(out, "passt, process %d, ", (int)show_num(o, "pid"));
	fprintf(out, "%s, connections %lld, protocol errors %lld\n",
		json_is_true(json_object_get(o, "connected")) ? "connected" : "not connected",
		show_num(o, "connections"), show_num(o, "protocol_errors"));
	if (*show_str(o, "why"))
		fprintf(out, "  last end: %s\n", show_str(o, "why"));
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_stream(o, out);
}

static const struct ctl_command commands[] = {
	{"create stream socket <socket:path> [server] [mode <mode:word>] [hw-addr <hw-addr:mac>]",
		"Make a port to a program that sends frames over a unix stream socket, as QEMU's stream does",
		run_create, NULL},
	{"create passt socket <socket:path> [hw-addr <hw-addr:mac>]",
		"Make a port to a passt that runs and waits there: a way out without root", run_create_passt,
		NULL},
	{"create passt spawn [user-net] [hw-addr <hw-addr:mac>]",
		"Make a port to a passt of its own, started here and ended with it: a way out without root; "
		"with user-net "
		"its network is 10.0.2.0/24, the host at .2, DNS at .3, and 10.0.2.15 is for us",
		run_create_passt, NULL},
	{"delete stream <interface:interface>", "Remove a stream port", run_delete, NULL},
	{"delete passt <interface:interface>",
		"Remove a passt port, and end the passt that was started for it", run_delete, NULL},
	{"show stream [<interface:interface>]", "Stream and passt ports: socket, state", run_show,
		print_show},
	{0},
};

const struct ctl_table stream_commands = {commands};
