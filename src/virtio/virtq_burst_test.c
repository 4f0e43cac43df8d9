/* SPDX-License-Identifier: Apache-2.0 */
/* Bursts of buffers from a split ring: plain ones, and those in pieces. */
#include "virtio/virtq_split_bed.h"

TEST(plain_buffers_are_taken_and_returned_together)
{
	struct virtq_plain got[SIZE];
	struct bed b;

	bed_open(&b);
	start(&b, FEATURES, 0xfffd); /* over the end of the ring, and of the index */
	assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_WRITE), 0);
	for (uint16_t i = 0; i < 5; i++)
		offer_one(&b, (uint16_t)(6 - i), VRING_DESC_F_WRITE);
	assert_int_equal(virtq_pop_plain(&b.q, got, 4, VIRTQ_WRITE), 4);
	for (uint16_t i = 0; i < 4; i++) {
		assert_int_equal(got[i].id, 6 - i);
		assert_int_equal(got[i].len, 100);
		assert_int_equal(gmem_gpa_of(b.mem, got[i].addr), BUF(6 - i));
		got[i].len = i;
	}
	virtq_push_plain(&b.q, got, 2, VIRTQ_WRITE);
	virtq_push_plain(&b.q, got + 2, 2, VIRTQ_READ);
	assert_int_equal(used_of(&b)->idx, 0xfffd);
	virtq_flush(&b.q);
	assert_int_equal(used_of(&b)->idx, 1);
	for (uint16_t i = 0; i < 4; i++) {
		const struct vring_used_elem *e = &used_of(&b)->ring[(0xfffd + i) % SIZE];

		assert_int_equal(e->id, 6 - i);
		assert_int_equal(e->len, i < 2 ? i : 0);
	}
	assert_int_equal(virtq_available(&b.q, 1), 1);
	bed_close(&b);
}

TEST(a_buffer_that_is_not_plain_ends_a_burst_and_is_taken_alone)
{
	static const struct vring_desc others[] = {
		{.addr = BUF(1), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 7},
		{.addr = BUF(1), .len = 1, .flags = VRING_DESC_F_WRITE},
		{.addr = HIGH - 1, .len = 2}, /* two regions */
		{.addr = TABLE, .len = 16, .flags = VRING_DESC_F_INDIRECT},
	};
	struct virtq_plain got[SIZE];

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct bed b;

		bed_open(&b);
		desc(&b, 7, (struct vring_desc){.addr = BUF(2), .len = 1});
		table_at(&b, TABLE)[0] = (struct vring_desc){.addr = BUF(3), .len = 1};
		offer_one(&b, 0, 0);
		desc(&b, 1, others[i]);
		offer(&b, 1);
		offer_one(&b, 2, 0);
		assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 1);
		assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 0);
		assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
		assert_int_equal(b.chain.buffer.id, 1);
		assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 1);
		assert_int_equal(got[0].id, 2);
		bed_close(&b);
	}
}

TEST(nonsense_ends_a_burst_and_breaks_the_queue_when_it_is_taken_alone)
{
	static const struct vring_desc bad = {.addr = UINT64_MAX - 5, .len = 100};
	struct virtq_plain got[SIZE];
	struct bed b;

	bed_open(&b);
	offer_one(&b, 0, 0);
	desc(&b, 1, bad);
	offer(&b, 1);
	assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 1);
	assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 0);
	check_breaks(&b, VIRTQ_ADDRESS);
	offer(&b, SIZE);
	assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 0);
	check_breaks(&b, VIRTQ_HEAD_RANGE);
	avail_of(&b)->idx = SIZE + 1;
	assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 0);
	check_breaks(&b, VIRTQ_AVAIL_JUMPED);
	assert_int_equal(virtq_pop_plain(&b.q, got, SIZE, VIRTQ_READ), 0);
	bed_close(&b);
}

/* Room for SIZE buffers, however many pieces each of them might have had. */
static struct virtq_seg pieces_segs[VIRTQ_MAX_CHAIN + 64];

static uint32_t pop_pieces(struct bed *b, struct virtq_pieces *got)
{
	return virtq_pop_pieces(&b->q, got, SIZE, pieces_segs, ARRAY_LEN(pieces_segs));
}

TEST(buffers_in_pieces_are_taken_and_returned_together)
{
	struct virtq_pieces got[SIZE];
	struct bed b;

	bed_open(&b);
	start(&b, FEATURES, 0xfffd); /* over the end of the ring, and of the index */
	assert_int_equal(pop_pieces(&b, got), 0);
	/* a plain one, a chain of three, a table of two whose second entry comes first in memory */
	offer_one(&b, 6, 0);
	desc(&b, 0, (struct vring_desc){.addr = BUF(0), .len = 12, .flags = VRING_DESC_F_NEXT, .next = 5});
	desc(&b, 5, (struct vring_desc){.addr = BUF(1), .len = 60, .flags = VRING_DESC_F_NEXT, .next = 1});
	desc(&b, 1, (struct vring_desc){.addr = BUF(2), .len = 7});
	offer(&b, 0);
	table_at(&b, TABLE)[0] =
		(struct vring_desc){.addr = BUF(3), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 2};
	table_at(&b, TABLE)[2] = (struct vring_desc){.addr = BUF(4), .len = 2};
	desc(&b, 3, (struct vring_desc){.addr = TABLE, .len = 48, .flags = VRING_DESC_F_INDIRECT});
	offer(&b, 3);
	assert_int_equal(pop_pieces(&b, got), 3);
	for (uint32_t i = 0; i < 3; i++) {
		static const struct {
			uint16_t id;
			uint32_t n, len;
		} want[] = {{6, 1, 100}, {0, 3, 79}, {3, 2, 3}};

		assert_int_equal(got[i].buffer.id, want[i].id);
		assert_int_equal(got[i].buffer.slots, 1);
		assert_int_equal(got[i].n, want[i].n);
		assert_int_equal(got[i].len, want[i].len);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(gmem_gpa_of(b.mem, got[1].segs[i].addr), BUF(i));
	assert_int_equal(got[1].segs[1].len, 60);
	assert_int_equal(gmem_gpa_of(b.mem, got[2].segs[1].addr), BUF(4));
	virtq_push_pieces(&b.q, got, 3);
	assert_int_equal(used_of(&b)->idx, 0xfffd);
	virtq_flush(&b.q);
	for (uint16_t i = 0; i < 3; i++) {
		const struct vring_used_elem *e = &used_of(&b)->ring[(0xfffd + i) % SIZE];

		assert_int_equal(e->id, got[i].buffer.id);
		assert_int_equal(e->len, 0);
	}
	assert_int_equal(virtq_available(&b.q, 1), 0);
	bed_close(&b);
}

TEST(a_buffer_that_is_not_as_usual_ends_a_burst_in_pieces_and_is_taken_alone)
{
	static const struct vring_desc others[] = {
		{.addr = BUF(1), .len = 1, .flags = VRING_DESC_F_WRITE},
		{.addr = HIGH - 1, .len = 2},                                      /* two regions */
		{.addr = BUF(1), .len = 0},                                        /* no piece at all */
		{.addr = BUF(1), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 7}, /* its end is empty */
		{.addr = HIGH - 16, .len = 32, .flags = VRING_DESC_F_INDIRECT}, /* a table in two regions */
	};
	struct virtq_pieces got[SIZE];

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct bed b;

		bed_open(&b);
		desc(&b, 7, (struct vring_desc){.addr = BUF(2)});
		*table_at(&b, HIGH - 16) = (struct vring_desc){.addr = BUF(3), .len = 1};
		offer_one(&b, 0, 0);
		desc(&b, 1, others[i]);
		offer(&b, 1);
		offer_one(&b, 2, 0);
		assert_int_equal(pop_pieces(&b, got), 1);
		assert_int_equal(pop_pieces(&b, got), 0);
		assert_int_equal(virtq_pop(&b.q, &b.chain), 1);
		assert_int_equal(b.chain.buffer.id, 1);
		assert_int_equal(pop_pieces(&b, got), 1);
		assert_int_equal(got[0].buffer.id, 2);
		bed_close(&b);
	}
}

/* Entries of tables that lead nowhere; but whoever reads on where he should not finds something usual. */
static void make_traps(struct bed *b)
{
	const struct vring_desc usual = {.addr = BUF(2), .len = 1};

	desc(b, SIZE, usual);
	for (uint32_t i = 0; i < 3; i++)
		table_at(b, TABLE)[i] = usual;
	table_at(b, TABLE + 0x100)[0] =
		(struct vring_desc){.addr = BUF(2), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 2};
	table_at(b, TABLE + 0x100)[2] = usual;
	table_at(b, TABLE + 0x200)[0] =
		(struct vring_desc){.addr = TABLE, .len = 16, .flags = VRING_DESC_F_INDIRECT};
	memcpy(table_at(b, TABLE + 0x304), &usual, sizeof(usual));
}

TEST(nonsense_ends_a_burst_in_pieces_and_breaks_the_queue_when_it_is_taken_alone)
{
	static const struct {
		struct vring_desc desc;
		enum virtq_error error;
	} bad[] = {
		{{.addr = UINT64_MAX - 5, .len = 100}, VIRTQ_ADDRESS},
		{{.addr = BUF(1), .len = 1, .flags = VRING_DESC_F_NEXT, .next = SIZE}, VIRTQ_NEXT_RANGE},
		{{.addr = BUF(1), .len = 1, .flags = VRING_DESC_F_NEXT, .next = 1}, VIRTQ_CHAIN_LOOP},
		{{.addr = TABLE, .len = 8, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_INDIRECT_TABLE},
		{{.addr = TABLE, .len = 24, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_INDIRECT_TABLE},
		{{.addr = TABLE, .len = 0, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_INDIRECT_TABLE},
		{{.addr = TABLE + 0x100, .len = 32, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_NEXT_RANGE},
		{{.addr = TABLE + 0x200, .len = 16, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_INDIRECT_TABLE},
		{{.addr = TABLE + 0x304, .len = 16, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_INDIRECT_TABLE},
		{{.addr = UINT64_MAX - 15, .len = 32, .flags = VRING_DESC_F_INDIRECT}, VIRTQ_ADDRESS},
	};
	struct virtq_pieces got[SIZE];
	struct bed b;

	bed_open(&b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		make_traps(&b);
		offer_one(&b, 0, 0);
		desc(&b, 1, bad[i].desc);
		offer(&b, 1);
		assert_int_equal(pop_pieces(&b, got), 1);
		assert_int_equal(pop_pieces(&b, got), 0);
		assert_int_equal(b.q.error, VIRTQ_OK);
		check_breaks(&b, bad[i].error);
	}
	make_traps(&b);
	offer(&b, SIZE);
	assert_int_equal(pop_pieces(&b, got), 0);
	check_breaks(&b, VIRTQ_HEAD_RANGE);
	start(&b, 0, 0); /* no tables were negotiated */
	make_traps(&b);
	desc(&b, 1, (struct vring_desc){.addr = TABLE, .len = 16, .flags = VRING_DESC_F_INDIRECT});
	offer(&b, 1);
	assert_int_equal(pop_pieces(&b, got), 0);
	check_breaks(&b, VIRTQ_INDIRECT_TABLE);
	bed_close(&b);
}

TEST(a_burst_in_pieces_ends_before_there_is_no_room_for_the_longest_chain)
{
	struct virtq_pieces got[SIZE];
	struct bed b;

	bed_open(&b);
	for (uint16_t i = 0; i < 3; i++)
		offer_one(&b, i, 0);
	assert_int_equal(virtq_pop_pieces(&b.q, got, SIZE, pieces_segs, VIRTQ_MAX_CHAIN + 1), 2);
	assert_int_equal(virtq_pop_pieces(&b.q, got, SIZE, pieces_segs, VIRTQ_MAX_CHAIN - 1), 0);
	assert_int_equal(virtq_pop_pieces(&b.q, got, SIZE, pieces_segs, VIRTQ_MAX_CHAIN), 1);
	bed_close(&b);
}

TESTS(cmocka_unit_test(plain_buffers_are_taken_and_returned_together),
	cmocka_unit_test(a_buffer_that_is_not_plain_ends_a_burst_and_is_taken_alone),
	cmocka_unit_test(nonsense_ends_a_burst_and_breaks_the_queue_when_it_is_taken_alone),
	cmocka_unit_test(buffers_in_pieces_are_taken_and_returned_together),
	cmocka_unit_test(a_buffer_that_is_not_as_usual_ends_a_burst_in_pieces_and_is_taken_alone),
	cmocka_unit_test(nonsense_ends_a_burst_in_pieces_and_breaks_the_queue_when_it_is_taken_alone),
	cmocka_unit_test(a_burst_in_pieces_ends_before_there_is_no_room_for_the_longest_chain))
