/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ethernet.h"

#include "base/test.h"

static const uint8_t frame[ETHERNET_HEADER_LEN] = {
	0x52, 0x54, 0x00, 0x00, 0x00, 0x01, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x08, 0x00};

TEST(a_header_yields_both_addresses)
{
	assert_true(ethernet_dst(frame) == 0x525400000001);
	assert_true(ethernet_src(frame) == 0xfedcba987654);
	assert_true(mac_load(frame + ETHERNET_SRC_AT) == 0xfedcba987654);
}

TEST(an_address_is_stored_in_the_order_of_the_wire)
{
	uint8_t bytes[MAC_LEN];

	mac_store(bytes, 0xfedcba987654);
	assert_memory_equal(bytes, frame + ETHERNET_SRC_AT, MAC_LEN);
}

TEST(groups_are_told_by_the_first_byte)
{
	assert_true(mac_is_group(MAC_BROADCAST));
	assert_true(mac_is_group(0x01005e000001));
	assert_true(mac_is_group(0x333300000001));
	assert_false(mac_is_group(0x525400ffffff));
	assert_false(mac_is_group(0));
	assert_true(mac_is_broadcast(MAC_BROADCAST));
	assert_false(mac_is_broadcast(0x01005e000001));
}

TEST(an_address_is_written_and_read_back)
{
	char text[MAC_TEXT_SIZE];
	uint64_t mac;

	assert_string_equal(mac_format(text, 0x5254000000af), "52:54:00:00:00:af");
	assert_true(mac_parse(text, &mac));
	assert_true(mac == 0x5254000000af);
	assert_true(mac_parse("FE:dc:BA:98:76:54", &mac));
	assert_true(mac == 0xfedcba987654);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const texts[] = {"", "52", "52:54:00:00:00", "52:54:00:00:00:0",
		"52:54:00:00:00:001", "52-54-00-00-00-01", "52:54:00:00:00:0g", " 2:54:00:00:00:01",
		"52:54:00:00:00:01 "};
	uint64_t mac;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(mac_parse(texts[i], &mac));
}

TESTS(cmocka_unit_test(a_header_yields_both_addresses),
	cmocka_unit_test(an_address_is_stored_in_the_order_of_the_wire),
	cmocka_unit_test(groups_are_told_by_the_first_byte),
	cmocka_unit_test(an_address_is_written_and_read_back),
	cmocka_unit_test(what_is_no_address_is_refused))
