/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver and a device that is killed again and again. After each death a new device starts with whatever base,
 * and must go on where the driver expects it: each buffer comes back once, in order, with its id. GINNEL_SEED=n in the
 * environment runs that seed alone.
 */
#include "virtio/virtq_packed_bed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define N_SEEDS 30
#define N_STEPS 3000

struct chain {
	uint16_t id, slots;
};

/* How the driver chooses ids of what it has free. */
enum ids {
	IDS_LAST_FREED, /* Linux: the same id at once, while little goes on */
	IDS_FIRST_FREED,
	IDS_COUNTED,
};

struct model {
	struct packed_bed b;
	struct random random;
	enum ids ids;
	uint32_t slots_max; /* of a chain */
	uint16_t free[SLOTS_MAX];
	uint32_t n_free, free_slots;
	uint16_t counter;
	/* chains that the driver has not taken back, oldest first: returned and visible, returned, taken, not taken */
	struct chain chains[SLOTS_MAX];
	uint32_t n, visible, pushed, taken;
	uint32_t last_slots; /* of the chain taken back last */
	uint64_t deaths, unfinished, back;
};

static struct model m;

static void begin(uint64_t seed, enum ids ids, uint32_t size, uint32_t slots_max)
{
	memset(&m, 0, sizeof(m));
	random_init(&m.random, seed);
	m.ids = ids;
	m.slots_max = slots_max;
	m.n_free = m.free_slots = size;
	for (uint32_t i = 0; i < size; i++)
		m.free[i] = (uint16_t)(size - 1 - i);
	packed_open(&m.b);
	packed_restart(&m.b, FEATURES, size, 0);
}

/* --- the driver --- */

static uint16_t take_id(void)
{
	uint16_t id = m.free[m.n_free - 1];

	if (m.ids == IDS_COUNTED)
		return m.counter++;
	if (m.ids == IDS_FIRST_FREED) {
		id = m.free[0];
		memmove(&m.free[0], &m.free[1], (m.n_free - 1) * sizeof(m.free[0]));
	}
	m.n_free--;
	return id;
}

/* Not two slots: such a chain leaves nothing that a chain of one and its successor would not leave, too. */
static uint32_t some_slots(void)
{
	uint32_t n = 1 + random_below(&m.random, m.slots_max);

	return n == 2 ? 1 : n;
}

/* The ids of all but the last descriptor are noise. */
static void driver_adds(void)
{
	uint32_t slots = some_slots();
	struct chain c = {.slots = (uint16_t)slots};

	if (slots > m.free_slots)
		return;
	c.id = take_id();
	m.free_slots -= slots;
	for (uint32_t i = 0; i < slots; i++) {
		bool last = i == slots - 1;

		put(&m.b, BUF(i), 10, last ? c.id : (uint16_t)random_u64(&m.random), last ? 0 : NEXT);
	}
	m.chains[m.n++] = c;
}

/* Exactly what is visible comes, as it should. */
static void driver_takes(void)
{
	struct vring_packed_desc d;
	struct chain c = m.chains[0];

	if (m.visible == 0) {
		assert_false(take_used(&m.b, 1, &d));
		return;
	}
	assert_true(take_used(&m.b, c.slots, &d));
	assert_int_equal(d.id, c.id);
	if (m.ids != IDS_COUNTED)
		m.free[m.n_free++] = c.id;
	m.free_slots += c.slots;
	m.last_slots = c.slots;
	memmove(&m.chains[0], &m.chains[1], --m.n * sizeof(c));
	m.visible--;
	m.pushed--;
	m.taken--;
	m.back++;
}

/* --- the device --- */

static void device_takes(void)
{
	int got = virtq_pop(&m.b.bed.q, &m.b.bed.chain);

	assert_int_equal(got, m.taken < m.n);
	if (got == 0)
		return;
	assert_int_equal(m.b.bed.chain.buffer.id, m.chains[m.taken].id);
	assert_int_equal(m.b.bed.chain.buffer.slots, m.chains[m.taken].slots);
	m.taken++;
}

static void device_returns(void)
{
	struct chain c = m.chains[m.pushed];

	if (m.pushed == m.taken)
		return;
	virtq_push(&m.b.bed.q, (struct virtq_buffer){.id = c.id, .slots = c.slots}, 0);
	m.pushed++;
}

static void device_flushes(void)
{
	virtq_flush(&m.b.bed.q);
	m.visible = m.pushed;
}

/* Where the device should be: behind so many of the chains. */
static struct place place_behind(uint32_t chains)
{
	struct place p = m.b.used;

	for (uint32_t i = 0; i < chains; i++)
		place_forward(&m.b, &p, m.chains[i].slots);
	return p;
}

static uint32_t base_behind(uint32_t chains)
{
	struct place p = place_behind(chains);

	return place_base(&p);
}

static void restart(uint32_t base, bool fresh)
{
	m.b.bed.setup.base = base;
	m.b.bed.setup.fresh = fresh;
	assert_int_equal(virtq_start(&m.b.bed.q, m.b.bed.mem, &m.b.bed.setup, &(const char *){0}), 0);
}

static uint32_t some_base(uint32_t right)
{
	struct place p = {
		.slot = (uint16_t)random_below(&m.random, m.b.size), .wrap = random_below(&m.random, 2)};
	const uint32_t bases[] = {0, NEW_RING, right, right & 0xffff, place_base(&p)};

	return bases[random_below(&m.random, ARRAY_LEN(bases))];
}

/*
 * Only the right base helps where the ring has nothing to say: the driver has overwritten the last used descriptor, but
 * not the rest of its chain. And a wrong one misleads that happens to name a place where the ring could go on, too:
 * behind the chain that comes next, or behind the first slot of the last used one.
 */
static bool needs_base(uint32_t returned)
{
	return returned == 0 && m.last_slots > 1 && m.free_slots < m.last_slots;
}

static bool may_mean(uint32_t base, uint32_t place)
{
	return base == place || base == (place & 0xffff) || (base == 0 && place == NEW_RING);
}

static bool misleads(uint32_t base, uint32_t returned)
{
	uint32_t last = returned > 0 ? m.chains[returned - 1].slots : m.last_slots;
	struct place p = place_behind(returned);

	if (returned < m.n && may_mean(base, base_behind(returned + 1)))
		return true;
	for (; last > 1; last--) /* back to the second slot of the last used chain */
		place_forward(&m.b, &p, 2 * m.b.size - 1);
	return may_mean(base, place_base(&p)) && place_base(&p) != base_behind(returned);
}

/* If two or more were returned but not visible, the new device makes them so; one has left no trace. */
static void device_dies(void)
{
	uint32_t returned = m.pushed - m.visible > 1 ? m.pushed : m.visible;
	uint32_t right = base_behind(returned), base = some_base(right);

	if (needs_base(returned) || misleads(base, returned))
		base = right;
	m.deaths++;
	m.unfinished += returned != m.visible;
	m.b.bed.q.size = 0; /* no flush, no stop */
	m.b.bed.q.next_used = m.b.bed.q.flushed_used;
	restart(base, true);
	m.visible = m.pushed = m.taken = returned;
	base = virtq_stop(&m.b.bed.q);
	assert_int_equal(base, right);
	restart(base, false);
}

/* As control does it when something changes. */
static void device_pauses(void)
{
	uint32_t base = virtq_stop(&m.b.bed.q);

	m.visible = m.pushed;
	assert_int_equal(base & 0xffff, base_behind(m.taken) & 0xffff);
	assert_int_equal(base >> 16, base_behind(m.pushed) >> 16);
	restart(base, false);
}

static void step(void)
{
	static void (*const often[])(void) = {driver_adds, driver_adds, driver_adds, driver_takes,
		driver_takes, device_takes, device_takes, device_takes, device_returns, device_returns,
		device_returns, device_flushes};

	switch (random_below(&m.random, 100)) {
	case 0:
		device_dies();
		break;
	case 1:
		device_pauses();
		break;
	default:
		often[random_below(&m.random, ARRAY_LEN(often))]();
		break;
	}
}

static void run(uint64_t seed, enum ids ids, uint32_t size, uint32_t slots_max)
{
	begin(seed, ids, size, slots_max);
	for (uint32_t i = 0; i < N_STEPS; i++)
		step();
	device_dies();
	while (m.n > 0) {
		device_takes();
		device_returns();
		device_flushes();
		driver_takes();
	}
	assert_true(m.deaths > 5 && m.back > 50);
	bed_close(&m.b.bed);
}

static void run_seeds(enum ids ids, uint32_t slots_max, const uint32_t *sizes, size_t n_sizes)
{
	const char *given = getenv("GINNEL_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1;
	uint64_t unfinished = 0;

	for (uint64_t seed = first; seed < first + (given ? 1 : N_SEEDS); seed++) {
		printf("GINNEL_SEED=%" PRIu64 "\n", seed);
		for (size_t i = 0; i < n_sizes; i++) {
			run(seed, ids, sizes[i], slots_max);
			unfinished += m.unfinished;
		}
	}
	assert_true(unfinished > 0);
}

static const uint32_t all_sizes[] = {1, 2, 3, 7, 8, 100, 255, 256};

TEST(a_ring_of_single_descriptors_always_goes_on_where_it_was)
{
	run_seeds(IDS_LAST_FREED, 1, all_sizes, ARRAY_LEN(all_sizes));
	run_seeds(IDS_FIRST_FREED, 1, all_sizes, ARRAY_LEN(all_sizes));
	run_seeds(IDS_COUNTED, 1, all_sizes, ARRAY_LEN(all_sizes));
}

TEST(a_ring_of_chains_goes_on_where_it_was_unless_ids_are_reused_at_once)
{
	static const uint32_t sizes[] = {7, 8, 100, 255, 256};

	run_seeds(IDS_COUNTED, 4, sizes, ARRAY_LEN(sizes));
}

TESTS(cmocka_unit_test(a_ring_of_single_descriptors_always_goes_on_where_it_was),
	cmocka_unit_test(a_ring_of_chains_goes_on_where_it_was_unless_ids_are_reused_at_once))
