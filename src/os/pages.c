/* SPDX-License-Identifier: Apache-2.0 */
#include "os/pages.h"

#include <sys/mman.h>

void *pages_alloc(size_t n, size_t size)
{
	void *pages = mmap(
		NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

void pages_free(void *pages, size_t n, size_t size)
{
	if (pages)
		munmap(pages, n * size);
}
