/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - a guest's driver of one vhost-user disk: the connection, queues of requests, and their memory.
 *
 *	disk_take() --> fill in op, sector, bytes, data --> disk_submit() ... disk_publish()
 *	                                  the device works
 *	disk_done() --> look at status, data --> disk_give_back()
 *
 * When the back-end dies, requests that it had stay taken. If it kept notes of them (INFLIGHT_SHMFD) the next one gets
 * memory and rings as they are and finishes them. Otherwise memory and rings are new, and each request is asked for
 * once more: `refill` puts its data there again.
 *
 * One thread.
 */
#ifndef GINNEL_BLKBENCH_DISK_H
#define GINNEL_BLKBENCH_DISK_H

#include "blkbench/plan.h"

#include "os/loop.h"
#include "vhost/frontend.h"
#include "virtio/blk.h"
#include "virtio/driverq.h"

#define DISK_STATUS_NONE 0xff /* the device wrote none */

struct disk_request {
	enum blk_op op;
	bool taken, submitted;
	uint16_t slot;
	uint64_t sector;
	uint32_t len; /* bytes, of the data or of the range */
	uint8_t *data;
	/* of the load */
	uint64_t block, issued_ns;
	uint32_t generation;
	/* when done */
	uint8_t status;
	uint32_t used_len;
};

struct disk;

struct disk_queue {
	struct disk *disk;
	struct driverq vq;
	uint32_t idx;
	struct disk_request *requests; /* depth of them */
	uint16_t *free;
	uint32_t n_free;
	uint16_t *by_number; /* chain's number --> request */
	int kick_fd, call_fd;
	struct loop_watch call;
	uint64_t calls;
};

struct disk {
	const struct blkbench_plan *plan;
	struct loop *loop;
	struct vhost_frontend *frontend;
	void (*refill)(void *arg, struct disk_request *r);
	void *arg;

	struct blk_config config;
	uint64_t features;
	bool running;
	bool hopeless; /* the next life would fail in the same way */
	bool ended;    /* it ran, and does not any more */
	char why[256];
	uint64_t writeback_changes;
	uint32_t lives, resumed;
	uint64_t asked_again; /* requests */

	/* of this life and of those that it resumes */
	int memfd;
	uint8_t *memory;
	uint64_t memory_len, memory_features;
	uint32_t ring_size;
	bool kick_blocked;
	struct disk_queue queues[BLKBENCH_QUEUES_MAX]; /* plan->queues of them */
};

/* 0 or -errno and d->why. plan stays the caller's. */
int disk_open(struct disk *d, const struct blkbench_plan *plan, struct loop *loop);
void disk_close(struct disk *d);

/* The bytes that the plan asks for, cut to the disk's size. 0 or -errno and d->why. */
int disk_region(struct disk *d, uint64_t *n_blocks);

/* A request that nobody has; NULL: all are on their way. */
struct disk_request *disk_take(struct disk_queue *q);
void disk_give_back(struct disk_queue *q, struct disk_request *r);
static inline uint32_t disk_on_their_way(const struct disk_queue *q)
{
	return q->disk->plan->depth - q->n_free;
}

/*
 * Requests may be submitted: to the back-end, or as a guest that does not know that it has died, to the one that will
 * follow.
 */
static inline bool disk_listens(const struct disk *d)
{
	return d->running || (d->plan->reconnect && d->memory && d->lives > 0);
}

/* The device sees it after disk_publish(). */
void disk_submit(struct disk_queue *q, struct disk_request *r);
/* Rings if the device wants that. */
void disk_publish(struct disk_queue *q);
/* The next one that is done; NULL: none, or the queue is broken. */
struct disk_request *disk_done(struct disk_queue *q);
/* Asks for calls. True: something is done already. */
bool disk_arm(struct disk_queue *q);
void disk_disarm(struct disk_queue *q);
/* What is wrong with the queue; NULL: nothing. */
const char *disk_queue_broken(const struct disk_queue *q);

#endif
