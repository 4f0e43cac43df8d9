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
	STAGE_XCONNECT,  /* bridge/: to the interface at the other end of the wire */
	STAGE_BRIDGE, /* bridge/: learn the source, look up the destination: one interface, or all of the domain */
	STAGE_PORT_OUTPUT, /* port/: what the interfaces' lanes hold goes out, one port after the other */
	STAGE_DROP,        /* worker/: count by reason */
	STAGE_COUNT,
};

/* "ethernet-input", as show runtime writes it. */
const char *stage_name(enum stage stage);

#endif
