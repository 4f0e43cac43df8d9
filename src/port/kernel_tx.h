/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_tx - frames that the kernel takes: as pieces for it to gather, the head, and the body where the sender has it. It
 * makes the one copy. And why it did not take one.
 */
#ifndef GINNEL_PORT_KERNEL_TX_H
#define GINNEL_PORT_KERNEL_TX_H

#include "port/frame.h"

#include <errno.h>
#include <sys/uio.h>

/* Beyond this many the pieces are better copied together, and the kernel takes no more than 1024. */
#define KERNEL_TX_PIECES 64

/* Returns how many pieces it took, or 0: more than max. f->csum must not be left to do. */
static inline uint32_t kernel_tx_pieces(const struct frame *f, struct iovec *iov, uint32_t max)
{
	struct frame_cursor body = f->body;
	uint32_t n = 0;

	iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)f->head, .iov_len = f->head_len};
	for (uint32_t left = f->body_len, part; left > 0; left -= part) {
		if (unlikely(n == max))
			return 0;
		part = min_u32(left, body.seg->len - body.at);
		iov[n++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)(body.seg->addr + body.at), .iov_len = part};
		body = (struct frame_cursor){.seg = body.seg + 1};
	}
	return n;
}

/* err: of the errno.h kind, positive. */
static inline enum drop kernel_tx_drop(int err)
{
	switch (err) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case EINTR:
		return DROP_TX_NO_BUFFER;
	case EIO:    /* a tap whose other side is down .. */
	case EBADFD: /* .. or gone */
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOTCONN:
	case ENOENT:
	case EPIPE:
		return DROP_TX_NO_PEER;
	case EMSGSIZE:
		return DROP_TX_MTU;
	default:
		return DROP_TX_REFUSED;
	}
}

/* Where one frame finds no room or nobody there, the others of a burst would not either. */
static inline bool kernel_tx_is_over(enum drop drop)
{
	return drop == DROP_TX_NO_BUFFER || drop == DROP_TX_NO_PEER;
}

#endif
