/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_table - every message of the vhost-user specification, a row each, in both directions. The row says what
 * must hold before a handler sees the message, and how it is answered; or why this engine does not serve it. What
 * is not served is refused with that reason, and the feature that leads to it is not offered.
 *
 * doc/vhost-user.md is printed from these rows (vhost/matrix.c).
 */
#ifndef GINNEL_VHOST_MESSAGE_TABLE_H
#define GINNEL_VHOST_MESSAGE_TABLE_H

#include "vhost/message.h"

#include <stdint.h>

#define MESSAGE_ALWAYS (-1)

struct message_row {
	const char *name;
	uint32_t size_min, size_max; /* of the payload */
	uint32_t fds_min, fds_max;
	uint32_t reply_size; /* 0: no reply of its own; a handler may change it */
	int needs;           /* protocol feature that must have been negotiated, or MESSAGE_ALWAYS */
	int (*handle)(
		struct vhost_backend *b, struct message *m); /* NULL: not served; or a request of ours */
	const char *why;                                     /* it is not served; NULL: it is */
};

/* What a front-end sends (enum vhost_user_request); NULL when the specification has no such message. */
const struct message_row *message_row(uint32_t request);
/* What a back-end sends (enum vhost_user_backend_request); NULL as above. */
const struct message_row *message_backend_row(uint32_t request);

/* All that can be said of a message before its payload is looked at; row may be NULL. 0, or -errno and m->why. */
int message_check(const struct message_row *row, uint64_t protocol_features, struct message *m);

#endif
