/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend_private - the front-end's inside, shared by its files:
 *
 *	frontend.c          comes and goes: create, connection begins and ends, status
 *	frontend_steps.c    the table of requests, in order, and what their answers mean
 *	frontend_channel.c  the socket on which the back-end asks us: SET_BACKEND_REQ_FD
 */
#ifndef GINNEL_VHOST_FRONTEND_PRIVATE_H
#define GINNEL_VHOST_FRONTEND_PRIVATE_H

#include "base/check.h"
#include "base/log.h"
#include "vhost/backend.h"
#include "vhost/conn.h"
#include "vhost/frontend.h"
#include "vhost/link.h"

struct step;

/* What the back-end wrote down of the buffers it has: ours to keep, and to hand to the next one. */
struct frontend_notes {
	int fd; /* -1: there are none */
	uint64_t features;
	struct vhost_user_inflight shape;
};

/* Requests that may come up while rings run, a bit each of `later`. */
enum frontend_later {
	LATER_GET_CONFIG,
	LATER_SET_CONFIG,
};

struct vhost_frontend {
	struct loop *loop;
	struct link link;
	struct conn conn;
	struct conn channel; /* not connected: the back-end was given none, or has closed its end */
	char *name;
	const struct vhost_driver *ops;
	void *driver;
	const char *(*feature_name)(unsigned bit);
	uint64_t (*settle)(uint64_t features);
	uint64_t features_wanted, features_required;
	uint32_t n_rings_wanted, config_len;
	bool wants_inflight, wants_mem_slots;
	uint64_t deadline_ns, retry_ns, pause_ns;

	/* negotiated with the back-end of now */
	bool connected, prepared, started;
	uint32_t step, ring; /* whose answer we wait for, or what is to be sent next */
	uint32_t later;
	const struct step *current; /* what was sent last */
	bool awaiting;              /* its answer, of this size, with or without a descriptor */
	bool awaiting_fd;
	uint32_t awaiting_size;
	struct loop_timer deadline;
	uint64_t features_offered, features;
	uint64_t protocol_features_offered, protocol_features;
	uint32_t n_rings;
	struct vhost_frontend_plan plan; /* while prepared */
	struct frontend_notes notes;     /* outlive the connection */
	struct {
		uint32_t offset, len;
		uint8_t bytes[VHOST_FRONTEND_CONFIG_WRITE_MAX];
	} config_write;

	int error;
	char why[MESSAGE_WHY_LEN];
	uint64_t connections, protocol_errors, messages;
	struct log_limit limit_news, limit_faults;
};

static inline bool negotiated(const struct vhost_frontend *f, enum vhost_protocol_feature bit)
{
	return f->protocol_features & BIT(bit);
}

/* --- frontend_steps.c: 0, or -errno and m->why when the connection has to end --- */

/* Begins anew with the first step. */
int steps_begin(struct vhost_frontend *f, struct message *m);
/* Sends what can be sent now. */
int steps_go_on(struct vhost_frontend *f, struct message *m);
/* m is what the back-end answers. */
int steps_answer(struct vhost_frontend *f, struct message *m);
/* One of those that may come up while rings run; sent now if they do. */
int steps_later(struct vhost_frontend *f, enum frontend_later what, struct message *m);
/* Forgets the notes. */
void steps_drop_notes(struct vhost_frontend *f);
/* What is under way, or NULL. */
const char *steps_now(const struct vhost_frontend *f);

/* --- frontend_channel.c --- */

extern const struct conn_events frontend_channel_events;

/* Opens our end. Returns the back-end's, to be sent and closed, or -errno. */
int channel_open(struct vhost_frontend *f);

/* --- frontend.c --- */

/* A message was refused and the connection lives: counted and logged. */
void frontend_refused(struct vhost_frontend *f, int err, const char *why);
/* The connection is over, and the next one comes after a pause. The socket is closed here if it is still open. */
void frontend_end(struct vhost_frontend *f, int err, const char *why);

#endif
