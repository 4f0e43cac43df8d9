/* SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#include "base/check.h"
#include "base/units.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int pin(pthread_attr_t *attr, int cpu)
{
	cpu_set_t set;

	if (cpu == THREAD_ANY_CPU)
		return 0;
	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	return -pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

struct start {
	void *(*fn)(void *arg);
	void *arg;
	char name[16];
};

/* The thread names itself: from outside that takes a file of /proc, which a sandbox (os/sandbox.h) does not have. */
static void *begin(void *arg)
{
	struct start start = *(const struct start *)arg;

	free(arg);
	prctl(PR_SET_NAME, start.name, 0, 0, 0);
	return start.fn(start.arg);
}

static struct start *make_start(const char *name, void *(*fn)(void *arg), void *arg)
{
	struct start *start = malloc(sizeof(*start));

	if (!start)
		return NULL;
	*start = (struct start){.fn = fn, .arg = arg};
	snprintf(start->name, sizeof(start->name), "%s", name);
	return start;
}

int thread_start(pthread_t *out, const char *name, int cpu, void *(*fn)(void *arg), void *arg)
{
	struct start *start = make_start(name, fn, arg);
	pthread_attr_t attr;
	sigset_t all, before;

	if (!start)
		return -ENOMEM;
	pthread_attr_init(&attr);

	int err = pin(&attr, cpu);

	if (err)
		goto destroy_attr;
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* a fault is always taken by the thread that faulted */
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(out, &attr, begin, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
destroy_attr:
	pthread_attr_destroy(&attr);
	if (err)
		free(start);
	return err;
}

static _Thread_local timer_t alarm_timer;
static _Thread_local bool alarm_set;

static void on_alarm(int sig)
{
}

/* Without SA_RESTART: a call that was interrupted comes back. */
static int install_handler(void)
{
	struct sigaction action = {.sa_handler = on_alarm};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGALRM, &action, NULL) < 0 ? -errno : 0;
}

static void unblock_alarm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int thread_alarm_start(void)
{
	const struct timespec period = {.tv_nsec = THREAD_ALARM_MS * (long)NS_PER_MS};
	const struct itimerspec every = {.it_interval = period, .it_value = period};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	int err = install_handler();

	ASSERT(!alarm_set);
	if (err)
		return err;
	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &alarm_timer) < 0)
		return -errno;
	unblock_alarm();
	timer_settime(alarm_timer, 0, &every, NULL);
	alarm_set = true;
	return 0;
}

void thread_alarm_stop(void)
{
	if (!alarm_set)
		return;
	timer_delete(alarm_timer);
	alarm_set = false;
}
