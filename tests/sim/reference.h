/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference - what the standards say of a packet, written down a second time and as plainly as possible: byte by byte,
 * with nothing of the product. A test makes a packet, lets the switch carry it, and compares what arrives with what
 * reference_expect() says, down to the last byte.
 */
#ifndef GINNEL_SIM_REFERENCE_H
#define GINNEL_SIM_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#define REFERENCE_LEN_MAX 66000

struct reference_shape {
	bool ip6, tcp;
	uint32_t tags;     /* 0 to 2 */
	bool options;      /* in IPv4 and TCP; extension headers in IPv6 */
	bool begun;        /* the checksum is left to others: only the pseudo header's sum is there */
	bool cwr;          /* gso: with congestion window reduced */
	uint16_t gso_size; /* not 0: one frame that stands for several, then begun is set too */
	uint32_t payload;  /* bytes */
};

/* A frame and what its virtio-net header says, by virtio's own numbers. */
struct reference_frame {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint32_t len;
	uint8_t bytes[REFERENCE_LEN_MAX];
};

struct reference_packet {
	struct reference_shape shape;
	uint32_t l3, l4, payload_at;
	struct reference_frame frame; /* as the sender gives it */
};

/* What a receiver takes undone. */
struct reference_caps {
	bool csum, tso4, tso6, ecn, uso4, uso6;
};

/* From one address to another; everything that is no matter of form follows from the seed. */
void reference_make(struct reference_packet *p, const struct reference_shape *shape, const uint8_t dst[6],
	const uint8_t src[6], uint64_t seed);

/* The i-th frame that such a receiver must get. False: it gets only i. */
bool reference_expect(const struct reference_packet *p, const struct reference_caps *caps, uint32_t i,
	struct reference_frame *out);

#endif
