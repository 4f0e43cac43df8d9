/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_io - one operation on an image, whoever carries it out: the worker itself, the kernel's ring, a thread of a pool.
 *
 * A request of a guest is one of them or several, one after the other (backend/blk_request.h). All memory belongs to the
 * owner and stays until the operation is done.
 */
#ifndef GINNEL_BACKEND_BLK_IO_H
#define GINNEL_BACKEND_BLK_IO_H

#include "backend/blk_file.h"

#include <sys/uio.h>

enum blk_io_op {
	BLK_IO_READ,
	BLK_IO_WRITE,
	BLK_IO_SYNC,    /* what was written before is on the disk when it is done */
	BLK_IO_DISCARD, /* nobody needs what is there */
	BLK_IO_ZERO,    /* reads as zeros, and keeps its room */
	BLK_IO_UNMAP,   /* reads as zeros, and may give its room back */
	BLK_IO_OPS,
};

struct blk_io {
	struct blk_io *next; /* of whoever has it */
	void *owner;         /* the same */
	enum blk_io_op op;
	bool durable; /* WRITE: on the disk when it is done */
	bool plain;   /* not aligned as the file wants it: blk_file.plain_fd */
	uint32_t n;
	struct iovec *iov;
	uint64_t offset, len;
	int64_t result; /* bytes, 0, or -errno */
};

/* A chain of them, first in, first out. */
struct blk_io_list {
	struct blk_io *first, *last;
};

static inline void blk_io_add(struct blk_io_list *list, struct blk_io *io)
{
	io->next = NULL;
	if (list->first)
		list->last->next = io;
	else
		list->first = io;
	list->last = io;
}

/* NULL when empty. */
static inline struct blk_io *blk_io_take(struct blk_io_list *list)
{
	struct blk_io *io = list->first;

	if (io)
		list->first = io->next;
	return io;
}

/* For fallocate(). */
int blk_io_fallocate_mode(const struct blk_file *f, enum blk_io_op op);

static inline int blk_io_fd(const struct blk_file *f, const struct blk_io *io)
{
	return io->plain ? f->plain_fd : f->fd;
}

/* Carries it out here and now: the result. nowait: -EAGAIN instead of waiting for storage, for a read. */
int64_t blk_io_call(const struct blk_file *f, const struct blk_io *io, bool nowait);

/*
 * After a result > 0: leaves what is still to be done of a READ or WRITE, which may be nothing.
 */
void blk_io_advance(struct blk_io *io, uint64_t done);

#endif
