/* SPDX-License-Identifier: Apache-2.0 */
#include "os/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

/* A descriptor that is mapped already, and that nobody can write through from now on. */
static int open_sealed(const char *name, size_t len, void **addr)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) != 0)
		goto close_fd;
	*addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*addr == MAP_FAILED)
		goto close_fd;
	if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	munmap(*addr, len);
close_fd:
	close(fd);
	return -ENOTSUP;
}

int shared_create(struct shared *s, const char *name, size_t len)
{
	*s = (struct shared){.len = len};
	s->fd = open_sealed(name, len, &s->addr);
	if (s->fd >= 0)
		return 0;
	s->fd = -1;
	s->addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return s->addr == MAP_FAILED ? -errno : 0;
}

void shared_destroy(struct shared *s)
{
	munmap(s->addr, s->len);
	if (s->fd >= 0)
		close(s->fd);
}
