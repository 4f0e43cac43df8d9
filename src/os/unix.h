/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix - stream sockets in the file system, with file descriptors as cargo.
 *
 * Every descriptor made here is non-blocking and close-on-exec. Errors are -errno; unix_explain() turns the ones
 * a user can mend into a sentence that says how.
 */
#ifndef GINNEL_OS_UNIX_H
#define GINNEL_OS_UNIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The longest path, without its final zero byte: sockaddr_un has 108 bytes. */
#define UNIX_PATH_MAX 107

/* More than any peer may send at once; what comes beyond is closed and reported as truncated. */
#define UNIX_MAX_FDS 32

/*
 * Listens at path. A stale socket file (nobody answers) is replaced, a live one never: -EADDRINUSE.
 * A file that is no socket is never removed: -EEXIST. mode is the file's mode. Returns the fd or -errno.
 */
int unix_listen(const char *path, mode_t mode, int backlog);
/* The same, and the file belongs to that group unless group is NULL. Nobody can connect before mode and group are set. */
int unix_listen_for(const char *path, mode_t mode, const gid_t *group, int backlog);
/* Connects without ever blocking: -EAGAIN when the peer's backlog is full. Returns the fd or -errno. */
int unix_connect(const char *path);
/* A datagram socket at path, as unix_listen(). */
int unix_dgram(const char *path, mode_t mode);
/* From now on it sends to the one at path and hears from it alone. Again for one that came back. 0 or -errno. */
int unix_dgram_connect(int fd, const char *path);
/* Returns the connection or -errno; -EAGAIN when there is none. */
int unix_accept(int listen_fd);

/*
 * Makes a socket that somebody else has opened one of ours: non-blocking, close-on-exec; tells whether it listens.
 * 0, -EBADF, -ENOTSOCK, -EPROTOTYPE when it is no unix stream socket, or -ENOTCONN when it neither listens nor has a
 * peer.
 */
int unix_adopt(int fd, bool *listens);
/* The path a socket is bound to, "" if it has none. buf has room for UNIX_PATH_MAX + 1 bytes. */
void unix_own_path(int fd, char *buf);

struct unix_cargo {
	int fds[UNIX_MAX_FDS];
	uint32_t n_fds;
	bool truncated; /* descriptors were lost on the way: the stream cannot be trusted any more */
};

/* Never blocks (os/foreign.h). */
void unix_cargo_close(struct unix_cargo *cargo);

/*
 * Reads up to len bytes; descriptors that come along are appended to cargo (the caller owns them from then on).
 * Returns the byte count, 0 at end of stream, -EAGAIN when nothing is there, or -errno.
 */
ssize_t unix_recv(int fd, void *buf, size_t len, struct unix_cargo *cargo);
/* Descriptors that came with one message, all that the kernel lets pass at once (SCM_MAX_FD). */
#define UNIX_LOAD_FDS 253

struct unix_load {
	int fds[UNIX_LOAD_FDS];
	uint32_t n_fds;
	bool truncated;
};

/* As unix_recv(), from somebody who may send that many; *load is written anew. */
ssize_t unix_recv_load(int fd, void *buf, size_t len, struct unix_load *load);
/* Sends bytes, with up to UNIX_LOAD_FDS descriptors on the first byte. Returns the byte count or -errno; never raises SIGPIPE. */
ssize_t unix_send(int fd, const void *buf, size_t len, const int *fds, uint32_t n_fds);

/* The user's id at the other end of a connection; 0 or -errno. */
int unix_peer_uid(int fd, uid_t *uid);

/* What went wrong with this path and how to mend it, for -errno values of listen and connect. Writes to buf. */
const char *unix_explain(int err, const char *path, char *buf, size_t len);

#endif
