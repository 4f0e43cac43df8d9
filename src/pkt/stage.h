/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - every stop on a packet's road, in order.
 *
 * A turn runs the stages from top to bottom, each on all packets that were pushed to it; a stage pushes each packet
 * to exactly one later stage. worker/turn.c says which function serves which name.
 */
#ifndef GINNEL_PKT_STAGE_H
#define GINNEL_PKT_STAGE_H

enum stage {
	STAGE_ETH_INPUT, /* port/: count, check the frame, choose the road by the interface's mode */
	STAGE_VLAN_INPUT, /* port/: by its tags to a sub-interface, tags off and on; few interfaces have that */
	STAGE_XCONNECT,   /* bridge/: to the interface at the other end of the wire */
	STAGE_BRIDGE, /* bridge/: learn the source, look up the destination: one interface, or all of the domain */
	STAGE_L3_INPUT,  /* ip/: what is for the router, by its address and type */
	STAGE_ARP_INPUT, /* ip/: learn and answer */
	STAGE_IP4_INPUT, /* ip/: check the header; then what IP4_LOOKUP does, unless the interface wants the next */
	STAGE_IP4_PRE_LOOKUP, /* gateway/: what comes in is translated: its destination decides where it goes */
	STAGE_IP4_LOOKUP,     /* ip/: longest prefix, time to live, size: where it goes */
	STAGE_IP6_INPUT,      /* ip/: the same for IPv6, in one */
	STAGE_IP_LOCAL,       /* ip/: for an address of ours: echo, neighbour discovery, services */
	STAGE_ICMP_ERROR,     /* ip/: what cannot go on becomes a message to its sender */
	STAGE_IP4_PRE_OUTPUT, /* gateway/: what goes out is translated */
	STAGE_IP_FRAGMENT,    /* ip/: what is too large for its interface and may be cut */
	STAGE_NEIGH_OUTPUT,   /* ip/: the neighbour's MAC address, or wait for it; then an interface's lane */
	STAGE_BVI_OUTPUT,     /* bridge/: what left through the router's leg in a bridge is bridged there */
	STAGE_PORT_OUTPUT,    /* port/: what the interfaces' lanes hold goes out, one port after the other */
	STAGE_DROP,           /* worker/: count by reason */
	STAGE_COUNT,
};

/* "ethernet-input", as show runtime writes it. */
const char *stage_name(enum stage stage);

#endif
