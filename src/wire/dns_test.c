/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns.h"

#include "base/test.h"

#include <stdlib.h>

/* id 0x1234, recursion desired, one question: ginnel.example, type A, class IN */
static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06ginnel\x07"
			       "example\x00\x00\x01\x00\x01";
#define QUERY_LEN (sizeof(query) - 1)

static enum dns_name check(const char *name, uint32_t len)
{
	uint32_t end = UINT32_MAX;
	enum dns_name got = dns_name_check((const uint8_t *)name, len, &end);

	if (got == DNS_NAME_OK)
		assert_true(end <= len);
	return got;
}

TEST(a_query_is_told)
{
	char text[DNS_NAME_MAX + 1];

	assert_true(dns_is_query(query, QUERY_LEN, QUERY_LEN));
	assert_int_equal(dns_id(query), 0x1234);
	dns_name_text(text, query + DNS_HEADER_LEN);
	assert_string_equal(text, "ginnel.example");
}

TEST(the_root_is_a_name)
{
	char text[DNS_NAME_MAX + 1];

	assert_int_equal(check("\0", 1), DNS_NAME_OK);
	dns_name_text(text, (const uint8_t *)"\0");
	assert_string_equal(text, ".");
}

TEST(answers_other_operations_and_several_questions_are_no_query)
{
	static const struct {
		uint32_t at;
		uint8_t value;
	} spoilt[] = {{2, 0x80}, {2, 0x28}, {5, 0}, {5, 2}, {4, 1}};
	uint8_t bytes[QUERY_LEN];

	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		memcpy(bytes, query, sizeof(bytes));
		bytes[spoilt[i].at] = spoilt[i].value;
		assert_false(dns_is_query(bytes, sizeof(bytes), sizeof(bytes)));
	}
}

TEST(a_pointer_in_a_question_is_refused_and_not_followed)
{
	assert_int_equal(check("\xc0\x0c", 2), DNS_NAME_BAD);
	assert_int_equal(check("\x01"
			       "a\xc0\x0c",
				 4),
		DNS_NAME_BAD);
	assert_int_equal(check("\x40", 1), DNS_NAME_BAD);
}

TEST(a_name_is_at_most_255_bytes_long)
{
	char name[300] = {0};

	for (int at = 0; at < 256; at += 2)
		name[at] = 1;
	assert_int_equal(check(name, sizeof(name)), DNS_NAME_BAD);
	name[254] = 0;
	assert_int_equal(check(name, sizeof(name)), DNS_NAME_OK);
	assert_int_equal(check(name, 254), DNS_NAME_CUT);
}

TEST(a_query_cut_anywhere_is_read_within_its_bytes)
{
	for (uint32_t len = 0; len <= QUERY_LEN; len++) {
		uint8_t *exact = malloc(len + 1);

		assert_non_null(exact);
		memcpy(exact + 1, query, len);
		assert_int_equal(dns_is_query(exact + 1, len, len), len == QUERY_LEN);
		/* the rest is elsewhere */
		assert_int_equal(dns_is_query(exact + 1, len, QUERY_LEN), len >= DNS_HEADER_LEN);
		free(exact);
	}
}

TESTS(cmocka_unit_test(a_query_is_told), cmocka_unit_test(the_root_is_a_name),
	cmocka_unit_test(answers_other_operations_and_several_questions_are_no_query),
	cmocka_unit_test(a_pointer_in_a_question_is_refused_and_not_followed),
	cmocka_unit_test(a_name_is_at_most_255_bytes_long),
	cmocka_unit_test(a_query_cut_anywhere_is_read_within_its_bytes))
