/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_device - a device for tests that holds the engine to its contract (vhost/backend.h) and remembers what it
 * was told; it offers all that is up to a device, with a back-end, a loop and a socket path around it.
 */
#ifndef GINNEL_VHOST_FAKE_DEVICE_H
#define GINNEL_VHOST_FAKE_DEVICE_H

#include "vhost/backend.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_CONFIG_SIZE 60
#define FAKE_FEATURES    (1ull << 32 | 1ull << 29 | 1ull << 28 | 1ull << 15)
/* For tests that want packed rings. */
#define FAKE_PACKED (1ull << 34)
/* What the device offers. */
#define FAKE_OFFERED (FAKE_FEATURES | FAKE_PACKED)

struct fake_device {
	struct loop *loop;
	struct vhost_backend *backend;
	uint32_t n_rings;
	char dir[64];
	char path[80];
	bool connected;
	uint64_t features;
	uint32_t features_set; /* how often */
	struct vhost_ring *rings[VHOST_MAX_RINGS];
	bool let_go; /* of a ring, not quiesced yet */
	uint32_t quiesced;
	uint32_t published; /* how often, over all rings */
	uint8_t config[FAKE_CONFIG_SIZE];
	uint32_t message; /* the last one for the device alone; 0: none */
	uint64_t message_value;
	int message_fd; /* what it brought; ours */
	uint32_t kicks[VHOST_MAX_RINGS];
	uint32_t resets;
	uint32_t over;  /* how often its only connection ended */
	uint8_t *state; /* saved and loaded */
	size_t state_len;
	int answer; /* of all of these: 0, or -errno to refuse */
};

/* With its own loop; a server, with n_rings rings, listening at d->path. */
void fake_device_open(struct fake_device *d, uint32_t n_rings);
/* The same with the limits, the filter and, unless that is 0, the socket of this configuration. */
void fake_device_open_with(struct fake_device *d, uint32_t n_rings, const struct vhost_backend_config *with);
/* A client of d->path. */
void fake_device_open_client(struct fake_device *d, uint32_t n_rings);
/* What d saves, as it arrives at another process. From here on d must be left alone, or resumed. */
void fake_device_save(struct fake_device *d, struct parcel *arrived);
/* A device that goes on from there, with a loop of its own, and offers these features. */
void fake_device_restore(
	struct fake_device *d, const struct fake_device *old, struct parcel *arrived, uint64_t features);
/* A server, whose front-end may have a configuration space of its own. */
void fake_device_open_optional_config(struct fake_device *d, uint32_t n_rings);
/* Checks that nothing is left behind. */
void fake_device_close(struct fake_device *d);

struct vhost_backend_status fake_device_status(struct fake_device *d);

/* Takes n buffers of ring idx and returns them with len bytes of 0x5a each. The test fails when there are less. */
void fake_device_fill(struct fake_device *d, uint32_t idx, uint32_t n, uint32_t len);

#endif
