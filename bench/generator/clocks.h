/* SPDX-License-Identifier: Apache-2.0 */
/* clocks - the processor's time stamp counter, which runs at one speed and alike on all cores. */
#ifndef GINNEL_BENCH_CLOCKS_H
#define GINNEL_BENCH_CLOCKS_H

#include "base/units.h"
#include "os/clock.h"

#include <stdint.h>

static inline uint64_t clocks_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return clock_now_ns();
#endif
}

/* Clocks per second, looked at for 20 ms. */
static inline double clocks_per_s(void)
{
	const uint64_t clocks = clocks_now(), ns = clock_now_ns();

	while (clock_now_ns() - ns < 20 * NS_PER_MS)
		;
	return (double)(clocks_now() - clocks) * (double)NS_PER_S / (double)(clock_now_ns() - ns);
}

#endif
