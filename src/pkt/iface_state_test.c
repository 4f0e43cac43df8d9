/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/iface.h"

#include "base/test.h"

#include <errno.h>
#include <string.h>

#define N_COUNTERS (sizeof(struct iface_counters) / sizeof(uint64_t))

struct bed {
	struct iface_table *old, *new;
	struct iface a, b;
	json_t *saved;
};

/* Interface 2 of the old table, with a different number in each counter. */
static void bed_open(struct bed *bed)
{
	struct iface gap = {.name = "gap"};

	*bed = (struct bed){.a = {.name = "port a", .mac = {2, 0xfe, 0, 1, 0x80, 0xff}}};
	bed->old = iface_table_create(2);
	bed->new = iface_table_create(1);
	assert_int_equal(iface_add(bed->old, &gap), 0);
	assert_int_equal(iface_add(bed->old, &bed->a), 0);
	iface_remove(bed->old, &gap);
	for (size_t i = 0; i < N_COUNTERS; i++) {
		((uint64_t *)&bed->a.lanes[0]->counters)[i] = 1000 + i;
		((uint64_t *)&bed->a.lanes[1]->counters)[i] = 1ull << 40;
	}
	bed->a.up = true;
	bed->a.mtu = 9000;
	bed->saved = iface_save(bed->old, &bed->a);
}

static void bed_close(struct bed *bed)
{
	json_decref(bed->saved);
	iface_remove(bed->old, &bed->a);
	iface_table_destroy(bed->old);
	iface_table_destroy(bed->new);
}

TEST(an_interface_comes_back_with_index_name_address_and_state)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(iface_restore(bed.new, &bed.b, bed.saved), 0);
	assert_int_equal(bed.b.idx, 2);
	assert_ptr_equal(iface_get(bed.new, 2), &bed.b);
	assert_string_equal(bed.b.name, "port a");
	assert_memory_equal(bed.b.mac, bed.a.mac, sizeof(bed.a.mac));
	assert_true(iface_is_up(&bed.b));
	assert_int_equal(iface_mtu(&bed.b), 9000);
	iface_remove(bed.new, &bed.b);
	bed_close(&bed);
}

TEST(counters_go_on_from_where_they_were_and_clear_as_usual)
{
	struct iface_counters before, after;
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(iface_restore(bed.new, &bed.b, bed.saved), 0);
	iface_counters_sum(bed.old, &bed.a, &before);
	before.drops[DROP_NONE] = 0; /* no drop at all, never counted */
	iface_counters_sum(bed.new, &bed.b, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	iface_count(&bed.b.lanes[0]->counters.rx_packets, 5);
	iface_counters_sum(bed.new, &bed.b, &after);
	assert_int_equal(after.rx_packets, before.rx_packets + 5);
	iface_counters_clear(bed.new);
	iface_counters_sum(bed.new, &bed.b, &after);
	assert_int_equal(after.rx_packets, 0);
	assert_int_equal(after.drops[DROP_TX_NO_BUFFER], 0);
	iface_remove(bed.new, &bed.b);
	bed_close(&bed);
}

TEST(an_interface_without_a_place_or_a_name_is_refused)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(iface_restore(bed.old, &bed.b, bed.saved), -EEXIST);
	json_object_set_new(bed.saved, "index", json_integer(IFACE_MAX));
	assert_int_equal(iface_restore(bed.new, &bed.b, bed.saved), -EINVAL);
	json_object_set_new(bed.saved, "index", json_integer(-1));
	assert_int_equal(iface_restore(bed.new, &bed.b, bed.saved), -EINVAL);
	json_object_set_new(bed.saved, "index", json_integer(1));
	json_object_set_new(bed.saved, "name", json_string(""));
	assert_int_equal(iface_restore(bed.new, &bed.b, bed.saved), -EINVAL);
	json_object_set_new(bed.saved, "name", json_string("x"));
	json_object_set_new(bed.saved, "mac", json_string("0200"));
	assert_int_equal(iface_restore(bed.new, &bed.b, bed.saved), -EINVAL);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(an_interface_comes_back_with_index_name_address_and_state),
	cmocka_unit_test(counters_go_on_from_where_they_were_and_clear_as_usual),
	cmocka_unit_test(an_interface_without_a_place_or_a_name_is_refused))
