/* SPDX-License-Identifier: Apache-2.0 */
/* Bursts of buffers from a packed ring: plain ones, and those in pieces. */
#include "virtio/virtq_packed_bed.h"

TEST(plain_buffers_are_taken_and_returned_together_over_the_end_of_the_ring)
{
	struct virtq_plain got[7];
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 5);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 7, VIRTQ_WRITE), 0);
	for (uint16_t i = 0; i < 5; i++)
		put_one(&b, (uint16_t)(40 + i), WRITE);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 7, VIRTQ_READ), 0);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 4, VIRTQ_WRITE), 4);
	for (uint16_t i = 0; i < 4; i++) {
		assert_int_equal(got[i].id, 40 + i);
		assert_int_equal(got[i].len, 100);
		assert_int_equal(gmem_gpa_of(b.bed.mem, got[i].addr), BUF((40 + i) % 16));
		got[i].len = i;
	}
	virtq_push_plain(&b.bed.q, got, 2, VIRTQ_WRITE);
	virtq_push_plain(&b.bed.q, got + 2, 2, VIRTQ_READ);
	check_none_used(&b);
	virtq_flush(&b.bed.q);
	for (uint16_t i = 0; i < 4; i++)
		check_used(&b, 1, (uint16_t)(40 + i), i < 2 ? i : 0);
	check_none_used(&b);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 7, VIRTQ_WRITE), 1);
	assert_int_equal(got[0].id, 44);
	bed_close(&b.bed);
}

TEST(a_buffer_that_is_not_plain_ends_a_burst_and_is_taken_alone)
{
	static const struct vring_packed_desc others[] = {
		{.addr = BUF(1), .len = 1, .flags = WRITE},
		{.addr = HIGH - 1, .len = 2}, /* two regions */
		{.addr = TABLE, .len = 16, .flags = INDIRECT},
	};
	struct virtq_plain got[SIZE];

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct packed_bed b;

		packed_open(&b);
		((struct vring_packed_desc *)(void *)(b.bed.low + (TABLE - LOW)))->addr = BUF(2);
		put_one(&b, 0, 0);
		put(&b, others[i].addr, others[i].len, 1, others[i].flags);
		put(&b, BUF(2), 1, 0, NEXT);
		put_one(&b, 2, 0);
		put_one(&b, 3, 0);
		assert_int_equal(virtq_pop_plain(&b.bed.q, got, SIZE, VIRTQ_READ), 1);
		for (uint16_t id = 1; id < 3; id++) {
			assert_int_equal(virtq_pop_plain(&b.bed.q, got, SIZE, VIRTQ_READ), 0);
			assert_int_equal(pop(&b), 1);
			assert_int_equal(b.bed.chain.buffer.id, id);
		}
		assert_int_equal(virtq_pop_plain(&b.bed.q, got, SIZE, VIRTQ_READ), 1);
		assert_int_equal(got[0].id, 3);
		bed_close(&b.bed);
	}
}

TEST(a_burst_takes_no_slot_twice)
{
	struct virtq_plain got[4];
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 2, 0);
	put_one(&b, 0, 0);
	put_one(&b, 1, 0);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 1, VIRTQ_READ), 1);
	put_one(&b, 2, 0);
	put_one(&b, 3, 0);
	assert_int_equal(
		virtq_pop_plain(&b.bed.q, got, 4, VIRTQ_READ), 0); /* the slot is in the next lap already */
	put(&b, BUF(0), 1, 0, 0);
	put(&b, BUF(0), 1, 1, 0);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 4, VIRTQ_READ), 1);
	assert_int_equal(virtq_pop_plain(&b.bed.q, got, 4, VIRTQ_READ), 0);
	bed_close(&b.bed);
}

/* Room for SIZE buffers, however many pieces each of them might have had. */
static struct virtq_seg pieces_segs[VIRTQ_MAX_CHAIN + 64];

static uint32_t pop_pieces(struct packed_bed *b, struct virtq_pieces *got)
{
	return virtq_pop_pieces(&b->bed.q, got, SIZE, pieces_segs, ARRAY_LEN(pieces_segs));
}

static struct vring_packed_desc *table_of(struct packed_bed *b, uint64_t gpa)
{
	return (struct vring_packed_desc *)(void *)(b->bed.low + (gpa - LOW));
}

/* A plain buffer, a chain of three over the end of the ring, a table of two, another plain one. */
TEST(buffers_in_pieces_are_taken_and_returned_together_over_the_end_of_the_ring)
{
	static const struct {
		uint16_t id, slots;
		uint32_t n, len;
	} want[] = {{40, 1, 1, 100}, {41, 3, 3, 79}, {42, 1, 2, 3}, {43, 1, 1, 100}};
	struct virtq_pieces got[SIZE];
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 7, 5);
	assert_int_equal(pop_pieces(&b, got), 0);
	put_one(&b, 40, 0);
	put(&b, BUF(0), 12, 0, NEXT);
	put(&b, BUF(1), 60, 0, NEXT);
	put(&b, BUF(2), 7, 41, 0);
	table_of(&b, TABLE)[0] = (struct vring_packed_desc){.addr = BUF(3), .len = 1, .flags = NEXT};
	table_of(&b, TABLE)[1] = (struct vring_packed_desc){.addr = BUF(4), .len = 2};
	put(&b, TABLE, 32, 42, INDIRECT);
	put_one(&b, 43, 0);
	assert_int_equal(pop_pieces(&b, got), 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(got[i].buffer.id, want[i].id);
		assert_int_equal(got[i].buffer.slots, want[i].slots);
		assert_int_equal(got[i].n, want[i].n);
		assert_int_equal(got[i].len, want[i].len);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(gmem_gpa_of(b.bed.mem, got[1].segs[i].addr), BUF(i));
	assert_int_equal(got[1].segs[1].len, 60);
	assert_int_equal(gmem_gpa_of(b.bed.mem, got[2].segs[1].addr), BUF(4));
	virtq_push_pieces(&b.bed.q, got, 1);
	virtq_push_pieces(&b.bed.q, got + 1, 3);
	check_none_used(&b);
	virtq_flush(&b.bed.q);
	for (uint32_t i = 0; i < 4; i++)
		check_used(&b, want[i].slots, want[i].id, 0);
	check_none_used(&b);
	assert_int_equal(pop_pieces(&b, got), 0);
	bed_close(&b.bed);
}

TEST(a_buffer_that_is_not_as_usual_ends_a_burst_in_pieces_and_is_taken_alone)
{
	static const struct vring_packed_desc others[] = {
		{.addr = BUF(1), .len = 1, .flags = WRITE}, {.addr = HIGH - 1, .len = 2}, /* two regions */
		{.addr = BUF(1), .len = 0},                        /* no piece at all */
		{.addr = HIGH - 16, .len = 32, .flags = INDIRECT}, /* a table in two regions */
		{.addr = TABLE, .len = 32, .flags = INDIRECT},     /* with an empty entry */
	};
	struct virtq_pieces got[SIZE];

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct packed_bed b;

		packed_open(&b);
		*table_of(&b, TABLE) = (struct vring_packed_desc){.addr = BUF(2), .len = 1};
		*table_of(&b, HIGH - 16) = (struct vring_packed_desc){.addr = BUF(3), .len = 1};
		*(struct vring_packed_desc *)(void *)b.bed.high =
			(struct vring_packed_desc){.addr = BUF(3), .len = 1};
		put_one(&b, 0, 0);
		put(&b, others[i].addr, others[i].len, 1, others[i].flags);
		put_one(&b, 2, 0);
		assert_int_equal(pop_pieces(&b, got), 1);
		assert_int_equal(pop_pieces(&b, got), 0);
		assert_int_equal(pop(&b), 1);
		assert_int_equal(b.bed.chain.buffer.id, 1);
		assert_int_equal(pop_pieces(&b, got), 1);
		assert_int_equal(got[0].buffer.id, 2);
		bed_close(&b.bed);
	}
}

TEST(nonsense_ends_a_burst_in_pieces_and_is_left_to_who_takes_it_alone)
{
	static const struct vring_packed_desc bad[] = {
		{.addr = UINT64_MAX - 5, .len = 100},
		{.addr = TABLE, .len = 8, .flags = INDIRECT},
		{.addr = TABLE, .len = 24, .flags = INDIRECT},
		{.addr = TABLE, .len = 0, .flags = INDIRECT},
		{.addr = TABLE, .len = 16, .flags = INDIRECT | NEXT},
		{.addr = TABLE + 0x100, .len = 16, .flags = INDIRECT}, /* of a table */
		{.addr = TABLE + 0x204, .len = 16, .flags = INDIRECT},
		{.addr = UINT64_MAX - 15, .len = 32, .flags = INDIRECT},
	};
	static const struct vring_packed_desc usual = {.addr = BUF(2), .len = 1};
	struct virtq_pieces got[SIZE];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct packed_bed b;

		packed_open(&b);
		table_of(&b, TABLE)[0] = usual;
		table_of(&b, TABLE)[1] = usual;
		*table_of(&b, TABLE + 0x100) =
			(struct vring_packed_desc){.addr = TABLE, .len = 16, .flags = INDIRECT};
		memcpy(table_of(&b, TABLE + 0x204), &usual, sizeof(usual));
		put_one(&b, 0, 0);
		put(&b, bad[i].addr, bad[i].len, 1, bad[i].flags);
		put_one(&b, 2, 0);
		assert_int_equal(pop_pieces(&b, got), 1);
		assert_int_equal(pop_pieces(&b, got), 0);
		assert_int_equal(b.bed.q.error, VIRTQ_OK);
		assert_int_equal(pop(&b), -EPROTO);
		assert_int_equal(pop_pieces(&b, got), 0);
		bed_close(&b.bed);
	}
}

/* A chain over all that is there, and on into a slot that is taken. */
TEST(a_chain_in_pieces_takes_no_slot_twice)
{
	struct virtq_pieces got[SIZE];
	struct packed_bed b;

	packed_open(&b);
	put_one(&b, 0, 0);
	assert_int_equal(pop_pieces(&b, got), 1);
	for (uint32_t i = 1; i < SIZE; i++)
		put(&b, BUF(0), 1, 0, NEXT);
	assert_int_equal(pop_pieces(&b, got), 0);
	assert_int_equal(pop(&b), -EPROTO);
	assert_int_equal(b.bed.q.error, VIRTQ_CHAIN_LOOP);
	bed_close(&b.bed);
}

/* The driver fills a slot anew whose return it has not seen. */
TEST(a_burst_in_pieces_takes_no_slot_twice)
{
	struct virtq_pieces got[SIZE];
	struct packed_bed b;

	packed_open(&b);
	packed_restart(&b, FEATURES, 2, 0);
	put_one(&b, 0, 0);
	put_one(&b, 1, 0);
	assert_int_equal(virtq_pop_pieces(&b.bed.q, got, 1, pieces_segs, ARRAY_LEN(pieces_segs)), 1);
	*table_of(&b, TABLE) = (struct vring_packed_desc){.addr = BUF(2), .len = 1};
	put(&b, TABLE, 16, 2, INDIRECT);
	assert_int_equal(pop_pieces(&b, got), 1);
	assert_int_equal(got[0].buffer.id, 1);
	assert_int_equal(pop_pieces(&b, got), 0);
	bed_close(&b.bed);
}

TESTS(cmocka_unit_test(plain_buffers_are_taken_and_returned_together_over_the_end_of_the_ring),
	cmocka_unit_test(a_buffer_that_is_not_plain_ends_a_burst_and_is_taken_alone),
	cmocka_unit_test(a_burst_takes_no_slot_twice),
	cmocka_unit_test(buffers_in_pieces_are_taken_and_returned_together_over_the_end_of_the_ring),
	cmocka_unit_test(a_buffer_that_is_not_as_usual_ends_a_burst_in_pieces_and_is_taken_alone),
	cmocka_unit_test(nonsense_ends_a_burst_in_pieces_and_is_left_to_who_takes_it_alone),
	cmocka_unit_test(a_chain_in_pieces_takes_no_slot_twice),
	cmocka_unit_test(a_burst_in_pieces_takes_no_slot_twice))
