/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_engine.h"

#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct blk_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct blk_io_list waiting;
	uint32_t idle;
	bool stop;
	uint32_t n;
	pthread_t threads[BLK_POOL_MAX];
};

struct threads_engine {
	struct blk_engine base;
	struct blk_io_list burst; /* issued, and not passed on yet */
	pthread_mutex_t lock;     /* of what follows: a pool's threads fill it, the worker empties it */
	struct blk_io_list over;
	bool armed;
	bool any; /* relaxed atomic: the list is worth a lock */
};

/* --- the pool --- */

static void tell(struct threads_engine *e)
{
	uint64_t one = 1;
	ssize_t n = write(e->base.wake_fd, &one, sizeof(one));

	(void)n; /* a counter at its limit tells as well */
}

static void give_back(struct blk_io *io)
{
	struct threads_engine *e = io->owner;
	bool armed;

	pthread_mutex_lock(&e->lock);
	blk_io_add(&e->over, io);
	__atomic_store_n(&e->any, true, __ATOMIC_RELAXED);
	armed = e->armed;
	e->armed = false;
	/* inside the lock: the engine may be closed as soon as its last operation is reaped */
	if (armed)
		tell(e);
	pthread_mutex_unlock(&e->lock);
}

static void *pool_main(void *arg)
{
	struct blk_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stop) {
		struct blk_io *io = blk_io_take(&pool->waiting);
		const struct threads_engine *e;

		if (!io) {
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
			continue;
		}
		pthread_mutex_unlock(&pool->lock);
		e = io->owner;
		io->result = blk_io_call(e->base.config.file, io, false);
		give_back(io);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

int blk_pool_create(struct blk_pool **out)
{
	struct blk_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	*out = pool;
	return 0;
}

int blk_pool_start(struct blk_pool *pool, uint32_t n)
{
	char name[32];

	ASSERT(n <= BLK_POOL_MAX);
	for (; pool->n < n; pool->n++) {
		int err;

		snprintf(name, sizeof(name), "blk io %u", pool->n);
		err = thread_start(&pool->threads[pool->n], name, THREAD_ANY_CPU, pool_main, pool);
		if (err)
			return err;
	}
	return 0;
}

void blk_pool_destroy(struct blk_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (uint32_t i = 0; i < pool->n; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* --- the engine --- */

static struct threads_engine *threads_of(struct blk_engine *e)
{
	return CONTAINER_OF(e, struct threads_engine, base);
}

static int threads_open(struct blk_engine **out, const struct blk_engine_config *config)
{
	struct threads_engine *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->base = (struct blk_engine){.ops = &blk_engine_threads, .config = *config};
	e->base.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->base.wake_fd < 0) {
		err = -errno;
		free(e);
		return err;
	}
	pthread_mutex_init(&e->lock, NULL);
	*out = &e->base;
	return 0;
}

static void threads_close(struct blk_engine *base)
{
	struct threads_engine *e = threads_of(base);

	pthread_mutex_destroy(&e->lock);
	close(base->wake_fd);
	free(e);
}

static void threads_issue(struct blk_engine *base, struct blk_io *io)
{
	struct threads_engine *e = threads_of(base);

	if (blk_engine_at_once(base, io, true))
		return;
	io->owner = e;
	blk_io_add(&e->burst, io);
	blk_count(&base->counters.passed_on, 1);
}

static void threads_submit(struct blk_engine *base)
{
	struct threads_engine *e = threads_of(base);
	struct blk_pool *pool = base->config.pool;
	uint32_t n = 0, wake;

	if (!e->burst.first)
		return;
	pthread_mutex_lock(&pool->lock);
	for (struct blk_io *io; (io = blk_io_take(&e->burst)) != NULL; n++)
		blk_io_add(&pool->waiting, io);
	wake = min_u32(n, pool->idle);
	pthread_mutex_unlock(&pool->lock);
	while (wake-- > 0)
		pthread_cond_signal(&pool->work);
	blk_count(&base->counters.submits, 1);
}

static void threads_reap(struct blk_engine *base)
{
	struct threads_engine *e = threads_of(base);

	if (!__atomic_load_n(&e->any, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&e->lock);
	for (struct blk_io *io; (io = blk_io_take(&e->over)) != NULL;)
		blk_io_add(&base->done, io);
	__atomic_store_n(&e->any, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&e->lock);
}

static bool threads_arm(struct blk_engine *base)
{
	struct threads_engine *e = threads_of(base);
	bool any;

	pthread_mutex_lock(&e->lock);
	any = e->over.first != NULL;
	e->armed = !any;
	pthread_mutex_unlock(&e->lock);
	return any || base->done.first;
}

const struct blk_engine_ops blk_engine_threads = {
	.name = "threads",
	.open = threads_open,
	.close = threads_close,
	.issue = threads_issue,
	.submit = threads_submit,
	.reap = threads_reap,
	.arm = threads_arm,
};
