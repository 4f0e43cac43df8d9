/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include "base/csum.h"
#include "base/test.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#define FROM 3
#define TO   2

static const struct options plain = {.size = 64, .macs = 1, .flows = 1};
static const struct options large = {.size = 65000, .macs = 1, .flows = 1, .gso = true};

static uint8_t buffer[VNET_HDR_LEN + FRAME_LEN_MAX];
static uint8_t *const frame = buffer + VNET_HDR_LEN;

static struct frame_shape build(const struct options *o)
{
	const struct frame_shape s = frame_shape(o);

	memset(buffer, 0, sizeof(buffer));
	frame_build(&s, buffer, FROM, TO);
	return s;
}

TEST(headers_are_what_a_switch_wants_to_see)
{
	const struct options *kinds[] = {&plain, &large};

	for (int i = 0; i < 2; i++) {
		const struct frame_shape s = build(kinds[i]);
		const uint8_t *ip = frame + ETHERNET_HEADER_LEN;

		assert_int_equal(be16_get(frame + ETHERNET_TYPE_AT), IP4_ETHERNET_TYPE);
		assert_false(mac_is_group(ethernet_dst(frame)) || mac_is_group(ethernet_src(frame)));
		assert_true(ethernet_dst(frame) != ethernet_src(frame));
		assert_int_equal(ip4_total_len(ip), s.len - ETHERNET_HEADER_LEN);
		assert_int_equal(csum_fold(csum_sum(ip, ip4_header_len(ip, 20))), 0xffff);
	}
}

/* With the sum of the pseudo header in the field, the sum over the segment must be the one of segment and pseudo header. */
TEST(the_checksum_of_a_large_frame_can_be_completed)
{
	const struct frame_shape s = build(&large);
	const struct virtio_net_hdr *hdr = (const struct virtio_net_hdr *)(const void *)buffer;
	const uint8_t *ip = frame + ETHERNET_HEADER_LEN, *tcp = frame + hdr->csum_start;
	const uint32_t len = s.len - hdr->csum_start;
	const uint8_t pseudo[4] = {0, IP_PROTO_TCP, (uint8_t)(len >> 8), (uint8_t)len};
	uint64_t sum = csum_add(csum_sum(ip + 12, 8), csum_sum(pseudo, sizeof(pseudo)));
	uint16_t field;

	memcpy(&field, tcp + TCP_CSUM_OFFSET, sizeof(field));
	assert_int_equal(hdr->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(hdr->gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(hdr->csum_start + TCP_HEADER_MIN, hdr->hdr_len);
	assert_int_equal(field, csum_fold(sum));
}

TEST(a_filled_frame_is_right_until_one_of_its_bytes_changes)
{
	const struct frame_shape s = build(&plain);
	const uint64_t number = frame_number(FROM, 5);

	frame_set_word(frame, s.number_at, number);
	frame_fill(&s, frame, number);
	assert_true(frame_check(&s, frame, TO, number));
	assert_false(frame_check(&s, frame, TO, number + 1));
	for (uint32_t at = 0; at < s.len; at++) {
		const bool checked = at < 12 || at - FRAME_FLOW_AT < 2 || at >= s.body_at;

		frame[at] ^= 0x10;
		assert_int_equal(frame_check(&s, frame, TO, number), !checked);
		frame[at] ^= 0x10;
	}
}

TESTS(cmocka_unit_test(headers_are_what_a_switch_wants_to_see),
	cmocka_unit_test(the_checksum_of_a_large_frame_can_be_completed),
	cmocka_unit_test(a_filled_frame_is_right_until_one_of_its_bytes_changes))
