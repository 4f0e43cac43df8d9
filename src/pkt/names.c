/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/drop.h"
#include "pkt/stage.h"

#include "base/check.h"

#include <string.h>

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_ETH_INPUT] = "ethernet-input",
	[STAGE_VLAN_INPUT] = "vlan-input",
	[STAGE_XCONNECT] = "l2-xconnect",
	[STAGE_BRIDGE] = "bridge-forward",
	[STAGE_L3_INPUT] = "l3-input",
	[STAGE_ARP_INPUT] = "arp-input",
	[STAGE_IP4_INPUT] = "ip4-input",
	[STAGE_IP4_PRE_LOOKUP] = "nat44-input",
	[STAGE_IP4_LOOKUP] = "ip4-lookup",
	[STAGE_IP6_INPUT] = "ip6-input",
	[STAGE_IP_LOCAL] = "ip-local",
	[STAGE_ICMP_ERROR] = "icmp-error",
	[STAGE_IP4_PRE_OUTPUT] = "nat44-output",
	[STAGE_IP_FRAGMENT] = "ip-fragment",
	[STAGE_NEIGH_OUTPUT] = "neighbor-output",
	[STAGE_BVI_OUTPUT] = "bvi-output",
	[STAGE_PORT_OUTPUT] = "port-output",
	[STAGE_DROP] = "drop",
};

static const struct {
	const char *name, *text;
} drops[DROP_COUNT] = {
	[DROP_NONE] = {"none", "no error"},
	[DROP_RX_RUNT] = {"rx-runt", "frame shorter than an Ethernet header"},
	[DROP_RX_TOO_LONG] = {"rx-too-long", "frame longer than 64 KiB and its headers"},
	[DROP_RX_HEADER] = {"rx-header", "virtio-net header missing or in contradiction to the frame"},
	[DROP_RX_PIECES] = {"rx-pieces", "frame in more pieces than a turn holds"},
	[DROP_RX_DISABLED] = {"rx-disabled", "sent on a disabled ring"},
	[DROP_IFACE_DOWN] = {"interface-down", "received on an interface that is down"},
	[DROP_NO_ROAD] = {"no-road", "interface is in no bridge, not cross-connected and has no address"},
	[DROP_VLAN_TAG] = {"vlan-tag", "VLAN tag cut off, or no place for one"},
	[DROP_VLAN_UNTAGGED] = {"vlan-untagged", "no VLAN tag, and only sub-interfaces have a road"},
	[DROP_VLAN_UNKNOWN] = {"vlan-unknown", "no sub-interface has this VLAN tag"},
	[DROP_VLAN_FILTERED] = {"vlan-filtered", "VLAN tags that may not leave through the interface"},
	[DROP_BRIDGE_SOURCE] = {"bridge-source", "source address is a group address"},
	[DROP_BRIDGE_SAME] = {"bridge-same", "destination is behind the interface it came from"},
	[DROP_BRIDGE_NO_FLOOD] = {"bridge-no-flood", "destination unknown and flooding is off"},
	[DROP_BRIDGE_NO_LEARN] = {"bridge-no-learn", "address table full, source not learned"},
	[DROP_BRIDGE_FILTER] = {"bridge-filter", "filtered by a static entry"},
	[DROP_BRIDGE_ALONE] = {"bridge-alone", "no other interface in the bridge domain"},
	[DROP_NOT_FOR_US] = {"not-for-us", "not to the address of the interface"},
	[DROP_L3_TYPE] = {"l3-type", "neither IPv4 nor IPv6 nor ARP"},
	[DROP_IP4_HEADER] = {"ip4-header", "malformed IPv4 header"},
	[DROP_IP4_CSUM] = {"ip4-checksum", "wrong checksum of the IPv4 header"},
	[DROP_IP6_HEADER] = {"ip6-header", "malformed IPv6 header"},
	[DROP_IP_MARTIAN] = {"ip-martian", "source or destination address cannot be on a network"},
	[DROP_IP_NO_ROUTE] = {"ip-no-route", "no route to the destination"},
	[DROP_IP_BLACKHOLE] = {"ip-blackhole", "route says drop"},
	[DROP_IP_TTL] = {"ip-ttl", "time to live exceeded"},
	[DROP_IP_MTU] = {"ip-mtu", "larger than the MTU of its way and must not be cut"},
	[DROP_IP_NO_SERVICE] = {"ip-no-service", "for us, but nobody serves that protocol or port"},
	[DROP_IP_OPTIONS] = {"ip-options", "source routing is refused"},
	[DROP_ARP_MALFORMED] = {"arp-malformed", "malformed ARP"},
	[DROP_ARP_SPOOF] = {"arp-spoof", "ARP sender in contradiction to the frame or to our own address"},
	[DROP_ARP_RATE] = {"arp-rate", "more ARP or neighbour discovery than a port may send"},
	[DROP_ARP_NOT_OURS] = {"arp-not-ours", "ARP for an address that is not ours"},
	[DROP_ND_MALFORMED] = {"nd-malformed", "malformed neighbour discovery"},
	[DROP_NEIGH_FULL] = {"neighbor-full", "table of neighbours full, or the share of the interface"},
	[DROP_NEIGH_PENDING] = {"neighbor-pending", "too many packets wait for neighbours"},
	[DROP_NEIGH_UNREACHABLE] = {"neighbor-unreachable", "neighbour does not answer"},
	[DROP_ICMP_MALFORMED] = {"icmp-malformed", "malformed ICMP or wrong checksum"},
	[DROP_ICMP_RATE] = {"icmp-rate", "more ICMP errors than the limit"},
	[DROP_FRAGMENT_MALFORMED] = {"fragment-malformed", "malformed or overlapping fragment"},
	[DROP_FRAGMENT_FULL] = {"fragment-full", "table of fragments full"},
	[DROP_FRAGMENT_TIMEOUT] = {"fragment-timeout", "other fragments never came"},
	[DROP_TURN_FULL] = {"turn-full", "a turn can make no more packets"},
	[DROP_NAT44_TRUNCATED] = {"nat44-truncated", "headers end too early to be translated"},
	[DROP_NAT44_PROTOCOL] = {"nat44-protocol", "only TCP, UDP and ICMP queries can be translated"},
	[DROP_NAT44_FRAGMENT] = {"nat44-fragment", "fragment without its first one, which has the ports"},
	[DROP_NAT44_NO_SESSION] = {"nat44-no-session", "from outside, and meant for nobody inside"},
	[DROP_NAT44_FILTERED] = {"nat44-filtered", "from an address outside that nobody inside spoke to"},
	[DROP_NAT44_FULL] = {"nat44-full", "all translation sessions are taken"},
	[DROP_NAT44_HOST_FULL] = {"nat44-host-full", "all sessions that one inside host may have are taken"},
	[DROP_NAT44_NO_PORT] = {"nat44-no-port", "no NAT address given, or no free port at any"},
	[DROP_DHCP_MALFORMED] = {"dhcp-malformed", "no DHCP message of the station that sent it"},
	[DROP_DHCP_RELAY] = {"dhcp-relay", "DHCP message of a relay, which is not served"},
	[DROP_DHCP_NO_ADDRESS] = {"dhcp-no-address", "all addresses of the DHCP pool are taken"},
	[DROP_DHCP_NOT_ITS_OWN] = {"dhcp-not-its-own", "station gives up a DHCP lease that is not its own"},
	[DROP_DNS_MALFORMED] = {"dns-malformed", "no DNS question"},
	[DROP_DNS_NO_SERVER] = {"dns-no-server", "no DNS server to ask, see dns upstream add"},
	[DROP_DNS_FULL] = {"dns-full", "too many DNS questions are outstanding"},
	[DROP_DNS_UNASKED] = {"dns-unasked", "answers no DNS question that is outstanding"},
	[DROP_TUNNEL_MALFORMED] = {"tunnel-malformed",
		"no frame inside, or not in the header it should have"},
	[DROP_TUNNEL_UNKNOWN] = {"tunnel-unknown", "there is no tunnel to its sender with this number"},
	[DROP_TUNNEL_DEPTH] = {"tunnel-depth", "too many tunnels, one inside the other"},
	[DROP_NETEM_LOSS] = {"netem-loss", "lost on purpose: see show netem"},
	[DROP_NETEM_FULL] = {"netem-full", "more frames held back than there is room for: see show netem"},
	[DROP_NETEM_ENDED] = {"netem-ended", "held back when netem was set anew, or the daemon replaced"},
	[DROP_TX_DOWN] = {"tx-down", "outgoing interface is down"},
	[DROP_TX_NO_PEER] = {"tx-no-peer", "no peer connected or its queue does not run"},
	[DROP_TX_BROKEN] = {"tx-broken", "peer's queue is broken, see show vhost-user or virtio-user"},
	[DROP_TX_NO_BUFFER] = {"tx-no-buffer", "no free buffers: the peer is slower than its frames come"},
	[DROP_TX_FILTERED] = {"tx-filtered", "guest's driver does not want frames to this address or VLAN"},
	[DROP_TX_MTU] = {"tx-mtu", "frame larger than the outgoing interface's MTU"},
	[DROP_TX_TOO_LONG] = {"tx-too-long", "frame larger than the peer's receive buffers"},
	[DROP_TX_REFUSED] = {"tx-refused", "the kernel does not take such a frame"},
	[DROP_TX_OFFLOAD] = {"tx-offload", "malformed headers: checksum or segmentation impossible"},
	[DROP_TX_WAITED] = {"tx-waited", "no loss: a lossless wire or a stream began to wait for the peer"},
};

const char *stage_name(enum stage stage)
{
	return stage_names[stage];
}

const char *drop_name(enum drop drop)
{
	return drops[drop].name;
}

/* Where packets with a reason of that beginning end; of any other, in whatever stage the beginning is called. */
static const struct {
	const char *prefix, *node;
} drop_nodes[] = {
	{"rx-", "port-input"},
	{"tx-", "port-output"},
	{"bridge-", "bridge-forward"},
	{"interface-", "ethernet-input"},
	{"no-road", "ethernet-input"},
	{"vlan-", "vlan-input"},
	{"arp-", "arp-input"},
	{"nd-", "ip-local"},
	{"icmp-", "icmp-error"},
	{"neighbor-", "neighbor-output"},
	{"nat44-", "nat44-input"},
	{"dhcp-", "ip-local"},
	{"dns-", "ip-local"},
	{"tunnel-", "ip-local"},
	{"fragment-", "ip-local"},
	{"ip4-", "ip4-input"},
	{"ip6-", "ip6-input"},
	{"ip-no-service", "ip-local"},
	{"ip-options", "ip4-input"},
	{"ip-", "ip4-input, ip6-input"},
	{"netem-", "port-output"},
};

const char *drop_node(enum drop drop)
{
	for (size_t i = 0; i < ARRAY_LEN(drop_nodes); i++)
		if (strncmp(drops[drop].name, drop_nodes[i].prefix, strlen(drop_nodes[i].prefix)) == 0)
			return drop_nodes[i].node;
	return "drop";
}

const char *drop_text(enum drop drop)
{
	return drops[drop].text;
}
