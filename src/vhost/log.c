/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include "os/foreign.h"
#include "os/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A bit for each page of the most memory a guest may have, twice: guest addresses have holes. */
#define LOG_MAX_BYTES (2 * GMEM_MAX_BYTES / DIRTY_LOG_PAGE / 8)

static int check_file(const struct vhost_user_log *l, int fd, uint64_t *block, struct message *m)
{
	struct stat st;

	if (foreign_kind(fd) != FOREIGN_MEMORY)
		return message_refuse(m, -EINVAL, "the log is not a memfd or a file of tmpfs or hugetlbfs");
	if (l->size > LOG_MAX_BYTES)
		return message_refuse(m, -EINVAL, "log of %" PRIu64 " bytes, expected at most %llu", l->size,
			LOG_MAX_BYTES);
	if (fstat(fd, &st) < 0)
		return message_refuse(m, -errno, "%s", strerror(errno));
	if (l->size == 0 || l->offset + l->size < l->size || l->offset + l->size > (uint64_t)st.st_size)
		return message_refuse(m, -EINVAL, "the log ends beyond its file");
	*block = max_u32((uint32_t)st.st_blksize, 4096);
	return 0;
}

/* The offset need not be a multiple of a page. */
int log_open(struct log_map *out, const struct vhost_user_log *l, int fd, struct message *m)
{
	uint64_t block = 4096, before;
	int err = check_file(l, fd, &block, m);

	if (err)
		return err;
	before = l->offset % block;
	*out = (struct log_map){.map_len = (before + l->size + block - 1) / block * block};
	out->map = mmap(NULL, out->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		(off_t)(l->offset - before));
	if (out->map == MAP_FAILED)
		return message_refuse(m, -errno, "cannot map the log: %s", strerror(errno));
	out->guard = guard_add(out->map, out->map_len);
	if (out->guard < 0) {
		munmap(out->map, out->map_len);
		return message_refuse(m, out->guard, "too many guest memories in all");
	}
	out->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (out->fd < 0) {
		err = message_refuse(m, -errno, "%s", strerror(errno));
		guard_del(out->guard);
		munmap(out->map, out->map_len);
		return err;
	}
	out->offset = l->offset;
	out->log = (struct dirty_log){.bits = (uint8_t *)out->map + before, .size = l->size};
	return 0;
}

void log_unmap(struct log_map *log)
{
	if (!log->log.bits)
		return;
	guard_del(log->guard);
	munmap(log->map, log->map_len);
	foreign_close(log->fd);
	*log = (struct log_map){0};
}

int handle_set_log_base(struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_log wanted = m->payload.log;
	struct log_map log;
	int err = log_open(&log, &wanted, m->cargo.fds[0], m);

	if (err)
		return err;
	rings_pause(b, RINGS_ALL);
	log_unmap(&b->log);
	b->log = log;
	m->payload.u64 = 0;
	return rings_run(b, RINGS_ALL, m);
}

/* A doorbell for "something was logged". Front-ends read the log when they want to: taken, and not rung. */
int handle_set_log_fd(struct vhost_backend *b, struct message *m)
{
	return 0;
}
