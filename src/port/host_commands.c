/* SPDX-License-Identifier: Apache-2.0 */
/* The words about ports on interfaces of the kernel, in VPP's grammar. */
#include "ctl/command.h"
#include "port/host_port.h"
#include "port/show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int create(struct ctl_call *call, struct host_port_config *config)
{
	struct host_port *hp;
	uint8_t mac[6];
	char why[256];

	config->mac = ctl_mac(call, "hw-addr", mac) ? mac : NULL;
	if (host_port_create(call->subject, config, &hp, why) != 0)
		return ctl_fail(call, "%s", why);
	call->result = json_string(hp->port.iface.name);
	return 0;
}

static int run_create(struct ctl_call *call)
{
	uint64_t queues = ctl_u64(call, "num-rx-queues", 1);
	struct host_port_config config = {
		.host_if = ctl_str(call, "name", ""), .host_ns = ctl_str(call, "host-ns", NULL), .fd = -1};

	if (queues < 1 || queues > PORT_MAX_RX_QUEUES)
		return ctl_fail(call, "%" PRIu64 " queues: choose 1 to %d", queues, PORT_MAX_RX_QUEUES);
	config.n_queues = (uint32_t)queues;
	return create(call, &config);
}

static int run_create_fd(struct ctl_call *call)
{
	struct host_port_config config = {.host_if = "", .fd = (int)ctl_u64(call, "fd", 0)};
	const struct ports *ports = call->subject;
	struct port *port;

	list_for_each (port, &ports->list, link) {
		const struct host_port *hp = host_port_of(port);

		for (uint32_t q = 0; hp && q < hp->n_queues; q++)
			if (hp->queues[q].socket.fd == config.fd)
				return ctl_fail(
					call, "descriptor %d is %s already", config.fd, port->iface.name);
	}
	return create(call, &config);
}

static int run_delete(struct ctl_call *call)
{
	struct host_port *hp =
		host_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", UINT32_MAX)));

	if (!hp)
		return ctl_fail(call, "this is no host interface: see show host-interface");
	port_remove(&hp->port);
	return 0;
}

/* --- show host-interface --- */

static json_t *queues_json(const struct host_port *hp)
{
	json_t *rows = json_array();

	for (uint32_t q = 0; q < hp->n_queues; q++) {
		json_t *row = json_pack("{s:i, s:i}", "queue", (int)q, "fd", hp->queues[q].socket.fd);

		if (hp->port.rx_waker[q])
			json_object_set_new(row, "thread", json_integer(hp->port.rx_worker[q]));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *host_json(const struct host_port *hp)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:b, s:o}", "interface", hp->port.iface.name, "ifindex",
		(int)hp->port.iface.idx, "host-if-name", hp->host_if, "gone", (int)host_port_is_gone(hp),
		"queues", queues_json(hp));

	if (hp->host_ns)
		json_object_set_new(o, "host-ns", json_string(hp->host_ns));
	return o;
}

static json_t *facts(struct port *port)
{
	const struct host_port *hp = host_port_of(port);

	return hp ? host_json(hp) : NULL;
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no host interface: see show host-interface");
}

static void print_host(const json_t *o, FILE *out)
{
	fprintf(out, "Interface: %s (ifindex %d)\n  host-if-name \"%s\"%s", show_str(o, "interface"),
		(int)show_num(o, "ifindex"), show_str(o, "host-if-name"),
		json_is_true(json_object_get(o, "gone")) ? ", which is gone" : "");
	if (show_str(o, "host-ns"))
		fprintf(out, ", host-ns \"%s\"", show_str(o, "host-ns"));
	fputc('\n', out);
	show_print_queues(o, out);
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_host(o, out);
}

static const struct ctl_command commands[] = {
	{"create host-interface name <name:word> [host-ns <host-ns:word>] [num-rx-queues "
	 "<num-rx-queues:u16>] [hw-addr <hw-addr:mac>]",
		"Make a port on an interface that the kernel has, such as a NIC", run_create, NULL},
	{"create host-interface fd <fd:u16> [hw-addr <hw-addr:mac>]",
		"Make a port on the interface of a packet socket that ginneld was started with",
		run_create_fd, NULL},
	{"delete host-interface <interface:interface>",
		"Remove a port on an interface of the kernel, which stays as it is", run_delete, NULL},
	{"show host-interface [<interface:interface>]", "Ports on interfaces of the kernel", run_show,
		print_show},
	{0},
};

const struct ctl_table host_commands = {commands};
