/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vnet_ctrl_show.h"

#include "base/check.h"
#include "virtio/feature_names.h"
#include "wire/ethernet.h"

static const char *const mode_names[VNET_CTRL_RX_MODES] = {
	"promiscuous", "all-multicast", "all-unicast", "no-multicast", "no-unicast", "no-broadcast"};

static json_t *modes_json(const struct vnet_ctrl *c)
{
	json_t *modes = json_array();

	for (uint32_t i = 0; i < VNET_CTRL_RX_MODES; i++)
		if (c->rx_modes[i])
			json_array_append_new(modes, json_string(mode_names[i]));
	return modes;
}

static json_t *macs_json(const struct vnet_macs *t)
{
	json_t *macs = json_array();
	char text[MAC_TEXT_SIZE];

	if (t->all)
		json_array_append_new(macs, json_string("more than are kept: all"));
	for (uint32_t i = 0; i < t->n; i++)
		json_array_append_new(macs, json_string(mac_format(text, t->macs[i])));
	return macs;
}

static json_t *vlans_json(const struct vnet_ctrl *c)
{
	json_t *vlans = json_array();

	for (uint32_t vlan = 0; vlan < VNET_CTRL_VLANS; vlan++)
		if (c->vlans[vlan / 64] & BIT(vlan % 64))
			json_array_append_new(vlans, json_sprintf("%u", vlan));
	return vlans;
}

static json_t *offloads_json(const struct vnet_ctrl *c)
{
	json_t *names = json_array();

	for (unsigned bit = 0; bit < 64; bit++)
		if (c->offloads & BIT(bit))
			json_array_append_new(names, json_string(virtio_net_feature_name(bit)));
	return names;
}

json_t *vnet_ctrl_json(const struct vnet_ctrl *c)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:I, s:I, s:i, s:o, s:s, s:o, s:o, s:o, s:o}", "commands", (json_int_t)c->commands,
		"refused", (json_int_t)c->refused, "pairs", (int)c->pairs, "receives", modes_json(c), "mac",
		c->mac ? mac_format(mac, c->mac) : "", "unicast", macs_json(&c->unicast), "multicast",
		macs_json(&c->multicast), "vlans", vlans_json(c), "offloads", offloads_json(c));
}

static void print_list(const json_t *o, const char *key, FILE *out)
{
	const json_t *list = json_object_get(o, key), *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	fprintf(out, "   %s:", key);
	json_array_foreach ((json_t *)(uintptr_t)list, i, item)
		fprintf(out, " %s", json_string_value(item));
	fputc('\n', out);
}

void vnet_ctrl_print(const json_t *o, FILE *out)
{
	const char *mac = json_string_value(json_object_get(o, "mac"));

	fprintf(out,
		" control queue: %" JSON_INTEGER_FORMAT " commands, %" JSON_INTEGER_FORMAT
		" refused\n   queue pairs in use: %" JSON_INTEGER_FORMAT "\n",
		json_integer_value(json_object_get(o, "commands")),
		json_integer_value(json_object_get(o, "refused")),
		json_integer_value(json_object_get(o, "pairs")));
	if (*mac)
		fprintf(out, "   mac: %s\n", mac);
	print_list(o, "receives", out);
	print_list(o, "unicast", out);
	print_list(o, "multicast", out);
	print_list(o, "vlans", out);
	print_list(o, "offloads", out);
	fputc('\n', out);
}
