/* SPDX-License-Identifier: Apache-2.0 */
/* packet - UDP and TCP in frames, as a guest's stack makes them, and the look of a receiving stack at them.
 */
#ifndef GINNEL_SIM_PACKET_H
#define GINNEL_SIM_PACKET_H

#include "sim.h"

struct packet_shape {
	bool ip6;
	bool tcp;
	bool begun;        /* the checksum is left to others */
	uint16_t gso_size; /* not 0: segmentation too */
	uint32_t payload;  /* bytes */
};

struct packet {
	struct virtio_net_hdr hdr;
	uint32_t len;
	uint32_t payload_at;
	uint8_t bytes[PKT_LEN_MAX];
};

void packet_make(
	struct packet *p, const struct packet_shape *shape, uint32_t from, uint32_t to, struct random *r);

/* An IPv4 packet that was made so speaks from there to there. */
struct packet_ends {
	uint32_t src, dst;
	uint16_t src_port, dst_port;
};
void packet_address(struct packet *p, const struct packet_shape *shape, const struct packet_ends *ends);
struct packet_ends packet_ends_of(const uint8_t *frame);

/* Other addresses of IP than the random ones, and a time to live; checksums are as right, or begun, as they were. */
void packet_readdress(struct packet *p, const uint8_t *src, const uint8_t *dst);

/* Every length and checksum is right. */
bool packet_is_sound(const uint8_t *frame, uint32_t len);
/* Of a sound packet: where its payload starts. */
uint32_t packet_payload_at(const uint8_t *frame);

#endif
