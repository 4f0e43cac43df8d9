/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_map - a piece of a front-end's file in our memory: its dirty log, or what it keeps for us about buffers on
 * their way. Guest memory has its own ways (virtio/gmem.h).
 *
 * The file is looked at, never trusted: it may be cut short later (os/guard.h), and what lies in it may change any time.
 */
#ifndef GINNEL_VHOST_SHARED_MAP_H
#define GINNEL_VHOST_SHARED_MAP_H

#include "vhost/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_map {
	uint8_t *at; /* the first byte asked for; NULL: nothing is mapped */
	uint64_t size;
	/* for whoever maps the same piece */
	int fd;
	uint64_t offset;
	/* for unmapping */
	void *map;
	size_t map_len;
	int guard;
};

/* The offset need not be a multiple of a page. `what` is the file's name for m->why. 0, or -errno and m->why. */
int shared_map(struct shared_map *out, const char *what, int fd, const struct vhost_user_log *piece,
	struct message *m);
/* Does nothing if nothing is mapped. */
void shared_unmap(struct shared_map *map);
/* Its file was cut short; what is read there now is zeros. */
bool shared_lost(const struct shared_map *map);

#endif
