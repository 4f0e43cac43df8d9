/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_bed.h"
#include "bridge/bridge_private.h"

#include <errno.h>

/* Interfaces as bits. */
enum {
	P0 = 1,
	P1 = 2,
	P2 = 4,
	P3 = 8,
};

static uint64_t no_learn_count(const struct bed *b, int i)
{
	return turn_lane(b->turn, &b->ifaces[i])->counters.drops[DROP_BRIDGE_NO_LEARN];
}

TEST(unknown_unicast_goes_to_all_but_the_sender)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	assert_passes_to(&b, 1, MAC_A, MAC_B, P0 | P2 | P3);
	bed_close(&b);
}

TEST(groups_and_broadcast_go_to_all_but_the_sender)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 0, MAC_A, 0x01005e000001, P1 | P2 | P3);
	assert_passes_to(&b, 0, MAC_A, 0x0180c2000002, P1 | P2 | P3);
	bed_close(&b);
}

TEST(a_station_that_was_heard_gets_its_frames_alone)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P2);
	bed_close(&b);
}

/* Behind the table's back: whoever looks there finds nothing. */
static void lose_entries(struct mac_table *macs)
{
	memset(macs->buckets, 0, (macs->bucket_mask + 1) * sizeof(*macs->buckets));
}

TEST(what_a_worker_knows_is_not_looked_for_within_the_second)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 2);
	d = bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	b.bridges->memos[0].pause = 0;
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	b.bridges->memos[0].pause = 0;
	lose_entries(d->macs);
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	/* another worker's is its own */
	b.turn->worker = 1;
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0 | P1 | P3);
	b.turn->worker = 0;
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	b.turn->now_ns += NS_PER_S;
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0 | P1 | P3);
	bed_close(&b);
}

TEST(a_filter_of_a_source_that_was_never_learned_counts_at_once)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	bridge_domain_set(d, BRIDGE_LEARN, false);
	assert_int_equal(mac_table_add_static(d->macs, MAC_A, b.ifaces[0].idx), 0);
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	b.bridges->memos[0].pause = 0;
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	assert_int_equal(mac_table_add_filter(d->macs, MAC_B), 0);
	assert_dropped(&b, 2, MAC_B, MAC_A, DROP_BRIDGE_FILTER);
	bed_close(&b);
}

TEST(frames_of_one_turn_learn_from_each_other)
{
	struct pkt *first, *second, *third;
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	first = turn_send(b.turn, &b.ifaces[0], MAC_A, MAC_BROADCAST);
	second = turn_send(b.turn, &b.ifaces[1], MAC_B, MAC_A);
	third = turn_send(b.turn, &b.ifaces[0], MAC_A, MAC_B);
	turn_bridge(b.turn, b.bridges);
	assert_int_equal(bed_out(&b, first), P1 | P2 | P3);
	assert_int_equal(bed_out(&b, second), P0);
	assert_int_equal(bed_out(&b, third), P1);
	bed_end(&b);
	bed_close(&b);
}

TEST(a_full_vector_passes_in_order)
{
	struct iface_lane *lane;
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	assert_passes_to(&b, 3, MAC_B, MAC_BROADCAST, P0 | P1 | P2);
	for (uint32_t i = 0; i < TURN_PKTS; i++)
		turn_send(b.turn, &b.ifaces[0], MAC_A + 0x100 * i, MAC_B);
	turn_bridge(b.turn, b.bridges);
	lane = turn_lane(b.turn, &b.ifaces[3]);
	assert_int_equal(lane->n_out, TURN_PKTS);
	for (uint32_t i = 0; i < TURN_PKTS; i++)
		assert_ptr_equal(lane->out[i], &b.turn->pkts[i]);
	bed_end(&b);
	bed_close(&b);
}

TEST(a_station_that_moves_gets_its_frames_at_the_new_place_at_once)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 3, MAC_A, MAC_BROADCAST, P0 | P1 | P2);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P3);
	assert_int_equal(mac_table_count_moves(d->macs), 1);
	bed_close(&b);
}

TEST(a_frame_for_a_station_behind_the_same_interface_is_dropped)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_dropped(&b, 0, MAC_B, MAC_A, DROP_BRIDGE_SAME);
	bed_close(&b);
}

TEST(a_group_address_as_source_is_dropped_and_not_learned)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_dropped(&b, 0, MAC_BROADCAST, MAC_A, DROP_BRIDGE_SOURCE);
	assert_dropped(&b, 0, 0x01005e000001, MAC_A, DROP_BRIDGE_SOURCE);
	assert_int_equal(mac_table_count_learned(d->macs), 0);
	bed_close(&b);
}

TEST(the_only_member_of_a_domain_talks_to_nobody)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	assert_int_equal(bridge_domain_create(b.bridges, 7, &BRIDGE_DEFAULT_CONFIG, &d), 0);
	assert_int_equal(bridge_attach(d, &b.ifaces[0], 0), 0);
	assert_dropped(&b, 0, MAC_A, MAC_BROADCAST, DROP_BRIDGE_ALONE);
	bed_close(&b);
}

TEST(domains_do_not_see_each_other)
{
	struct bridge_domain *one, *two;
	struct bed b;

	bed_open(&b, 1);
	assert_int_equal(bridge_domain_create(b.bridges, 1, &BRIDGE_DEFAULT_CONFIG, &one), 0);
	assert_int_equal(bridge_domain_create(b.bridges, 2, &BRIDGE_DEFAULT_CONFIG, &two), 0);
	assert_int_equal(bridge_attach(one, &b.ifaces[0], 0), 0);
	assert_int_equal(bridge_attach(one, &b.ifaces[1], 0), 0);
	assert_int_equal(bridge_attach(two, &b.ifaces[2], 0), 0);
	assert_int_equal(bridge_attach(two, &b.ifaces[3], 0), 0);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1);
	assert_passes_to(&b, 2, MAC_A, MAC_BROADCAST, P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0);
	assert_passes_to(&b, 3, MAC_B, MAC_A, P2);
	bed_close(&b);
}

TEST(without_uu_flood_unknown_unicast_is_dropped_and_broadcast_is_not)
{
	struct bed b;

	bed_open(&b, 1);
	bridge_domain_set(bed_switch(&b), BRIDGE_UU_FLOOD, false);
	assert_dropped(&b, 0, MAC_A, MAC_B, DROP_BRIDGE_NO_FLOOD);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	bed_close(&b);
}

TEST(without_flood_broadcast_is_dropped_and_unknown_unicast_is_not)
{
	struct bed b;

	bed_open(&b, 1);
	bridge_domain_set(bed_switch(&b), BRIDGE_FLOOD, false);
	assert_dropped(&b, 0, MAC_A, MAC_BROADCAST, DROP_BRIDGE_NO_FLOOD);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P1 | P2 | P3);
	bed_close(&b);
}

TEST(without_learn_nothing_is_learned_until_it_is_on_again)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	bridge_domain_set(d, BRIDGE_LEARN, false);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0 | P2 | P3);
	bridge_domain_set(d, BRIDGE_LEARN, true);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0);
	bed_close(&b);
}

TEST(without_forward_a_known_station_counts_as_unknown)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	bridge_domain_set(d, BRIDGE_FORWARD, false);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0 | P2 | P3);
	bridge_domain_set(d, BRIDGE_UU_FLOOD, false);
	assert_dropped(&b, 1, MAC_B, MAC_A, DROP_BRIDGE_NO_FLOOD);
	bed_close(&b);
}

TEST(a_filter_stops_frames_to_and_from_an_address)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_int_equal(mac_table_add_filter(d->macs, MAC_A), 0);
	assert_dropped(&b, 0, MAC_A, MAC_B, DROP_BRIDGE_FILTER);
	assert_dropped(&b, 1, MAC_B, MAC_A, DROP_BRIDGE_FILTER);
	bridge_domain_set(d, BRIDGE_LEARN, false);
	assert_dropped(&b, 0, MAC_A, MAC_B, DROP_BRIDGE_FILTER);
	bed_close(&b);
}

TEST(a_static_station_stays_where_it_was_said_to_be)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_int_equal(mac_table_add_static(d->macs, MAC_A, b.ifaces[2].idx), 0);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P2);
	assert_int_equal(mac_table_count_moves(d->macs), 0);
	bed_close(&b);
}

TEST(when_the_table_is_full_frames_go_on_and_are_counted)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_int_equal(bridge_domain_set_learn_limit(d, 1), 0);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P1 | P2 | P3);
	assert_int_equal(no_learn_count(&b, 0), 0);
	assert_int_equal(no_learn_count(&b, 1), 1);
	bed_close(&b);
}

TEST(members_of_one_split_horizon_group_do_not_see_each_other)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_int_equal(bridge_attach(d, &b.ifaces[0], 1), 0);
	assert_int_equal(bridge_attach(d, &b.ifaces[1], 1), 0);
	assert_int_equal(bridge_attach(d, &b.ifaces[2], 2), 0);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P2 | P3);
	assert_passes_to(&b, 2, MAC_B, MAC_BROADCAST, P0 | P1 | P3);
	assert_passes_to(&b, 3, MAC_C, MAC_BROADCAST, P0 | P1 | P2);
	assert_dropped(&b, 1, MAC_C + 1, MAC_A, DROP_BRIDGE_SAME);
	assert_passes_to(&b, 2, MAC_B, MAC_A, P0);
	bed_close(&b);
}

TEST(addresses_are_forgotten_after_the_age)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	b.turn->now_ns = 1000 * NS_PER_S;
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	bridges_age(b.bridges, (1000 + BRIDGE_DEFAULT_AGE_S) * NS_PER_S - 1);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0);
	bridges_age(b.bridges, (1000 + BRIDGE_DEFAULT_AGE_S) * NS_PER_S);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0 | P2 | P3);
	bed_close(&b);
}

TEST(who_speaks_is_not_forgotten)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	bridge_domain_set_age(d, 60);
	for (uint64_t s = 0; s < 600; s += 59) {
		b.turn->now_ns = s * NS_PER_S;
		assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
		bridges_age(b.bridges, (s + 59) * NS_PER_S);
		assert_int_equal(mac_table_count_learned(d->macs), 1);
	}
	bed_close(&b);
}

TEST(an_interface_that_leaves_takes_its_addresses_along)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_BROADCAST, P0 | P2 | P3);
	assert_int_equal(mac_table_add_static(d->macs, MAC_C, b.ifaces[0].idx), 0);
	bridge_detach(&b.ifaces[0]);
	assert_int_equal(iface_mode(&b.ifaces[0]), IFACE_MODE_NONE);
	assert_null(b.ifaces[0].l2);
	assert_null(b.ifaces[0].l2_detach);
	assert_passes_to(&b, 2, MAC_C + 1, MAC_A, P1 | P3);
	assert_passes_to(&b, 2, MAC_C + 1, MAC_C, P1 | P3);
	assert_passes_to(&b, 2, MAC_C + 1, MAC_B, P1);
	bed_close(&b);
}

TEST(frames_on_their_way_from_an_interface_that_leaves_are_dropped)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	turn_send(b.turn, &b.ifaces[0], MAC_A, MAC_B);
	bridge_detach(&b.ifaces[0]);
	turn_bridge(b.turn, b.bridges);
	assert_int_equal(b.turn->pkts[0].drop, DROP_NO_ROAD);
	bed_end(&b);
	turn_send(b.turn, &b.ifaces[1], MAC_A, MAC_B);
	bridge_forward(b.bridges, b.turn, &b.turn->vecs[STAGE_BRIDGE]);
	b.turn->vecs[STAGE_BRIDGE].n = 0;
	bridge_detach(&b.ifaces[1]);
	turn_bridge(b.turn, b.bridges);
	assert_int_equal(b.turn->pkts[0].drop, DROP_NO_ROAD);
	bed_end(&b);
	bed_close(&b);
}

TEST(an_interface_that_is_removed_leaves_its_domain)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	iface_remove(b.table, &b.ifaces[0]);
	assert_int_equal(d->members->n, 3);
	assert_int_equal(mac_table_count_learned(d->macs), 0);
	assert_int_equal(bed_send(&b, 1, MAC_B, MAC_BROADCAST)->drop, DROP_NONE);
	assert_int_equal(b.turn->n_out, 2);
	bed_end(&b);
	b.ifaces[0].lanes[0] = NULL;
	assert_int_equal(iface_add(b.table, &b.ifaces[0]), 0);
	bed_close(&b);
}

TEST(an_interface_is_in_one_domain_at_most)
{
	struct bridge_domain *one, *two;
	struct bed b;

	bed_open(&b, 1);
	one = bed_switch(&b);
	assert_int_equal(bridge_domain_create(b.bridges, 2, &BRIDGE_DEFAULT_CONFIG, &two), 0);
	assert_int_equal(bridge_attach(two, &b.ifaces[0], 0), 0);
	assert_int_equal(one->members->n, 3);
	assert_int_equal(two->members->n, 1);
	assert_passes_to(&b, 1, MAC_A, MAC_BROADCAST, P2 | P3);
	assert_dropped(&b, 0, MAC_A, MAC_BROADCAST, DROP_BRIDGE_ALONE);
	bed_close(&b);
}

TEST(local0_cannot_be_attached)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_int_equal(bridge_attach(d, iface_get(b.table, 0), 0), -EINVAL);
	bed_close(&b);
}

TEST(a_domain_with_members_is_not_deleted)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_int_equal(bridge_domain_delete(d), -EBUSY);
	for (int i = 0; i < BED_IFACES; i++)
		bridge_detach(&b.ifaces[i]);
	assert_int_equal(bridge_domain_delete(d), 0);
	assert_null(bridge_domain_find(b.bridges, 1));
	bed_close(&b);
}

TEST(a_domain_is_made_once_and_its_id_has_24_bits)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	assert_int_equal(bridge_domain_create(b.bridges, BRIDGE_ID_MAX, &BRIDGE_DEFAULT_CONFIG, &d), 0);
	assert_ptr_equal(bridge_domain_find(b.bridges, BRIDGE_ID_MAX), d);
	assert_int_equal(bridge_domain_create(b.bridges, BRIDGE_ID_MAX, &BRIDGE_DEFAULT_CONFIG, &d), -EEXIST);
	assert_int_equal(
		bridge_domain_create(b.bridges, BRIDGE_ID_MAX + 1, &BRIDGE_DEFAULT_CONFIG, &d), -ERANGE);
	bed_close(&b);
}

TEST(a_domain_with_a_raised_limit_keeps_its_addresses)
{
	struct bridge_domain *d;
	struct mac_table *before;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_int_equal(mac_table_add_static(d->macs, MAC_B, b.ifaces[1].idx), 0);
	assert_int_equal(mac_table_add_filter(d->macs, MAC_C), 0);
	before = d->macs;
	assert_int_equal(bridge_domain_set_learn_limit(d, 100000), 0);
	assert_ptr_not_equal(d->macs, before);
	assert_passes_to(&b, 3, MAC_C + 1, MAC_A, P0);
	assert_passes_to(&b, 3, MAC_C + 1, MAC_B, P1);
	assert_dropped(&b, 3, MAC_C + 1, MAC_C, DROP_BRIDGE_FILTER);
	bed_close(&b);
}

TEST(bridges_go_before_their_interfaces_too)
{
	struct bed b;

	bed_open(&b, 1);
	bed_switch(&b);
	bridges_destroy(b.bridges);
	b.bridges = NULL;
	for (int i = 0; i < BED_IFACES; i++)
		assert_int_equal(iface_mode(&b.ifaces[i]), IFACE_MODE_NONE);
	bed_close(&b);
}

TESTS(cmocka_unit_test(unknown_unicast_goes_to_all_but_the_sender),
	cmocka_unit_test(groups_and_broadcast_go_to_all_but_the_sender),
	cmocka_unit_test(a_station_that_was_heard_gets_its_frames_alone),
	cmocka_unit_test(what_a_worker_knows_is_not_looked_for_within_the_second),
	cmocka_unit_test(a_filter_of_a_source_that_was_never_learned_counts_at_once),
	cmocka_unit_test(frames_of_one_turn_learn_from_each_other),
	cmocka_unit_test(a_full_vector_passes_in_order),
	cmocka_unit_test(a_station_that_moves_gets_its_frames_at_the_new_place_at_once),
	cmocka_unit_test(a_frame_for_a_station_behind_the_same_interface_is_dropped),
	cmocka_unit_test(a_group_address_as_source_is_dropped_and_not_learned),
	cmocka_unit_test(the_only_member_of_a_domain_talks_to_nobody),
	cmocka_unit_test(domains_do_not_see_each_other),
	cmocka_unit_test(without_uu_flood_unknown_unicast_is_dropped_and_broadcast_is_not),
	cmocka_unit_test(without_flood_broadcast_is_dropped_and_unknown_unicast_is_not),
	cmocka_unit_test(without_learn_nothing_is_learned_until_it_is_on_again),
	cmocka_unit_test(without_forward_a_known_station_counts_as_unknown),
	cmocka_unit_test(a_filter_stops_frames_to_and_from_an_address),
	cmocka_unit_test(a_static_station_stays_where_it_was_said_to_be),
	cmocka_unit_test(when_the_table_is_full_frames_go_on_and_are_counted),
	cmocka_unit_test(members_of_one_split_horizon_group_do_not_see_each_other),
	cmocka_unit_test(addresses_are_forgotten_after_the_age),
	cmocka_unit_test(who_speaks_is_not_forgotten),
	cmocka_unit_test(an_interface_that_leaves_takes_its_addresses_along),
	cmocka_unit_test(frames_on_their_way_from_an_interface_that_leaves_are_dropped),
	cmocka_unit_test(an_interface_that_is_removed_leaves_its_domain),
	cmocka_unit_test(an_interface_is_in_one_domain_at_most), cmocka_unit_test(local0_cannot_be_attached),
	cmocka_unit_test(a_domain_with_members_is_not_deleted),
	cmocka_unit_test(a_domain_is_made_once_and_its_id_has_24_bits),
	cmocka_unit_test(a_domain_with_a_raised_limit_keeps_its_addresses),
	cmocka_unit_test(bridges_go_before_their_interfaces_too))
