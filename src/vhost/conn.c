/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/conn.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/foreign.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONN_DEADLINE_NS (10 * NS_PER_S)
/* Reads per event: a peer that never stops sending must let others have their turn. */
#define CONN_BURST 64

static void message_clear(struct message *m)
{
	unix_cargo_close(&m->cargo);
	m->cargo.truncated = false;
	m->why[0] = 0;
}

/* At once: who waits for the end of a stream waits for its last copy, and these are our own. */
static void out_fds_close(struct conn *c)
{
	for (uint32_t i = 0; i < c->out_n_fds; i++)
		close(c->out_fds[i]);
	c->out_n_fds = 0;
}

void conn_stop(struct conn *c)
{
	if (c->fd < 0)
		return;
	loop_watch_del(c->loop, &c->watch);
	loop_timer_cancel(c->loop, &c->deadline);
	shutdown(c->fd, SHUT_RDWR); /* the peer hears of it now, whenever the socket is closed */
	foreign_close(c->fd);
	c->fd = -1;
	out_fds_close(c);
	message_clear(&c->in);
}

static void conn_end(struct conn *c, int err)
{
	char why[MESSAGE_WHY_LEN];

	memcpy(why, c->in.why, sizeof(why));
	conn_stop(c);
	c->events->ended(c->arg, err, why);
}

static void on_deadline(void *arg)
{
	struct conn *c = arg;

	conn_end(c,
		message_refuse(&c->in, -ETIMEDOUT, "%s stopped in the middle of a message", c->events->peer));
}

static bool flags_fit(uint32_t flags, bool replies)
{
	if (replies)
		return flags == (VHOST_USER_VERSION | VHOST_USER_REPLY);
	return (flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION && !(flags & VHOST_USER_REPLY);
}

static int check_header(const struct conn *c, struct message *m)
{
	const struct vhost_user_header *h = &m->header;

	if (!flags_fit(h->flags, c->events->replies))
		return message_refuse(m, -EPROTO, "header with flags 0x%x: this is no vhost-user %s",
			h->flags, c->events->replies ? "answer" : "request");
	if (h->size > MESSAGE_MAX_PAYLOAD)
		return message_refuse(
			m, -EMSGSIZE, "message %u announces %u bytes of payload", h->request, h->size);
	return 0;
}

/* n more bytes of `in` are there. */
static int conn_received(struct conn *c, size_t n)
{
	struct message *m = &c->in;
	int err = 0;

	if (c->have == 0)
		loop_timer_set(c->loop, &c->deadline, loop_now(c->loop) + c->deadline_ns);
	c->have += (uint32_t)n;
	if (m->cargo.truncated)
		return message_refuse(
			m, -EMSGSIZE, "file descriptors were lost: too many of them are open, or came");
	if (c->have < sizeof(m->header))
		return 0;
	if (c->have == sizeof(m->header))
		err = check_header(c, m);
	if (err || c->have < sizeof(m->header) + m->header.size)
		return err;
	loop_timer_cancel(c->loop, &c->deadline);
	err = c->events->message(c->arg, m);
	if (err)
		return err;
	message_clear(m);
	c->have = 0;
	return 0;
}

static ssize_t conn_recv(struct conn *c)
{
	struct message *m = &c->in;
	size_t head = sizeof(m->header);

	if (c->have < head)
		return unix_recv(c->fd, (uint8_t *)&m->header + c->have, head - c->have, &m->cargo);
	return unix_recv(
		c->fd, m->payload.bytes + (c->have - head), head + m->header.size - c->have, &m->cargo);
}

static int conn_read(struct conn *c)
{
	for (int i = 0; i < CONN_BURST; i++) {
		ssize_t n = conn_recv(c);
		int err;

		if (n == -EAGAIN)
			return 0;
		if (n == 0 || n == -ECONNRESET)
			return message_refuse(&c->in, -ECONNRESET, "%s has left%s", c->events->peer,
				c->have > 0 ? " in the middle of a message" : "");
		if (n < 0)
			return message_refuse(&c->in, (int)n, "cannot receive: %s", strerror((int)-n));
		err = conn_received(c, (size_t)n);
		if (err)
			return err;
	}
	return 0;
}

static void watch_output(struct conn *c)
{
	bool wanted = c->out_len > 0;

	if (wanted == c->out_watched)
		return;
	/* cannot fail: the descriptor is registered, and the kernel allocates nothing for a change */
	loop_watch_change(c->loop, &c->watch, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
	c->out_watched = wanted;
}

/* Descriptors ride on the first byte of their message, so what comes before that is sent without them. */
static ssize_t conn_write_some(struct conn *c)
{
	ssize_t n;

	if (c->out_n_fds > 0 && c->out_fds_at > 0) {
		n = unix_send(c->fd, c->out, c->out_fds_at, NULL, 0);
		if (n > 0)
			c->out_fds_at -= (uint32_t)n;
		return n;
	}
	n = unix_send(c->fd, c->out, c->out_len, c->out_fds, c->out_n_fds);
	if (n > 0)
		out_fds_close(c);
	return n;
}

static int conn_write(struct conn *c)
{
	ssize_t n = 0;

	while (c->out_len > 0) {
		n = conn_write_some(c);
		if (n == -EPIPE || n == -ECONNRESET) {
			/* nobody reads it; what was sent before the end is still to be received */
			out_fds_close(c);
			n = c->out_len;
		}
		if (n < 0)
			break;
		c->out_len -= (uint32_t)n;
		memmove(c->out, c->out + n, c->out_len);
	}
	watch_output(c);
	return n < 0 && n != -EAGAIN ? (int)n : 0;
}

static int conn_write_waiting(struct conn *c)
{
	int err = conn_write(c);

	if (err)
		return message_refuse(&c->in, err, "cannot send: %s", strerror(-err));
	if (c->out_len == 0 && c->events->sent)
		return c->events->sent(c->arg, &c->in);
	return 0;
}

static void on_event(void *arg, uint32_t events)
{
	struct conn *c = arg;
	int err = 0;

	if (c->out_len > 0)
		err = conn_write_waiting(c);
	if (err == 0 && (events & ~(uint32_t)EPOLLOUT))
		err = conn_read(c);
	if (err)
		conn_end(c, err);
}

static int out_fds_keep(struct conn *c, const int *fds, uint32_t n_fds)
{
	ASSERT(n_fds <= CONN_MAX_OUT_FDS);
	if (c->out_n_fds > 0)
		return -ENOBUFS;
	c->out_fds_at = c->out_len;
	while (c->out_n_fds < n_fds) {
		int fd = fcntl(fds[c->out_n_fds], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		c->out_fds[c->out_n_fds++] = fd;
	}
	return 0;
}

int conn_send(struct conn *c, const struct vhost_user_header *header, const void *payload, const int *fds,
	uint32_t n_fds)
{
	uint32_t len = (uint32_t)sizeof(*header) + header->size;
	bool was_empty = c->out_len == 0;
	int err;

	if (len > CONN_MAX_OUT - c->out_len)
		return -ENOBUFS;
	err = n_fds > 0 ? out_fds_keep(c, fds, n_fds) : 0;
	if (err)
		return err;
	memcpy(c->out + c->out_len, header, sizeof(*header));
	if (header->size > 0)
		memcpy(c->out + c->out_len + sizeof(*header), payload, header->size);
	c->out_len += len;
	return was_empty ? conn_write(c) : 0;
}

int conn_reply(struct conn *c, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_header header = {
		.request = request, .flags = VHOST_USER_VERSION | VHOST_USER_REPLY, .size = size};

	return conn_send(c, &header, payload, NULL, 0);
}

void conn_init(struct conn *c, struct loop *loop, const struct conn_events *events, void *arg)
{
	c->loop = loop;
	c->events = events;
	c->arg = arg;
	c->fd = -1;
	c->deadline_ns = CONN_DEADLINE_NS;
	c->in.cargo.n_fds = 0;
	c->out_n_fds = 0;
	loop_watch_init(&c->watch, on_event, c);
	loop_timer_init(&c->deadline, on_deadline, c);
	message_clear(&c->in);
}

int conn_start(struct conn *c, int fd)
{
	int err = loop_watch_add(c->loop, &c->watch, fd, EPOLLIN);

	if (err) {
		foreign_close(fd);
		return err;
	}
	c->fd = fd;
	c->have = 0;
	c->out_len = 0;
	c->out_watched = false;
	return 0;
}
