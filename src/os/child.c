/* SPDX-License-Identifier: Apache-2.0 */
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Signals as in a fresh program: ours are blocked. dup2() also takes close-on-exec off the copy. */
static int spawn(char *const argv[], int fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	int err;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe);
	err = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

int child_start(char *const argv[], pid_t *pid)
{
	int ends[2], theirs, err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	/* never CHILD_FD itself: it would stay close-on-exec */
	theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, CHILD_FD + 1);
	err = theirs < 0 ? -errno : spawn(argv, theirs, pid);
	if (theirs >= 0)
		close(theirs);
	close(ends[1]);
	if (err == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return ends[0];
	close(ends[0]);
	return err;
}

bool child_reap(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) != 0;
}
