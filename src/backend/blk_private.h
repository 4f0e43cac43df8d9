/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_private - the disk's inside, shared by its files:
 *
 *	blk.c           the device as the vhost engine sees it: features, configuration space, rings given and taken
 *	blk_worker.c    threads, each with its queues; sleep
 *	blk_queue.c     one turn of one queue: take, issue, collect, return
 *	blk_commands.c  what people ask
 *
 * A ring's way to a worker and back:
 *
 *	control: wanted = ring, wake                      worker: ring = wanted, held = wanted
 *	control: wanted = NULL, wake, wait for held       worker: takes nothing more, collects what is on its way,
 *	         to be NULL                                       returns it, held = NULL
 *
 * What is on its way uses the guest's memory, so the wait is for storage. It is bounded: after drain_ns the operations
 * are cancelled, and what then still does not end is abandoned. The memory it uses stays mapped until it has ended
 * (struct blk_pin), and no queue takes a request before: it may be the same guest, whose next writes must not be
 * overtaken by the old ones. Its requests stay noted as in flight if anybody notes them. From a worker that hangs in a call of
 * its own the ring is taken meanwhile (enum blk_call).
 */
#ifndef GINNEL_BACKEND_BLK_PRIVATE_H
#define GINNEL_BACKEND_BLK_PRIVATE_H

#include "backend/blk.h"
#include "backend/blk_counters.h"
#include "backend/blk_engine.h"
#include "backend/blk_limit.h"
#include "backend/blk_request.h"
#include "os/rcu.h"
#include "os/waker.h"

#include <pthread.h>

/*
 * Requests taken in one turn of a queue. Others have theirs then, and the guest sees the first of them soon: of the usual
 * 32 it works on one half while we work on the other, and neither waits.
 */
#define BLK_BURST 16
/* Pieces of a chain: what one may have, and its regions' seams. */
#define BLK_SEGS (VIRTQ_MAX_CHAIN + 64)

enum blk_leave { /* how a worker lets go of a ring */
	BLK_LEAVE_DRAINED,
	BLK_LEAVE_CANCEL,  /* end what is on its way */
	BLK_LEAVE_ABANDON, /* do not wait for it */
};

struct blk_queue {
	struct blk *blk;
	struct blk_worker *worker;
	uint32_t idx;
	int kick_fd; /* watched by the worker's waker; control's */

	/* control and worker, atomic */
	struct vhost_ring *wanted; /* rcu_publish() */
	struct vhost_ring *held;   /* by the worker; NULL: it has let go */
	enum blk_leave leave;
	uint64_t abandoned; /* operations that still run for nobody */

	/* the worker's */
	struct vhost_ring *ring;
	struct blk_engine *engine;
	struct blk_request *requests;
	struct iovec *iovs;
	struct blk_request *free;
	uint32_t in_flight;
	bool cancelled;
	uint64_t wait_until_ns; /* a limit holds requests back; 0: none does */
	/* returned in this turn, not published yet */
	uint32_t n_returned;
	uint16_t notes[BLK_BURST];
	uint64_t began_ns[BLK_BURST];
	enum blk_kind kinds[BLK_BURST];
	struct virtq_seg segs[BLK_SEGS];
	struct blk_counters counters;
};

struct blk_worker {
	struct blk *blk;
	uint32_t idx;
	bool started;
	bool stop; /* relaxed atomic */
	pthread_t thread;
	struct waker waker;
	enum blk_call call; /* atomic */
	uint64_t sleeps;
};

/* Memory that operations still use whose ring has gone. */
struct blk_pin {
	struct blk_pin *next;
	struct gmem *mem;
};

struct blk {
	struct blk_options options;
	struct blk_file file;
	struct blk_rules rules; /* but for write_through it changes while no ring is published */
	struct blk_limit limit;
	struct blk_config config;
	struct vhost_backend *backend;
	uint64_t features_offered, features;
	const struct blk_engine_ops *engine;
	struct blk_pool *pool;
	uint8_t *ram;
	uint64_t ram_len;
	struct blk_pin *pins;
	uint64_t abandoned; /* operations of all queues that still run for nobody; atomic */
	uint64_t resizes;
	pthread_mutex_t lock;
	pthread_cond_t let_go; /* some queue's `held` became NULL */
	uint32_t n_workers;
	struct blk_worker *workers;
	uint32_t n_queues;
	struct blk_queue *queues;
};

/* 0 or -errno. Called by the control thread, as is the other. */
int blk_queue_open(struct blk_queue *q, struct blk *blk, uint32_t idx);
void blk_queue_close(struct blk_queue *q);
/* By control, which has seized what is the worker's: lets go of the ring. */
void blk_queue_seize(struct blk_queue *q);
/* How much was done; 0: there is nothing to do for now. */
uint32_t blk_queue_turn(struct blk_queue *q, uint64_t now_ns);
/*
 * Asks to be woken when there is something to do. True: there is already. *until_ns is moved forward to when it has to
 * be looked at again whatever happens.
 */
bool blk_queue_arm(struct blk_queue *q, uint64_t *until_ns);
void blk_queue_disarm(struct blk_queue *q);

/* As blk_file_resize(); the guest is told. */
int blk_resize(struct blk *blk, uint64_t size);

int blk_workers_start(struct blk *blk);
void blk_workers_stop(struct blk *blk);

#endif
