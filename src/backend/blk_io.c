/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_io.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/syscall.h>
#include <unistd.h>

int blk_io_fallocate_mode(const struct blk_file *f, enum blk_io_op op)
{
	if (op == BLK_IO_ZERO)
		return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	/* of a block device, a hole without promises is what is called a discard */
	if (op == BLK_IO_DISCARD && f->block_device)
		return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE | FALLOC_FL_NO_HIDE_STALE;
	return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
}

/* The kernel's calls take a position in one register. */
static_assert(sizeof(long) == sizeof(uint64_t), "64 bits");

/*
 * Straight to the kernel: libc's functions are places where a thread may be cancelled, and to say so costs as much as the
 * way into the kernel.
 */
static int64_t transfer(int fd, const struct blk_io *io, int flags)
{
	const bool reads = io->op == BLK_IO_READ;

	if (io->n == 1 && flags == 0)
		return syscall(reads ? SYS_pread64 : SYS_pwrite64, fd, io->iov->iov_base, io->iov->iov_len,
			io->offset);
	return syscall(reads ? SYS_preadv2 : SYS_pwritev2, fd, io->iov, (unsigned long)io->n, io->offset, 0ul,
		flags);
}

static int64_t call(const struct blk_file *f, const struct blk_io *io, bool nowait)
{
	int fd = blk_io_fd(f, io);

	switch (io->op) {
	case BLK_IO_READ:
		return transfer(fd, io, nowait ? RWF_NOWAIT : 0);
	case BLK_IO_WRITE:
		return transfer(fd, io, io->durable ? RWF_DSYNC : 0);
	case BLK_IO_SYNC:
		return fdatasync(fd);
	default:
		return fallocate(fd, blk_io_fallocate_mode(f, io->op), (off_t)io->offset, (off_t)io->len);
	}
}

int64_t blk_io_call(const struct blk_file *f, const struct blk_io *io, bool nowait)
{
	int64_t result;

	do
		result = call(f, io, nowait);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}

void blk_io_advance(struct blk_io *io, uint64_t done)
{
	ASSERT(done <= io->len);
	io->offset += done;
	io->len -= done;
	while (io->n > 0 && done >= io->iov->iov_len) {
		done -= io->iov->iov_len;
		io->iov++;
		io->n--;
	}
	if (done > 0) {
		io->iov->iov_base = (char *)io->iov->iov_base + done;
		io->iov->iov_len -= done;
	}
}
