/* SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

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

int thread_start(pthread_t *out, const char *name, int cpu, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	char short_name[16];

	pthread_attr_init(&attr);

	int err = pin(&attr, cpu);

	if (err)
		goto destroy_attr;
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* a fault is always taken by the thread that faulted */
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(out, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0) {
		snprintf(short_name, sizeof(short_name), "%s", name);
		pthread_setname_np(*out, short_name);
	}
destroy_attr:
	pthread_attr_destroy(&attr);
	return err;
}
