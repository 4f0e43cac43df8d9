/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine - stands in for src/vhost/: the same calls, no socket. The ports of a simulation are the product's;
 * who negotiates features and publishes rings is the test.
 */
#ifndef GINNEL_SIM_ENGINE_H
#define GINNEL_SIM_ENGINE_H

#include "vhost/backend.h"

struct vhost_backend {
	const struct vhost_device *ops;
	void *device;
	uint64_t features; /* offered */
	bool connected;
	struct vhost_ring *rings[VHOST_MAX_RINGS];
};

/* A front-end comes and chooses among the offered features. */
void engine_connect(struct vhost_backend *b, uint64_t features);
void engine_disconnect(struct vhost_backend *b);
/* The ring runs. */
void engine_publish(struct vhost_backend *b, struct vhost_ring *ring);
/* Returns when nobody uses ring idx any more. */
void engine_unpublish(struct vhost_backend *b, uint32_t idx);

#endif
