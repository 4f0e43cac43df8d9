/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk - a disk for a guest: a virtio block device over a raw image.
 *
 *	guest's queues --> workers: take a burst, check each request (blk_request.h) --> engine (blk_engine.h) --> image
 *	               <--          return what is done, in any order, one call per burst <--
 *
 * What is promised. A FLUSH is answered when all writes that were answered before it are on the disk. With write-through,
 * which is when the guest does not flush or has switched the cache off, each write is answered when it is on the disk
 * itself. A request that cannot be done is answered with an error; nothing a guest asks for ends the program.
 *
 * The control thread makes it, and the vhost engine calls it there (blk_vhost_device). Its threads see the rings and
 * nothing else of the engine.
 */
#ifndef GINNEL_BACKEND_BLK_H
#define GINNEL_BACKEND_BLK_H

#include "backend/blk_file.h"
#include "ctl/command.h"
#include "vhost/backend.h"
#include "virtio/blk.h"

#define BLK_QUEUES_MAX  16
#define BLK_WORKERS_MAX 16
#define BLK_THREADS_MAX 64 /* BLK_POOL_MAX */
#define BLK_DEPTH_MAX   1024
#define BLK_RING_MAX    1024
#define BLK_SEG_MAX_MAX 1022
#define BLK_DRAIN_NS    (5 * NS_PER_S)

enum blk_engine_choice {
	BLK_ENGINE_AUTO, /* uring where the kernel allows it, or threads */
	BLK_ENGINE_URING,
	BLK_ENGINE_THREADS,
	BLK_ENGINE_NULL,
	BLK_ENGINE_RAM,
};

struct blk_engine_ops;

struct blk_options {
	struct blk_file_options file;
	const char *serial; /* up to BLK_ID_LEN characters */
	enum blk_engine_choice engine;
	const struct blk_engine_ops *own_engine; /* a test's; NULL: engine */
	uint32_t n_queues;
	uint32_t depth; /* requests that a queue works on at once */
	uint32_t seg_max;
	uint32_t n_workers; /* queues are dealt out to them */
	uint32_t n_threads; /* of the engine threads */
	bool discard, write_zeroes;
	uint64_t requests_per_s, bytes_per_s; /* 0: no limit */
	uint64_t poll_ns;  /* workers look that often, and ask for no kicks; 0: they do ask, and sleep */
	uint64_t spin_ns;  /* how long they look for more before they sleep */
	uint64_t drain_ns; /* how long a ring that is taken away waits for storage */
	uint64_t (*clock)(void);
};

struct blk;

/* What there is without an option; the file is still to be named. */
struct blk_options blk_defaults(void);

/* Opens the image and all that serving it takes. 0, or -errno and a sentence in why that names the mend. */
int blk_create(struct blk **out, const struct blk_options *options, char *why, size_t why_len);
/* Starts the threads. 0 or -errno; then nothing but blk_destroy(). */
int blk_start(struct blk *blk);
/* No ring is published. */
void blk_destroy(struct blk *blk);

/* For struct vhost_backend_config; the device is the struct blk. */
extern const struct vhost_device blk_vhost_device;
uint64_t blk_features(const struct blk *blk);
uint64_t blk_protocol_features(void);
/* Whom to tell when the disk's size has changed. */
void blk_set_backend(struct blk *blk, struct vhost_backend *backend);

/* Twice a second or so: looks at the image's size, and after what was abandoned. */
void blk_tick(struct blk *blk);

extern const struct ctl_table blk_commands; /* subject: struct blk */

#endif
