/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gmem - a guest's memory as we see it: a sorted table of shared regions and the only ways to turn a guest's
 * address into a pointer of ours.
 *
 *	guest physical (gpa)   what descriptors hold      gmem_at(), gmem_span()
 *	front-end's (uaddr)    what ring addresses hold   gmem_at_uaddr()
 *
 * A table never changes once made: gmem_add() and gmem_remove() make the next one, which shares the regions that
 * stay, so only the one that comes or goes is mapped or unmapped. Whoever replaces a table takes care that nobody uses
 * the old one (os/rcu.h) before gmem_destroy(). Tables are made and destroyed by the control thread only.
 *
 * All arithmetic is unsigned and checked as `offset < size && len <= size - offset`.
 * A file that its owner cuts short reads as zeros from then on (os/guard.h), and gmem_lost() tells.
 */
#ifndef GINNEL_VIRTIO_GMEM_H
#define GINNEL_VIRTIO_GMEM_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many memory slots as QEMU's other back-ends have. */
#define GMEM_MAX_REGIONS 509
/*
 * Of all regions of a table, and of all tables. Memory costs its owner nothing while it is sparse, but it costs us
 * addresses, of which there are 128 TiB.
 */
#define GMEM_MAX_BYTES     (4ull << 40)
#define GMEM_MAX_BYTES_ALL (64ull << 40)

/* Never changes while it is mapped, and is mapped while a table holds it. */
struct gmem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;
	uint8_t *hva; /* our address of gpa */
	/* for unmapping, display, and whoever maps the same memory */
	uint64_t offset; /* of gpa in the file */
	int fd;          /* the file */
	void *map;
	size_t map_len;
	int guard;
	uint32_t tables; /* that hold this region */
};

struct gmem {
	uint32_t n;
	struct gmem_region **by_hva;   /* the same regions in another order */
	struct gmem_region *regions[]; /* by gpa, no overlap */
};

/* One region as a peer describes it; nothing in it is trusted. */
struct gmem_spec {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;
	uint64_t offset;
	int fd;
};

/*
 * Maps all regions, or none. The fds stay the caller's and may be closed afterwards. 0 or -errno; on failure `why`
 * holds a sentence for the log that names the mend where there is one.
 */
int gmem_create(struct gmem **out, const struct gmem_spec *specs, uint32_t n, char *why, size_t why_len);

/*
 * The table of old's regions and one more. old stays as it is and is destroyed as any other; NULL is an empty one.
 * Fails as gmem_create() does.
 */
int gmem_add(
	const struct gmem *old, const struct gmem_spec *spec, struct gmem **out, char *why, size_t why_len);
/* The table without the region of this gpa, uaddr and size; nothing else of the description is looked at. */
int gmem_remove(
	const struct gmem *old, const struct gmem_spec *spec, struct gmem **out, char *why, size_t why_len);

/* The same table once more: its regions stay mapped until both are destroyed. 0 or -ENOMEM. */
int gmem_share(const struct gmem *mem, struct gmem **out);

/* The table holds exactly this piece of this file at these addresses; NULL holds nothing. */
bool gmem_holds(const struct gmem *mem, const struct gmem_spec *spec);

/* Unmaps the regions that no other table holds. */
void gmem_destroy(struct gmem *mem);

/* One of the files behind this memory was cut short. */
bool gmem_lost(const struct gmem *mem);

/* The region that holds gpa, or NULL. */
const struct gmem_region *gmem_find(const struct gmem *mem, uint64_t gpa);

/* A pointer to len bytes at a front-end address, or NULL unless one region holds them all. */
uint8_t *gmem_at_uaddr(const struct gmem *mem, uint64_t uaddr, uint64_t len);

/* The guest address of a pointer that gmem_at() or gmem_span() returned; for the dirty log. */
uint64_t gmem_gpa_of(const struct gmem *mem, const void *hva);

/*
 * A pointer to the bytes at gpa that lie in one region: *len is cut to what is there. NULL when nothing is.
 * hint remembers the last region between calls; it belongs to the caller and starts as NULL.
 */
static inline uint8_t *gmem_span(
	const struct gmem *mem, const struct gmem_region **hint, uint64_t gpa, uint64_t *len)
{
	const struct gmem_region *r = *hint;

	if (unlikely(!r || gpa - r->gpa >= r->size)) {
		r = gmem_find(mem, gpa);
		if (!r)
			return NULL;
		*hint = r;
	}
	*len = min_u64(*len, r->size - (gpa - r->gpa));
	return r->hva + (gpa - r->gpa);
}

/* A region, in three words that a loop keeps in registers. */
struct gmem_window {
	uint64_t gpa, size;
	uint8_t *hva;
};

/* NULL: an empty one. */
static inline struct gmem_window gmem_window(const struct gmem_region *r)
{
	return r ? (struct gmem_window){.gpa = r->gpa, .size = r->size, .hva = r->hva}
		 : (struct gmem_window){0};
}

/* As gmem_at(), for loops: the window is moved to where the address is. */
static inline uint8_t *gmem_window_at(const struct gmem *mem, const struct gmem_region **hint,
	struct gmem_window *w, uint64_t gpa, uint64_t len)
{
	if (unlikely(gpa - w->gpa >= w->size)) {
		const struct gmem_region *r = gmem_find(mem, gpa);

		if (!r)
			return NULL;
		*hint = r;
		*w = gmem_window(r);
	}
	return likely(len <= w->size - (gpa - w->gpa)) ? w->hva + (gpa - w->gpa) : NULL;
}

/* A pointer to exactly len bytes at gpa, or NULL unless one region holds them all. */
static inline uint8_t *gmem_at(
	const struct gmem *mem, const struct gmem_region **hint, uint64_t gpa, uint64_t len)
{
	uint64_t there = len;
	uint8_t *p = gmem_span(mem, hint, gpa, &there);

	return likely(p && there == len) ? p : NULL;
}

#endif
