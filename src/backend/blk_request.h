/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_request - what a guest wants of its disk: a chain of descriptors becomes a checked request, a request becomes
 * operations on the image, and in the end one byte of status.
 *
 *	chain --blk_request_parse()--> request --+--> io --> done --blk_request_next()--> status
 *	                                         ^                          |
 *	                                         +-- another, of the rest --+
 *
 * Parsing reads each byte of the guest's that decides something once, header and ranges, into the request. Nothing a
 * guest writes later changes what is done. Where the data goes was checked when the chain was taken (virtio/virtq.h).
 *
 * Whatever is wrong with a request, or goes wrong, has a name; that decides about the status, and is counted.
 */
#ifndef GINNEL_BACKEND_BLK_REQUEST_H
#define GINNEL_BACKEND_BLK_REQUEST_H

#include "backend/blk_io.h"
#include "virtio/blk.h"
#include "virtio/virtq.h"

/* Data of one request at most; no guest's limit comes near it. */
#define BLK_MAX_BYTES (1u << 30)
/* Ranges of one DISCARD or WRITE_ZEROES. */
#define BLK_MAX_RANGES 16
/* Each of them: bytes of room that stays zeros are written in small pieces, and one request should not take for ever. */
#define BLK_MAX_RANGE_SECTORS (1u << 22)

enum blk_fault {
	BLK_FINE,
	/* what is wrong with it */
	BLK_FAULT_STATUS_MISSING,
	BLK_FAULT_HEADER_SHORT,
	BLK_FAULT_TYPE,
	BLK_FAULT_UNALIGNED,
	BLK_FAULT_SEGMENTS,
	BLK_FAULT_TOO_LONG,
	BLK_FAULT_RANGES,
	BLK_FAULT_RANGE_FLAGS,
	BLK_FAULT_BEYOND_END,
	BLK_FAULT_READ_ONLY,
	/* what went wrong */
	BLK_FAULT_CUT_SHORT,
	BLK_FAULT_NO_SPACE,
	BLK_FAULT_IO,
	BLK_FAULT_MEMORY,
	BLK_FAULT_KERNEL,
	BLK_FAULT_COUNT,
};

/* "beyond-end", and "request reaches beyond the end of the disk". */
const char *blk_fault_name(enum blk_fault fault);
const char *blk_fault_text(enum blk_fault fault);
enum blk_status blk_fault_status(enum blk_fault fault);
/* What -errno of an operation is. */
enum blk_fault blk_fault_of(int64_t err);

/* What a request may ask for. */
struct blk_rules {
	const struct blk_file *file;
	uint32_t seg_max;
	bool discard, write_zeroes;
	bool write_through; /* everything is on the disk before it is answered; relaxed atomic: it may change meanwhile */
	char serial[BLK_ID_LEN];
};

enum blk_kind { /* for counters */
	BLK_KIND_READ,
	BLK_KIND_WRITE,
	BLK_KIND_FLUSH,
	BLK_KIND_DISCARD,
	BLK_KIND_WRITE_ZEROES,
	BLK_KIND_GET_ID,
	BLK_KIND_OTHER,
	BLK_KINDS,
};

const char *blk_kind_name(enum blk_kind kind);

struct blk_extent {
	uint64_t offset, len;
	bool unmap;
};

struct blk_request {
	struct blk_io io; /* the operation that is on its way */
	struct virtq_buffer buffer;
	uint16_t noted; /* where it is noted as being in flight (vhost/inflight.h) */
	enum blk_kind kind;
	uint8_t *status;   /* the guest's; NULL: there is none */
	uint32_t written;  /* bytes the guest may look at when all is well */
	uint64_t bytes;    /* of data, for counters */
	uint64_t began_ns; /* when it was taken */
	bool abandoned;    /* its ring has gone: nobody waits for it */
	struct blk_request *next_free;
	/* DISCARD, WRITE_ZEROES */
	uint32_t n_extents, extent;
	bool sync_after;
	struct blk_extent extents[BLK_MAX_RANGES];
	/* the data: the guest's memory, as room for iov_max pieces that was given by blk_request_init() */
	uint32_t iov_max;
	struct iovec *iov;
};

void blk_request_init(struct blk_request *r, struct iovec *iov, uint32_t iov_max);

enum blk_next {
	BLK_NEXT_IO,   /* r->io is to be carried out */
	BLK_NEXT_DONE, /* nothing is left to do, *fault says how it went */
};

/* r->status is set whatever comes out of it. */
enum blk_next blk_request_parse(struct blk_request *r, const struct virtq_chain *chain,
	const struct blk_rules *rules, enum blk_fault *fault);
/* r->io is done. */
enum blk_next blk_request_next(struct blk_request *r, enum blk_fault *fault);

#endif
