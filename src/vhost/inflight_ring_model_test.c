/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver and a device that returns buffers in any order and is killed again and again, between any two of its steps.
 * Each new device knows the ring, the area and a base from long ago; it must find exactly the buffers that the old one
 * had and had not shown, with their descriptors, oldest first; and the driver must see each buffer come back once.
 * GINNEL_SEED=n in the environment runs that seed alone.
 */
#include "vhost/inflight_ring.h"

#include "virtio/virtq_packed_bed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define N_SEEDS  40
#define N_STEPS  4000
#define AREA_LEN (INFLIGHT_PACKED_HEADER + SLOTS_MAX * INFLIGHT_PACKED_DESC)

enum state { FREE, OFFERED, TAKEN, RETURNED };

struct buffer {
	enum state state;
	uint16_t slots;
	uint64_t order; /* in which it was taken */
};

struct had {
	uint16_t id, note;
	struct virtq_buffer buffer;
};

struct model {
	struct packed_bed b;
	struct random random;
	bool packed;
	uint32_t size;
	uint64_t features;
	uint64_t area[AREA_LEN / 8];
	struct inflight_ring ring;
	/* the driver */
	struct buffer buffers[SLOTS_MAX];
	uint32_t free_slots;
	uint16_t avail_idx, used_idx; /* split */
	/* the device */
	struct had has[SLOTS_MAX];
	uint32_t n_has;
	uint64_t order;
	uint64_t deaths, back, retaken;
};

static struct model m;

static struct virtq *queue(void)
{
	return &m.b.bed.q;
}

/* --- the driver --- */

static struct vring_desc *split_desc(uint32_t i)
{
	return &((struct vring_desc *)(void *)m.b.bed.low)[i];
}

static struct vring_avail *split_avail(void)
{
	return (struct vring_avail *)(void *)(m.b.bed.low + (AVAIL - LOW));
}

static struct vring_used *split_used(void)
{
	return (struct vring_used *)(void *)(m.b.bed.low + (USED - LOW));
}

static void offer(uint16_t id, uint32_t slots)
{
	if (m.packed) {
		for (uint32_t i = 0; i < slots; i++)
			put(&m.b, BUF(id % 16), 100 + id + i, id, i + 1 < slots ? NEXT : 0);
		return;
	}
	*split_desc(id) = (struct vring_desc){.addr = BUF(id % 16), .len = 100 + id};
	split_avail()->ring[m.avail_idx++ % m.size] = id;
	split_avail()->idx = m.avail_idx;
}

static void driver_adds(void)
{
	uint16_t id = (uint16_t)random_below(&m.random, m.size);
	uint32_t slots = m.packed ? 1 + random_below(&m.random, 3) : 1;

	if (m.buffers[id].state != FREE || slots > m.free_slots)
		return;
	m.buffers[id] = (struct buffer){.state = OFFERED, .slots = (uint16_t)slots};
	m.free_slots -= slots;
	offer(id, slots);
}

/* The id of a buffer that has come back, or -1. */
static int next_used(void)
{
	struct vring_packed_desc d;
	struct place before = m.b.used;

	if (!m.packed) {
		if (split_used()->idx == m.used_idx)
			return -1;
		return (int)split_used()->ring[m.used_idx++ % m.size].id;
	}
	if (!take_used(&m.b, 1, &d))
		return -1;
	assert_true(d.id < m.size);
	m.b.used = before;
	place_forward(&m.b, &m.b.used, m.buffers[d.id].slots);
	return d.id;
}

static void driver_takes(void)
{
	for (int id; (id = next_used()) >= 0;) {
		assert_int_equal(m.buffers[id].state, RETURNED);
		m.buffers[id].state = FREE;
		m.free_slots += m.buffers[id].slots;
		m.back++;
	}
}

/* --- the device --- */

static void check_chain(const struct virtq_chain *c)
{
	uint16_t id = c->buffer.id;

	assert_true(id < m.size);
	assert_int_equal(c->n_read, m.buffers[id].slots);
	assert_int_equal(c->buffer.slots, m.buffers[id].slots);
	for (uint32_t i = 0; i < c->n_read; i++)
		assert_int_equal(c->segs[i].len, 100 + id + i);
}

static void keep(uint16_t note)
{
	struct virtq_buffer buffer = m.b.bed.chain.buffer;

	check_chain(&m.b.bed.chain);
	m.has[m.n_has++] = (struct had){.id = buffer.id, .note = note, .buffer = buffer};
}

static void die(void);

static void device_takes(void)
{
	int got = virtq_pop(queue(), &m.b.bed.chain);
	uint16_t id = m.b.bed.chain.buffer.id, note;

	if (got == 0)
		return;
	assert_int_equal(got, 1);
	assert_int_equal(m.buffers[id].state, OFFERED);
	if (random_below(&m.random, 50) == 0) {
		die(); /* it was not noted: it has not been taken */
		return;
	}
	note = inflight_ring_fetch(&m.ring, queue(), m.b.bed.chain.buffer);
	m.buffers[id].state = TAKEN;
	m.buffers[id].order = m.order++;
	keep(note);
}

static struct had drop_one(void)
{
	uint32_t i = random_below(&m.random, m.n_has);
	struct had had = m.has[i];

	m.has[i] = m.has[--m.n_has];
	return had;
}

/* A batch in any order; death may come after each step. */
static void device_returns(void)
{
	uint32_t n = 1 + random_below(&m.random, 5), step = random_below(&m.random, 40);
	uint16_t notes[8], ids[8];

	n = min_u32(n, m.n_has);
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct had had = drop_one();

		notes[i] = had.note;
		ids[i] = had.id;
		virtq_push(queue(), had.buffer, 0);
	}
	if (step == 0) {
		die();
		return;
	}
	inflight_ring_returning(&m.ring, notes, n);
	if (step == 1) {
		die();
		return;
	}
	virtq_publish(queue());
	for (uint32_t i = 0; i < n; i++)
		m.buffers[ids[i]].state = RETURNED;
	if (step == 2) {
		die();
		return;
	}
	inflight_ring_returned(&m.ring, notes, n, queue());
	if (step == 3)
		die();
}

static uint32_t count(enum state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m.size; i++)
		n += m.buffers[i].state == state;
	return n;
}

static void begin_device(void)
{
	struct virtq_setup setup = m.b.bed.setup;
	const char *why;

	setup.fresh = !m.packed;
	setup.base = m.packed ? NEW_RING : 0;
	assert_int_equal(inflight_ring_open(&m.ring, m.area, (uint16_t)m.size, m.packed, &setup.base), 0);
	assert_int_equal(virtq_start(queue(), m.b.bed.mem, &setup, &why), 0);
	assert_true(inflight_ring_recover(&m.ring, queue()));
}

/* Nothing is tidied up, and the next one begins. */
static void die(void)
{
	uint64_t last = 0;
	uint16_t note;

	memset(queue(), 0, sizeof(*queue()));
	m.n_has = 0;
	m.deaths++;
	begin_device();
	assert_int_equal(m.ring.n_left, count(TAKEN));
	while (inflight_ring_retake(&m.ring, queue(), &m.b.bed.chain, &note) == 1) {
		const struct buffer *b = &m.buffers[m.b.bed.chain.buffer.id];

		assert_int_equal(b->state, TAKEN);
		assert_true(b->order >= last);
		last = b->order;
		keep(note);
		m.retaken++;
	}
	assert_int_equal(m.n_has, count(TAKEN));
}

static void begin(uint64_t seed, bool packed, uint32_t size)
{
	memset(&m, 0, sizeof(m));
	random_init(&m.random, seed);
	m.packed = packed;
	m.size = m.free_slots = size;
	packed_open(&m.b);
	packed_restart(&m.b, FEATURES, size, 0);
	virtq_stop(queue());
	if (!packed)
		memset(m.b.bed.low, 0, HALF);
	m.b.bed.setup.features = FEATURES | (packed ? PACKED : 0);
	begin_device();
}

static void end(void)
{
	while (m.n_has > 0 || count(OFFERED) > 0) {
		device_takes();
		device_returns();
	}
	driver_takes();
	assert_int_equal(count(FREE), m.size);
	inflight_ring_close(&m.ring);
	bed_close(&m.b.bed);
}

static void run(uint64_t seed, bool packed, uint32_t size)
{
	begin(seed, packed, size);
	for (uint32_t i = 0; i < N_STEPS; i++)
		switch (random_below(&m.random, 4)) {
		case 0:
			driver_adds();
			break;
		case 1:
			driver_takes();
			break;
		case 2:
			device_takes();
			break;
		default:
			device_returns();
		}
	end();
	assert_true(m.deaths > 0 && m.retaken > 0);
}

static void run_seeds(bool packed, const uint32_t *sizes, uint32_t n)
{
	const char *only = getenv("GINNEL_SEED");

	for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
		if (only && seed != strtoull(only, NULL, 10))
			continue;
		printf("seed %" PRIu64 "\n", seed);
		run(seed, packed, sizes[seed % n]);
	}
}

TEST(a_split_ring_loses_and_repeats_nothing_whenever_its_device_is_killed)
{
	static const uint32_t sizes[] = {4, 8, 16, 128};

	run_seeds(false, sizes, ARRAY_LEN(sizes));
}

TEST(a_packed_ring_loses_and_repeats_nothing_whenever_its_device_is_killed)
{
	static const uint32_t sizes[] = {3, 8, 17, 128};

	run_seeds(true, sizes, ARRAY_LEN(sizes));
}

TESTS(cmocka_unit_test(a_split_ring_loses_and_repeats_nothing_whenever_its_device_is_killed),
	cmocka_unit_test(a_packed_ring_loses_and_repeats_nothing_whenever_its_device_is_killed))
