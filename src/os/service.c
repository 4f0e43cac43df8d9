/* SPDX-License-Identifier: Apache-2.0 */
#include "os/service.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3
/* A manager that is slower than this has other troubles. */
#define BARRIER_MS 5000

/* A path, or @ and a name without a file. Its length, or -errno. */
static int manager_address(struct sockaddr_un *addr)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (len == 0)
		return -ENOENT;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(addr->sun_path))
		return -EINVAL;
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(addr->sun_path, path, len);
	if (path[0] == '@')
		addr->sun_path[0] = '\0';
	return (int)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void attach_fd(struct msghdr *msg, void *control, size_t control_len, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, control_len);
	msg->msg_control = control;
	msg->msg_controllen = control_len;
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

static int notify(const char *state, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))];
	struct iovec iov = {.iov_base = (void *)(uintptr_t)state, .iov_len = strlen(state)};
	struct sockaddr_un addr;
	int len = manager_address(&addr), socket_fd, err;
	struct msghdr msg = {
		.msg_name = &addr, .msg_namelen = (socklen_t)len, .msg_iov = &iov, .msg_iovlen = 1};

	if (len < 0)
		return len;
	if (fd >= 0)
		attach_fd(&msg, control, sizeof(control), fd);
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return -errno;
	err = sendmsg(socket_fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
	close(socket_fd);
	return err;
}

int service_open(void)
{
	struct sockaddr_un addr;
	int len = manager_address(&addr), fd, err;

	if (len < 0)
		return len;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, (socklen_t)len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void service_send(int manager, const char *state)
{
	if (manager >= 0)
		(void)!send(manager, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int service_notify(const char *state)
{
	return notify(state, -1);
}

/* The manager closes the pipe's end when it has dealt with all that was sent before. */
static int barrier(void)
{
	int ends[2], n, err;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	err = notify("BARRIER=1", ends[1]);
	close(ends[1]);
	if (err == 0) {
		struct pollfd p = {.fd = ends[0]};

		n = poll(&p, 1, BARRIER_MS);
		err = n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
	}
	close(ends[0]);
	return err;
}

int service_store(const char *name, int fd)
{
	char state[128];
	int err;

	/* not polled: a socket whose other end is gone would be thrown away */
	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	err = notify(state, fd);
	return err ? err : barrier();
}

int service_forget(const char *name)
{
	char state[128];

	snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return notify(state, -1);
}

static int number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text ? atoi(text) : 0;
}

static uint32_t count_passed(void)
{
	int n = number_of("LISTEN_PID") == getpid() ? number_of("LISTEN_FDS") : 0;

	return n > 0 ? (uint32_t)n : 0;
}

uint32_t service_sockets(int *fds, uint32_t max)
{
	uint32_t n = min_u32(count_passed(), max);

	for (uint32_t i = 0; i < n; i++) {
		fds[i] = FIRST_FD + (int)i;
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	return n;
}

/* Names stand between colons; one that is used up is blanked out. */
int service_take(const char *name)
{
	int n = (int)count_passed();
	char *at = getenv("LISTEN_FDNAMES");

	for (int i = 0; i < n && at; i++) {
		size_t len = strcspn(at, ":");

		if (len == strlen(name) && memcmp(at, name, len) == 0) {
			memset(at, '-', len);
			fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC);
			return FIRST_FD + i;
		}
		at = at[len] ? at + len + 1 : NULL;
	}
	return -1;
}
