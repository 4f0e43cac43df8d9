/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/message.h"

#include "vhost/backend_private.h"
#include "vhost/message_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *message_name(uint32_t request, char *buf, size_t len)
{
	const struct message_row *row = message_row(request);

	if (row)
		return row->name;
	snprintf(buf, len, "message %u", request);
	return buf;
}

int message_refuse(struct message *m, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(m->why, sizeof(m->why), fmt, args);
	va_end(args);
	return err;
}

int message_take_fd(struct message *m)
{
	struct unix_cargo *cargo = &m->cargo;
	int fd;

	if (cargo->n_fds == 0)
		return -1;
	fd = cargo->fds[0];
	cargo->n_fds--;
	memmove(cargo->fds, cargo->fds + 1, cargo->n_fds * sizeof(cargo->fds[0]));
	return fd;
}

int message_check(const struct message_row *row, uint64_t protocol_features, struct message *m)
{
	uint32_t size = m->header.size, n_fds = m->cargo.n_fds;

	if (!row)
		return message_refuse(m, -EOPNOTSUPP, "not known here, and was not offered");
	if (row->why)
		return message_refuse(m, -EOPNOTSUPP, "%s", row->why);
	if (row->needs != MESSAGE_ALWAYS && !(protocol_features & BIT(row->needs)))
		return message_refuse(m, -EOPNOTSUPP, "%s was not negotiated",
			vhost_protocol_feature_name((unsigned)row->needs));
	if (size < row->size_min || size > row->size_max)
		return message_refuse(m, -EMSGSIZE, "payload of %u bytes, expected %u to %u", size,
			row->size_min, row->size_max);
	if (n_fds < row->fds_min || n_fds > row->fds_max)
		return message_refuse(m, -EINVAL, "came with %u file descriptors, expected %u to %u", n_fds,
			row->fds_min, row->fds_max);
	return 0;
}

/* Puts the message's name before the reason. */
static int message_blame(struct message *m, int err)
{
	char name[32], why[MESSAGE_WHY_LEN];

	memcpy(why, m->why, sizeof(why));
	return message_refuse(m, err, "%s: %s", message_name(m->header.request, name, sizeof(name)), why);
}

static int send_reply(struct vhost_backend *b, struct message *m)
{
	struct vhost_user_header header = {.request = m->header.request,
		.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
		.size = m->reply_size};

	return conn_send(&b->conn, &header, &m->payload, &m->reply_fd, m->reply_fd >= 0);
}

static int message_answer(struct vhost_backend *b, const struct message_row *row, struct message *m, int err)
{
	bool own_reply = row && row->reply_size > 0;
	bool ack = !own_reply && (m->header.flags & VHOST_USER_NEED_REPLY) &&
		   (b->protocol_features & BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	uint64_t verdict = err != 0;

	if (err)
		message_blame(m, err);
	if (ack) {
		if (err)
			backend_refused(b, err, m->why);
		err = conn_reply(&b->conn, m->header.request, &verdict, sizeof(verdict));
	} else if (own_reply && err == 0) {
		err = send_reply(b, m);
	} else {
		return err;
	}
	return err ? message_refuse(m, err, "cannot send the reply: %s", strerror(-err)) : 0;
}

void message_refused(struct vhost_backend *b, struct message *m, int err)
{
	message_blame(m, err);
	backend_refused(b, err, m->why);
}

int message_handle(struct vhost_backend *b, struct message *m)
{
	const struct message_row *row = message_row(m->header.request);
	char name[32];
	int err;

	log_debug("%s: %s, %u bytes, %u descriptors", b->name,
		message_name(m->header.request, name, sizeof(name)), m->header.size, m->cargo.n_fds);
	m->reply_size = row ? row->reply_size : 0;
	m->reply_fd = -1;
	err = message_check(row, b->protocol_features, m);
	if (err == 0)
		err = row->handle(b, m);
	err = message_answer(b, row, m, err);
	if (m->reply_fd >= 0)
		close(m->reply_fd);
	return err;
}
