/* SPDX-License-Identifier: Apache-2.0 */
/* The words about AF_XDP ports, in VPP's grammar. */
#include "ctl/command.h"
#include "port/show.h"
#include "port/xdp_port.h"

#include <stdlib.h>
#include <string.h>

static int create(struct ctl_call *call, struct xdp_port_config *config)
{
	struct xdp_port *xp;
	uint8_t mac[6];
	char why[256];

	config->name = ctl_str(call, "name", NULL);
	if (config->name && strlen(config->name) >= IFACE_NAME_LEN)
		return ctl_fail(call, "name %s: at most %d characters", config->name, IFACE_NAME_LEN - 1);
	config->mac = ctl_mac(call, "hw-addr", mac) ? mac : NULL;
	if (xdp_port_create(call->subject, config, &xp, why) != 0)
		return ctl_fail(call, "%s", why);
	call->result = json_string(xp->port.iface.name);
	return 0;
}

static bool queues_are_fine(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return strcmp(text, "all") == 0 || (*end == '\0' && n >= 1 && n <= XDP_MAX_QUEUES);
}

static int run_create(struct ctl_call *call)
{
	struct xdp_port_config config = {
		.host_if = ctl_str(call, "host-if", ""),
		.netns = ctl_str(call, "netns", NULL),
		.queues = ctl_str(call, "num-rx-queues", "1"),
		.mode = ctl_str(call, "mode", "any"),
		.prog = ctl_str(call, "prog", NULL),
		.fd = -1,
	};

	if (strlen(config.host_if) >= IFNAMSIZ)
		return ctl_fail(call, "host-if %s: at most %d characters", config.host_if, IFNAMSIZ - 1);
	if (!queues_are_fine(config.queues))
		return ctl_fail(
			call, "num-rx-queues %s: choose 1 to %d, or all", config.queues, XDP_MAX_QUEUES);
	return create(call, &config);
}

static int run_create_fd(struct ctl_call *call)
{
	struct xdp_port_config config = {.host_if = "", .fd = (int)ctl_u64(call, "fd", 0)};

	return create(call, &config);
}

static int run_delete(struct ctl_call *call)
{
	struct xdp_port *xp =
		xdp_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", UINT32_MAX)));

	if (!xp)
		return ctl_fail(call, "this is no AF_XDP interface: see show af_xdp");
	port_remove(&xp->port);
	return 0;
}

/* --- show af_xdp --- */

/* The kernel's own count of what it could not give us, or we not get rid of. */
static void add_statistics(json_t *row, int fd)
{
	struct xdp_statistics s = {0};
	socklen_t len = sizeof(s);

	if (getsockopt(fd, SOL_XDP, XDP_STATISTICS, &s, &len) != 0)
		return;
	json_object_set_new(row, "rx_dropped", json_integer((json_int_t)s.rx_dropped));
	json_object_set_new(row, "rx_ring_full", json_integer((json_int_t)s.rx_ring_full));
	json_object_set_new(row, "rx_fill_ring_empty", json_integer((json_int_t)s.rx_fill_ring_empty_descs));
	json_object_set_new(row, "tx_invalid", json_integer((json_int_t)s.tx_invalid_descs));
}

static json_t *queues_json(const struct xdp_port *xp)
{
	json_t *rows = json_array();

	for (uint32_t q = 0; q < xp->xdp.note.n_queues; q++) {
		int fd = xp->xdp.sockets[q].fd;
		json_t *row = json_pack("{s:i, s:i, s:b}", "queue", (int)q, "fd", fd, "zero-copy",
			(int)xdp_is_zero_copy(&xp->xdp, q));

		if (xp->port.rx_waker[q])
			json_object_set_new(row, "thread", json_integer(xp->port.rx_worker[q]));
		add_statistics(row, fd);
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *facts(struct port *port)
{
	const struct xdp_port *xp = xdp_port_of(port);
	json_t *o;

	if (!xp)
		return NULL;
	o = json_pack("{s:s, s:i, s:s, s:b, s:s, s:i, s:o}", "interface", xp->port.iface.name, "ifindex",
		(int)xp->port.iface.idx, "host-if", xp->host_if, "gone", (int)xdp_port_is_gone(xp), "program",
		xp->xdp.note.native ? "native" : "generic", "host-queues", (int)xp->xdp.note.if_queues,
		"queues", queues_json(xp));
	if (xp->netns)
		json_object_set_new(o, "netns", json_string(xp->netns));
	return o;
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no AF_XDP interface: see show af_xdp");
}

static void print_statistics(const json_t *queues, FILE *out)
{
	const json_t *row;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)queues, i, row)
		fprintf(out,
			"  queue %d: %s, kernel's rx_dropped %lld rx_ring_full %lld rx_fill_ring_empty %lld "
			"tx_invalid "
			"%lld\n",
			(int)show_num(row, "queue"),
			json_is_true(json_object_get(row, "zero-copy")) ? "zero-copy" : "copy",
			show_num(row, "rx_dropped"), show_num(row, "rx_ring_full"),
			show_num(row, "rx_fill_ring_empty"), show_num(row, "tx_invalid"));
}

static void print_xdp(const json_t *o, FILE *out)
{
	const json_t *queues = json_object_get(o, "queues");

	fprintf(out, "Interface: %s (ifindex %d)\n  host-if \"%s\"%s", show_str(o, "interface"),
		(int)show_num(o, "ifindex"), show_str(o, "host-if"),
		json_is_true(json_object_get(o, "gone")) ? ", which is gone" : "");
	if (show_str(o, "netns"))
		fprintf(out, ", netns \"%s\"", show_str(o, "netns"));
	fprintf(out, "\n  program %s, queues %zu of %d\n", show_str(o, "program"), json_array_size(queues),
		(int)show_num(o, "host-queues"));
	show_print_queues(o, out);
	print_statistics(queues, out);
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_xdp(o, out);
}

static const struct ctl_command commands[] = {
	{"create interface af_xdp host-if <host-if:word> [name <name:word>] [num-rx-queues "
	 "<num-rx-queues:word>] [prog <prog:path>] [netns <netns:word>] [<mode:{zero-copy|no-zero-copy}>] "
	 "[hw-addr <hw-addr:mac>]",
		"Make a port of an interface of the kernel, whose frames are ours alone, by AF_XDP",
		run_create, NULL},
	{"create interface af_xdp fd <fd:u16> [name <name:word>] [hw-addr <hw-addr:mac>]",
		"Make a port of what ginnel-xdp-open sent over a socket that ginneld was started with",
		run_create_fd, NULL},
	{"delete interface af_xdp <interface:interface>",
		"Remove an AF_XDP port; its interface is the kernel's own again", run_delete, NULL},
	{"show af_xdp [<interface:interface>]", "AF_XDP ports: the kernel's interface, copy or not, queues",
		run_show, print_show},
	{0},
};

const struct ctl_table xdp_commands = {commands};
