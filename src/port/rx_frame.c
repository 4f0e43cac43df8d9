/* SPDX-License-Identifier: Apache-2.0 */
#include "port/rx_frame.h"

void rx_frame_take_slow(struct rx_frame *f, uint8_t *to, uint32_t len)
{
	while (len > 0) {
		uint32_t part = min_u32(f->segs->len, len);

		memcpy(to, f->segs->addr, part);
		to += part;
		len -= part;
		rx_frame_advance(f, part);
	}
}
