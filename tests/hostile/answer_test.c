/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that no back-end should give, and at which point of the order: each one at every point. What is asserted in
 * each: the driver is told once, nothing is left behind, and the back-end that comes next is served.
 */
#include "base/check.h"
#include "base/random.h"
#include "base/test.h"
#include "vhost/fake_back.h"
#include "vhost/fake_driver.h"
#include "vhost/fake_front.h"
#include "vhost/frontend_private.h"

#include <errno.h>
#include <unistd.h>

#define ANSWER (VHOST_USER_VERSION | VHOST_USER_REPLY)
#define MANY   1000

/* With acknowledgements and the channel, without both, and without anything. */
static const uint32_t kinds[] = {FAKE_BACK_PROTOCOL, 1, 0};

struct bed {
	struct fake_back back;
	struct fake_driver driver;
	uint32_t n; /* requests that a connection takes until it runs */
	uint32_t fds, maps;
};

static void honest_life(struct bed *bed)
{
	fake_back_accept(&bed->back);
	bed->n = fake_back_serve(&bed->back, FAKE_BACK_ALL);
	assert_true(bed->driver.running);
	bed->back.drips = false;
}

static void bed_open(struct bed *bed, uint32_t protocol_features)
{
	fake_back_open(&bed->back);
	bed->back.protocol_features = protocol_features;
	fake_driver_open(&bed->driver, bed->back.loop, bed->back.path, false);
	honest_life(bed);
	bed->fds = fake_open_fds();
	bed->maps = fake_mappings();
}

/* The attacker has left or leaves: an honest back-end follows. */
static void next_life(struct bed *bed)
{
	fake_back_hang_up(&bed->back);
	assert_false(bed->driver.running);
	honest_life(bed);
	assert_int_equal(fake_open_fds(), bed->fds);
	assert_int_equal(fake_mappings(), bed->maps);
}

static void bed_close(struct bed *bed)
{
	fake_driver_close(&bed->driver);
	fake_back_close(&bed->back);
}

/* The attacker comes and does as it should, until it has heard n + 1 requests. */
static void attack_after(struct bed *bed, uint32_t n)
{
	fake_back_hang_up(&bed->back);
	fake_back_accept(&bed->back);
	assert_int_equal(fake_back_serve(&bed->back, n), n);
	assert_true(fake_back_hear(&bed->back));
}

typedef void (*attack_fn)(struct bed *bed);

/* The attack ends the connection, whatever was asked. */
static void attack_everywhere(attack_fn attack)
{
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		struct bed bed;

		bed_open(&bed, kinds[kind]);
		for (uint32_t i = 0; i < bed.n; i++) {
			attack_after(&bed, i);
			attack(&bed);
			assert_true(fake_back_left(&bed.back));
			next_life(&bed);
		}
		bed_close(&bed);
	}
}

static void answer(struct bed *bed, struct vhost_user_header header, uint32_t n_fds)
{
	fake_back_say(&bed->back, bed->back.fd, &header, 0, n_fds);
}

static void answer_with_the_next_id(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request + 1, ANSWER, 8}, 0);
	answer(bed, (struct vhost_user_header){bed->back.header.request + 1, ANSWER, 8}, 0);
}

static void answer_with_id_0(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){0, ANSWER, 8}, 0);
}

static void answer_with_id_4294967295(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){UINT32_MAX, ANSWER, 8}, 0);
}

TEST(answers_to_something_else)
{
	attack_everywhere(answer_with_the_next_id);
	attack_everywhere(answer_with_id_0);
	attack_everywhere(answer_with_id_4294967295);
}

static void answer_without_the_reply_flag(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, VHOST_USER_VERSION, 8}, 0);
}

static void answer_that_echoes_need_reply(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER | VHOST_USER_NEED_REPLY, 8},
		0);
}

static void answer_of_another_version(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, 2 | VHOST_USER_REPLY, 8}, 0);
}

static void answer_with_all_flags(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, UINT32_MAX, 8}, 0);
}

TEST(answers_with_the_wrong_flags)
{
	attack_everywhere(answer_without_the_reply_flag);
	attack_everywhere(answer_that_echoes_need_reply);
	attack_everywhere(answer_of_another_version);
	attack_everywhere(answer_with_all_flags);
}

static void answer_of_0_bytes(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 0}, 0);
}

static void answer_of_7_bytes(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 7}, 0);
}

/* They really come. */
static void answer_of_4096_bytes(struct bed *bed)
{
	uint8_t bytes[4096 - 8] = {0};

	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 4096}, 0);
	unix_send(bed->back.fd, bytes, sizeof(bytes), NULL, 0);
	fake_turns(bed->back.loop);
}

static void answer_of_4097_bytes(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 4097}, 0);
}

static void answer_of_4294967295_bytes(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, UINT32_MAX}, 0);
}

TEST(answers_of_the_wrong_size)
{
	attack_everywhere(answer_of_0_bytes);
	attack_everywhere(answer_of_7_bytes);
	attack_everywhere(answer_of_4096_bytes);
	attack_everywhere(answer_of_4097_bytes);
	attack_everywhere(answer_of_4294967295_bytes);
}

static void answer_with_a_descriptor(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 8}, 1);
}

static void answer_with_32_descriptors(struct bed *bed)
{
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 8}, 32);
}

static void answer_with_descriptors_on_every_byte(struct bed *bed)
{
	bed->back.drips = true;
	answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 8}, 3);
}

TEST(answers_with_descriptors)
{
	attack_everywhere(answer_with_a_descriptor);
	attack_everywhere(answer_with_32_descriptors);
	attack_everywhere(answer_with_descriptors_on_every_byte);
}

/* What follows is left unread, or heard as an answer to something else. */
static void many_answers(struct bed *bed)
{
	for (int i = 0; i < 100; i++)
		answer(bed, (struct vhost_user_header){bed->back.header.request, ANSWER, 8}, 0);
}

TEST(answers_a_hundred_times)
{
	attack_everywhere(many_answers);
}

static void garbage(struct bed *bed)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

	unix_send(bed->back.fd, text, sizeof(text), NULL, 0);
	fake_turns(bed->back.loop);
}

TEST(garbage_for_an_answer)
{
	attack_everywhere(garbage);
}

static void silence(struct bed *bed)
{
	assert_true(bed->driver.frontend->awaiting);
}

static void half_an_answer(struct bed *bed)
{
	unix_send(bed->back.fd, &bed->back.header, 5, NULL, 0);
	fake_turns(bed->back.loop);
}

/* It has answered n requests; then there is no time at all. */
static void out_of_time(struct bed *bed, uint32_t n, attack_fn attack)
{
	struct vhost_frontend *f = bed->driver.frontend;

	attack_after(bed, n);
	assert_false(list_empty(&f->deadline.link));
	attack(bed);
	assert_false(fake_back_left(&bed->back));
	loop_timer_set(bed->back.loop, &f->deadline, 0);
	assert_true(fake_back_left(&bed->back));
	next_life(bed);
}

TEST(silence_at_every_point)
{
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		struct bed bed;

		bed_open(&bed, kinds[kind]);
		for (uint32_t i = 0; i < bed.n; i++) {
			out_of_time(&bed, i, silence);
			out_of_time(&bed, i, half_an_answer);
		}
		bed_close(&bed);
	}
}

TEST(refusal_at_every_point)
{
	struct bed bed;
	uint32_t refused = 0;

	bed_open(&bed, FAKE_BACK_PROTOCOL);
	for (uint32_t i = 0; i < bed.n; i++) {
		struct vhost_user_header header = {.flags = ANSWER, .size = 8};

		attack_after(&bed, i);
		if (bed.back.header.flags & VHOST_USER_NEED_REPLY) {
			header.request = bed.back.header.request;
			fake_back_say(&bed.back, bed.back.fd, &header, 1ull << (i % 64), 0);
			assert_true(fake_back_left(&bed.back));
			assert_int_equal(fake_driver_status(&bed.driver).error, -EREMOTEIO);
			refused++;
		}
		next_life(&bed);
	}
	assert_int_equal(refused, 4 + 4 * 5 + 4 + 1);
	bed_close(&bed);
}

TEST(answers_byte_by_byte_are_answers)
{
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		struct bed bed;

		bed_open(&bed, kinds[kind]);
		for (int life = 0; life < 3; life++) {
			bed.back.drips = true;
			next_life(&bed);
		}
		assert_int_equal(fake_driver_status(&bed.driver).protocol_errors, 0);
		bed_close(&bed);
	}
}

TEST(answers_to_nothing)
{
	struct bed bed;

	bed_open(&bed, FAKE_BACK_PROTOCOL);
	for (uint32_t request = 0; request < 50; request++) {
		answer(&bed, (struct vhost_user_header){request, ANSWER, 8}, 0);
		assert_true(fake_back_left(&bed.back));
		next_life(&bed);
	}
	bed_close(&bed);
}

/* Whatever it offers, it is told no more than it can do: fake_back looks at that. */
TEST(offers_at_random)
{
	struct random random;
	struct bed bed;

	bed_open(&bed, FAKE_BACK_PROTOCOL);
	random_init(&random, 1);
	for (int i = 0; i < MANY; i++) {
		fake_back_hang_up(&bed.back);
		bed.back.features = random_u64(&random) & random_u64(&random);
		bed.back.features |= random_below(&random, 4) ? 1ull << 32 : 0;
		bed.back.protocol_features = random_u64(&random);
		bed.back.queue_num =
			random_below(&random, 4) ? random_below(&random, 4) : random_u64(&random);
		fake_back_accept(&bed.back);
		fake_back_serve(&bed.back, FAKE_BACK_ALL);
		assert_int_equal(bed.driver.running, !fake_back_left(&bed.back));
	}
	bed_close(&bed);
}

TEST(a_thousand_back_ends_come_and_go)
{
	struct bed bed;

	bed_open(&bed, FAKE_BACK_PROTOCOL);
	for (uint32_t i = 0; i < MANY; i++) {
		fake_back_hang_up(&bed.back);
		fake_back_accept(&bed.back);
		fake_back_serve(&bed.back, i % (bed.n + 1));
		assert_int_equal(bed.driver.running, i % (bed.n + 1) == bed.n);
	}
	next_life(&bed);
	bed_close(&bed);
}

/* As a server, too: the back-end connects. */
TEST(a_thousand_back_ends_come_to_a_server)
{
	uint32_t fds = 0;
	struct bed bed;

	fake_back_open(&bed.back);
	assert_int_equal(unlink(bed.back.path), 0);
	fake_driver_open(&bed.driver, bed.back.loop, bed.back.path, true);
	for (uint32_t i = 0; i < MANY; i++) {
		bed.back.fd = unix_connect(bed.back.path);
		assert_true(bed.back.fd >= 0);
		fake_turns(bed.back.loop);
		fake_back_serve(&bed.back, i % 40);
		fake_back_hang_up(&bed.back);
		assert_false(bed.driver.prepared);
		if (i == 0)
			fds = fake_open_fds();
		assert_int_equal(fake_open_fds(), fds);
	}
	bed_close(&bed);
}

/* With room for just a few descriptors the front-end tries in vain, and when there is room it works. */
TEST(no_room_for_descriptors)
{
	uint32_t limit;
	struct bed bed;

	bed_open(&bed, FAKE_BACK_PROTOCOL);
	for (limit = 3; limit < 100; limit++) {
		bed.back.turns_limit = limit;
		fake_back_hang_up(&bed.back);
		if (fake_back_finds(&bed.back))
			fake_back_serve(&bed.back, FAKE_BACK_ALL);
		if (bed.driver.running)
			break;
	}
	assert_in_range(limit, 5, 99);
	bed.back.turns_limit = 0;
	next_life(&bed);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(answers_to_something_else), cmocka_unit_test(answers_with_the_wrong_flags),
	cmocka_unit_test(answers_of_the_wrong_size), cmocka_unit_test(answers_with_descriptors),
	cmocka_unit_test(answers_a_hundred_times), cmocka_unit_test(garbage_for_an_answer),
	cmocka_unit_test(silence_at_every_point), cmocka_unit_test(refusal_at_every_point),
	cmocka_unit_test(answers_byte_by_byte_are_answers), cmocka_unit_test(answers_to_nothing),
	cmocka_unit_test(offers_at_random), cmocka_unit_test(a_thousand_back_ends_come_and_go),
	cmocka_unit_test(a_thousand_back_ends_come_to_a_server), cmocka_unit_test(no_room_for_descriptors))
