/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_shape - messages of vhost-user as a front-end makes them, or nearly: the right size and number of descriptors,
 * indexes that exist and addresses that lead somewhere, more often than not.
 *
 * They tell of a guest with one region of memory (and, now and then, a second one beside it), in which ring i lies at
 * i * SHAPE_RING_LEN.
 */
#ifndef GINNEL_FUZZ_MESSAGE_SHAPE_H
#define GINNEL_FUZZ_MESSAGE_SHAPE_H

#include "fuzz.h"

#include "vhost/message.h"
#include "vhost/proto.h"

#define SHAPE_RINGS     4
#define SHAPE_RING_SIZE 16
#define SHAPE_RING_LEN  0x1000ull
#define SHAPE_DESC      0x000ull
#define SHAPE_AVAIL     0x400ull
#define SHAPE_USED      0x800ull
#define SHAPE_USED_LEN  (8 + 8ull * SHAPE_RING_SIZE)

#define SHAPE_GPA      0x40000ull
#define SHAPE_UADDR    0x7f0000000000ull
#define SHAPE_OFFSET   0x1000ull
#define SHAPE_MEM_LEN  0x10000ull
#define SHAPE_GPA_2    (SHAPE_GPA + SHAPE_MEM_LEN)
#define SHAPE_FILE_LEN (SHAPE_OFFSET + SHAPE_MEM_LEN)
#define SHAPE_LOG_LEN  0x3000ull

#define SHAPE_FDS_MAX 32 /* that one call sends */

struct shape {
	uint32_t payload_len; /* of what is sent, whatever the header says */
	uint32_t n_fds;
	bool wants_event, wants_socket; /* otherwise memory */
	union {
		uint8_t bytes[sizeof(struct vhost_user_header) + 512];
		struct {
			struct vhost_user_header header;
			uint8_t payload[512];
		};
	};
};

/* The features that well formed messages acknowledge, and others play with. */
void shape_offers(uint64_t features, uint64_t protocol_features);
void shape_make(struct shape *s, struct fuzz *f);
/* Without anything wrong about it. */
void shape_well_formed(struct shape *s, uint32_t request, uint32_t ring);

#endif
