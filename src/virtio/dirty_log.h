/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dirty_log - tells a migrating front-end which pages of guest memory we wrote: one bit per 4 KiB page, set with an
 * atomic OR because the front-end clears bits meanwhile. First the write, then its mark: whoever clears a bit and copies
 * the page afterwards copies what was written.
 */
#ifndef GINNEL_VIRTIO_DIRTY_LOG_H
#define GINNEL_VIRTIO_DIRTY_LOG_H

#include <stddef.h>
#include <stdint.h>

#define DIRTY_LOG_PAGE 4096

struct dirty_log {
	uint8_t *bits;
	uint64_t size; /* bytes of bits; pages beyond are not logged */
};

/* Marks the pages of [gpa, gpa + len); len 0 marks nothing. */
static inline void dirty_log_mark(const struct dirty_log *log, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return;

	uint64_t last = (gpa + len - 1) / DIRTY_LOG_PAGE;

	for (uint64_t page = gpa / DIRTY_LOG_PAGE; page <= last && page / 8 < log->size; page++)
		__atomic_fetch_or(&log->bits[page / 8], (uint8_t)(1u << (page % 8)), __ATOMIC_RELAXED);
}

#endif
