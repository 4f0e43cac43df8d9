/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include "poison.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096ull

static struct gmem_region regions[ARENA_REGIONS] = {
	{.gpa = ARENA_GPA, .size = ARENA_LEN},
	{.gpa = ARENA_GPA_2, .size = ARENA_LEN_2},
	{.gpa = ARENA_GPA_3, .size = ARENA_LEN_3},
	{.gpa = ARENA_GPA_4, .size = ARENA_LEN_4},
};

static struct gmem *table;

static void region_make(struct gmem_region *r)
{
	uint64_t len = (r->size + PAGE - 1) / PAGE * PAGE, slack = len - r->size;
	uint8_t *map = mmap(NULL, len + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(map != MAP_FAILED);
	ASSERT(mprotect(map + PAGE, len, PROT_READ | PROT_WRITE) == 0);
	ASAN_POISON_MEMORY_REGION(map + PAGE, slack);
	r->hva = map + PAGE + slack;
	r->uaddr = r->gpa + ARENA_UADDR;
}

static int by_hva(const void *a, const void *b)
{
	const struct gmem_region *const *x = a, *const *y = b;

	return (*x)->hva < (*y)->hva ? -1 : 1;
}

static void table_make(void)
{
	table = calloc(1, sizeof(*table) + 2 * ARENA_REGIONS * sizeof(table->regions[0]));
	ASSERT(table);
	table->n = ARENA_REGIONS;
	table->by_hva = table->regions + ARENA_REGIONS;
	for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
		region_make(&regions[i]);
		table->regions[i] = &regions[i];
		table->by_hva[i] = &regions[i];
	}
	qsort(table->by_hva, ARENA_REGIONS, sizeof(table->by_hva[0]), by_hva);
}

struct gmem *arena_open(void)
{
	if (!table)
		table_make();
	for (uint32_t i = 0; i < ARENA_REGIONS; i++)
		memset(regions[i].hva, 0, regions[i].size);
	return table;
}

uint64_t arena_span(uint64_t gpa, uint64_t len, uint8_t **at)
{
	for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
		uint64_t offset = gpa - regions[i].gpa;

		if (gpa < regions[i].gpa || offset >= regions[i].size)
			continue;
		*at = regions[i].hva + offset;
		return min_u64(len, regions[i].size - offset);
	}
	return 0;
}

uint8_t *arena_at(uint64_t gpa, uint64_t len)
{
	uint8_t *at = NULL;

	return arena_span(gpa, len, &at) == len ? at : NULL;
}

bool arena_holds(const uint8_t *p, uint64_t len)
{
	for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
		const uint8_t *from = regions[i].hva, *to = from + regions[i].size;

		if (p >= from && p < to)
			return len <= (uint64_t)(to - p);
	}
	return false;
}

bool arena_read(uint64_t gpa, void *to, uint64_t len)
{
	uint64_t part;
	uint8_t *at;

	for (uint64_t done = 0; done < len; done += part) {
		part = arena_span(gpa + done, len - done, &at);
		if (part == 0)
			return false;
		memcpy((uint8_t *)to + done, at, part);
	}
	return true;
}

static uint8_t remembered[ARENA_REGIONS][ARENA_LEN];

void arena_remember(void)
{
	for (uint32_t i = 0; i < ARENA_REGIONS; i++)
		memcpy(remembered[i], regions[i].hva, regions[i].size);
}

uint64_t arena_changed(void)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
		const struct gmem_region *r = &regions[i];

		for (uint64_t at = 0; at < r->size && r->gpa / PAGE < ARENA_PAGES; at += PAGE)
			if (memcmp(remembered[i] + at, r->hva + at, min_u64(PAGE, r->size - at)) != 0)
				pages |= 1ull << (r->gpa + at) / PAGE;
	}
	return pages;
}

uint64_t arena_some_gpa(struct fuzz *f)
{
	static const uint64_t places[] = {ARENA_GPA + 0x2000, ARENA_GPA_2, ARENA_GPA_3, ARENA_GPA_4,
		ARENA_GPA, ARENA_GPA_2 - 16, ARENA_GPA_2 + ARENA_LEN_2 - 16, ARENA_GPA_3 + ARENA_LEN_3 - 8,
		ARENA_GPA_4 + ARENA_LEN_4 - 16, ARENA_GPA_3 - 1, ARENA_GPA + 0x2100, 0};

	return fuzz_pick(f, places, ARRAY_LEN(places));
}

void arena_scribble(struct fuzz *f)
{
	uint64_t gpa = arena_some_gpa(f) + fuzz_u8(f) * 2ull;
	uint32_t len = 1u << fuzz_below(f, 5);
	uint8_t *at = arena_at(gpa, len);

	if (at)
		fuzz_bytes(f, at, len);
}
