/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port with nothing behind it: the interface is a place for addresses of the router, or its leg in a bridge (BVI). What
 * is sent out through it as a port has nobody to go to; for a BVI the stages have taken it before.
 */
#include "port/loopback_port.h"

#include "ctl/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void loopback_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	turn_tx_drop(turn, &port->iface, pkts, n, DROP_TX_NO_PEER);
}

static void loopback_nothing(struct port *port)
{
}

static bool loopback_connected(const struct port *port)
{
	return false;
}

static json_t *loopback_save(struct port *port, struct parcel *parcel)
{
	return json_object();
}

static void loopback_destroy(struct port *port)
{
	free(port);
}

/* No queue is ever polled: what asks for one is missing. */
static const struct port_ops loopback_ops = {
	.tx = loopback_tx,
	.tick = loopback_nothing,
	.connected = loopback_connected,
	.check_memory = loopback_nothing,
	.save = loopback_save,
	.resume = loopback_nothing,
	.close = loopback_nothing,
	.destroy = loopback_destroy,
};

static struct port *loopback_alloc(void)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->ops = &loopback_ops;
	port->iface.kind = LOOPBACK_KIND;
	return port;
}

int loopback_create(struct ports *ports, int32_t instance, const uint8_t *mac, struct port **out)
{
	struct port *port = loopback_alloc();
	uint32_t n = instance < 0 ? 0 : (uint32_t)instance;
	int err;

	if (!port)
		return -ENOMEM;
	do {
		snprintf(port->iface.name, IFACE_NAME_LEN, "loop%u", n++);
	} while (instance < 0 && iface_by_name(ports->config.ifaces, port->iface.name));
	port_pick_mac(ports, port, mac);
	err = port_add(ports, port);
	if (err) {
		free(port);
		return err;
	}
	*out = port;
	return 0;
}

int loopback_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	struct port *port = loopback_alloc();
	int err;

	if (!port)
		return -ENOMEM;
	err = port_add_restored(ports, port, state);
	if (err) {
		free(port);
		return err;
	}
	*out = port;
	return 0;
}

/* --- commands --- */

static int run_create(struct ctl_call *call)
{
	int32_t instance = ctl_has(call, "instance") ? (int32_t)ctl_u64(call, "instance", 0) : -1;
	uint8_t mac[6];
	bool has_mac = ctl_mac(call, "mac", mac);
	struct port *port;

	if (has_mac && mac[0] & 1)
		return ctl_fail(call, "%s is a group address: give one station's", ctl_str(call, "mac", ""));
	switch (loopback_create(call->subject, instance, has_mac ? mac : NULL, &port)) {
	case 0:
		call->result = json_string(port->iface.name);
		return 0;
	case -EEXIST:
		return ctl_fail(call, "loop%d exists: choose another instance", instance);
	case -ENOSPC:
		return ctl_fail(call, "there are %d interfaces already: delete one first", IFACE_MAX);
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int run_delete(struct ctl_call *call)
{
	struct port *port = ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0));

	if (!port || strcmp(port->iface.kind, LOOPBACK_KIND) != 0)
		return ctl_fail(call, "this is no loopback interface: see show hardware-interfaces");
	port_remove(port);
	return 0;
}

static const struct ctl_command commands[] = {
	{"create loopback interface [mac <mac:mac>] [instance <instance:u16>]",
		"Make an interface with nothing behind it, for the router's leg in a bridge (BVI)",
		run_create, NULL},
	{"delete loopback interface <interface:interface>", "Remove a loopback interface", run_delete, NULL},
	{0},
};

const struct ctl_table loopback_commands = {commands};
