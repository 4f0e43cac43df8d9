/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include "base/log.h"
#include "os/clock.h"
#include "os/rcu.h"
#include "os/thread.h"
#include "pkt/stats.h"
#include "worker/private.h"
#include "worker/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rx_list no_queues;

/* Returns true when a peer has something, or will not tell us: then there must be no sleep. */
static bool arm_all(const struct rx_list *list, uint32_t worker)
{
	bool work = false;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct rxq *q = &list->rxqs[i];

		if (unlikely(wire_waits(q)))
			work |= wire_arm(q, worker);
		else
			work |= q->port->ops->rx_arm(q->port, q->queue);
	}
	return work;
}

static void disarm_all(const struct rx_list *list, uint32_t worker)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct rxq *q = &list->rxqs[i];

		q->port->ops->rx_disarm(q->port, q->queue);
		if (unlikely(wire_waits(q)))
			wire_disarm(q, worker);
	}
}

/* How long until a wire has to do something by itself; UINT64_MAX: none has. */
static uint64_t until_due(const struct rx_list *list)
{
	uint64_t due_ns = UINT64_MAX, now_ns;

	for (uint32_t i = 0; i < list->n; i++)
		if (unlikely(iface_is_lossless(&list->rxqs[i].port->iface)))
			due_ns = min_u64(due_ns, wire_due_ns(&list->rxqs[i]));
	if (due_ns == UINT64_MAX)
		return UINT64_MAX;
	now_ns = clock_now_ns();
	return due_ns > now_ns ? due_ns - now_ns : 0;
}

/* Arm, look again, then sleep. Control may replace the list meanwhile; it wakes us then. */
static void worker_sleep(struct worker *w)
{
	const struct rx_list *list = rcu_load(w->polled);

	if (!arm_all(list, w->idx)) {
		uint64_t rest_ns = until_due(list);

		iface_count(&w->runner.counters->sleeps, 1);
		rcu_sleep();
		waker_wait(&w->waker, rest_ns);
		rcu_woke();
		list = rcu_load(w->polled);
	}
	disarm_all(list, w->idx);
}

/* Until the next time of a fixed rate; times that passed meanwhile are left out. Returns it. */
static uint64_t worker_rest(struct worker *w, uint64_t last_ns)
{
	uint64_t poll_ns = w->workers->poll_ns, now_ns = clock_now_ns();
	uint64_t next_ns = last_ns + poll_ns;

	if (next_ns <= now_ns)
		next_ns = now_ns + poll_ns - (now_ns - last_ns) % poll_ns;
	iface_count(&w->runner.counters->sleeps, 1);
	rcu_sleep();
	/* somebody's notification does not shorten it */
	for (; now_ns < next_ns && !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); now_ns = clock_now_ns())
		waker_wait(&w->waker, next_ns - now_ns);
	rcu_woke();
	return next_ns;
}

/* While there is nothing to do: looks at queues between two looks at the clock, which takes as long as two; some 2 µs. */
#define LOOKS_PER_CLOCK 64

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t now_ns = clock_now_ns(), last_work_ns = now_ns, tick_ns = now_ns;
	uint32_t looks = 0;

	rcu_reader_start();
	if (thread_alarm_start() != 0) /* a peer could then stop us with a descriptor that blocks */
		log_warning("worker %u: no alarm for system calls that block", w->idx);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		const struct rx_list *list = rcu_load(w->polled);

		looks += 1 + list->n;
		if (turn_run(&w->runner, list, now_ns) > 0) {
			now_ns = last_work_ns = clock_now_ns();
			looks = 0;
		} else if (w->workers->poll_ns > 0) {
			tick_ns = worker_rest(w, tick_ns);
			now_ns = clock_now_ns();
		} else if (looks >= LOOKS_PER_CLOCK) {
			looks = 0;
			now_ns = clock_now_ns();
			if (!w->workers->polling && now_ns - last_work_ns >= w->workers->spin_ns) {
				worker_sleep(w);
				now_ns = last_work_ns = clock_now_ns();
			}
		}
		rcu_quiet();
	}
	thread_alarm_stop();
	rcu_reader_stop();
	return NULL;
}

static int worker_init(
	struct workers *ws, struct worker *w, uint32_t idx, const struct workers_config *config)
{
	int err;

	*w = (struct worker){.workers = ws,
		.idx = idx,
		.cpu = config->cpus[idx],
		.list = &no_queues,
		.polled = &no_queues};
	err = turn_runner_init(
		&w->runner, idx, &(struct turn_rooms){config->bridges, config->ip, config->nat44});
	if (err)
		return err;
	w->runner.counters =
		stats_worker(iface_table_stats(config->ifaces), idx, sizeof(struct turn_counters));
	err = waker_init(&w->waker);
	if (err)
		turn_runner_fini(&w->runner);
	return err;
}

static void worker_fini(struct worker *w)
{
	ASSERT(w->list->n == 0);
	if (w->list != &no_queues)
		free((void *)(uintptr_t)w->list);
	waker_fini(&w->waker);
	turn_runner_fini(&w->runner);
}

int workers_create(struct workers **out, const struct workers_config *config)
{
	struct workers *ws = calloc(1, sizeof(*ws));
	int err = 0;

	if (!ws)
		return -ENOMEM;
	ws->polling = config->polling;
	ws->spin_ns = config->spin_ns;
	ws->poll_ns = config->poll_ns;
	ws->cleared_ns = clock_now_ns();
	for (; ws->n < config->n && err == 0; ws->n += err == 0)
		err = worker_init(ws, &ws->workers[ws->n], ws->n, config);
	if (err == 0)
		err = turn_runner_init(&ws->trial, config->n,
			&(struct turn_rooms){config->bridges, config->ip, config->nat44});
	if (err) {
		workers_destroy(ws);
		return err;
	}
	*out = ws;
	return 0;
}

int workers_start(struct workers *ws)
{
	char name[32];

	for (uint32_t i = 0; i < ws->n; i++) {
		struct worker *w = &ws->workers[i];
		int err;

		snprintf(name, sizeof(name), "worker %u", i);
		err = thread_start(&w->thread, name, w->cpu, worker_main, w);
		if (err == -EINVAL && w->cpu != WORKER_ANY_CPU)
			log_error("worker %u: CPU %d is not there or not ours: choose others with --cpu", i,
				w->cpu);
		if (err)
			return err;
		w->started = true;
	}
	return 0;
}

void workers_destroy(struct workers *ws)
{
	for (uint32_t i = 0; i < ws->n; i++) {
		struct worker *w = &ws->workers[i];

		if (w->started) {
			__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
			waker_wake(&w->waker);
			pthread_join(w->thread, NULL);
		}
		worker_fini(w);
	}
	turn_runner_fini(&ws->trial);
	free(ws);
}

void workers_wake_first(void *subject)
{
	waker_wake(&((struct workers *)subject)->workers[0].waker);
}

/* --- which queue is polled where --- */

static struct worker *least_loaded(struct workers *ws)
{
	struct worker *best = &ws->workers[0];

	for (uint32_t i = 1; i < ws->n; i++)
		if (ws->workers[i].list->n < best->list->n)
			best = &ws->workers[i];
	return best;
}

/* Gives the worker a new list and frees the old one when it has let go of it. */
static void replace_list(struct worker *w, struct rx_list *list)
{
	const struct rx_list *old = w->list;

	w->list = list;
	if (!w->workers->paused) {
		rcu_publish(w->polled, list);
		rcu_wait();
		waker_wake(&w->waker);
	}
	if (old != &no_queues)
		free((void *)(uintptr_t)old);
}

void workers_pause(struct workers *ws)
{
	ws->paused = true;
	for (uint32_t i = 0; i < ws->n; i++)
		rcu_publish(ws->workers[i].polled, &no_queues);
	rcu_wait();
}

void workers_resume(struct workers *ws)
{
	ws->paused = false;
	for (uint32_t i = 0; i < ws->n; i++) {
		rcu_publish(ws->workers[i].polled, ws->workers[i].list);
		waker_wake(&ws->workers[i].waker);
	}
}

void workers_watch(void *subject, uint32_t worker, struct turn_watch *watch)
{
	struct workers *ws = subject;

	ASSERT(worker < ws->n);
	rcu_publish(ws->workers[worker].runner.watch, watch);
}

static int workers_poll(void *subject, struct port *port, uint32_t queue)
{
	struct workers *ws = subject;
	uint32_t wanted = port->rx_wanted[queue];
	struct worker *w = wanted < ws->n ? &ws->workers[wanted] : least_loaded(ws);
	uint32_t n = w->list->n;
	struct rx_list *list;

	if (n == RXQ_MAX)
		return -ENOSPC;
	list = malloc(sizeof(*list) + (n + 1) * sizeof(list->rxqs[0]));
	if (!list)
		return -ENOMEM;
	list->n = n + 1;
	memcpy(list->rxqs, w->list->rxqs, n * sizeof(list->rxqs[0]));
	list->rxqs[n] = (struct rxq){.port = port, .queue = queue};
	replace_list(w, list);
	port->rx_waker[queue] = &w->waker;
	port->rx_worker[queue] = w->idx;
	return 0;
}

static void workers_unpoll(void *subject, struct port *port, uint32_t queue)
{
	struct workers *ws = subject;
	struct worker *w = &ws->workers[port->rx_worker[queue]];
	struct rx_list *list = malloc(sizeof(*list) + w->list->n * sizeof(list->rxqs[0]));

	ASSERT(list); /* a list of a few entries, with an older one to be freed right after */
	list->n = 0;
	for (uint32_t i = 0; i < w->list->n; i++)
		if (w->list->rxqs[i].port != port || w->list->rxqs[i].queue != queue)
			list->rxqs[list->n++] = w->list->rxqs[i];
	replace_list(w, list);
}

static void workers_wake(void *subject)
{
	struct workers *ws = subject;

	for (uint32_t i = 0; i < ws->n; i++)
		waker_wake(&ws->workers[i].waker);
}

static int workers_watch_kick(void *subject, int fd, bool watch)
{
	struct workers *ws = subject;
	int err = 0;

	for (uint32_t i = 0; i < ws->n && !err; i++) {
		if (watch)
			err = waker_watch(&ws->workers[i].waker, fd);
		else
			waker_unwatch(&ws->workers[i].waker, fd);
	}
	return err;
}

const struct port_placer workers_placer = {
	.start = workers_poll,
	.stop = workers_unpoll,
	.wake = workers_wake,
	.watch = workers_watch_kick,
};
