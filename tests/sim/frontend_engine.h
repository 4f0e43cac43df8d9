/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend_engine - stands in for the front-end side of src/vhost/: the same calls, no socket. Who negotiates features
 * and says when a back-end's life begins and ends is the test.
 */
#ifndef GINNEL_SIM_FRONTEND_ENGINE_H
#define GINNEL_SIM_FRONTEND_ENGINE_H

#include "vhost/frontend.h"

struct vhost_frontend {
	const struct vhost_driver *ops;
	void *driver;
	uint64_t features; /* the driver's */
	uint32_t n_rings;
	bool prepared;
	struct vhost_frontend_plan plan;
	/* the driver gave up */
	uint32_t given_up;
	int err;
	char why[160];
};

/* A back-end connects, and these features are negotiated. The driver's rings are in f->plan. 0 or what prepare() said. */
int frontend_engine_prepare(struct vhost_frontend *f, uint64_t features, uint32_t n_rings);
void frontend_engine_start(struct vhost_frontend *f);
void frontend_engine_stop(struct vhost_frontend *f);

#endif
