/* SPDX-License-Identifier: Apache-2.0 */
/* guest_packed - the driver's side of a packed ring (virtio 1.2, 2.8), for guest.c alone. */
#ifndef GINNEL_SIM_GUEST_PACKED_H
#define GINNEL_SIM_GUEST_PACKED_H

#include "guest.h"

#include <linux/virtio_ring.h>

/* A new ring that begins at slot start % size of its first lap. */
void packed_reset(struct guest *g, struct guest_queue *q, uint16_t start);
/* What SET_VRING_BASE says of it. */
uint32_t packed_base(const struct guest_queue *q);

/* Writes the chain into the ring; the device sees it after packed_publish(). */
void packed_offer(struct guest *g, struct guest_queue *q, uint16_t id, bool indirect);
/* n descriptors as they are, but for AVAIL and USED, visible at once. */
void packed_raw(struct guest_queue *q, const struct vring_packed_desc *d, uint32_t n);
/* True: there was something to publish. */
bool packed_publish(struct guest_queue *q);
/* Does the device want a kick for what was published last? */
bool packed_wants_kick(const struct guest *g, const struct guest_queue *q);

/* The next used buffer, or false. */
bool packed_used_next(struct guest_queue *q, struct vring_used_elem *out);
void packed_want_calls(const struct guest *g, struct guest_queue *q, bool wanted);

#endif
