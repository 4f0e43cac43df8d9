/* SPDX-License-Identifier: Apache-2.0 */
#include "os/loop.h"

#include "os/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUND_EVENTS 64

struct loop {
	int epfd;
	bool stop;
	uint64_t now_ns;
	struct list timers; /* by deadline, earliest first */
	struct epoll_event round[ROUND_EVENTS];
	int round_len;
};

int loop_create(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		int err = -errno;

		free(loop);
		return err;
	}
	list_init(&loop->timers);
	loop->now_ns = clock_now_ns();
	*out = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epfd);
	free(loop);
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now_ns;
}

void loop_watch_init(struct loop_watch *w, void (*fn)(void *arg, uint32_t events), void *arg)
{
	*w = (struct loop_watch){.fd = -1, .fn = fn, .arg = arg};
}

int loop_watch_add(struct loop *loop, struct loop_watch *w, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	ASSERT(w->fd < 0);
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	w->fd = fd;
	return 0;
}

int loop_watch_change(struct loop *loop, struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(loop->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void loop_watch_del(struct loop *loop, struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	for (int i = 0; i < loop->round_len; i++)
		if (loop->round[i].data.ptr == w)
			loop->round[i].data.ptr = NULL;
}

void loop_timer_init(struct loop_timer *t, void (*fn)(void *arg), void *arg)
{
	*t = (struct loop_timer){.fn = fn, .arg = arg};
	list_init(&t->link);
}

void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t deadline_ns)
{
	struct loop_timer *later;

	list_del(&t->link);
	t->deadline_ns = deadline_ns;
	list_for_each (later, &loop->timers, link)
		if (later->deadline_ns > deadline_ns)
			break;
	list_add_before(&later->link, &t->link);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *t)
{
	list_del(&t->link);
}

static struct loop_timer *first_timer(struct loop *loop)
{
	return list_empty(&loop->timers) ? NULL : LIST_ENTRY(loop->timers.next, struct loop_timer, link);
}

/* Milliseconds for epoll_wait, rounded up so that a timer is due when the wait ends. */
static int wait_ms(struct loop *loop, uint64_t timeout_ns)
{
	const struct loop_timer *t = first_timer(loop);

	if (t)
		timeout_ns = min_u64(
			timeout_ns, t->deadline_ns > loop->now_ns ? t->deadline_ns - loop->now_ns : 0);
	if (timeout_ns == LOOP_NO_TIMEOUT)
		return -1;
	return (int)min_u64((timeout_ns + NS_PER_MS - 1) / NS_PER_MS, 1000 * 1000);
}

/* Those that are due by now: one that sets itself to now again has its turn in the next round. */
static void run_timers(struct loop *loop)
{
	struct loop_timer *t;
	struct list due;

	list_init(&due);
	while ((t = first_timer(loop)) && t->deadline_ns <= loop->now_ns) {
		list_del(&t->link);
		list_add_tail(&due, &t->link);
	}
	while (!list_empty(&due)) {
		t = LIST_ENTRY(due.next, struct loop_timer, link);
		list_del(&t->link);
		t->fn(t->arg);
	}
}

int loop_turn(struct loop *loop, uint64_t timeout_ns)
{
	sigset_t mask;
	int n;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sigaddset(&mask, SIGALRM); /* an alarm of this thread (os/thread.h) must not end its sleep */
	loop->now_ns = clock_now_ns();
	n = epoll_pwait(loop->epfd, loop->round, ROUND_EVENTS, wait_ms(loop, timeout_ns), &mask);
	if (n < 0 && errno != EINTR)
		return -errno;
	loop->now_ns = clock_now_ns();
	loop->round_len = n < 0 ? 0 : n;
	for (int i = 0; i < loop->round_len; i++) {
		struct loop_watch *w = loop->round[i].data.ptr;

		if (w)
			w->fn(w->arg, loop->round[i].events);
	}
	loop->round_len = 0;
	run_timers(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int err = 0;

	loop->stop = false;
	while (!loop->stop && err == 0)
		err = loop_turn(loop, LOOP_NO_TIMEOUT);
	return err;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
