/* SPDX-License-Identifier: Apache-2.0 */
#include "os/parcel.h"

#include "base/check.h"
#include "base/test.h"
#include "os/clock.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct bed {
	int ends[2];
	struct parcel out, in;
};

static void bed_open(struct bed *bed)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, bed->ends), 0);
	parcel_init(&bed->out);
	parcel_init(&bed->in);
}

static void bed_close(struct bed *bed)
{
	parcel_fini(&bed->out);
	parcel_fini(&bed->in);
	close(bed->ends[0]);
	close(bed->ends[1]);
}

static uint64_t soon(void)
{
	return clock_now_ns() + 60 * NS_PER_S;
}

/* Nobody reads before all is sent. */
static void move(struct bed *bed)
{
	assert_int_equal(parcel_send(&bed->out, bed->ends[0], 0), 0);
	assert_int_equal(parcel_recv(&bed->in, bed->ends[1], soon()), 0);
}

static int event_of(int fd)
{
	uint64_t n = 0;

	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return (int)n;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

TEST(a_text_and_its_descriptors_arrive_as_one)
{
	int fds[2] = {eventfd(7, 0), eventfd(9, 0)};
	struct bed bed;

	bed_open(&bed);
	bed.out.json = json_pack("{s:o, s:o, s:o, s:s}", "seven", parcel_put(&bed.out, fds[0]), "none",
		parcel_put(&bed.out, -1), "nine", parcel_put(&bed.out, fds[1]), "word", "x");
	move(&bed);
	int nine = parcel_take(&bed.in, json_object_get(bed.in.json, "nine"));
	int seven = parcel_take(&bed.in, json_object_get(bed.in.json, "seven"));

	assert_int_equal(event_of(nine), 9);
	assert_int_equal(event_of(seven), 7);
	assert_true(fcntl(nine, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(parcel_take(&bed.in, json_object_get(bed.in.json, "seven")), -1);
	assert_int_equal(parcel_take(&bed.in, json_object_get(bed.in.json, "none")), -1);
	assert_int_equal(parcel_take(&bed.in, json_object_get(bed.in.json, "missing")), -1);
	assert_string_equal(parcel_str(bed.in.json, "word", ""), "x");
	close(nine);
	close(seven);
	close(fds[0]);
	close(fds[1]);
	bed_close(&bed);
}

TEST(what_is_not_taken_is_closed_and_what_was_put_is_not)
{
	int fd = eventfd(1, 0);
	struct bed bed;
	int twin;

	bed_open(&bed);
	bed.out.json = json_pack("{s:o}", "fd", parcel_put(&bed.out, fd));
	move(&bed);
	twin = bed.in.fds[0];
	assert_true(is_open(twin));
	bed_close(&bed);
	assert_false(is_open(twin));
	assert_true(is_open(fd));
	close(fd);
}

TEST(more_descriptors_than_one_message_holds_and_a_text_larger_than_a_socket_wait_for_their_reader)
{
	enum { N = 1000, LEN = 3 << 20 };
	int fds[10];
	struct bed bed;
	char *text = calloc(1, LEN + 1);

	bed_open(&bed);
	memset(text, 'x', LEN);
	bed.out.json = json_pack("{s:s, s:[]}", "text", text, "fds");
	for (int i = 0; i < 10; i++)
		fds[i] = eventfd((unsigned)i + 1, EFD_SEMAPHORE);
	for (int i = 0; i < N; i++)
		json_array_append_new(
			json_object_get(bed.out.json, "fds"), parcel_put(&bed.out, fds[i % 10]));
	move(&bed);
	assert_true(json_equal(bed.in.json, bed.out.json));
	assert_int_equal(bed.in.n_fds, N);
	/* each descriptor is in its place: number i is one more reader of fds[i % 10] */
	for (int i = 0; i < 10; i++)
		for (int k = 0; k <= i; k++)
			assert_int_equal(event_of(bed.in.fds[100 * k + i]), 1);
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	free(text);
	bed_close(&bed);
}

TEST(an_empty_socket_times_out_and_a_closed_one_says_so)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(parcel_recv(&bed.in, bed.ends[1], 0), -ETIMEDOUT);
	assert_int_equal(parcel_hear(bed.ends[1], 0), -ETIMEDOUT);
	close(bed.ends[0]);
	assert_int_equal(parcel_recv(&bed.in, bed.ends[1], soon()), -ECONNRESET);
	assert_int_equal(parcel_hear(bed.ends[1], soon()), -ECONNRESET);
	bed.ends[0] = dup(bed.ends[1]);
	bed_close(&bed);
}

static int lowest_free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

TEST(a_sender_that_dies_half_way_leaves_no_descriptor_behind)
{
	int fd = eventfd(0, 0), lowest;
	struct bed bed;

	bed_open(&bed);
	lowest = lowest_free_fd();
	bed.out.json = json_object();
	for (int i = 0; i < UNIX_LOAD_FDS; i++)
		json_decref(parcel_put(&bed.out, fd));
	json_decref(parcel_put(&bed.out, 1 << 20)); /* which fails, after a whole message has left */
	assert_int_equal(parcel_send(&bed.out, bed.ends[0], soon()), -EBADF);
	assert_int_equal(shutdown(bed.ends[0], SHUT_WR), 0);
	assert_int_equal(parcel_recv(&bed.in, bed.ends[1], soon()), -ECONNRESET);
	assert_null(bed.in.json);
	assert_int_equal(lowest_free_fd(), lowest);
	close(fd);
	bed_close(&bed);
}

TEST(noise_is_no_parcel)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(unix_send(bed.ends[0], "GET / HTTP/1.1\r\n\r\n", 18, NULL, 0), 18);
	assert_int_equal(parcel_recv(&bed.in, bed.ends[1], soon()), -EPROTO);
	bed_close(&bed);
}

TEST(single_bytes_are_heard_in_order)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(parcel_say(bed.ends[0], 'a', soon()), 0);
	assert_int_equal(parcel_say(bed.ends[0], '\xff', soon()), 0);
	assert_int_equal(parcel_hear(bed.ends[1], soon()), 'a');
	assert_int_equal(parcel_hear(bed.ends[1], soon()), 0xff);
	bed_close(&bed);
}

TEST(bytes_survive_as_digits)
{
	const uint8_t bytes[] = {0x00, 0x9f, 0xff, 0x10};
	json_t *hex = parcel_hex(bytes, sizeof(bytes)), *empty = parcel_hex("", 0);
	uint8_t back[4];

	assert_string_equal(json_string_value(hex), "009fff10");
	assert_int_equal(parcel_bytes(hex, back, 4), 4);
	assert_memory_equal(back, bytes, 4);
	assert_int_equal(parcel_bytes(hex, back, 3), -EINVAL);
	assert_int_equal(parcel_bytes(empty, back, 4), 0);
	assert_int_equal(parcel_bytes(NULL, back, 4), -EINVAL);
	json_decref(hex);
	json_decref(empty);
	hex = json_string("0g");
	assert_int_equal(parcel_bytes(hex, back, 4), -EINVAL);
	json_decref(hex);
}

TEST(what_is_missing_reads_as_its_reader_says)
{
	json_t *o = json_pack("{s:I, s:b, s:s}", "n", (json_int_t)UINT64_MAX, "yes", 1, "text", "t");

	assert_true(parcel_u64(o, "n", 0) == UINT64_MAX);
	assert_int_equal(parcel_u64(o, "text", 5), 5);
	assert_int_equal(parcel_u64(NULL, "n", 6), 6);
	assert_true(parcel_bool(o, "yes", false));
	assert_true(parcel_bool(o, "n", true));
	assert_string_equal(parcel_str(o, "n", "other"), "other");
	json_decref(o);
}

TESTS(cmocka_unit_test(a_text_and_its_descriptors_arrive_as_one),
	cmocka_unit_test(what_is_not_taken_is_closed_and_what_was_put_is_not),
	cmocka_unit_test(
		more_descriptors_than_one_message_holds_and_a_text_larger_than_a_socket_wait_for_their_reader),
	cmocka_unit_test(an_empty_socket_times_out_and_a_closed_one_says_so),
	cmocka_unit_test(a_sender_that_dies_half_way_leaves_no_descriptor_behind),
	cmocka_unit_test(noise_is_no_parcel), cmocka_unit_test(single_bytes_are_heard_in_order),
	cmocka_unit_test(bytes_survive_as_digits), cmocka_unit_test(what_is_missing_reads_as_its_reader_says))
