/* SPDX-License-Identifier: Apache-2.0 */
/* The words about ports behind which a capture file plays. */
#include "ctl/command.h"
#include "port/pcap_port.h"
#include "port/show.h"

#include <stdlib.h>
#include <string.h>

/* 0, or -1 after saying what else to choose. */
static int take_rate(struct ctl_call *call, struct pcap_port_config *config)
{
	const char *rate = ctl_str(call, "rate", "as-recorded");
	unsigned long pps;
	char *end;

	config->as_recorded = strcmp(rate, "as-recorded") == 0;
	if (config->as_recorded || strcmp(rate, "max") == 0)
		return 0;
	pps = strtoul(rate, &end, 10);
	if (*end != '\0' || pps < 1 || pps > PCAP_RATE_MAX)
		return ctl_fail(call, "rate %s: choose as-recorded, max, or 1 to %u packets per second", rate,
			PCAP_RATE_MAX);
	config->pps = (uint32_t)pps;
	return 0;
}

static int run_create(struct ctl_call *call)
{
	struct pcap_port_config config = {
		.path = ctl_str(call, "file", ""), .loops = (uint32_t)ctl_u64(call, "loop", 1)};
	struct pcap_port *pp;
	uint8_t mac[6];
	char why[256];

	config.mac = ctl_mac(call, "hw-addr", mac) ? mac : NULL;
	if (take_rate(call, &config) != 0)
		return -1;
	if (pcap_port_create(call->subject, &config, &pp, why) != 0)
		return ctl_fail(call, "%s", why);
	call->result = json_string(pp->port.iface.name);
	return 0;
}

static int run_delete(struct ctl_call *call)
{
	struct pcap_port *pp =
		pcap_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", UINT32_MAX)));

	if (!pp)
		return ctl_fail(call, "this is no pcap interface: see show pcap replay");
	port_remove(&pp->port);
	return 0;
}

static const char *state_of(const struct pcap_port *pp)
{
	if (pcap_port_is_over(pp))
		return "over";
	return iface_is_up(&pp->port.iface) ? "runs" : "waits until the interface is up";
}

static json_t *facts(struct port *port)
{
	const struct pcap_port *pp = pcap_port_of(port);

	if (!pp)
		return NULL;
	return json_pack("{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "interface", port->iface.name,
		"ifindex", (int)port->iface.idx, "file", pp->path, "frames", (json_int_t)pp->file.n_frames,
		"left-out", (json_int_t)pp->file.n_left_out, "at",
		(json_int_t)__atomic_load_n(&pp->at, __ATOMIC_RELAXED), "loops", (json_int_t)pp->loops,
		"loops-done", (json_int_t)__atomic_load_n(&pp->loops_done, __ATOMIC_RELAXED), "state",
		state_of(pp));
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no pcap interface: see show pcap replay");
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		fprintf(out,
			"Interface: %s (ifindex %d)\n  file %s, frames %lld, left out %lld\n  %s: loops done "
			"%lld "
			"of "
			"%lld%s, next frame %lld\n\n",
			show_str(o, "interface"), (int)show_num(o, "ifindex"), show_str(o, "file"),
			show_num(o, "frames"), show_num(o, "left-out"), show_str(o, "state"),
			show_num(o, "loops-done"), show_num(o, "loops"),
			show_num(o, "loops") == 0 ? " (for ever)" : "", show_num(o, "at") + 1);
}

static const struct ctl_command commands[] = {
	{"create pcap replay file <file:path> [loop <loop:u32>] [rate <rate:word>] [hw-addr <hw-addr:mac>]",
		"Make a port at which the frames of a capture file come in: rate as-recorded, max or packets "
		"per second; loop 0 is for ever",
		run_create, NULL},
	{"delete pcap replay <interface:interface>", "Remove a port at which a capture file plays",
		run_delete, NULL},
	{"show pcap replay [<interface:interface>]", "Ports at which capture files play: how far they are",
		run_show, print_show},
	{0},
};

const struct ctl_table pcap_commands = {commands};
