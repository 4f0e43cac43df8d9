/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/message.h"

#include "vhost/backend_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct message_row {
	const char *name;
	uint32_t size_min, size_max; /* of the payload */
	uint32_t fds_min, fds_max;
	uint32_t reply_size; /* 0: no reply of its own */
	uint64_t needs;      /* protocol feature that must have been negotiated, as a bit */
	int (*handle)(struct vhost_backend *b, struct message *m);
};

#define SIZE(n)         .size_min = (n), .size_max = (n)
#define SIZES(min, max) .size_min = (min), .size_max = (max)
#define FDS(min, max)   .fds_min = (min), .fds_max = (max)
#define REPLY(n)        .reply_size = (n)
#define NEEDS(feature)  .needs = BIT(feature)

#define U64       sizeof(uint64_t)
#define STATE     sizeof(struct vhost_user_ring_state)
#define ADDR      sizeof(struct vhost_user_ring_addr)
#define LOG       sizeof(struct vhost_user_log)
#define EMPTY_MEM offsetof(struct vhost_user_mem, regions)
#define MEM       sizeof(struct vhost_user_mem)

/* clang-format off */
static const struct message_row rows[] = {
	[VHOST_USER_GET_FEATURES] =
		{"GET_FEATURES", SIZE(0), REPLY(U64), .handle = handle_get_features},
	[VHOST_USER_SET_FEATURES] =
		{"SET_FEATURES", SIZE(U64), .handle = handle_set_features},
	[VHOST_USER_SET_OWNER] =
		{"SET_OWNER", SIZE(0), .handle = handle_set_owner},
	[VHOST_USER_RESET_OWNER] =
		{"RESET_OWNER", SIZE(0), .handle = handle_reset_owner},
	/* UML sends room for two regions and says that there is one */
	[VHOST_USER_SET_MEM_TABLE] =
		{"SET_MEM_TABLE", SIZES(EMPTY_MEM, MEM), FDS(0, VHOST_USER_MAX_REGIONS),
			.handle = handle_set_mem_table},
	[VHOST_USER_SET_LOG_BASE] =
		{"SET_LOG_BASE", SIZE(LOG), FDS(1, 1), REPLY(U64), NEEDS(VHOST_USER_PROTOCOL_F_LOG_SHMFD),
			.handle = handle_set_log_base},
	[VHOST_USER_SET_LOG_FD] =
		{"SET_LOG_FD", SIZES(0, U64), FDS(1, 1), .handle = handle_set_log_fd},
	[VHOST_USER_SET_VRING_NUM] =
		{"SET_VRING_NUM", SIZE(STATE), .handle = handle_set_vring_num},
	[VHOST_USER_SET_VRING_ADDR] =
		{"SET_VRING_ADDR", SIZE(ADDR), .handle = handle_set_vring_addr},
	[VHOST_USER_SET_VRING_BASE] =
		{"SET_VRING_BASE", SIZE(STATE), .handle = handle_set_vring_base},
	[VHOST_USER_GET_VRING_BASE] =
		{"GET_VRING_BASE", SIZE(STATE), REPLY(STATE), .handle = handle_get_vring_base},
	[VHOST_USER_SET_VRING_KICK] =
		{"SET_VRING_KICK", SIZE(U64), FDS(0, 1), .handle = handle_set_vring_kick},
	[VHOST_USER_SET_VRING_CALL] =
		{"SET_VRING_CALL", SIZE(U64), FDS(0, 1), .handle = handle_set_vring_call},
	[VHOST_USER_SET_VRING_ERR] =
		{"SET_VRING_ERR", SIZE(U64), FDS(0, 1), .handle = handle_set_vring_err},
	[VHOST_USER_GET_PROTOCOL_FEATURES] =
		{"GET_PROTOCOL_FEATURES", SIZE(0), REPLY(U64), .handle = handle_get_protocol_features},
	[VHOST_USER_SET_PROTOCOL_FEATURES] =
		{"SET_PROTOCOL_FEATURES", SIZE(U64), .handle = handle_set_protocol_features},
	[VHOST_USER_GET_QUEUE_NUM] =
		{"GET_QUEUE_NUM", SIZE(0), REPLY(U64), NEEDS(VHOST_USER_PROTOCOL_F_MQ),
			.handle = handle_get_queue_num},
	[VHOST_USER_SET_BACKEND_REQ_FD] =
		{"SET_BACKEND_REQ_FD", SIZE(0), FDS(1, 1), NEEDS(VHOST_USER_PROTOCOL_F_BACKEND_REQ),
			.handle = handle_set_backend_req_fd},
	/* not gated by bit 30 in SET_FEATURES: QEMU enables its rings before it sends any features */
	[VHOST_USER_SET_VRING_ENABLE] =
		{"SET_VRING_ENABLE", SIZE(STATE), .handle = handle_set_vring_enable},
};
/* clang-format on */

static const struct message_row *row_of(uint32_t request)
{
	return request < ARRAY_LEN(rows) && rows[request].name ? &rows[request] : NULL;
}

const char *message_name(uint32_t request, char *buf, size_t len)
{
	const struct message_row *row = row_of(request);

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

/* All that can be said before the payload is looked at. */
static int message_check(const struct vhost_backend *b, const struct message_row *row, struct message *m)
{
	uint32_t size = m->header.size, n_fds = m->cargo.n_fds;

	if (!row)
		return message_refuse(m, -EOPNOTSUPP, "not known here, and was not offered");
	if (row->needs & ~b->protocol_features)
		return message_refuse(m, -EOPNOTSUPP, "%s was not negotiated",
			vhost_protocol_feature_name((unsigned)__builtin_ctzll(row->needs)));
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
		err = conn_reply(&b->conn, m->header.request, &m->payload, row->reply_size);
	} else {
		return err;
	}
	return err ? message_refuse(m, err, "cannot send the reply: %s", strerror(-err)) : 0;
}

int message_handle(struct vhost_backend *b, struct message *m)
{
	const struct message_row *row = row_of(m->header.request);
	char name[32];
	int err;

	log_debug("%s: %s, %u bytes, %u descriptors", b->name,
		message_name(m->header.request, name, sizeof(name)), m->header.size, m->cargo.n_fds);
	err = message_check(b, row, m);
	if (err == 0)
		err = row->handle(b, m);
	return message_answer(b, row, m, err);
}
