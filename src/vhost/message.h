/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - one vhost-user message, from its arrival to its answer.
 *
 * What its row (vhost/message_table.h) demands is checked first. A handler then reads m->payload, takes the
 * descriptors it keeps out of m->cargo, and leaves the reply, if its row has one, in m->payload. Descriptors left in
 * the cargo are closed by the connection.
 *
 * A message that cannot be served is refused: with REPLY_ACK and NEED_REPLY the front-end gets a non-zero
 * acknowledgement and may go on, otherwise the connection ends, because nobody would tell the front-end. So
 * does a refused message that has a reply of its own: an acknowledgement would be taken for that reply.
 */
#ifndef GINNEL_VHOST_MESSAGE_H
#define GINNEL_VHOST_MESSAGE_H

#include "os/unix.h"
#include "vhost/proto.h"

#include <stdint.h>

/* Longer than any message a front-end of today sends; those we do not know are read and refused. */
#define MESSAGE_MAX_PAYLOAD 4096

#define MESSAGE_WHY_LEN 160

struct vhost_backend;

struct message {
	struct vhost_user_header header;
	union {
		uint64_t u64;
		struct vhost_user_ring_state state;
		struct vhost_user_ring_addr addr;
		struct vhost_user_mem mem;
		struct vhost_user_log log;
		struct vhost_user_mem_slot slot;
		struct vhost_user_config config;
		struct vhost_user_inflight inflight;
		struct vhost_user_state_transfer transfer;
		uint8_t bytes[MESSAGE_MAX_PAYLOAD];
	} payload;
	struct unix_cargo cargo;
	uint32_t reply_size;       /* of the answer in payload; a handler may change it */
	int reply_fd;              /* goes with the answer, and is closed then; -1: none */
	char why[MESSAGE_WHY_LEN]; /* it was refused */
};

/* "SET_MEM_TABLE"; "message 99" is written to buf when it has no name here. */
const char *message_name(uint32_t request, char *buf, size_t len);

/* Checks, serves and answers m. 0, or -errno and m->why when the connection has to end. */
int message_handle(struct vhost_backend *b, struct message *m);

/* Writes m->why; returns err, for a handler to return. */
int message_refuse(struct message *m, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* For a message whose own reply says that it failed: counts and logs m->why; the connection goes on. */
void message_refused(struct vhost_backend *b, struct message *m, int err);

/* Takes the first descriptor out of the cargo: it is the caller's now. -1 if there is none. */
int message_take_fd(struct message *m);

#endif
