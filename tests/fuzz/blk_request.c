/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's request to its disk: any chain of pieces with any bytes, any rules, and storage that answers anything. Each
 * piece is memory of its own, so a byte beyond one is found.
 */
#include "backend/blk_request.h"
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>

#define PIECES  12
#define SEG_MAX 6
#define STEPS   200

struct pieces {
	struct virtq_seg segs[PIECES];
	struct virtq_chain chain;
};

static void make_piece(struct fuzz *f, struct pieces *p, bool write)
{
	static const uint64_t lens[] = {1, 2, 16, 15, 17, 32, 512, 513, 1024, 4096};
	uint32_t len = (uint32_t)(fuzz_pick(f, lens, ARRAY_LEN(lens)) % 5000);
	uint32_t i = p->chain.n_read + p->chain.n_write;

	if (len == 0 || i == PIECES)
		return;
	p->segs[i] = (struct virtq_seg){.addr = malloc(len), .len = len};
	ASSERT(p->segs[i].addr);
	memset(p->segs[i].addr, 0, len);
	if (write) {
		p->chain.n_write++;
		p->chain.write_len += len;
	} else {
		fuzz_bytes(f, p->segs[i].addr, min_u32(len, 64));
		p->chain.n_read++;
		p->chain.read_len += len;
	}
}

static void make_chain(struct fuzz *f, struct pieces *p)
{
	uint32_t n_read = fuzz_below(f, PIECES), n_write = fuzz_below(f, PIECES);

	*p = (struct pieces){0};
	p->chain.segs = p->segs;
	for (uint32_t i = 0; i < n_read; i++)
		make_piece(f, p, false);
	for (uint32_t i = 0; i < n_write; i++)
		make_piece(f, p, true);
}

/* As the kernel would touch it. */
static void check_io(const struct blk_file *file, const struct blk_io *io, volatile uint8_t *sum)
{
	uint64_t all = 0;

	if (io->op == BLK_IO_SYNC)
		return;
	ASSERT(io->offset <= file->size && io->len <= file->size - io->offset && io->len > 0);
	if (io->op > BLK_IO_WRITE)
		return;
	for (uint32_t i = 0; i < io->n; i++) {
		if (io->op == BLK_IO_READ)
			memset(io->iov[i].iov_base, 0x55, io->iov[i].iov_len);
		else
			for (size_t k = 0; k < io->iov[i].iov_len; k += 64)
				*sum += ((const uint8_t *)io->iov[i].iov_base)[k];
		all += io->iov[i].iov_len;
	}
	ASSERT(all == io->len);
}

static int64_t some_result(struct fuzz *f, const struct blk_io *io)
{
	static const int64_t errors[] = {-EIO, -ENOSPC, -EAGAIN, -EOPNOTSUPP, -EINVAL};
	uint32_t how = fuzz_below(f, 8);

	if (how == 0)
		return errors[fuzz_below(f, ARRAY_LEN(errors))];
	if (io->op > BLK_IO_WRITE)
		return 0;
	return how == 1 ? (int64_t)(fuzz_u32(f) % (io->len + 1)) : (int64_t)io->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);
	uint8_t bits = fuzz_u8(&f);
	struct blk_file file = {.fd = 3,
		.plain_fd = bits & 1 ? 4 : 3,
		.read_only = bits & 2,
		.size = 512ull << fuzz_below(&f, 20),
		.offset_align = 512,
		.memory_align = bits & 4 ? 512 : 4};
	struct blk_rules rules = {.file = &file,
		.seg_max = SEG_MAX,
		.discard = bits & 8,
		.write_zeroes = bits & 16,
		.write_through = bits & 32};
	struct iovec iov[SEG_MAX + 2];
	struct blk_request r;
	struct pieces p;
	enum blk_fault fault;
	enum blk_next next;
	volatile uint8_t sum = 0;

	make_chain(&f, &p);
	blk_request_init(&r, iov, SEG_MAX + 2);
	next = blk_request_parse(&r, &p.chain, &rules, &fault);
	ASSERT(!r.status == (p.chain.n_write == 0));
	for (uint32_t i = 0; i < STEPS && next == BLK_NEXT_IO; i++) {
		ASSERT(fault == BLK_FINE);
		check_io(&file, &r.io, &sum);
		r.io.result = some_result(&f, &r.io);
		next = blk_request_next(&r, &fault);
	}
	ASSERT(fault < BLK_FAULT_COUNT && r.written <= p.chain.write_len);
	if (r.status)
		*r.status = (uint8_t)blk_fault_status(fault);
	for (uint32_t i = 0; i < p.chain.n_read + p.chain.n_write; i++)
		free(p.segs[i].addr);
	return 0;
}
