/* SPDX-License-Identifier: Apache-2.0 */
/* poison - memory that nobody may touch, for AddressSanitizer; nothing without it. */
#ifndef GINNEL_FUZZ_POISON_H
#define GINNEL_FUZZ_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON 1
#endif
#endif

#ifdef POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, len)   ((void)(p), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(p, len) ((void)(p), (void)(len))
#endif

#endif
