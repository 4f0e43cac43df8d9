/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - the few words of the language that C lacks.
 *
 * ASSERT states what our own code guarantees and stays on in every build; it must never depend on a value
 * that a peer chose. What a peer chose is tested with `if`.
 */
#ifndef GINNEL_BASE_CHECK_H
#define GINNEL_BASE_CHECK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define BIT(n)                          (1ull << (n))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define CACHE_LINE 64

_Noreturn void check_failed(const char *what, const char *file, int line);

#define ASSERT(cond) (likely(cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

#endif
