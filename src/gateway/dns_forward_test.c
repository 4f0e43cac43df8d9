/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dns_forward.h"

#include "base/test.h"
#include "wire/dns.h"

#include <errno.h>
#include <stdlib.h>

static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06ginnel\x07"
			       "example\x00\x00\x01\x00\x01";
#define QUERY_LEN (sizeof(query) - 1)

static struct ip_addr server(uint32_t i)
{
	return ip4_addr(0xc6336401 + i);
}

static struct dns_forward *forwarder(uint32_t n_servers)
{
	struct dns_forward *f = malloc(sizeof(*f));

	assert_non_null(f);
	dns_forward_init(f, 3);
	for (uint32_t i = 0; i < n_servers; i++) {
		const struct ip_addr s = server(i);

		assert_int_equal(dns_forward_add_server(f, &s), 0);
	}
	return f;
}

struct asked {
	uint8_t message[QUERY_LEN];
	struct dns_way way;
};

static struct asked ask(struct dns_forward *f, uint32_t client, uint64_t now_s, enum drop want)
{
	const struct dns_client c = {
		.addr = ip4_addr(client), .own = ip4_addr(0x0a000001), .iface_idx = 3, .port = 999};
	struct asked a;

	memcpy(a.message, query, QUERY_LEN);
	assert_int_equal(
		dns_forward_ask(f, &c, &(struct dns_message){a.message, QUERY_LEN}, now_s, &a.way), want);
	return a;
}

static enum drop answer(struct dns_forward *f, struct asked *a, uint64_t now_s, struct dns_client *client)
{
	a->message[2] |= 0x80;
	return dns_forward_answer(f, &a->way, &(struct dns_message){a->message, QUERY_LEN}, now_s, client);
}

TEST(an_answer_goes_to_who_asked_with_his_identifier)
{
	struct dns_forward *f = forwarder(1);
	struct asked a = ask(f, 0x0a000005, 0, DROP_NONE), b = ask(f, 0x0a000006, 0, DROP_NONE);
	struct dns_client client;

	assert_true(a.way.port >= DNS_PORT_FIRST && a.way.port != b.way.port);
	assert_int_not_equal(dns_id(a.message), 0x1234);
	assert_int_equal(answer(f, &a, 1, &client), DROP_NONE);
	assert_int_equal(ip4_of(&client.addr), 0x0a000005);
	assert_int_equal(client.port, 999);
	assert_int_equal(client.iface_idx, 3);
	assert_int_equal(dns_id(a.message), 0x1234);
	assert_int_equal(f->n_outstanding, 1);
	free(f);
}

TEST(an_answer_is_taken_once_in_time_from_the_server_with_the_identifier)
{
	struct dns_forward *f = forwarder(2);
	struct dns_client client;
	struct asked a = ask(f, 0x0a000005, 0, DROP_NONE), bad = a;

	bad.way.server = server(1);
	assert_int_equal(answer(f, &bad, 1, &client), DROP_DNS_UNASKED);
	bad = a;
	bad.message[0] ^= 1;
	assert_int_equal(answer(f, &bad, 1, &client), DROP_DNS_UNASKED);
	bad = a;
	bad.way.port ^= 1;
	assert_int_equal(answer(f, &bad, 1, &client), DROP_DNS_UNASKED);
	bad = a;
	assert_int_equal(answer(f, &bad, DNS_WAIT_S, &client), DROP_DNS_UNASKED);
	bad = a;
	assert_int_equal(answer(f, &a, 1, &client), DROP_NONE);
	assert_int_equal(answer(f, &bad, 1, &client), DROP_DNS_UNASKED);
	free(f);
}

TEST(a_question_is_no_answer)
{
	struct dns_forward *f = forwarder(1);
	struct asked a = ask(f, 0x0a000005, 0, DROP_NONE);
	struct dns_client client;

	assert_int_equal(
		dns_forward_answer(f, &a.way, &(struct dns_message){a.message, QUERY_LEN}, 1, &client),
		DROP_DNS_UNASKED);
	free(f);
}

TEST(one_client_has_a_part_of_the_table_only)
{
	struct dns_forward *f = forwarder(1);

	for (uint32_t i = 0; i < DNS_PER_CLIENT; i++)
		ask(f, 0x0a000005, 0, DROP_NONE);
	ask(f, 0x0a000005, 0, DROP_DNS_FULL);
	ask(f, 0x0a000006, 0, DROP_NONE);
	dns_forward_tick(f, DNS_WAIT_S);
	assert_int_equal(f->n_outstanding, 0);
	ask(f, 0x0a000005, DNS_WAIT_S, DROP_NONE);
	free(f);
}

TEST(a_table_that_is_full_says_so_and_loses_nobody)
{
	struct dns_forward *f = forwarder(1);
	struct asked first = ask(f, 1, 0, DROP_NONE);
	struct dns_client client;
	uint8_t message[QUERY_LEN];
	struct dns_way way;
	enum drop drop = DROP_NONE;

	for (uint32_t i = 0; i < 2 * DNS_PORTS && !drop; i++) {
		const struct dns_client c = {.addr = ip4_addr(i % 999)};

		memcpy(message, query, QUERY_LEN);
		drop = dns_forward_ask(f, &c, &(struct dns_message){message, QUERY_LEN}, 0, &way);
	}
	assert_int_equal(drop, DROP_DNS_FULL);
	assert_true(f->n_outstanding <= DNS_PORTS && f->n_outstanding > DNS_PORTS * 3 / 4);
	assert_int_equal(answer(f, &first, 1, &client), DROP_NONE);
	assert_int_equal(ip4_of(&client.addr), 1);
	free(f);
}

TEST(a_server_that_is_silent_is_asked_no_more)
{
	struct dns_forward *f = forwarder(2);
	struct asked a = ask(f, 0x0a000005, 0, DROP_NONE);
	struct dns_client client;

	assert_true(ip4_of(&a.way.server) == 0xc6336401);
	dns_forward_tick(f, 4);
	dns_forward_tick(f, 5);
	a = ask(f, 0x0a000005, 5, DROP_NONE);
	assert_true(ip4_of(&a.way.server) == 0xc6336402);
	ask(f, 0x0a000005, 5, DROP_NONE);
	assert_int_equal(answer(f, &a, 6, &client), DROP_NONE);
	/* one question lost in a second in which another was answered says nothing */
	f->n_answered = 1;
	dns_forward_tick(f, 10);
	assert_int_equal(f->current, 1);
	free(f);
}

TEST(without_a_server_there_is_no_answer)
{
	struct dns_forward *f = forwarder(1);
	const struct ip_addr s = server(0);

	assert_int_equal(dns_forward_add_server(f, &s), -EEXIST);
	assert_int_equal(dns_forward_del_server(f, &s), 0);
	assert_int_equal(dns_forward_del_server(f, &s), -ENOENT);
	ask(f, 1, 0, DROP_DNS_NO_SERVER);
	free(f);
}

TESTS(cmocka_unit_test(an_answer_goes_to_who_asked_with_his_identifier),
	cmocka_unit_test(an_answer_is_taken_once_in_time_from_the_server_with_the_identifier),
	cmocka_unit_test(a_question_is_no_answer), cmocka_unit_test(one_client_has_a_part_of_the_table_only),
	cmocka_unit_test(a_table_that_is_full_says_so_and_loses_nobody),
	cmocka_unit_test(a_server_that_is_silent_is_asked_no_more),
	cmocka_unit_test(without_a_server_there_is_no_answer))
