/* SPDX-License-Identifier: Apache-2.0 */
#include "os/pages.h"

#include <sys/mman.h>

void *pages_alloc(size_t n, size_t size)
{
	void *pages = mmap(
		NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

/* Newer than the C library's headers: move together now what is there already (Linux 6.1). */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

void pages_prefer_large(void *pages, size_t n, size_t size)
{
	if (madvise(pages, n * size, MADV_HUGEPAGE) == 0)
		madvise(pages, n * size, MADV_COLLAPSE);
}

void pages_free(void *pages, size_t n, size_t size)
{
	if (pages)
		munmap(pages, n * size);
}
