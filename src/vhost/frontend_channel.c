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
#include <sys/socket.h>

struct request_row {
	const char *name;
	uint32_t size;
	enum vhost_protocol_feature needs;
	/* 0; -errno and m->why: it is refused; *end: and the connection ends */
	int (*handle)(struct vhost_frontend *f, struct message *m, bool *end);
};

static int handle_config_change(struct vhost_frontend *f, struct message *m, bool *end)
{
	f->ops->config_changed(f->driver);
	return 0;
}

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
static int handle_vring_call(struct vhost_frontend *f, struct message *m, bool *end)
{
	int err = check_ring(f, m);

	if (err)
		return err;
	err = call_ring(f->plan.rings[m->payload.state.index].call_fd);
	*end = err == -EINTR;
	return err ? message_refuse(m, err, "ring %u cannot be called", m->payload.state.index) : 0;
}

/* A ring that broke works again in the next life only. */
static int handle_vring_err(struct vhost_frontend *f, struct message *m, bool *end)
{
	int err = check_ring(f, m);

	if (err)
		return err;
	*end = true;
	return message_refuse(m, -EIO, "back-end reports ring %u as broken", m->payload.state.index);
}

/* clang-format off */
static const struct request_row rows[] = {
	[VHOST_USER_BACKEND_CONFIG_CHANGE_MSG] =
		{"CONFIG_CHANGE_MSG", 0, VHOST_USER_PROTOCOL_F_CONFIG, handle_config_change},
	[VHOST_USER_BACKEND_VRING_CALL] =
		{"VRING_CALL", sizeof(struct vhost_user_ring_state), VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
			handle_vring_call},
	[VHOST_USER_BACKEND_VRING_ERR] =
		{"VRING_ERR", sizeof(struct vhost_user_ring_state), VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
			handle_vring_err},
};
/* clang-format on */

static const char *request_name(uint32_t request)
{
	const struct message_row *row = message_backend_row(request);

	return row ? row->name : "unknown";
}

static int serve(struct vhost_frontend *f, struct message *m, bool *end)
{
	uint32_t request = m->header.request;
	const struct request_row *row =
		request < ARRAY_LEN(rows) && rows[request].name ? &rows[request] : NULL;

	if (!row)
		return message_refuse(m, -EOPNOTSUPP, "request %u of the back-end (%s) is not served",
			request, request_name(request));
	if (!negotiated(f, row->needs))
		return message_refuse(m, -EOPNOTSUPP, "%s: %s was not negotiated", row->name,
			vhost_protocol_feature_name(row->needs));
	if (m->header.size != row->size)
		return message_refuse(m, -EMSGSIZE, "%s: payload of %u bytes, expected %u", row->name,
			m->header.size, row->size);
	if (m->cargo.n_fds > 0)
		return message_refuse(m, -EINVAL, "%s: came with %u file descriptors, expected none",
			row->name, m->cargo.n_fds);
	return row->handle(f, m, end);
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
		frontend_refused(f, err, m->why);
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
