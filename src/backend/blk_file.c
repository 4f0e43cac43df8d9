/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_file.h"

#include "base/check.h"
#include "base/units.h"
#include "virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What we use of statx() is older than what Debian 12's headers know of it. */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x00002000U
#endif

static int explain(char *why, size_t why_len, int err, const char *path, const char *mend)
{
	snprintf(why, why_len, "%s: %s%s%s", path, strerror(-err), mend ? ": " : "", mend ? mend : "");
	return err;
}

/* --- lock --- */

/*
 * QEMU's bytes (its documentation calls them image locking): a shared lock at 100 + n says "I use right n", one at
 * 200 + n "I let nobody else use it". Rights are 0 consistent reads, 1 writing, 3 resizing.
 */
#define LOCK_USED   100
#define LOCK_DENIED 200
#define LOCK_END    204

#define LOCK_PATIENCE_MS 2000
#define LOCK_PAUSE_MS    20

static int lock_byte(int fd, int byte)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* True: somebody else holds one there. */
static bool byte_locked(int fd, int byte)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int lock_image(int fd, bool read_only)
{
	static const int rights[] = {0, 1, 3};

	for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
		bool uses = rights[i] == 0 || !read_only, denies = rights[i] != 0;

		if ((uses && lock_byte(fd, LOCK_USED + rights[i]) != 0) ||
			(denies && lock_byte(fd, LOCK_DENIED + rights[i]) != 0))
			return 0; /* a file system without locks */
		if ((uses && byte_locked(fd, LOCK_DENIED + rights[i])) ||
			(denies && byte_locked(fd, LOCK_USED + rights[i])))
			return -EBUSY;
	}
	return 0;
}

static void unlock_image(int fd)
{
	struct flock lock = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LOCK_USED, .l_len = LOCK_END - LOCK_USED};

	fcntl(fd, F_OFD_SETLK, &lock);
}

/*
 * A program before us that has just ended, or was killed, may still hold its locks: the kernel lets go of what an io_uring
 * holds only after the process is gone.
 */
static int lock_image_soon(int fd, bool read_only)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * (long)NS_PER_MS};
	int err = lock_image(fd, read_only);

	for (uint32_t waited_ms = 0; err == -EBUSY && waited_ms < LOCK_PATIENCE_MS;
		waited_ms += LOCK_PAUSE_MS) {
		unlock_image(fd); /* two that wait for each other would wait for nothing */
		nanosleep(&pause, NULL);
		err = lock_image(fd, read_only);
	}
	return err;
}

/* --- size --- */

static int read_size(const struct blk_file *f, uint64_t *size)
{
	struct stat st;

	if (f->block_device)
		return ioctl(f->fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

int blk_file_look(struct blk_file *f)
{
	uint64_t size;
	int err = read_size(f, &size);

	if (err)
		return err;
	size &= ~(uint64_t)(BLK_SECTOR - 1); /* half a sector is none */
	if (size == f->size)
		return 0;
	__atomic_store_n(&f->size, size, __ATOMIC_RELAXED);
	return 1;
}

int blk_file_resize(struct blk_file *f, uint64_t size)
{
	int err;

	if (f->block_device)
		return -ENOTSUP;
	if (ftruncate(f->fd, (off_t)size) < 0)
		return -errno;
	err = blk_file_look(f);
	return err < 0 ? err : 0;
}

/* --- opening --- */

static int take_fd(const char *text, char *why, size_t why_len)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != 0 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0)
		return explain(
			why, why_len, -EBADF, text, "fd:N needs the number of a descriptor that is open");
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}

static int check_access(int fd, bool read_only)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return (flags & O_ACCMODE) == O_RDWR || (read_only && (flags & O_ACCMODE) == O_RDONLY) ? 0 : -EACCES;
}

static int open_image(const struct blk_file_options *o, char *why, size_t why_len)
{
	int flags = (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, fd, err;

	if (strncmp(o->path, "fd:", 3) == 0) {
		fd = take_fd(o->path + 3, why, why_len);
		err = fd < 0 ? fd : check_access(fd, o->read_only);
		if (err == -EACCES)
			return explain(why, why_len, err, o->path,
				"the descriptor is not open for writing: add --read-only");
		return err ? err : fd;
	}
	fd = open(o->path, flags);
	if (fd >= 0)
		return fd;
	err = -errno;
	if (err == -ENOENT)
		return explain(why, why_len, err, o->path, "make it first: truncate -s 10G FILE");
	if (err == -EACCES || err == -EROFS)
		return explain(why, why_len, err, o->path, "open it to this user, or add --read-only");
	return explain(why, why_len, err, o->path, NULL);
}

static int check_kind(struct blk_file *f, const char *path, char *why, size_t why_len)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return explain(why, why_len, -errno, path, NULL);
	f->block_device = S_ISBLK(st.st_mode);
	if (f->block_device || S_ISREG(st.st_mode))
		return 0;
	return explain(why, why_len, -EINVAL, path, "neither a file nor a block device");
}

/* A second description of the same file without O_DIRECT. */
static int open_direct(struct blk_file *f, const char *path, char *why, size_t why_len)
{
	char own[64];
	int flags = (f->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_DIRECT, fd;

	snprintf(own, sizeof(own), "/proc/self/fd/%d", f->fd);
	fd = open(own, flags);
	if (fd < 0)
		return explain(why, why_len, -errno, path,
			"its file system cannot go past the page cache: use --cache=writeback");
	f->plain_fd = f->fd;
	f->fd = fd;
	return 0;
}

static void find_alignment(struct blk_file *f)
{
	struct statx stx;
	unsigned align = 0;

	f->offset_align = f->memory_align = BLK_SECTOR;
	if (f->block_device && ioctl(f->fd, BLKSSZGET, &align) == 0 && align > BLK_SECTOR)
		f->offset_align = f->memory_align = align;
	if (f->block_device || f->fd == f->plain_fd)
		return;
	/* the two words behind what Debian 12's struct statx names: memory, then offset */
	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 && (stx.stx_mask & STATX_DIOALIGN)) {
		uint32_t words[2];

		memcpy(words, (const char *)&stx + 0x98, sizeof(words));
		f->memory_align = max_u32(words[0], 1);
		f->offset_align = max_u32(words[1], BLK_SECTOR);
	}
}

static void find_blocks(struct blk_file *f, const struct blk_file_options *o)
{
	unsigned logical = BLK_SECTOR, physical = 0;

	if (f->block_device) {
		ioctl(f->fd, BLKSSZGET, &logical);
		ioctl(f->fd, BLKPBSZGET, &physical);
	} else if (f->fd != f->plain_fd) {
		logical = f->offset_align;
	}
	f->block_size = o->block_size ? o->block_size : min_u32(max_u32(logical, BLK_SECTOR), BLK_BLOCK_MAX);
	if (physical == 0)
		physical = 4096;
	f->physical_block_size =
		max_u32(o->physical_block_size ? o->physical_block_size : physical, f->block_size);
}

/* Where the kernel cannot tell it says so even for a read that finds all it wants. */
static bool has_nowait(int fd)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};

	return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
}

int blk_file_open(struct blk_file *f, const struct blk_file_options *o, char *why, size_t why_len)
{
	int err;

	*f = (struct blk_file){.read_only = o->read_only};
	f->fd = open_image(o, why, why_len);
	if (f->fd < 0)
		return f->fd;
	f->plain_fd = f->fd;
	err = check_kind(f, o->path, why, why_len);
	if (err == 0 && o->cache == BLK_CACHE_NONE)
		err = open_direct(f, o->path, why, why_len);
	if (err)
		goto close;
	if (!o->unlocked && lock_image_soon(f->plain_fd, f->read_only) < 0) {
		err = explain(why, why_len, -EBUSY, o->path,
			"another program has the image open: end it, or let both use --read-only");
		goto close;
	}
	find_alignment(f);
	find_blocks(f, o);
	f->nowait = has_nowait(f->plain_fd);
	err = blk_file_look(f);
	if (err < 0) {
		explain(why, why_len, err, o->path, NULL);
		goto close;
	}
	return 0;
close:
	blk_file_close(f);
	return err;
}

void blk_file_close(struct blk_file *f)
{
	unlock_image(f->plain_fd);
	if (f->plain_fd != f->fd)
		close(f->plain_fd);
	close(f->fd);
}
