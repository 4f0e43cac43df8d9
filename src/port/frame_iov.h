/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame_iov - a frame as pieces for the kernel to gather: the head, and the body where the sender has it. The kernel makes
 * the one copy.
 */
#ifndef GINNEL_PORT_FRAME_IOV_H
#define GINNEL_PORT_FRAME_IOV_H

#include "port/frame.h"

#include <sys/uio.h>

/* Beyond this many the pieces are better copied together, and the kernel takes no more than 1024. */
#define FRAME_IOV_MAX 64

/* Returns how many pieces it took, or 0: more than FRAME_IOV_MAX. f->csum must not be left to do. */
static inline uint32_t frame_iov(const struct frame *f, struct iovec iov[FRAME_IOV_MAX])
{
	struct frame_cursor body = f->body;
	uint32_t n = 0;

	iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)f->head, .iov_len = f->head_len};
	for (uint32_t left = f->body_len, part; left > 0; left -= part) {
		if (unlikely(n == FRAME_IOV_MAX))
			return 0;
		part = min_u32(left, body.seg->len - body.at);
		iov[n++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)(body.seg->addr + body.at), .iov_len = part};
		body = (struct frame_cursor){.seg = body.seg + 1};
	}
	return n;
}

#endif
