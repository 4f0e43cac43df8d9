/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_engine.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Registered files. */
enum { FILE_ALIGNED, FILE_PLAIN, FILES };

/* Debian 12's liburing knows them; an older kernel says -EINVAL to what it does not know. */
#define RING_FLAGS_BEST                                                                        \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | \
		IORING_SETUP_R_DISABLED)

#define CANCEL_TAG ((void *)1)

struct uring_engine {
	struct blk_engine base;
	struct io_uring ring;
	uint32_t issued;   /* and not submitted yet */
	uint32_t expected; /* completions, of what was issued */
};

static struct uring_engine *uring_of(struct blk_engine *e)
{
	return CONTAINER_OF(e, struct uring_engine, base);
}

static int make_ring(struct io_uring *ring, uint32_t depth)
{
	struct io_uring_params params = {.flags = RING_FLAGS_BEST};
	int err = io_uring_queue_init_params(depth, ring, &params);

	if (err != -EINVAL)
		return err;
	params = (struct io_uring_params){.flags = IORING_SETUP_R_DISABLED};
	return io_uring_queue_init_params(depth, ring, &params);
}

/* Debian 12's liburing declares functions for these and does not have them. */
static int register_at(struct io_uring *ring, unsigned what, const void *arg, unsigned n)
{
	return syscall(__NR_io_uring_register, ring->ring_fd, what, arg, n) < 0 ? -errno : 0;
}

/* A ring is a way around a filter of system calls: it can do what a disk needs and nothing else. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE, IORING_OP_WRITEV,
		IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL};
	struct io_uring_restriction rules[ARRAY_LEN(ops) + 2];
	unsigned n = 0;

	memset(rules, 0, sizeof(rules));
	for (; n < ARRAY_LEN(ops); n++) {
		rules[n].opcode = IORING_RESTRICTION_SQE_OP;
		rules[n].sqe_op = ops[n];
	}
	rules[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[n++].sqe_flags = IOSQE_FIXED_FILE;
	rules[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	rules[n++].register_op = IORING_REGISTER_ENABLE_RINGS;
	return register_at(ring, IORING_REGISTER_RESTRICTIONS, rules, n);
}

static int uring_open(struct blk_engine **out, const struct blk_engine_config *config)
{
	const int files[FILES] = {config->file->fd, config->file->plain_fd};
	struct uring_engine *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->base = (struct blk_engine){.ops = &blk_engine_uring, .config = *config};
	err = make_ring(&e->ring, config->depth);
	if (err)
		goto free_engine;
	e->base.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->base.wake_fd < 0) {
		err = -errno;
		goto exit_ring;
	}
	err = io_uring_register_files(&e->ring, files, FILES);
	/* the ring's own descriptor does not become readable by completions that wait for us to fetch them */
	if (err == 0)
		err = io_uring_register_eventfd(&e->ring, e->base.wake_fd);
	if (err == 0)
		err = restrict_ring(&e->ring);
	if (err)
		goto close_wake_fd;
	*out = &e->base;
	return 0;
close_wake_fd:
	close(e->base.wake_fd);
exit_ring:
	io_uring_queue_exit(&e->ring);
free_engine:
	free(e);
	return err;
}

static void uring_close(struct blk_engine *base)
{
	struct uring_engine *e = uring_of(base);

	io_uring_queue_exit(&e->ring);
	close(base->wake_fd);
	free(e);
}

/* The thread that enables it is the one that may submit. */
static int uring_begin(struct blk_engine *base)
{
	io_uring_cq_eventfd_toggle(&uring_of(base)->ring, false);
	return register_at(&uring_of(base)->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static void uring_submit(struct blk_engine *base)
{
	struct uring_engine *e = uring_of(base);

	if (e->issued == 0)
		return;
	e->issued = 0;
	blk_count(&base->counters.submits, 1);
	/* what the kernel has no memory for now stays in the ring, for the next time */
	if (io_uring_submit(&e->ring) < 0 || io_uring_sq_ready(&e->ring) > 0)
		e->issued = io_uring_sq_ready(&e->ring);
}

static void prepare_transfer(struct io_uring_sqe *sqe, const struct blk_io *io, int file)
{
	const struct iovec *iov = io->iov;

	if (io->op == BLK_IO_READ && io->n == 1)
		io_uring_prep_read(sqe, file, iov->iov_base, (unsigned)iov->iov_len, io->offset);
	else if (io->op == BLK_IO_READ)
		io_uring_prep_readv(sqe, file, iov, io->n, io->offset);
	else if (io->n == 1)
		io_uring_prep_write(sqe, file, iov->iov_base, (unsigned)iov->iov_len, io->offset);
	else
		io_uring_prep_writev(sqe, file, iov, io->n, io->offset);
	if (io->durable)
		sqe->rw_flags = RWF_DSYNC;
}

static void prepare(const struct blk_file *f, struct io_uring_sqe *sqe, struct blk_io *io)
{
	int file = io->plain ? FILE_PLAIN : FILE_ALIGNED;

	switch (io->op) {
	case BLK_IO_READ:
	case BLK_IO_WRITE:
		prepare_transfer(sqe, io, file);
		break;
	case BLK_IO_SYNC:
		io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(
			sqe, file, blk_io_fallocate_mode(f, io->op), (off_t)io->offset, (off_t)io->len);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, io);
}

static void uring_issue(struct blk_engine *base, struct blk_io *io)
{
	struct uring_engine *e = uring_of(base);
	struct io_uring_sqe *sqe;

	if (blk_engine_at_once(base, io, false))
		return;
	sqe = io_uring_get_sqe(&e->ring);
	if (!sqe) { /* it holds as many as there can be requests, but for what the kernel left in it */
		uring_submit(base);
		sqe = io_uring_get_sqe(&e->ring);
	}
	if (!sqe) {
		io->result = -EAGAIN;
		blk_io_add(&base->done, io);
		return;
	}
	prepare(base->config.file, sqe, io);
	e->issued++;
	e->expected++;
	blk_count(&base->counters.passed_on, 1);
}

static void uring_reap(struct blk_engine *base)
{
	struct uring_engine *e = uring_of(base);
	struct io_uring_cqe *cqe;

	while (e->expected > 0 && io_uring_peek_cqe(&e->ring, &cqe) == 0) {
		struct blk_io *io = io_uring_cqe_get_data(cqe);

		e->expected--;
		if (io != CANCEL_TAG) {
			io->result = cqe->res;
			blk_io_add(&base->done, io);
		}
		io_uring_cqe_seen(&e->ring, cqe);
	}
}

static bool uring_arm(struct blk_engine *base)
{
	struct io_uring *ring = &uring_of(base)->ring;
	struct io_uring_cqe *cqe;

	uring_submit(base);
	io_uring_cq_eventfd_toggle(ring, true);
	/* what we asked must be visible before we look: pairs with the kernel, which adds work before it looks */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return base->done.first || io_uring_peek_cqe(ring, &cqe) == 0;
}

static void uring_disarm(struct blk_engine *base)
{
	io_uring_cq_eventfd_toggle(&uring_of(base)->ring, false);
}

static void uring_cancel(struct blk_engine *base)
{
	struct uring_engine *e = uring_of(base);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&e->ring);

	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY);
	io_uring_sqe_set_data(sqe, CANCEL_TAG);
	e->issued++;
	e->expected++;
	uring_submit(base);
}

const struct blk_engine_ops blk_engine_uring = {
	.name = "uring",
	.open = uring_open,
	.close = uring_close,
	.begin = uring_begin,
	.issue = uring_issue,
	.submit = uring_submit,
	.reap = uring_reap,
	.arm = uring_arm,
	.disarm = uring_disarm,
	.cancel = uring_cancel,
};
