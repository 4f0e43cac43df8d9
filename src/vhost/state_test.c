/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE_STATE (1ull << VHOST_USER_PROTOCOL_F_DEVICE_STATE)
#define FAILED       (VHOST_USER_REPLY_NO_FD | 1)

struct bed {
	struct fake_device device;
	struct fake_front front;
	int channel; /* what the last answer brought; -1: nothing */
};

static void bed_open(struct bed *bed)
{
	bed->channel = -1;
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES, DEVICE_STATE);
}

static void drop_channel(struct bed *bed)
{
	if (bed->channel >= 0)
		close(bed->channel);
	bed->channel = -1;
	fake_turns(bed->device.loop);
}

static void bed_close(struct bed *bed)
{
	drop_channel(bed);
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

/* A state of len bytes, none like its neighbours. */
static void make_state(struct bed *bed, size_t len)
{
	bed->device.state = realloc(bed->device.state, len + 1);
	assert_non_null(bed->device.state);
	bed->device.state_len = len;
	for (size_t i = 0; i < len; i++)
		bed->device.state[i] = (uint8_t)(i * 7 + (i >> 8));
}

/* SET_DEVICE_STATE_FD with one end of a pipe, as QEMU sends it. Returns the answer; the descriptor is kept. */
static uint64_t begin(struct bed *bed, uint32_t direction, uint32_t phase)
{
	struct vhost_user_state_transfer transfer = {.direction = direction, .phase = phase};
	struct vhost_user_header header = {.request = VHOST_USER_SET_DEVICE_STATE_FD,
		.flags = VHOST_USER_VERSION,
		.size = sizeof(transfer)};
	struct unix_cargo cargo = {0};
	uint64_t answer;
	int ends[2];

	drop_channel(bed);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fake_send(&bed->front, &header, &transfer, &ends[direction == VHOST_USER_STATE_SAVE], 1));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(unix_recv(bed->front.fd, &header, sizeof(header), &cargo), sizeof(header));
	assert_int_equal(header.request, VHOST_USER_SET_DEVICE_STATE_FD);
	assert_int_equal(header.flags, 0x5);
	assert_int_equal(header.size, sizeof(answer));
	assert_int_equal(unix_recv(bed->front.fd, &answer, sizeof(answer), &cargo), sizeof(answer));
	assert_int_equal(cargo.n_fds, (answer & VHOST_USER_REPLY_NO_FD) == 0);
	if (cargo.n_fds > 0)
		bed->channel = cargo.fds[0];
	return answer;
}

static uint64_t verdict(struct bed *bed)
{
	return fake_get_u64(&bed->front, VHOST_USER_CHECK_DEVICE_STATE);
}

/* Reads to the end of the stream. */
static size_t read_all(struct bed *bed, uint8_t *out, size_t max)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(bed->channel, out + len, max - len, MSG_DONTWAIT);

		if (n == 0)
			return len;
		if (n > 0)
			len += (size_t)n;
		else
			assert_int_equal(errno, EAGAIN);
		fake_turns(bed->device.loop);
	}
}

static void check_save(size_t state_len)
{
	uint8_t *out = malloc(state_len + 1);
	struct bed bed;

	assert_non_null(out);
	bed_open(&bed);
	make_state(&bed, state_len);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 0), 0);
	assert_int_equal(read_all(&bed, out, state_len + 1), state_len);
	assert_memory_equal(out, bed.device.state, state_len);
	assert_int_equal(verdict(&bed), 0);
	bed_close(&bed);
	free(out);
}

TEST(a_state_is_saved_whatever_its_length)
{
	check_save(0);
	check_save(1);
	check_save(5000);
	check_save(3u << 20); /* more than a socket holds */
}

static void write_all(struct bed *bed, const uint8_t *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(bed->channel, bytes + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (errno == EPIPE)
			return;
		else
			assert_int_equal(errno, EAGAIN);
		fake_turns(bed->device.loop);
	}
}

static void check_load(size_t len)
{
	struct bed from, to;

	bed_open(&from);
	bed_open(&to);
	make_state(&from, len);
	assert_int_equal(begin(&to, VHOST_USER_STATE_LOAD, 0), 0);
	write_all(&to, from.device.state, len);
	close(to.channel);
	to.channel = -1;
	assert_int_equal(verdict(&to), 0);
	assert_int_equal(to.device.state_len, len);
	assert_memory_equal(to.device.state, from.device.state, len);
	bed_close(&from);
	bed_close(&to);
}

TEST(a_state_is_loaded_whatever_its_length)
{
	check_load(0);
	check_load(1);
	check_load(5000);
	check_load(3u << 20);
}

TEST(a_check_before_the_end_of_the_stream_fails)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(verdict(&bed), 1); /* nothing was begun */
	assert_int_equal(begin(&bed, VHOST_USER_STATE_LOAD, 0), 0);
	write_all(&bed, (const uint8_t *)"half", 4);
	assert_int_equal(verdict(&bed), 1);
	assert_null(bed.device.state);
	make_state(&bed, 1u << 20);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 0), 0);
	assert_int_equal(verdict(&bed), 1);
	assert_true(fake_alive(&bed.front));
	bed_close(&bed);
}

TEST(only_a_stopped_device_has_its_state_moved)
{
	struct bed bed;

	bed_open(&bed);
	make_state(&bed, 10);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 0), FAILED);
	fake_get_base(&bed.front, 0);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_LOAD, 0), 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	drop_channel(&bed);
	assert_int_equal(verdict(&bed), 1);
	assert_int_equal(bed.device.state_len, 10);
	bed_close(&bed);
}

TEST(directions_and_phases_that_do_not_exist_are_answered_so)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(begin(&bed, 2, 0), FAILED);
	assert_int_equal(begin(&bed, UINT32_MAX, 0), FAILED);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 1), FAILED);
	assert_true(fake_alive(&bed.front));
	assert_int_equal(fake_device_status(&bed.device).protocol_errors, 3);
	bed_close(&bed);
}

TEST(a_device_that_cannot_says_so)
{
	struct bed bed;

	bed_open(&bed);
	bed.device.answer = -EIO;
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 0), FAILED);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_LOAD, 0), 0);
	drop_channel(&bed);
	assert_int_equal(verdict(&bed), 1);
	assert_string_equal(fake_device_status(&bed.device).why,
		"CHECK_DEVICE_STATE: device state was not transferred: Input/output error");
	bed_close(&bed);
}

TEST(a_state_without_end_is_refused)
{
	static uint8_t piece[1u << 20];
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_LOAD, 0), 0);
	for (int i = 0; i < 64; i++)
		write_all(&bed, piece, sizeof(piece));
	drop_channel(&bed);
	assert_int_equal(verdict(&bed), 1);
	assert_null(bed.device.state);
	bed_close(&bed);
}

TEST(a_transfer_ends_with_its_reader_its_successor_and_its_connection)
{
	uint32_t before;
	struct bed bed;

	bed_open(&bed);
	make_state(&bed, 1u << 20);
	fake_front_hang_up(&bed.front);
	before = fake_open_fds();
	fake_front_reopen(&bed.front, bed.device.path);
	fake_negotiate(&bed.front, FAKE_FEATURES, DEVICE_STATE);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 0), 0);
	drop_channel(&bed); /* nobody reads the rest */
	assert_int_equal(verdict(&bed), 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(begin(&bed, (uint32_t)i % 2, 0), 0);
	drop_channel(&bed);
	assert_int_equal(begin(&bed, VHOST_USER_STATE_SAVE, 0), 0);
	fake_front_hang_up(&bed.front);
	drop_channel(&bed);
	assert_int_equal(fake_open_fds(), before);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_state_is_saved_whatever_its_length),
	cmocka_unit_test(a_state_is_loaded_whatever_its_length),
	cmocka_unit_test(a_check_before_the_end_of_the_stream_fails),
	cmocka_unit_test(only_a_stopped_device_has_its_state_moved),
	cmocka_unit_test(directions_and_phases_that_do_not_exist_are_answered_so),
	cmocka_unit_test(a_device_that_cannot_says_so), cmocka_unit_test(a_state_without_end_is_refused),
	cmocka_unit_test(a_transfer_ends_with_its_reader_its_successor_and_its_connection))
