/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wakeup - what the kernel takes to wake a thread on another core: from the write to an eventfd until the thread that
 * slept on it in epoll runs. That is the least a sleeping worker adds to the time of a packet.
 *
 *	usage: wakeup CPU_THAT_RINGS CPU_THAT_SLEEPS [PAUSE_US...]
 *
 * One JSON object; a line of it for each pause between two wake-ups, as a core that sleeps longer sleeps deeper.
 */
#include "clocks.h"

#include "base/check.h"
#include "base/histogram.h"
#include "os/thread.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define RUN_NS (500 * NS_PER_MS)

struct talk {
	int event_fd, epoll_fd;
	uint64_t woke; /* clocks, by the sleeper; 0: not yet. Release, acquire. */
	bool ending;
};

static void run_first(void)
{
	const struct sched_param first = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
		fprintf(stderr, "wakeup: no SCHED_FIFO, others may come between: run as root\n");
}

static void *sleeper(void *arg)
{
	struct talk *t = arg;
	struct epoll_event event;
	eventfd_t count;

	run_first();
	while (!__atomic_load_n(&t->ending, __ATOMIC_RELAXED)) {
		if (epoll_wait(t->epoll_fd, &event, 1, 1000) == 1) {
			const uint64_t now = clocks_now();

			eventfd_read(t->event_fd, &count);
			__atomic_store_n(&t->woke, now, __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

static void wake_once(struct talk *t, struct histogram *h)
{
	const uint64_t began = clocks_now();
	uint64_t woke;

	__atomic_store_n(&t->woke, 0, __ATOMIC_RELAXED);
	eventfd_write(t->event_fd, 1);
	while (!(woke = __atomic_load_n(&t->woke, __ATOMIC_ACQUIRE)))
		;
	histogram_add(h, woke - began);
}

static void print(const struct histogram *h, unsigned long pause_us, double clocks_per_ns, bool first)
{
	printf("%s{\"pause_us\": %lu, \"n\": %llu, \"p50\": %.0f, \"p90\": %.0f, \"p99\": %.0f}",
		first ? "" : ", ", pause_us, (unsigned long long)h->n,
		(double)histogram_quantile(h, 0.5) / clocks_per_ns,
		(double)histogram_quantile(h, 0.9) / clocks_per_ns,
		(double)histogram_quantile(h, 0.99) / clocks_per_ns);
}

struct work {
	struct talk *talk;
	int n_pauses;
	const char *const *pauses;
};

static void *ringer(void *arg)
{
	const struct work *work = arg;
	const double clocks_per_ns = clocks_per_s() / (double)NS_PER_S;

	run_first();
	printf("{\"wakeup_ns\": [");
	for (int i = 0; i < work->n_pauses; i++) {
		struct histogram h = {0};
		const unsigned long pause_us = strtoul(work->pauses[i], NULL, 10);
		const uint64_t end = clock_now_ns() + RUN_NS;

		while (clock_now_ns() < end) {
			const uint64_t next = clock_now_ns() + pause_us * NS_PER_US;

			while (clock_now_ns() < next)
				;
			wake_once(work->talk, &h);
		}
		print(&h, pause_us, clocks_per_ns, i == 0);
	}
	printf("]}\n");
	return NULL;
}

static bool talk_open(struct talk *t)
{
	struct epoll_event event = {.events = EPOLLIN};

	t->event_fd = eventfd(0, EFD_CLOEXEC);
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return t->event_fd >= 0 && t->epoll_fd >= 0 &&
	       epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->event_fd, &event) == 0;
}

int main(int argc, char **argv)
{
	static const char *const pauses[] = {"10", "100", "1000"};
	struct talk talk = {0};
	struct work work = {.talk = &talk, .n_pauses = ARRAY_LEN(pauses), .pauses = pauses};
	pthread_t sleeping, ringing;

	if (argc < 3) {
		fprintf(stderr, "usage: wakeup CPU_THAT_RINGS CPU_THAT_SLEEPS [PAUSE_US...]\n");
		return 2;
	}
	if (argc > 3)
		work = (struct work){
			.talk = &talk, .n_pauses = argc - 3, .pauses = (const char *const *)(argv + 3)};
	if (!talk_open(&talk) || thread_start(&sleeping, "sleeper", atoi(argv[2]), sleeper, &talk) != 0 ||
		thread_start(&ringing, "ringer", atoi(argv[1]), ringer, &work) != 0) {
		fprintf(stderr, "wakeup: cannot start: are there CPUs %s and %s?\n", argv[1], argv[2]);
		return 1;
	}
	pthread_join(ringing, NULL);
	__atomic_store_n(&talk.ending, true, __ATOMIC_RELAXED);
	eventfd_write(talk.event_fd, 1);
	pthread_join(sleeping, NULL);
	return 0;
}
