/* SPDX-License-Identifier: Apache-2.0 */
#include "os/netns.h"

#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct work {
	int ns_fd;
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static int ns_open(const char *ns)
{
	char path[PATH_MAX];
	int fd;

	if (strchr(ns, '/'))
		snprintf(path, sizeof(path), "%s", ns);
	else if (strspn(ns, "0123456789") == strlen(ns))
		snprintf(path, sizeof(path), "/proc/%s/ns/net", ns);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void *work_main(void *arg)
{
	struct work *work = arg;

	if (setns(work->ns_fd, CLONE_NEWNET) != 0)
		work->result = -errno;
	else
		work->result = work->fn(work->arg);
	return NULL;
}

int netns_run(const char *ns, int (*fn)(void *arg), void *arg)
{
	struct work work = {.fn = fn, .arg = arg};
	pthread_t thread;
	int err;

	if (!ns)
		return fn(arg);
	work.ns_fd = ns_open(ns);
	if (work.ns_fd < 0)
		return work.ns_fd;
	err = thread_start(&thread, "netns", THREAD_ANY_CPU, work_main, &work);
	if (err == 0) {
		pthread_join(thread, NULL);
		err = work.result;
	}
	close(work.ns_fd);
	return err;
}
