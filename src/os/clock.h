/* SPDX-License-Identifier: Apache-2.0 */
/* clock - the one place that asks for the time; below os/ and prog/ `now` is an argument. */
#ifndef GINNEL_OS_CLOCK_H
#define GINNEL_OS_CLOCK_H

#include "base/units.h"

#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What the calendar says, for what outlives the process; it may jump. */
static inline uint64_t clock_calendar_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec;
}

/* The processor's own clock, which runs on at one rate; what stages are counted by. 0: it has none that we know. */
static inline uint64_t clock_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
	return 0;
#endif
}

#endif
