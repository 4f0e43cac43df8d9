/* SPDX-License-Identifier: Apache-2.0 */
/* Ports as a successor process needs them; each kind knows its own. */
#include "port/port.h"

#include "base/log.h"
#include "port/dgram_port.h"
#include "port/host_port.h"
#include "port/loopback_port.h"
#include "port/pcap_port.h"
#include "port/stream_port.h"
#include "port/tap_port.h"
#include "port/vhost_port.h"
#include "port/virtio_user_port.h"
#include "port/vlan.h"
#include "port/xdp_port.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *kind;
	int (*restore)(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
} kinds[] = {
	{"af_xdp", xdp_port_restore},
	{"dgram", dgram_port_restore},
	{"host-interface", host_port_restore},
	{LOOPBACK_KIND, loopback_restore},
	{"passt", stream_port_restore},
	{"pcap", pcap_port_restore},
	{"stream", stream_port_restore},
	{"sub-interface", sub_port_restore},
	{"tap", tap_port_restore},
	{"vhost-user", vhost_port_restore},
	{"virtio-user", virtio_user_port_restore},
};

/* Where the user wants the queues polled, null for anywhere. */
static json_t *wanted_save(const struct port *port)
{
	json_t *wanted = json_array();

	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++)
		json_array_append_new(wanted, port->rx_wanted[q] == PORT_ANY_WORKER
						      ? json_null()
						      : json_integer((json_int_t)port->rx_wanted[q]));
	return wanted;
}

static json_t *port_save(struct port *port, struct parcel *parcel)
{
	json_t *o = port->ops->save(port, parcel);

	json_object_set_new(o, "kind", json_string(port->iface.kind));
	json_object_set_new(o, "tag-rewrite", vlan_save(port));
	json_object_set_new(o, "wire", port_wire_save(port));
	json_object_set_new(o, "connected", json_boolean(port->ops->connected(port)));
	json_object_set_new(o, "workers-wanted", wanted_save(port));
	json_object_set_new(o, "interface", iface_save(port->ports->config.ifaces, &port->iface));
	return o;
}

json_t *ports_save(struct ports *ports, struct parcel *parcel)
{
	json_t *saved = json_array();
	struct port *port;

	list_for_each (port, &ports->list, link) {
		if (!port->ops->save) /* its room saves it */
			continue;
		if (json_array_append_new(saved, port_save(port, parcel)) == 0)
			continue;
		log_error("%s cannot be handed over: out of memory, or its path is not UTF-8",
			port->iface.name);
		parcel->incomplete = true;
	}
	return saved;
}

void ports_resume(struct ports *ports)
{
	struct port *port;

	list_for_each (port, &ports->list, link)
		port->ops->resume(port);
}

static int port_restore(struct ports *ports, const json_t *o, struct parcel *parcel, struct port **out)
{
	const char *kind = parcel_str(o, "kind", "");

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].restore(ports, o, parcel, out);
	return -EOPNOTSUPP;
}

static void count(struct ports_restored *restored, const struct port *port, bool was_connected)
{
	bool connected = port->ops->connected(port);

	restored->ports++;
	restored->peers += connected;
	restored->left_behind += was_connected && !connected;
}

int ports_restore(
	struct ports *ports, const json_t *state, struct parcel *parcel, struct ports_restored *restored)
{
	const json_t *o;
	size_t i;

	*restored = (struct ports_restored){0};
	json_array_foreach ((json_t *)(uintptr_t)state, i, o) {
		struct port *port;
		int err = port_restore(ports, o, parcel, &port);

		if (err == 0)
			err = vlan_restore(port, json_object_get(o, "tag-rewrite"));
		if (err) {
			log_error("%s cannot be taken over: %s",
				parcel_str(json_object_get(o, "interface"), "name", "a port"),
				strerror(-err));
			return err;
		}
		port_wire_restore(port, json_object_get(o, "wire"));
		count(restored, port, parcel_bool(o, "connected", false));
	}
	return 0;
}
