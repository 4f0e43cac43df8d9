/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vnet.h"

#include "port/frame.h"
#include "wire/ethernet.h"

#include <linux/virtio_config.h>

struct cap_row {
	unsigned bit;
	uint32_t cap;
};

static const struct cap_row guest_rows[] = {
	{VIRTIO_NET_F_GUEST_CSUM, FRAME_CAP_CSUM},
	{VIRTIO_NET_F_GUEST_TSO4, FRAME_CAP_TSO4},
	{VIRTIO_NET_F_GUEST_TSO6, FRAME_CAP_TSO6},
	{VIRTIO_NET_F_GUEST_ECN, FRAME_CAP_ECN},
	{VIRTIO_NET_F_GUEST_USO4, FRAME_CAP_USO4},
	{VIRTIO_NET_F_GUEST_USO6, FRAME_CAP_USO6},
};

static const struct cap_row host_rows[] = {
	{VIRTIO_NET_F_CSUM, FRAME_CAP_CSUM},
	{VIRTIO_NET_F_HOST_TSO4, FRAME_CAP_TSO4},
	{VIRTIO_NET_F_HOST_TSO6, FRAME_CAP_TSO6},
	{VIRTIO_NET_F_HOST_ECN, FRAME_CAP_ECN},
	{VIRTIO_NET_F_HOST_USO, FRAME_CAP_USO4 | FRAME_CAP_USO6},
};

static uint32_t caps_of(uint64_t features, const struct cap_row *rows, size_t n)
{
	uint32_t caps = 0;

	for (size_t i = 0; i < n; i++)
		if (features & BIT(rows[i].bit))
			caps |= rows[i].cap;
	return caps;
}

uint32_t vnet_guest_caps(uint64_t features)
{
	return caps_of(features, guest_rows, ARRAY_LEN(guest_rows));
}

uint32_t vnet_host_caps(uint64_t features)
{
	return caps_of(features, host_rows, ARRAY_LEN(host_rows));
}

uint16_t vnet_hdr_len(uint64_t features)
{
	return features & (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF)) ? VNET_HDR_LEN
										  : VNET_HDR_LEN_LEGACY;
}

/* A bit, and of which others it needs one; what is needed comes before. */
static const struct {
	unsigned bit;
	uint64_t needs;
} needs_rows[] = {
	{VIRTIO_NET_F_HOST_TSO4, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_TSO6, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_USO, BIT(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_ECN, BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6)},
	{VIRTIO_NET_F_GUEST_TSO4, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_TSO6, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_USO4, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_USO6, BIT(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_ECN, BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6)},
};

uint64_t vnet_settle(uint64_t features)
{
	for (size_t i = 0; i < ARRAY_LEN(needs_rows); i++)
		if (!(features & needs_rows[i].needs))
			features &= ~BIT(needs_rows[i].bit);
	return features;
}

static const uint8_t gso_types[] = {
	[PKT_GSO_NONE] = VIRTIO_NET_HDR_GSO_NONE,
	[PKT_GSO_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
	[PKT_GSO_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
	[PKT_GSO_UDP] = VIRTIO_NET_HDR_GSO_UDP_L4,
};

/* False: no kind of segments that we know. */
static bool gso_parse(struct pkt_offload *o, const struct virtio_net_hdr *h)
{
	o->ecn = h->gso_type & VIRTIO_NET_HDR_GSO_ECN;
	for (uint8_t gso = PKT_GSO_NONE + 1; gso < ARRAY_LEN(gso_types); gso++)
		if (gso_types[gso] == (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN))
			o->gso = gso;
	o->gso_size = h->gso_size;
	return o->gso != PKT_GSO_NONE && o->gso_size > 0 && !(o->gso == PKT_GSO_UDP && o->ecn);
}

bool vnet_parse(struct pkt_offload *o, const struct virtio_net_hdr *h, uint32_t frame_len)
{
	bool gso = (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_NONE;

	*o = (struct pkt_offload){0};
	if (likely(!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)))
		return !gso;
	/* a checksum inside the Ethernet header would rewrite what the bridge has looked at */
	if (h->csum_start < ETHERNET_HEADER_LEN || (uint32_t)h->csum_start + h->csum_offset + 2 > frame_len)
		return false;
	o->csum = true;
	o->csum_start = h->csum_start;
	o->csum_offset = h->csum_offset;
	return !gso || gso_parse(o, h);
}

void vnet_build(struct virtio_net_hdr_mrg_rxbuf *h, const struct pkt_offload *o, uint16_t num_buffers)
{
	*h = (struct virtio_net_hdr_mrg_rxbuf){.num_buffers = num_buffers};
	if (likely(!o->csum))
		return;
	h->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->hdr.csum_start = o->csum_start;
	h->hdr.csum_offset = o->csum_offset;
	if (o->gso == PKT_GSO_NONE)
		return;
	h->hdr.gso_type = gso_types[o->gso] | (o->ecn ? VIRTIO_NET_HDR_GSO_ECN : 0);
	h->hdr.gso_size = o->gso_size;
	h->hdr.hdr_len = o->hdr_len;
}
