/* SPDX-License-Identifier: Apache-2.0 */
/* Bridge domains as a successor process needs them: settings, members, and every address, so that nothing floods. */
#include "bridge/bridge_private.h"
#include "os/parcel.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
	const char *name;
	enum bridge_setting setting;
} settings[] = {
	{"learn", BRIDGE_LEARN},
	{"forward", BRIDGE_FORWARD},
	{"flood", BRIDGE_FLOOD},
	{"uu-flood", BRIDGE_UU_FLOOD},
};

/*
 * One address in a row of them, which is one string of digits: an object each would take longer than forwarding may
 * stand still. Big-endian: what it is, address, interface, second in which it was last heard.
 */
#define RECORD_LEN 13

enum record_kind {
	RECORD_LEARNED,
	RECORD_STATIC,
	RECORD_FILTER,
};

static void store(uint8_t *to, uint64_t value, unsigned len)
{
	while (len-- > 0) {
		to[len] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t load(const uint8_t *from, unsigned len)
{
	uint64_t value = 0;

	while (len-- > 0)
		value = value << 8 | *from++;
	return value;
}

static void record_write(uint8_t record[RECORD_LEN], const struct mac_entry *e)
{
	record[0] = e->is_filter ? RECORD_FILTER : e->is_static ? RECORD_STATIC : RECORD_LEARNED;
	store(record + 1, e->mac, 6);
	store(record + 7, e->iface_idx, 2);
	store(record + 9, e->seen_s, 4);
}

/* Workers may learn meanwhile: what comes late is learned again. */
static json_t *macs_save(const struct mac_table *macs)
{
	struct mac_entry e;
	uint8_t *records;
	uint32_t n = 0, pos = 0;
	json_t *hex;

	while (mac_table_next(macs, &pos, &e))
		n++;
	records = malloc(n * RECORD_LEN + 1);
	if (!records)
		return json_null();
	pos = 0;
	for (uint32_t left = n; left > 0 && mac_table_next(macs, &pos, &e); left--)
		record_write(records + (n - left) * RECORD_LEN, &e);
	hex = parcel_hex(records, n * RECORD_LEN);
	free(records);
	return hex;
}

/* An address behind an interface that did not come along is not restored. */
static int record_restore(struct bridge_domain *d, const uint8_t record[RECORD_LEN])
{
	uint64_t mac = load(record + 1, 6);
	uint32_t iface_idx = (uint32_t)load(record + 7, 2);
	bool member = iface_idx < IFACE_MAX && d->members->by_iface[iface_idx];

	if (record[0] == RECORD_FILTER)
		return mac_table_add_filter(d->macs, mac);
	if (record[0] == RECORD_STATIC && member)
		return mac_table_add_static(d->macs, mac, iface_idx);
	if (record[0] == RECORD_LEARNED && member)
		mac_table_learn(
			d->macs, mac, mac_table_hash(d->macs, mac), iface_idx, (uint32_t)load(record + 9, 4));
	return 0;
}

static int macs_restore(struct bridge_domain *d, const json_t *hex)
{
	size_t max = json_string_length(hex) / 2;
	uint8_t *records = malloc(max + 1);
	int err, len = records ? parcel_bytes(hex, records, max) : -ENOMEM;

	err = len < 0 ? len : 0;
	for (int at = 0; at + RECORD_LEN <= len && !err; at += RECORD_LEN)
		err = record_restore(d, records + at);
	free(records);
	return err;
}

static json_t *members_save(const struct bridge_domain *d)
{
	json_t *members = json_array();

	for (uint32_t i = 0; i < d->members->n; i++) {
		const struct bridge_member *m = d->members->list[i];

		json_array_append_new(members, json_pack("{s:s, s:i, s:b}", "interface", m->iface->name,
						       "shg", (int)m->shg, "bvi", (int)m->bvi));
	}
	return members;
}

static int members_restore(struct bridge_domain *d, const json_t *members)
{
	const json_t *m;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)members, i, m) {
		struct iface *iface = iface_by_name(d->bridges->ifaces, parcel_str(m, "interface", ""));

		if (iface && !err)
			err = parcel_bool(m, "bvi", false)
				      ? bridge_attach_bvi(d, iface)
				      : bridge_attach(d, iface, (uint8_t)parcel_u64(m, "shg", 0));
	}
	return err;
}

static json_t *domain_save(const struct bridge_domain *d)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:o, s:o}", "id", (json_int_t)d->id, "age-s",
		(json_int_t)d->age_s, "learn-limit", (json_int_t)d->macs->learn_limit, "moves",
		(json_int_t)mac_table_count_moves(d->macs), "members", members_save(d), "addresses",
		macs_save(d->macs));

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		json_object_set_new(
			o, settings[i].name, json_boolean(bridge_settings(d) & settings[i].setting));
	return o;
}

static int domain_restore(struct bridges *b, const json_t *o)
{
	struct bridge_config config = {
		.age_s = (uint32_t)parcel_u64(o, "age-s", BRIDGE_DEFAULT_AGE_S),
		.learn_limit = (uint32_t)min_u64(
			parcel_u64(o, "learn-limit", BRIDGE_DEFAULT_LEARN_LIMIT), MAC_TABLE_LIMIT_MAX),
	};
	struct bridge_domain *d;
	int err;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (parcel_bool(o, settings[i].name, true))
			config.settings |= settings[i].setting;
	err = bridge_domain_create(b, (uint32_t)parcel_u64(o, "id", UINT32_MAX), &config, &d);
	if (err == 0)
		err = members_restore(d, json_object_get(o, "members"));
	if (err == 0)
		err = macs_restore(d, json_object_get(o, "addresses"));
	if (err == 0)
		d->macs->counts.n_moves = parcel_u64(o, "moves", 0);
	return err;
}

json_t *bridges_save(const struct bridges *b)
{
	json_t *domains = json_array();

	for (struct bridge_domain *d = bridge_domain_next(b, 0); d; d = bridge_domain_next(b, d->idx + 1))
		json_array_append_new(domains, domain_save(d));
	return domains;
}

int bridges_restore(struct bridges *b, const json_t *state)
{
	const json_t *o;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)state, i, o)
		if (!err)
			err = domain_restore(b, o);
	return err;
}
