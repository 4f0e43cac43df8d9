/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/commands.h"

#include "port/dgram_port.h"
#include "port/host_port.h"
#include "port/stream_port.h"
#include "port/tap_port.h"
#include "port/vhost_port.h"
#include "port/virtio_user_port.h"
#include "prog/handover.h"
#include "prog/version_command.h"

static json_t *parse_interface(void *subject, const char *text)
{
	const struct rooms *rooms = subject;
	const struct iface *iface = rooms->ifaces ? iface_by_name(rooms->ifaces, text) : NULL;

	return iface ? json_integer((json_int_t)iface->idx) : NULL;
}

static void each_interface(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	const struct rooms *rooms = subject;

	if (!rooms->ifaces)
		return;
	for (struct iface *i = iface_next(rooms->ifaces, 0); i; i = iface_next(rooms->ifaces, i->idx + 1))
		word(arg, i->name);
}

static const struct ctl_type interface_type = {
	"interface", "an interface, see show interface", parse_interface, each_interface};

void commands_add(struct ctl *ctl, struct rooms *rooms, struct handover *handover)
{
	ctl_add_type(ctl, &interface_type, rooms);
	ctl_add_type(ctl, &watch_reason_type, NULL);
	ctl_add_type(ctl, &watch_node_type, rooms->watch);
	version_command_add(ctl, "ginnel");
	ctl_add_table(ctl, &handover_commands, handover);
	ctl_add_table(ctl, &interface_commands, rooms->ports);
	ctl_add_table(ctl, &placement_commands, rooms->ports);
	ctl_add_table(ctl, &dgram_commands, rooms->ports);
	ctl_add_table(ctl, &host_commands, rooms->ports);
	ctl_add_table(ctl, &stream_commands, rooms->ports);
	ctl_add_table(ctl, &tap_commands, rooms->ports);
	ctl_add_table(ctl, &vhost_commands, rooms->ports);
	ctl_add_table(ctl, &virtio_user_commands, rooms->ports);
	ctl_add_table(ctl, &bridge_commands, rooms->bridges);
	ctl_add_table(ctl, &worker_commands, rooms->workers);
	ctl_add_table(ctl, &capture_commands, rooms->watch);
	ctl_add_table(ctl, &trace_commands, rooms->watch);
	ctl_add_table(ctl, &why_commands, &rooms->why);
}
