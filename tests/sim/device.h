/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device - somebody else's back-end, reduced to what its device does with the rings of a virtio-user port. Its side of
 * the rings is the product's own, on a mapping of its own.
 */
#ifndef GINNEL_SIM_DEVICE_H
#define GINNEL_SIM_DEVICE_H

#include "frontend_engine.h"
#include "guest.h"
#include "port/virtio_user_port.h"

#define DEVICE_RINGS (2 * VIRTIO_USER_PAIRS)

struct device {
	struct vhost_frontend *frontend;
	uint64_t features;
	uint32_t hdr_len;
	uint32_t n_rings;
	struct gmem *gmem;
	struct vhost_ring rings[DEVICE_RINGS];
	struct vhost_backend *backend; /* whose rings they are, if they are not the test's */
	uint32_t num_buffers_lie;      /* added to the num_buffers of frames that are sent */
};

/* A life begins, and runs. */
void device_start(struct device *d, struct virtio_user_port *vu, uint64_t features, uint32_t n_rings);
/* The same, and the rings belong to this vhost port: what the one sends the other receives. */
void device_start_behind(struct device *d, struct virtio_user_port *vu, struct vhost_backend *b,
	uint64_t features, uint32_t n_rings);
/* It ends, if it has not yet. */
void device_stop(struct device *d);

/* The device sends a frame over as many buffers as it needs. False: there are not enough. NULL: a header of zeros. */
bool device_send(struct device *d, uint32_t pair, const struct virtio_net_hdr *hdr, const uint8_t *frame,
	uint32_t len);
/* The next frame that the port sent to it. False: there is none. */
bool device_receive(struct device *d, uint32_t pair, struct guest_frame *out);

#endif
