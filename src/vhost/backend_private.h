/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_private - the back-end's inside, shared by its files:
 *
 *	backend.c       comes and goes: create, connection begins and ends, status
 *	message.c       checks and answers; message_table.c: the rows
 *	negotiate.c     features, protocol features, ownership
 *	status.c        the device status, and what resets a device
 *	config.c        the configuration space, and what else is the device's own
 *	memory.c        the memory table, whole and in slots
 *	log.c           SET_LOG_BASE
 *	ring.c          what a ring is and when it runs: the dance
 *	ring_message.c  the messages that change one ring
 *	backend_state.c all of it as a successor process needs it; conn_state.c: the connection
 *	inflight_message.c  the memory for inflight.c
 *	state.c         the device's state, for migration
 *	request.c       what we tell the front-end unasked
 */
#ifndef GINNEL_VHOST_BACKEND_PRIVATE_H
#define GINNEL_VHOST_BACKEND_PRIVATE_H

#include "base/log.h"
#include "vhost/backend.h"
#include "vhost/conn.h"
#include "vhost/inflight_ring.h"
#include "vhost/link.h"
#include "vhost/message.h"
#include "vhost/shared_map.h"

/*
 *	stopped --SET_VRING_KICK, VRING_KICK--> started --features, memory, size, addresses known--> published
 *	   ^                                                                                             |
 *	   +------------------ GET_VRING_BASE, status 0, RESET_DEVICE, end of connection ----------------+
 */
struct ring {
	struct vhost_ring shared;
	bool started;
	bool published;
	bool fresh;    /* has not run since it was started */
	bool reported; /* that it broke */
	bool has_addr;
	uint32_t size;
	uint32_t base; /* where it goes on, while it is paused or stopped */
	struct inflight_ring inflight;
	struct bell call, err;
	bool call_set, err_set; /* by a message; otherwise in-band, if that was negotiated */
	struct vhost_user_ring_addr addr;
};

/* A front-end's dirty log; log.bits is NULL while there is none. */
struct log_map {
	struct dirty_log log;
	struct shared_map map;
};

/* Where buffers in flight are written down, an area for each ring; map.at is NULL while nobody wants it. */
struct inflight_map {
	struct shared_map map;
	uint32_t queue_size;
	uint64_t stride;
	bool restored; /* from the process before us, with rings in the middle of their lives */
};

/*
 * The socket on which we tell the front-end things. It shares it with us, so we never read from it: a reader of the
 * other side could hold it for ever. Nothing is lost by that, because we never ask for an answer; so neither side can
 * wait for the other.
 */
struct request_channel {
	int fd; /* -1: there is none */
	struct loop_watch watch;
	bool rings_missed; /* a call found no room; relaxed atomic */
	bool config_missed;
};

/* The device's state on its way; see state.c. */
struct state_transfer {
	int fd; /* -1: nothing is on its way */
	struct loop_watch watch;
	bool saving;
	uint8_t *bytes;
	size_t len;  /* of all there is to send; or of the room there is */
	size_t done; /* sent, or received */
	int verdict; /* of the last one, for CHECK_DEVICE_STATE: 0 or -errno */
};

struct vhost_backend {
	struct loop *loop;
	struct link link;
	struct conn conn;
	char *name;
	const struct vhost_device *ops;
	void *device;
	uint64_t features_offered, protocol_features_offered;
	uint32_t config_size;
	bool config_optional;
	uint32_t n_rings, queue_num;
	uint32_t max_ring_size, max_mem_slots;
	const struct mem_filter *mem_filter;
	bool over;
	void (*on_over)(void *arg);
	void *over_arg;

	/* negotiated with the front-end of now */
	bool connected;
	bool owned;
	bool has_features; /* before, a ring's format is not known */
	uint64_t features, protocol_features;
	uint8_t device_status;
	struct request_channel request;
	struct state_transfer transfer;
	struct gmem *mem;
	struct log_map log;
	struct inflight_map inflight;
	bool bell_blocked; /* of any ring; struct bell */
	struct ring rings[VHOST_MAX_RINGS];

	int error;
	char why[MESSAGE_WHY_LEN];
	uint64_t connections, protocol_errors, messages, rings_broken;
	struct log_limit limit_news, limit_faults;
};

/* Bits of the protocol; the device never sees them. */
#define ENGINE_FEATURES (BIT(VHOST_F_LOG_ALL) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))

/* All but how it is reached. NULL when out of memory. */
struct vhost_backend *backend_alloc(struct loop *loop, const struct vhost_backend_config *config);
void backend_free(struct vhost_backend *b);
/* The socket is closed already: forgets all that the front-end ever said. */
void backend_disconnected(struct vhost_backend *b);

/* A message was refused and the connection lives: counted and logged. */
void backend_refused(struct vhost_backend *b, int err, const char *why);

/* Several rings, as a bit each. */
#define RINGS_ALL    UINT64_MAX
#define RING_ONLY(r) BIT((r)->shared.idx)

/* The dance's first half: these rings are let go of, no thread uses them when it returns. */
void rings_pause(struct vhost_backend *b, uint64_t which);
/* The second half: those that can run do. 0, or -EINVAL and m->why when one of them should but cannot. */
int rings_run(struct vhost_backend *b, uint64_t which, struct message *m);
/* Also of a ring that a thread is using. */
static inline enum virtq_error ring_error(const struct ring *r)
{
	return __atomic_load_n(&r->shared.vq.error, __ATOMIC_RELAXED);
}

void ring_init(struct ring *r, uint32_t idx);
/* It was kicked: it runs as soon as it can. It must be paused. */
void ring_start(struct ring *r);
/* As GET_VRING_BASE leaves it: not started, its index kept. It must be paused. */
void ring_stop(struct ring *r);
/* Back to the first day; it must be paused. */
void ring_reset(struct ring *r);
/* Closes the descriptor that is there. */
void ring_bell_replace(struct bell *old, struct bell with);
void ring_kick_replace(struct ring *r, int fd);

/*
 * Before it runs: its area, if there is one for it. setup is what it will be started with, and may change. 0, or -errno
 * and m->why.
 */
int inflight_of_ring(struct vhost_backend *b, struct ring *r, struct virtq_setup *setup, struct message *m);

/* "Suspended": none is started. */
bool rings_stopped(const struct vhost_backend *b);

void state_init(struct vhost_backend *b);
/* Breaks off what is on its way. */
void state_reset(struct vhost_backend *b);

void request_init(struct vhost_backend *b);
/* There is none. Takes fd over; 0, or -errno and it does not. */
int request_open(struct vhost_backend *b, int fd);
/* No ring is published. */
void request_close(struct vhost_backend *b);
/* A ring's bell when the front-end has sent none: a message, or nobody listens. */
struct bell request_ring_bell(struct vhost_backend *b, uint32_t request, uint32_t idx);
/* Says again what found no room. */
void request_repeat(struct vhost_backend *b);

void log_use(struct log_map *log, const struct shared_map *map);
void log_unmap(struct log_map *log);

/* 0, or -errno and m->why: so many regions are too many, or this file's memory is not welcome. */
int memory_check_slots(const struct vhost_backend *b, struct message *m, uint32_t n);
int memory_check_object(const struct vhost_backend *b, struct message *m, int fd);

void rings_enable(struct vhost_backend *b, bool enabled);

/* Handlers; see message.c for their rows. */
int handle_get_features(struct vhost_backend *b, struct message *m);
int handle_set_features(struct vhost_backend *b, struct message *m);
int handle_set_owner(struct vhost_backend *b, struct message *m);
int handle_reset_owner(struct vhost_backend *b, struct message *m);
int handle_get_protocol_features(struct vhost_backend *b, struct message *m);
int handle_set_protocol_features(struct vhost_backend *b, struct message *m);
int handle_set_backend_req_fd(struct vhost_backend *b, struct message *m);
int handle_get_queue_num(struct vhost_backend *b, struct message *m);
int handle_set_mem_table(struct vhost_backend *b, struct message *m);
int handle_set_log_base(struct vhost_backend *b, struct message *m);
int handle_set_log_fd(struct vhost_backend *b, struct message *m);
int handle_set_vring_num(struct vhost_backend *b, struct message *m);
int handle_set_vring_addr(struct vhost_backend *b, struct message *m);
int handle_set_vring_base(struct vhost_backend *b, struct message *m);
int handle_get_vring_base(struct vhost_backend *b, struct message *m);
int handle_set_vring_kick(struct vhost_backend *b, struct message *m);
int handle_set_vring_call(struct vhost_backend *b, struct message *m);
int handle_set_vring_err(struct vhost_backend *b, struct message *m);
int handle_set_vring_enable(struct vhost_backend *b, struct message *m);

int handle_get_max_mem_slots(struct vhost_backend *b, struct message *m);
int handle_add_mem_reg(struct vhost_backend *b, struct message *m);
int handle_rem_mem_reg(struct vhost_backend *b, struct message *m);
int handle_vring_kick(struct vhost_backend *b, struct message *m);
int handle_get_inflight_fd(struct vhost_backend *b, struct message *m);
int handle_set_inflight_fd(struct vhost_backend *b, struct message *m);
int handle_set_device_state_fd(struct vhost_backend *b, struct message *m);
int handle_check_device_state(struct vhost_backend *b, struct message *m);
int handle_set_status(struct vhost_backend *b, struct message *m);
int handle_get_status(struct vhost_backend *b, struct message *m);
int handle_reset_device(struct vhost_backend *b, struct message *m);
int handle_get_config(struct vhost_backend *b, struct message *m);
int handle_set_config(struct vhost_backend *b, struct message *m);
int handle_device_message(struct vhost_backend *b, struct message *m);

#endif
