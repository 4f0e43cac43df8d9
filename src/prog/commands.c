/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/commands.h"

#include "port/dgram_port.h"
#include "port/host_port.h"
#include "port/interface_types.h"
#include "port/loopback_port.h"
#include "port/pcap_port.h"
#include "port/stream_port.h"
#include "port/tap_port.h"
#include "port/vhost_port.h"
#include "port/virtio_user_port.h"
#include "port/vlan.h"
#include "port/xdp_port.h"
#include "prog/handover.h"
#include "prog/topology.h"
#include "prog/version_command.h"

void commands_add(struct ctl *ctl, struct rooms *rooms, struct handover *handover)
{
	ctl_add_type(ctl, &interface_type, rooms->ifaces);
	ctl_add_type(ctl, &interface_number_type, rooms->ifaces);
	ctl_add_type(ctl, &ip_address_type, NULL);
	ctl_add_type(ctl, &ip_prefix_type, NULL);
	ctl_add_type(ctl, &watch_reason_type, NULL);
	ctl_add_type(ctl, &watch_node_type, rooms->watch);
	version_command_add(ctl, "ginnel");
	ctl_add_table(ctl, &handover_commands, handover);
	ctl_add_table(ctl, &interface_commands, rooms->ports);
	ctl_add_table(ctl, &placement_commands, rooms->ports);
	ctl_add_table(ctl, &netem_commands, rooms->ports);
	ctl_add_table(ctl, &dgram_commands, rooms->ports);
	ctl_add_table(ctl, &host_commands, rooms->ports);
	ctl_add_table(ctl, &pcap_commands, rooms->ports);
	ctl_add_table(ctl, &stream_commands, rooms->ports);
	ctl_add_table(ctl, &tap_commands, rooms->ports);
	ctl_add_table(ctl, &vhost_commands, rooms->ports);
	ctl_add_table(ctl, &vhost_show_commands, rooms->ports);
	ctl_add_table(ctl, &print_commands, rooms->ports);
	ctl_add_table(ctl, &virtio_user_commands, rooms->ports);
	ctl_add_table(ctl, &vlan_commands, rooms->ports);
	ctl_add_table(ctl, &xdp_commands, rooms->ports);
	ctl_add_table(ctl, &loopback_commands, rooms->ports);
	ctl_add_table(ctl, &bridge_commands, rooms->bridges);
	ctl_add_table(ctl, &ip_commands, rooms->ip);
	ctl_add_table(ctl, &ping_commands, rooms->ip);
	ctl_add_table(ctl, &nat44_commands, rooms->gateway.nat44);
	ctl_add_table(ctl, &dhcp_commands, rooms->gateway.dhcp);
	ctl_add_table(ctl, &dns_commands, rooms->gateway.dns);
	ctl_add_table(ctl, &vxlan_commands, rooms->vxlans);
	ctl_add_table(ctl, &worker_commands, rooms->workers);
	ctl_add_table(ctl, &capture_commands, rooms->watch);
	ctl_add_table(ctl, &trace_commands, rooms->watch);
	ctl_add_table(ctl, &why_commands, &rooms->why);
	ctl_add_table(ctl, &config_commands, rooms->config);
	ctl_add_table(ctl, &topology_commands, rooms);
	ctl_add_table(ctl, &statistics_commands, &rooms->statistics);
}
