/* SPDX-License-Identifier: Apache-2.0 */
/* Which worker polls which receive queue, in VPP's grammar. */
#include "ctl/command.h"
#include "port/port.h"

#include <string.h>

static int run_show_placement(struct ctl_call *call)
{
	const struct ports *ports = call->subject;
	const struct port *port;

	call->result = json_array();
	list_for_each (port, &ports->list, link) {
		for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++)
			if (port->rx_waker[q])
				json_array_append_new(call->result,
					json_pack("{s:s, s:s, s:i, s:i}", "interface", port->iface.name,
						"node", port->iface.kind, "queue", (int)q, "worker",
						(int)port->rx_worker[q]));
	}
	return 0;
}

static void print_show_placement(const json_t *result, FILE *out)
{
	const json_t *row;
	size_t i;

	for (json_int_t w = 0; w < WORKER_MAX; w++) {
		bool titled = false;

		json_array_foreach ((json_t *)(uintptr_t)result, i, row) {
			if (json_integer_value(json_object_get(row, "worker")) != w)
				continue;
			if (!titled)
				fprintf(out,
					"Thread %" JSON_INTEGER_FORMAT " (worker %" JSON_INTEGER_FORMAT
					"):\n",
					w, w);
			titled = true;
			fprintf(out, "  node %s-input:\n    %s queue %" JSON_INTEGER_FORMAT "\n",
				json_string_value(json_object_get(row, "node")),
				json_string_value(json_object_get(row, "interface")),
				json_integer_value(json_object_get(row, "queue")));
		}
	}
}

static int run_set_placement(struct ctl_call *call)
{
	struct port *port = ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0));
	uint64_t queue = ctl_u64(call, "queue", 0), worker = ctl_u64(call, "worker", PORT_ANY_WORKER);
	int err;

	if (!port)
		return ctl_fail(call, "local0 has no receive queues: name another interface");
	if (queue >= PORT_MAX_RX_QUEUES)
		return ctl_fail(call, "an interface has the receive queues 0 to %d", PORT_MAX_RX_QUEUES - 1);
	if (worker != PORT_ANY_WORKER && worker >= port->ports->config.n_workers)
		return ctl_fail(call, "there are the workers 0 to %u: see show threads",
			port->ports->config.n_workers - 1);
	err = port_rx_place(port, (uint32_t)queue, (uint32_t)worker);
	return err ? ctl_fail(call, "the queue stays where it is: %s", strerror(-err)) : 0;
}

static const struct ctl_command commands[] = {
	{"show interface rx-placement", "Which worker polls which receive queue", run_show_placement,
		print_show_placement},
	{"set interface rx-placement <interface:interface> [queue <queue:u32>] [worker <worker:u32>]",
		"Let a worker poll a receive queue from now on, queue 0 if none is named; without a worker, "
		"any may",
		run_set_placement, NULL},
	{0},
};

const struct ctl_table placement_commands = {commands};
