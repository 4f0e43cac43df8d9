/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/link.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/foreign.h"
#include "os/unix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK_BACKLOG      16
#define LINK_RETRY_MIN_NS (100 * NS_PER_MS)
#define LINK_RETRY_MAX_NS (1000 * NS_PER_MS)

static void link_opened(struct link *l, int fd)
{
	l->busy = true;
	l->retry_ns = l->retry_min_ns;
	l->events->opened(l->arg, fd);
}

static void link_retry(struct link *l, int err)
{
	l->events->failed(l->arg, err);
	loop_timer_set(l->loop, &l->timer, loop_now(l->loop) + l->retry_ns);
	l->retry_ns = min_u64(2 * l->retry_ns, l->retry_max_ns);
}

static void accept_next(struct link *l)
{
	int fd = unix_accept(l->watch.fd);

	if (fd >= 0)
		link_opened(l, fd);
	else if (fd == -ECONNABORTED)
		loop_timer_set(l->loop, &l->timer, loop_now(l->loop));
	else if (fd != -EAGAIN)
		link_retry(l, fd); /* out of descriptors: the backlog gives no second event */
}

static void connect_next(struct link *l)
{
	int fd = unix_connect(l->path);

	if (fd >= 0)
		link_opened(l, fd);
	else
		link_retry(l, fd);
}

static void on_timer(void *arg)
{
	struct link *l = arg;

	int fd = l->first;

	if (l->busy)
		return;
	l->first = -1;
	if (fd >= 0)
		link_opened(l, fd);
	else if (l->once)
		l->events->over(l->arg);
	else if (l->server)
		accept_next(l);
	else
		connect_next(l);
}

static void on_listener(void *arg, uint32_t events)
{
	struct link *l = arg;

	if (l->busy)
		l->events->crowded(l->arg);
	else if (loop_now(l->loop) >= l->next_ns)
		accept_next(l);
}

void link_next(struct link *l, uint64_t pause_ns)
{
	l->busy = false;
	if (l->once)
		pause_ns = 0;
	else if (!l->server && pause_ns < l->retry_min_ns)
		pause_ns = l->retry_min_ns;
	/*
	 * From the timer, because we are called from inside the old connection's handler. A server looks at
	 * its backlog at once; a client gives the other side the time to come back.
	 */
	l->next_ns = loop_now(l->loop) + pause_ns;
	loop_timer_set(l->loop, &l->timer, l->next_ns);
}

static int listen_at(struct link *l, const struct link_config *config)
{
	struct stat st;
	int err, fd = unix_listen_for(l->path, config->mode, config->group, LINK_BACKLOG);

	if (fd < 0)
		return fd;
	if (lstat(l->path, &st) < 0) {
		err = -errno;
		goto close_fd;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	/* edge-triggered: a front-end that waits while another one is served is reported once */
	err = loop_watch_add(l->loop, &l->watch, fd, EPOLLIN | EPOLLET);
	if (err)
		goto close_fd;
	return 0;
close_fd:
	unlink(l->path);
	close(fd);
	return err;
}

static int link_init(struct link *l, const char *path, bool server, uint64_t reconnect_ns)
{
	loop_watch_init(&l->watch, on_listener, l);
	loop_timer_init(&l->timer, on_timer, l);
	l->reconnect_ns = reconnect_ns;
	l->retry_min_ns = reconnect_ns > 0 ? reconnect_ns : LINK_RETRY_MIN_NS;
	l->retry_max_ns = reconnect_ns > 0 ? reconnect_ns : LINK_RETRY_MAX_NS;
	l->retry_ns = l->retry_min_ns;
	l->next_ns = 0;
	l->server = server;
	l->given = false;
	l->once = false;
	l->busy = false;
	l->first = -1;
	l->path = strdup(path);
	return l->path ? 0 : -ENOMEM;
}

/* For people: the socket's own path, or its number. */
static void describe(int fd, char *buf)
{
	unix_own_path(fd, buf);
	if (!buf[0])
		snprintf(buf, UNIX_PATH_MAX + 1, "descriptor %d", fd);
}

static int start_given(struct link *l, const struct link_config *config)
{
	char path[UNIX_PATH_MAX + 1];
	bool listens;
	int err = unix_adopt(config->fd, &listens);

	if (err)
		return err;
	describe(config->fd, path);
	err = link_init(l, path, listens, 0);
	if (err)
		return err;
	l->given = true;
	l->once = !listens;
	if (listens) {
		err = loop_watch_add(l->loop, &l->watch, config->fd, EPOLLIN | EPOLLET);
	} else {
		l->first = config->fd;
		loop_timer_set(l->loop, &l->timer, loop_now(l->loop));
	}
	if (err)
		free(l->path);
	return err;
}

int link_start(struct link *l, const struct link_config *config)
{
	int err;

	if (!config->path)
		return start_given(l, config);
	err = link_init(l, config->path, config->server, config->reconnect_ns);
	if (err)
		return err;
	if (config->server)
		err = listen_at(l, config);
	else
		loop_timer_set(l->loop, &l->timer, loop_now(l->loop));
	if (err)
		free(l->path);
	return err;
}

int link_resume(struct link *l, const struct link_left *left)
{
	int err = link_init(l, left->path, left->listen_fd >= 0, left->reconnect_ns);

	if (err)
		return err;
	l->dev = left->dev;
	l->ino = left->ino;
	l->given = left->given;
	l->once = left->once;
	l->busy = left->busy;
	l->next_ns = left->next_ns;
	if (l->server)
		err = loop_watch_add(l->loop, &l->watch, left->listen_fd, EPOLLIN | EPOLLET);
	if (err)
		free(l->path);
	else
		loop_timer_set(l->loop, &l->timer, l->next_ns);
	return err;
}

static void unlink_own(const struct link *l)
{
	struct stat st;

	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
}

void link_stop(struct link *l)
{
	int fd = l->watch.fd;

	loop_timer_cancel(l->loop, &l->timer);
	loop_watch_del(l->loop, &l->watch);
	if (fd >= 0) {
		if (!l->given)
			unlink_own(l);
		foreign_close(fd); /* with all that lies unread in its backlog */
	}
	if (l->first >= 0)
		foreign_close(l->first);
	free(l->path);
}
