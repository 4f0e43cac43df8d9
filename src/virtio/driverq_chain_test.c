/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of requests: chains of several pieces, which the device reads and writes and returns in any order. */
#include "virtio/driverq.h"

#include "base/random.h"
#include "virtio/driverq_bed.h"
#include "virtio/packed.h"

#include <errno.h>
#include <string.h>

#define PACKED   BIT(VIRTIO_F_RING_PACKED)
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)

#define REQUESTS   64u
#define PIECES_MAX 6u
#define PIECE_LEN  48u

/* What lies in shared memory for each request, behind the ring. */
struct slot {
	struct vring_desc table[PIECES_MAX];
	uint8_t bytes[PIECES_MAX][PIECE_LEN];
};

/* What we know of it. */
struct request {
	bool busy, returned;
	uint32_t n_read, n_write, written;
	struct driverq_piece pieces[PIECES_MAX];
};

static struct driverq_bed bed;
static struct request requests[REQUESTS];
static uint16_t by_number[DRIVERQ_MAX_SIZE];
static struct random r;

static void open_bed(uint32_t size, uint64_t features)
{
	bed_open(&bed, size, features, true);
	bed.q.buffers = NULL;
	memset(requests, 0, sizeof(requests));
	random_init(&r, size + features);
}

static struct slot *slot_of(uint32_t i)
{
	return &((struct slot *)(void *)(bed.memory + bed.layout.len))[i];
}

static uint8_t byte_of(uint32_t request, uint32_t piece, uint32_t at)
{
	return (uint8_t)(request * 31 + piece * 7 + at);
}

static struct driverq_chain make_chain(uint32_t i, bool indirect)
{
	struct request *q = &requests[i];

	*q = (struct request){.busy = true, .n_read = random_below(&r, 4), .n_write = random_below(&r, 4)};
	if (q->n_read + q->n_write == 0)
		q->n_write = 1;
	for (uint32_t k = 0; k < q->n_read + q->n_write; k++) {
		q->pieces[k] = (struct driverq_piece){slot_of(i)->bytes[k], 1 + random_below(&r, PIECE_LEN)};
		for (uint32_t b = 0; b < q->pieces[k].len; b++)
			slot_of(i)->bytes[k][b] = k < q->n_read ? byte_of(i, k, b) : 0;
	}
	return (struct driverq_chain){.pieces = q->pieces,
		.n_read = q->n_read,
		.n_write = q->n_write,
		.table = indirect ? slot_of(i)->table : NULL};
}

/* False: there is no room. */
static bool offer(uint64_t features)
{
	uint32_t i = random_below(&r, REQUESTS);
	struct driverq_chain chain;

	if (requests[i].busy || driverq_room(&bed.q) == 0)
		return false;
	chain = make_chain(i, features & INDIRECT && random_below(&r, 2));
	if (driverq_chain_descs(&chain) > driverq_room(&bed.q)) {
		requests[i].busy = false;
		return false;
	}
	by_number[driverq_add_chain(&bed.q, &chain)] = (uint16_t)i;
	return true;
}

/* The device reads what it finds and fills what it may write. */
static void serve(const struct virtq_chain *chain)
{
	const uint32_t i = by_number[chain->buffer.id];
	struct request *q = &requests[i];

	assert_true(q->busy && !q->returned);
	assert_int_equal(chain->n_read, q->n_read);
	assert_int_equal(chain->n_write, q->n_write);
	for (uint32_t k = 0; k < q->n_read + q->n_write; k++) {
		assert_int_equal(chain->segs[k].len, q->pieces[k].len);
		for (uint32_t b = 0; b < chain->segs[k].len; b++)
			assert_int_equal(chain->segs[k].addr[b], k < q->n_read ? byte_of(i, k, b) : 0);
	}
	q->written = random_below(&r, (uint32_t)chain->write_len + 1);
	q->returned = true;
}

static void take_back(const struct driverq_used *used)
{
	struct request *q = &requests[by_number[used->buffer]];

	assert_true(q->busy && q->returned);
	assert_int_equal(used->len, q->n_write > 0 ? q->written : 0);
	q->busy = false;
}

static void check_requests(uint32_t size, uint64_t features)
{
	struct virtq_buffer held[REQUESTS];
	uint32_t lens[REQUESTS], n_held = 0, back = 0;
	struct driverq_used used;
	struct virtq_chain chain;

	open_bed(size, features);
	for (uint32_t round = 0; round < 3000; round++) {
		while (offer(features))
			;
		driverq_publish(&bed.q);
		while (n_held < REQUESTS && random_below(&r, 4) > 0 && bed_pop(&bed, &chain)) {
			serve(&chain);
			lens[n_held] = requests[by_number[chain.buffer.id]].written;
			held[n_held++] = chain.buffer;
		}
		while (n_held > 0 && random_below(&r, 3) > 0) {
			uint32_t i = random_below(&r, n_held);

			virtq_push(&bed.device, held[i], lens[i]);
			held[i] = held[--n_held];
			lens[i] = lens[n_held];
		}
		virtq_flush(&bed.device);
		for (; driverq_take(&bed.q, &used) == 1; back++)
			take_back(&used);
		assert_int_equal(bed.q.error, DRIVERQ_OK);
		assert_int_equal(bed.device.error, VIRTQ_OK);
	}
	assert_true(back > 1000);
	bed_close(&bed);
}

TEST(requests_arrive_and_return_in_any_order_in_a_split_ring)
{
	check_requests(8, 0);
	check_requests(256, 0);
}

TEST(requests_arrive_and_return_in_any_order_in_a_packed_ring)
{
	check_requests(7, PACKED);
	check_requests(8, PACKED);
	check_requests(256, PACKED);
}

TEST(requests_through_indirect_tables_arrive_beside_others)
{
	check_requests(8, INDIRECT);
	check_requests(256, INDIRECT);
	check_requests(7, PACKED | INDIRECT);
	check_requests(256, PACKED | INDIRECT);
}

/* Where the device is: it has nothing in hands. */
static uint32_t device_base(void)
{
	const uint16_t place = bed.device.next_used;
	const uint32_t base = packed_off_wrap(bed.q.size, place);

	return bed.q.packed ? base << 16 | base : place;
}

/* Some requests are returned, and of those some taken back: a successor goes on behind all that were returned. */
static void check_resume(uint32_t size, uint64_t features)
{
	struct driverq_used used;
	struct virtq_chain chain;

	open_bed(size, features);
	for (uint32_t round = 0; round < 500; round++) {
		while (offer(features))
			;
		driverq_publish(&bed.q);
		while (random_below(&r, 3) > 0 && bed_pop(&bed, &chain)) {
			serve(&chain);
			virtq_push(&bed.device, chain.buffer, requests[by_number[chain.buffer.id]].written);
		}
		virtq_flush(&bed.device);
		assert_int_equal(driverq_resume_base(&bed.q), device_base());
		while (random_below(&r, 4) > 0 && driverq_take(&bed.q, &used) == 1)
			take_back(&used);
		assert_int_equal(driverq_resume_base(&bed.q), device_base());
	}
	bed_close(&bed);
}

TEST(a_successor_goes_on_behind_what_was_returned)
{
	check_resume(8, 0);
	check_resume(256, INDIRECT);
	check_resume(7, PACKED);
	check_resume(256, PACKED | INDIRECT);
}

TEST(an_indirect_table_takes_one_descriptor)
{
	struct driverq_chain chain;

	open_bed(8, INDIRECT);
	chain = make_chain(0, true);
	driverq_add_chain(&bed.q, &chain);
	assert_int_equal(driverq_room(&bed.q), 7);
	bed_close(&bed);
}

/* More than the pieces it may write, although the chain as a whole is longer. */
static void check_too_long(uint64_t features)
{
	struct driverq_piece pieces[2] = {{.len = 100}, {.len = 8}};
	struct driverq_chain request = {.pieces = pieces, .n_read = 1, .n_write = 1};
	struct virtq_chain chain;
	struct driverq_used used;

	open_bed(8, features);
	pieces[0].at = slot_of(0);
	pieces[1].at = slot_of(1);
	driverq_add_chain(&bed.q, &request);
	driverq_publish(&bed.q);
	assert_true(bed_pop(&bed, &chain));
	virtq_push(&bed.device, chain.buffer, 9);
	virtq_flush(&bed.device);
	assert_int_equal(driverq_take(&bed.q, &used), -EPROTO);
	assert_int_equal(bed.q.error, DRIVERQ_LEN);
	bed_close(&bed);
}

TEST(more_bytes_than_a_request_lets_be_written_break_the_queue)
{
	check_too_long(0);
	check_too_long(PACKED);
}

TESTS(cmocka_unit_test(requests_arrive_and_return_in_any_order_in_a_split_ring),
	cmocka_unit_test(requests_arrive_and_return_in_any_order_in_a_packed_ring),
	cmocka_unit_test(requests_through_indirect_tables_arrive_beside_others),
	cmocka_unit_test(a_successor_goes_on_behind_what_was_returned),
	cmocka_unit_test(an_indirect_table_takes_one_descriptor),
	cmocka_unit_test(more_bytes_than_a_request_lets_be_written_break_the_queue))
