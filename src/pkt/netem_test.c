/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/netem.h"

#include "base/test.h"

#include <string.h>

#define MS 1000000ull

static struct pkt pkt;
static struct pkt_seg segs[3];
static uint8_t body[PKT_LEN_MAX];

static struct netem_config plain(void)
{
	return (struct netem_config){.frames = 1000, .seed = 7};
}

/* A frame that says its number, in a head and up to three pieces. */
static const struct pkt *frame(uint32_t number, uint32_t len)
{
	uint32_t rest = len > PKT_HEAD_MAX ? len - PKT_HEAD_MAX : 0, third = rest / 3;

	memset(&pkt, 0, sizeof(pkt));
	pkt.data = pkt.buf + PKT_HEADROOM;
	pkt.head_len = (uint16_t)(len - rest);
	memset(pkt.data, (int)number, pkt.head_len);
	memcpy(pkt.data, &number, sizeof(number));
	for (uint32_t i = 0; i < rest; i++)
		body[i] = (uint8_t)(number + i * 7);
	segs[0] = (struct pkt_seg){body, third};
	segs[1] = (struct pkt_seg){body + third, third};
	segs[2] = (struct pkt_seg){body + 2 * third, rest - 2 * third};
	pkt.segs = segs;
	pkt.n_segs = rest > 0 ? 3 : 0;
	pkt.body_len = rest;
	return &pkt;
}

static uint32_t number_of(const struct pkt *p)
{
	uint32_t number;

	memcpy(&number, p->data, sizeof(number));
	return number;
}

/* All that are due, into numbers; they leave. */
static uint32_t leave(struct netem *n, uint64_t now_ns, uint32_t *numbers)
{
	struct pkt *due[2048];
	uint32_t got = netem_due(n, now_ns, due, ARRAY_LEN(due));

	for (uint32_t i = 0; i < got && numbers; i++)
		numbers[i] = number_of(due[i]);
	netem_done(n, got);
	return got;
}

TEST(frames_are_held_for_the_delay_and_leave_in_order)
{
	struct netem_config c = plain();
	struct netem *n;
	uint32_t numbers[10];

	c.delay_ns = 10 * MS;
	n = netem_create(&c);
	assert_int_equal(netem_next_ns(n), UINT64_MAX);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(netem_take(n, frame(i, 100), i * MS), DROP_NONE);
	assert_int_equal(netem_next_ns(n), 10 * MS);
	assert_int_equal(leave(n, 10 * MS - 1, NULL), 0);
	assert_int_equal(leave(n, 12 * MS, numbers), 3);
	assert_int_equal(leave(n, 100 * MS, numbers + 3), 7);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(numbers[i], i);
	netem_destroy(n);
}

TEST(what_leaves_is_what_came_in_whatever_its_size)
{
	static const uint32_t lens[] = {14, 128, 129, 1514, 2176, 2177, 9014, 65535, PKT_LEN_MAX};
	struct netem_config c = plain();
	struct netem *n = netem_create(&c);

	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < ARRAY_LEN(lens); i++) {
			struct pkt *due;
			uint32_t at = 0;

			assert_int_equal(netem_take(n, frame(i, lens[i]), round), DROP_NONE);
			memset(body, 0, sizeof(body)); /* the sender has it back */
			assert_int_equal(netem_due(n, round, &due, 1), 1);
			frame(i, lens[i]);
			assert_int_equal(pkt_len(due), lens[i]);
			assert_memory_equal(due->data, pkt.data, pkt.head_len);
			for (uint32_t s = 0; s < due->n_segs; at += due->segs[s++].len)
				assert_memory_equal(due->segs[s].addr, body + at, due->segs[s].len);
			assert_int_equal(at, pkt.body_len);
			netem_done(n, 1);
		}
	}
	netem_destroy(n);
}

TEST(what_does_not_leave_stays_first)
{
	struct netem_config c = plain();
	struct netem *n = netem_create(&c);
	struct pkt *due[8];

	for (uint32_t i = 0; i < 6; i++)
		netem_take(n, frame(i, 60), 0);
	assert_int_equal(netem_due(n, 0, due, 4), 4);
	netem_done(n, 1);
	assert_int_equal(netem_next_ns(n), 0);
	assert_int_equal(netem_held(n), 5);
	assert_int_equal(netem_due(n, 0, due, 8), 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(number_of(due[i]), i + 1);
	netem_destroy(n);
}

TEST(a_rate_spreads_frames_over_time)
{
	struct netem_config c = plain();
	struct netem *n;

	c.rate_bps = 1000000; /* a frame of 125 bytes takes 1 ms */
	n = netem_create(&c);
	for (uint32_t i = 0; i < 100; i++)
		netem_take(n, frame(i, 125), 0);
	for (uint32_t ms = 1; ms <= 100; ms++) {
		assert_int_equal(leave(n, ms * MS - 1, NULL), 0);
		assert_int_equal(leave(n, ms * MS, NULL), 1);
	}
	netem_destroy(n);
}

TEST(shares_of_frames_are_lost_doubled_and_overtake)
{
	struct netem_config c = plain();
	uint32_t lost = 0, left = 0, overtook = 0, numbers[2048];
	struct netem *n;

	c.loss = NETEM_ALL / 10;
	c.duplicate = NETEM_ALL / 20;
	c.reorder = NETEM_ALL / 4;
	c.delay_ns = MS;
	n = netem_create(&c);
	for (uint32_t i = 0; i < 100000; i++) {
		uint64_t now_ns = i * 10000ull;
		uint32_t got;

		lost += netem_take(n, frame(i, 60), now_ns) == DROP_NETEM_LOSS;
		got = leave(n, now_ns, numbers);
		left += got;
		for (uint32_t k = 0; k < got; k++)
			overtook += numbers[k] == i;
	}
	left += leave(n, UINT64_MAX, NULL);
	assert_in_range(lost, 9500, 10500);
	assert_in_range(left, 100000 - lost + 4200, 100000 - lost + 4800);
	assert_in_range(overtook, 22500, 25500);
	netem_destroy(n);
}

TEST(jitter_stays_within_its_bounds)
{
	struct netem_config c = plain();
	uint64_t least = UINT64_MAX, most = 0;
	struct netem *n;

	c.delay_ns = 5 * MS;
	c.jitter_ns = 2 * MS;
	n = netem_create(&c);
	for (uint32_t i = 0; i < 10000; i++) {
		netem_take(n, frame(i, 60), 0);
		least = min_u64(least, netem_next_ns(n));
		most = netem_next_ns(n) > most ? netem_next_ns(n) : most;
		assert_int_equal(leave(n, UINT64_MAX, NULL), 1);
	}
	assert_in_range(least, 3 * MS, 3 * MS + MS / 100);
	assert_in_range(most, 7 * MS - MS / 100, 7 * MS);
	netem_destroy(n);
}

TEST(what_finds_no_room_is_dropped_and_room_comes_back)
{
	struct netem_config c = plain();
	struct netem *n;
	uint32_t large = 0;

	c.frames = 10;
	n = netem_create(&c);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 15; i++)
			assert_int_equal(
				netem_take(n, frame(i, 1514), 0), i < 10 ? DROP_NONE : DROP_NETEM_FULL);
		assert_int_equal(leave(n, 0, NULL), 10);
	}
	for (uint32_t round = 0; round < 3; round++, large = 0) {
		while (netem_take(n, frame(0, PKT_LEN_MAX), 0) == DROP_NONE)
			large++;
		assert_int_equal(large, 4); /* bytes run out before frames do */
		assert_int_equal(leave(n, 0, NULL), 4);
	}
	netem_destroy(n);
}

TEST(the_same_seed_is_the_same_fate)
{
	struct netem_config c = plain();
	uint32_t numbers[2][2048], left[2];

	c.loss = c.duplicate = c.reorder = NETEM_ALL / 5;
	c.delay_ns = 2 * MS;
	c.jitter_ns = MS;
	for (uint32_t run = 0; run < 2; run++) {
		struct netem *n = netem_create(&c);

		for (uint32_t i = 0; i < 500; i++)
			netem_take(n, frame(i, 60), i * 1000);
		left[run] = leave(n, UINT64_MAX, numbers[run]);
		netem_destroy(n);
	}
	assert_int_equal(left[0], left[1]);
	assert_memory_equal(numbers[0], numbers[1], left[0] * sizeof(numbers[0][0]));
}

/* What became of 500 frames, and when, as one number. */
static uint64_t fate(const struct netem_config *c)
{
	static uint32_t numbers[2048];
	struct netem *n = netem_create(c);
	uint64_t fate = 0;

	for (uint32_t i = 0; i < 500; i++)
		fate = fate * 31 + netem_take(n, frame(i, 60), i * 1000);
	for (uint64_t now_ns = 0; netem_held(n) > 0; now_ns += 1000)
		for (uint32_t left = leave(n, now_ns, numbers), i = 0; i < left; i++)
			fate = fate * 31 + numbers[i] * 1000003 + now_ns;
	netem_destroy(n);
	return fate;
}

TEST(each_knob_alone_is_the_same_by_the_same_seed_and_another_by_another)
{
	static const struct netem_config knobs[] = {
		{.loss = NETEM_ALL / 5, .frames = 1000},
		{.duplicate = NETEM_ALL / 5, .frames = 1000},
		{.delay_ns = MS, .reorder = NETEM_ALL / 5, .frames = 1000},
		{.delay_ns = MS, .jitter_ns = MS / 2, .frames = 1000},
		{.delay_ns = MS, .frames = 1000},
		{.rate_bps = 100000000, .frames = 1000},
	};
	const size_t by_chance = 4;

	for (size_t i = 0; i < ARRAY_LEN(knobs); i++) {
		struct netem_config c = knobs[i], good = {.frames = 1000};
		uint64_t first;

		c.seed = 5;
		first = fate(&c);
		assert_true(fate(&c) == first);
		assert_true(fate(&good) != first); /* it does something */
		c.seed = 6;
		assert_true((fate(&c) != first) == (i < by_chance));
	}
}

TESTS(cmocka_unit_test(frames_are_held_for_the_delay_and_leave_in_order),
	cmocka_unit_test(what_leaves_is_what_came_in_whatever_its_size),
	cmocka_unit_test(what_does_not_leave_stays_first), cmocka_unit_test(a_rate_spreads_frames_over_time),
	cmocka_unit_test(shares_of_frames_are_lost_doubled_and_overtake),
	cmocka_unit_test(jitter_stays_within_its_bounds),
	cmocka_unit_test(what_finds_no_room_is_dropped_and_room_comes_back),
	cmocka_unit_test(the_same_seed_is_the_same_fate),
	cmocka_unit_test(each_knob_alone_is_the_same_by_the_same_seed_and_another_by_another))
