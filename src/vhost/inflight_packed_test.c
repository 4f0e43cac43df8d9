/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/inflight_packed.h"

#include "base/check.h"
#include "base/random.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

#define SIZE 8
#define NEW  0x8000 /* slot 0 of the first lap */

struct desk {
	uint64_t words[4 + 4 * SIZE];
	struct inflight_packed_area *area; /* the words */
	struct inflight_packed i;
	struct inflight_entry entries[SIZE];
	uint32_t slots;
};

static void desk_open(struct desk *d)
{
	memset(d, 0, sizeof(*d));
	d->area = (struct inflight_packed_area *)(void *)d->words;
	assert_int_equal(inflight_packed_open(&d->i, d->area, SIZE, NEW), 0);
}

static void desk_close(struct desk *d)
{
	inflight_packed_close(&d->i);
}

/* The entry of a chain whose descriptors have these ids. */
static uint16_t fetch(struct desk *d, const uint16_t *ids, uint32_t n)
{
	struct vring_packed_desc descs[SIZE] = {{0}};

	for (uint32_t k = 0; k < n; k++)
		descs[k] = (struct vring_packed_desc){.id = ids[k], .addr = 1000u + ids[k], .len = 1};
	return inflight_packed_fetch(&d->i, descs, n);
}

static uint32_t successor(struct desk *d, bool shown)
{
	inflight_packed_close(&d->i);
	assert_int_equal(inflight_packed_open(&d->i, d->area, SIZE, NEW), 0);
	return inflight_packed_recover(&d->i, shown, d->entries, &d->slots);
}

TEST(the_layout_is_the_specifications)
{
	assert_int_equal(offsetof(struct inflight_packed_area, version), 8);
	assert_int_equal(offsetof(struct inflight_packed_area, free_head), 12);
	assert_int_equal(offsetof(struct inflight_packed_area, used_idx), 16);
	assert_int_equal(offsetof(struct inflight_packed_area, used_wrap_counter), 20);
	assert_int_equal(offsetof(struct inflight_packed_area, old_used_wrap_counter), 21);
	assert_int_equal(offsetof(struct inflight_packed_desc, next), 2);
	assert_int_equal(offsetof(struct inflight_packed_desc, num), 6);
	assert_int_equal(offsetof(struct inflight_packed_desc, counter), 8);
	assert_int_equal(offsetof(struct inflight_packed_desc, id), 16);
	assert_int_equal(offsetof(struct inflight_packed_desc, addr), 24);
}

TEST(a_chain_in_flight_is_found_with_all_its_descriptors)
{
	struct vring_packed_desc descs[SIZE];
	struct desk d;

	desk_open(&d);
	fetch(&d, (const uint16_t[]){1, 2, 3}, 3);
	fetch(&d, (const uint16_t[]){7}, 1);
	assert_int_equal(successor(&d, false), 2);
	assert_int_equal(d.slots, 4);
	assert_int_equal(inflight_packed_noted(&d.i, d.entries[0].head, descs), 3);
	assert_int_equal(descs[0].id, 1);
	assert_int_equal(descs[2].id, 3);
	assert_int_equal(descs[2].addr, 1003);
	assert_int_equal(inflight_packed_noted(&d.i, d.entries[1].head, descs), 1);
	assert_int_equal(descs[0].id, 7);
	desk_close(&d);
}

/* Two chains in one batch, the later one first. */
static void return_two(struct desk *d, uint16_t notes[2])
{
	uint16_t first = fetch(d, (const uint16_t[]){1, 2}, 2), second = fetch(d, (const uint16_t[]){3}, 1);

	fetch(d, (const uint16_t[]){4, 5}, 2);
	notes[0] = second;
	notes[1] = first;
	inflight_packed_returning(&d->i, notes, 2);
}

TEST(a_batch_that_the_guest_has_seen_was_returned_whatever_is_noted)
{
	struct vring_packed_desc descs[SIZE];
	uint16_t notes[2];
	struct desk d;

	desk_open(&d);
	return_two(&d, notes);
	assert_int_equal(successor(&d, true), 1);
	assert_int_equal(d.slots, 2);
	assert_int_equal(inflight_packed_noted(&d.i, d.entries[0].head, descs), 2);
	assert_int_equal(descs[1].id, 5);
	assert_int_equal(d.i.used, NEW | 3);
	desk_close(&d);
}

TEST(a_batch_that_the_guest_has_not_seen_is_in_flight)
{
	uint16_t notes[2];
	struct desk d;

	desk_open(&d);
	return_two(&d, notes);
	assert_int_equal(successor(&d, false), 3);
	assert_int_equal(d.slots, 5);
	assert_int_equal(d.i.used, NEW);
	desk_close(&d);
}

TEST(a_batch_that_is_noted_is_gone)
{
	uint16_t notes[2];
	struct desk d;

	desk_open(&d);
	return_two(&d, notes);
	inflight_packed_returned(&d.i, notes, 2);
	/* whatever the old place shows: both are the same now */
	assert_int_equal(successor(&d, true), 1);
	assert_int_equal(d.i.used, NEW | 3);
	desk_close(&d);
}

TEST(the_place_of_return_wraps_around)
{
	struct desk d;

	desk_open(&d);
	for (int i = 0; i < 9; i++) {
		uint16_t note = fetch(&d, (const uint16_t[]){6}, 1);

		inflight_packed_returning(&d.i, &note, 1);
		inflight_packed_returned(&d.i, &note, 1);
	}
	assert_int_equal(d.area->used_idx, 1);
	assert_int_equal(d.area->used_wrap_counter, 0);
	assert_int_equal(successor(&d, false), 0);
	assert_int_equal(d.i.used, 1);
	desk_close(&d);
}

TEST(an_area_of_another_ring_or_version_is_refused)
{
	struct inflight_packed other;
	struct desk d;

	desk_open(&d);
	assert_int_equal(inflight_packed_open(&other, d.area, SIZE / 2, NEW), -EINVAL);
	d.area->version = 2;
	assert_int_equal(inflight_packed_open(&other, d.area, SIZE, NEW), -EINVAL);
	desk_close(&d);
}

TEST(an_area_full_of_nonsense_gives_chains_that_share_no_entry)
{
	struct random random;
	struct desk d;

	random_init(&random, 11);
	desk_open(&d);
	for (int round = 0; round < 2000; round++) {
		struct vring_packed_desc descs[SIZE];
		uint32_t n, all = 0;

		for (size_t i = 0; i < ARRAY_LEN(d.words); i++)
			d.words[i] = random_u64(&random) & (round % 2 ? 0x0003000300030001 : UINT64_MAX);
		d.area->version = 1;
		d.area->desc_num = SIZE;
		n = successor(&d, round % 3 == 0);
		for (uint32_t i = 0; i < n; i++)
			all += inflight_packed_noted(&d.i, d.entries[i].head, descs);
		assert_int_equal(all, d.slots);
		assert_true(all <= SIZE);
		/* and all others are free */
		for (; all < SIZE; all++)
			fetch(&d, (const uint16_t[]){1}, 1);
	}
	desk_close(&d);
}

TESTS(cmocka_unit_test(the_layout_is_the_specifications),
	cmocka_unit_test(a_chain_in_flight_is_found_with_all_its_descriptors),
	cmocka_unit_test(a_batch_that_the_guest_has_seen_was_returned_whatever_is_noted),
	cmocka_unit_test(a_batch_that_the_guest_has_not_seen_is_in_flight),
	cmocka_unit_test(a_batch_that_is_noted_is_gone), cmocka_unit_test(the_place_of_return_wraps_around),
	cmocka_unit_test(an_area_of_another_ring_or_version_is_refused),
	cmocka_unit_test(an_area_full_of_nonsense_gives_chains_that_share_no_entry))
