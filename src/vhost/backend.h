/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend - the back-end (device) side of vhost-user: one socket, at most one front-end at a time, any device type.
 *
 *	socket (server, or client with reconnect) --> connection --> message table --> rings, memory, features
 *	                                                                 |
 *	                                              struct vhost_device: what the device is told
 *
 * Control may touch a ring only while it is not published to the device. Every change (new memory table, new
 * address, new call fd, stop, end of connection) is therefore the same dance:
 *
 *	publish(ring, NULL) for the rings concerned; quiesce(); change; publish(ring) for those that run again
 *
 * so a device's threads never see half a change, and a change costs other ports nothing.
 *
 * A ring runs when it is started (by a kick) and features, memory, its addresses and size are known. Whether it is
 * enabled is told along: a disabled ring that runs receives nothing and what it sends is taken and discarded.
 *
 * A front-end that breaks the protocol loses its connection, with one log line that says what was wrong and a
 * counter by reason; its rings stop, its memory is unmapped, its descriptors are closed, the listener stays.
 *
 * All of it lives in the control thread, which never waits for a front-end (os/foreign.h) and never calls a guest:
 * that is left to the threads that use the rings.
 */
#ifndef GINNEL_VHOST_BACKEND_H
#define GINNEL_VHOST_BACKEND_H

#include "os/loop.h"
#include "os/parcel.h"
#include "os/unix.h"
#include "virtio/gmem.h"
#include "vhost/mem_filter.h"
#include "vhost/protocol_feature.h"
#include "virtio/virtq.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VHOST_MAX_RINGS 64

#define VHOST_F_LOG_ALL                26
#define VHOST_USER_F_PROTOCOL_FEATURES 30

struct inflight_ring;

/* One ring as the device sees it. Constant while published, but for what its owner changes in vq and inflight. */
struct vhost_ring {
	struct virtq vq;
	struct inflight_ring *inflight; /* NULL: the front-end does not want to know */
	uint16_t idx;
	bool enabled;
	bool kick_by_message; /* the front-end kicks by a message: ops->kick() */
	int kick_fd;          /* -1: the front-end does not kick, poll it; or kick_by_message */
};

/* What a device is told; all calls come from the control thread. `device` is vhost_backend_config.device. */
struct vhost_device {
	/*
	 * ring runs from now on (look at it at once: the first kick may have come before), or, when NULL, ring idx is
	 * to be let go of. Letting go is complete after quiesce().
	 */
	void (*publish)(void *device, uint32_t idx, struct vhost_ring *ring);
	/* Returns when no thread uses a ring or memory that was unpublished before. */
	void (*quiesce)(void *device);
	/* The front-end's choice among the offered bits, without 26 and 30. No ring is published. */
	void (*set_features)(void *device, uint64_t features);
	/* A front-end is there, or has gone (rings are unpublished already). May be NULL. */
	void (*connected)(void *device, bool connected);

	/*
	 * All below may be NULL; then no protocol feature may be offered that leads there. 0 or -errno: the message is
	 * refused and the front-end told, if it can be.
	 */

	/* CONFIG: the device's configuration space, offset + len is at most config_size. What lies beyond reads as 0. */
	int (*get_config)(void *device, uint32_t offset, uint32_t len, uint8_t *out);
	int (*set_config)(void *device, uint32_t offset, uint32_t len, const uint8_t *bytes);
	/*
	 * A message that only this kind of device understands (enum vhost_user_request: SEND_RARP, NET_SET_MTU,
	 * GPU_SET_SOCKET). fd is -1, or a unix socket: the device's from now on, to be closed by foreign_close().
	 * -EOPNOTSUPP for what is not for this device.
	 */
	int (*message)(void *device, uint32_t request, uint64_t value, int fd);
	/* The front-end kicks by a message (INBAND_NOTIFICATIONS): look at ring idx, which is published. */
	void (*kick)(void *device, uint32_t idx);
	/* RESET_DEVICE, or status 0: no ring is published, forget what the driver has set. */
	void (*reset)(void *device);
	/* DEVICE_STATE, all rings stopped: what a migrating device must not lose. *blob is free()d by the caller. */
	int (*save)(void *device, void **blob, size_t *len);
	int (*load)(void *device, const void *blob, size_t len);
};

struct vhost_backend_config {
	const char *path; /* copied; NULL: fd */
	bool server;      /* listen at path; otherwise connect to it, again and again until it works */
	mode_t mode;      /* of the socket file, server only */
	/* With path NULL: a unix socket that listens, or the one connection there will be (over). */
	int fd;
	/* That one has ended. From the loop, with nothing of the back-end on the stack: it may be destroyed here. May be NULL. */
	void (*over)(void *arg);
	void *over_arg;
	const gid_t *group;         /* of the socket file; NULL: the one it gets by itself */
	uint64_t reconnect_ns;      /* a client's patience between attempts; 0: 100 ms, growing to 1 s */
	uint64_t features;          /* offered device features; 26 and 30 are added by the engine */
	uint64_t protocol_features; /* of those that are up to the device; the engine adds its own */
	uint32_t config_size;       /* of the configuration space; 0: there is none */
	bool config_optional;       /* a front-end may have one of its own */
	uint32_t n_rings;           /* at most VHOST_MAX_RINGS */
	uint32_t max_ring_size;     /* entries of a ring; 0: VIRTQ_MAX_SIZE */
	uint32_t max_mem_slots;     /* memory regions at a time; 0: GMEM_MAX_REGIONS */
	const struct mem_filter *mem_filter; /* NULL: all memory is welcome; it outlives the back-end */
	uint32_t queue_num; /* answer to GET_QUEUE_NUM; for a network device pairs of rings */
	const char *name;   /* for log lines, copied */
	const struct vhost_device *ops;
	void *device;
};

struct vhost_backend;

/*
 * 0 or -errno; for a server the path is taken now (see unix_explain() for what may go wrong). An fd is taken over, but on
 * error (unix_adopt() tells what may be wrong with it).
 */
int vhost_backend_create(
	struct vhost_backend **out, struct loop *loop, const struct vhost_backend_config *config);
/* Ends the connection, if any, and removes a server's socket file. */
void vhost_backend_destroy(struct vhost_backend *b);

/*
 * For a successor process, which is to go on with the same front-end where this one stops: all rings are paused, and
 * what is saved names descriptors of the parcel. Then either this process ends at once, or it resumes.
 */
json_t *vhost_backend_save(struct vhost_backend *b, struct parcel *parcel);
void vhost_backend_resume(struct vhost_backend *b);
/*
 * As vhost_backend_create(), but path, server and mode are those of the state. A front-end that cannot be served any
 * more is left out and connects anew: one log line says why, vhost_backend_status() that nobody is connected.
 */
int vhost_backend_restore(struct vhost_backend **out, struct loop *loop,
	const struct vhost_backend_config *config, const json_t *state, struct parcel *parcel);
/* The device's configuration space has changed: the front-end is told as soon as it can be. */
void vhost_backend_config_changed(struct vhost_backend *b);

/* SIGBUS has replaced some mapping (os/guard.h): ends the connection if it was one of ours. */
void vhost_backend_check_memory(struct vhost_backend *b);
/*
 * Rings that broke in the data path are logged once and counted; one whose calls block ends the connection; what found
 * no room in the front-end's socket is repeated. Call now and then from a timer.
 */
void vhost_backend_check_rings(struct vhost_backend *b);

/* What `show vhost-user` tells. Pointers are valid until the next event. */
struct vhost_ring_status {
	const struct vhost_ring *ring;
	bool started;
	uint32_t size;
	int call_fd, err_fd;
};

struct vhost_backend_status {
	const char *path;
	bool server;
	bool connected;
	bool over; /* the one connection it was given has ended */
	int error; /* of the last attempt to listen or connect, or why the connection ended; 0 none, else -errno */
	char why[160]; /* the same as a sentence, empty when there is nothing to say */
	uint64_t features_offered, features;
	uint8_t device_status; /* VIRTIO_CONFIG_S_*, as far as the front-end told it (STATUS) */
	uint64_t protocol_features_offered, protocol_features;
	const struct gmem *mem; /* NULL: no table yet */
	bool logging;
	uint32_t n_rings;
	uint32_t max_mem_slots;
	uint64_t connections; /* ever */
	uint64_t protocol_errors;
	uint64_t messages;
	uint64_t rings_broken;
};

void vhost_backend_status(const struct vhost_backend *b, struct vhost_backend_status *out);
/* idx < n_rings. */
void vhost_backend_ring_status(const struct vhost_backend *b, uint32_t idx, struct vhost_ring_status *out);

#endif
