/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - a guest's memory whose every region ends where a page begins that nobody may touch; what lies before it is
 * poisoned under AddressSanitizer. So an access beyond a region is seen, however small it is.
 *
 *	0x10000   0x4000  the rings, and buffers
 *	0x14000   0x1000  beside it for the guest, elsewhere for us
 *	0x20000    0x208  of an odd length, behind a hole
 *	2^64-4096  0xff0  near the end of all addresses
 *
 * A front-end's address is a guest's address plus ARENA_UADDR, and wraps around for the last region.
 */
#ifndef GINNEL_FUZZ_ARENA_H
#define GINNEL_FUZZ_ARENA_H

#include "fuzz.h"

#include "virtio/gmem.h"

#define ARENA_GPA     0x10000ull
#define ARENA_LEN     0x4000ull
#define ARENA_GPA_2   (ARENA_GPA + ARENA_LEN)
#define ARENA_LEN_2   0x1000ull
#define ARENA_GPA_3   0x20000ull
#define ARENA_LEN_3   0x208ull
#define ARENA_GPA_4   (UINT64_MAX - 0xfff)
#define ARENA_LEN_4   0xff0ull
#define ARENA_REGIONS 4

#define ARENA_UADDR 0x100000ull

/* Zeroed. The same memory each time. */
struct gmem *arena_open(void);

/* Bytes from gpa that are in one region, at most len, and where; 0: none. */
uint64_t arena_span(uint64_t gpa, uint64_t len, uint8_t **at);
/* NULL unless one region holds them all. */
uint8_t *arena_at(uint64_t gpa, uint64_t len);
/* [p, p + len) lies in one region. */
bool arena_holds(const uint8_t *p, uint64_t len);

/* The same over the borders of regions that lie side by side. False: some of the bytes are nowhere. */
bool arena_read(uint64_t gpa, void *to, uint64_t len);

/* What changed in the pages below ARENA_PAGES since arena_remember(), as a bit each. */
#define ARENA_PAGES 64
void arena_remember(void);
uint64_t arena_changed(void);

/* Addresses that are worth a try. */
uint64_t arena_some_gpa(struct fuzz *f);
/* Writes a few bytes somewhere. */
void arena_scribble(struct fuzz *f);

#endif
