/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dhcp.h"

#include "base/test.h"

#include <stdlib.h>

#define MESSAGE_MAX 600

struct request {
	uint8_t bytes[MESSAGE_MAX];
	uint32_t len;
};

static void add(struct request *r, uint8_t code, const char *value, uint8_t len)
{
	r->bytes[r->len++] = code;
	r->bytes[r->len++] = len;
	memcpy(r->bytes + r->len, value, len);
	r->len += len;
}

static struct request request(uint8_t type)
{
	struct request r = {.len = DHCP_OPTIONS_AT};

	r.bytes[0] = r.bytes[1] = 1;
	r.bytes[2] = 6;
	be32_set(r.bytes + 4, 0x12345678);
	memcpy(r.bytes + 28, "\x52\x54\x00\x00\x00\x01", 6);
	be32_set(r.bytes + 236, DHCP_COOKIE);
	add(&r, DHCP_OPT_TYPE, (const char *)&type, 1);
	return r;
}

TEST(a_request_is_read)
{
	struct request r = request(DHCP_REQUEST);
	struct dhcp_message m;

	be16_set(r.bytes + 10, DHCP_FLAG_BROADCAST);
	be32_set(r.bytes + 12, 0x0a000005);
	r.bytes[r.len++] = DHCP_OPT_PAD;
	add(&r, DHCP_OPT_REQUESTED_IP, "\x0a\x00\x00\x07", 4);
	add(&r, DHCP_OPT_SERVER_ID, "\x0a\x00\x00\x01", 4);
	add(&r, DHCP_OPT_CLIENT_ID, "\x01guest", 6);
	add(&r, DHCP_OPT_REQUEST_LIST, "\x01\x03\x06", 3);
	add(&r, DHCP_OPT_MAX_LEN, "\x05\xdc", 2);
	r.bytes[r.len++] = DHCP_OPT_END;
	assert_true(dhcp_parse(&m, r.bytes, r.len));
	assert_int_equal(m.type, DHCP_REQUEST);
	assert_int_equal(m.xid, 0x12345678);
	assert_int_equal(m.flags, DHCP_FLAG_BROADCAST);
	assert_int_equal(m.ciaddr, 0x0a000005);
	assert_int_equal(m.requested_ip, 0x0a000007);
	assert_int_equal(m.server_id, 0x0a000001);
	assert_memory_equal(m.mac, "\x52\x54\x00\x00\x00\x01", 6);
	assert_int_equal(m.client_id.len, 6);
	assert_memory_equal(m.client_id.at, "\x01guest", 6);
	assert_true(dhcp_wants(&m, DHCP_OPT_ROUTER));
	assert_false(dhcp_wants(&m, DHCP_OPT_MTU));
	assert_int_equal(m.max_len, 1500 - 28);
}

TEST(options_go_on_in_file_and_then_in_sname)
{
	struct request r = request(DHCP_DISCOVER);
	struct dhcp_message m;

	add(&r, DHCP_OPT_OVERLOAD, "\x03", 1);
	r.bytes[r.len++] = DHCP_OPT_END;
	memcpy(r.bytes + DHCP_FILE_AT, "\x32\x04\x0a\x00\x00\x09\xff", 7);
	memcpy(r.bytes + DHCP_SNAME_AT, "\x32\x04\x0a\x00\x00\x08\x0c\x02vm\xff", 11);
	assert_true(dhcp_parse(&m, r.bytes, r.len));
	assert_int_equal(m.requested_ip, 0x0a000009);
	assert_int_equal(m.host_name.len, 2);
	assert_memory_equal(m.host_name.at, "vm", 2);
}

TEST(without_overload_file_and_sname_hold_no_options)
{
	struct request r = request(DHCP_DISCOVER);
	struct dhcp_message m;

	memcpy(r.bytes + DHCP_FILE_AT, "\x32\x04\x0a\x00\x00\x09\xff", 7);
	assert_true(dhcp_parse(&m, r.bytes, r.len));
	assert_int_equal(m.requested_ip, 0);
}

TEST(what_is_no_request_is_refused)
{
	struct request r = request(DHCP_DISCOVER);
	static const uint32_t spoilt_at[] = {0, 1, 2, 236, 239, DHCP_OPTIONS_AT, DHCP_OPTIONS_AT + 1};
	struct dhcp_message m;

	assert_true(dhcp_parse(&m, r.bytes, r.len));
	for (size_t i = 0; i < sizeof(spoilt_at) / sizeof(spoilt_at[0]); i++) {
		struct request bad = r;

		bad.bytes[spoilt_at[i]] ^= 0x7c;
		assert_false(dhcp_parse(&m, bad.bytes, bad.len));
	}
}

TEST(a_message_cut_anywhere_is_read_within_its_bytes)
{
	struct request r = request(DHCP_REQUEST);
	struct dhcp_message m;

	add(&r, DHCP_OPT_OVERLOAD, "\x03", 1);
	add(&r, DHCP_OPT_REQUESTED_IP, "\x0a\x00\x00\x07", 4);
	for (uint32_t len = 0; len <= r.len; len++) {
		uint8_t *exact = malloc(len + 1);

		assert_non_null(exact);
		memcpy(exact + 1, r.bytes, len);
		assert_int_equal(dhcp_parse(&m, exact + 1, len), len >= DHCP_OPTIONS_AT + 3);
		if (len >= DHCP_OPTIONS_AT + 3)
			assert_int_equal(m.requested_ip, len == r.len ? 0x0a000007 : 0);
		free(exact);
	}
}

TEST(a_client_that_takes_little_still_takes_the_usual)
{
	struct request r = request(DHCP_DISCOVER);
	struct dhcp_message m;

	add(&r, DHCP_OPT_MAX_LEN, "\x00\x10", 2);
	assert_true(dhcp_parse(&m, r.bytes, r.len));
	assert_int_equal(m.max_len, DHCP_LEN_MAX_DEFAULT);
}

TEST(an_answer_holds_what_was_added)
{
	struct request r = request(DHCP_DISCOVER);
	struct dhcp_message m;
	struct dhcp_writer w;
	uint8_t answer[DHCP_LEN_MAX_DEFAULT];

	assert_true(dhcp_parse(&m, r.bytes, r.len));
	dhcp_begin(&w, answer, sizeof(answer), &m, DHCP_OFFER);
	dhcp_set_yiaddr(&w, 0x0a000007);
	dhcp_add_u32(&w, DHCP_OPT_MASK, 0xffffff00);
	assert_int_equal(dhcp_end(&w), DHCP_LEN_MIN);
	assert_int_equal(answer[0], 2);
	assert_int_equal(be32_get(answer + 4), 0x12345678);
	assert_int_equal(be32_get(answer + 16), 0x0a000007);
	assert_memory_equal(answer + DHCP_OPTIONS_AT, "\x35\x01\x02\x01\x04\xff\xff\xff\x00\xff", 10);
	assert_memory_equal(answer + 28, m.mac, 6);
}

TEST(an_answer_that_is_full_ends_in_bounds)
{
	struct request r = request(DHCP_DISCOVER);
	struct dhcp_message m;
	struct dhcp_writer w;
	uint8_t answer[DHCP_LEN_MIN + 1];

	assert_true(dhcp_parse(&m, r.bytes, r.len));
	answer[DHCP_LEN_MIN] = 0x5a;
	dhcp_begin(&w, answer, DHCP_LEN_MIN, &m, DHCP_ACK);
	for (int i = 0; i < 20; i++)
		dhcp_add_u32(&w, DHCP_OPT_ROUTER, (uint32_t)i);
	assert_true(w.full);
	assert_int_equal(dhcp_end(&w), DHCP_LEN_MIN);
	assert_int_equal(answer[DHCP_OPTIONS_AT + 3 + 9 * 6], DHCP_OPT_END);
	assert_int_equal(answer[DHCP_LEN_MIN], 0x5a);
}

TESTS(cmocka_unit_test(a_request_is_read), cmocka_unit_test(options_go_on_in_file_and_then_in_sname),
	cmocka_unit_test(without_overload_file_and_sname_hold_no_options),
	cmocka_unit_test(what_is_no_request_is_refused),
	cmocka_unit_test(a_message_cut_anywhere_is_read_within_its_bytes),
	cmocka_unit_test(a_client_that_takes_little_still_takes_the_usual),
	cmocka_unit_test(an_answer_holds_what_was_added),
	cmocka_unit_test(an_answer_that_is_full_ends_in_bounds))
