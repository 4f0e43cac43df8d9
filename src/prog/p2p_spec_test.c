/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/p2p_spec.h"

#include "base/check.h"
#include "base/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct p2p_spec spec;
static char why[P2P_WHY_LEN], warning[P2P_WHY_LEN];

static int add(const char *text)
{
	p2p_spec_init(&spec);
	return p2p_spec_add(&spec, text, why, warning);
}

static int parse(const char *text)
{
	return p2p_spec_parse(&spec, text, why, warning);
}

TEST(a_port_has_two_regions_and_an_address_of_its_own_unless_it_is_told)
{
	p2p_spec_init(&spec);
	assert_int_equal(spec.ds_max, 2);
	assert_false(spec.has_mac);
	assert_int_equal(parse("net0"), 0);
	assert_string_equal(spec.name, "net0");
	assert_int_equal(spec.ds_max, 2);
	assert_false(spec.has_mac);
}

TEST(from_1_to_80_regions_may_be_shared)
{
	static const char *const wrong[] = {"ds-max=0", "ds-max=81", "ds-max=", "ds-max=-1", "ds-max=+4",
		"ds-max= 4", "ds-max=4x", "ds-max=0x4", "ds-max=4294967298", "ds-max=99999999999999999999"};
	char text[32];

	for (uint32_t n = 1; n <= 80; n++) {
		snprintf(text, sizeof(text), "ds-max=%u", n);
		assert_int_equal(add(text), 0);
		assert_int_equal(spec.ds_max, n);
		assert_string_equal(warning, "");
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(add(wrong[i]), -EINVAL);
		assert_non_null(strstr(why, "from 1 to 80"));
	}
}

TEST(an_address_has_six_bytes_of_one_digit_or_two)
{
	static const uint8_t mac[6] = {0x11, 0x22, 0x03, 0x44, 0xaf, 0};
	static const char *const wrong[] = {"mac=", "mac=11:22:33:44:55", "mac=11:22:33:44:55:66:77",
		"mac=111:22:33:44:55:66", "mac=11:22:33:44:55:6g", "mac=11-22-33-44-55-66",
		"mac=:22:33:44:55:66", "mac=11:22:33:44:55:", "mac=11:22:33:44:55:66 ", "mac=112233445566"};

	assert_int_equal(add("mac=11:22:3:44:Af:0"), 0);
	assert_true(spec.has_mac);
	assert_memory_equal(spec.mac, mac, 6);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(add(wrong[i]), -EINVAL);
		assert_false(spec.has_mac);
		assert_non_null(strstr(why, "11:22:33:44:55:66"));
	}
}

TEST(an_unknown_key_is_told_and_passed_over)
{
	static const char *const unknown[] = {"colour=red", "ds_max=4", "DS-MAX=4", "mac", "", "=", "name=x"};

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_int_equal(add(unknown[i]), 0);
		assert_int_equal(spec.ds_max, 2);
		assert_non_null(strstr(warning, "not known"));
	}
	assert_int_equal(parse("net0,colour=red,ds-max=5"), 0);
	assert_int_equal(spec.ds_max, 5);
}

TEST(keys_come_in_any_order_and_the_last_counts)
{
	assert_int_equal(parse("a.b-c_1,mac=1:2:3:4:5:6,ds-max=7,ds-max=8"), 0);
	assert_string_equal(spec.name, "a.b-c_1");
	assert_int_equal(spec.ds_max, 8);
	assert_int_equal(spec.mac[5], 6);
}

TEST(a_name_is_one_that_a_file_may_have)
{
	static const char *const wrong[] = {"", ".hidden", "-x", "a/b", "a b", "..", ",ds-max=4",
		"a-name-that-is-longer-than-a-port-of-ours-may-have-and-then-longer-still"};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(parse(wrong[i]), -EINVAL);
	assert_int_equal(parse("net0,"), -EINVAL);
	assert_int_equal(parse("net0,,ds-max=4"), -EINVAL);
}

TESTS(cmocka_unit_test(a_port_has_two_regions_and_an_address_of_its_own_unless_it_is_told),
	cmocka_unit_test(from_1_to_80_regions_may_be_shared),
	cmocka_unit_test(an_address_has_six_bytes_of_one_digit_or_two),
	cmocka_unit_test(an_unknown_key_is_told_and_passed_over),
	cmocka_unit_test(keys_come_in_any_order_and_the_last_counts),
	cmocka_unit_test(a_name_is_one_that_a_file_may_have))
