/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_private.h"

#include "base/log.h"
#include "os/thread.h"

#include <stdio.h>
#include <string.h>

/* Its queues are every n_workers-th. */
static uint32_t turn_all(struct blk_worker *w, uint64_t now_ns)
{
	struct blk *blk = w->blk;
	uint32_t work = 0;

	for (uint32_t i = w->idx; i < blk->n_queues; i += blk->n_workers)
		work += blk_queue_turn(&blk->queues[i], now_ns);
	return work;
}

/* Arm, look again, then sleep. In poll mode storage alone is asked to tell. */
static void worker_sleep(struct blk_worker *w, uint64_t now_ns)
{
	struct blk *blk = w->blk;
	uint64_t until_ns = blk->options.poll_ns ? now_ns + blk->options.poll_ns : UINT64_MAX;
	bool work = false;

	for (uint32_t i = w->idx; i < blk->n_queues; i += blk->n_workers)
		work |= blk_queue_arm(&blk->queues[i], &until_ns);
	if (!work && until_ns > now_ns) {
		blk_count(&w->sleeps, 1);
		waker_wait(&w->waker, until_ns == UINT64_MAX ? UINT64_MAX : until_ns - now_ns);
	}
	for (uint32_t i = w->idx; i < blk->n_queues; i += blk->n_workers)
		blk_queue_disarm(&blk->queues[i]);
}

static void begin_engines(struct blk_worker *w)
{
	struct blk *blk = w->blk;

	for (uint32_t i = w->idx; i < blk->n_queues; i += blk->n_workers) {
		struct blk_engine *e = blk->queues[i].engine;
		int err = e->ops->begin ? e->ops->begin(e) : 0;

		if (err)
			log_error("queue %u: engine %s does not begin: %s", i, e->ops->name, strerror(-err));
	}
}

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void *worker_main(void *arg)
{
	struct blk_worker *w = arg;
	struct blk *blk = w->blk;
	uint64_t now_ns = blk->options.clock(), last_work_ns = now_ns;

	if (thread_alarm_start() != 0) /* a peer could then stop us with a descriptor that blocks */
		log_warning("worker %u: no alarm for system calls that block", w->idx);
	begin_engines(w);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		uint32_t work = turn_all(w, now_ns);

		now_ns = blk->options.clock();
		if (work > 0) {
			last_work_ns = now_ns;
		} else if (now_ns - last_work_ns >= blk->options.spin_ns) {
			worker_sleep(w, now_ns);
			now_ns = last_work_ns = blk->options.clock();
		} else {
			relax();
		}
	}
	thread_alarm_stop();
	return NULL;
}

int blk_workers_start(struct blk *blk)
{
	char name[32];

	for (uint32_t i = 0; i < blk->n_workers; i++) {
		struct blk_worker *w = &blk->workers[i];
		int err;

		snprintf(name, sizeof(name), "worker %u", i);
		err = thread_start(&w->thread, name, THREAD_ANY_CPU, worker_main, w);
		if (err)
			return err;
		w->started = true;
	}
	return 0;
}

void blk_workers_stop(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_workers; i++) {
		struct blk_worker *w = &blk->workers[i];

		if (!w->started)
			continue;
		__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
		waker_wake(&w->waker);
		pthread_join(w->thread, NULL);
	}
}
