/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "pkt/tag.h"

#include <string.h>

#define TAG 0x8100a007u

static struct pkt packet(void)
{
	struct pkt pkt = {.head_len = 100,
		.offload = {.csum = true, .csum_start = 34, .csum_offset = 16, .hdr_len = 54}};

	for (size_t i = 0; i < sizeof(pkt.buf); i++)
		pkt.buf[i] = (uint8_t)i;
	return pkt;
}

TEST(a_tag_goes_between_addresses_and_type_and_comes_out_again)
{
	struct pkt pkt = packet(), before = pkt;

	pkt.data = pkt.buf + PKT_HEADROOM;
	assert_true(pkt_push_tag(&pkt, TAG));
	assert_int_equal(pkt.head_len, 104);
	assert_int_equal(pkt_tag(&pkt), TAG);
	assert_memory_equal(pkt.data, before.buf + PKT_HEADROOM, TAG_AT);
	assert_memory_equal(pkt.data + TAG_AT + TAG_LEN, before.buf + PKT_HEADROOM + TAG_AT, 88);
	assert_int_equal(pkt.offload.csum_start, 38);
	assert_int_equal(pkt.offload.csum_offset, 16);
	assert_int_equal(pkt.offload.hdr_len, 58);
	assert_true(pkt_pop_tag(&pkt));
	assert_int_equal(pkt.head_len, 100);
	assert_memory_equal(pkt.data, before.buf + PKT_HEADROOM, 100);
	assert_memory_equal(&pkt.offload, &before.offload, sizeof(pkt.offload));
}

TEST(there_is_headroom_for_sixteen_tags)
{
	struct pkt pkt = packet();
	int n = 0;

	pkt.data = pkt.buf + PKT_HEADROOM;
	while (pkt_push_tag(&pkt, TAG))
		n++;
	assert_int_equal(n, PKT_HEADROOM / TAG_LEN);
}

TEST(offsets_that_would_leave_their_fields_are_refused)
{
	struct pkt pkt = packet();

	pkt.data = pkt.buf + PKT_HEADROOM;
	pkt.offload.csum_start = UINT16_MAX - 3;
	assert_false(pkt_push_tag(&pkt, TAG));
	pkt.offload.csum_start = 17; /* after the tag is gone, inside the type */
	assert_false(pkt_pop_tag(&pkt));
	assert_int_equal(pkt.head_len, 100);
}

TESTS(cmocka_unit_test(a_tag_goes_between_addresses_and_type_and_comes_out_again),
	cmocka_unit_test(there_is_headroom_for_sixteen_tags),
	cmocka_unit_test(offsets_that_would_leave_their_fields_are_refused))
