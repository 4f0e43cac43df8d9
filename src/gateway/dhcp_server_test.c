/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/dhcp_server.h"

#include "base/check.h"
#include "base/test.h"
#include "wire/ethernet.h"

#include <errno.h>

#define SERVER 0x0a000001u
#define FIRST  0x0a000064u
#define GUEST  0x525400000001ull

static struct dhcp_server *server(uint32_t n_addresses)
{
	const struct dhcp_config config = {
		.first = FIRST,
		.last = FIRST + n_addresses - 1,
		.server = SERVER,
		.mask = 0xffffff00,
		.router = SERVER,
		.dns = {SERVER},
		.n_dns = 1,
		.lease_s = 600,
		.domain = "example",
	};
	struct dhcp_server *s;

	assert_null(dhcp_config_problem(&config));
	s = dhcp_server_create(&config);
	assert_non_null(s);
	return s;
}

static struct dhcp_message message(enum dhcp_type type, uint64_t mac)
{
	struct dhcp_message m = {.type = (uint8_t)type, .xid = 7};

	mac_store(m.mac, mac);
	return m;
}

struct said {
	uint8_t type;
	uint32_t ip, lease_s, router, dns, mask, server_id;
	struct dhcp_answer answer;
};

static struct said read_answer(const struct dhcp_answer *a)
{
	struct said said = {.answer = *a};
	struct dhcp_values v;

	if (a->len == 0)
		return said;
	dhcp_collect_all(&v, a->bytes, a->len);
	said.type = v.of[DHCP_OPT_TYPE].at[0];
	said.ip = be32_get(a->bytes + 16);
	said.lease_s = dhcp_u32(v.of[DHCP_OPT_LEASE_S]);
	said.router = dhcp_u32(v.of[DHCP_OPT_ROUTER]);
	said.dns = dhcp_u32(v.of[DHCP_OPT_DNS]);
	said.mask = dhcp_u32(v.of[DHCP_OPT_MASK]);
	said.server_id = dhcp_u32(v.of[DHCP_OPT_SERVER_ID]);
	return said;
}

static struct said say(struct dhcp_server *s, struct dhcp_message m, uint64_t now_s, enum drop want)
{
	struct dhcp_answer a;

	assert_int_equal(dhcp_server_handle(s, &m, now_s, &a), want);
	return read_answer(&a);
}

static uint32_t offered(struct dhcp_server *s, uint64_t mac, uint64_t now_s)
{
	struct said said = say(s, message(DHCP_DISCOVER, mac), now_s, DROP_NONE);

	assert_int_equal(said.type, DHCP_OFFER);
	return said.ip;
}

static struct said request(struct dhcp_server *s, uint64_t mac, uint32_t server_id, uint32_t requested,
	uint32_t ciaddr, uint64_t now_s)
{
	struct dhcp_message m = message(DHCP_REQUEST, mac);

	m.server_id = server_id;
	m.requested_ip = requested;
	m.ciaddr = ciaddr;
	return say(s, m, now_s, DROP_NONE);
}

static uint32_t leased(struct dhcp_server *s, uint64_t mac, uint64_t now_s)
{
	uint32_t ip = offered(s, mac, now_s);

	assert_int_equal(request(s, mac, SERVER, ip, 0, now_s).type, DHCP_ACK);
	return ip;
}

TEST(a_station_is_offered_an_address_and_gets_it)
{
	struct dhcp_server *s = server(10);
	uint32_t ip = offered(s, GUEST, 5);
	struct said said = request(s, GUEST, SERVER, ip, 0, 5);

	assert_in_range(ip, FIRST, FIRST + 9);
	assert_int_equal(said.type, DHCP_ACK);
	assert_int_equal(said.ip, ip);
	assert_int_equal(said.lease_s, 600);
	assert_int_equal(said.router, SERVER);
	assert_int_equal(said.dns, SERVER);
	assert_int_equal(said.mask, 0xffffff00);
	assert_int_equal(said.server_id, SERVER);
	assert_int_equal(said.answer.to, ip);
	assert_false(said.answer.to_all);
	dhcp_server_destroy(s);
}

TEST(only_what_was_asked_for_is_said)
{
	struct dhcp_server *s = server(10);
	struct dhcp_message m = message(DHCP_DISCOVER, GUEST);
	struct said said;

	m.request_list = (struct dhcp_value){(const uint8_t *)"\x06", 1};
	said = say(s, m, 0, DROP_NONE);
	assert_int_equal(said.router, 0);
	assert_int_equal(said.dns, SERVER);
	dhcp_server_destroy(s);
}

TEST(a_client_identifier_is_said_back)
{
	struct dhcp_server *s = server(10);
	struct dhcp_message m = message(DHCP_DISCOVER, GUEST);
	struct dhcp_values v;
	struct said said;

	m.client_id = (struct dhcp_value){(const uint8_t *)"\x01guest", 6};
	said = say(s, m, 0, DROP_NONE);
	dhcp_collect_all(&v, said.answer.bytes, said.answer.len);
	assert_int_equal(v.of[DHCP_OPT_CLIENT_ID].len, 6);
	assert_memory_equal(v.of[DHCP_OPT_CLIENT_ID].at, "\x01guest", 6);
	dhcp_server_destroy(s);
}

TEST(a_station_that_cannot_hear_its_address_is_told_by_broadcast)
{
	struct dhcp_server *s = server(10);
	struct dhcp_message m = message(DHCP_DISCOVER, GUEST);
	struct said said;

	m.flags = DHCP_FLAG_BROADCAST;
	said = say(s, m, 0, DROP_NONE);
	assert_true(said.answer.to_all);
	assert_int_equal(said.answer.to, 0xffffffff);
	dhcp_server_destroy(s);
}

TEST(stations_get_different_addresses_until_there_are_none)
{
	struct dhcp_server *s = server(3);
	uint32_t seen = 0;

	for (uint64_t i = 0; i < 3; i++)
		seen |= 1u << (leased(s, GUEST + i, 0) - FIRST);
	assert_int_equal(seen, 7);
	say(s, message(DHCP_DISCOVER, GUEST + 3), 599, DROP_DHCP_NO_ADDRESS);
	assert_int_equal(offered(s, GUEST + 3, 600) - FIRST < 3, true);
	dhcp_server_destroy(s);
}

TEST(a_station_that_comes_back_gets_the_address_it_had)
{
	struct dhcp_server *s = server(10);
	uint32_t ip = leased(s, GUEST, 0);

	for (uint64_t i = 1; i < 9; i++)
		leased(s, GUEST + i, 0);
	assert_int_equal(offered(s, GUEST, 100), ip);
	assert_int_equal(offered(s, GUEST, 100000), ip);
	dhcp_server_destroy(s);
}

TEST(an_offer_that_nobody_takes_up_is_free_after_a_minute)
{
	struct dhcp_server *s = server(1);
	uint32_t ip = offered(s, GUEST, 0);

	say(s, message(DHCP_DISCOVER, GUEST + 1), 59, DROP_DHCP_NO_ADDRESS);
	assert_int_equal(offered(s, GUEST + 1, 60), ip);
	/* and too late for the first */
	assert_int_equal(request(s, GUEST, SERVER, ip, 0, 61).type, DHCP_NAK);
	dhcp_server_destroy(s);
}

TEST(who_takes_another_servers_offer_leaves_ours)
{
	struct dhcp_server *s = server(1);
	uint32_t ip = offered(s, GUEST, 0);

	assert_int_equal(request(s, GUEST, SERVER + 1, ip, 0, 1).answer.len, 0);
	assert_int_equal(offered(s, GUEST + 1, 2), ip);
	dhcp_server_destroy(s);
}

TEST(a_lease_is_renewed)
{
	struct dhcp_server *s = server(10);
	uint32_t ip = leased(s, GUEST, 0);
	struct said said = request(s, GUEST, 0, 0, ip, 500);
	uint32_t pos = 0, at;

	assert_int_equal(said.type, DHCP_ACK);
	assert_int_equal(said.answer.to, ip);
	assert_int_equal(dhcp_server_next(s, &pos, &at)->until_s, 1100);
	assert_int_equal(at, ip);
	dhcp_server_destroy(s);
}

TEST(a_station_that_starts_again_is_told_whether_its_address_is_good)
{
	struct dhcp_server *s = server(10);
	uint32_t ip = leased(s, GUEST, 0);

	assert_int_equal(request(s, GUEST, 0, ip, 0, 10).type, DHCP_ACK);
	assert_int_equal(request(s, GUEST, 0, ip + 1, 0, 10).type, DHCP_NAK);
	assert_int_equal(request(s, GUEST + 1, 0, ip, 0, 10).type, DHCP_NAK);
	assert_int_equal(request(s, GUEST + 1, 0, 0xc0a80005, 0, 10).type, DHCP_NAK);
	assert_true(request(s, GUEST + 1, 0, 0xc0a80005, 0, 10).answer.to_all);
	/* nobody knows it, the address is free: as after our memory was lost */
	assert_int_equal(request(s, GUEST + 2, 0, FIRST + (ip == FIRST), 0, 10).type, DHCP_ACK);
	dhcp_server_destroy(s);
}

TEST(the_routers_own_address_is_nobodys)
{
	const struct dhcp_config config = {
		.first = SERVER, .last = SERVER + 1, .server = SERVER, .mask = 0xffffff00, .lease_s = 60};
	struct dhcp_server *s = dhcp_server_create(&config);

	assert_non_null(s);
	assert_int_equal(leased(s, GUEST, 0), SERVER + 1);
	assert_int_equal(request(s, GUEST + 1, 0, SERVER, 0, 0).type, DHCP_NAK);
	dhcp_server_destroy(s);
}

TEST(what_is_given_back_is_free_and_remembered)
{
	struct dhcp_server *s = server(1);
	uint32_t ip = leased(s, GUEST, 0);
	struct dhcp_message m = message(DHCP_RELEASE, GUEST + 1);

	m.server_id = SERVER;
	m.ciaddr = ip;
	say(s, m, 1, DROP_DHCP_NOT_ITS_OWN);
	mac_store(m.mac, GUEST);
	say(s, m, 1, DROP_NONE);
	assert_int_equal(offered(s, GUEST, 2), ip);
	dhcp_server_destroy(s);
}

TEST(an_address_in_which_somebody_else_was_found_rests)
{
	struct dhcp_server *s = server(2);
	uint32_t ip = leased(s, GUEST, 0), other;
	struct dhcp_message m = message(DHCP_DECLINE, GUEST);

	m.server_id = SERVER;
	m.requested_ip = ip;
	say(s, m, 1, DROP_NONE);
	other = leased(s, GUEST, 2);
	assert_int_not_equal(other, ip);
	say(s, message(DHCP_DISCOVER, GUEST + 1), 3, DROP_DHCP_NO_ADDRESS);
	/* one station makes one rest */
	m.requested_ip = other;
	say(s, m, 4, DROP_NONE);
	assert_int_equal(offered(s, GUEST + 1, 5), ip);
	dhcp_server_destroy(s);
}

TEST(a_station_with_a_fixed_address_always_gets_it)
{
	struct dhcp_server *s = server(2);
	uint32_t taken = leased(s, GUEST, 0);

	assert_int_equal(dhcp_server_add_static(s, GUEST + 1, SERVER + 20), 0);
	assert_int_equal(dhcp_server_add_static(s, GUEST + 1, SERVER + 21), -EEXIST);
	assert_int_equal(dhcp_server_add_static(s, GUEST + 2, SERVER + 20), -EEXIST);
	assert_int_equal(dhcp_server_add_static(s, GUEST + 2, 0xc0a80001), -ERANGE);
	assert_int_equal(leased(s, GUEST + 1, 0), SERVER + 20);
	/* out of the pool: who had it until now has to look for another */
	assert_int_equal(dhcp_server_add_static(s, GUEST + 2, taken), 0);
	assert_int_equal(request(s, GUEST, 0, 0, taken, 1).type, DHCP_NAK);
	assert_int_equal(leased(s, GUEST + 2, 1), taken);
	assert_int_not_equal(leased(s, GUEST, 1), taken);
	assert_int_equal(dhcp_server_del_static(s, GUEST + 2), 0);
	assert_int_equal(dhcp_server_del_static(s, GUEST + 2), -ENOENT);
	dhcp_server_destroy(s);
}

TEST(a_station_with_an_address_is_told_about_the_network)
{
	struct dhcp_server *s = server(2);
	struct dhcp_message m = message(DHCP_INFORM, GUEST);
	struct said said;

	m.ciaddr = SERVER + 30;
	said = say(s, m, 0, DROP_NONE);
	assert_int_equal(said.type, DHCP_ACK);
	assert_int_equal(said.ip, 0);
	assert_int_equal(said.lease_s, 0);
	assert_int_equal(said.dns, SERVER);
	m.ciaddr = 0xc0a80001;
	say(s, m, 0, DROP_DHCP_MALFORMED);
	dhcp_server_destroy(s);
}

TEST(relays_groups_and_nonsense_are_refused)
{
	struct dhcp_server *s = server(2);
	struct dhcp_message m = message(DHCP_DISCOVER, GUEST);

	m.giaddr = SERVER + 1;
	say(s, m, 0, DROP_DHCP_RELAY);
	say(s, message(DHCP_DISCOVER, 0x010000000001), 0, DROP_DHCP_MALFORMED);
	say(s, message(DHCP_DISCOVER, 0), 0, DROP_DHCP_MALFORMED);
	say(s, message(DHCP_OFFER, GUEST), 0, DROP_DHCP_MALFORMED);
	say(s, message(DHCP_REQUEST, GUEST), 0, DROP_DHCP_MALFORMED);
	dhcp_server_destroy(s);
}

TEST(leases_come_along)
{
	struct dhcp_server *s = server(10), *next = server(10);
	const struct dhcp_lease *lease;
	uint32_t ip = leased(s, GUEST, 0), pos = 0, at;

	while ((lease = dhcp_server_next(s, &pos, &at)))
		assert_true(dhcp_server_restore(next, at, lease));
	assert_int_equal(request(next, GUEST, 0, 0, ip, 100).type, DHCP_ACK);
	pos = 0;
	assert_false(dhcp_server_restore(next, SERVER, dhcp_server_next(s, &pos, &at)));
	dhcp_server_destroy(s);
	dhcp_server_destroy(next);
}

TEST(a_pool_that_cannot_be_is_refused)
{
	struct dhcp_config c = {
		.first = FIRST, .last = FIRST + 5, .server = SERVER, .mask = 0xffffff00, .lease_s = 60};

	assert_null(dhcp_config_problem(&c));
	c.last = FIRST - 1;
	assert_non_null(dhcp_config_problem(&c));
	c.last = 0x0a0000ff;
	assert_non_null(dhcp_config_problem(&c));
	c.last = 0x0a000101;
	assert_non_null(dhcp_config_problem(&c));
	c.mask = 0xffff0000;
	c.last = FIRST + DHCP_POOL_MAX;
	assert_non_null(dhcp_config_problem(&c));
}

TESTS(cmocka_unit_test(a_station_is_offered_an_address_and_gets_it),
	cmocka_unit_test(only_what_was_asked_for_is_said), cmocka_unit_test(a_client_identifier_is_said_back),
	cmocka_unit_test(a_station_that_cannot_hear_its_address_is_told_by_broadcast),
	cmocka_unit_test(stations_get_different_addresses_until_there_are_none),
	cmocka_unit_test(a_station_that_comes_back_gets_the_address_it_had),
	cmocka_unit_test(an_offer_that_nobody_takes_up_is_free_after_a_minute),
	cmocka_unit_test(who_takes_another_servers_offer_leaves_ours), cmocka_unit_test(a_lease_is_renewed),
	cmocka_unit_test(a_station_that_starts_again_is_told_whether_its_address_is_good),
	cmocka_unit_test(the_routers_own_address_is_nobodys),
	cmocka_unit_test(what_is_given_back_is_free_and_remembered),
	cmocka_unit_test(an_address_in_which_somebody_else_was_found_rests),
	cmocka_unit_test(a_station_with_a_fixed_address_always_gets_it),
	cmocka_unit_test(a_station_with_an_address_is_told_about_the_network),
	cmocka_unit_test(relays_groups_and_nonsense_are_refused), cmocka_unit_test(leases_come_along),
	cmocka_unit_test(a_pool_that_cannot_be_is_refused))
