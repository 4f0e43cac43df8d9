/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq_packed_bed.h"

/* --- taking and returning --- */

TEST(buffers_are_taken_in_order_and_returned_together)
{
	struct packed_bed b;

	packed_open(&b);
	assert_int_equal(pop(&b), 0);
	for (uint16_t i = 0; i < 3; i++)
		put_one(&b, (uint16_t)(50 - i), i == 1 ? WRITE : 0);
	assert_true(virtq_available(&b.bed.q, 1) > 0);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(pop(&b), 1);
		assert_int_equal(b.bed.chain.buffer.id, 50 - i);
		assert_int_equal(b.bed.chain.buffer.slots, 1);
		assert_int_equal(b.bed.chain.n_read, i != 1);
		assert_int_equal(b.bed.chain.n_write, i == 1);
		assert_int_equal(gmem_gpa_of(b.bed.mem, b.bed.segs[0].addr), BUF((50 - i) % 16));
		virtq_push(&b.bed.q, b.bed.chain.buffer, i);
		check_none_used(&b);
	}
	virtq_flush(&b.bed.q);
	for (uint16_t i = 0; i < 3; i++)
		check_used(&b, 1, (uint16_t)(50 - i), i);
	check_none_used(&b);
	assert_int_equal(pop(&b), 0);
	bed_close(&b.bed);
}

TEST(rings_of_any_size_wrap)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 8, 100, 255, 256};
	struct packed_bed b;
	struct random r;

	packed_open(&b);
	random_init(&r, 4);
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		uint32_t given = 0, taken = 0, size = sizes[s];

		packed_restart(&b, FEATURES, size, size / 2);
		while (taken < 3000) {
			for (uint32_t n = random_below(&r, size - (given - taken) + 1); n > 0; n--)
				put_one(&b, (uint16_t)given++, WRITE);
			for (uint32_t n = random_below(&r, given - taken + 1); n > 0; n--) {
				assert_int_equal(pop(&b), 1);
				assert_int_equal(b.bed.chain.buffer.id, (uint16_t)taken);
				virtq_push(&b.bed.q, b.bed.chain.buffer, ++taken);
			}
			if (given == taken)
				assert_int_equal(pop(&b), 0);
			virtq_flush(&b.bed.q);
			for (struct vring_packed_desc d; take_used(&b, 1, &d);)
				assert_int_equal(d.id, (uint16_t)(d.len - 1));
			assert_int_equal(place_base(&b.used), virtq_stop(&b.bed.q));
			b.bed.setup.base = place_base(&b.used);
			assert_int_equal(
				virtq_start(&b.bed.q, b.bed.mem, &b.bed.setup, &(const char *){0}), 0);
		}
	}
	bed_close(&b.bed);
}

/* The id is in its last descriptor; it may lie across the ring's end. */
TEST(a_chain_is_taken_whole_readable_before_writable)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 5);
	put(&b, BUF(0), 12, 1, NEXT);
	put(&b, BUF(1), 0, 2, NEXT);
	put(&b, BUF(2), 50, 3, NEXT | WRITE);
	put(&b, BUF(3), 60, 0xffff, WRITE);
	put_one(&b, 9, 0);
	assert_int_equal(pop(&b), 1);
	assert_int_equal(b.bed.chain.buffer.id, 0xffff);
	assert_int_equal(b.bed.chain.buffer.slots, 4);
	assert_int_equal(b.bed.chain.n_read, 1);
	assert_int_equal(b.bed.chain.n_write, 2);
	assert_int_equal(b.bed.chain.read_len, 12);
	assert_int_equal(b.bed.chain.write_len, 110);
	virtq_push(&b.bed.q, b.bed.chain.buffer, 55);
	pop_push(&b, 0);
	virtq_flush(&b.bed.q);
	check_used(&b, 4, 0xffff, 55);
	check_used(&b, 1, 9, 0);
	assert_int_equal(virtq_stop(&b.bed.q), place_base(&b.used));
	bed_close(&b.bed);
}

static struct vring_packed_desc *table_at(struct packed_bed *b, uint64_t gpa)
{
	return (struct vring_packed_desc *)(void *)(b->bed.low + (gpa - LOW));
}

/* In the order in which it lies there; of its ids and flags only WRITE counts (virtio 1.2, 2.8.8). */
TEST(an_indirect_table_is_taken_in_order)
{
	struct vring_packed_desc *table;
	struct packed_bed b;

	packed_open(&b);
	table = table_at(&b, TABLE);
	for (uint16_t i = 0; i < 20; i++)
		table[i] = (struct vring_packed_desc){.addr = BUF(i % 16),
			.len = 1u + i,
			.id = 7777,
			.flags = (i % 3 ? NEXT : BIT_USED) | (i >= 10 ? WRITE : 0)};
	put(&b, TABLE, 20 * 16, 5, INDIRECT | WRITE); /* that WRITE means nothing */
	assert_int_equal(pop(&b), 1);
	assert_int_equal(b.bed.chain.buffer.id, 5);
	assert_int_equal(b.bed.chain.buffer.slots, 1);
	assert_int_equal(b.bed.chain.n_read, 10);
	assert_int_equal(b.bed.chain.n_write, 10);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(b.bed.segs[i].len, 1 + i);
	bed_close(&b.bed);
}

TEST(an_indirect_table_over_two_regions_is_followed)
{
	struct vring_packed_desc *table;
	struct packed_bed b;

	packed_open(&b);
	table = table_at(&b, HIGH - 24); /* the file is one piece */
	for (uint16_t i = 0; i < 4; i++)
		memcpy(&table[i], &(struct vring_packed_desc){.addr = BUF(3 + i), .len = 10u + i},
			sizeof(*table));
	put(&b, HIGH - 24, 4 * 16, 5, INDIRECT);
	assert_int_equal(pop(&b), 1);
	assert_int_equal(b.bed.chain.n_read, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(b.bed.segs[i].len, 10 + i);
		assert_int_equal(gmem_gpa_of(b.bed.mem, b.bed.segs[i].addr), BUF(3 + i));
	}
	bed_close(&b.bed);
}

TEST(a_chain_with_more_pieces_than_fit_is_left_or_skipped)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 5);
	put(&b, BUF(0), 1, 0, NEXT);
	put(&b, BUF(1), 1, 0, NEXT);
	put(&b, UINT64_MAX, 5, 77, 0); /* nobody looks at what is skipped */
	put_one(&b, 8, 0);
	b.bed.chain.max = 1;
	assert_int_equal(pop(&b), -ENOSPC);
	assert_int_equal(b.bed.q.error, VIRTQ_OK);
	assert_int_equal(b.bed.chain.buffer.id, 77);
	assert_int_equal(b.bed.chain.buffer.slots, 3);
	virtq_skip(&b.bed.q, b.bed.chain.buffer);
	virtq_push(&b.bed.q, b.bed.chain.buffer, 0);
	pop_push(&b, 0);
	virtq_flush(&b.bed.q);
	check_used(&b, 3, 77, 0);
	check_used(&b, 1, 8, 0);
	bed_close(&b.bed);
}

TEST(buffers_given_back_are_taken_again_over_the_end_of_the_ring)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 5);
	for (uint16_t i = 0; i < 2; i++) {
		put(&b, BUF(0), 1, 0, NEXT);
		put(&b, BUF(1), 1, i, 0);
	}
	put_one(&b, 2, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pop(&b), 1);
	assert_int_equal(pop(&b), 0);
	virtq_unpop(&b.bed.q, 3);
	for (uint16_t i = 1; i < 3; i++) {
		assert_int_equal(pop(&b), 1);
		assert_int_equal(b.bed.chain.buffer.id, i);
	}
	virtq_unpop(&b.bed.q, 5);
	for (uint16_t i = 0; i < 3; i++) {
		pop_push(&b, 0);
		assert_int_equal(b.bed.chain.buffer.id, i);
	}
	bed_close(&b.bed);
}

/* They are the driver's; we only say them again. */
TEST(ids_beyond_the_ring_and_the_same_id_twice_are_given_back_as_they_are)
{
	static const uint16_t ids[] = {0xffff, SIZE, 3, 3, 0x8000};
	struct packed_bed b;

	packed_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		put_one(&b, ids[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		pop_push(&b, 0);
	virtq_flush(&b.bed.q);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		check_used(&b, 1, ids[i], 0);
	bed_close(&b.bed);
}

/* --- nonsense --- */

/* What was put breaks the queue, for this reason, for good. */
static void check_breaks(struct packed_bed *b, enum virtq_error error)
{
	assert_int_equal(pop(b), -EPROTO);
	assert_int_equal(b->bed.q.error, error);
	assert_int_equal(events(b->bed.err_fd), 1);
	put_one(b, 0, 0);
	assert_int_equal(pop(b), 0);
	assert_int_equal(virtq_available(&b->bed.q, 1), 0);
	assert_false(virtq_arm(&b->bed.q));
	packed_restart(b, FEATURES, SIZE, 0);
	put_one(b, 0, 0);
	assert_int_equal(pop(b), 1);
	packed_restart(b, FEATURES, SIZE, 5);
}

TEST(a_chain_around_the_whole_ring_breaks_the_queue)
{
	struct packed_bed b;

	packed_open(&b);
	for (uint32_t len = 0; len < 2; len++) {
		for (uint32_t i = 0; i < SIZE; i++)
			put(&b, BUF(0), len, 0, NEXT);
		check_breaks(&b, VIRTQ_CHAIN_LOOP);
	}
	bed_close(&b.bed);
}

TEST(a_chain_as_long_as_the_ring_is_no_loop)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 3);
	for (uint32_t i = 0; i < 7; i++)
		put(&b, BUF(0), 1, 4, i < 6 ? NEXT : 0);
	pop_push(&b, 0);
	assert_int_equal(b.bed.chain.n_read, 7);
	assert_int_equal(pop(&b), 0);
	virtq_flush(&b.bed.q);
	check_used(&b, 7, 4, 0);
	bed_close(&b.bed);
}

/* A driver that reuses slots while we have them could have us count over any number of laps. */
TEST(slots_that_are_available_again_before_they_are_used_break_the_queue)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 1, 0);
	put_one(&b, 1, 0);
	assert_int_equal(pop(&b), 1);
	put_one(&b, 1, 0);
	assert_int_equal(pop(&b), -EPROTO);
	assert_int_equal(b.bed.q.error, VIRTQ_AVAIL_JUMPED);
	virtq_unpop(&b.bed.q, 1);
	assert_int_equal(virtq_stop(&b.bed.q), NEW_RING);
	bed_close(&b.bed);
}

TEST(a_chain_into_slots_that_were_taken_breaks_the_queue)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 4, 0);
	for (uint16_t i = 0; i < 3; i++) {
		put_one(&b, i, 0);
		pop_push(&b, 0);
	}
	put(&b, BUF(0), 1, 3, NEXT);
	put(&b, BUF(0), 1, 3, 0);
	check_breaks(&b, VIRTQ_CHAIN_LOOP);
	bed_close(&b.bed);
}

/* A chain that goes on where the driver put nothing takes what lies there, within memory and the ring. */
TEST(a_chain_that_leads_into_free_slots_does_no_harm)
{
	struct packed_bed b;

	packed_open(&b);
	put(&b, BUF(0), 1, 1, NEXT);
	assert_int_equal(pop(&b), 1);
	assert_int_equal(b.bed.chain.buffer.slots, 2);
	assert_int_equal(b.bed.chain.n_read, 1);
	bed_close(&b.bed);
}

TEST(a_chain_longer_than_we_follow_breaks_the_queue)
{
	struct packed_bed b;
	const uint32_t size = 3000;

	packed_open(&b);
	virtq_stop(&b.bed.q);
	memset(b.bed.low, 0, HALF);
	b.size = size;
	b.next = (struct place){.wrap = true};
	b.bed.setup.size = size;
	b.bed.setup.base = NEW_RING;
	b.bed.setup.avail_uaddr = UADDR + HIGH - 8;
	b.bed.setup.used_uaddr = UADDR + HIGH - 4;
	assert_int_equal(virtq_start(&b.bed.q, b.bed.mem, &b.bed.setup, &(const char *){0}), 0);
	for (uint32_t i = 0; i <= VIRTQ_MAX_CHAIN; i++)
		put(&b, BUF(0), 0, 0, i < VIRTQ_MAX_CHAIN ? NEXT : 0);
	assert_int_equal(pop(&b), -EPROTO);
	assert_int_equal(b.bed.q.error, VIRTQ_CHAIN_LONG);
	bed_close(&b.bed);
}

TEST(malformed_indirect_tables_break_the_queue)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		enum virtq_error error;
	} bad[] = {
		{TABLE, 0, 0, VIRTQ_INDIRECT_TABLE},
		{TABLE, 15, 0, VIRTQ_INDIRECT_TABLE},
		{TABLE, 33, 0, VIRTQ_INDIRECT_TABLE},
		{TABLE, 16, NEXT, VIRTQ_INDIRECT_TABLE},
		{TABLE + 4, 16, 0, VIRTQ_INDIRECT_TABLE},
		{TABLE, (VIRTQ_MAX_CHAIN + 1) * 16, 0, VIRTQ_INDIRECT_TABLE},
		{TABLE, 0xfffffff0, 0, VIRTQ_INDIRECT_TABLE},
		{LOW - 16, 16, 0, VIRTQ_ADDRESS},
		{HIGH + HALF - 16, 32, 0, VIRTQ_ADDRESS},
		{UINT64_MAX - 15, 32, 0, VIRTQ_ADDRESS},
	};
	struct packed_bed b;

	packed_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put(&b, bad[i].addr, bad[i].len, 0, INDIRECT | bad[i].flags);
		check_breaks(&b, bad[i].error);
	}
	/* a table in a table, and one behind an ordinary descriptor (virtio 1.2, 2.8.19) */
	table_at(&b, TABLE)[0] = (struct vring_packed_desc){.addr = TABLE, .len = 16, .flags = INDIRECT};
	put(&b, TABLE, 16, 0, INDIRECT);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	put(&b, BUF(0), 16, 0, NEXT);
	put(&b, TABLE, 16, 0, INDIRECT);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	packed_restart(&b, 0, SIZE, 0);
	put(&b, TABLE, 16, 0, INDIRECT);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	bed_close(&b.bed);
}

TEST(buffers_outside_memory_and_in_the_wrong_order_break_the_queue)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {{0, 1}, {LOW - 1, 2}, {HIGH + HALF - 1, 2}, {UINT64_MAX, 2}, {LOW, UINT32_MAX}};
	struct packed_bed b;

	packed_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put(&b, bad[i].addr, bad[i].len, 0, 0);
		check_breaks(&b, VIRTQ_ADDRESS);
		put(&b, BUF(0), 1, 0, NEXT);
		put(&b, bad[i].addr, bad[i].len, 0, 0);
		check_breaks(&b, VIRTQ_ADDRESS);
	}
	put(&b, BUF(0), 1, 0, NEXT | WRITE);
	put(&b, BUF(0), 1, 0, 0);
	check_breaks(&b, VIRTQ_DIRECTION);
	bed_close(&b.bed);
}

/* --- notification --- */

/* n buffers come and go; how often was the guest called? */
static uint64_t serve(struct packed_bed *b, uint32_t n)
{
	struct vring_packed_desc d;

	for (uint32_t i = 0; i < n; i++) {
		put_one(b, 0, 0);
		pop_push(b, 0);
	}
	virtq_flush(&b->bed.q);
	for (uint32_t i = 0; i < n; i++)
		assert_true(take_used(b, 1, &d));
	return events(b->bed.call_fd);
}

TEST(the_driver_says_when_it_wants_calls)
{
	struct packed_bed b;

	packed_open(&b);
	driver_event(&b)->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	assert_int_equal(serve(&b, 1), 1); /* the first after a start */
	assert_int_equal(serve(&b, 1), 0);
	driver_event(&b)->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	assert_int_equal(serve(&b, 3), 1);
	assert_int_equal(b.bed.q.calls, 2);
	assert_int_equal(b.bed.q.calls_saved, 1);
	bed_close(&b.bed);
}

/* At each slot of rings of several sizes, in both laps, one by one and by a batch that goes past it. */
TEST(with_event_index_the_guest_is_called_when_that_descriptor_is_used)
{
	static const uint32_t sizes[] = {1, 2, 7, 8};
	struct packed_bed b;

	packed_open(&b);
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		for (uint32_t begin = 0; begin < 2 * sizes[s]; begin++) {
			for (uint32_t batch = 1; batch <= sizes[s]; batch++) {
				struct place event;

				packed_restart(&b, FEATURES, sizes[s], begin);
				serve(&b, 1);
				event = b.next;
				place_forward(&b, &event, sizes[s]); /* a lap from here */
				driver_event(&b)->off_wrap = event.slot | (event.wrap ? OFF_WRAP : 0);
				driver_event(&b)->flags = VRING_PACKED_EVENT_FLAG_DESC;
				for (uint32_t done = 0; done < 2 * sizes[s] - batch; done += batch) {
					bool due = done <= sizes[s] && sizes[s] < done + batch;

					assert_int_equal(serve(&b, batch), due);
				}
			}
		}
	}
	bed_close(&b.bed);
}

TEST(what_the_driver_cannot_mean_is_a_call)
{
	struct packed_bed b;

	packed_open(&b);
	serve(&b, 1);
	*driver_event(&b) =
		(struct vring_packed_desc_event){.off_wrap = SIZE, .flags = VRING_PACKED_EVENT_FLAG_DESC};
	assert_int_equal(serve(&b, 1), 1);
	driver_event(&b)->off_wrap = 0xffff;
	assert_int_equal(serve(&b, 1), 1);
	driver_event(&b)->flags = 3;
	assert_int_equal(serve(&b, 1), 1);
	/* without EVENT_IDX there are no descriptors to wait for */
	packed_restart(&b, 0, SIZE, 0);
	serve(&b, 1);
	*driver_event(&b) =
		(struct vring_packed_desc_event){.off_wrap = 5, .flags = VRING_PACKED_EVENT_FLAG_DESC};
	assert_int_equal(serve(&b, 1), 1);
	bed_close(&b.bed);
}

TEST(arming_asks_for_a_kick_and_sees_what_came_meanwhile)
{
	struct packed_bed b;

	packed_open(&b);
	assert_int_equal(device_event(&b)->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	serve(&b, 3);
	assert_false(virtq_arm(&b.bed.q));
	assert_int_equal(device_event(&b)->flags, VRING_PACKED_EVENT_FLAG_DESC);
	assert_int_equal(device_event(&b)->off_wrap, 3 | OFF_WRAP);
	serve(&b, 6);
	put_one(&b, 0, 0);
	assert_true(virtq_arm(&b.bed.q));
	assert_int_equal(device_event(&b)->off_wrap, 1);
	virtq_disarm(&b.bed.q);
	assert_int_equal(device_event(&b)->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	packed_restart(&b, 0, SIZE, 0);
	assert_false(virtq_arm(&b.bed.q));
	assert_int_equal(device_event(&b)->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
	bed_close(&b.bed);
}

/* --- start and stop --- */

static void check_no_start(struct packed_bed *b)
{
	const char *why = NULL;

	virtq_stop(&b->bed.q);
	assert_int_equal(virtq_start(&b->bed.q, b->bed.mem, &b->bed.setup, &why), -EINVAL);
	assert_non_null(why);
	assert_int_equal(b->bed.q.size, 0);
	assert_int_equal(virtq_available(&b->bed.q, 1), 0);
	assert_int_equal(pop(b), 0);
}

TEST(rings_that_cannot_be_do_not_start)
{
	static const uint32_t sizes[] = {0, 32769, 65536, UINT32_MAX};
	struct virtq_setup good;
	struct packed_bed b;

	packed_open(&b);
	good = b.bed.setup;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		b.bed.setup.size = sizes[i];
		check_no_start(&b);
	}
	b.bed.setup = good;
	b.bed.setup.desc_uaddr = UADDR + HIGH - SIZE * 16 + 16;
	check_no_start(&b);
	b.bed.setup.desc_uaddr = good.desc_uaddr + 8;
	check_no_start(&b);
	b.bed.setup = good;
	b.bed.setup.avail_uaddr = UADDR + HIGH - 2;
	check_no_start(&b);
	b.bed.setup.avail_uaddr = good.avail_uaddr + 2;
	check_no_start(&b);
	b.bed.setup = good;
	b.bed.setup.used_uaddr = UADDR + HIGH + HALF;
	check_no_start(&b);
	b.bed.setup.used_uaddr = good.used_uaddr + 2;
	check_no_start(&b);
	bed_close(&b.bed);
}

TEST(a_base_beyond_the_ring_does_not_start)
{
	static const uint32_t bases[] = {
		SIZE, 0x8000 | SIZE, 0x80008000 | SIZE, 0x80088000, 0x7fff8000, UINT32_MAX};
	struct packed_bed b;

	packed_open(&b);
	for (int fresh = 0; fresh < 2; fresh++) {
		b.bed.setup.fresh = fresh;
		for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
			b.bed.setup.base = bases[i];
			check_no_start(&b);
		}
	}
	bed_close(&b.bed);
}

/* The ring stops with two of its five buffers taken, and one of these returned. */
TEST(a_ring_goes_on_where_it_stopped)
{
	struct packed_bed b;
	uint32_t base;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 5);
	for (uint16_t i = 0; i < 5; i++)
		put_one(&b, i, 0);
	pop_push(&b, 0);
	assert_int_equal(pop(&b), 1);
	base = virtq_stop(&b.bed.q);
	assert_int_equal(base, 0x80060000); /* next are slot 0 of the second lap, and slot 6 of the first */
	check_used(&b, 1, 0, 0);
	b.bed.setup.base = base;
	assert_int_equal(virtq_start(&b.bed.q, b.bed.mem, &b.bed.setup, &(const char *){0}), 0);
	virtq_push(&b.bed.q, (struct virtq_buffer){.id = 1, .slots = 1}, 0);
	for (uint16_t i = 2; i < 5; i++) {
		pop_push(&b, 0);
		assert_int_equal(b.bed.chain.buffer.id, i);
	}
	virtq_flush(&b.bed.q);
	for (uint16_t i = 1; i < 5; i++)
		check_used(&b, 1, i, 0);
	bed_close(&b.bed);
}

/* Starts anew with what a front-end says; where does the ring go on? */
static uint32_t fresh_start(struct packed_bed *b, uint32_t base)
{
	virtq_stop(&b->bed.q);
	b->bed.setup.base = base;
	b->bed.setup.fresh = true;
	assert_int_equal(virtq_start(&b->bed.q, b->bed.mem, &b->bed.setup, &(const char *){0}), 0);
	return virtq_stop(&b->bed.q);
}

TEST(a_base_of_one_half_or_of_nothing_is_completed)
{
	struct packed_bed b;

	packed_open(&b);
	assert_int_equal(fresh_start(&b, NEW_RING), NEW_RING);
	assert_int_equal(fresh_start(&b, 0), NEW_RING);
	packed_restart(&b, FEATURES, SIZE, SIZE); /* a lap, and not a slot more */
	assert_int_equal(fresh_start(&b, 0), 0);
	packed_restart(&b, FEATURES, SIZE, 3);
	assert_int_equal(fresh_start(&b, 0x8003), 0x80038003);
	packed_restart(&b, FEATURES, SIZE, SIZE + 3);
	assert_int_equal(fresh_start(&b, 3), 0x30003);
	assert_int_equal(fresh_start(&b, 0x30003), 0x30003);
	bed_close(&b.bed);
}

/* QEMU says what it said when the guest started, virtio-user and User-Mode-Linux say 0. */
TEST(a_base_from_long_ago_yields_to_what_the_ring_says)
{
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 7 + 4);
	for (uint16_t i = 0; i < 5; i++)
		put_one(&b, i, 0);
	assert_int_equal(fresh_start(&b, NEW_RING), 0x40004);
	assert_int_equal(fresh_start(&b, 0), 0x40004);
	assert_int_equal(fresh_start(&b, 0x80028002), 0x40004);
	/* what was taken and not returned is taken again */
	assert_int_equal(fresh_start(&b, 0x00048001), 0x40004);
	bed_close(&b.bed);
}

TEST(a_ring_that_makes_no_sense_goes_on_at_the_base)
{
	struct packed_bed b;

	packed_open(&b);
	for (uint32_t i = 0; i < SIZE; i++)
		slot_of(&b, i)->flags = i % 2 ? BIT_AVAIL : BIT_USED;
	assert_int_equal(fresh_start(&b, 0x00058005), 0x00050005);
	bed_close(&b.bed);
}

TEST(control_sees_where_a_ring_is)
{
	struct virtq_view v;
	struct packed_bed b;

	packed_open(&b);
	serve(&b, SIZE);
	serve(&b, 3);
	*driver_event(&b) = (struct vring_packed_desc_event){.off_wrap = 0x8005, .flags = 2};
	assert_true(virtq_look(&b.bed.q, &v));
	assert_true(v.packed);
	assert_int_equal(v.last_avail_idx, 3);
	assert_int_equal(v.last_used_idx, 3);
	assert_false(v.avail_wrap);
	assert_false(v.used_wrap);
	assert_int_equal(v.avail_idx, 0x8005);
	assert_int_equal(v.avail_flags, 2);
	assert_int_equal(v.used_flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	virtq_stop(&b.bed.q);
	assert_false(virtq_look(&b.bed.q, &v));
	bed_close(&b.bed);
}

/* --- dirty log --- */

/* Ring and event area are marked where they lie, whatever the front-end says of a used ring. */
TEST(what_is_written_is_logged)
{
	uint8_t *bits;
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 200, 0);
	bits = log_on(&b.bed);
	b.bed.setup.base = virtq_stop(&b.bed.q);
	b.bed.setup.used_uaddr = UADDR + LOW + 0x5004;
	b.bed.setup.desc_uaddr = UADDR + LOW + 0x1000 - 100 * 16; /* slot 100 is the first of a page */
	b.bed.setup.avail_uaddr = UADDR + LOW + 0x8000;
	assert_int_equal(virtq_start(&b.bed.q, b.bed.mem, &b.bed.setup, &(const char *){0}), 0);
	bits = log_on(&b.bed);
	virtq_arm(&b.bed.q);
	assert_true(is_dirty(bits, LOW + 0x5000));
	assert_false(is_dirty(bits, LOW));
	virtq_push(&b.bed.q, (struct virtq_buffer){.slots = 99}, 1);
	virtq_flush(&b.bed.q);
	assert_true(is_dirty(bits, LOW));
	assert_false(is_dirty(bits, LOW + 0x1000));
	memset(b.bed.bits, 0, sizeof(b.bed.bits));
	virtq_push(&b.bed.q, (struct virtq_buffer){.slots = 1}, 1);
	virtq_push(&b.bed.q, (struct virtq_buffer){.slots = 1}, 1);
	virtq_flush(&b.bed.q);
	assert_true(is_dirty(bits, LOW));
	assert_true(is_dirty(bits, LOW + 0x1000));
	memset(b.bed.bits, 0, sizeof(b.bed.bits));
	virtq_push(&b.bed.q, (struct virtq_buffer){.slots = 99}, 1);
	virtq_push(&b.bed.q, (struct virtq_buffer){.slots = 1}, 1); /* slot 0 again */
	virtq_flush(&b.bed.q);
	assert_true(is_dirty(bits, LOW));
	assert_true(is_dirty(bits, LOW + 0x1000));
	assert_false(is_dirty(bits, LOW + 0x5000));
	bed_close(&b.bed);
}

TESTS(cmocka_unit_test(buffers_are_taken_in_order_and_returned_together),
	cmocka_unit_test(rings_of_any_size_wrap),
	cmocka_unit_test(a_chain_is_taken_whole_readable_before_writable),
	cmocka_unit_test(an_indirect_table_is_taken_in_order),
	cmocka_unit_test(an_indirect_table_over_two_regions_is_followed),
	cmocka_unit_test(a_chain_with_more_pieces_than_fit_is_left_or_skipped),
	cmocka_unit_test(buffers_given_back_are_taken_again_over_the_end_of_the_ring),
	cmocka_unit_test(ids_beyond_the_ring_and_the_same_id_twice_are_given_back_as_they_are),
	cmocka_unit_test(a_chain_around_the_whole_ring_breaks_the_queue),
	cmocka_unit_test(a_chain_as_long_as_the_ring_is_no_loop),
	cmocka_unit_test(slots_that_are_available_again_before_they_are_used_break_the_queue),
	cmocka_unit_test(a_chain_into_slots_that_were_taken_breaks_the_queue),
	cmocka_unit_test(a_chain_that_leads_into_free_slots_does_no_harm),
	cmocka_unit_test(a_chain_longer_than_we_follow_breaks_the_queue),
	cmocka_unit_test(malformed_indirect_tables_break_the_queue),
	cmocka_unit_test(buffers_outside_memory_and_in_the_wrong_order_break_the_queue),
	cmocka_unit_test(the_driver_says_when_it_wants_calls),
	cmocka_unit_test(with_event_index_the_guest_is_called_when_that_descriptor_is_used),
	cmocka_unit_test(what_the_driver_cannot_mean_is_a_call),
	cmocka_unit_test(arming_asks_for_a_kick_and_sees_what_came_meanwhile),
	cmocka_unit_test(rings_that_cannot_be_do_not_start),
	cmocka_unit_test(a_base_beyond_the_ring_does_not_start),
	cmocka_unit_test(a_ring_goes_on_where_it_stopped),
	cmocka_unit_test(a_base_of_one_half_or_of_nothing_is_completed),
	cmocka_unit_test(a_base_from_long_ago_yields_to_what_the_ring_says),
	cmocka_unit_test(a_ring_that_makes_no_sense_goes_on_at_the_base),
	cmocka_unit_test(control_sees_where_a_ring_is), cmocka_unit_test(what_is_written_is_logged))
