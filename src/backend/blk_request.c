/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_request.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

/* --- names --- */

static const struct {
	const char *name, *text;
	enum blk_status status;
} faults[BLK_FAULT_COUNT] = {
	[BLK_FINE] = {"ok", "no error", BLK_S_OK},
	[BLK_FAULT_STATUS_MISSING] = {"status-missing", "no byte for the status", BLK_S_IOERR},
	[BLK_FAULT_HEADER_SHORT] = {"header-short", "header is shorter than 16 bytes", BLK_S_IOERR},
	[BLK_FAULT_TYPE] = {"type-unknown", "type of request that was not offered", BLK_S_UNSUPP},
	[BLK_FAULT_UNALIGNED] = {"unaligned", "length is no number of sectors", BLK_S_IOERR},
	[BLK_FAULT_SEGMENTS] = {"too-many-segments", "more segments than seg_max", BLK_S_IOERR},
	[BLK_FAULT_TOO_LONG] = {"too-long", "more data than one request may have", BLK_S_IOERR},
	[BLK_FAULT_RANGES] = {"ranges", "number or length of ranges is more than was offered", BLK_S_IOERR},
	[BLK_FAULT_RANGE_FLAGS] = {"range-flags", "flags of a range that mean nothing", BLK_S_UNSUPP},
	[BLK_FAULT_BEYOND_END] = {"beyond-end", "beyond the end of the disk", BLK_S_IOERR},
	[BLK_FAULT_READ_ONLY] = {"read-only", "change of a read-only disk", BLK_S_IOERR},
	[BLK_FAULT_CUT_SHORT] = {"cut-short", "the image ends before its disk does", BLK_S_IOERR},
	[BLK_FAULT_NO_SPACE] = {"no-space", "no room for the image where it is stored", BLK_S_IOERR},
	[BLK_FAULT_IO] = {"io-error", "the image's storage has failed", BLK_S_IOERR},
	[BLK_FAULT_MEMORY] = {"memory", "the guest's memory has gone", BLK_S_IOERR},
	[BLK_FAULT_KERNEL] = {"refused", "the kernel refused the operation", BLK_S_IOERR},
};

const char *blk_fault_name(enum blk_fault fault)
{
	return faults[fault].name;
}

const char *blk_fault_text(enum blk_fault fault)
{
	return faults[fault].text;
}

enum blk_status blk_fault_status(enum blk_fault fault)
{
	return faults[fault].status;
}

enum blk_fault blk_fault_of(int64_t err)
{
	switch (err) {
	case -EIO:
	case -ENODEV:
	case -ENXIO:
	case -ETIMEDOUT:
		return BLK_FAULT_IO;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return BLK_FAULT_NO_SPACE;
	case -EFAULT:
		return BLK_FAULT_MEMORY;
	default:
		return BLK_FAULT_KERNEL;
	}
}

static const char *const kinds[BLK_KINDS] = {
	[BLK_KIND_READ] = "read",
	[BLK_KIND_WRITE] = "write",
	[BLK_KIND_FLUSH] = "flush",
	[BLK_KIND_DISCARD] = "discard",
	[BLK_KIND_WRITE_ZEROES] = "write-zeroes",
	[BLK_KIND_GET_ID] = "get-id",
	[BLK_KIND_OTHER] = "other",
};

const char *blk_kind_name(enum blk_kind kind)
{
	return kinds[kind];
}

/* --- the guest's bytes --- */

/* Copies what lies from `skip` on, at most len bytes; returns how many there were. */
static uint32_t copy_out(const struct virtq_seg *segs, uint32_t n, uint64_t skip, void *to, uint32_t len)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < n && done < len; i++) {
		uint32_t part;

		if (skip >= segs[i].len) {
			skip -= segs[i].len;
			continue;
		}
		part = min_u32(segs[i].len - (uint32_t)skip, len - done);
		memcpy((uint8_t *)to + done, segs[i].addr + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

static void copy_in(const struct virtq_seg *segs, uint32_t n, const void *from, uint32_t len)
{
	for (uint32_t i = 0, done = 0; i < n && done < len; i++) {
		uint32_t part = min_u32(segs[i].len, len - done);

		memcpy(segs[i].addr, (const uint8_t *)from + done, part);
		done += part;
	}
}

/* The same pieces for the kernel, len bytes from `skip` on. False: there are too many. */
static bool map_data(struct blk_request *r, const struct virtq_seg *segs, uint64_t skip, uint64_t len)
{
	r->io.n = 0;
	r->io.iov = r->iov;
	for (; len > 0; segs++) {
		uint64_t part;

		if (skip >= segs->len) {
			skip -= segs->len;
			continue;
		}
		if (r->io.n == r->iov_max)
			return false;
		part = min_u64(segs->len - skip, len);
		r->iov[r->io.n++] = (struct iovec){.iov_base = segs->addr + skip, .iov_len = part};
		len -= part;
		skip = 0;
	}
	return true;
}

static bool is_aligned(const struct blk_file *f, const struct blk_io *io)
{
	uint64_t bits = 0;

	if (f->fd == f->plain_fd)
		return true;
	for (uint32_t i = 0; i < io->n; i++)
		bits |= (uintptr_t)io->iov[i].iov_base | io->iov[i].iov_len % f->offset_align;
	return bits % f->memory_align == 0 && (io->offset | io->len) % f->offset_align == 0;
}

/* --- parsing --- */

void blk_request_init(struct blk_request *r, struct iovec *iov, uint32_t iov_max)
{
	*r = (struct blk_request){.iov = iov, .iov_max = iov_max};
}

/* A piece of the disk, in sectors, as an offset in bytes. */
static bool on_disk(const struct blk_file *f, uint64_t sector, uint64_t len, uint64_t *offset)
{
	uint64_t size = blk_file_size(f);

	if (sector > size >> BLK_SECTOR_BITS || len > size - (sector << BLK_SECTOR_BITS))
		return false;
	*offset = sector << BLK_SECTOR_BITS;
	return true;
}

static bool writes_through(const struct blk_rules *rules)
{
	return __atomic_load_n(&rules->write_through, __ATOMIC_RELAXED);
}

static enum blk_fault parse_transfer(struct blk_request *r, const struct virtq_chain *c,
	const struct blk_rules *rules, const struct blk_header *h)
{
	bool write = h->type == BLK_T_OUT;
	const struct virtq_seg *segs = write ? c->segs : c->segs + c->n_read;
	uint64_t skip = write ? sizeof(*h) : 0;
	uint64_t len = write ? c->read_len - sizeof(*h) : c->write_len - 1;

	r->kind = write ? BLK_KIND_WRITE : BLK_KIND_READ;
	if (write && rules->file->read_only)
		return BLK_FAULT_READ_ONLY;
	if (len % BLK_SECTOR != 0)
		return BLK_FAULT_UNALIGNED;
	if (len > BLK_MAX_BYTES)
		return BLK_FAULT_TOO_LONG;
	if (!on_disk(rules->file, h->sector, len, &r->io.offset))
		return BLK_FAULT_BEYOND_END;
	if (!map_data(r, segs, skip, len))
		return BLK_FAULT_SEGMENTS;
	r->io.op = write ? BLK_IO_WRITE : BLK_IO_READ;
	r->io.len = len;
	r->io.durable = write && writes_through(rules);
	r->io.plain = !is_aligned(rules->file, &r->io);
	r->bytes = len;
	if (!write)
		r->written = (uint32_t)len + 1;
	return BLK_FINE;
}

static enum blk_fault parse_extent(
	struct blk_extent *e, const struct blk_range *range, const struct blk_rules *rules, bool zeroes)
{
	e->len = (uint64_t)range->n_sectors << BLK_SECTOR_BITS;
	e->unmap = range->flags & BLK_RANGE_UNMAP;
	if (range->flags & ~(zeroes ? BLK_RANGE_UNMAP : 0))
		return BLK_FAULT_RANGE_FLAGS;
	if (range->n_sectors > BLK_MAX_RANGE_SECTORS)
		return BLK_FAULT_RANGES;
	return on_disk(rules->file, range->sector, e->len, &e->offset) ? BLK_FINE : BLK_FAULT_BEYOND_END;
}

/* All ranges are checked before anything is done with the first. */
static enum blk_fault parse_ranges(struct blk_request *r, const struct virtq_chain *c,
	const struct blk_rules *rules, const struct blk_header *h)
{
	struct blk_range ranges[BLK_MAX_RANGES];
	uint64_t len = c->read_len - sizeof(*h);
	bool zeroes = h->type == BLK_T_WRITE_ZEROES;

	r->kind = zeroes ? BLK_KIND_WRITE_ZEROES : BLK_KIND_DISCARD;
	if (zeroes ? !rules->write_zeroes : !rules->discard)
		return BLK_FAULT_TYPE;
	if (rules->file->read_only)
		return BLK_FAULT_READ_ONLY;
	if (len == 0 || len % sizeof(ranges[0]) != 0 || len > sizeof(ranges))
		return BLK_FAULT_RANGES;
	copy_out(c->segs, c->n_read, sizeof(*h), ranges, (uint32_t)len);
	r->n_extents = (uint32_t)(len / sizeof(ranges[0]));
	for (uint32_t i = 0; i < r->n_extents; i++) {
		enum blk_fault fault = parse_extent(&r->extents[i], &ranges[i], rules, zeroes);

		if (fault)
			return fault;
		r->bytes += r->extents[i].len;
	}
	r->sync_after = writes_through(rules);
	return BLK_FINE;
}

static void answer_id(struct blk_request *r, const struct virtq_chain *c, const struct blk_rules *rules)
{
	uint32_t len = (uint32_t)min_u64(c->write_len - 1, BLK_ID_LEN);

	r->kind = BLK_KIND_GET_ID;
	copy_in(c->segs + c->n_read, c->n_write, rules->serial, len);
	r->written = len + 1;
}

static bool begin_extent(struct blk_request *r);

static enum blk_next start(struct blk_request *r, const struct virtq_chain *c, const struct blk_rules *rules,
	const struct blk_header *h, enum blk_fault *fault)
{
	*fault = BLK_FINE;
	switch (h->type) {
	case BLK_T_IN:
	case BLK_T_OUT:
		*fault = parse_transfer(r, c, rules, h);
		return *fault || r->io.len == 0 ? BLK_NEXT_DONE : BLK_NEXT_IO;
	case BLK_T_FLUSH:
		r->kind = BLK_KIND_FLUSH;
		r->io.op = BLK_IO_SYNC;
		return BLK_NEXT_IO;
	case BLK_T_GET_ID:
		answer_id(r, c, rules);
		return BLK_NEXT_DONE;
	case BLK_T_DISCARD:
	case BLK_T_WRITE_ZEROES:
		*fault = parse_ranges(r, c, rules, h);
		return *fault || !begin_extent(r) ? BLK_NEXT_DONE : BLK_NEXT_IO;
	default:
		*fault = BLK_FAULT_TYPE;
		return BLK_NEXT_DONE;
	}
}

enum blk_next blk_request_parse(struct blk_request *r, const struct virtq_chain *c,
	const struct blk_rules *rules, enum blk_fault *fault)
{
	const struct virtq_seg *last;
	struct blk_header header;

	r->io = (struct blk_io){0};
	r->buffer = c->buffer;
	r->kind = BLK_KIND_OTHER;
	r->status = NULL;
	r->written = 1;
	r->bytes = 0;
	r->n_extents = r->extent = 0;
	r->sync_after = false;
	if (c->n_write == 0) {
		r->written = 0;
		*fault = BLK_FAULT_STATUS_MISSING;
		return BLK_NEXT_DONE;
	}
	last = &c->segs[c->n_read + c->n_write - 1];
	r->status = last->addr + last->len - 1;
	if (copy_out(c->segs, c->n_read, 0, &header, sizeof(header)) < sizeof(header)) {
		*fault = BLK_FAULT_HEADER_SHORT;
		return BLK_NEXT_DONE;
	}
	return start(r, c, rules, &header, fault);
}

/* --- one operation after the other --- */

/* False: all of them are done. */
static bool begin_extent(struct blk_request *r)
{
	while (r->extent < r->n_extents && r->extents[r->extent].len == 0)
		r->extent++;
	if (r->extent < r->n_extents) {
		const struct blk_extent *e = &r->extents[r->extent];

		r->io = (struct blk_io){.op = BLK_IO_DISCARD, .offset = e->offset, .len = e->len};
		if (r->kind == BLK_KIND_WRITE_ZEROES)
			r->io.op = e->unmap ? BLK_IO_UNMAP : BLK_IO_ZERO;
		return true;
	}
	if (!r->sync_after)
		return false;
	r->sync_after = false;
	r->io = (struct blk_io){.op = BLK_IO_SYNC};
	return true;
}

static const _Alignas(4096) uint8_t zeros[65536];

/* As much of this extent as fits into one write. */
static void begin_zeros(struct blk_request *r)
{
	const struct blk_extent *e = &r->extents[r->extent];
	uint64_t left = min_u64(e->len, (uint64_t)min_u32(r->iov_max, 16) * sizeof(zeros));

	r->io = (struct blk_io){
		.op = BLK_IO_WRITE, .plain = true, .iov = r->iov, .offset = e->offset, .len = left};
	for (; left > 0; left -= r->iov[r->io.n++].iov_len)
		r->iov[r->io.n] = (struct iovec){
			.iov_base = (void *)(uintptr_t)zeros, .iov_len = min_u64(left, sizeof(zeros))};
}

static enum blk_next after_transfer(struct blk_request *r, enum blk_fault *fault)
{
	if (r->io.result == 0) {
		*fault = BLK_FAULT_CUT_SHORT;
		return BLK_NEXT_DONE;
	}
	blk_io_advance(&r->io, (uint64_t)r->io.result);
	return r->io.len > 0 ? BLK_NEXT_IO : BLK_NEXT_DONE;
}

static enum blk_next after_extent(struct blk_request *r)
{
	r->extent++;
	return begin_extent(r) ? BLK_NEXT_IO : BLK_NEXT_DONE;
}

static enum blk_next after_zeros(struct blk_request *r, enum blk_fault *fault)
{
	struct blk_extent *e = &r->extents[r->extent];

	if (r->io.result == 0) {
		*fault = BLK_FAULT_CUT_SHORT;
		return BLK_NEXT_DONE;
	}
	e->offset += (uint64_t)r->io.result;
	e->len -= (uint64_t)r->io.result;
	if (e->len == 0)
		return after_extent(r);
	begin_zeros(r);
	return BLK_NEXT_IO;
}

/* What a file system cannot do. A discard is a hint, which it may ignore; zeros there must be. */
static enum blk_next without(struct blk_request *r)
{
	switch (r->io.op) {
	case BLK_IO_DISCARD:
		return after_extent(r);
	case BLK_IO_UNMAP:
		r->io.op = BLK_IO_ZERO;
		return BLK_NEXT_IO;
	default:
		begin_zeros(r);
		return BLK_NEXT_IO;
	}
}

enum blk_next blk_request_next(struct blk_request *r, enum blk_fault *fault)
{
	int64_t result = r->io.result;

	*fault = BLK_FINE;
	if (result == -EAGAIN || result == -EINTR)
		return BLK_NEXT_IO;
	if (result == -EOPNOTSUPP && r->io.op >= BLK_IO_DISCARD)
		return without(r);
	if (result < 0) {
		*fault = blk_fault_of(result);
		return BLK_NEXT_DONE;
	}
	switch (r->io.op) {
	case BLK_IO_READ:
		return after_transfer(r, fault);
	case BLK_IO_WRITE:
		return r->kind == BLK_KIND_WRITE ? after_transfer(r, fault) : after_zeros(r, fault);
	case BLK_IO_SYNC:
		return BLK_NEXT_DONE;
	default:
		return after_extent(r);
	}
}
