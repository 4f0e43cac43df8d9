/* SPDX-License-Identifier: Apache-2.0 */
/* An interface as a successor process needs it: `show` goes on as if nothing had happened. */
#include "pkt/iface.h"

#include "os/parcel.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset; /* in struct iface_counters */
} counters[] = {
	{"rx-packets", offsetof(struct iface_counters, rx_packets)},
	{"rx-bytes", offsetof(struct iface_counters, rx_bytes)},
	{"tx-packets", offsetof(struct iface_counters, tx_packets)},
	{"tx-bytes", offsetof(struct iface_counters, tx_bytes)},
	{"copied-bytes", offsetof(struct iface_counters, copied_bytes)},
};

static uint64_t *counter_at(struct iface_counters *c, size_t offset)
{
	return (uint64_t *)(void *)((char *)c + offset);
}

static json_t *counters_save(struct iface_counters *c)
{
	json_t *o = json_object(), *drops = json_object();

	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		json_object_set_new(
			o, counters[i].name, json_integer((json_int_t)*counter_at(c, counters[i].offset)));
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (c->drops[reason])
			json_object_set_new(drops, drop_name((enum drop)reason),
				json_integer((json_int_t)c->drops[reason]));
	json_object_set_new(o, "drops", drops);
	return o;
}

/* A reason that only the other program knows is not counted. */
static void counters_restore(struct iface_counters *c, const json_t *o)
{
	const json_t *drops = json_object_get(o, "drops");

	*c = (struct iface_counters){0};
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		*counter_at(c, counters[i].offset) = parcel_u64(o, counters[i].name, 0);
	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		c->drops[reason] = parcel_u64(drops, drop_name((enum drop)reason), 0);
}

json_t *iface_save(const struct iface_table *t, const struct iface *iface)
{
	struct iface_counters c;

	iface_counters_sum(t, iface, &c);
	return json_pack("{s:I, s:s, s:o, s:b, s:I, s:o}", "index", (json_int_t)iface->idx, "name",
		iface->name, "mac", parcel_hex(iface->mac, sizeof(iface->mac)), "up", (int)iface_is_up(iface),
		"mtu", (json_int_t)iface_mtu(iface), "counters", counters_save(&c));
}

int iface_restore(struct iface_table *t, struct iface *iface, const json_t *state)
{
	const char *name = parcel_str(state, "name", "");
	uint64_t idx = parcel_u64(state, "index", IFACE_MAX);
	struct iface_counters c;
	int err;

	if (idx >= IFACE_MAX || strlen(name) == 0 || strlen(name) >= IFACE_NAME_LEN ||
		parcel_bytes(json_object_get(state, "mac"), iface->mac, sizeof(iface->mac)) !=
			sizeof(iface->mac))
		return -EINVAL;
	snprintf(iface->name, sizeof(iface->name), "%s", name);
	err = iface_add_at(t, iface, (uint32_t)idx);
	if (err)
		return err;
	__atomic_store_n(&iface->up, parcel_bool(state, "up", false), __ATOMIC_RELAXED);
	__atomic_store_n(
		&iface->mtu, (uint32_t)parcel_u64(state, "mtu", IFACE_MTU_DEFAULT), __ATOMIC_RELAXED);
	counters_restore(&c, json_object_get(state, "counters"));
	iface_counters_resume(t, iface, &c);
	return 0;
}
