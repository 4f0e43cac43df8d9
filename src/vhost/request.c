/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include "os/foreign.h"

#include <errno.h>
#include <string.h>

static_assert(
	BELL_MESSAGE_MAX >= sizeof(struct vhost_user_header) + sizeof(struct vhost_user_ring_state), "bell");

static bool negotiated(const struct vhost_backend *b, enum vhost_protocol_feature feature)
{
	return b->protocol_features & BIT(feature);
}

static struct bell request_bell(
	struct vhost_backend *b, uint32_t request, const void *payload, uint32_t size, bool *missed)
{
	struct vhost_user_header header = {.request = request, .flags = VHOST_USER_VERSION, .size = size};
	struct bell bell = {.kind = BELL_MESSAGE, .fd = b->request.fd, .missed = missed};

	memcpy(bell.message, &header, sizeof(header));
	if (size > 0)
		memcpy(bell.message + sizeof(header), payload, size);
	bell.len = (uint32_t)sizeof(header) + size;
	return bell;
}

struct bell request_ring_bell(struct vhost_backend *b, uint32_t request, uint32_t idx)
{
	struct vhost_user_ring_state state = {.index = idx};

	if (b->request.fd < 0 || !negotiated(b, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS))
		return bell_none();
	return request_bell(b, request, &state, sizeof(state), &b->request.rings_missed);
}

/* More often than necessary is harmless. */
static void repeat_rings(struct vhost_backend *b)
{
	if (!__atomic_exchange_n(&b->request.rings_missed, false, __ATOMIC_RELAXED))
		return;
	for (uint32_t i = 0; i < b->n_rings; i++) {
		const struct ring *r = &b->rings[i];
		const struct virtq *q = &r->shared.vq;

		if (r->published && q->call.kind == BELL_MESSAGE)
			bell_ring(&q->call);
		if (r->published && q->err.kind == BELL_MESSAGE && ring_error(r) != VIRTQ_OK)
			bell_ring(&q->err);
	}
}

/* A suspended device says nothing. */
static void repeat_config(struct vhost_backend *b)
{
	struct bell bell;

	if (!b->request.config_missed || b->request.fd < 0 || rings_stopped(b) ||
		!negotiated(b, VHOST_USER_PROTOCOL_F_CONFIG))
		return;
	b->request.config_missed = false;
	bell = request_bell(b, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, NULL, 0, &b->request.config_missed);
	bell_ring(&bell);
}

void request_repeat(struct vhost_backend *b)
{
	repeat_rings(b);
	repeat_config(b);
}

void vhost_backend_config_changed(struct vhost_backend *b)
{
	b->request.config_missed = b->connected;
	repeat_config(b);
}

static void forget_channel(struct vhost_backend *b)
{
	if (b->request.fd < 0)
		return;
	loop_watch_del(b->loop, &b->request.watch);
	foreign_close(b->request.fd);
	b->request.fd = -1;
}

void request_close(struct vhost_backend *b)
{
	forget_channel(b);
	b->request.rings_missed = false;
	b->request.config_missed = false;
}

/* The other end is closed; or something was said, to which there is no question. Rings can still be polled. */
static void on_event(void *arg, uint32_t events)
{
	struct vhost_backend *b = arg;
	struct message m;

	log_limited(&b->limit_news, loop_now(b->loop), LOG_LEVEL_INFO, "%s: %s", b->name,
		events & EPOLLIN && !(events & EPOLLRDHUP) ? "front-end talks where it should listen"
							   : "front-end takes no more requests");
	rings_pause(b, RINGS_ALL);
	forget_channel(b);
	rings_run(b, RINGS_ALL, &m);
}

void request_init(struct vhost_backend *b)
{
	b->request.fd = -1;
	loop_watch_init(&b->request.watch, on_event, b);
}

int request_open(struct vhost_backend *b, int fd)
{
	int err = loop_watch_add(b->loop, &b->request.watch, fd, EPOLLIN | EPOLLRDHUP);

	if (err == 0)
		b->request.fd = fd;
	return err;
}

int handle_set_backend_req_fd(struct vhost_backend *b, struct message *m)
{
	int err, fd = m->cargo.fds[0];

	if (foreign_kind(fd) != FOREIGN_SOCKET)
		return message_refuse(m, -EINVAL, "file descriptor is not a unix socket");
	rings_pause(b, RINGS_ALL);
	forget_channel(b);
	err = request_open(b, fd);
	if (err)
		message_refuse(m, err, "cannot watch it: %s", strerror(-err));
	else
		message_take_fd(m);
	rings_run(b, RINGS_ALL, m);
	return err;
}
