/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/driverq.h"

#include "base/random.h"
#include "virtio/driverq_bed.h"
#include "virtio/packed.h"

#include <errno.h>
#include <string.h>

#define PACKED    BIT(VIRTIO_F_RING_PACKED)
#define EVENT_IDX BIT(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER  BIT(VIRTIO_F_IN_ORDER)

static struct driverq_bed bed;

static const uint32_t split_sizes[] = {1, 2, 8, 64, 256};
static const uint32_t packed_sizes[] = {1, 2, 3, 7, 8, 100, 257};

/* Each kind of ring: both formats in several sizes, with and without EVENT_IDX and IN_ORDER. */
static void each_ring(void (*check)(uint32_t size, uint64_t features))
{
	for (uint32_t set = 0; set < 4; set++) {
		uint64_t features = (set & 1 ? EVENT_IDX : 0) | (set & 2 ? IN_ORDER : 0);

		for (uint32_t i = 0; i < ARRAY_LEN(split_sizes); i++)
			check(split_sizes[i], features);
		for (uint32_t i = 0; i < ARRAY_LEN(packed_sizes); i++)
			check(packed_sizes[i], features | PACKED);
	}
}

/* --- what a driver sends arrives --- */

/* Content of the buffers, in the order in which they are added and read. */
static struct random writes, reads;

static void write_chain(uint32_t n, uint32_t len)
{
	for (uint32_t i = 0, left = len; i < n; i++, left -= min_u32(left, BED_BUFFER_LEN))
		for (uint32_t k = 0; k < min_u32(left, BED_BUFFER_LEN); k++)
			driverq_next(&bed.q, i)[k] = (uint8_t)random_u64(&writes);
	driverq_add(&bed.q, n, len);
}

static void check_chain(const struct virtq_chain *chain)
{
	assert_int_equal(chain->n_write, 0);
	for (uint32_t i = 0; i < chain->n_read; i++)
		for (uint32_t k = 0; k < chain->segs[i].len; k++)
			assert_int_equal(chain->segs[i].addr[k], (uint8_t)random_u64(&reads));
}

/* Chains of random length go out and come back, at random times; the device may hold some and mix them up. */
static void check_sending(uint32_t size, uint64_t features)
{
	struct virtq_buffer held[300];
	struct driverq_used used;
	uint32_t n_held = 0, sent = 0, back = 0;
	struct random r;

	random_init(&r, size + features);
	random_init(&writes, 1);
	random_init(&reads, 1);
	bed_open(&bed, size, features, false);
	for (uint32_t round = 0; round < 2000; round++) {
		struct virtq_chain chain;

		while (driverq_room(&bed.q) > 0 && random_below(&r, 3) > 0) {
			uint32_t n = 1 + random_below(&r, min_u32(driverq_room(&bed.q), 5));

			write_chain(n, (n - 1) * BED_BUFFER_LEN + random_below(&r, BED_BUFFER_LEN) + 1);
			sent++;
		}
		driverq_publish(&bed.q);
		while (random_below(&r, 3) > 0 && bed_pop(&bed, &chain)) {
			check_chain(&chain);
			held[n_held++] = chain.buffer;
		}
		while (n_held > 0 && random_below(&r, 3) > 0) {
			uint32_t i = features & IN_ORDER ? 0 : random_below(&r, n_held);

			virtq_push(&bed.device, held[i], 0);
			memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof(held[0]));
		}
		virtq_flush(&bed.device);
		while (random_below(&r, 4) > 0 && driverq_take(&bed.q, &used) == 1)
			back++;
		assert_int_equal(bed.q.error, DRIVERQ_OK);
		assert_int_equal(bed.device.error, VIRTQ_OK);
	}
	assert_true(sent >= back && sent - back <= size && back > 500);
	bed_close(&bed);
}

TEST(what_a_driver_sends_arrives_in_any_kind_of_ring)
{
	each_ring(check_sending);
}

/* --- what a device writes comes back --- */

static void check_receiving(uint32_t size, uint64_t features)
{
	uint32_t next_len = 0, expected = 0;
	struct driverq_used used;
	struct virtq_chain chain;
	struct random r;

	random_init(&r, 7 * size + features);
	bed_open(&bed, size, features, true);
	for (uint32_t round = 0; round < 1000; round++) {
		while (driverq_room(&bed.q) > 0)
			driverq_add(&bed.q, 1, BED_BUFFER_LEN);
		driverq_publish(&bed.q);
		while (random_below(&r, 4) > 0 && bed_pop(&bed, &chain)) {
			assert_int_equal(chain.n_read, 0);
			assert_int_equal(chain.write_len, BED_BUFFER_LEN);
			chain.segs[0].addr[0] = (uint8_t)next_len;
			virtq_push(&bed.device, chain.buffer, next_len++ % (BED_BUFFER_LEN + 1));
		}
		virtq_flush(&bed.device);
		while (random_below(&r, 4) > 0 && driverq_take(&bed.q, &used) == 1) {
			assert_int_equal(driverq_buffer(&bed.q, used.buffer)[0], (uint8_t)expected);
			assert_int_equal(used.len, expected++ % (BED_BUFFER_LEN + 1));
		}
		assert_int_equal(bed.q.error, DRIVERQ_OK);
	}
	assert_true(expected > 400);
	bed_close(&bed);
}

TEST(what_a_device_writes_comes_back_in_any_kind_of_ring)
{
	each_ring(check_receiving);
}

/* --- in order --- */

/* A device that tells of several chains by the last one alone. */
static void use_batch(struct virtq_buffer *chains, uint32_t n, uint32_t last_len)
{
	struct virtq_buffer all = {.id = chains[n - 1].id};

	for (uint32_t i = 0; i < n; i++)
		all.slots = (uint16_t)(all.slots + chains[i].slots);
	virtq_push(&bed.device, all, last_len);
	if (!bed.device.packed)
		bed.device.next_used = (uint16_t)(bed.device.next_used + n - 1);
	virtq_flush(&bed.device);
}

static void check_batches(uint32_t size, uint64_t features)
{
	struct random r;

	if (!(features & IN_ORDER))
		return;
	random_init(&r, size);
	bed_open(&bed, size, features, true);
	for (uint32_t round = 0; round < 500; round++) {
		struct virtq_buffer chains[300];
		struct virtq_chain chain;
		struct driverq_used used;
		uint32_t n = 0, last_len = random_below(&r, BED_BUFFER_LEN);

		while (driverq_room(&bed.q) > 0)
			driverq_add(&bed.q, 1, BED_BUFFER_LEN);
		driverq_publish(&bed.q);
		while ((n == 0 || random_below(&r, 5) > 0) && bed_pop(&bed, &chain))
			chains[n++] = chain.buffer;
		use_batch(chains, n, last_len);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(driverq_take(&bed.q, &used), 1);
			assert_int_equal(used.buffer, chains[i].id);
			assert_int_equal(used.len, i == n - 1 ? last_len : BED_BUFFER_LEN);
			assert_int_equal(driverq_arm(&bed.q), i < n - 1);
		}
		assert_int_equal(driverq_take(&bed.q, &used), 0);
	}
	bed_close(&bed);
}

TEST(a_batch_in_order_is_told_by_its_last_chain)
{
	each_ring(check_batches);
}

static void check_order(uint32_t size, uint64_t features)
{
	struct virtq_chain chain;
	struct driverq_used used;
	uint16_t expected = 0;

	if (!(features & IN_ORDER))
		return;
	bed_open(&bed, size, features, false);
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t n = 1 + round % min_u32(size, 4);

		driverq_add(&bed.q, n, n * BED_BUFFER_LEN);
		driverq_publish(&bed.q);
		assert_true(bed_pop(&bed, &chain));
		assert_int_equal(chain.buffer.id, expected);
		expected = (uint16_t)((expected + n) % size);
		virtq_push(&bed.device, chain.buffer, 0);
		virtq_flush(&bed.device);
		assert_int_equal(driverq_take(&bed.q, &used), 1);
	}
	bed_close(&bed);
}

TEST(in_order_descriptors_are_used_in_the_order_of_their_numbers)
{
	each_ring(check_order);
}

/* --- notification --- */

static void add_one(void)
{
	driverq_add(&bed.q, 1, BED_BUFFER_LEN);
}

static void check_kicks(uint32_t size, uint64_t features)
{
	struct virtq_chain chain;
	struct driverq_used used;

	if (size < 2)
		return;
	bed_open(&bed, size, features, true);
	for (uint32_t round = 0; round < 3 * size; round++) {
		/* it sleeps: the first chain needs a kick, and with EVENT_IDX no other one */
		assert_false(virtq_arm(&bed.device));
		add_one();
		assert_true(driverq_publish(&bed.q));
		assert_false(driverq_publish(&bed.q));
		add_one();
		assert_int_equal(driverq_publish(&bed.q), !(features & EVENT_IDX));
		/* it is awake, and in a split ring with EVENT_IDX has no way to say so but not to ask again */
		virtq_disarm(&bed.device);
		for (uint32_t i = 0; i < 2; i++) {
			assert_true(bed_pop(&bed, &chain));
			virtq_push(&bed.device, chain.buffer, 0);
			virtq_flush(&bed.device);
			assert_int_equal(driverq_take(&bed.q, &used), 1);
			add_one();
			assert_false(driverq_publish(&bed.q));
			assert_true(bed_pop(&bed, &chain));
			virtq_push(&bed.device, chain.buffer, 0);
			virtq_flush(&bed.device);
			assert_int_equal(driverq_take(&bed.q, &used), 1);
		}
	}
	bed_close(&bed);
}

TEST(a_device_is_kicked_when_it_asked_for_that_and_only_then)
{
	each_ring(check_kicks);
}

static void device_uses(uint32_t n)
{
	struct virtq_chain chain;

	while (n-- > 0) {
		assert_true(bed_pop(&bed, &chain));
		virtq_push(&bed.device, chain.buffer, 1);
		virtq_flush(&bed.device);
	}
}

static void check_calls(uint32_t size, uint64_t features)
{
	struct driverq_used used;

	if (size < 4)
		return;
	bed_open(&bed, size, features, true);
	virtq_call_due(&bed.device); /* the one after a start */
	bed_rings(bed.call_fd);
	for (uint32_t round = 0; round < 2 * size; round++) {
		while (driverq_room(&bed.q) > 0)
			add_one();
		driverq_publish(&bed.q);
		assert_false(driverq_arm(&bed.q));
		device_uses(1);
		assert_int_equal(bed_rings(bed.call_fd), 1);
		assert_true(driverq_arm(&bed.q));
		assert_int_equal(driverq_take(&bed.q, &used), 1);
		driverq_disarm(&bed.q);
		device_uses(2);
		assert_int_equal(bed_rings(bed.call_fd), 0);
		for (uint32_t i = 0; i < 2; i++)
			assert_int_equal(driverq_take(&bed.q, &used), 1);
	}
	bed_close(&bed);
}

TEST(a_driver_is_called_when_it_asked_for_that_and_only_then)
{
	each_ring(check_calls);
}

TEST(a_kick_is_an_event_for_the_device)
{
	bed_open(&bed, 8, 0, true);
	assert_true(driverq_kick(&bed.q));
	assert_int_equal(bed_rings(bed.kick_fd), 1);
	bed_close(&bed);
}

/* --- layout --- */

TEST(the_parts_of_a_ring_are_aligned_and_apart)
{
	for (uint32_t size = 1; size <= DRIVERQ_MAX_SIZE; size = size < 100 ? size + 1 : size * 2) {
		struct driverq_layout split = driverq_layout(size, false);
		struct driverq_layout packed = driverq_layout(size, true);

		assert_true(split.avail_at >= 16 * size && split.avail_at % DRIVERQ_ALIGN == 0);
		assert_true(
			split.used_at >= split.avail_at + 6 + 2 * size && split.used_at % DRIVERQ_ALIGN == 0);
		assert_true(split.len >= split.used_at + 6 + 8 * size && split.len % DRIVERQ_ALIGN == 0);
		assert_true(packed.avail_at >= 16 * size && packed.avail_at % DRIVERQ_ALIGN == 0);
		assert_true(packed.used_at >= packed.avail_at + 4 && packed.used_at % DRIVERQ_ALIGN == 0);
		assert_true(packed.len >= packed.used_at + 4 && packed.len % DRIVERQ_ALIGN == 0);
	}
}

/* --- a lying device --- */

/* A ring of 8 with 4 chains of one buffer each, of which the device has returned the first in the right way. */
static void begin_lies(uint64_t features)
{
	struct driverq_used used;

	bed_open(&bed, 8, features, true);
	for (uint32_t i = 0; i < 4; i++)
		add_one();
	driverq_publish(&bed.q);
	device_uses(1);
	assert_int_equal(driverq_take(&bed.q, &used), 1);
	assert_int_equal(used.buffer, 0);
}

/* The device returns id with len as its next, by one used entry that stands for n. */
static void lie(uint32_t id, uint32_t len, uint16_t n)
{
	if (bed.q.packed) {
		uint64_t *words = (uint64_t *)(void *)&bed.q.slots[bed.q.next_used];

		words[1] = packed_rest(len, (uint16_t)id, packed_used_bits(true) | VRING_DESC_F_WRITE);
		return;
	}
	bed.q.used->ring[bed.q.next_used] = (struct vring_used_elem){.id = id, .len = len};
	bed.q.used->idx = (uint16_t)(bed.q.next_used + n);
}

static void check_broken(enum driverq_error error)
{
	struct driverq_used used;

	assert_int_equal(driverq_take(&bed.q, &used), -EPROTO);
	assert_int_equal(bed.q.error, error);
	assert_true(strlen(driverq_error_text(error)) > 0);
	/* for good, and the first reason stays */
	assert_int_equal(driverq_take(&bed.q, &used), 0);
	assert_int_equal(driverq_room(&bed.q), 0);
	assert_false(driverq_arm(&bed.q));
	driverq_break(&bed.q, DRIVERQ_KICK_BLOCKS);
	assert_int_equal(bed.q.error, error);
	bed_close(&bed);
}

static const uint64_t lie_sets[] = {0, PACKED, IN_ORDER, PACKED | IN_ORDER};

TEST(an_id_that_was_never_given_breaks_the_queue)
{
	for (uint32_t i = 0; i < ARRAY_LEN(lie_sets); i++) {
		begin_lies(lie_sets[i]);
		lie(4, 1, 1);
		check_broken(DRIVERQ_UNKNOWN_ID);
	}
}

TEST(an_id_that_came_back_already_breaks_the_queue)
{
	for (uint32_t i = 0; i < ARRAY_LEN(lie_sets); i++) {
		begin_lies(lie_sets[i]);
		lie(0, 1, 1);
		check_broken(DRIVERQ_UNKNOWN_ID);
	}
}

TEST(an_id_beyond_the_ring_breaks_the_queue)
{
	static const uint32_t ids[] = {8, 0x7fff, 0xffff};

	for (uint32_t i = 0; i < ARRAY_LEN(lie_sets); i++) {
		for (uint32_t k = 0; k < ARRAY_LEN(ids); k++) {
			begin_lies(lie_sets[i]);
			lie(ids[k], 1, 1);
			check_broken(DRIVERQ_UNKNOWN_ID);
		}
	}
	begin_lies(0);
	lie(0x10001, 1, 1); /* of a split ring it has 32 bits */
	check_broken(DRIVERQ_UNKNOWN_ID);
}

TEST(more_bytes_than_the_buffer_holds_break_the_queue)
{
	for (uint32_t i = 0; i < ARRAY_LEN(lie_sets); i++) {
		begin_lies(lie_sets[i]);
		lie(1, BED_BUFFER_LEN + 1, 1);
		check_broken(DRIVERQ_LEN);
	}
}

TEST(a_used_index_beyond_what_the_device_has_breaks_the_queue)
{
	static const uint16_t ns[] = {4, 0x8000, 0xffff};

	for (uint32_t i = 0; i < ARRAY_LEN(ns); i++) {
		begin_lies(0);
		lie(1, 1, ns[i]);
		check_broken(DRIVERQ_USED_JUMPED);
	}
}

TEST(a_batch_that_is_longer_than_the_used_index_says_breaks_the_queue)
{
	begin_lies(IN_ORDER);
	lie(3, 1, 2);
	check_broken(DRIVERQ_USED_JUMPED);
}

TEST(a_device_that_wrote_into_the_descriptors_changes_nothing_for_us)
{
	struct virtq_chain chain;
	struct driverq_used used;

	for (uint32_t i = 0; i < 2; i++) {
		bed_open(&bed, 8, i ? PACKED : 0, false);
		driverq_add(&bed.q, 3, 3 * BED_BUFFER_LEN);
		driverq_publish(&bed.q);
		assert_true(bed_pop(&bed, &chain));
		memset(bed.q.desc, 0xff, 8 * sizeof(*bed.q.desc));
		memset(bed.q.avail, 0xff, sizeof(*bed.q.avail));
		virtq_push(&bed.device, chain.buffer, 0);
		virtq_flush(&bed.device);
		assert_int_equal(driverq_take(&bed.q, &used), 1);
		assert_int_equal(driverq_room(&bed.q), 8);
		for (uint32_t k = 0; k < 8; k++)
			assert_in_range((uintptr_t)driverq_next(&bed.q, k), (uintptr_t)bed.q.buffers,
				(uintptr_t)bed.q.buffers + 7 * BED_BUFFER_LEN);
		bed_close(&bed);
	}
}

TEST(what_a_device_says_it_wrote_into_a_buffer_it_only_reads_means_nothing)
{
	struct driverq_used used;

	bed_open(&bed, 8, 0, false);
	add_one();
	driverq_publish(&bed.q);
	lie(0, 100000, 1);
	assert_int_equal(driverq_take(&bed.q, &used), 1);
	bed_close(&bed);
}

/* Random bytes all over the ring at random times: every buffer is always either ours or the device's, once. */
static void check_noise(uint32_t size, uint64_t features)
{
	struct random r;

	random_init(&r, 11 * size + features);
	for (uint32_t life = 0; life < 20; life++) {
		uint32_t with_device = 0;

		bed_open(&bed, size, features, true);
		for (uint32_t round = 0; round < 200 && bed.q.error == DRIVERQ_OK; round++) {
			struct driverq_used used;
			uint32_t n;

			while (driverq_room(&bed.q) > 0 && random_below(&r, 2)) {
				add_one();
				with_device++;
			}
			driverq_publish(&bed.q);
			for (n = random_below(&r, 4); n > 0; n--) {
				uint32_t at = random_below(&r, bed.layout.len / 2);

				((uint16_t *)(void *)bed.memory)[at] =
					(uint16_t)(random_below(&r, 3) ? random_below(&r, size + 1)
								       : random_u64(&r));
			}
			if (random_below(&r, 2) && bed.q.packed) /* an honest word, but for the id */
				((uint64_t *)(void *)&bed.q.slots[packed_slot(size, bed.q.next_used)])[1] =
					packed_rest(random_below(&r, BED_BUFFER_LEN + 1),
						(uint16_t)random_below(&r, size),
						packed_used_bits(packed_wrap(size, bed.q.next_used)));
			while (driverq_take(&bed.q, &used) == 1) {
				assert_true(used.buffer < size && used.len <= BED_BUFFER_LEN);
				assert_true(with_device-- > 0);
			}
			driverq_arm(&bed.q);
			driverq_disarm(&bed.q);
			assert_true(bed.q.error != DRIVERQ_OK || driverq_room(&bed.q) + with_device == size);
		}
		bed_close(&bed);
	}
}

TEST(noise_in_the_ring_does_no_harm_outside_the_queue)
{
	each_ring(check_noise);
}

TESTS(cmocka_unit_test(what_a_driver_sends_arrives_in_any_kind_of_ring),
	cmocka_unit_test(what_a_device_writes_comes_back_in_any_kind_of_ring),
	cmocka_unit_test(a_batch_in_order_is_told_by_its_last_chain),
	cmocka_unit_test(in_order_descriptors_are_used_in_the_order_of_their_numbers),
	cmocka_unit_test(a_device_is_kicked_when_it_asked_for_that_and_only_then),
	cmocka_unit_test(a_driver_is_called_when_it_asked_for_that_and_only_then),
	cmocka_unit_test(a_kick_is_an_event_for_the_device),
	cmocka_unit_test(the_parts_of_a_ring_are_aligned_and_apart),
	cmocka_unit_test(an_id_that_was_never_given_breaks_the_queue),
	cmocka_unit_test(an_id_that_came_back_already_breaks_the_queue),
	cmocka_unit_test(an_id_beyond_the_ring_breaks_the_queue),
	cmocka_unit_test(more_bytes_than_the_buffer_holds_break_the_queue),
	cmocka_unit_test(a_used_index_beyond_what_the_device_has_breaks_the_queue),
	cmocka_unit_test(a_batch_that_is_longer_than_the_used_index_says_breaks_the_queue),
	cmocka_unit_test(a_device_that_wrote_into_the_descriptors_changes_nothing_for_us),
	cmocka_unit_test(what_a_device_says_it_wrote_into_a_buffer_it_only_reads_means_nothing),
	cmocka_unit_test(noise_in_the_ring_does_no_harm_outside_the_queue))
