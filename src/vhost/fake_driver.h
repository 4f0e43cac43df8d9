/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_driver - a driver for tests that holds the front-end to its contract (vhost/frontend.h) and remembers what it
 * was told. Each life has its own memory, rings and descriptors.
 */
#ifndef GINNEL_VHOST_FAKE_DRIVER_H
#define GINNEL_VHOST_FAKE_DRIVER_H

#include "vhost/frontend.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_DRIVER_RING_SIZE 16
#define FAKE_DRIVER_CONFIG    24 /* bytes, of those that want any */

struct fake_driver {
	struct loop *loop;
	struct vhost_frontend *frontend;
	struct vhost_frontend_plan plan; /* of this life */
	bool prepared, running;
	uint32_t lives, starts, config_changes; /* how often */
	uint32_t config_reads, resumed;
	uint8_t config[FAKE_DRIVER_CONFIG];
	bool keeps;      /* memory and rings over the end of a connection, and resumes if it may */
	bool kept;       /* there are some */
	int prepare_err; /* what prepare() is to fail with */
	uint64_t features;
	uint32_t n_rings; /* as prepare() was told */
};

/* With up to 4 rings, FAKE_FEATURES of which bit 32 is required, and pauses that end with the next turn. */
void fake_driver_open(struct fake_driver *d, struct loop *loop, const char *path, bool server);
/* The same, but a disk's: it reads the configuration space, resumes, and gives memory in slots. A client. */
void fake_driver_open_disk(struct fake_driver *d, struct loop *loop, const char *path);
/* Checks that nothing is left behind. */
void fake_driver_close(struct fake_driver *d);

struct vhost_frontend_status fake_driver_status(struct fake_driver *d);

/* Offers one buffer of len bytes that the device may write, and kicks. */
void fake_driver_offer(struct fake_driver *d, uint32_t ring, uint32_t len);
uint16_t fake_driver_used(struct fake_driver *d, uint32_t ring);
/* The buffer that was offered as number n in this life. */
const uint8_t *fake_driver_buffer(struct fake_driver *d, uint32_t ring, uint32_t n);

#endif
