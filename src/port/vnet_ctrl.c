/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vnet_ctrl.h"

#include "base/check.h"
#include "port/vnet.h"
#include "wire/ethernet.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#define GUEST_OFFLOADS                                                                                \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
		BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6))

void vnet_ctrl_reset(struct vnet_ctrl *c, uint64_t features, uint32_t max_pairs)
{
	*c = (struct vnet_ctrl){
		.features = features,
		.max_pairs = max_pairs,
		.offloads = features & GUEST_OFFLOADS,
		.pairs = max_pairs,
		.rx_modes = {[VIRTIO_NET_CTRL_RX_PROMISC] = true},
	};
}

/* --- commands; data is little-endian and has no alignment --- */

static uint16_t le16_get(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return le16toh(value);
}

static uint32_t le32_get(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

static uint64_t le64_get(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return le64toh(value);
}

/* One command without its first two bytes. */
struct command {
	uint8_t number; /* in its class */
	bool cut;       /* there is more than we were given */
	const uint8_t *data;
	uint32_t len;
};

static bool set_rx_mode(struct vnet_ctrl *c, struct command *cmd)
{
	c->rx_modes[cmd->number] = cmd->data[0];
	return true;
}

/* Takes one table from the front. False: it is not all there. */
static bool take_macs(struct command *cmd, struct vnet_macs *t)
{
	uint32_t n, n_len = sizeof(n);

	*t = (struct vnet_macs){0};
	if (cmd->len < n_len || le32_get(cmd->data) > (cmd->len - n_len) / MAC_LEN) {
		t->all = cmd->cut;
		cmd->len = 0;
		return cmd->cut;
	}
	n = le32_get(cmd->data);
	t->all = n > VNET_CTRL_MACS;
	t->n = t->all ? 0 : n;
	for (uint32_t i = 0; i < t->n; i++)
		t->macs[i] = mac_load(cmd->data + n_len + i * MAC_LEN);
	cmd->data += n_len + n * MAC_LEN;
	cmd->len -= n_len + n * MAC_LEN;
	return true;
}

static bool set_macs(struct vnet_ctrl *c, struct command *cmd)
{
	struct vnet_macs unicast, multicast;

	if (!take_macs(cmd, &unicast) || !take_macs(cmd, &multicast))
		return false;
	c->unicast = unicast;
	c->multicast = multicast;
	return true;
}

static bool set_mac(struct vnet_ctrl *c, struct command *cmd)
{
	uint64_t mac = mac_load(cmd->data);

	if (mac == 0 || mac_is_group(mac))
		return false;
	c->mac = mac;
	return true;
}

static bool set_vlan(struct vnet_ctrl *c, struct command *cmd)
{
	uint16_t vlan = le16_get(cmd->data);

	if (vlan >= VNET_CTRL_VLANS)
		return false;
	if (cmd->number == VIRTIO_NET_CTRL_VLAN_ADD)
		c->vlans[vlan / 64] |= BIT(vlan % 64);
	else
		c->vlans[vlan / 64] &= ~BIT(vlan % 64);
	return true;
}

/* We never ask for it ourselves: there is nothing to take back. */
static bool ack_announce(struct vnet_ctrl *c, struct command *cmd)
{
	return true;
}

static bool set_pairs(struct vnet_ctrl *c, struct command *cmd)
{
	uint16_t pairs = le16_get(cmd->data);

	if (pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || pairs > c->max_pairs)
		return false;
	c->pairs = pairs;
	return true;
}

static bool set_offloads(struct vnet_ctrl *c, struct command *cmd)
{
	uint64_t offloads = le64_get(cmd->data);

	if (offloads & ~(c->features & GUEST_OFFLOADS))
		return false;
	c->offloads = offloads;
	return true;
}

static const struct command_row {
	uint8_t class, number;
	uint8_t feature;
	uint8_t data_len; /* at least */
	bool (*handle)(struct vnet_ctrl *c, struct command *cmd);
} rows[] = {
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, 1, set_rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, 1, set_rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, set_rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, set_rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, set_rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, set_rx_mode},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, 0, set_macs},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, MAC_LEN, set_mac},
	{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VIRTIO_NET_F_CTRL_VLAN, 2, set_vlan},
	{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, VIRTIO_NET_F_CTRL_VLAN, 2, set_vlan},
	{VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, VIRTIO_NET_F_GUEST_ANNOUNCE, 0,
		ack_announce},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, 2, set_pairs},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
		8, set_offloads},
};

static const struct command_row *find_row(uint8_t class, uint8_t number)
{
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].class == class && rows[i].number == number)
			return &rows[i];
	return NULL;
}

uint8_t vnet_ctrl_handle(struct vnet_ctrl *c, const uint8_t *bytes, uint32_t len)
{
	const struct command_row *row = len >= 2 ? find_row(bytes[0], bytes[1]) : NULL;
	struct command cmd;

	c->commands++;
	if (row && (c->features & BIT(row->feature)) && len - 2u >= row->data_len) {
		cmd = (struct command){.number = bytes[1],
			.cut = len >= VNET_CTRL_COMMAND_MAX,
			.data = bytes + 2,
			.len = len - 2};
		if (row->handle(c, &cmd))
			return VIRTIO_NET_OK;
	}
	c->refused++;
	return VIRTIO_NET_ERR;
}

/* --- the filter --- */

static bool has_mac(const struct vnet_macs *t, uint64_t mac)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->macs[i] == mac)
			return true;
	return t->all;
}

static bool passes_group(const struct vnet_ctrl *c, uint64_t dst)
{
	if (mac_is_broadcast(dst))
		return !c->rx_modes[VIRTIO_NET_CTRL_RX_NOBCAST];
	if (c->rx_modes[VIRTIO_NET_CTRL_RX_NOMULTI])
		return false;
	return c->rx_modes[VIRTIO_NET_CTRL_RX_ALLMULTI] || has_mac(&c->multicast, dst);
}

static bool passes_unicast(const struct vnet_ctrl *c, uint64_t dst)
{
	if (c->rx_modes[VIRTIO_NET_CTRL_RX_NOUNI])
		return false;
	return c->rx_modes[VIRTIO_NET_CTRL_RX_ALLUNI] || c->mac == 0 || c->mac == dst ||
	       has_mac(&c->unicast, dst);
}

/* A tag with VLAN 0 says only how urgent the frame is (802.1Q, 9.6). */
static bool passes_vlan(const struct vnet_ctrl *c, const uint8_t *frame, uint32_t len)
{
	uint32_t vlan;

	if (!(c->features & BIT(VIRTIO_NET_F_CTRL_VLAN)) ||
		be16_get(frame + ETHERNET_TYPE_AT) != ETHERNET_TYPE_VLAN)
		return true;
	if (len < ETHERNET_HEADER_LEN + ETHERNET_TAG_LEN)
		return false;
	vlan = be16_get(frame + ETHERNET_HEADER_LEN) & (VNET_CTRL_VLANS - 1);
	return vlan == 0 || (c->vlans[vlan / 64] & BIT(vlan % 64));
}

bool vnet_ctrl_passes(const struct vnet_ctrl *c, const uint8_t *frame, uint32_t len)
{
	uint64_t dst = ethernet_dst(frame);

	if (!vnet_ctrl_filters(c))
		return true;
	return passes_vlan(c, frame, len) &&
	       (mac_is_group(dst) ? passes_group(c, dst) : passes_unicast(c, dst));
}
