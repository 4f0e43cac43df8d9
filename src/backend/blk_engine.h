/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_engine - who carries out the operations on an image. One engine serves one queue, in that queue's worker:
 *
 *	issue() ... issue(), submit()      a burst of operations, at most one system call of the engine's own
 *	reap() --> done                    those that are over, in any order
 *
 *	uring     the kernel's ring: files registered, operations restricted to what a disk needs
 *	threads   a pool that all queues share, where the ring is forbidden
 *	null      everything is over at once and nothing was done: for measuring
 *	ram       the image is memory of ours that begins as zeros and ends with the process: for measuring
 *
 * uring and threads make a call themselves when it most likely does not wait (backend/blk_pace.h).
 */
#ifndef GINNEL_BACKEND_BLK_ENGINE_H
#define GINNEL_BACKEND_BLK_ENGINE_H

#include "backend/blk_io.h"
#include "backend/blk_pace.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct blk_pool;

#define BLK_POOL_MAX 64

/*
 * A call that a worker makes itself may hang, and control must not wait for it without end. While the worker is in such a
 * call it touches nothing but the call's own memory; control may take its queues away then (seize), one after the other
 * if it likes, and the worker finds out when it comes back.
 *
 *	out --worker--> in --worker--> out
 *	                in --control--> seized --control, when it has done--> given back --worker--> out
 *	                                                                      given back --control--> seized
 */
enum blk_call {
	BLK_CALL_OUT,
	BLK_CALL_IN,
	BLK_CALL_SEIZED,
	BLK_CALL_GIVEN_BACK,
};

static inline bool blk_call_step(enum blk_call *call, enum blk_call from, enum blk_call to)
{
	return __atomic_compare_exchange_n(call, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The worker, around its call. */
static inline void blk_call_enter(enum blk_call *call)
{
	__atomic_store_n(call, BLK_CALL_IN, __ATOMIC_RELEASE);
}

/* While control has what is ours we wait: it does not take long. */
static inline void blk_call_leave(enum blk_call *call)
{
	while (!blk_call_step(call, BLK_CALL_IN, BLK_CALL_OUT) &&
		!blk_call_step(call, BLK_CALL_GIVEN_BACK, BLK_CALL_OUT))
		sched_yield();
}

/* Control: true, and until blk_call_give_back() what is the worker's is control's. */
static inline bool blk_call_seize(enum blk_call *call)
{
	return blk_call_step(call, BLK_CALL_IN, BLK_CALL_SEIZED) ||
	       blk_call_step(call, BLK_CALL_GIVEN_BACK, BLK_CALL_SEIZED);
}

static inline void blk_call_give_back(enum blk_call *call)
{
	__atomic_store_n(call, BLK_CALL_GIVEN_BACK, __ATOMIC_RELEASE);
}

/* Some call of this worker hangs, or was seized and has not come back. */
static inline bool blk_call_hangs(const enum blk_call *call)
{
	return __atomic_load_n(call, __ATOMIC_ACQUIRE) >= BLK_CALL_SEIZED;
}

struct blk_engine_config {
	const struct blk_file *file;
	uint32_t depth; /* operations on their way at once, at most */
	uint64_t (*clock)(void);
	enum blk_call *call;   /* the worker's, atomic */
	struct blk_pool *pool; /* threads */
	uint8_t *ram;          /* ram: as long as the file */
	uint64_t ram_len;
};

/* Read by control while the worker writes. */
struct blk_engine_counters {
	uint64_t own;       /* calls made by the worker */
	uint64_t own_slow;  /* of these, so slow that others get them for a while */
	uint64_t passed_on; /* to the kernel's ring, or a thread */
	uint64_t submits;   /* how often, a burst each time */
};

struct blk_engine {
	const struct blk_engine_ops *ops;
	struct blk_engine_config config;
	struct blk_io_list done;
	int wake_fd; /* becomes readable when something is done and arm() was called; -1: nothing ever is later */
	struct blk_pace pace[BLK_IO_OPS];
	uint64_t last_ns; /* when the last call of this turn ended; 0: there was none */
	struct blk_engine_counters counters;
};

/* open() and close() are called by the control thread, the others by the worker. */
struct blk_engine_ops {
	const char *name;
	/* 0 or -errno. */
	int (*open)(struct blk_engine **out, const struct blk_engine_config *config);
	/* Nothing is on its way. */
	void (*close)(struct blk_engine *e);
	/* The worker's first call. May be NULL. 0 or -errno. */
	int (*begin)(struct blk_engine *e);
	void (*issue)(struct blk_engine *e, struct blk_io *io);
	/* May be NULL, as all below. */
	void (*submit)(struct blk_engine *e);
	/* Adds to e->done what is over. */
	void (*reap)(struct blk_engine *e);
	/* From here on wake_fd tells. True: something is over already. */
	bool (*arm)(struct blk_engine *e);
	/* The worker looks by itself again. */
	void (*disarm)(struct blk_engine *e);
	/* Tries to end what is on its way; it comes back as done, whether or not it worked. */
	void (*cancel)(struct blk_engine *e);
};

extern const struct blk_engine_ops blk_engine_uring, blk_engine_threads, blk_engine_null, blk_engine_ram;

/* Counters have one writer. */
static inline void blk_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/*
 * Carries it out if it should not wait: it is done then. reads_too: also those of which the kernel knows whether they
 * would wait, for an engine that has nothing better for them.
 */
bool blk_engine_at_once(struct blk_engine *e, struct blk_io *io, bool reads_too);

/* 0 or -errno. */
int blk_pool_create(struct blk_pool **out);
/* At most BLK_POOL_MAX threads. 0 or -errno. */
int blk_pool_start(struct blk_pool *pool, uint32_t n);
void blk_pool_destroy(struct blk_pool *pool);

#endif
