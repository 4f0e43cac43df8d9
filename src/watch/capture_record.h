/* SPDX-License-Identifier: Apache-2.0 */
/* capture_record - a frame in a capture's ring: this, then cap_len bytes, then up to the next multiple of eight. */
#ifndef GINNEL_WATCH_CAPTURE_RECORD_H
#define GINNEL_WATCH_CAPTURE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

struct capture_record {
	uint64_t time_ns; /* of the turn's clock */
	uint32_t len, cap_len;
	uint32_t iface;
	uint32_t lost_before; /* frames that should stand here and had no room */
	uint16_t drop;        /* enum drop */
	bool out;             /* on its way out */
};

static inline uint64_t capture_record_size(const struct capture_record *r)
{
	return (sizeof(*r) + (uint64_t)r->cap_len + 7) & ~7ull;
}

#endif
