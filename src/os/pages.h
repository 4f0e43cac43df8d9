/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages - large tables of zeros straight from the kernel: a page takes memory when it is first written to, whatever the C
 * library does with its own.
 */
#ifndef GINNEL_OS_PAGES_H
#define GINNEL_OS_PAGES_H

#include <stddef.h>

/* NULL when there is no address space. */
void *pages_alloc(size_t n, size_t size);
/*
 * From now on in large pages, where the kernel has any: for a table that is full enough not to waste them. Those who read it
 * notice nothing but fewer misses.
 */
void pages_prefer_large(void *pages, size_t n, size_t size);
/* The same n and size; NULL is fine. */
void pages_free(void *pages, size_t n, size_t size);

#endif
