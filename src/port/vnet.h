/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vnet - the header that virtio-net puts before each frame (virtio 1.2, 5.1.6), and what the features mean for it.
 * Both ends of a ring use it: what a guest sends us and what a back-end sends to us is equally little trusted.
 */
#ifndef GINNEL_PORT_VNET_H
#define GINNEL_PORT_VNET_H

#include "pkt/pkt.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static_assert(offsetof(struct virtio_net_hdr, flags) == 0 && offsetof(struct virtio_net_hdr, gso_type) == 1 &&
		      VIRTIO_NET_HDR_GSO_NONE == 0,
	"flags and gso_type are the first two bytes");

/* Newer than the kernel headers of some (virtio 1.3, 5.1.3 and 5.1.6). */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4   54
#define VIRTIO_NET_F_GUEST_USO6   55
#define VIRTIO_NET_F_HOST_USO     56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* virtio 1.2, 5.1.6.1: with num_buffers, or without it when neither MRG_RXBUF nor VERSION_1 was negotiated. */
#define VNET_HDR_LEN        sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define VNET_HDR_LEN_LEGACY sizeof(struct virtio_net_hdr)

uint16_t vnet_hdr_len(uint64_t features);

/* Without offloads that need others which are not there (5.1.3.1): OVS and DPDK offer ECN alone. */
uint64_t vnet_settle(uint64_t features);

/* What a frame's receiver accepts undone, as enum frame_cap bits: a driver by the GUEST_ bits, a device by the HOST_ bits. */
uint32_t vnet_guest_caps(uint64_t features);
uint32_t vnet_host_caps(uint64_t features);

/*
 * What a header says of a frame, checked against the frame's length (5.1.6.2). False: it contradicts itself. hdr_len is
 * not taken over: it is a hint, and the sender's.
 */
bool vnet_parse(struct pkt_offload *o, const struct virtio_net_hdr *h, uint32_t frame_len);

/* A header, anywhere in foreign memory, that leaves nothing to do: neither flags nor gso_type. One read. */
static inline bool vnet_is_plain(const void *hdr)
{
	uint16_t flags_and_gso_type;

	memcpy(&flags_and_gso_type, hdr, sizeof(flags_and_gso_type));
	return flags_and_gso_type == 0;
}

void vnet_build(struct virtio_net_hdr_mrg_rxbuf *h, const struct pkt_offload *o, uint16_t num_buffers);

#endif
