/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/conn.h"

#include <errno.h>
#include <string.h>

#define HEADER_LEN sizeof(struct vhost_user_header)

static json_t *fds_save(const int *fds, uint32_t n, struct parcel *parcel)
{
	json_t *names = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(names, parcel_put(parcel, fds[i]));
	return names;
}

/* How many there are; fewer when they do not fit. */
static uint32_t fds_restore(int *fds, uint32_t max, const json_t *names, struct parcel *parcel)
{
	const json_t *name;
	uint32_t n = 0;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)names, i, name) {
		int fd = n < max ? parcel_take(parcel, name) : -1;

		if (fd >= 0)
			fds[n++] = fd;
	}
	return n;
}

json_t *conn_save(const struct conn *c, struct parcel *parcel)
{
	uint8_t in[HEADER_LEN + MESSAGE_MAX_PAYLOAD];

	memcpy(in, &c->in.header, HEADER_LEN);
	if (c->have > HEADER_LEN)
		memcpy(in + HEADER_LEN, c->in.payload.bytes, c->have - HEADER_LEN);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I}", "socket", parcel_put(parcel, c->fd), "in",
		parcel_hex(in, c->have), "in-descriptors",
		fds_save(c->in.cargo.fds, c->in.cargo.n_fds, parcel), "out", parcel_hex(c->out, c->out_len),
		"out-descriptors", fds_save(c->out_fds, c->out_n_fds, parcel), "out-descriptors-at",
		(json_int_t)c->out_fds_at);
}

/* Only what a message that is not complete yet can be. */
static int in_restore(struct conn *c, const json_t *state, struct parcel *parcel)
{
	uint8_t in[HEADER_LEN + MESSAGE_MAX_PAYLOAD];
	int have = parcel_bytes(json_object_get(state, "in"), in, sizeof(in));
	struct message *m = &c->in;

	if (have < 0)
		return have;
	memcpy(&m->header, in, HEADER_LEN);
	if (have >= (int)HEADER_LEN) {
		if (m->header.size > MESSAGE_MAX_PAYLOAD || (size_t)have >= HEADER_LEN + m->header.size)
			return -EINVAL;
		memcpy(m->payload.bytes, in + HEADER_LEN, (size_t)have - HEADER_LEN);
	}
	c->have = (uint32_t)have;
	m->cargo.n_fds =
		fds_restore(m->cargo.fds, UNIX_MAX_FDS, json_object_get(state, "in-descriptors"), parcel);
	if (have > 0)
		loop_timer_set(c->loop, &c->deadline, loop_now(c->loop) + c->deadline_ns);
	return 0;
}

static int out_restore(struct conn *c, const json_t *state, struct parcel *parcel)
{
	int len = parcel_bytes(json_object_get(state, "out"), c->out, sizeof(c->out));
	uint64_t at = parcel_u64(state, "out-descriptors-at", 0);

	if (len < 0)
		return len;
	c->out_len = (uint32_t)len;
	if (at < c->out_len) {
		c->out_fds_at = (uint32_t)at;
		c->out_n_fds = fds_restore(
			c->out_fds, CONN_MAX_OUT_FDS, json_object_get(state, "out-descriptors"), parcel);
	}
	if (len > 0) {
		loop_watch_change(c->loop, &c->watch, EPOLLIN | EPOLLOUT);
		c->out_watched = true;
	}
	return 0;
}

int conn_restore(struct conn *c, const json_t *state, struct parcel *parcel)
{
	int fd = parcel_take(parcel, json_object_get(state, "socket"));
	int err = fd < 0 ? -EBADF : conn_start(c, fd);

	if (err)
		return err;
	err = out_restore(c, state, parcel);
	if (err == 0)
		err = in_restore(c, state, parcel);
	return err;
}
