/* SPDX-License-Identifier: Apache-2.0 */
#include "os/unix.h"

#include "base/check.h"
#include "os/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_address(const char *path, struct sockaddr_un *addr)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len > UNIX_PATH_MAX)
		return -ENAMETOOLONG;
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(addr->sun_path, path, len + 1);
	return 0;
}

static int unix_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int unix_connect(const char *path)
{
	struct sockaddr_un addr;
	int err = unix_address(path, &addr);

	if (err)
		return err;

	int fd = unix_socket();

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Makes room for a new socket: 0 when path is free or was stale. */
static int remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;

	int fd = unix_connect(path);

	if (fd >= 0) {
		close(fd);
		return -EADDRINUSE;
	}
	if (fd != -ECONNREFUSED)
		return fd == -EAGAIN || fd == -EPROTOTYPE ? -EADDRINUSE : fd;
	return unlink(path) < 0 ? -errno : 0;
}

/* The group first: with the old one nobody shall have the new mode. */
static int set_access(const char *path, mode_t mode, const gid_t *group)
{
	if (group && chown(path, (uid_t)-1, *group) < 0)
		return -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

int unix_listen(const char *path, mode_t mode, int backlog)
{
	return unix_listen_for(path, mode, NULL, backlog);
}

int unix_listen_for(const char *path, mode_t mode, const gid_t *group, int backlog)
{
	struct sockaddr_un addr;
	int err = unix_address(path, &addr);

	if (err)
		return err;
	err = remove_stale(path);
	if (err)
		return err;

	int fd = unix_socket();

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		goto close_fd;
	}
	err = set_access(path, mode, group);
	if (err == 0 && listen(fd, backlog) < 0)
		err = -errno;
	if (err)
		goto unlink_path;
	return fd;
unlink_path:
	unlink(path);
close_fd:
	close(fd);
	return err;
}

int unix_dgram(const char *path, mode_t mode)
{
	struct sockaddr_un addr;
	int err = unix_address(path, &addr), fd;

	if (err == 0)
		err = remove_stale(path);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		goto close_fd;
	}
	err = set_access(path, mode, NULL);
	if (err)
		goto unlink_path;
	return fd;
unlink_path:
	unlink(path);
close_fd:
	close(fd);
	return err;
}

int unix_dgram_connect(int fd, const char *path)
{
	struct sockaddr_un addr;
	int err = unix_address(path, &addr);

	if (err)
		return err;
	/* workers may use fd meanwhile; ThreadSanitizer takes the library's connect() for the birth of a descriptor */
	return syscall(SYS_connect, fd, &addr, sizeof(addr)) < 0 ? -errno : 0;
}

int unix_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int option_of(int fd, int option, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, option, value, &len) < 0 ? -errno : 0;
}

static bool has_peer(int fd)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return getpeername(fd, (struct sockaddr *)&addr, &len) == 0;
}

int unix_adopt(int fd, bool *listens)
{
	int domain, type, accepts, flags, err = option_of(fd, SO_DOMAIN, &domain);

	if (err == 0)
		err = option_of(fd, SO_TYPE, &type);
	if (err == 0 && (domain != AF_UNIX || type != SOCK_STREAM))
		err = -EPROTOTYPE;
	if (err == 0)
		err = option_of(fd, SO_ACCEPTCONN, &accepts);
	if (err == 0 && !accepts && !has_peer(fd))
		err = -ENOTCONN;
	if (err)
		return err;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	*listens = accepts;
	return 0;
}

void unix_own_path(int fd, char *buf)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0 ||
		len <= offsetof(struct sockaddr_un, sun_path))
		addr.sun_path[0] = '\0';
	snprintf(buf, UNIX_PATH_MAX + 1, "%.*s", UNIX_PATH_MAX, addr.sun_path);
}

void unix_cargo_close(struct unix_cargo *cargo)
{
	for (uint32_t i = 0; i < cargo->n_fds; i++)
		foreign_close(cargo->fds[i]);
	cargo->n_fds = 0;
}

static void load_take(struct unix_load *load, const struct cmsghdr *c)
{
	size_t len = c->cmsg_len - CMSG_LEN(0);

	ASSERT(load->n_fds + len / sizeof(int) <= UNIX_LOAD_FDS);
	memcpy(&load->fds[load->n_fds], CMSG_DATA(c), len);
	load->n_fds += (uint32_t)(len / sizeof(int));
}

/* With room for all that the kernel lets pass it closes none itself: that would be in our thread, and might wait. */
ssize_t unix_recv_load(int fd, void *buf, size_t len, struct unix_load *load)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * UNIX_LOAD_FDS)];
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n;

	load->n_fds = 0;
	load->truncated = false;
	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			load_take(load, c);
	load->truncated = msg.msg_flags & MSG_CTRUNC;
	return n;
}

static void cargo_take(struct unix_cargo *cargo, int fd)
{
	if (cargo->n_fds < UNIX_MAX_FDS) {
		cargo->fds[cargo->n_fds++] = fd;
	} else {
		foreign_close(fd);
		cargo->truncated = true;
	}
}

ssize_t unix_recv(int fd, void *buf, size_t len, struct unix_cargo *cargo)
{
	struct unix_load load;
	ssize_t n = unix_recv_load(fd, buf, len, &load);

	for (uint32_t i = 0; i < load.n_fds; i++)
		cargo_take(cargo, load.fds[i]);
	cargo->truncated |= load.truncated;
	return n;
}

ssize_t unix_send(int fd, const void *buf, size_t len, const int *fds, uint32_t n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * UNIX_LOAD_FDS)];
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	ASSERT(n_fds <= UNIX_LOAD_FDS);
	if (n_fds > 0) {
		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);

		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int unix_peer_uid(int fd, uid_t *uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*uid = cred.uid;
	return 0;
}

const char *unix_explain(int err, const char *path, char *buf, size_t len)
{
	switch (-err) {
	case ENAMETOOLONG:
		snprintf(buf, len, "socket path is %zu bytes long, at most %d fit: choose a shorter one",
			strlen(path), UNIX_PATH_MAX);
		break;
	case EADDRINUSE:
		snprintf(buf, len, "%s is in use by another program: end it or choose another path", path);
		break;
	case EEXIST:
		snprintf(buf, len, "%s exists and is not a socket: remove it or choose another path", path);
		break;
	case EACCES:
	case EPERM:
	case EROFS:
		snprintf(buf, len,
			"%s: no permission for user %u: make its directory writable or choose another path",
			path, (unsigned)geteuid());
		break;
	case ENOENT:
		snprintf(buf, len, "%s: No such file or directory: create its directory first", path);
		break;
	default:
		snprintf(buf, len, "%s: %s", path, strerror(-err));
	}
	return buf;
}
