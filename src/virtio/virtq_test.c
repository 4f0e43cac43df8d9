/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtq_split_bed.h"

TEST(buffers_are_taken_in_order_and_returned)
{
	struct bed b;

	bed_open(&b);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 0);
	for (uint16_t i = 0; i < 3; i++)
		offer_one(&b, (uint16_t)(5 - i), i == 1 ? VRING_DESC_F_WRITE : 0);
	assert_int_equal(virtq_available(&b.q, 1), 3);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
		assert_int_equal(b.chain.buffer.id, 5 - i);
		assert_int_equal(b.chain.n_read, i != 1);
		assert_int_equal(b.chain.n_write, i == 1);
		assert_int_equal(b.chain.read_len + b.chain.write_len, 100);
		assert_int_equal(gmem_gpa_of(b.mem, b.segs[0].addr), BUF(5 - i));
		virtq_push(&b.q, b.chain.buffer, 10u + i);
	}
	assert_int_equal(used_of(&b)->idx, 0);
	virtq_flush(&b.q);
	assert_int_equal(used_of(&b)->idx, 3);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(used_of(&b)->ring[i].id, 5 - i);
		assert_int_equal(used_of(&b)->ring[i].len, 10 + i);
	}
	bed_close(&b);
}

TEST(rings_and_indexes_wrap)
{
	struct random r;
	struct bed b;
	uint32_t given = 0, taken = 0;

	bed_open(&b);
	start(&b, FEATURES, 65000);
	random_init(&r, 4);
	while (taken < 3000) {
		uint32_t n = random_below(&r, SIZE - (given - taken) + 1);

		for (uint32_t i = 0; i < n; i++, given++)
			offer_one(&b, (uint16_t)(given % SIZE), 0);
		for (n = random_below(&r, given - taken + 1); n > 0; n--, taken++) {
			assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
			assert_int_equal(b.chain.buffer.id, taken % SIZE);
			virtq_push(&b.q, b.chain.buffer, taken);
		}
		virtq_flush(&b.q);
		assert_int_equal(used_of(&b)->idx, (uint16_t)(65000 + taken));
		if (taken > 0)
			assert_int_equal(used_of(&b)->ring[(65000 + taken - 1) % SIZE].len, taken - 1);
	}
	bed_close(&b);
}

TEST(a_chain_is_taken_whole_readable_before_writable)
{
	struct bed b;

	bed_open(&b);
	desc(&b, 3, (struct vring_desc){.addr = BUF(0), .len = 12, .flags = VRING_DESC_F_NEXT, .next = 7});
	desc(&b, 7, (struct vring_desc){.addr = BUF(1), .len = 0, .flags = VRING_DESC_F_NEXT, .next = 1});
	desc(&b, 1,
		(struct vring_desc){.addr = BUF(2),
			.len = 50,
			.flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
			.next = 0});
	desc(&b, 0, (struct vring_desc){.addr = BUF(3), .len = 60, .flags = VRING_DESC_F_WRITE, .next = 99});
	offer(&b, 3);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.buffer.id, 3);
	assert_int_equal(b.chain.n_read, 1);
	assert_int_equal(b.chain.n_write, 2);
	assert_int_equal(b.chain.read_len, 12);
	assert_int_equal(b.chain.write_len, 110);
	assert_int_equal(b.segs[1].len, 50);
	assert_int_equal(b.segs[2].len, 60);
	bed_close(&b);
}

TEST(an_indirect_table_is_followed)
{
	struct vring_desc *table;
	struct bed b;

	bed_open(&b);
	table = table_at(&b, TABLE);
	for (uint16_t i = 0; i < 20; i++)
		table[i] = (struct vring_desc){.addr = BUF(0) + i,
			.len = 1,
			.flags = i < 19 ? VRING_DESC_F_NEXT : 0,
			.next = (uint16_t)(i + 1)};
	desc(&b, 2, (struct vring_desc){.addr = TABLE, .len = 20 * 16, .flags = VRING_DESC_F_INDIRECT});
	offer(&b, 2);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_read, 20);
	assert_int_equal(b.chain.buffer.id, 2);
	/* and after ordinary descriptors (virtio 1.2, 2.7.5.3.1) */
	desc(&b, 4, (struct vring_desc){.addr = BUF(1), .len = 5, .flags = VRING_DESC_F_NEXT, .next = 2});
	offer(&b, 4);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_read, 21);
	assert_int_equal(b.chain.read_len, 25);
	bed_close(&b);
}

/* The second entry lies in both regions, half and half; the third is the first of the upper one. */
TEST(an_indirect_table_over_two_regions_is_followed)
{
	static const uint64_t at = HIGH - 24;
	struct vring_desc table[4];
	struct bed b;

	bed_open(&b);
	for (uint16_t i = 0; i < 4; i++)
		table[i] = (struct vring_desc){.addr = BUF(3 + i),
			.len = 10u + i,
			.flags = i < 3 ? VRING_DESC_F_NEXT : 0,
			.next = (uint16_t)(i + 1)};
	memcpy(b.low + (at - LOW), table, sizeof(table)); /* the file is one piece */
	desc(&b, 2, (struct vring_desc){.addr = at, .len = sizeof(table), .flags = VRING_DESC_F_INDIRECT});
	offer(&b, 2);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_read, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(b.segs[i].len, 10 + i);
		assert_int_equal(gmem_gpa_of(b.mem, b.segs[i].addr), BUF(3 + i));
	}
	bed_close(&b);
}

TEST(a_buffer_over_two_regions_comes_in_two_pieces)
{
	struct bed b;

	bed_open(&b);
	desc(&b, 0, (struct vring_desc){.addr = HIGH - 10, .len = 30, .flags = VRING_DESC_F_WRITE});
	offer(&b, 0);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_write, 2);
	assert_int_equal(b.chain.write_len, 30);
	assert_int_equal(b.segs[0].len, 10);
	assert_int_equal(b.segs[1].len, 20);
	assert_true(b.segs[0].addr + 10 != b.segs[1].addr);
	memset(b.segs[0].addr, 1, 10);
	memset(b.segs[1].addr, 2, 20);
	assert_int_equal(b.low[HALF - 1], 1);
	assert_int_equal(b.high[0], 2);
	bed_close(&b);
}

TEST(a_chain_with_more_pieces_than_fit_is_left_where_it_is)
{
	struct bed b;

	bed_open(&b);
	desc(&b, 0, (struct vring_desc){.addr = BUF(0), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 1});
	desc(&b, 1, (struct vring_desc){.addr = HIGH - 1, .len = 2});
	offer(&b, 0);
	b.chain.max = 2;
	assert_int_equal(virtq_pop(&b.q, &b.chain), -ENOSPC);
	assert_int_equal(b.q.error, VIRTQ_OK);
	b.chain.max = 3;
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_read, 3);
	bed_close(&b);
}

TEST(buffers_given_back_are_taken_again)
{
	struct bed b;

	bed_open(&b);
	for (uint16_t i = 0; i < 4; i++)
		offer_one(&b, i, 0);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	virtq_unpop(&b.q, 2);
	assert_int_equal(virtq_available(&b.q, 1), 3);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.buffer.id, 1);
	bed_close(&b);
}

TEST(giving_back_to_a_broken_queue_offers_nothing)
{
	struct bed b;

	bed_open(&b);
	for (uint16_t i = 0; i < 3; i++)
		offer_one(&b, i, 0);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	virtq_break(&b.q, VIRTQ_ADDRESS);
	virtq_unpop(&b.q, 2);
	assert_int_equal(virtq_available(&b.q, 1), 0);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 0);
	bed_close(&b);
}

TEST(a_skipped_buffer_is_only_named)
{
	struct bed b;

	bed_open(&b);
	desc(&b, 6, (struct vring_desc){.addr = BUF(0), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 2});
	desc(&b, 2, (struct vring_desc){.addr = UINT64_MAX, .len = UINT32_MAX});
	offer(&b, 6);
	b.chain.max = 0;
	assert_int_equal(virtq_pop(&b.q, &b.chain), -ENOSPC);
	assert_int_equal(b.chain.buffer.id, 6);
	virtq_skip(&b.q, b.chain.buffer);
	assert_int_equal(virtq_available(&b.q, 1), 0);
	bed_close(&b);
}

TEST(an_avail_index_that_jumps_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	avail_of(&b)->idx = SIZE + 1;
	check_breaks(&b, VIRTQ_AVAIL_JUMPED);
	avail_of(&b)->idx = 40000;
	check_breaks(&b, VIRTQ_AVAIL_JUMPED);
	avail_of(&b)->idx = (uint16_t)-1;
	check_breaks(&b, VIRTQ_AVAIL_JUMPED);
	bed_close(&b);
}

TEST(a_head_beyond_the_table_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	offer(&b, SIZE);
	check_breaks(&b, VIRTQ_HEAD_RANGE);
	offer(&b, 0xffff);
	check_breaks(&b, VIRTQ_HEAD_RANGE);
	bed_close(&b);
}

TEST(a_next_beyond_its_table_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	desc(&b, 0, (struct vring_desc){.addr = BUF(0), .len = 1, .flags = VRING_DESC_F_NEXT, .next = SIZE});
	offer(&b, 0);
	check_breaks(&b, VIRTQ_NEXT_RANGE);
	/* an indirect table's end is its own, not the ring's */
	table_at(&b, TABLE)[0] =
		(struct vring_desc){.addr = BUF(0), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 2};
	desc(&b, 0, (struct vring_desc){.addr = TABLE, .len = 32, .flags = VRING_DESC_F_INDIRECT});
	offer(&b, 0);
	check_breaks(&b, VIRTQ_NEXT_RANGE);
	bed_close(&b);
}

/* Descriptors a -> b -> a of len bytes, in the ring's table or in an indirect one. */
static void offer_loop(struct bed *b, uint16_t a, uint16_t other, uint32_t len, bool indirect)
{
	struct vring_desc *table = table_at(b, indirect ? TABLE : LOW);

	table[a] = (struct vring_desc){.addr = BUF(0), .len = len, .flags = VRING_DESC_F_NEXT, .next = other};
	table[other] = (struct vring_desc){.addr = BUF(1), .len = len, .flags = VRING_DESC_F_NEXT, .next = a};
	if (indirect)
		desc(b, a, (struct vring_desc){.addr = TABLE, .len = 8 * 16, .flags = VRING_DESC_F_INDIRECT});
	offer(b, a);
}

/* A ring so large that a chain of empty descriptors would be a lot of work for nothing. */
TEST(a_chain_longer_than_we_follow_breaks_the_queue)
{
	static struct bed b;
	const uint32_t size = 2048, avail = 0x10000, used = 0x18000, len = 0x20000;
	struct gmem_spec spec = {.gpa = 0, .size = len, .uaddr = UADDR};
	struct vring_desc *desc;
	const char *why;
	char text[100];

	spec.fd = memfd_create("virtq test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(spec.fd, len), 0);
	assert_int_equal(gmem_create(&b.mem, &spec, 1, text, sizeof(text)), 0);
	desc = (struct vring_desc *)(void *)gmem_at_uaddr(b.mem, UADDR, len);
	for (uint32_t i = 0; i < size; i++)
		desc[i] = (struct vring_desc){.flags = VRING_DESC_F_NEXT, .next = (uint16_t)(i + 1) & 2047};
	b.setup = (struct virtq_setup){
		.size = size,
		.desc_uaddr = UADDR,
		.avail_uaddr = UADDR + avail,
		.used_uaddr = UADDR + used,
	};
	assert_int_equal(virtq_start(&b.q, b.mem, &b.setup, &why), 0);
	b.q.avail->idx = 1;
	b.chain = (struct virtq_chain){.segs = b.segs, .max = 64};
	assert_int_equal(virtq_pop(&b.q, &b.chain), -EPROTO);
	assert_int_equal(b.q.error, VIRTQ_CHAIN_LONG);
	gmem_destroy(b.mem);
	close(spec.fd);
}

TEST(loops_break_the_queue)
{
	struct bed b;

	bed_open(&b);
	for (int indirect = 0; indirect < 2; indirect++) {
		for (uint32_t len = 0; len < 2; len++) {
			offer_loop(&b, 0, 0, len, indirect);
			check_breaks(&b, VIRTQ_CHAIN_LOOP);
			offer_loop(&b, 0, 5, len, indirect);
			check_breaks(&b, VIRTQ_CHAIN_LOOP);
		}
	}
	bed_close(&b);
}

TEST(a_chain_as_long_as_the_table_is_no_loop)
{
	struct bed b;

	bed_open(&b);
	for (uint16_t i = 0; i < SIZE; i++)
		desc(&b, i,
			(struct vring_desc){.addr = BUF(i),
				.len = 1,
				.flags = i < SIZE - 1 ? VRING_DESC_F_NEXT : 0,
				.next = (uint16_t)(i + 1)});
	offer(&b, 0);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_read, SIZE);
	bed_close(&b);
}

static void offer_indirect(struct bed *b, uint64_t table, uint32_t len, uint16_t flags)
{
	desc(b, 0,
		(struct vring_desc){
			.addr = table, .len = len, .flags = VRING_DESC_F_INDIRECT | flags, .next = 1});
	offer(b, 0);
}

TEST(malformed_indirect_tables_break_the_queue)
{
	struct bed b;

	bed_open(&b);
	offer_indirect(&b, TABLE, 0, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	offer_indirect(&b, TABLE, 15, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	offer_indirect(&b, TABLE, 33, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	offer_indirect(&b, TABLE, 16, VRING_DESC_F_NEXT);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	offer_indirect(&b, TABLE + 4, 16, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	offer_indirect(&b, TABLE, (VIRTQ_MAX_CHAIN + 1) * 16, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	offer_indirect(&b, TABLE, 0xfffffff0, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	bed_close(&b);
}

TEST(a_start_is_followed_by_one_call_even_if_nothing_is_pushed)
{
	struct bed b;

	bed_open(&b);
	b.q.always_call = true;
	virtq_call_due(&b.q);
	virtq_call_due(&b.q);
	assert_int_equal(events(b.call_fd), 1);
	bed_close(&b);
}

TEST(an_indirect_table_in_an_indirect_table_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	table_at(&b, TABLE)[0] =
		(struct vring_desc){.addr = TABLE, .len = 16, .flags = VRING_DESC_F_INDIRECT};
	offer_indirect(&b, TABLE, 16, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	bed_close(&b);
}

TEST(an_indirect_table_that_was_not_negotiated_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	start(&b, 0, 0);
	offer_indirect(&b, TABLE, 16, 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	bed_close(&b);
}

TEST(an_indirect_table_outside_memory_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	offer_indirect(&b, LOW - 16, 16, 0);
	check_breaks(&b, VIRTQ_ADDRESS);
	offer_indirect(&b, HIGH + HALF - 16, 32, 0);
	check_breaks(&b, VIRTQ_ADDRESS);
	offer_indirect(&b, UINT64_MAX - 15, 32, 0);
	check_breaks(&b, VIRTQ_ADDRESS);
	bed_close(&b);
}

TEST(a_readable_piece_after_a_writable_one_breaks_the_queue)
{
	struct bed b;

	bed_open(&b);
	desc(&b, 0,
		(struct vring_desc){.addr = BUF(0),
			.len = 1,
			.flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
			.next = 1});
	desc(&b, 1, (struct vring_desc){.addr = BUF(1), .len = 1});
	offer(&b, 0);
	check_breaks(&b, VIRTQ_DIRECTION);
	bed_close(&b);
}

TEST(a_buffer_outside_memory_breaks_the_queue)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {{0, 1}, {LOW - 1, 1}, {LOW - 1, 2}, {HIGH + HALF, 1}, {HIGH + HALF - 1, 2},
		{UINT64_MAX, 1}, {UINT64_MAX, 2}, {UINT64_MAX - 0xffff, 0x30000}, {LOW, UINT32_MAX}};
	struct bed b;

	bed_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		desc(&b, 0, (struct vring_desc){.addr = bad[i].addr, .len = bad[i].len});
		offer(&b, 0);
		check_breaks(&b, VIRTQ_ADDRESS);
	}
	bed_close(&b);
}

TEST(every_error_has_its_sentence)
{
	for (int i = 0; i < VIRTQ_ERROR_COUNT; i++)
		assert_true(strlen(virtq_error_text((enum virtq_error)i)) > 5);
}

/* Takes and returns n offered buffers. */
static void serve(struct bed *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		offer_one(b, 0, 0);
		assert_int_equal(virtq_pop(&b->q, &b->chain), 1);
		virtq_push(&b->q, (struct virtq_buffer){.slots = 1}, 0);
	}
	virtq_flush(&b->q);
}

TEST(the_first_flush_after_a_start_always_calls)
{
	struct bed b;

	bed_open(&b);
	avail_of(&b)->ring[SIZE] = 30000;
	serve(&b, 1);
	assert_int_equal(events(b.call_fd), 1);
	serve(&b, 1);
	assert_int_equal(events(b.call_fd), 0);
	start(&b, 0, 0);
	avail_of(&b)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	serve(&b, 1);
	assert_int_equal(events(b.call_fd), 1);
	serve(&b, 1);
	assert_int_equal(events(b.call_fd), 0);
	bed_close(&b);
}

TEST(with_event_index_the_guest_is_called_when_the_used_index_passes_it)
{
	struct bed b;

	bed_open(&b);
	start(&b, FEATURES, 65530);
	serve(&b, 1);
	events(b.call_fd);
	avail_of(&b)->ring[SIZE] = (uint16_t)(65530 + 7); /* wraps */
	for (uint16_t done = 1; done < 12; done++) {
		serve(&b, 1);
		assert_int_equal(events(b.call_fd), done == 7);
	}
	/* a batch that jumps over it */
	avail_of(&b)->ring[SIZE] = (uint16_t)(65530 + 14);
	serve(&b, 5);
	assert_int_equal(events(b.call_fd), 1);
	assert_int_equal(b.q.calls, 3);
	assert_int_equal(b.q.calls_saved, 10);
	bed_close(&b);
}

TEST(without_event_index_a_flag_keeps_calls_away)
{
	struct bed b;

	bed_open(&b);
	start(&b, 0, 0);
	serve(&b, 1);
	events(b.call_fd);
	serve(&b, 3);
	assert_int_equal(events(b.call_fd), 1);
	avail_of(&b)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	serve(&b, 3);
	assert_int_equal(events(b.call_fd), 0);
	bed_close(&b);
}

TEST(a_flush_of_nothing_is_nothing)
{
	struct bed b;

	bed_open(&b);
	virtq_flush(&b.q);
	assert_int_equal(events(b.call_fd), 0);
	assert_int_equal(b.q.calls + b.q.calls_saved, 0);
	bed_close(&b);
}

TEST(arming_asks_for_a_kick_and_sees_what_came_meanwhile)
{
	struct vring_used *used;
	struct bed b;

	bed_open(&b);
	used = used_of(&b);
	serve(&b, 2);
	assert_false(virtq_arm(&b.q));
	assert_int_equal(used->ring[SIZE].id & 0xffff, 2); /* avail_event */
	offer_one(&b, 0, 0);
	assert_true(virtq_arm(&b.q));
	virtq_disarm(&b.q);
	bed_close(&b);
}

TEST(without_event_index_a_flag_keeps_kicks_away)
{
	struct bed b;

	bed_open(&b);
	start(&b, 0, 0);
	assert_int_equal(used_of(&b)->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtq_arm(&b.q));
	assert_int_equal(used_of(&b)->flags, 0);
	offer_one(&b, 0, 0);
	assert_true(virtq_arm(&b.q));
	virtq_disarm(&b.q);
	assert_int_equal(used_of(&b)->flags, VRING_USED_F_NO_NOTIFY);
	bed_close(&b);
}

TEST(a_stopped_queue_offers_nothing_and_keeps_its_index)
{
	struct bed b;

	bed_open(&b);
	serve(&b, 3);
	offer_one(&b, 0, 0);
	assert_int_equal(virtq_stop(&b.q), 3);
	assert_int_equal(virtq_available(&b.q, 1), 0);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 0);
	assert_false(virtq_arm(&b.q));
	bed_close(&b);
}

/* --- start --- */

static void check_no_start(struct bed *b)
{
	const char *why = NULL;

	virtq_stop(&b->q);
	assert_int_equal(virtq_start(&b->q, b->mem, &b->setup, &why), -EINVAL);
	assert_non_null(why);
	assert_int_equal(b->q.size, 0);
}

TEST(rings_must_lie_in_one_region_whole)
{
	struct bed b;

	bed_open(&b);
	b.setup.desc_uaddr = UADDR + HIGH - SIZE * 16 + 16;
	check_no_start(&b);
	b.setup.desc_uaddr = UADDR + HIGH + HALF - SIZE * 16 + 16;
	check_no_start(&b);
	b.setup.desc_uaddr = UADDR + HIGH + HALF - SIZE * 16;
	b.setup.avail_uaddr = UADDR + HIGH - (2 + SIZE) * 2; /* used_event is beyond */
	check_no_start(&b);
	b.setup.avail_uaddr -= 2;
	b.setup.used_uaddr = UADDR + HIGH - SIZE * 8 - 4; /* avail_event is beyond */
	check_no_start(&b);
	b.setup.used_uaddr -= 4;
	start(&b, FEATURES, 0);
	b.setup.used_uaddr = UINT64_MAX - 3;
	check_no_start(&b);
	b.setup.used_uaddr = LOW; /* the guest's address, not the front-end's */
	check_no_start(&b);
	bed_close(&b);
}

TEST(misaligned_rings_do_not_start)
{
	struct virtq_setup good;
	struct bed b;

	bed_open(&b);
	good = b.setup;
	b.setup.desc_uaddr += 8;
	check_no_start(&b);
	b.setup = good;
	b.setup.avail_uaddr += 1;
	check_no_start(&b);
	b.setup = good;
	b.setup.used_uaddr += 2;
	check_no_start(&b);
	bed_close(&b);
}

TEST(sizes_that_no_split_ring_has_do_not_start)
{
	static const uint32_t sizes[] = {0, 3, 7, 1000, 65536, 0x10008, UINT32_MAX};
	struct bed b;

	bed_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		b.setup.size = sizes[i];
		check_no_start(&b);
	}
	bed_close(&b);
}

/* --- dirty log --- */

TEST(written_pages_are_logged_up_to_the_length_written)
{
	uint8_t *bits;
	struct bed b;

	bed_open(&b);
	bits = log_on(&b);
	desc(&b, 0,
		(struct vring_desc){.addr = HIGH - 0x1000,
			.len = 0x2800,
			.flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
			.next = 1});
	desc(&b, 1, (struct vring_desc){.addr = BUF(8), .len = 100, .flags = VRING_DESC_F_WRITE});
	offer(&b, 0);
	assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
	assert_int_equal(b.chain.n_write, 3);
	virtq_log_written(&b.q, b.segs, 3, 0x1001);
	assert_true(is_dirty(bits, HIGH - 0x1000));
	assert_true(is_dirty(bits, HIGH));
	assert_false(is_dirty(bits, HIGH + 0x1000));
	assert_false(is_dirty(bits, BUF(8)));
	virtq_log_written(&b.q, b.segs, 3, 0x2801);
	assert_true(is_dirty(bits, HIGH + 0x1000));
	assert_true(is_dirty(bits, BUF(8)));
	assert_false(is_dirty(bits, BUF(7)));
	bed_close(&b);
}

TEST(the_used_ring_is_logged_where_the_front_end_says)
{
	uint8_t *bits;
	struct bed b;

	bed_open(&b);
	bits = log_on(&b);
	serve(&b, 1);
	for (size_t i = 0; i < sizeof(b.bits); i++)
		assert_int_equal(bits[i], 0);
	/* entry 1 is the first of the next page */
	b.q.log_used = true;
	b.q.log_used_gpa = 0x100000 - 4 - 2 * 8;
	serve(&b, 1);
	assert_true(is_dirty(bits, 0xff000));
	assert_false(is_dirty(bits, 0x100000));
	serve(&b, 1);
	assert_true(is_dirty(bits, 0x100000));
	bed_close(&b);
}

TEST(the_used_index_is_logged_though_its_entries_lie_elsewhere)
{
	uint8_t *bits;
	struct bed b;

	bed_open(&b);
	bits = log_on(&b);
	b.q.log_used = true;
	b.q.log_used_gpa = 0x100000 - 4;
	serve(&b, 1);
	assert_true(is_dirty(bits, 0xff000));
	assert_true(is_dirty(bits, 0x100000));
	bed_close(&b);
}

TEST(what_arming_writes_is_logged)
{
	uint8_t *bits;
	struct bed b;

	bed_open(&b);
	bits = log_on(&b);
	b.q.log_used = true;
	b.q.log_used_gpa = 0x100000 - 4 - SIZE * 8; /* avail_event is the next page's first word */
	virtq_arm(&b.q);
	assert_true(is_dirty(bits, 0x100000));
	assert_false(is_dirty(bits, 0xff000));
	start(&b, 0, 0);
	bits = log_on(&b);
	virtq_disarm(&b.q);
	assert_true(is_dirty(bits, 0xff000));
	bed_close(&b);
}

TEST(what_lies_beyond_the_log_is_not_logged)
{
	uint8_t bits[3] = {0};
	struct dirty_log log = {.bits = bits, .size = 2};

	dirty_log_mark(&log, 15 * 4096, 10 * 4096);
	dirty_log_mark(&log, UINT64_MAX, 4);
	dirty_log_mark(&log, UINT64_MAX - 4095, 4096);
	dirty_log_mark(&log, 0, 0);
	assert_int_equal(bits[0], 0);
	assert_int_equal(bits[1], 0x80);
	assert_int_equal(bits[2], 0);
}

TESTS(cmocka_unit_test(buffers_are_taken_in_order_and_returned), cmocka_unit_test(rings_and_indexes_wrap),
	cmocka_unit_test(a_chain_is_taken_whole_readable_before_writable),
	cmocka_unit_test(an_indirect_table_is_followed),
	cmocka_unit_test(an_indirect_table_over_two_regions_is_followed),
	cmocka_unit_test(a_buffer_over_two_regions_comes_in_two_pieces),
	cmocka_unit_test(a_chain_with_more_pieces_than_fit_is_left_where_it_is),
	cmocka_unit_test(buffers_given_back_are_taken_again),
	cmocka_unit_test(giving_back_to_a_broken_queue_offers_nothing),
	cmocka_unit_test(a_skipped_buffer_is_only_named),
	cmocka_unit_test(an_avail_index_that_jumps_breaks_the_queue),
	cmocka_unit_test(a_head_beyond_the_table_breaks_the_queue),
	cmocka_unit_test(a_next_beyond_its_table_breaks_the_queue),
	cmocka_unit_test(a_chain_longer_than_we_follow_breaks_the_queue),
	cmocka_unit_test(loops_break_the_queue), cmocka_unit_test(a_chain_as_long_as_the_table_is_no_loop),
	cmocka_unit_test(malformed_indirect_tables_break_the_queue),
	cmocka_unit_test(a_start_is_followed_by_one_call_even_if_nothing_is_pushed),
	cmocka_unit_test(an_indirect_table_in_an_indirect_table_breaks_the_queue),
	cmocka_unit_test(an_indirect_table_that_was_not_negotiated_breaks_the_queue),
	cmocka_unit_test(an_indirect_table_outside_memory_breaks_the_queue),
	cmocka_unit_test(a_readable_piece_after_a_writable_one_breaks_the_queue),
	cmocka_unit_test(a_buffer_outside_memory_breaks_the_queue),
	cmocka_unit_test(every_error_has_its_sentence),
	cmocka_unit_test(the_first_flush_after_a_start_always_calls),
	cmocka_unit_test(with_event_index_the_guest_is_called_when_the_used_index_passes_it),
	cmocka_unit_test(without_event_index_a_flag_keeps_calls_away),
	cmocka_unit_test(a_flush_of_nothing_is_nothing),
	cmocka_unit_test(arming_asks_for_a_kick_and_sees_what_came_meanwhile),
	cmocka_unit_test(without_event_index_a_flag_keeps_kicks_away),
	cmocka_unit_test(a_stopped_queue_offers_nothing_and_keeps_its_index),
	cmocka_unit_test(rings_must_lie_in_one_region_whole), cmocka_unit_test(misaligned_rings_do_not_start),
	cmocka_unit_test(sizes_that_no_split_ring_has_do_not_start),
	cmocka_unit_test(written_pages_are_logged_up_to_the_length_written),
	cmocka_unit_test(the_used_ring_is_logged_where_the_front_end_says),
	cmocka_unit_test(the_used_index_is_logged_though_its_entries_lie_elsewhere),
	cmocka_unit_test(what_arming_writes_is_logged),
	cmocka_unit_test(what_lies_beyond_the_log_is_not_logged))
