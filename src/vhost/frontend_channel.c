/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back-end's requests. They are served whatever we wait for: a back-end may want an answer before it gives one.
 * A request that is not understood is refused and the connection lives on; nonsense ends it.
 */
#include "os/bell.h"
#include "os/foreign.h"
#include "os/thread.h"
#include "vhost/frontend_private.h"
#include "vhost/message_table.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static int check_ring(const struct vhost_frontend *f, struct message *m)
{
	uint32_t ring = m->payload.state.index;

	if (f->prepared && ring < f->n_rings)
		return 0;
	return message_refuse(m, -EINVAL, "there is no ring %u", ring);
}

/* The control thread has no alarm of its own: elsewhere it touches no descriptor that could make it wait. */
static int call_ring(int fd)
{
	const struct bell call = bell_eventfd(fd);
	int err = thread_alarm_start();

	if (err)
		return err;
	err = bell_ring(&call);
	thread_alarm_stop();
	return err;
}

/* As if the back-end had written to the call descriptor, of which it has a copy and may have made it block. */
static int serve_vring_call(struct vhost_frontend *f, struct message *m, bool *end)
{
	int err = check_ring(f, m);

	if (err)
		return err;
	err = call_ring(f->plan.rings[m->payload.state.index].call_fd);
	*end = err == -EINTR;
	return err ? message_refuse(m, err, "ring %u cannot be called", m->payload.state.index) : 0;
}

/* A ring that broke works again in the next life only. */
static int serve_vring_err(struct vhost_frontend *f, struct message *m, bool *end)
{
	int err = check_ring(f, m);

	if (err)
		return err;
	*end = true;
	return message_refuse(m, -EIO, "back-end reports ring %u as broken", m->payload.state.index);
}

static int serve_config_change(struct vhost_frontend *f, struct message *m, bool *end)
{
	int err = 0;

	if (f->config_len > 0)
		err = steps_later(f, LATER_GET_CONFIG, m);
	if (f->ops->config_changed)
		f->ops->config_changed(f->driver);
	*end = err != 0;
	return err;
}

/* 0; or -errno and m->why: it is refused, and *end says whether the connection ends with it. */
static int serve(struct vhost_frontend *f, struct message *m, bool *end)
{
	int err = message_check(message_backend_row(m->header.request), f->protocol_features, m);

	if (err)
		return err;
	switch (m->header.request) {
	case VHOST_USER_BACKEND_CONFIG_CHANGE_MSG:
		return serve_config_change(f, m, end);
	case VHOST_USER_BACKEND_VRING_CALL:
		return serve_vring_call(f, m, end);
	case VHOST_USER_BACKEND_VRING_ERR:
		return serve_vring_err(f, m, end);
	default:
		return message_refuse(m, -EOPNOTSUPP, "not served here");
	}
}

/* Counted and logged, with the name before the reason. */
static void refused(struct vhost_frontend *f, const struct message *m, int err)
{
	const struct message_row *row = message_backend_row(m->header.request);
	char why[MESSAGE_WHY_LEN + 32];

	snprintf(why, sizeof(why), "%s: %s", row ? row->name : "unknown request", m->why);
	frontend_refused(f, err, why);
}

static int on_message(void *arg, struct message *m)
{
	struct vhost_frontend *f = arg;
	bool end = false;
	uint64_t verdict;
	int err;

	f->messages++;
	err = serve(f, m, &end);
	if (err && end)
		return err;
	if (err)
		refused(f, m, err);
	if (!(m->header.flags & VHOST_USER_NEED_REPLY) || !negotiated(f, VHOST_USER_PROTOCOL_F_REPLY_ACK))
		return 0;
	verdict = err != 0;
	err = conn_reply(&f->channel, m->header.request, &verdict, sizeof(verdict));
	return err ? message_refuse(m, err, "back-end does not read the answers to its requests") : 0;
}

/* A back-end may close its end when it has nothing to ask. */
static void on_ended(void *arg, int err, const char *why)
{
	if (err != -ECONNRESET)
		frontend_end(arg, err, why);
}

const struct conn_events frontend_channel_events = {
	.peer = "back-end", .message = on_message, .ended = on_ended};

int channel_open(struct vhost_frontend *f)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	err = conn_start(&f->channel, pair[0]);
	if (err) {
		foreign_close(pair[1]);
		return err;
	}
	return pair[1];
}
