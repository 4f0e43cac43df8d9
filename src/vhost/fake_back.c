/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/fake_back.h"

#include "base/check.h"
#include "base/log.h"
#include "base/test.h"
#include "os/foreign.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE 100 /* turns */

void fake_back_open(struct fake_back *b)
{
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	*b = (struct fake_back){.dir = "/tmp/ginnel-test.XXXXXX",
		.fd = -1,
		.channel = -1,
		.features = FAKE_FEATURES | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
		.protocol_features = FAKE_BACK_PROTOCOL,
		.queue_num = 2,
		.mem_slots = 8,
		.notes_len = 4096};
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/socket", b->dir);
	b->listener = unix_listen(b->path, 0600, 4);
	assert_true(b->listener >= 0);
	assert_int_equal(loop_create(&b->loop), 0);
}

void fake_back_close(struct fake_back *b)
{
	fake_back_hang_up(b);
	close(b->listener);
	unlink(b->path);
	assert_int_equal(rmdir(b->dir), 0);
	loop_destroy(b->loop);
}

static void turns(struct fake_back *b)
{
	struct rlimit before, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	if (b->turns_limit > 0)
		few.rlim_cur = b->turns_limit;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	fake_turns(b->loop);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

bool fake_back_finds(struct fake_back *b)
{
	for (int i = 0; i < PATIENCE && b->fd < 0; i++) {
		turns(b);
		b->fd = unix_accept(b->listener);
	}
	return b->fd >= 0;
}

void fake_back_accept(struct fake_back *b)
{
	assert_true(fake_back_finds(b));
	b->features_set = b->protocol_features_set = b->status = 0;
	b->enabled = b->kicked = 0;
}

static void close_channel(struct fake_back *b)
{
	if (b->channel >= 0)
		foreign_close(b->channel);
	b->channel = -1;
}

void fake_back_hang_up(struct fake_back *b)
{
	unix_cargo_close(&b->cargo);
	close_channel(b);
	if (b->fd >= 0)
		foreign_close(b->fd);
	foreign_settle();
	b->fd = -1;
	turns(b);
}

/* Exactly len bytes, while the front-end has its turns. */
static bool recv_bytes(struct fake_back *b, int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	for (int tries = 0; len > 0 && tries < PATIENCE; tries++) {
		ssize_t n = unix_recv(fd, p, len, &b->cargo);

		if (n == -EAGAIN) {
			turns(b);
			continue;
		}
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return len == 0;
}

bool fake_back_hear(struct fake_back *b)
{
	unix_cargo_close(&b->cargo);
	if (!recv_bytes(b, b->fd, &b->header, sizeof(b->header)))
		return false;
	assert_int_equal(b->header.flags & ~VHOST_USER_NEED_REPLY, VHOST_USER_VERSION);
	assert_true(b->header.size <= sizeof(b->payload));
	if (!recv_bytes(b, b->fd, b->payload, b->header.size))
		return false;
	b->messages++;
	return true;
}

static uint64_t payload_u64(const struct fake_back *b)
{
	uint64_t value;

	memcpy(&value, b->payload, sizeof(value));
	return value;
}

/* Holds the front-end to the protocol. */
static void check_request(struct fake_back *b, uint32_t size, uint32_t n_fds)
{
	assert_int_equal(b->header.size, size);
	assert_int_equal(b->cargo.n_fds, n_fds);
}

static void take_ring(struct fake_back *b)
{
	struct vhost_user_ring_state state;

	memcpy(&state, b->payload, sizeof(state));
	switch (b->header.request) {
	case VHOST_USER_SET_VRING_ADDR:
		check_request(b, 40, 0);
		break;
	case VHOST_USER_SET_VRING_CALL:
		check_request(b, 8, 1);
		break;
	case VHOST_USER_SET_VRING_KICK:
		check_request(b, 8, 1);
		if (fake_events(b->cargo.fds[0]) > 0)
			b->kicked |= 1u << state.index;
		break;
	case VHOST_USER_SET_VRING_ENABLE:
		b->enabled |= state.num << state.index;
		/* fall through */
	default:
		check_request(b, 8, 0);
	}
}

static ino_t file_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void take_config(struct fake_back *b)
{
	struct vhost_user_config config;

	memcpy(&config, b->payload, sizeof(config));
	check_request(b, (uint32_t)sizeof(config) + config.size, 0);
	b->config_offset = config.offset;
	b->config_written = config.size;
	b->config_byte = b->payload[sizeof(config)];
}

/* Takes what is no question. */
static void take(struct fake_back *b)
{
	switch (b->header.request) {
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		check_request(b, 8, 0);
		b->protocol_features_set = payload_u64(b);
		assert_int_equal(b->protocol_features_set & ~b->protocol_features, 0);
		break;
	case VHOST_USER_SET_FEATURES:
		check_request(b, 8, 0);
		b->features_set = payload_u64(b);
		assert_int_equal(b->features_set & ~b->features, 0);
		break;
	case VHOST_USER_SET_STATUS:
		check_request(b, 8, 0);
		b->status = payload_u64(b);
		break;
	case VHOST_USER_SET_OWNER:
		check_request(b, 0, 0);
		break;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		check_request(b, 0, 1);
		close_channel(b);
		b->channel = b->cargo.fds[--b->cargo.n_fds];
		break;
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_ADD_MEM_REG:
		check_request(b, 40, 1);
		break;
	case VHOST_USER_SET_CONFIG:
		take_config(b);
		break;
	case VHOST_USER_SET_INFLIGHT_FD:
		check_request(b, 24, 1);
		memcpy(&b->notes, b->payload, sizeof(b->notes));
		b->notes_given = file_of(b->cargo.fds[0]);
		break;
	default:
		take_ring(b);
	}
}

static bool question(const struct fake_back *b, uint64_t *answer)
{
	switch (b->header.request) {
	case VHOST_USER_GET_FEATURES:
		*answer = b->features;
		return true;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		*answer = b->protocol_features;
		return true;
	case VHOST_USER_GET_QUEUE_NUM:
		*answer = b->queue_num;
		return true;
	case VHOST_USER_GET_STATUS:
		*answer = b->status;
		return true;
	case VHOST_USER_GET_MAX_MEM_SLOTS:
		*answer = b->mem_slots;
		return true;
	default:
		return false;
	}
}

static void send_bytes(
	struct fake_back *b, int fd, const uint8_t *bytes, size_t len, const int *fds, uint32_t n_fds)
{
	size_t step = b->drips ? 1 : len;

	for (size_t at = 0; at < len; at += step) {
		unix_send(fd, bytes + at, step, fds, n_fds);
		turns(b);
	}
}

static void answer_config(struct fake_back *b)
{
	struct {
		struct vhost_user_header header;
		struct vhost_user_config config;
		uint8_t bytes[VHOST_USER_CONFIG_MAX];
	} answer = {.config = {.size = b->config_len}};
	uint32_t size = (uint32_t)sizeof(answer.config) + b->config_len;

	answer.header = (struct vhost_user_header){.request = VHOST_USER_GET_CONFIG,
		.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
		.size = size};
	for (uint32_t i = 0; i < b->config_len; i++)
		answer.bytes[i] = (uint8_t)(i + 1);
	send_bytes(b, b->fd, (const uint8_t *)&answer, sizeof(answer.header) + size, NULL, 0);
}

static void answer_inflight(struct fake_back *b)
{
	struct vhost_user_inflight inflight;
	const struct vhost_user_header header = {.request = VHOST_USER_GET_INFLIGHT_FD,
		.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
		.size = sizeof(inflight)};
	uint8_t bytes[sizeof(header) + sizeof(inflight)];
	int fd = memfd_create("notes", MFD_CLOEXEC);

	check_request(b, 24, 0);
	memcpy(&inflight, b->payload, sizeof(inflight));
	inflight.mmap_size = b->notes_len;
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &inflight, sizeof(inflight));
	b->notes_made = file_of(fd);
	send_bytes(b, b->fd, bytes, sizeof(bytes), &fd, b->notes_len > 0);
	close(fd);
}

void fake_back_answer(struct fake_back *b)
{
	struct vhost_user_header header = {
		.request = b->header.request, .flags = VHOST_USER_VERSION | VHOST_USER_REPLY, .size = 8};
	uint64_t answer = 0;

	if (b->header.request == VHOST_USER_GET_CONFIG) {
		answer_config(b);
		return;
	}
	if (b->header.request == VHOST_USER_GET_INFLIGHT_FD) {
		answer_inflight(b);
		return;
	}
	if (!question(b, &answer)) {
		take(b);
		if (!(b->header.flags & VHOST_USER_NEED_REPLY))
			return;
		assert_true(b->protocol_features_set & BIT(3));
	}
	fake_back_say(b, b->fd, &header, answer, 0);
}

uint32_t fake_back_serve(struct fake_back *b, uint32_t n)
{
	uint32_t served = 0;

	while (served < n && fake_back_hear(b)) {
		fake_back_answer(b);
		served++;
	}
	unix_cargo_close(&b->cargo);
	return served;
}

void fake_back_say(
	struct fake_back *b, int fd, const struct vhost_user_header *header, uint64_t payload, uint32_t n_fds)
{
	uint8_t bytes[sizeof(*header) + sizeof(payload)];
	int fds[UNIX_MAX_FDS];

	memcpy(bytes, header, sizeof(*header));
	memcpy(bytes + sizeof(*header), &payload, sizeof(payload));
	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = b->listener;
	send_bytes(b, fd, bytes, sizeof(*header) + min_u64(header->size, sizeof(payload)), fds, n_fds);
}

uint64_t fake_back_ask(struct fake_back *b, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_header header = {
		.request = request, .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, .size = size};
	uint64_t value = 0;

	if (size > 0)
		memcpy(&value, payload, size);
	fake_back_say(b, b->channel, &header, value, 0);
	if (!recv_bytes(b, b->channel, &header, sizeof(header)))
		return UINT64_MAX;
	assert_int_equal(header.request, request);
	assert_int_equal(header.flags, 0x5);
	assert_int_equal(header.size, 8);
	assert_true(recv_bytes(b, b->channel, &value, sizeof(value)));
	return value;
}

bool fake_back_left(struct fake_back *b)
{
	uint8_t bytes[4096];
	ssize_t n;

	turns(b);
	do
		n = unix_recv(b->fd, bytes, sizeof(bytes), &b->cargo);
	while (n > 0);
	unix_cargo_close(&b->cargo);
	return n == 0 || n == -ECONNRESET;
}
