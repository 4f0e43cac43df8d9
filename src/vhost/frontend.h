/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend - the front-end (driver) side of vhost-user: one socket to somebody else's back-end, any device type.
 *
 *	socket (client with back-off, or server) --> connection --> negotiation, one step after the other
 *	                                                               |
 *	                                        struct vhost_driver: asked for rings and memory, told when they run
 *
 * Nothing waits: each request is sent when the answer to the one before has come, and a back-end that does not answer
 * in time loses its connection. A life begins with fresh rings: what was on its way when a back-end died is lost,
 * as on a wire. Unless the back-end wrote down what it had in hands (INFLIGHT_SHMFD) and the driver wants to go on: then
 * the next back-end gets these notes and the same rings. A life that fails is followed by the next after a pause, longer
 * each time, up to ten times retry_ns.
 *
 * A back-end is as little trusted as a guest: what it says is checked here, what it writes into rings is checked in
 * virtio/. It can only lose its own connection. It keeps what it was given, though: a back-end whose connection ended
 * may still write into the memory and the descriptors of that life, so the driver gives the next life others, unless it
 * resumes, and seals the memory against being cut short.
 *
 * All of it lives in the control thread. The driver does not destroy its front-end from inside a call.
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
	bool may_resume; /* for the driver to read: the notes of the life before are there, and its features are these */
	bool resumes; /* memory and rings are those of the life before, in which somebody may have had buffers */
	int memory_fd;
	void *memory; /* our address; the back-end's guest addresses are the same numbers */
	uint64_t memory_len;
	uint32_t n_rings;
	struct vhost_frontend_ring rings[VHOST_FRONTEND_MAX_RINGS];
};

/* What a driver is asked and told; all calls come from the control thread. */
struct vhost_driver {
	/*
	 * The features are settled (a subset of config.features). Fill in the plan: fresh rings or the ones of before, at
	 * most n_rings of them and at least one, all stopped. 0 or -errno, which ends the connection.
	 */
	int (*prepare)(void *driver, uint64_t features, uint32_t n_rings, struct vhost_frontend_plan *plan);
	/* The back-end has taken everything: rings may be used. */
	void (*started)(void *driver);
	/*
	 * Once after each prepare() that succeeded: the back-end is gone or being left, started or not. When it returns
	 * nobody uses rings or memory.
	 */
	void (*stopped)(void *driver);
	/* CONFIG_CHANGE_MSG. May be NULL: then CONFIG is not negotiated, unless config_len is given. */
	void (*config_changed)(void *driver);
	/* The first config_len bytes of the configuration space: before prepare(), and whenever it has changed. */
	void (*config_read)(void *driver, const uint8_t *config);
};

struct vhost_frontend_config {
	const char *path;  /* copied */
	bool server;       /* listen at path; otherwise connect to it, again and again until it works */
	mode_t mode;       /* of the socket file, server only */
	uint64_t features; /* device features we can do; the back-end's offer cuts them */
	uint64_t required; /* without these the back-end is of no use */
	uint32_t n_rings;  /* most that the driver can use; more than a device's 2 need MQ */
	/* To be read of the configuration space, without which the back-end is of no use; 0: none. At most 256. */
	uint32_t config_len;
	bool inflight;    /* ask the back-end to note what it has in hands */
	bool mem_slots;   /* give it the memory by ADD_MEM_REG, where it knows that */
	const char *name; /* for log lines, copied */
	/* "VIRTIO_F_VERSION_1" for bit 32, NULL for a bit it does not know. May be NULL: bits are told by number. */
	const char *(*feature_name)(unsigned bit);
	/* Takes out what may not be accepted without other bits (virtio 1.2, 2.2.1). NULL: all may. */
	uint64_t (*settle)(uint64_t features);
	uint64_t deadline_ns; /* for each answer; 0: 10 s */
	uint64_t retry_ns;    /* the first pause after a failure; 0: 100 ms */
	const struct vhost_driver *ops;
	void *driver;
};

struct vhost_frontend;

/* 0 or -errno; for a server the path is taken now (see unix_explain() for what may go wrong). */
int vhost_frontend_create(
	struct vhost_frontend **out, struct loop *loop, const struct vhost_frontend_config *config);
/* Ends the connection, which stops the rings of any back-end: nothing is waited for. Removes a server's socket file. */
void vhost_frontend_destroy(struct vhost_frontend *f);

/*
 * The driver has had enough of this back-end, because of a broken ring for instance: its connection ends, and the next
 * life begins after a pause, a long one for err -EINTR: a descriptor that blocked. Not from inside a call.
 */
void vhost_frontend_give_up(struct vhost_frontend *f, int err, const char *why);

#define VHOST_FRONTEND_CONFIG_WRITE_MAX 16

/*
 * Writes into the configuration space. 0: it will be done; -EOPNOTSUPP: the back-end has none, or does not run; -EBUSY:
 * the write before is still under way. A back-end that refuses it loses its connection.
 */
int vhost_frontend_write_config(struct vhost_frontend *f, uint32_t offset, const void *bytes, uint32_t len);

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
