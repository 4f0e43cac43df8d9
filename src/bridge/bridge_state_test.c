/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_bed.h"
#include "bridge/bridge_private.h"

#include <errno.h>
#include <jansson.h>

/* What a successor makes of what was saved: the same interfaces, other seeds. */
static void succeed(struct bed *old, struct bed *new)
{
	json_t *saved = bridges_save(old->bridges);

	bed_open(new, 1);
	bridges_destroy(new->bridges);
	new->bridges = bridges_create(new->table, 4711);
	assert_int_equal(bridges_restore(new->bridges, saved), 0);
	json_decref(saved);
}

static void expect_entries(const struct bridge_domain *d, uint32_t n_expected)
{
	uint32_t pos = 0, n = 0;
	struct mac_entry e;

	while (mac_table_next(d->macs, &pos, &e))
		n++;
	assert_int_equal(n, n_expected);
}

TEST(a_successor_knows_every_station_at_once)
{
	struct bed old, new;
	enum drop why;

	bed_open(&old, 1);
	bed_switch(&old);
	assert_int_not_equal(bed_pass(&old, 0, MAC_A, MAC_BROADCAST, &why), 0);
	assert_int_not_equal(bed_pass(&old, 2, MAC_B, MAC_BROADCAST, &why), 0);
	succeed(&old, &new);
	assert_passes_to(&new, 1, MAC_C, MAC_A, 1 << 0);
	assert_passes_to(&new, 0, MAC_A, MAC_B, 1 << 2);
	expect_entries(bridge_domain_find(new.bridges, 1), 3);
	bed_close(&old);
	bed_close(&new);
}

TEST(settings_members_and_split_horizon_survive)
{
	const struct bridge_config config = {BRIDGE_LEARN | BRIDGE_UU_FLOOD, 17, 99};
	struct bridge_domain *d;
	struct bed old, new;

	bed_open(&old, 1);
	assert_int_equal(bridge_domain_create(old.bridges, 16777215, &config, &d), 0);
	assert_int_equal(bridge_attach(d, &old.ifaces[3], 7), 0);
	assert_int_equal(bridge_attach(d, &old.ifaces[1], 255), 0);
	assert_int_equal(bridge_domain_create(old.bridges, 2, &BRIDGE_DEFAULT_CONFIG, &d), 0);
	succeed(&old, &new);
	d = bridge_domain_find(new.bridges, 16777215);
	assert_int_equal(bridge_settings(d), config.settings);
	assert_int_equal(d->age_s, 17);
	assert_int_equal(d->macs->learn_limit, 99);
	assert_int_equal(d->members->n, 2);
	assert_int_equal(d->members->by_iface[new.ifaces[3].idx]->shg, 7);
	assert_int_equal(d->members->by_iface[new.ifaces[1].idx]->shg, 255);
	assert_int_equal(iface_mode(&new.ifaces[3]), IFACE_MODE_BRIDGE);
	assert_int_equal(bridge_domain_find(new.bridges, 2)->members->n, 0);
	bed_close(&old);
	bed_close(&new);
}

TEST(static_filter_and_learned_entries_keep_their_kind_and_age)
{
	struct bridge_domain *d;
	struct bed old, new;
	struct mac_entry e;
	uint32_t pos = 0;
	enum drop why;

	bed_open(&old, 1);
	d = bed_switch(&old);
	assert_int_equal(mac_table_add_static(d->macs, MAC_A, old.ifaces[2].idx), 0);
	assert_int_equal(mac_table_add_filter(d->macs, MAC_B), 0);
	old.turn->now_ns = 1234 * NS_PER_S;
	assert_int_not_equal(bed_pass(&old, 1, MAC_C, MAC_BROADCAST, &why), 0);
	old.turn->now_ns = 1235 * NS_PER_S;
	assert_int_not_equal(bed_pass(&old, 0, MAC_C, MAC_BROADCAST, &why), 0);
	succeed(&old, &new);
	d = bridge_domain_find(new.bridges, 1);
	expect_entries(d, 3);
	while (mac_table_next(d->macs, &pos, &e)) {
		assert_int_equal(e.is_static, e.mac != MAC_C);
		assert_int_equal(e.is_filter, e.mac == MAC_B);
		assert_true(e.mac != MAC_A || e.iface_idx == new.ifaces[2].idx);
		assert_true(e.mac != MAC_C || (e.seen_s == 1235 && e.iface_idx == new.ifaces[0].idx));
	}
	assert_int_equal(mac_table_count_moves(d->macs), 1);
	assert_int_equal(mac_table_count_learned(d->macs), 1);
	bed_close(&old);
	bed_close(&new);
}

TEST(an_interface_that_did_not_come_along_is_left_out_with_its_addresses)
{
	struct bridge_domain *d;
	struct bed old, new;
	json_t *saved;
	enum drop why;

	bed_open(&old, 1);
	bed_switch(&old);
	assert_int_not_equal(bed_pass(&old, 0, MAC_A, MAC_BROADCAST, &why), 0);
	assert_int_not_equal(bed_pass(&old, 3, MAC_B, MAC_BROADCAST, &why), 0);
	saved = bridges_save(old.bridges);
	bed_open(&new, 1);
	iface_remove(new.table, &new.ifaces[3]);
	assert_int_equal(bridges_restore(new.bridges, saved), 0);
	d = bridge_domain_find(new.bridges, 1);
	assert_int_equal(d->members->n, 3);
	expect_entries(d, 1);
	json_decref(saved);
	bed_close(&old);
	bed_close(&new);
}

TEST(unknown_keys_are_ignored_and_nonsense_is_refused)
{
	json_t *saved = json_pack(
		"[{s:i, s:s, s:[{s:s}]}]", "id", 5, "colour", "red", "members", "interface", "nobody");
	struct bed b;

	bed_open(&b, 1);
	json_object_set_new(json_array_get(saved, 0), "addresses", json_string(""));
	assert_int_equal(bridges_restore(b.bridges, saved), 0);
	assert_int_equal(bridge_settings(bridge_domain_find(b.bridges, 5)), BRIDGE_ALL);
	assert_int_equal(bridges_restore(b.bridges, saved), -EEXIST);
	json_object_del(json_array_get(saved, 0), "id");
	assert_int_equal(bridges_restore(b.bridges, saved), -ERANGE);
	json_decref(saved);
	bed_close(&b);
}

TESTS(cmocka_unit_test(a_successor_knows_every_station_at_once),
	cmocka_unit_test(settings_members_and_split_horizon_survive),
	cmocka_unit_test(static_filter_and_learned_entries_keep_their_kind_and_age),
	cmocka_unit_test(an_interface_that_did_not_come_along_is_left_out_with_its_addresses),
	cmocka_unit_test(unknown_keys_are_ignored_and_nonsense_is_refused))
