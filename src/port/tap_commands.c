/* SPDX-License-Identifier: Apache-2.0 */
/* The words about tap ports, in VPP's grammar. */
#include "ctl/command.h"
#include "os/netns.h"
#include "port/frame.h"
#include "port/show.h"
#include "port/tap_port.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

/* --- create, delete --- */

/* Each 0, or -1 after saying what else to choose. */
static int take_addr(struct ctl_call *call, struct tap_port_config *config, const char *key, int family)
{
	const char *text = ctl_str(call, key, NULL);

	if (!text || netif_addr_parse(&config->addrs[config->n_addrs++], family, text))
		return 0;
	return ctl_fail(call, "%s %s: give an address and the length of its prefix, such as %s", key, text,
		family == AF_INET ? "10.0.0.1/24" : "fd00::1/64");
}

static int check_fd(struct ctl_call *call, int fd)
{
	const struct ports *ports = call->subject;
	struct port *port;

	list_for_each (port, &ports->list, link) {
		const struct tap_port *tp = tap_port_of(port);

		for (uint32_t q = 0; tp && q < tp->tap.n_fds; q++)
			if (tp->tap.fds[q] == fd)
				return ctl_fail(call, "descriptor %d is %s already", fd, port->iface.name);
	}
	return 0;
}

static int take_numbers(struct ctl_call *call, struct tap_port_config *config)
{
	uint64_t queues = ctl_u64(call, "num-rx-queues", 1);

	if (queues < 1 || queues > TAP_MAX_QUEUES)
		return ctl_fail(call, "%" PRIu64 " queues: choose 1 to %d", queues, TAP_MAX_QUEUES);
	if (config->host_if && strlen(config->host_if) >= IFNAMSIZ)
		return ctl_fail(
			call, "host-if-name %s: at most %d characters", config->host_if, IFNAMSIZ - 1);
	config->n_queues = (uint32_t)queues;
	return check_fd(call, config->fd);
}

static int create(struct ctl_call *call, struct tap_port_config *config)
{
	const char *offload = ctl_str(call, "offload", "gso");
	uint8_t mac[6], host_mac[6];
	struct tap_port *tp;
	char why[256];

	config->instance = ctl_has(call, "id") ? (int32_t)ctl_u64(call, "id", 0) : -1;
	config->mac = ctl_mac(call, "hw-addr", mac) ? mac : NULL;
	config->host_mac = ctl_mac(call, "host-mac-addr", host_mac) ? host_mac : NULL;
	config->gso = strcmp(offload, "gso") == 0;
	config->csum = strcmp(offload, "no-gso") != 0;
	if (take_numbers(call, config) != 0)
		return -1;
	if (tap_port_create(call->subject, config, &tp, why) != 0)
		return ctl_fail(call, "%s", why);
	call->result = json_string(tp->port.iface.name);
	return 0;
}

static int run_create(struct ctl_call *call)
{
	struct tap_port_config config = {
		.fd = -1,
		.host_if = ctl_str(call, "host-if-name", NULL),
		.host_ns = ctl_str(call, "host-ns", NULL),
		.host_bridge = ctl_str(call, "host-bridge", NULL),
		.host_mtu = (uint32_t)ctl_u64(call, "host-mtu-size", 0),
	};

	if (take_addr(call, &config, "host-ip4-addr", AF_INET) != 0 ||
		take_addr(call, &config, "host-ip6-addr", AF_INET6) != 0)
		return -1;
	return create(call, &config);
}

static int run_create_fd(struct ctl_call *call)
{
	struct tap_port_config config = {.fd = (int)ctl_u64(call, "fd", 0)};

	return create(call, &config);
}

static int run_delete(struct ctl_call *call)
{
	struct tap_port *tp =
		tap_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", UINT32_MAX)));

	if (!tp)
		return ctl_fail(call, "this is no tap interface: see show tap");
	port_remove(&tp->port);
	return 0;
}

/* --- show tap --- */

static const char *cap_name(unsigned bit)
{
	static const char *const names[] = {"checksum", "tso4", "tso6", "ecn", "uso4", "uso6"};

	return bit < ARRAY_LEN(names) ? names[bit] : NULL;
}

static json_t *offloads_json(uint32_t caps)
{
	json_t *names = json_array();

	for (unsigned bit = 0; cap_name(bit); bit++)
		if (caps & 1u << bit)
			json_array_append_new(names, json_string(cap_name(bit)));
	return names;
}

static int ask_up(void *arg)
{
	return netif_is_up(arg);
}

static const char *host_state(const struct tap_port *tp)
{
	char name[IFNAMSIZ];

	if (tap_port_is_gone(tp) || tap_ask_name(tp->tap.fds[0], name) != 0)
		return "gone";
	return netns_run(tp->host_ns, ask_up, name) == 1 ? "up" : "down";
}

static json_t *queues_json(const struct tap_port *tp)
{
	json_t *rows = json_array();

	for (uint32_t q = 0; q < tp->tap.n_fds; q++) {
		json_t *row = json_pack("{s:i, s:i}", "queue", (int)q, "fd", tp->tap.fds[q]);

		if (tp->port.rx_waker[q])
			json_object_set_new(row, "thread", json_integer(tp->port.rx_worker[q]));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *tap_json(const struct tap_port *tp)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:b, s:i, s:o, s:o}", "interface", tp->port.iface.name,
		"ifindex", (int)tp->port.iface.idx, "host-if-name", tp->tap.name, "host-state",
		host_state(tp), "made-here", (int)tp->tap.made, "header-length", (int)tp->tap.hdr_len,
		"offloads", offloads_json(tp->caps), "queues", queues_json(tp));

	if (tp->host_ns)
		json_object_set_new(o, "host-ns", json_string(tp->host_ns));
	return o;
}

static json_t *facts(struct port *port)
{
	const struct tap_port *tp = tap_port_of(port);

	return tp ? tap_json(tp) : NULL;
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no tap interface: see show tap");
}

static void print_tap(const json_t *o, FILE *out)
{
	const json_t *row;
	size_t i;

	fprintf(out, "Interface: %s (ifindex %d)\n  host-if-name \"%s\" %s", show_str(o, "interface"),
		(int)show_num(o, "ifindex"), show_str(o, "host-if-name"), show_str(o, "host-state"));
	if (show_str(o, "host-ns"))
		fprintf(out, ", host-ns \"%s\"", show_str(o, "host-ns"));
	fprintf(out, "\n  virtio_net_hdr_sz %d\n  left undone:", (int)show_num(o, "header-length"));
	json_array_foreach (json_object_get(o, "offloads"), i, row)
		fprintf(out, " %s", json_string_value(row));
	fputs(i == 0 ? " nothing\n" : "\n", out);
	show_print_queues(o, out);
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_tap(o, out);
}

static const struct ctl_command commands[] = {
	{"create tap [id <id:u16>] [host-if-name <host-if-name:word>] [host-ns <host-ns:word>] "
	 "[host-bridge <host-bridge:word>] [host-ip4-addr <host-ip4-addr:word>] "
	 "[host-ip6-addr <host-ip6-addr:word>] [host-mac-addr <host-mac-addr:mac>] "
	 "[host-mtu-size <host-mtu-size:u16>] [hw-addr <hw-addr:mac>] [num-rx-queues <num-rx-queues:u16>] "
	 "[<offload:{gso|no-gso|csum-offload}>]",
		"Make a port to a TAP interface of the kernel: a new one, or one that root made for this "
		"user",
		run_create, NULL},
	{"create tap fd <fd:u16> [id <id:u16>] [hw-addr <hw-addr:mac>] "
	 "[<offload:{gso|no-gso|csum-offload}>]",
		"Make a port to a TAP interface whose descriptor ginneld was started with", run_create_fd,
		NULL},
	{"delete tap <interface:interface>", "Remove a tap port, and its TAP interface if it was made here",
		run_delete, NULL},
	{"show tap [<interface:interface>]", "Tap ports: the kernel's interface, offloads, queues", run_show,
		print_show},
	{0},
};

const struct ctl_table tap_commands = {commands};
