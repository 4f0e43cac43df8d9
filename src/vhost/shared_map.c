/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/shared_map.h"

#include "base/check.h"
#include "os/foreign.h"
#include "os/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int check_file(
	const char *what, int fd, const struct vhost_user_log *piece, uint64_t *block, struct message *m)
{
	uint64_t end = piece->offset + piece->size;
	struct stat st;

	if (foreign_kind(fd) != FOREIGN_MEMORY)
		return message_refuse(
			m, -EINVAL, "the %s is not a memfd or a file of tmpfs or hugetlbfs", what);
	if (fstat(fd, &st) < 0)
		return message_refuse(m, -errno, "%s", strerror(errno));
	if (piece->size == 0 || end < piece->size || end > (uint64_t)st.st_size)
		return message_refuse(m, -EINVAL, "the %s ends beyond its file", what);
	*block = max_u32(
		(uint32_t)st.st_blksize, 4096); /* a huge page file is mapped from a page of its own */
	return 0;
}

int shared_map(struct shared_map *out, const char *what, int fd, const struct vhost_user_log *piece,
	struct message *m)
{
	uint64_t block = 4096, before;
	int err = check_file(what, fd, piece, &block, m);

	if (err)
		return err;
	before = piece->offset % block;
	*out = (struct shared_map){.size = piece->size,
		.offset = piece->offset,
		.map_len = (before + piece->size + block - 1) / block * block};
	out->map = mmap(NULL, out->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		(off_t)(piece->offset - before));
	if (out->map == MAP_FAILED)
		return message_refuse(m, -errno, "cannot map the %s: %s", what, strerror(errno));
	out->guard = guard_add(out->map, out->map_len);
	if (out->guard < 0) {
		munmap(out->map, out->map_len);
		return message_refuse(m, out->guard, "too many guest memories in all");
	}
	out->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (out->fd < 0) {
		err = message_refuse(m, -errno, "cannot keep the %s: %s", what, strerror(errno));
		guard_del(out->guard);
		munmap(out->map, out->map_len);
		return err;
	}
	out->at = (uint8_t *)out->map + before;
	return 0;
}

void shared_unmap(struct shared_map *map)
{
	if (!map->at)
		return;
	guard_del(map->guard);
	munmap(map->map, map->map_len);
	foreign_close(map->fd);
	*map = (struct shared_map){0};
}

bool shared_lost(const struct shared_map *map)
{
	return map->at && guard_lost(map->guard);
}
