/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44_table.h"

#include "base/check.h"
#include "base/test.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#include <errno.h>

#define OUTSIDE 0xc0000201u /* 192.0.2.1 */
#define GUEST   0x0a000005u
#define SERVER  0xc6336407u

static const struct nat44_limits limits = {.sessions = 8, .sessions_per_host = 5};

static struct nat44_table *table(void)
{
	struct nat44_table *t = nat44_table_create(&limits, 7);

	assert_non_null(t);
	assert_int_equal(nat44_table_add_address(t, OUTSIDE), 0);
	return t;
}

static struct nat44_packet packet(
	uint8_t proto, uint32_t inside_ip, uint16_t inside_port, uint32_t remote_ip, uint16_t remote_port)
{
	return (struct nat44_packet){
		.proto = proto,
		.inside = {inside_ip, inside_port},
		.remote = {remote_ip, remote_port},
		.len = 100,
	};
}

static struct nat44_packet udp(uint32_t inside_ip, uint16_t inside_port, uint32_t remote_ip)
{
	return packet(IP_PROTO_UDP, inside_ip, inside_port, remote_ip, 5000);
}

static struct nat44_packet tcp(uint32_t inside_ip, uint16_t remote_port, uint8_t flags)
{
	struct nat44_packet p = packet(IP_PROTO_TCP, inside_ip, 4000, SERVER, remote_port);

	p.tcp_flags = flags;
	return p;
}

/* The outside's view of it, or no port and why. */
static struct nat44_endpoint out_at(
	struct nat44_table *t, struct nat44_packet p, uint32_t now_s, enum drop want)
{
	enum drop why = DROP_COUNT;
	const struct nat44_mapping *m = nat44_table_out(t, &p, now_s, &why);

	assert_int_equal(why, want);
	assert_int_equal(m == NULL, want != DROP_NONE);
	return m ? m->out : (struct nat44_endpoint){0};
}

static struct nat44_endpoint in_at(
	struct nat44_table *t, struct nat44_packet p, uint32_t now_s, enum drop want)
{
	enum drop why = DROP_COUNT;
	const struct nat44_mapping *m = nat44_table_in(t, &p, now_s, &why);

	assert_int_equal(why, want);
	assert_int_equal(m == NULL, want != DROP_NONE);
	return m ? m->in : (struct nat44_endpoint){0};
}

TEST(a_port_is_kept_when_it_is_free)
{
	struct nat44_table *t = table();
	struct nat44_endpoint out = out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE);

	assert_int_equal(out.ip, OUTSIDE);
	assert_int_equal(out.port, 4000);
	out = out_at(t, udp(GUEST + 1, 4000, SERVER), 0, DROP_NONE);
	assert_int_not_equal(out.port, 4000);
	assert_int_equal(out.port & 1, 0);
	assert_in_range(out.port, NAT44_PORT_FIRST, NAT44_PORT_LAST);
	nat44_table_destroy(t);
}

TEST(one_endpoint_inside_is_the_same_outside_for_all)
{
	struct nat44_table *t = table();

	out_at(t, udp(GUEST + 1, 4000, SERVER), 0, DROP_NONE);
	struct nat44_endpoint a = out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE);
	struct nat44_endpoint b = out_at(t, udp(GUEST, 4000, SERVER + 1), 0, DROP_NONE);

	assert_int_equal(a.port, b.port);
	assert_int_equal(t->n_mappings, 2);
	assert_int_equal(t->n_sessions, 3);
	nat44_table_destroy(t);
}

TEST(only_who_was_spoken_to_may_answer_from_any_port)
{
	struct nat44_table *t = table();
	struct nat44_packet p = udp(OUTSIDE, 4000, SERVER);

	in_at(t, p, 0, DROP_NAT44_NO_SESSION);
	out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE);
	p.remote.port = 6000;
	assert_int_equal(in_at(t, p, 0, DROP_NONE).ip, GUEST);
	p.remote.ip++;
	in_at(t, p, 0, DROP_NAT44_FILTERED);
	nat44_table_destroy(t);
}

TEST(tcp_connections_of_one_port_are_told_apart)
{
	struct nat44_table *t = table();
	struct nat44_packet back = tcp(OUTSIDE, 81, TCP_SYN);

	out_at(t, tcp(GUEST, 80, TCP_SYN), 0, DROP_NONE);
	assert_int_equal(t->n_sessions, 1);
	/* the same address may begin one, too, as when both sides open at once */
	assert_int_equal(in_at(t, back, 0, DROP_NONE).ip, GUEST);
	assert_int_equal(t->n_sessions, 2);
	back.remote.ip++;
	in_at(t, back, 0, DROP_NAT44_FILTERED);
	assert_int_equal(nat44_table_expire(t, 240, 100), 2);
	assert_int_equal(t->n_mappings, 0);
	nat44_table_destroy(t);
}

TEST(sessions_end_when_they_were_silent_too_long)
{
	struct nat44_table *t = table();

	out_at(t, udp(GUEST, 4000, SERVER), 10, DROP_NONE);
	in_at(t, udp(OUTSIDE, 4000, SERVER), 300, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 599, 100), 0);
	in_at(t, udp(OUTSIDE, 4000, SERVER), 600, DROP_NAT44_NO_SESSION);
	assert_int_equal(t->n_sessions, 0);
	assert_int_equal(t->n_mappings, 0);
	nat44_table_destroy(t);
}

TEST(questions_end_sooner)
{
	struct nat44_table *t = table();

	out_at(t, packet(IP_PROTO_ICMP, GUEST, 77, SERVER, 0), 0, DROP_NONE);
	out_at(t, packet(IP_PROTO_UDP, GUEST, 4000, SERVER, 53), 0, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 59, 100), 0);
	assert_int_equal(nat44_table_expire(t, 60, 100), 2);
	out_at(t, packet(IP_PROTO_UDP, GUEST, 4000, SERVER, 53), 60, DROP_NONE);
	out_at(t, packet(IP_PROTO_UDP, GUEST, 4000, SERVER, 54), 60, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 300, 100), 0);
	nat44_table_destroy(t);
}

/* Opens a connection from inside at time 0. */
static struct nat44_table *connected(void)
{
	struct nat44_table *t = table();

	out_at(t, tcp(GUEST, 80, TCP_SYN), 0, DROP_NONE);
	in_at(t, tcp(OUTSIDE, 80, TCP_SYN | TCP_ACK), 0, DROP_NONE);
	out_at(t, tcp(GUEST, 80, TCP_ACK), 0, DROP_NONE);
	return t;
}

TEST(an_open_connection_may_be_silent_for_two_hours)
{
	struct nat44_table *t = connected();

	assert_int_equal(nat44_table_expire(t, 7439, 100), 0);
	assert_int_equal(nat44_table_expire(t, 7440, 100), 1);
	nat44_table_destroy(t);
}

TEST(a_connection_half_open_ends_soon)
{
	struct nat44_table *t = table();

	out_at(t, tcp(GUEST, 80, TCP_SYN), 0, DROP_NONE);
	in_at(t, tcp(OUTSIDE, 80, TCP_SYN | TCP_ACK), 0, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 240, 100), 1);
	nat44_table_destroy(t);
}

TEST(a_closed_connection_ends_soon_and_one_closed_by_half_does_not)
{
	struct nat44_table *t = connected();

	out_at(t, tcp(GUEST, 80, TCP_FIN | TCP_ACK), 1, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 1000, 100), 0);
	in_at(t, tcp(OUTSIDE, 80, TCP_FIN | TCP_ACK), 1000, DROP_NONE);
	out_at(t, tcp(GUEST, 80, TCP_ACK), 1000, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 1239, 100), 0);
	assert_int_equal(nat44_table_expire(t, 1240, 100), 1);
	nat44_table_destroy(t);
}

TEST(after_a_reset_a_connection_ends_soon_unless_it_goes_on)
{
	struct nat44_table *t = connected();

	in_at(t, tcp(OUTSIDE, 80, TCP_RST), 0, DROP_NONE);
	out_at(t, tcp(GUEST, 80, TCP_ACK), 100, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 1000, 100), 0);
	in_at(t, tcp(OUTSIDE, 80, TCP_RST), 1000, DROP_NONE);
	assert_int_equal(nat44_table_expire(t, 1240, 100), 1);
	nat44_table_destroy(t);
}

TEST(a_reset_from_outside_begins_nothing)
{
	struct nat44_table *t = connected();

	in_at(t, tcp(OUTSIDE, 81, TCP_RST), 0, DROP_NAT44_FILTERED);
	nat44_table_destroy(t);
}

TEST(one_host_has_a_part_of_the_sessions_only)
{
	struct nat44_table *t = table();

	for (uint32_t i = 0; i < 5; i++)
		out_at(t, udp(GUEST, (uint16_t)(4000 + i), SERVER), 0, DROP_NONE);
	out_at(t, udp(GUEST, 5000, SERVER), 0, DROP_NAT44_HOST_FULL);
	/* what it has goes on */
	out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE);
	for (uint32_t i = 0; i < 3; i++)
		out_at(t, udp(GUEST + 1, (uint16_t)(4000 + i), SERVER), 0, DROP_NONE);
	out_at(t, udp(GUEST + 1, 5000, SERVER), 0, DROP_NAT44_FULL);
	/* time makes room */
	out_at(t, udp(GUEST, 5000, SERVER), 300, DROP_NONE);
	nat44_table_destroy(t);
}

TEST(without_an_address_nothing_goes_out)
{
	struct nat44_table *t = table();

	out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE);
	assert_int_equal(nat44_table_del_address(t, OUTSIDE), 0);
	assert_int_equal(t->n_sessions, 0);
	out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NAT44_NO_PORT);
	assert_int_equal(nat44_table_del_address(t, OUTSIDE), -ENOENT);
	nat44_table_destroy(t);
}

TEST(a_forwarded_port_is_open_to_all)
{
	struct nat44_table *t = table();
	const struct nat44_endpoint in = {GUEST, 80}, outside = {OUTSIDE, 8080};
	struct nat44_packet p = packet(IP_PROTO_TCP, OUTSIDE, 8080, SERVER, 4000);
	struct nat44_packet answer = packet(IP_PROTO_TCP, GUEST, 80, SERVER, 4000);

	p.tcp_flags = TCP_SYN;
	answer.tcp_flags = TCP_SYN | TCP_ACK;
	assert_int_equal(nat44_table_add_static(t, IP_PROTO_TCP, in, outside), 0);
	assert_int_equal(nat44_table_add_static(t, IP_PROTO_TCP, in, outside), -EEXIST);
	assert_int_equal(in_at(t, p, 0, DROP_NONE).port, 80);
	assert_int_equal(out_at(t, answer, 0, DROP_NONE).port, 8080);
	/* nobody else gets that port */
	assert_int_not_equal(
		out_at(t, packet(IP_PROTO_TCP, GUEST + 1, 8080, SERVER, 1), 0, DROP_NONE).port, 8080);
	assert_int_equal(nat44_table_del_static(t, IP_PROTO_TCP, outside), 0);
	in_at(t, p, 0, DROP_NAT44_NO_SESSION);
	nat44_table_destroy(t);
}

TEST(two_ports_may_be_forwarded_to_one)
{
	struct nat44_table *t = table();
	const struct nat44_endpoint in = {GUEST, 80}, a = {OUTSIDE, 80}, b = {OUTSIDE, 8080};

	assert_int_equal(nat44_table_add_static(t, IP_PROTO_TCP, in, a), 0);
	assert_int_equal(nat44_table_add_static(t, IP_PROTO_TCP, in, b), 0);
	in_at(t, packet(IP_PROTO_TCP, OUTSIDE, 80, SERVER, 1), 0, DROP_NONE);
	in_at(t, packet(IP_PROTO_TCP, OUTSIDE, 8080, SERVER, 2), 0, DROP_NONE);
	assert_int_equal(out_at(t, packet(IP_PROTO_TCP, GUEST, 80, SERVER, 1), 0, DROP_NONE).port, 80);
	assert_int_equal(out_at(t, packet(IP_PROTO_TCP, GUEST, 80, SERVER, 2), 0, DROP_NONE).port, 8080);
	nat44_table_destroy(t);
}

TEST(a_forward_takes_its_port_from_who_had_it)
{
	struct nat44_table *t = table();
	const struct nat44_endpoint in = {GUEST + 1, 80}, outside = {OUTSIDE, 4000};

	out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE);
	assert_int_equal(nat44_table_add_static(t, IP_PROTO_UDP, in, outside), 0);
	assert_int_equal(t->n_sessions, 0);
	assert_int_equal(in_at(t, udp(OUTSIDE, 4000, SERVER), 0, DROP_NONE).ip, GUEST + 1);
	assert_int_not_equal(out_at(t, udp(GUEST, 4000, SERVER), 0, DROP_NONE).port, 4000);
	nat44_table_destroy(t);
}

TEST(errors_find_the_session_they_are_about)
{
	struct nat44_table *t = table();
	const struct nat44_endpoint in = {GUEST, 4000}, outside = {OUTSIDE, 4000}, server = {SERVER, 80};

	out_at(t, tcp(GUEST, 80, TCP_SYN), 0, DROP_NONE);
	assert_int_equal(nat44_table_went_out(t, IP_PROTO_TCP, outside, server)->in.ip, GUEST);
	assert_int_equal(nat44_table_came_in(t, IP_PROTO_TCP, in, server)->out.ip, OUTSIDE);
	assert_null(nat44_table_went_out(t, IP_PROTO_UDP, outside, server));
	assert_null(nat44_table_went_out(t, IP_PROTO_TCP, in, server));
	nat44_table_destroy(t);
}

TEST(a_session_is_restored_as_it_was)
{
	struct nat44_table *t = connected(), *copy = table();
	const struct nat44_session *s;
	uint32_t pos = 0;

	s = nat44_table_next_session(t, &pos);
	assert_non_null(s);
	assert_int_equal(nat44_table_restore(copy, &t->mappings[s->mapping], s), 0);
	assert_int_equal(nat44_table_restore(copy, &t->mappings[s->mapping], s), -EEXIST);
	assert_int_equal(nat44_table_expire(copy, 7439, 100), 0);
	assert_int_equal(in_at(copy, tcp(OUTSIDE, 80, TCP_ACK), 7439, DROP_NONE).ip, GUEST);
	assert_null(nat44_table_next_session(t, &pos));
	nat44_table_destroy(t);
	nat44_table_destroy(copy);
}

TEST(ports_run_out_before_the_search_for_one_gets_long)
{
	const struct nat44_limits many = {.sessions = 60000, .sessions_per_host = 60000};
	struct nat44_table *t = nat44_table_create(&many, 1);
	uint32_t made = 0;
	enum drop why = DROP_NONE;

	assert_non_null(t);
	nat44_table_add_address(t, OUTSIDE);
	for (uint32_t i = 0; i < 60000 && !why; i++) {
		struct nat44_packet p = udp(GUEST + i, 61000, SERVER);

		made += nat44_table_out(t, &p, 0, &why) != NULL;
	}
	assert_int_equal(why, DROP_NAT44_NO_PORT);
	assert_in_range(made, 48000, NAT44_PORT_LAST - NAT44_PORT_FIRST + 1);
	nat44_table_destroy(t);
}

TEST(what_is_asked_for_ahead_changes_nothing)
{
	const struct nat44_limits many = {
		.sessions = 2 * NAT44_FETCH_FROM, .sessions_per_host = 2 * NAT44_FETCH_FROM};
	struct nat44_packet packets[NAT44_FETCH_MAX];
	struct nat44_table *t = nat44_table_create(&many, 7);

	assert_int_equal(nat44_table_add_address(t, OUTSIDE), 0);
	for (uint32_t i = 0; i < NAT44_FETCH_FROM; i++)
		out_at(t, udp(GUEST, (uint16_t)(2000 + i), SERVER + i), 1, DROP_NONE);
	for (uint32_t i = 0; i < NAT44_FETCH_MAX; i++) /* half of them unknown */
		packets[i] = udp(i % 2 ? GUEST : OUTSIDE, (uint16_t)(1984 + i), SERVER + i);
	nat44_table_fetch(t, packets, NAT44_FETCH_MAX, true);
	nat44_table_fetch(t, packets, NAT44_FETCH_MAX, false);
	assert_int_equal(t->n_sessions, NAT44_FETCH_FROM);
	for (uint32_t i = 0; i < NAT44_FETCH_FROM; i++)
		assert_int_equal(
			out_at(t, udp(GUEST, (uint16_t)(2000 + i), SERVER + i), 1, DROP_NONE).port, 2000 + i);
	assert_int_equal(t->n_sessions, NAT44_FETCH_FROM);
	nat44_table_destroy(t);
}

TESTS(cmocka_unit_test(a_port_is_kept_when_it_is_free),
	cmocka_unit_test(one_endpoint_inside_is_the_same_outside_for_all),
	cmocka_unit_test(only_who_was_spoken_to_may_answer_from_any_port),
	cmocka_unit_test(tcp_connections_of_one_port_are_told_apart),
	cmocka_unit_test(sessions_end_when_they_were_silent_too_long), cmocka_unit_test(questions_end_sooner),
	cmocka_unit_test(an_open_connection_may_be_silent_for_two_hours),
	cmocka_unit_test(a_connection_half_open_ends_soon),
	cmocka_unit_test(a_closed_connection_ends_soon_and_one_closed_by_half_does_not),
	cmocka_unit_test(after_a_reset_a_connection_ends_soon_unless_it_goes_on),
	cmocka_unit_test(a_reset_from_outside_begins_nothing),
	cmocka_unit_test(one_host_has_a_part_of_the_sessions_only),
	cmocka_unit_test(without_an_address_nothing_goes_out),
	cmocka_unit_test(a_forwarded_port_is_open_to_all),
	cmocka_unit_test(two_ports_may_be_forwarded_to_one),
	cmocka_unit_test(a_forward_takes_its_port_from_who_had_it),
	cmocka_unit_test(errors_find_the_session_they_are_about),
	cmocka_unit_test(a_session_is_restored_as_it_was),
	cmocka_unit_test(ports_run_out_before_the_search_for_one_gets_long),
	cmocka_unit_test(what_is_asked_for_ahead_changes_nothing))
