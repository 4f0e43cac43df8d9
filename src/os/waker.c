/* SPDX-License-Identifier: Apache-2.0 */
#include "os/waker.h"

#include "os/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int waker_init(struct waker *w)
{
	int err;

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epfd < 0)
		return -errno;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0) {
		err = -errno;
		goto close_epfd;
	}
	err = waker_watch(w, w->wake_fd);
	if (err)
		goto close_wake_fd;
	return 0;
close_wake_fd:
	close(w->wake_fd);
close_epfd:
	close(w->epfd);
	return err;
}

void waker_fini(struct waker *w)
{
	close(w->wake_fd);
	close(w->epfd);
}

void waker_wake(struct waker *w)
{
	uint64_t one = 1;
	ssize_t n = write(w->wake_fd, &one, sizeof(one));

	(void)n; /* a counter at its limit is awake already */
}

int waker_watch(struct waker *w, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void waker_unwatch(struct waker *w, int fd)
{
	epoll_ctl(w->epfd, EPOLL_CTL_DEL, fd, NULL);
}

void waker_wait(struct waker *w, uint64_t timeout_ns)
{
	struct epoll_event events[16];
	struct timespec t = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_S), .tv_nsec = (long)(timeout_ns % NS_PER_S)};

	sigset_t all;

	sigfillset(&all); /* the alarm of this thread (os/thread.h) must not end its sleep */
	epoll_pwait2(w->epfd, events, 16, timeout_ns == UINT64_MAX ? NULL : &t, &all);
}
