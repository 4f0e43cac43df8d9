/* SPDX-License-Identifier: Apache-2.0 */
/* lock - a spinlock for rare and short work that workers and control share. */
#ifndef GINNEL_IP_LOCK_H
#define GINNEL_IP_LOCK_H

#include <stdbool.h>

struct lock {
	bool held;
};

static inline void lock_take(struct lock *lock)
{
	while (__atomic_exchange_n(&lock->held, true, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
#if defined(__x86_64__)
			__builtin_ia32_pause();
#else
			;
#endif
}

static inline void lock_release(struct lock *lock)
{
	__atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
}

#endif
