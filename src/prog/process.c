/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/process.h"

#include "base/log.h"
#include "os/guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_signal(void *arg, uint32_t events)
{
	struct process *p = arg;
	struct signalfd_siginfo info;

	if (read(p->signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		log_info("%s: %s, reading again", p->program, strsignal(SIGHUP));
		p->again(p->arg);
		return;
	}
	log_info("%s: %s, ending", p->program, strsignal((int)info.ssi_signo));
	p->end(p->arg);
}

static void on_lost_memory(void *arg, uint32_t events)
{
	struct process *p = arg;
	uint64_t n;
	ssize_t got = read(p->lost_memory.fd, &n, sizeof(n));

	(void)got;
	p->lost(p->arg);
}

/* SIGTERM and SIGINT come through the loop; they are blocked before any thread starts. */
static int take_signals(struct process *p)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (p->again)
		sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	loop_watch_init(&p->signals, on_signal, p);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : loop_watch_add(p->loop, &p->signals, fd, EPOLLIN);
}

static int guard_memory(struct process *p)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	err = guard_start(fd);
	if (err)
		return err;
	loop_watch_init(&p->lost_memory, on_lost_memory, p);
	return loop_watch_add(p->loop, &p->lost_memory, fd, EPOLLIN);
}

/* A guest holds a dozen descriptors and more: the usual soft limit of 1024 is for programs that use select(). */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int process_start(struct process *p)
{
	int err;

	raise_fd_limit();
	err = take_signals(p);
	return err ? err : guard_memory(p);
}
