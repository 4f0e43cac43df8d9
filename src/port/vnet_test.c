/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vnet.h"

#include "base/check.h"
#include "base/random.h"
#include "base/test.h"
#include "port/frame.h"

#include <linux/virtio_config.h>

#define LEN 1000

static struct pkt_offload o;

static bool parses(struct virtio_net_hdr h)
{
	return vnet_parse(&o, &h, LEN);
}

TEST(the_header_has_num_buffers_with_merged_buffers_or_version_1)
{
	assert_int_equal(vnet_hdr_len(0), 10);
	assert_int_equal(vnet_hdr_len(BIT(VIRTIO_F_ANY_LAYOUT)), 10);
	assert_int_equal(vnet_hdr_len(BIT(VIRTIO_NET_F_MRG_RXBUF)), 12);
	assert_int_equal(vnet_hdr_len(BIT(VIRTIO_F_VERSION_1)), 12);
}

TEST(a_checksum_lies_within_the_frame_and_behind_the_ethernet_header)
{
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14};

	assert_true(parses(h));
	h.csum_start = 13;
	assert_false(parses(h));
	h.csum_start = LEN - 2;
	assert_true(parses(h));
	h.csum_offset = 1;
	assert_false(parses(h));
	h.csum_start = 34;
	h.csum_offset = LEN - 36;
	assert_true(parses(h));
	h.csum_offset++;
	assert_false(parses(h));
	h.csum_start = h.csum_offset = 0xffff; /* their sum is no small number again */
	assert_false(parses(h));
}

/* What another has checked is no longer true when it arrives: we look at nothing there and say nothing of it. */
TEST(a_checksum_that_the_sender_calls_valid_is_not_called_so_by_us)
{
	struct virtio_net_hdr_mrg_rxbuf built;

	assert_true(parses((struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_DATA_VALID, .csum_start = 7}));
	assert_false(o.csum);
	vnet_build(&built, &o, 1);
	assert_int_equal(built.hdr.flags, 0);
	assert_int_equal(built.hdr.csum_start, 0);
}

TEST(segmentation_needs_a_checksum_a_size_and_a_kind_we_know)
{
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .gso_size = 1};

	for (uint32_t type = 0; type < 256; type++) {
		uint32_t kind = type & ~(uint32_t)VIRTIO_NET_HDR_GSO_ECN;
		bool tcp = kind == VIRTIO_NET_HDR_GSO_TCPV4 || kind == VIRTIO_NET_HDR_GSO_TCPV6;

		h.gso_type = (uint8_t)type;
		assert_int_equal(parses(h), tcp || kind == 0 || type == VIRTIO_NET_HDR_GSO_UDP_L4);
		if (kind == 0)
			continue;
		h.gso_size = 0;
		assert_false(parses(h));
		h.gso_size = 1;
		h.flags = 0;
		assert_false(parses(h));
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	}
}

TEST(what_was_parsed_is_built_again_but_for_the_length_of_headers)
{
	static const uint8_t types[] = {VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
		VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN};

	for (uint32_t i = 0; i < ARRAY_LEN(types); i++) {
		const struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.gso_type = types[i],
			.hdr_len = 54,
			.gso_size = 1448,
			.csum_start = 34,
			.csum_offset = 16};
		struct virtio_net_hdr_mrg_rxbuf built;

		assert_true(parses(h));
		assert_int_equal(o.hdr_len, 0); /* the sender's word: port/frame.h finds out */
		vnet_build(&built, &o, 3);
		assert_int_equal(built.num_buffers, 3);
		assert_int_equal(built.hdr.gso_type, types[i]);
		assert_int_equal(built.hdr.gso_size, 1448);
		assert_int_equal(built.hdr.csum_start, 34);
		assert_int_equal(built.hdr.csum_offset, 16);
	}
}

TEST(each_feature_stands_for_what_its_side_takes)
{
	assert_int_equal(vnet_guest_caps(0), 0);
	assert_int_equal(vnet_guest_caps(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_USO)), 0);
	assert_int_equal(vnet_guest_caps(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_USO6)),
		FRAME_CAP_CSUM | FRAME_CAP_USO6);
	assert_int_equal(vnet_host_caps(BIT(VIRTIO_NET_F_GUEST_CSUM)), 0);
	assert_int_equal(vnet_host_caps(BIT(VIRTIO_NET_F_HOST_USO)), FRAME_CAP_USO4 | FRAME_CAP_USO6);
}

TEST(offloads_are_not_accepted_without_those_they_need)
{
	const uint64_t host =
		BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN);
	const uint64_t guest =
		BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_ECN);
	const uint64_t other = BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(32);

	assert_int_equal(vnet_settle(host | guest | other), host | guest | other);
	assert_int_equal(vnet_settle(BIT(VIRTIO_NET_F_HOST_ECN) | other), other);
	assert_int_equal(vnet_settle((host & ~BIT(VIRTIO_NET_F_CSUM)) | guest), guest);
	assert_int_equal(vnet_settle(host | (guest & ~BIT(VIRTIO_NET_F_GUEST_CSUM))), host);
	assert_int_equal(vnet_settle(BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_USO6)), 0);
}

TESTS(cmocka_unit_test(the_header_has_num_buffers_with_merged_buffers_or_version_1),
	cmocka_unit_test(offloads_are_not_accepted_without_those_they_need),
	cmocka_unit_test(a_checksum_lies_within_the_frame_and_behind_the_ethernet_header),
	cmocka_unit_test(a_checksum_that_the_sender_calls_valid_is_not_called_so_by_us),
	cmocka_unit_test(segmentation_needs_a_checksum_a_size_and_a_kind_we_know),
	cmocka_unit_test(what_was_parsed_is_built_again_but_for_the_length_of_headers),
	cmocka_unit_test(each_feature_stands_for_what_its_side_takes))
