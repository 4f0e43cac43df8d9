/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend - the front-end (driver) side of vhost-user: one socket to somebody else's back-end, any device type.
 *
 *	socket (client with back-off, or server) --> connection --> negotiation, one step after the other
 *	                                                               |
 *	                                        struct vhost_driver: asked for rings and memory, told when they run
 *
 * Nothing waits: each request is sent when the answer to the one before has come, and a back-end that does not answer
 * in time loses its connection. Every life begins with fresh rings: what was on its way when a back-end died is lost,
 * as on a wire.
 *
 * A back-end is as little trusted as a guest: what it says is checked here, what it writes into rings is checked in
 * virtio/. It can only lose its own connection.
 *
 * All of it lives in the control thread.
 */
#ifndef GINNEL_VHOST_FRONTEND_H
#define GINNEL_VHOST_FRONTEND_H

#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VHOST_FRONTEND_MAX_RINGS 64

/* One ring, in the driver's memory. The descriptors stay the driver's. */
struct vhost_frontend_ring {
	uint32_t size;
	uint32_t base; /* as SET_VRING_BASE carries it */
	void *desc, *avail, *used;
	int kick_fd; /* written by the driver */
	int call_fd; /* written by the back-end */
};

/* What the driver brings: one piece of shared memory with all rings and buffers in it. */
struct vhost_frontend_plan {
	int memory_fd;
	void *memory; /* our address; the back-end's guest addresses are the same numbers */
	uint64_t memory_len;
	uint32_t n_rings;
	struct vhost_frontend_ring rings[VHOST_FRONTEND_MAX_RINGS];
};

/* What a driver is asked and told; all calls come from the control thread. */
struct vhost_driver {
	/*
	 * The features are settled (a subset of config.features). Fill in the plan: fresh rings, at most n_rings of
	 * them, all stopped. 0 or -errno, which ends the connection.
	 */
	int (*prepare)(void *driver, uint64_t features, uint32_t n_rings, struct vhost_frontend_plan *plan);
	/* The back-end has taken everything: rings may be used. */
	void (*started)(void *driver);
	/* The back-end is gone or being left, started or not: when it returns nobody uses rings or memory. */
	void (*stopped)(void *driver);
	/* CONFIG_CHANGE_MSG. May be NULL. */
	void (*config_changed)(void *driver);
};

struct vhost_frontend_config {
	const char *path;  /* copied */
	bool server;       /* listen at path; otherwise connect to it, again and again until it works */
	mode_t mode;       /* of the socket file, server only */
	uint64_t features; /* device features we can do; the back-end's offer cuts them */
	uint64_t required; /* without these the back-end is of no use */
	uint32_t n_rings;  /* most that the driver can use; more than a device's 2 need MQ */
	const char *name;  /* for log lines, copied */
	const struct vhost_driver *ops;
	void *driver;
};

struct vhost_frontend;

/* 0 or -errno; for a server the path is taken now (see unix_explain() for what may go wrong). */
int vhost_frontend_create(
	struct vhost_frontend **out, struct loop *loop, const struct vhost_frontend_config *config);
/* Stops the rings, if the back-end answers in time, ends the connection and removes a server's socket file. */
void vhost_frontend_destroy(struct vhost_frontend *f);

/* What `show virtio-user` tells. Pointers are valid until the next event. */
struct vhost_frontend_status {
	const char *path;
	bool server;
	bool connected;
	bool started;
	int error;        /* of the last attempt, or why the connection ended; 0 none, else -errno */
	char why[160];    /* the same as a sentence, empty when there is nothing to say */
	const char *step; /* what we wait for now, such as "GET_FEATURES"; NULL: nothing */
	uint64_t features_offered, features;
	uint64_t protocol_features_offered, protocol_features;
	uint32_t n_rings;
	uint64_t connections; /* ever */
	uint64_t protocol_errors;
	uint64_t messages;
};

void vhost_frontend_status(const struct vhost_frontend *f, struct vhost_frontend_status *out);

#endif
