/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_private.h"
#include "vhost/inflight_ring.h"

#include <errno.h>
#include <stdlib.h>

/* --- returning --- */

static void note_time(struct blk_queue *q, enum blk_kind kind, uint64_t ns)
{
	blk_count(&q->counters.time_ns[kind], ns);
	blk_count(&q->counters.times[kind][blk_time_bucket(ns)], 1);
}

/* True: the guest wants to be called. */
static bool publish_returned(struct blk_queue *q)
{
	struct virtq *vq = &q->ring->vq;
	struct inflight_ring *inflight = q->ring->inflight;
	bool call;

	if (inflight)
		inflight_ring_returning(inflight, q->notes, q->n_returned);
	call = virtq_publish(vq);
	if (inflight)
		inflight_ring_returned(inflight, q->notes, q->n_returned, vq);
	return call;
}

/* The guest sees what was returned, and is called at most once for it. */
static void show_returned(struct blk_queue *q)
{
	struct virtq *vq;
	uint64_t now_ns;

	if (q->n_returned == 0)
		return;
	vq = &q->ring->vq;
	if (publish_returned(q) && !virtq_call(vq))
		virtq_break(vq, VIRTQ_CALL_BLOCKS);
	now_ns = q->blk->options.clock();
	for (uint32_t i = 0; i < q->n_returned; i++)
		note_time(q, q->kinds[i], now_ns - q->began_ns[i]);
	q->n_returned = 0;
}

static void free_request(struct blk_queue *q, struct blk_request *r)
{
	r->next_free = q->free;
	q->free = r;
}

static void log_written(struct virtq *vq, void *addr, uint64_t len)
{
	const struct virtq_seg seg = {.addr = addr, .len = (uint32_t)len};

	virtq_log_written(vq, &seg, 1, len);
}

static void give_back(struct blk_queue *q, struct blk_request *r, enum blk_fault fault)
{
	struct virtq *vq = &q->ring->vq;

	if (r->status) {
		__atomic_store_n(r->status, (uint8_t)blk_fault_status(fault), __ATOMIC_RELAXED);
		if (unlikely(vq->log != NULL))
			log_written(vq, r->status, 1);
	}
	virtq_push(vq, r->buffer, fault && r->written > 0 ? 1 : r->written);
	blk_count(&q->counters.requests[r->kind], 1);
	if (likely(!fault))
		blk_count(&q->counters.bytes[r->kind], r->bytes);
	else
		blk_count(&q->counters.faults[fault], 1);
	q->notes[q->n_returned] = r->noted;
	q->began_ns[q->n_returned] = r->began_ns;
	q->kinds[q->n_returned] = r->kind;
	free_request(q, r);
	if (++q->n_returned == BLK_BURST)
		show_returned(q);
}

/* --- collecting --- */

static void set_depth(struct blk_queue *q, uint32_t in_flight)
{
	struct blk_counters *c = &q->counters;

	q->in_flight = in_flight;
	__atomic_store_n(&c->depth, in_flight, __ATOMIC_RELAXED);
	if (in_flight > c->depth_max)
		__atomic_store_n(&c->depth_max, in_flight, __ATOMIC_RELAXED);
}

/* What a read brought into the guest's memory, for a migration that is going on. */
static void log_read(struct blk_queue *q, const struct blk_io *io)
{
	uint64_t left = (uint64_t)io->result;

	for (uint32_t i = 0; i < io->n && left > 0; i++) {
		uint64_t part = min_u64(io->iov[i].iov_len, left);

		log_written(&q->ring->vq, io->iov[i].iov_base, part);
		left -= part;
	}
}

/* An operation has ended that nobody waits for. After the last of them all go on. */
static void bury(struct blk_queue *q, struct blk_request *r)
{
	struct blk *blk = q->blk;

	r->abandoned = false;
	free_request(q, r);
	__atomic_store_n(&q->abandoned, q->abandoned - 1, __ATOMIC_RELEASE);
	if (__atomic_sub_fetch(&blk->abandoned, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint32_t i = 0; i < blk->n_workers; i++)
		waker_wake(&blk->workers[i].waker);
}

static bool others_linger(const struct blk *blk)
{
	return unlikely(__atomic_load_n(&blk->abandoned, __ATOMIC_ACQUIRE) > 0);
}

static void collect_one(struct blk_queue *q, struct blk_request *r)
{
	enum blk_fault fault;

	if (unlikely(r->abandoned)) {
		bury(q, r);
		return;
	}
	if (unlikely(q->ring->vq.log != NULL) && r->io.op == BLK_IO_READ && r->io.result > 0)
		log_read(q, &r->io);
	if (blk_request_next(r, &fault) == BLK_NEXT_IO) {
		q->engine->ops->issue(q->engine, &r->io);
		return;
	}
	set_depth(q, q->in_flight - 1);
	give_back(q, r, fault);
}

/* What is over by now; what that leads to is for the next time. */
static uint32_t collect(struct blk_queue *q)
{
	struct blk_io_list done;
	struct blk_io *io;
	uint32_t n = 0;

	if (q->engine->ops->reap)
		q->engine->ops->reap(q->engine);
	done = q->engine->done;
	q->engine->done = (struct blk_io_list){0};
	for (; (io = blk_io_take(&done)) != NULL; n++)
		collect_one(q, CONTAINER_OF(io, struct blk_request, io));
	return n;
}

/* --- taking --- */

/* What a predecessor left comes first. As virtq_pop(). */
static int next_chain(struct blk_queue *q, struct virtq_chain *chain, uint16_t *note)
{
	struct inflight_ring *inflight = q->ring->inflight;
	int got;

	if (inflight) {
		got = inflight_ring_retake(inflight, &q->ring->vq, chain, note);
		if (got > 0)
			blk_count(&q->counters.retaken, 1);
		if (got != 0)
			return got;
	}
	got = virtq_pop(&q->ring->vq, chain);
	if (got > 0 && inflight)
		*note = inflight_ring_fetch(inflight, &q->ring->vq, chain->buffer);
	return got;
}

static void start(struct blk_queue *q, struct blk_request *r, const struct virtq_chain *chain)
{
	enum blk_fault fault;

	if (blk_request_parse(r, chain, &q->blk->rules, &fault) == BLK_NEXT_DONE) {
		give_back(q, r, fault);
		return;
	}
	set_depth(q, q->in_flight + 1);
	blk_limit_pay(&q->blk->limit, r->bytes);
	q->engine->ops->issue(q->engine, &r->io);
}

/* A limit says wait. */
static bool held_back(struct blk_queue *q, uint64_t now_ns)
{
	uint64_t wait_ns = blk_limit_wait_ns(&q->blk->limit, now_ns);

	q->wait_until_ns = wait_ns ? now_ns + wait_ns : 0;
	if (wait_ns)
		blk_count(&q->counters.held_back, 1);
	return wait_ns != 0;
}

static uint32_t take(struct blk_queue *q, uint64_t now_ns)
{
	struct virtq_chain chain = {.segs = q->segs, .max = BLK_SEGS};
	uint32_t n = 0;

	/* the ring may be gone when a call of our own comes back */
	for (; n < BLK_BURST && q->free && q->ring && !held_back(q, now_ns); n++) {
		struct blk_request *r = q->free;
		int got = next_chain(q, &chain, &r->noted);

		if (got == -ENOSPC)
			virtq_break(&q->ring->vq, VIRTQ_CHAIN_LONG);
		if (got <= 0)
			break;
		q->free = r->next_free;
		r->began_ns = now_ns;
		start(q, r, &chain);
	}
	if (n > 0)
		blk_count(&q->counters.bursts, 1);
	return n;
}

/* --- rings come and go --- */

static void abandon(struct blk_queue *q)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < q->blk->options.depth; i++)
		q->requests[i].abandoned = true;
	for (struct blk_request *r = q->free; r; r = r->next_free, n++)
		r->abandoned = false;
	__atomic_store_n(&q->abandoned, q->abandoned + q->in_flight, __ATOMIC_RELEASE);
	__atomic_add_fetch(&q->blk->abandoned, q->in_flight, __ATOMIC_ACQ_REL);
	blk_count(&q->counters.abandoned, q->in_flight);
	set_depth(q, 0);
}

/* True: nothing of the old ring is on its way any more, or nobody waits for it. */
static bool is_drained(struct blk_queue *q)
{
	enum blk_leave leave;

	if (q->in_flight == 0)
		return true;
	leave = __atomic_load_n(&q->leave, __ATOMIC_ACQUIRE);
	if (leave == BLK_LEAVE_CANCEL && !q->cancelled && q->engine->ops->cancel) {
		q->engine->ops->cancel(q->engine);
		q->cancelled = true;
	}
	if (leave != BLK_LEAVE_ABANDON)
		return false;
	abandon(q);
	return true;
}

/*
 * Lets go of the old ring, takes the new one up. Which that is, is read under the lock: control takes a ring away first
 * and looks under the lock then whether anybody holds it, so either it sees that this queue does, or this queue sees
 * that the ring is gone.
 */
static void follow(struct blk_queue *q)
{
	struct blk *blk = q->blk;

	if (q->ring && !is_drained(q))
		return;
	show_returned(q);
	q->cancelled = false;
	pthread_mutex_lock(&blk->lock);
	q->ring = rcu_load(q->wanted);
	__atomic_store_n(&q->held, q->ring, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&blk->let_go);
	pthread_mutex_unlock(&blk->lock);
	if (q->ring)
		virtq_call_due(&q->ring->vq);
}

/* A guest is called by workers alone; this one's ring calls it when it runs again. */
void blk_queue_seize(struct blk_queue *q)
{
	if (q->n_returned > 0)
		publish_returned(q);
	q->n_returned = 0;
	abandon(q);
	q->cancelled = false;
	q->ring = NULL;
	__atomic_store_n(&q->held, NULL, __ATOMIC_RELEASE);
}

uint32_t blk_queue_turn(struct blk_queue *q, uint64_t now_ns)
{
	uint32_t n = 0;

	q->engine->last_ns = 0;
	n += collect(q);
	if (unlikely(rcu_load(q->wanted) != q->ring))
		follow(q);
	else if (q->ring && q->ring->enabled && !others_linger(q->blk))
		n += take(q, now_ns);
	if (q->engine->ops->submit)
		q->engine->ops->submit(q->engine);
	n += collect(q);
	if (q->ring)
		show_returned(q);
	return n;
}

/* --- sleep --- */

bool blk_queue_arm(struct blk_queue *q, uint64_t *until_ns)
{
	bool work = q->engine->ops->arm ? q->engine->ops->arm(q->engine) : q->engine->done.first != NULL;

	if (rcu_load(q->wanted) != q->ring)
		return work || q->in_flight == 0; /* while it drains, the engine tells */
	if (!q->ring || !q->ring->enabled || !q->free || others_linger(q->blk))
		return work;
	if (q->wait_until_ns) {
		*until_ns = min_u64(*until_ns, q->wait_until_ns);
		return work;
	}
	if (q->blk->options.poll_ns)
		return work;
	/* a guest that waits for all it has asked does not kick for what a predecessor left */
	if (q->ring->inflight)
		work |= inflight_ring_left(q->ring->inflight);
	work |= virtq_arm(&q->ring->vq);
	return work || (q->ring->kick_fd < 0 && q->ring->vq.error == VIRTQ_OK);
}

void blk_queue_disarm(struct blk_queue *q)
{
	if (q->engine->ops->disarm)
		q->engine->ops->disarm(q->engine);
	if (q->ring)
		virtq_disarm(&q->ring->vq);
}

/* --- set-up --- */

int blk_queue_open(struct blk_queue *q, struct blk *blk, uint32_t idx)
{
	const struct blk_options *o = &blk->options;
	const struct blk_engine_config config = {.file = &blk->file,
		.depth = o->depth,
		.clock = o->clock,
		.call = &blk->workers[idx % blk->n_workers].call,
		.pool = blk->pool,
		.ram = blk->ram,
		.ram_len = blk->ram_len};
	uint32_t iov_max = blk->rules.seg_max + 2;
	int err;

	*q = (struct blk_queue){
		.blk = blk, .idx = idx, .worker = &blk->workers[idx % blk->n_workers], .kick_fd = -1};
	q->requests = calloc(o->depth, sizeof(q->requests[0]));
	q->iovs = calloc((size_t)o->depth * iov_max, sizeof(q->iovs[0]));
	err = q->requests && q->iovs ? blk->engine->open(&q->engine, &config) : -ENOMEM;
	if (err)
		goto free_requests;
	for (uint32_t i = o->depth; i > 0; i--) {
		blk_request_init(&q->requests[i - 1], q->iovs + (size_t)(i - 1) * iov_max, iov_max);
		free_request(q, &q->requests[i - 1]);
	}
	if (q->engine->wake_fd >= 0) {
		err = waker_watch(&q->worker->waker, q->engine->wake_fd);
		if (err)
			goto close_engine;
	}
	return 0;
close_engine:
	q->engine->ops->close(q->engine);
free_requests:
	free(q->iovs);
	free(q->requests);
	q->engine = NULL;
	return err;
}

/* What still runs for nobody keeps its memory, and its engine. */
void blk_queue_close(struct blk_queue *q)
{
	if (!q->engine || q->abandoned > 0)
		return;
	if (q->engine->wake_fd >= 0)
		waker_unwatch(&q->worker->waker, q->engine->wake_fd);
	q->engine->ops->close(q->engine);
	free(q->iovs);
	free(q->requests);
	q->engine = NULL;
}
