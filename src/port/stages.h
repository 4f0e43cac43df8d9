/* SPDX-License-Identifier: Apache-2.0 */
/* stages - what the stages of this room have in common. */
#ifndef GINNEL_PORT_STAGES_H
#define GINNEL_PORT_STAGES_H

#include "pkt/iface.h"
#include "pkt/stage.h"

/* Where everything that comes in here goes; STAGE_DROP: *drop says why nowhere. */
static inline enum stage eth_next(const struct iface *rx, enum drop *drop)
{
	enum iface_mode mode = iface_mode(rx);

	*drop = iface_is_up(rx) ? DROP_NO_ROAD : DROP_IFACE_DOWN;
	if (unlikely(*drop == DROP_IFACE_DOWN))
		return STAGE_DROP;
	if (mode == IFACE_MODE_XCONNECT)
		return STAGE_XCONNECT;
	if (mode == IFACE_MODE_L3)
		return STAGE_L3_INPUT;
	return likely(mode == IFACE_MODE_BRIDGE) ? STAGE_BRIDGE : STAGE_DROP;
}

#endif
