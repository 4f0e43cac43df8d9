/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the control thread's event loop: epoll for file descriptors, an ordered list for timers.
 *
 * One thread owns a loop and everything registered with it. Watches and timers live inside their owners;
 * the loop never frees them. A handler may remove any watch or timer, itself included: events of this round
 * that were still to come for a removed watch are forgotten.
 */
#ifndef GINNEL_OS_LOOP_H
#define GINNEL_OS_LOOP_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

struct loop_watch {
	int fd; /* -1 when not registered */
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

struct loop_timer {
	struct list link; /* points at itself when not set */
	uint64_t deadline_ns;
	void (*fn)(void *arg);
	void *arg;
};

#define LOOP_NO_TIMEOUT UINT64_MAX

/* 0 or -errno. */
int loop_create(struct loop **out);
void loop_destroy(struct loop *loop);

/* The time at which this round began; monotonic nanoseconds. */
uint64_t loop_now(const struct loop *loop);

void loop_watch_init(struct loop_watch *w, void (*fn)(void *arg, uint32_t events), void *arg);
/* events: EPOLLIN, EPOLLOUT, ...; 0 or -errno (-EPERM for a regular file). The fd stays the caller's. */
int loop_watch_add(struct loop *loop, struct loop_watch *w, int fd, uint32_t events);
int loop_watch_change(struct loop *loop, struct loop_watch *w, uint32_t events);
/* Does nothing if w is not registered. Call before closing the fd. */
void loop_watch_del(struct loop *loop, struct loop_watch *w);

void loop_timer_init(struct loop_timer *t, void (*fn)(void *arg), void *arg);
/* Sets or moves the timer; it fires once. */
void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t deadline_ns);
void loop_timer_cancel(struct loop *loop, struct loop_timer *t);

/* One round: waits up to timeout_ns for the first event or timer and runs what is due. 0 or -errno. */
int loop_turn(struct loop *loop, uint64_t timeout_ns);
/* Rounds until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
