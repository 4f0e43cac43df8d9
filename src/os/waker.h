/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waker - where a worker sleeps, and how others end its sleep.
 *
 * The worker waits; any thread may wake it or put a peer's notification fd (a kick) under its watch. Kicks are
 * watched edge-triggered and never read: each write of the peer ends one sleep, and a hostile descriptor cannot
 * make us block in read().
 */
#ifndef GINNEL_OS_WAKER_H
#define GINNEL_OS_WAKER_H

#include <stdbool.h>
#include <stdint.h>

struct waker {
	int epfd;
	int wake_fd;
};

/* 0 or -errno. */
int waker_init(struct waker *w);
void waker_fini(struct waker *w);

/* Any thread: ends the current or the next wait. */
void waker_wake(struct waker *w);
/* Any thread. The fd stays the caller's, who unwatches it before closing. 0 or -errno (-EPERM: no such kind of fd). */
int waker_watch(struct waker *w, int fd);
void waker_unwatch(struct waker *w, int fd);

/* The owner: sleeps until woken, or for timeout_ns (UINT64_MAX: for ever). */
void waker_wait(struct waker *w, uint64_t timeout_ns);

#endif
