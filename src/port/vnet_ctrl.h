/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vnet_ctrl - what a driver says over its control queue (virtio 1.2, 5.1.6.5), as a function from bytes to a new state,
 * and what follows from that state for frames on their way to the driver.
 *
 * A driver that says nothing receives everything: that is the state after a reset, and the one of each front-end that
 * keeps the control queue to itself. Once it has turned promiscuous mode off, a frame passes when
 *
 *	broadcast   unless the driver said NOBCAST
 *	multicast   ALLMULTI, or its address is in the table, and not NOMULTI
 *	unicast     ALLUNI, or it is the driver's address or in the table, and not NOUNI; a driver whose address we
 *	            were never told gets every one
 *	tagged      with CTRL_VLAN negotiated, its VLAN was added
 *
 * A table that is longer than ours counts as "all of them": too much is no harm, too little is.
 */
#ifndef GINNEL_PORT_VNET_CTRL_H
#define GINNEL_PORT_VNET_CTRL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* In each table; and of a command what is looked at: two full tables and then some. */
#define VNET_CTRL_MACS        64
#define VNET_CTRL_COMMAND_MAX 1024
#define VNET_CTRL_VLANS       4096

/* VIRTIO_NET_CTRL_RX_*, by number. */
#define VNET_CTRL_RX_MODES 6

struct vnet_macs {
	bool all; /* the driver has more than we hold */
	uint32_t n;
	uint64_t macs[VNET_CTRL_MACS];
};

struct vnet_ctrl {
	uint64_t features; /* negotiated */
	uint32_t max_pairs;
	uint64_t offloads; /* VIRTIO_NET_F_GUEST_* bits in force */
	uint32_t pairs;    /* in use */
	bool rx_modes[VNET_CTRL_RX_MODES];
	uint64_t mac; /* 0: not told */
	struct vnet_macs unicast, multicast;
	uint64_t vlans[VNET_CTRL_VLANS / 64];
	/* ever */
	uint64_t commands, refused;
};

/* max_pairs: of queues that the device has. All of them are in use until the driver says how many. */
void vnet_ctrl_reset(struct vnet_ctrl *c, uint64_t features, uint32_t max_pairs);

/*
 * Does what a command says: class, command, then their data. Of a longer command the first VNET_CTRL_COMMAND_MAX bytes
 * are given. Returns the answer, VIRTIO_NET_OK or VIRTIO_NET_ERR; after ERR nothing has changed.
 */
uint8_t vnet_ctrl_handle(struct vnet_ctrl *c, const uint8_t *bytes, uint32_t len);

/* False: every frame passes. */
static inline bool vnet_ctrl_filters(const struct vnet_ctrl *c)
{
	return !c->rx_modes[0]; /* VIRTIO_NET_CTRL_RX_PROMISC */
}

/* Does the frame, of which the first len bytes are here (14 at least), pass? */
bool vnet_ctrl_passes(const struct vnet_ctrl *c, const uint8_t *frame, uint32_t len);

/* For a successor process. What does not fit the features is left as it is after a reset. */
json_t *vnet_ctrl_save(const struct vnet_ctrl *c);
void vnet_ctrl_restore(struct vnet_ctrl *c, const json_t *state);

#endif
