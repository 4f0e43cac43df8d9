/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/p2p_commands.h"

#include "base/log.h"
#include "port/interface_types.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "ds-max=4 mac=...", with or without quotes and commas between them, as the original writes it. */
static int read_keys(struct ctl_call *call, struct p2p_spec *spec)
{
	char line[512], why[P2P_WHY_LEN], warning[P2P_WHY_LEN], *rest = line, *word;

	p2p_spec_init(spec);
	if (strlen(ctl_str(call, "keys", "")) >= sizeof(line))
		return ctl_fail(call, "too long: give ds-max=N and mac=ADDRESS");
	strcpy(line, ctl_str(call, "keys", ""));
	while ((word = strsep(&rest, " \t,\"\\"))) {
		if (!*word)
			continue;
		if (p2p_spec_add(spec, word, why, warning) != 0)
			return ctl_fail(call, "invalid (EINVAL): %s", why);
		if (*warning)
			log_warning("ginnel-p2p: create: %s", warning);
	}
	return 0;
}

static int fail_add(struct ctl_call *call, int err, const char *why)
{
	return ctl_fail(call, err == -ENOMEM ? "ENOMEM: %s" : "%s", why);
}

static json_t *port_json(const struct cable_end *end)
{
	return json_pack(
		"{s:s, s:s?}", "port", end->port->port.iface.name, "socket", end->path[0] ? end->path : NULL);
}

static struct cable_end *newest(struct cable *c, const struct p2p_spec *spec, uint32_t free_before)
{
	return spec->name[0] ? cable_find(c, spec->name) : &c->ends[free_before];
}

/* One end of a pair of sockets is the port's; the other goes along with the answer. */
static int add_connected(struct ctl_call *call, const struct p2p_spec *spec)
{
	struct p2p_control *control = call->subject;
	char why[P2P_WHY_LEN];
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return ctl_fail(call, "no pair of sockets: %s", strerror(errno));
	err = cable_add(control->cable, spec, NULL, fds[0], why);
	if (err) {
		close(fds[0]);
		close(fds[1]);
		return fail_add(call, err, why);
	}
	if (ctl_server_attach(*control->server, fds[1]))
		return 0;
	close(fds[1]); /* the port ends with it */
	return ctl_fail(call, "a descriptor can only be handed over the control socket: leave fd out");
}

static int run_create(struct ctl_call *call)
{
	struct p2p_control *control = call->subject;
	struct cable *c = control->cable;
	uint32_t place = c->ends[0].port ? 1 : 0;
	struct p2p_spec spec;
	char why[P2P_WHY_LEN];
	int err;

	if (ctl_u64(call, "type", 0) != 0)
		return ctl_fail(call, "invalid (EINVAL): the type of a port is 0");
	if (read_keys(call, &spec) != 0)
		return -1;
	if (ctl_has(call, "name") && !p2p_name_is_good(ctl_str(call, "name", "")))
		return ctl_fail(call, "a port's name has up to %d letters, digits, '_', '-' and '.'",
			P2P_NAME_LEN - 1);
	snprintf(spec.name, sizeof(spec.name), "%s", ctl_str(call, "name", ""));
	if (ctl_has(call, "fd")) {
		if (add_connected(call, &spec) != 0)
			return -1;
	} else {
		err = cable_add(c, &spec, NULL, -1, why);
		if (err)
			return fail_add(call, err, why);
	}
	call->result = port_json(newest(c, &spec, place));
	return 0;
}

static void print_create(const json_t *result, FILE *out)
{
	const char *socket = json_string_value(json_object_get(result, "socket"));

	fprintf(out, "%s\n", socket ? socket : json_string_value(json_object_get(result, "port")));
}

static int run_delete(struct ctl_call *call)
{
	struct p2p_control *control = call->subject;
	struct cable_end *end = cable_find(control->cable, ctl_str(call, "port", ""));

	if (!end)
		return ctl_fail(call, "there is no port %s: see show ports", ctl_str(call, "port", ""));
	cable_remove(end);
	return 0;
}

static json_t *end_json(const struct cable_end *end)
{
	json_t *o = port_json(end);
	const uint8_t *mac = end->port->port.iface.mac;

	json_object_set_new(o, "connected", json_boolean(end->here));
	json_object_set_new(o, "mac",
		json_sprintf(
			"%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]));
	return o;
}

static int run_show(struct ctl_call *call)
{
	struct p2p_control *control = call->subject;

	call->result = json_array();
	for (uint32_t i = 0; i < CABLE_ENDS; i++)
		if (control->cable->ends[i].port)
			json_array_append_new(call->result, end_json(&control->cable->ends[i]));
	return 0;
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	fprintf(out, "%-33s%-13s%-19s%s\n", "Port", "Front-end", "Address", "Socket");
	json_array_foreach ((json_t *)(uintptr_t)result, i, o) {
		const char *socket = json_string_value(json_object_get(o, "socket"));

		fprintf(out, "%-33s%-13s%-19s%s\n", json_string_value(json_object_get(o, "port")),
			json_is_true(json_object_get(o, "connected")) ? "connected" : "absent",
			json_string_value(json_object_get(o, "mac")), socket ? socket : "-");
	}
}

static const struct ctl_command commands[] = {
	{"create <type:u32> [fd] [name <name:word>] [<keys:line>]",
		"Make a port: type 0, then ds-max=N mac=ADDRESS; the answer names its socket, or with fd has "
		"one end of a connected pair along",
		run_create, print_create},
	{"delete port <port:word>", "Remove a port: its place and its address are free", run_delete, NULL},
	{"show ports", "Both ends of the cable", run_show, print_show},
	{0},
};

static const struct ctl_table table = {commands};

void p2p_commands_add(struct ctl *ctl, struct p2p_control *control)
{
	static struct rooms none;
	struct rooms *rooms = control ? &control->cable->rooms : &none;

	ctl_add_type(ctl, &interface_type, rooms->ifaces);
	ctl_add_type(ctl, &interface_number_type, rooms->ifaces);
	ctl_add_type(ctl, &watch_reason_type, NULL);
	ctl_add_type(ctl, &watch_node_type, rooms->watch);
	ctl_add_table(ctl, &table, control);
	ctl_add_table(ctl, &interface_commands, rooms->ports);
	ctl_add_table(ctl, &netem_commands, rooms->ports);
	ctl_add_table(ctl, &vhost_show_commands, rooms->ports);
	ctl_add_table(ctl, &worker_commands, rooms->workers);
	ctl_add_table(ctl, &capture_commands, rooms->watch);
	ctl_add_table(ctl, &trace_commands, rooms->watch);
	ctl_add_table(ctl, &statistics_commands, &rooms->statistics);
}
