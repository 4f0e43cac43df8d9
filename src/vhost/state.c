/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's state on its way to another host, or from there (DEVICE_STATE).
 *
 * A front-end brings a pipe. A reader that waits for a page in the middle of read() holds a pipe's lock, and whoever
 * writes to it waits, O_NONBLOCK or not. So that pipe is closed, and the answer brings one end of a socket pair of ours
 * instead, as the protocol allows: the other end nobody else has, and the event loop serves it without waiting.
 *
 *	save   the whole state is taken at once, sent as it is read, and the socket closed behind it
 *	load   what comes until the end of the stream is given to the device as a whole
 */
#include "vhost/backend_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATE_MAX   (16u << 20)
#define STATE_PIECE (64u << 10)

static void transfer_close(struct state_transfer *t, struct loop *loop)
{
	if (t->fd < 0)
		return;
	loop_watch_del(loop, &t->watch);
	close(t->fd);
	t->fd = -1;
	free(t->bytes);
	t->bytes = NULL;
}

static void transfer_end(struct vhost_backend *b, int verdict)
{
	transfer_close(&b->transfer, b->loop);
	b->transfer.verdict = verdict;
}

static void save_more(struct vhost_backend *b)
{
	struct state_transfer *t = &b->transfer;

	while (t->done < t->len) {
		ssize_t n = send(t->fd, t->bytes + t->done, t->len - t->done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			transfer_end(b, -errno);
			return;
		}
		t->done += (size_t)n;
	}
	transfer_end(b, 0);
}

/* 0 or -errno. */
static int make_room(struct state_transfer *t)
{
	uint8_t *bytes;

	if (t->len - t->done >= STATE_PIECE)
		return 0;
	if (t->len >= STATE_MAX)
		return -E2BIG;
	bytes = realloc(t->bytes, 2 * t->len + STATE_PIECE);
	if (!bytes)
		return -ENOMEM;
	t->bytes = bytes;
	t->len = 2 * t->len + STATE_PIECE;
	return 0;
}

static void load_done(struct vhost_backend *b)
{
	struct state_transfer *t = &b->transfer;

	transfer_end(b, rings_stopped(b) ? b->ops->load(b->device, t->bytes, t->done) : -EBUSY);
}

static void load_more(struct vhost_backend *b)
{
	struct state_transfer *t = &b->transfer;

	for (;;) {
		int err = make_room(t);
		ssize_t n = err ? 0 : recv(t->fd, t->bytes + t->done, STATE_PIECE, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (err || n < 0) {
			transfer_end(b, err ? err : -errno);
			return;
		}
		if (n == 0) {
			load_done(b);
			return;
		}
		t->done += (size_t)n;
	}
}

static void on_event(void *arg, uint32_t events)
{
	struct vhost_backend *b = arg;

	if (b->transfer.saving)
		save_more(b);
	else
		load_more(b);
}

void state_init(struct vhost_backend *b)
{
	b->transfer.fd = -1;
	b->transfer.verdict = -ENODATA;
	loop_watch_init(&b->transfer.watch, on_event, b);
}

void state_reset(struct vhost_backend *b)
{
	transfer_end(b, -ENODATA);
}

static int check_transfer(const struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_state_transfer *t = &m->payload.transfer;

	if (t->direction > VHOST_USER_STATE_LOAD || t->phase != VHOST_USER_STATE_PHASE_STOPPED)
		return message_refuse(m, -EINVAL, "direction %u, phase %u", t->direction, t->phase);
	if (!rings_stopped(b))
		return message_refuse(m, -EBUSY, "not all rings are stopped");
	return 0;
}

/* The state, and a place to send it from. 0 or -errno. */
static int prepare_save(struct vhost_backend *b)
{
	void *blob = NULL;
	size_t len = 0;
	int err = b->ops->save(b->device, &blob, &len);

	if (err) {
		free(blob);
		return err;
	}
	b->transfer.bytes = blob;
	b->transfer.len = len;
	return 0;
}

static int start_transfer(struct vhost_backend *b, bool saving, int *their_end)
{
	struct state_transfer *t = &b->transfer;
	int err, ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	t->fd = ends[0];
	t->saving = saving;
	t->done = 0;
	t->len = 0;
	err = saving ? prepare_save(b) : 0;
	if (err == 0)
		err = loop_watch_add(b->loop, &t->watch, t->fd, saving ? EPOLLOUT : EPOLLIN);
	if (err) {
		close(ends[1]);
		transfer_end(b, err);
		return err;
	}
	t->verdict = -EINPROGRESS;
	*their_end = ends[1];
	return 0;
}

/* The answer itself tells a failure, and the connection goes on. */
int handle_set_device_state_fd(struct vhost_backend *b, struct message *m)
{
	bool saving = m->payload.transfer.direction == VHOST_USER_STATE_SAVE;
	int err;

	state_reset(b);
	err = check_transfer(b, m);
	if (err == 0) {
		err = start_transfer(b, saving, &m->reply_fd);
		if (err)
			message_refuse(m, err, "device state cannot be %s: %s", saving ? "saved" : "loaded",
				strerror(-err));
	}
	if (err)
		message_refused(b, m, err);
	m->payload.u64 = err ? VHOST_USER_REPLY_NO_FD | 1 : 0;
	return 0;
}

/* Asked when the other side has closed its end: what it wrote is here, though the loop may not have seen it yet. */
int handle_check_device_state(struct vhost_backend *b, struct message *m)
{
	if (b->transfer.fd >= 0)
		on_event(b, 0);
	if (b->transfer.fd >= 0)
		state_reset(b);
	if (b->transfer.verdict != 0) {
		message_refuse(m, b->transfer.verdict, "device state was not transferred: %s",
			strerror(-b->transfer.verdict));
		message_refused(b, m, b->transfer.verdict);
	}
	m->payload.u64 = b->transfer.verdict != 0;
	return 0;
}
