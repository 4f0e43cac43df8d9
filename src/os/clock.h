/* SPDX-License-Identifier: Apache-2.0 */
/* clock - the one place that asks for the time; below os/ and prog/ `now` is an argument. */
#ifndef GINNEL_OS_CLOCK_H
#define GINNEL_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S  (1000 * NS_PER_MS)

/* Monotonic nanoseconds. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

#endif
