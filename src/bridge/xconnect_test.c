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

static void connect(struct bed *b, int from, int to)
{
	assert_int_equal(xconnect_set(&b->ifaces[from], &b->ifaces[to]), 0);
}

static void assert_known(const struct bridge_domain *d, uint32_t n_expected)
{
	uint32_t n = 0, pos = 0;
	struct mac_entry e;

	while (mac_table_next(d->macs, &pos, &e))
		n++;
	assert_int_equal(n, n_expected);
}

TEST(every_frame_leaves_at_the_other_end_whatever_its_addresses)
{
	static const uint64_t macs[] = {0, MAC_A, MAC_B, MAC_BROADCAST, 0x0180c2000000, 0x0180c2000002,
		0x0180c200000e, 0x01005e000001, 0x333300000001};
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 2);
	for (size_t src = 0; src < ARRAY_LEN(macs); src++)
		for (size_t dst = 0; dst < ARRAY_LEN(macs); dst++)
			assert_passes_to(&b, 0, macs[src], macs[dst], P2);
	bed_close(&b);
}

TEST(a_wire_leads_one_way_and_a_second_one_back)
{
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 1);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P1);
	assert_dropped(&b, 1, MAC_B, MAC_A, DROP_NO_ROAD);
	connect(&b, 1, 0);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P1);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0);
	bed_close(&b);
}

TEST(frames_of_several_wires_in_one_turn_keep_to_theirs_and_in_order)
{
	const struct iface_lane *lane;
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 1);
	connect(&b, 1, 0);
	connect(&b, 2, 3);
	for (uint32_t i = 0; i < TURN_PKTS; i++)
		turn_send(b.turn, &b.ifaces[i / 5 % 3], MAC_A, MAC_B);
	turn_bridge(b.turn, b.bridges);
	for (uint32_t from = 0; from < 3; from++) {
		uint32_t n = 0;

		lane = turn_lane(b.turn, xconnect_target(&b.ifaces[from]));
		for (uint32_t i = 0; i < TURN_PKTS; i++)
			if (i / 5 % 3 == from)
				assert_ptr_equal(lane->out[n++], &b.turn->pkts[i]);
		assert_int_equal(lane->n_out, n);
	}
	assert_int_equal(b.turn->n_out, 3);
	bed_end(&b);
	bed_close(&b);
}

TEST(a_full_turn_of_several_wires_fits_into_the_lane_of_their_common_end)
{
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 3);
	connect(&b, 1, 3);
	for (uint32_t i = 0; i < TURN_PKTS; i++)
		turn_send(b.turn, &b.ifaces[i % 2], MAC_A, MAC_B);
	turn_bridge(b.turn, b.bridges);
	assert_int_equal(turn_lane(b.turn, &b.ifaces[3])->n_out, TURN_PKTS);
	bed_end(&b);
	bed_close(&b);
}

TEST(a_wire_that_ends_leaves_nothing_behind)
{
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 1);
	assert_true(xconnects_any(b.table));
	b.ifaces[0].l2_detach(&b.ifaces[0]);
	assert_int_equal(iface_mode(&b.ifaces[0]), IFACE_MODE_NONE);
	assert_null(b.ifaces[0].l2);
	assert_null(b.ifaces[0].l2_detach);
	assert_null(xconnect_target(&b.ifaces[0]));
	assert_false(xconnects_any(b.table));
	assert_dropped(&b, 0, MAC_A, MAC_B, DROP_NO_ROAD);
	bed_close(&b);
}

/* The worker saw the mode before control took it away, and looks for the end afterwards. */
TEST(frames_on_their_way_when_a_wire_ends_are_dropped)
{
	struct pkt *pkt;
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 1);
	pkt = turn_send(b.turn, &b.ifaces[0], MAC_A, MAC_B);
	xconnect_end(&b.ifaces[0]);
	turn_bridge(b.turn, b.bridges);
	assert_int_equal(bed_out(&b, pkt), 0);
	assert_int_equal(pkt->drop, DROP_NO_ROAD);
	bed_end(&b);
	bed_close(&b);
}

TEST(a_wire_is_laid_to_another_end_without_losing_a_frame)
{
	struct pkt *pkt;
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 1);
	pkt = turn_send(b.turn, &b.ifaces[0], MAC_A, MAC_B);
	connect(&b, 0, 2);
	turn_bridge(b.turn, b.bridges);
	assert_int_equal(bed_out(&b, pkt), P2);
	bed_end(&b);
	connect(&b, 0, 2);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P2);
	bed_close(&b);
}

TEST(a_wire_takes_an_interface_out_of_its_domain)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	d = bed_switch(&b);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	connect(&b, 0, 3);
	assert_int_equal(d->members->n, BED_IFACES - 1);
	assert_known(d, 0);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P3);
	assert_passes_to(&b, 1, MAC_B, MAC_BROADCAST, P2 | P3);
	assert_known(d, 1); /* nothing is learned from a wire */
	bed_close(&b);
}

TEST(a_domain_takes_an_interface_off_its_wire)
{
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 3);
	d = bed_switch(&b);
	assert_null(xconnect_target(&b.ifaces[0]));
	assert_int_equal(d->members->n, BED_IFACES);
	assert_passes_to(&b, 0, MAC_A, MAC_BROADCAST, P1 | P2 | P3);
	assert_passes_to(&b, 1, MAC_B, MAC_A, P0);
	bed_close(&b);
}

TEST(all_wires_to_an_interface_that_is_removed_end_and_no_others)
{
	struct bed b;

	bed_open(&b, 1);
	connect(&b, 0, 3);
	connect(&b, 1, 3);
	connect(&b, 2, 0);
	connect(&b, 3, 0);
	iface_remove(b.table, &b.ifaces[3]);
	assert_dropped(&b, 0, MAC_A, MAC_B, DROP_NO_ROAD);
	assert_dropped(&b, 1, MAC_A, MAC_B, DROP_NO_ROAD);
	assert_passes_to(&b, 2, MAC_A, MAC_B, P0);
	assert_null(b.ifaces[0].l2);
	assert_null(b.ifaces[1].l2);
	bed_close(&b);
}

TEST(an_interface_is_not_connected_to_itself_or_local0)
{
	struct iface *local0;
	struct bed b;

	bed_open(&b, 1);
	local0 = iface_get(b.table, 0);
	connect(&b, 0, 1);
	assert_int_equal(xconnect_set(&b.ifaces[0], &b.ifaces[0]), -EINVAL);
	assert_int_equal(xconnect_set(&b.ifaces[0], local0), -EINVAL);
	assert_int_equal(xconnect_set(local0, &b.ifaces[0]), -EINVAL);
	assert_passes_to(&b, 0, MAC_A, MAC_B, P1);
	bed_close(&b);
}

/* --- a successor process --- */

static int succeed(struct bed *b, const char *saved)
{
	json_t *state = json_loads(saved, JSON_DECODE_ANY, NULL);
	int err = xconnects_restore(b->table, state);

	json_decref(state);
	return err;
}

TEST(a_successor_has_the_same_wires)
{
	struct bed old, new;
	json_t *saved;

	bed_open(&old, 1);
	connect(&old, 0, 3);
	connect(&old, 1, 3);
	connect(&old, 3, 0);
	saved = xconnects_save(old.table);
	bed_open(&new, 1);
	assert_int_equal(xconnects_restore(new.table, saved), 0);
	json_decref(saved);
	assert_passes_to(&new, 0, MAC_A, MAC_B, P3);
	assert_passes_to(&new, 1, MAC_A, MAC_B, P3);
	assert_passes_to(&new, 3, MAC_A, MAC_B, P0);
	assert_int_equal(iface_mode(&new.ifaces[2]), IFACE_MODE_NONE);
	bed_close(&old);
	bed_close(&new);
}

TEST(a_wire_whose_end_did_not_come_along_is_left_out)
{
	struct bed b;

	bed_open(&b, 1);
	assert_int_equal(
		succeed(&b,
			"[{\"from\": \"port0\", \"to\": \"gone\"}, {\"from\": \"gone\", \"to\": \"port1\"},"
			" {\"from\": \"port2\", \"to\": \"port1\"}]"),
		0);
	assert_null(xconnect_target(&b.ifaces[0]));
	assert_passes_to(&b, 2, MAC_A, MAC_B, P1);
	bed_close(&b);
}

static uint32_t rewired;

static void note(struct iface *iface)
{
	rewired |= 1u << iface->idx;
}

static void can_wait(struct bed *b)
{
	for (uint32_t i = 0; i < ARRAY_LEN(b->ifaces); i++)
		b->ifaces[i].rewired = note;
}

static uint32_t take_rewired(void)
{
	uint32_t which = rewired;

	rewired = 0;
	return which;
}

static uint32_t bits(const struct bed *b, int from, int to)
{
	return 1u << b->ifaces[from].idx | 1u << b->ifaces[to].idx;
}

TEST(both_ends_of_a_lossless_wire_are_told)
{
	struct bed b;

	bed_open(&b, 1);
	assert_int_equal(xconnect_set_lossless(&b.ifaces[0], &b.ifaces[1]), -EOPNOTSUPP);
	assert_false(xconnect_starts(&b.ifaces[0]));
	can_wait(&b);
	assert_int_equal(xconnect_set_lossless(&b.ifaces[0], &b.ifaces[0]), -EINVAL);
	assert_int_equal(xconnect_set_lossless(&b.ifaces[0], &b.ifaces[1]), 0);
	assert_int_equal(take_rewired(), bits(&b, 0, 1));
	assert_int_equal(xconnect_set_lossless(&b.ifaces[2], &b.ifaces[1]), 0);
	assert_int_equal(b.ifaces[1].n_fed, 2);
	take_rewired();
	assert_int_equal(xconnect_set_lossless(&b.ifaces[0], &b.ifaces[3]), 0);
	assert_int_equal(take_rewired(), bits(&b, 0, 1) | bits(&b, 0, 3));
	assert_int_equal(b.ifaces[1].n_fed, 1);
	connect(&b, 2, 1);
	assert_int_equal(b.ifaces[1].n_fed, 0);
	assert_false(iface_is_lossless(&b.ifaces[2]));
	b.ifaces[0].l2_detach(&b.ifaces[0]);
	assert_int_equal(b.ifaces[3].n_fed, 0);
	assert_false(iface_is_lossless(&b.ifaces[0]));
	bed_close(&b);
}

TEST(a_lossless_wire_outlives_its_end_and_the_process)
{
	struct bed old, new;
	json_t *saved;

	bed_open(&old, 1);
	can_wait(&old);
	assert_int_equal(xconnect_set_lossless(&old.ifaces[0], NULL), 0);
	assert_int_equal(xconnect_set_lossless(&old.ifaces[1], &old.ifaces[2]), 0);
	assert_true(xconnects_any(old.table));
	saved = xconnects_save(old.table);
	bed_open(&new, 1);
	can_wait(&new);
	assert_int_equal(xconnects_restore(new.table, saved), 0);
	json_decref(saved);
	assert_true(xconnect_starts(&new.ifaces[0]) && iface_is_lossless(&new.ifaces[0]));
	assert_null(xconnect_target(&new.ifaces[0]));
	assert_ptr_equal(xconnect_target(&new.ifaces[1]), &new.ifaces[2]);
	assert_int_equal(new.ifaces[2].n_fed, 1);
	bed_close(&old);
	bed_close(&new);
}

TEST(state_without_wires_has_none_and_nonsense_is_refused)
{
	struct bed b;

	bed_open(&b, 1);
	assert_int_equal(xconnects_restore(b.table, NULL), 0);
	assert_int_equal(succeed(&b, "\"red\""), 0);
	assert_int_equal(succeed(&b, "[{\"colour\": \"red\"}, 7, {\"from\": \"port0\", \"to\": 1}]"), 0);
	assert_false(xconnects_any(b.table));
	assert_int_equal(succeed(&b, "[{\"from\": \"port0\", \"to\": \"port0\"}]"), -EINVAL);
	assert_int_equal(succeed(&b, "[{\"from\": \"port0\", \"to\": \"local0\"}]"), -EINVAL);
	bed_close(&b);
}

TESTS(cmocka_unit_test(every_frame_leaves_at_the_other_end_whatever_its_addresses),
	cmocka_unit_test(a_wire_leads_one_way_and_a_second_one_back),
	cmocka_unit_test(frames_of_several_wires_in_one_turn_keep_to_theirs_and_in_order),
	cmocka_unit_test(a_full_turn_of_several_wires_fits_into_the_lane_of_their_common_end),
	cmocka_unit_test(a_wire_that_ends_leaves_nothing_behind),
	cmocka_unit_test(frames_on_their_way_when_a_wire_ends_are_dropped),
	cmocka_unit_test(a_wire_is_laid_to_another_end_without_losing_a_frame),
	cmocka_unit_test(a_wire_takes_an_interface_out_of_its_domain),
	cmocka_unit_test(a_domain_takes_an_interface_off_its_wire),
	cmocka_unit_test(all_wires_to_an_interface_that_is_removed_end_and_no_others),
	cmocka_unit_test(an_interface_is_not_connected_to_itself_or_local0),
	cmocka_unit_test(a_successor_has_the_same_wires),
	cmocka_unit_test(a_wire_whose_end_did_not_come_along_is_left_out),
	cmocka_unit_test(both_ends_of_a_lossless_wire_are_told),
	cmocka_unit_test(a_lossless_wire_outlives_its_end_and_the_process),
	cmocka_unit_test(state_without_wires_has_none_and_nonsense_is_refused))
