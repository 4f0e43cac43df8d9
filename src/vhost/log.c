/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include "os/guard.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int check_file(const struct vhost_user_log *l, int fd, struct message *m)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return message_refuse(m, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return message_refuse(m, -EINVAL, "the log is not a shared file");
	if (l->size == 0 || l->offset + l->size < l->size || l->offset + l->size > (uint64_t)st.st_size)
		return message_refuse(m, -EINVAL, "the log ends beyond its file");
	return 0;
}

/* From the file's start, because the offset need not be a multiple of a page. */
static int log_map(struct log_map *out, const struct vhost_user_log *l, int fd, struct message *m)
{
	int err = check_file(l, fd, m);

	if (err)
		return err;
	*out = (struct log_map){.map_len = l->offset + l->size};
	out->map = mmap(NULL, out->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (out->map == MAP_FAILED)
		return message_refuse(m, -errno, "cannot map the log: %s", strerror(errno));
	out->guard = guard_add(out->map, out->map_len);
	if (out->guard < 0) {
		munmap(out->map, out->map_len);
		return message_refuse(m, out->guard, "too many guest memories in all");
	}
	out->log = (struct dirty_log){.bits = (uint8_t *)out->map + l->offset, .size = l->size};
	return 0;
}

void log_unmap(struct log_map *log)
{
	if (!log->log.bits)
		return;
	guard_del(log->guard);
	munmap(log->map, log->map_len);
	*log = (struct log_map){0};
}

int handle_set_log_base(struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_log wanted = m->payload.log;
	struct log_map log;
	int err = log_map(&log, &wanted, m->cargo.fds[0], m);

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
