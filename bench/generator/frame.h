/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - what is sent: Ethernet, IPv4, UDP (or TCP, to be cut), then
 *
 *	| number, 8 bytes | time stamp, 8 bytes | body ...
 *
 * The number is the sending port and how many frames it had sent before: one comparison tells the receiver that a frame
 * comes from its partner and is the next one. A frame of the learn phase has LEARN in place of the port, and the
 * port below. Addresses and UDP ports go round with the number. The body is zeros, or with --verify a function of the
 * number.
 *
 * Routed frames go to the router's address, and flows differ by their destination. IPv6 leaves no room for the number in 64
 * bytes: it is the lower half of the source address there. Where addresses are translated, a flow has a host and a port
 * inside, which no other host has too: so it keeps the port, and its partner knows where to answer.
 */
#ifndef GINNEL_BENCH_FRAME_H
#define GINNEL_BENCH_FRAME_H

#include "options.h"
#include "wire/bytes.h"

#include <linux/virtio_net.h>
#include <string.h>

#define VNET_HDR_LEN ((uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf))

#define FRAME_PORT_SHIFT  56
#define FRAME_LEARN       0xffu
#define FRAME_LEARN_SHIFT 48

#define FRAME_MAC_LOW     2 /* of an address: what differs within a port */
#define FRAME_FLOW_AT     34
#define FRAME_FLOW_FIRST  1024
#define FRAME_GSO_SEGMENT 1448

/* Cache lines that are asked for ahead of a frame whose body is looked at: what is behind them the processor sees coming. */
#define FRAME_LINES 2

struct frame_shape {
	uint32_t len;
	uint32_t number_at, stamp_at, body_at;
	uint32_t macs, flows;
	bool tcp;
	uint8_t route;            /* 4 or 6 */
	bool nat;                 /* what even ports send is translated */
	const uint32_t *networks; /* of each flow, which of those behind the partner it goes to */
};

struct frame_shape frame_shape(const struct options *o);

static inline uint64_t frame_number(uint32_t port, uint64_t count)
{
	return (uint64_t)port << FRAME_PORT_SHIFT | count;
}

static inline uint64_t frame_count_of(uint64_t number)
{
	return number & ((1ull << FRAME_PORT_SHIFT) - 1);
}

/* The number of the first frame, all headers, a body of zeros; buffer begins with a virtio-net header of zeros. */
void frame_build(const struct frame_shape *s, uint8_t *buffer, uint32_t from, uint32_t to);

/* Addresses of this index, from and to. */
static inline void frame_set_mac(uint8_t *frame, uint32_t index)
{
	be32_set(frame + FRAME_MAC_LOW, index);
	be32_set(frame + 6 + FRAME_MAC_LOW, index);
}

static inline void frame_set_flow(uint8_t *frame, uint32_t flow)
{
	be16_set(frame + FRAME_FLOW_AT, (uint16_t)(FRAME_FLOW_FIRST + flow));
}

/* Routed: the addresses of a flow to what is behind port `to`; IPv4 with its checksum. */
void frame_set_route(const struct frame_shape *s, uint8_t *frame, uint32_t to, uint32_t flow);

static inline uint64_t frame_word(const uint8_t *frame, uint32_t at)
{
	uint64_t word;

	memcpy(&word, frame + at, sizeof(word));
	return word;
}

static inline void frame_set_word(uint8_t *frame, uint32_t at, uint64_t word)
{
	memcpy(frame + at, &word, sizeof(word));
}

/* Body of this number; and is a frame of this number, s->len bytes, all right: addresses, flow and body? */
void frame_fill(const struct frame_shape *s, uint8_t *frame, uint64_t number);
bool frame_check(const struct frame_shape *s, const uint8_t *frame, uint32_t to, uint64_t number);

#endif
