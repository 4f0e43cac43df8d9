/* SPDX-License-Identifier: Apache-2.0 */
/* frame_private - what frame.c and frame_segment.c share. */
#ifndef GINNEL_PORT_FRAME_PRIVATE_H
#define GINNEL_PORT_FRAME_PRIVATE_H

#include "port/frame.h"

/* Finds the headers of a frame that stands for several, and the size of its segments. DROP_NONE or why it cannot go. */
enum drop frame_find_headers(struct frame_iter *it, uint32_t mtu);
/* After that, if the receiver cannot segment: the next segment. */
void frame_segment_begin(struct frame_iter *it);
void frame_segment(struct frame_iter *it, struct frame *f);

/* The checksum at start + offset is begun: the receiver completes it, or we do in the copy. */
void frame_csum(const struct frame_iter *it, struct frame *f, uint16_t start, uint16_t offset);

/* len: not beyond the piece. */
static inline void frame_cursor_advance(struct frame_cursor *c, uint32_t len)
{
	c->at += len;
	if (c->at == c->seg->len)
		*c = (struct frame_cursor){.seg = c->seg + 1};
}

#endif
