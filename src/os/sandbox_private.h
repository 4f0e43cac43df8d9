/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_private - the sandbox's inside:
 *
 *	sandbox.c           the order of steps, privileges, descriptors
 *	sandbox_landlock.c  the file system
 *	sandbox_seccomp.c   system calls
 */
#ifndef GINNEL_OS_SANDBOX_PRIVATE_H
#define GINNEL_OS_SANDBOX_PRIVATE_H

#include "os/sandbox.h"

/*
 * Sanitizers look at /proc, make processes that trace this one, and want to be looked into. All that they are allowed
 * beyond the ordinary hangs on this one word.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED true
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED false
#endif

/* A descriptor of the rules, to be entered later, and *abi; -ENOSYS or another -errno, and why holds a sentence. */
int sandbox_landlock_open(const struct sandbox_config *c, int *abi, char *why, size_t why_len);
/* Takes it over. 0, or -errno. */
int sandbox_landlock_enter(int ruleset);
/* 0, or -errno. */
int sandbox_seccomp(const struct sandbox_config *c);

#endif
