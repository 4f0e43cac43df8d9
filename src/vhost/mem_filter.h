/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem_filter - the memory objects that front-ends may share, when not every one is welcome.
 *
 * An object is what it is, not what it is called: a file is recognised by device and inode, however its descriptor came
 * to whoever sends it. A directory stands for the files that lie in it at the time of the question; files that have been
 * unlinked, or lie in a directory below, do not.
 *
 * Made before the first front-end comes, and never changed after. The files stay open, so that no other can get their
 * inode numbers.
 */
#ifndef GINNEL_VHOST_MEM_FILTER_H
#define GINNEL_VHOST_MEM_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_FILTER_MAX     64
#define MEM_FILTER_NAME    32
#define MEM_FILTER_MAX_DIR 4096 /* files of a directory that are looked at */

struct mem_filter_entry {
	char name[MEM_FILTER_NAME];
	bool dir;
	int fd;
	uint64_t dev, ino;
};

/* An empty one, all zeros, accepts nothing. */
struct mem_filter {
	uint32_t n;
	struct mem_filter_entry entries[MEM_FILTER_MAX];
};

/*
 * Adds "NAME=path:FILE", "NAME=fd:N" (taken over) or "NAME=dir:DIRECTORY". 0, or -errno and a sentence in why, which
 * names the mend.
 */
int mem_filter_add(struct mem_filter *f, const char *spec, char *why, size_t why_len);
void mem_filter_close(struct mem_filter *f);

/* Which entry the file that a front-end sends belongs to, or NULL. Asks no file system of the front-end. */
const struct mem_filter_entry *mem_filter_find(const struct mem_filter *f, int fd);

#endif
