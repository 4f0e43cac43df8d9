/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/gmem.h"

#include "os/foreign.h"
#include "os/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char *why, size_t why_len, int err, const char *reason)
{
	snprintf(why, why_len, "%s", reason);
	return err;
}

static bool wraps(uint64_t start, uint64_t len)
{
	return start + len < start;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* What can be said about a description without looking at the file. */
static int check_spec(const struct gmem_spec *s, char *why, size_t why_len)
{
	if (s->size == 0)
		return refuse(why, why_len, -EINVAL, "memory region of size 0");
	if (wraps(s->gpa, s->size) || wraps(s->uaddr, s->size) || wraps(s->offset, s->size))
		return refuse(why, why_len, -EINVAL, "memory region wraps around the address space");
	if (s->offset + s->size > SIZE_MAX / 2)
		return refuse(why, why_len, -EINVAL, "memory region larger than the address space");
	return 0;
}

static int check_sum(const struct gmem_spec *specs, uint32_t n, char *why, size_t why_len)
{
	uint64_t left = GMEM_MAX_BYTES;

	for (uint32_t i = 0; i < n; i++) {
		if (specs[i].size > left)
			return refuse(why, why_len, -E2BIG, "more than 4 TiB of guest memory");
		left -= specs[i].size;
	}
	return 0;
}

static int check_overlap(const struct gmem_spec *specs, uint32_t n, char *why, size_t why_len)
{
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < i; j++) {
			const struct gmem_spec *a = &specs[i], *b = &specs[j];

			if (overlap(a->gpa, a->size, b->gpa, b->size) ||
				overlap(a->uaddr, a->size, b->uaddr, b->size))
				return refuse(why, why_len, -EINVAL, "memory regions overlap");
		}
	}
	return 0;
}

static int check_file(const struct gmem_spec *s, uint64_t *block, char *why, size_t why_len)
{
	struct stat st;

	if (foreign_kind(s->fd) != FOREIGN_MEMORY)
		return refuse(why, why_len, -EINVAL,
			"guest memory is not shared memory: start QEMU with -object "
			"memory-backend-memfd,share=on, or with a file in /dev/shm or hugetlbfs");
	if (fstat(s->fd, &st) < 0)
		return refuse(why, why_len, -errno, strerror(errno));
	if ((uint64_t)st.st_size < s->offset + s->size)
		return refuse(why, why_len, -EINVAL, "memory region ends beyond its file");
	*block = max_u32((uint32_t)st.st_blksize, 4096); /* the page size of a hugetlbfs file */
	return 0;
}

/* A huge page file can be mapped only from the start of a page of its own. */
static int map_region(struct gmem_region *r, const struct gmem_spec *s, char *why, size_t why_len)
{
	uint64_t block = 4096, before;
	int err = check_file(s, &block, why, why_len);

	if (err)
		return err;
	*r = (struct gmem_region){
		.gpa = s->gpa, .size = s->size, .uaddr = s->uaddr, .offset = s->offset, .guard = -1};
	before = s->offset % block;
	r->map_len = (before + s->size + block - 1) / block * block;
	r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->fd,
		(off_t)(s->offset - before));
	if (r->map == MAP_FAILED) {
		err = -errno;
		snprintf(why, why_len, "cannot map %zu bytes of guest memory: %s", r->map_len,
			strerror(errno));
		return err;
	}
	madvise(r->map, r->map_len, MADV_DONTDUMP);
	r->guard = guard_add(r->map, r->map_len);
	if (r->guard < 0) {
		munmap(r->map, r->map_len);
		return refuse(why, why_len, r->guard, "too many memory regions in all");
	}
	r->hva = (uint8_t *)r->map + before;
	return 0;
}

static void unmap_region(struct gmem_region *r)
{
	guard_del(r->guard);
	munmap(r->map, r->map_len);
}

static int by_gpa(const void *a, const void *b)
{
	const struct gmem_region *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

int gmem_create(struct gmem **out, const struct gmem_spec *specs, uint32_t n, char *why, size_t why_len)
{
	struct gmem *mem;
	int err = 0;

	if (n > GMEM_MAX_REGIONS)
		return refuse(why, why_len, -E2BIG, "more memory regions than a message can hold");
	for (uint32_t i = 0; i < n && err == 0; i++)
		err = check_spec(&specs[i], why, why_len);
	if (err == 0)
		err = check_sum(specs, n, why, why_len);
	if (err == 0)
		err = check_overlap(specs, n, why, why_len);
	if (err)
		return err;
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return refuse(why, why_len, -ENOMEM, "out of memory");
	for (; mem->n < n; mem->n++) {
		err = map_region(&mem->regions[mem->n], &specs[mem->n], why, why_len);
		if (err) {
			gmem_destroy(mem);
			return err;
		}
	}
	qsort(mem->regions, mem->n, sizeof(mem->regions[0]), by_gpa);
	*out = mem;
	return 0;
}

void gmem_destroy(struct gmem *mem)
{
	if (!mem)
		return;
	for (uint32_t i = 0; i < mem->n; i++)
		unmap_region(&mem->regions[i]);
	free(mem);
}

bool gmem_lost(const struct gmem *mem)
{
	for (uint32_t i = 0; i < mem->n; i++)
		if (guard_lost(mem->regions[i].guard))
			return true;
	return false;
}

const struct gmem_region *gmem_find(const struct gmem *mem, uint64_t gpa)
{
	for (uint32_t i = 0; i < mem->n; i++)
		if (gpa - mem->regions[i].gpa < mem->regions[i].size)
			return &mem->regions[i];
	return NULL;
}

uint8_t *gmem_at_uaddr(const struct gmem *mem, uint64_t uaddr, uint64_t len)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t offset = uaddr - r->uaddr;

		if (offset < r->size && len <= r->size - offset)
			return r->hva + offset;
	}
	return NULL;
}

uint64_t gmem_gpa_of(const struct gmem *mem, const void *hva)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t offset = (uint64_t)((const uint8_t *)hva - r->hva);

		if (offset < r->size)
			return r->gpa + offset;
	}
	ASSERT(!"pointer into guest memory that is in no region");
	return 0;
}
