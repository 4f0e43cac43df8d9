/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/gmem.h"

#include "os/foreign.h"
#include "os/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A bisection leaves that many regions to look at one by one: with one table message's worth it costs nothing. */
#define FEW_REGIONS 8

/* Bytes mapped by all tables: the address space is the process's. Control only. */
static uint64_t mapped_bytes;

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

/* What can be said about a description beside the regions that are there. */
static int check_beside(const struct gmem *mem, const struct gmem_spec *s, char *why, size_t why_len)
{
	uint64_t left = GMEM_MAX_BYTES;

	if (mem->n == GMEM_MAX_REGIONS)
		return refuse(why, why_len, -E2BIG, "more than 509 memory regions");
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct gmem_region *r = mem->regions[i];

		left -= r->size;
		if (overlap(r->gpa, r->size, s->gpa, s->size) ||
			overlap(r->uaddr, r->size, s->uaddr, s->size))
			return refuse(why, why_len, -EINVAL, "memory regions overlap");
	}
	if (s->size > left)
		return refuse(why, why_len, -E2BIG, "more than 4 TiB of guest memory");
	if (s->size > GMEM_MAX_BYTES_ALL - min_u64(mapped_bytes, GMEM_MAX_BYTES_ALL))
		return refuse(why, why_len, -E2BIG, "more than 64 TiB of memory of all guests together");
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
static int map_file(
	struct gmem_region *r, const struct gmem_spec *s, uint64_t block, char *why, size_t why_len)
{
	uint64_t before = s->offset % block;
	int err;

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
	mapped_bytes += r->map_len;
	return 0;
}

/* A region held by one table, or NULL and *err. */
static struct gmem_region *region_create(const struct gmem_spec *s, int *err, char *why, size_t why_len)
{
	struct gmem_region *r;
	uint64_t block = 4096;

	*err = check_file(s, &block, why, why_len);
	if (*err)
		return NULL;
	r = malloc(sizeof(*r));
	if (!r) {
		*err = refuse(why, why_len, -ENOMEM, "out of memory");
		return NULL;
	}
	*r = (struct gmem_region){
		.gpa = s->gpa, .size = s->size, .uaddr = s->uaddr, .offset = s->offset, .tables = 1};
	r->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	if (r->fd < 0) {
		*err = refuse(why, why_len, -errno,
			"no file descriptor left for a memory region: raise the limit (ulimit -n)");
		goto free_region;
	}
	*err = map_file(r, s, block, why, why_len);
	if (*err == 0)
		return r;
	close(r->fd);
free_region:
	free(r);
	return NULL;
}

static void region_put(struct gmem_region *r)
{
	if (--r->tables > 0)
		return;
	guard_del(r->guard);
	munmap(r->map, r->map_len);
	mapped_bytes -= r->map_len;
	close(r->fd);
	free(r);
}

/* An empty table with room for n regions. */
static struct gmem *table_alloc(uint32_t n)
{
	struct gmem *mem = calloc(1, sizeof(*mem) + 2 * n * sizeof(mem->regions[0]));

	if (mem)
		mem->by_hva = mem->regions + n;
	return mem;
}

/* Takes the region over from the caller. */
static void table_insert(struct gmem *mem, struct gmem_region *r)
{
	uint32_t i = mem->n, k = mem->n++;

	for (; i > 0 && mem->regions[i - 1]->gpa > r->gpa; i--)
		mem->regions[i] = mem->regions[i - 1];
	mem->regions[i] = r;
	for (; k > 0 && (uintptr_t)mem->by_hva[k - 1]->hva > (uintptr_t)r->hva; k--)
		mem->by_hva[k] = mem->by_hva[k - 1];
	mem->by_hva[k] = r;
}

/* Maps one more region into a table that has room for it. 0 or -errno. */
static int table_map(struct gmem *mem, const struct gmem_spec *spec, char *why, size_t why_len)
{
	struct gmem_region *r;
	int err = check_spec(spec, why, why_len);

	if (err == 0)
		err = check_beside(mem, spec, why, why_len);
	if (err)
		return err;
	r = region_create(spec, &err, why, why_len);
	if (r)
		table_insert(mem, r);
	return err;
}

int gmem_create(struct gmem **out, const struct gmem_spec *specs, uint32_t n, char *why, size_t why_len)
{
	struct gmem *mem = table_alloc(min_u32(n, GMEM_MAX_REGIONS));
	int err = 0;

	if (!mem)
		return refuse(why, why_len, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n && err == 0; i++)
		err = table_map(mem, &specs[i], why, why_len);
	if (err) {
		gmem_destroy(mem);
		return err;
	}
	*out = mem;
	return 0;
}

/* A table of old's regions but one, which may be NULL, with room for one more. */
static struct gmem *table_without(const struct gmem *old, const struct gmem_region *left_out)
{
	struct gmem *mem = table_alloc((old ? old->n : 0) + 1);
	uint32_t k = 0;

	for (uint32_t i = 0; mem && old && i < old->n; i++) {
		if (old->by_hva[i] != left_out)
			mem->by_hva[k++] = old->by_hva[i];
		if (old->regions[i] == left_out)
			continue;
		old->regions[i]->tables++;
		mem->regions[mem->n++] = old->regions[i];
	}
	return mem;
}

int gmem_add(
	const struct gmem *old, const struct gmem_spec *spec, struct gmem **out, char *why, size_t why_len)
{
	struct gmem *mem = table_without(old, NULL);
	int err;

	if (!mem)
		return refuse(why, why_len, -ENOMEM, "out of memory");
	err = table_map(mem, spec, why, why_len);
	if (err) {
		gmem_destroy(mem);
		return err;
	}
	*out = mem;
	return 0;
}

int gmem_remove(
	const struct gmem *old, const struct gmem_spec *spec, struct gmem **out, char *why, size_t why_len)
{
	const struct gmem_region *r = old ? gmem_find(old, spec->gpa) : NULL;

	if (!r || r->gpa != spec->gpa || r->uaddr != spec->uaddr || r->size != spec->size)
		return refuse(why, why_len, -ENOENT, "there is no such memory region");
	*out = table_without(old, r);
	return *out ? 0 : refuse(why, why_len, -ENOMEM, "out of memory");
}

int gmem_share(const struct gmem *mem, struct gmem **out)
{
	*out = table_without(mem, NULL);
	return *out ? 0 : -ENOMEM;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return foreign_kind(b) == FOREIGN_MEMORY && fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool gmem_holds(const struct gmem *mem, const struct gmem_spec *spec)
{
	const struct gmem_region *r = mem ? gmem_find(mem, spec->gpa) : NULL;

	return r && r->gpa == spec->gpa && r->size == spec->size && r->uaddr == spec->uaddr &&
	       r->offset == spec->offset && same_file(r->fd, spec->fd);
}

void gmem_destroy(struct gmem *mem)
{
	if (!mem)
		return;
	for (uint32_t i = 0; i < mem->n; i++)
		region_put(mem->regions[i]);
	free(mem);
}

bool gmem_lost(const struct gmem *mem)
{
	for (uint32_t i = 0; i < mem->n; i++)
		if (guard_lost(mem->regions[i]->guard))
			return true;
	return false;
}

const struct gmem_region *gmem_find(const struct gmem *mem, uint64_t gpa)
{
	uint32_t first = 0, end = mem->n;

	while (end - first > FEW_REGIONS) {
		uint32_t middle = first + (end - first) / 2;

		if (mem->regions[middle]->gpa <= gpa)
			first = middle;
		else
			end = middle;
	}
	for (; first < end; first++)
		if (gpa - mem->regions[first]->gpa < mem->regions[first]->size)
			return mem->regions[first];
	return NULL;
}

uint8_t *gmem_at_uaddr(const struct gmem *mem, uint64_t uaddr, uint64_t len)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct gmem_region *r = mem->regions[i];
		uint64_t offset = uaddr - r->uaddr;

		if (offset < r->size && len <= r->size - offset)
			return r->hva + offset;
	}
	return NULL;
}

uint64_t gmem_gpa_of(const struct gmem *mem, const void *hva)
{
	uint32_t first = 0, end = mem->n;
	const struct gmem_region *r;

	while (end - first > 1) {
		uint32_t middle = first + (end - first) / 2;

		if ((uintptr_t)mem->by_hva[middle]->hva <= (uintptr_t)hva)
			first = middle;
		else
			end = middle;
	}
	ASSERT(first < end);
	r = mem->by_hva[first];
	ASSERT((uintptr_t)hva - (uintptr_t)r->hva < r->size); /* it came from this table */
	return r->gpa + ((uintptr_t)hva - (uintptr_t)r->hva);
}
