/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vnet_ctrl.h"

#include "base/units.h"
#include "os/parcel.h"

/* Both ends are on one machine: numbers in tables are as they lie in memory. */
static json_t *macs_save(const struct vnet_macs *t)
{
	return json_pack(
		"{s:b, s:o}", "all", (int)t->all, "macs", parcel_hex(t->macs, t->n * sizeof(t->macs[0])));
}

/* A table that we do not understand counts as all of them. */
static void macs_restore(struct vnet_macs *t, const json_t *o)
{
	int len = parcel_bytes(json_object_get(o, "macs"), t->macs, sizeof(t->macs));

	t->n = len > 0 ? (uint32_t)len / sizeof(t->macs[0]) : 0;
	t->all = len < 0 || parcel_bool(o, "all", true);
}

json_t *vnet_ctrl_save(const struct vnet_ctrl *c)
{
	return json_pack("{s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:I, s:I}", "offloads", (json_int_t)c->offloads,
		"pairs", (json_int_t)c->pairs, "rx-modes", parcel_hex(c->rx_modes, sizeof(c->rx_modes)),
		"mac", (json_int_t)c->mac, "unicast", macs_save(&c->unicast), "multicast",
		macs_save(&c->multicast), "vlans", parcel_hex(c->vlans, sizeof(c->vlans)), "commands",
		(json_int_t)c->commands, "refused", (json_int_t)c->refused);
}

static void modes_restore(struct vnet_ctrl *c, const json_t *hex)
{
	uint8_t modes[VNET_CTRL_RX_MODES];

	if (parcel_bytes(hex, modes, sizeof(modes)) != sizeof(modes))
		return;
	for (int i = 0; i < VNET_CTRL_RX_MODES; i++)
		c->rx_modes[i] = modes[i] != 0;
}

void vnet_ctrl_restore(struct vnet_ctrl *c, const json_t *state)
{
	uint64_t pairs = parcel_u64(state, "pairs", 0), offloads = parcel_u64(state, "offloads", c->offloads);

	if (pairs >= 1 && pairs <= c->max_pairs)
		c->pairs = (uint32_t)pairs;
	if (!(offloads & ~c->features))
		c->offloads = offloads;
	modes_restore(c, json_object_get(state, "rx-modes"));
	c->mac = parcel_u64(state, "mac", 0);
	macs_restore(&c->unicast, json_object_get(state, "unicast"));
	macs_restore(&c->multicast, json_object_get(state, "multicast"));
	parcel_bytes(json_object_get(state, "vlans"), c->vlans, sizeof(c->vlans));
	c->commands = parcel_u64(state, "commands", 0);
	c->refused = parcel_u64(state, "refused", 0);
}
