/* SPDX-License-Identifier: Apache-2.0 */
/* shared - memory that others may read: written here, and by nobody else whoever has the descriptor. All zero at first. */
#ifndef GINNEL_OS_SHARED_H
#define GINNEL_OS_SHARED_H

#include <stddef.h>

struct shared {
	void *addr;
	size_t len;
	int fd; /* for readers, who can map it read-only; -1: the kernel has no such thing */
};

/* Pages are taken when they are touched. 0 or -errno. */
int shared_create(struct shared *s, const char *name, size_t len);
void shared_destroy(struct shared *s);

#endif
