/* SPDX-License-Identifier: Apache-2.0 */
/* thread - a named thread, bound to a CPU if wanted, with all signals blocked (the control thread takes them). */
#ifndef GINNEL_OS_THREAD_H
#define GINNEL_OS_THREAD_H

#include <pthread.h>

#define THREAD_ANY_CPU (-1)

/* Names longer than 15 characters are cut. 0 or -errno; -EINVAL when the CPU is not there. */
int thread_start(pthread_t *out, const char *name, int cpu, void *(*fn)(void *arg), void *arg);

#endif
