/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/conn.h"

#include "os/clock.h"
#include "os/foreign.h"
#include "os/unix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONN_DEADLINE_NS (10 * NS_PER_S)
/* Reads per event: a peer that never stops sending must let others have their turn. */
#define CONN_BURST 64

static void message_clear(struct message *m)
{
	unix_cargo_close(&m->cargo);
	m->cargo.truncated = false;
	m->why[0] = 0;
}

void conn_stop(struct conn *c)
{
	if (c->fd < 0)
		return;
	loop_watch_del(c->loop, &c->watch);
	loop_timer_cancel(c->loop, &c->deadline);
	shutdown(c->fd, SHUT_RDWR); /* the front-end hears of it now, whenever the socket is closed */
	foreign_close(c->fd);
	c->fd = -1;
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

	conn_end(c, message_refuse(&c->in, -ETIMEDOUT, "front-end stopped in the middle of a message"));
}

static int check_header(struct message *m)
{
	const struct vhost_user_header *h = &m->header;

	if ((h->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION || (h->flags & VHOST_USER_REPLY))
		return message_refuse(m, -EPROTO, "header with flags 0x%x: this is not vhost-user", h->flags);
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
		err = check_header(m);
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
			return message_refuse(&c->in, -ECONNRESET, "front-end has left%s",
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

static int conn_write(struct conn *c)
{
	ssize_t n = unix_send(c->fd, c->out, c->out_len, NULL, 0);

	if (n == -EPIPE || n == -ECONNRESET)
		n = c->out_len; /* nobody reads it; what was sent before the end is still to be received */
	else if (n == -EAGAIN)
		n = 0;
	else if (n < 0)
		return (int)n;
	c->out_len -= (uint32_t)n;
	memmove(c->out, c->out + n, c->out_len);
	watch_output(c);
	return 0;
}

static void on_event(void *arg, uint32_t events)
{
	struct conn *c = arg;
	int err = 0;

	if (c->out_len > 0)
		err = conn_write(c);
	if (err)
		message_refuse(&c->in, err, "cannot send a reply: %s", strerror(-err));
	else if ((events & ~(uint32_t)EPOLLOUT))
		err = conn_read(c);
	if (err)
		conn_end(c, err);
}

int conn_reply(struct conn *c, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_header header = {
		.request = request, .flags = VHOST_USER_VERSION | VHOST_USER_REPLY, .size = size};
	bool was_empty = c->out_len == 0;

	if (sizeof(header) + size > CONN_MAX_OUT - c->out_len)
		return -ENOBUFS;
	memcpy(c->out + c->out_len, &header, sizeof(header));
	memcpy(c->out + c->out_len + sizeof(header), payload, size);
	c->out_len += (uint32_t)sizeof(header) + size;
	return was_empty ? conn_write(c) : 0;
}

void conn_init(struct conn *c, struct loop *loop, const struct conn_events *events, void *arg)
{
	c->loop = loop;
	c->events = events;
	c->arg = arg;
	c->fd = -1;
	c->deadline_ns = CONN_DEADLINE_NS;
	c->in.cargo.n_fds = 0;
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
