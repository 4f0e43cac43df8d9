/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/drop.h"
#include "pkt/stage.h"

#include "base/check.h"

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_ETH_INPUT] = "ethernet-input",
	[STAGE_XCONNECT] = "l2-xconnect",
	[STAGE_BRIDGE] = "bridge-forward",
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
	[DROP_NO_ROAD] = {"no-road", "interface is in no bridge and not cross-connected"},
	[DROP_BRIDGE_SOURCE] = {"bridge-source", "source address is a group address"},
	[DROP_BRIDGE_SAME] = {"bridge-same", "destination is behind the interface it came from"},
	[DROP_BRIDGE_NO_FLOOD] = {"bridge-no-flood", "destination unknown and flooding is off"},
	[DROP_BRIDGE_NO_LEARN] = {"bridge-no-learn", "address table full, source not learned"},
	[DROP_BRIDGE_FILTER] = {"bridge-filter", "filtered by a static entry"},
	[DROP_BRIDGE_ALONE] = {"bridge-alone", "no other interface in the bridge domain"},
	[DROP_TX_DOWN] = {"tx-down", "outgoing interface is down"},
	[DROP_TX_NO_PEER] = {"tx-no-peer", "no peer connected or its queue does not run"},
	[DROP_TX_BROKEN] = {"tx-broken", "peer's queue is broken, see show vhost-user or virtio-user"},
	[DROP_TX_NO_BUFFER] = {"tx-no-buffer", "no free buffers: the peer is slower than its frames come"},
	[DROP_TX_FILTERED] = {"tx-filtered", "guest's driver does not want frames to this address or VLAN"},
	[DROP_TX_MTU] = {"tx-mtu", "frame larger than the outgoing interface's MTU"},
	[DROP_TX_TOO_LONG] = {"tx-too-long", "frame larger than the peer's receive buffers"},
	[DROP_TX_REFUSED] = {"tx-refused", "the kernel does not take such a frame"},
	[DROP_TX_OFFLOAD] = {"tx-offload", "malformed headers: checksum or segmentation impossible"},
	[DROP_TX_WAITED] = {"tx-waited", "no loss: a lossless wire began to wait for the peer"},
};

const char *stage_name(enum stage stage)
{
	return stage_names[stage];
}

const char *drop_name(enum drop drop)
{
	return drops[drop].name;
}

const char *drop_text(enum drop drop)
{
	return drops[drop].text;
}
