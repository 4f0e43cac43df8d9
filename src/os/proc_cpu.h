/* SPDX-License-Identifier: Apache-2.0 */
/* proc_cpu - how long another process has run: all of its threads, those of the kernel that work for it included. */
#ifndef GINNEL_OS_PROC_CPU_H
#define GINNEL_OS_PROC_CPU_H

#include <stdint.h>

/* Nanoseconds by the scheduler's clock; 0: there is no such process, or nobody says. Threads that have ended are missing. */
uint64_t proc_cpu_ns(uint32_t pid);

#endif
