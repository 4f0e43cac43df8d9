/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread - a named thread, bound to a CPU if wanted, with all signals blocked (the control thread takes them).
 *
 * A thread that hands system calls descriptors of a peer sets itself an alarm: a signal (SIGALRM) every
 * THREAD_ALARM_MS that does nothing but end the call, with EINTR, if it blocks. Sleeps that may be long (os/waker.h,
 * os/loop.h) keep the signal blocked meanwhile: the kernel holds it back and the timer with it, so an idle thread is
 * not woken.
 */
#ifndef GINNEL_OS_THREAD_H
#define GINNEL_OS_THREAD_H

#include <pthread.h>

#define THREAD_ANY_CPU  (-1)
#define THREAD_ALARM_MS 200

/* Names longer than 15 characters are cut. 0 or -errno; -EINVAL when the CPU is not there. */
int thread_start(pthread_t *out, const char *name, int cpu, void *(*fn)(void *arg), void *arg);

/* For the calling thread, once; 0 or -errno. Stop it before the thread ends. */
int thread_alarm_start(void);
void thread_alarm_stop(void);

#endif
