/* SPDX-License-Identifier: Apache-2.0 */
#include "os/foreign.h"

#include "base/list.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_unix_socket(int fd)
{
	int family;
	socklen_t len = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_UNIX;
}

/* A path begins with a slash, so only the kernel's own objects can bear these names. */
enum foreign_kind foreign_kind(int fd)
{
	char path[32], target[32];
	ssize_t len;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return FOREIGN_MEMORY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return FOREIGN_OTHER;
	target[len] = 0;
	if (strcmp(target, "anon_inode:[eventfd]") == 0)
		return FOREIGN_EVENTFD;
	if (starts_with(target, "pipe:["))
		return FOREIGN_PIPE;
	if (starts_with(target, "socket:[") && is_unix_socket(fd))
		return FOREIGN_SOCKET;
	return FOREIGN_OTHER;
}

struct corpse {
	struct list link;
	int fd;
};

/* Process-wide, as the table of descriptors is. */
struct reaper {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct list corpses;
	bool started;
	bool busy;
};

static struct reaper socket_reaper = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.corpses = {&socket_reaper.corpses, &socket_reaper.corpses}};
static struct reaper other_reaper = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.corpses = {&other_reaper.corpses, &other_reaper.corpses}};

/* The alarm is for a socket that lingers all the same: its peer set it again, or it lies inside this one. */
static void bury(int fd)
{
	const struct linger off = {0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	thread_alarm_start();
	close(fd);
	thread_alarm_stop();
}

static void *reap(void *arg)
{
	struct reaper *r = arg;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (list_empty(&r->corpses))
			pthread_cond_wait(&r->changed, &r->lock);

		struct corpse *c = LIST_ENTRY(r->corpses.next, struct corpse, link);

		list_del(&c->link);
		r->busy = true;
		pthread_mutex_unlock(&r->lock);
		bury(c->fd);
		free(c);
		pthread_mutex_lock(&r->lock);
		r->busy = false;
		pthread_cond_broadcast(&r->changed);
	}
	return NULL;
}

/* When no thread can be had, what waits is closed after the next one that can. */
static void reaper_start(struct reaper *r)
{
	pthread_t thread;

	if (thread_start(&thread, "reaper", THREAD_ANY_CPU, reap, r) < 0)
		return;
	pthread_detach(thread);
	r->started = true;
}

static void reaper_take(struct reaper *r, int fd)
{
	struct corpse *c = malloc(sizeof(*c));

	if (!c)
		return; /* better left open than waited for */
	c->fd = fd;
	pthread_mutex_lock(&r->lock);
	list_add_tail(&r->corpses, &c->link);
	if (!r->started)
		reaper_start(r);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void foreign_close(int fd)
{
	switch (foreign_kind(fd)) {
	case FOREIGN_EVENTFD:
	case FOREIGN_MEMORY:
		close(fd);
		break;
	case FOREIGN_SOCKET:
		reaper_take(&socket_reaper, fd);
		break;
	case FOREIGN_PIPE:
	case FOREIGN_OTHER:
		reaper_take(&other_reaper, fd);
		break;
	}
}

static void reaper_settle(struct reaper *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->busy || !list_empty(&r->corpses))
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

void foreign_settle(void)
{
	reaper_settle(&socket_reaper);
	reaper_settle(&other_reaper);
}
