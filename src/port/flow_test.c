/* SPDX-License-Identifier: Apache-2.0 */
#include "port/flow.h"

#include "base/check.h"
#include "base/random.h"
#include "base/test.h"

#include <stdbool.h>
#include <string.h>

#define LEN 80

/* A frame with addresses, protocol and ports; ip6 as version says, two tags if asked. */
struct flow {
	bool ip6, tagged;
	uint8_t proto, from, to;
	uint16_t from_port, to_port;
};

static uint32_t l3_of(const struct flow *f)
{
	return f->tagged ? 22 : 14;
}

static void make(const struct flow *f, uint8_t frame[LEN])
{
	uint8_t *p = frame + l3_of(f);

	memset(frame, 0, LEN);
	frame[5] = f->to;
	frame[11] = f->from;
	memcpy(frame + 12, "\x88\xa8\0\1\x81\0\0\2", 8);
	memcpy(p - 2, f->ip6 ? "\x86\xdd" : "\x08\0", 2);
	p[0] = f->ip6 ? 0x60 : 0x45;
	p[f->ip6 ? 6 : 9] = f->proto;
	p[f->ip6 ? 23 : 15] = f->from;
	p[f->ip6 ? 39 : 19] = f->to;
	p += f->ip6 ? 40 : 20;
	p[0] = (uint8_t)(f->from_port >> 8);
	p[1] = (uint8_t)f->from_port;
	p[2] = (uint8_t)(f->to_port >> 8);
	p[3] = (uint8_t)f->to_port;
}

static uint32_t hash_of(const struct flow *f)
{
	uint8_t frame[LEN];

	make(f, frame);
	return flow_hash(frame, LEN);
}

static const struct flow tcp4 = {.proto = 6, .from = 1, .to = 2, .from_port = 1000, .to_port = 80};
static const struct flow udp6 = {
	.ip6 = true, .proto = 17, .from = 1, .to = 2, .from_port = 1000, .to_port = 53};

TEST(both_directions_of_a_flow_hash_alike)
{
	static const struct flow *const flows[] = {&tcp4, &udp6};

	for (uint32_t i = 0; i < 4; i++) {
		struct flow there = *flows[i / 2], back;

		there.tagged = i & 1;
		back = there;
		back.from = there.to;
		back.to = there.from;
		back.from_port = there.to_port;
		back.to_port = there.from_port;
		assert_int_equal(hash_of(&there), hash_of(&back));
	}
}

TEST(ports_addresses_and_protocol_make_a_difference)
{
	struct flow f = tcp4;

	f.from_port++;
	assert_int_not_equal(hash_of(&f), hash_of(&tcp4));
	f = tcp4;
	f.from = 7;
	assert_int_not_equal(hash_of(&f), hash_of(&tcp4));
	f = tcp4;
	f.proto = 17;
	assert_int_not_equal(hash_of(&f), hash_of(&tcp4));
	f = udp6;
	f.to_port++;
	assert_int_not_equal(hash_of(&f), hash_of(&udp6));
}

TEST(fragments_of_a_packet_hash_alike_with_and_without_ports)
{
	uint8_t first[LEN], later[LEN];

	make(&tcp4, first);
	memcpy(later, first, LEN);
	first[14 + 6] = 0x20; /* more follow */
	later[14 + 7] = 0x10; /* at an offset, what stands there are no ports */
	memset(later + 34, 0xee, LEN - 34);
	assert_int_equal(flow_hash(first, LEN), flow_hash(later, LEN));
}

TEST(flows_spread_over_queues)
{
	uint32_t counts[8] = {0};

	for (uint32_t port = 0; port < 8000; port++) {
		struct flow f = tcp4;

		f.from_port = (uint16_t)(30000 + port);
		counts[(uint64_t)hash_of(&f) * 8 >> 32]++;
	}
	for (uint32_t i = 0; i < 8; i++)
		assert_in_range(counts[i], 700, 1300);
}

/* The sanitizers look for reads beyond the end. */
TEST(any_bytes_of_any_length_have_a_hash)
{
	struct random r;

	random_init(&r, 1);
	for (uint32_t round = 0; round < 50000; round++) {
		uint32_t len = 14 + random_below(&r, 115);
		uint8_t *frame = test_malloc(len);

		for (uint32_t i = 0; i < len; i++)
			frame[i] = (uint8_t)random_u64(&r);
		memcpy(frame + 12, random_below(&r, 2) ? "\x86\xdd" : "\x08\0", 2);
		if (len > 14)
			frame[14] = random_below(&r, 2) ? 0x60 : 0x40 | (frame[14] & 15);
		if (len > 20)
			frame[20] = (uint8_t)random_below(&r, 64);
		flow_hash(frame, len);
		test_free(frame);
	}
}

TESTS(cmocka_unit_test(both_directions_of_a_flow_hash_alike),
	cmocka_unit_test(ports_addresses_and_protocol_make_a_difference),
	cmocka_unit_test(fragments_of_a_packet_hash_alike_with_and_without_ports),
	cmocka_unit_test(flows_spread_over_queues), cmocka_unit_test(any_bytes_of_any_length_have_a_hash))
