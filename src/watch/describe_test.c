/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/describe.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#define MACS 0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1

static const uint8_t tagged_tcp[] = {MACS, 0x81, 0x00, 0x60, 0x64, 0x08, 0x00, 0x45, 0, 0, 40, 0x12, 0x34,
	0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x12,
	1, 0, 0, 0, 0, 0};
static const uint8_t arp[] = {MACS, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 10, 0, 0, 1,
	0, 0, 0, 0, 0, 0, 10, 0, 0, 9};
static const uint8_t icmp6[] = {MACS, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 128, 0, 0, 0, 0, 5, 0, 6};
/* The outermost three layers of a tunnel, and the frame within. */
static const uint8_t vxlan[] = {MACS, 0x08, 0x00, 0x45, 0, 0, 64, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192,
	0, 2, 2, 0xc0, 0, 0x12, 0xb5, 0, 44, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0, MACS, 0x88, 0xcc};

static char *said;

static void describe(const uint8_t *frame, uint32_t len)
{
	json_t *layers = describe_frame(frame, len);
	size_t size;
	FILE *out;

	free(said);
	out = open_memstream(&said, &size);
	describe_print(layers, 0, out);
	fclose(out);
	json_decref(layers);
}

static void assert_described(const uint8_t *frame, uint32_t len, const char *as)
{
	describe(frame, len);
	assert_string_equal(said, as);
	free(said);
	said = NULL;
}

TEST(every_header_has_its_line)
{
	assert_described(tagged_tcp, sizeof(tagged_tcp),
		"ethernet 52:54:00:00:00:01 > 52:54:00:00:00:02 tagged\n"
		"vlan 100 (dot1q), priority 3\n"
		"ipv4 10.0.0.1 > 10.0.0.2 tcp, ttl 64, length 40, id 4660, don't fragment\n"
		"tcp 40000 > 80 syn ack, seq 7 ack 9, window 256\n");
	assert_described(arp, sizeof(arp),
		"ethernet 52:54:00:00:00:01 > 52:54:00:00:00:02 arp\n"
		"arp who is 10.0.0.9? asks 10.0.0.1 at 52:54:00:00:00:01\n");
	assert_described(icmp6, sizeof(icmp6),
		"ethernet 52:54:00:00:00:01 > 52:54:00:00:00:02 ipv6\n"
		"ipv6 fd00::1 > fd00::2 icmp6, hop limit 255, payload 8\n"
		"icmp6 echo request, id 5 seq 6\n");
}

TEST(a_tunnel_is_looked_into)
{
	assert_described(vxlan, sizeof(vxlan),
		"ethernet 52:54:00:00:00:01 > 52:54:00:00:00:02 ipv4\n"
		"ipv4 192.0.2.1 > 192.0.2.2 udp, ttl 64, length 64, id 0\n"
		"udp 49152 > 4789, length 44\n"
		"vxlan vni 7\n"
		"ethernet 52:54:00:00:00:01 > 52:54:00:00:00:02 lldp\n");
}

/* Of a length that a sanitizer sees the end of. */
static void describe_cut(const uint8_t *frame, uint32_t len)
{
	for (uint32_t n = 0; n <= len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		assert_non_null(exact);
		memcpy(exact, frame, n);
		describe(exact, n);
		assert_true(*said);
		free(exact);
	}
	free(said);
	said = NULL;
}

TEST(a_frame_that_is_cut_anywhere_is_described_up_to_there)
{
	describe_cut(tagged_tcp, sizeof(tagged_tcp));
	describe_cut(arp, sizeof(arp));
	describe_cut(icmp6, sizeof(icmp6));
	describe_cut(vxlan, sizeof(vxlan));
	assert_described(arp, 20,
		"ethernet 52:54:00:00:00:01 > 52:54:00:00:00:02 arp\narp: the rest was not kept, or is "
		"malformed\n");
}

TESTS(cmocka_unit_test(every_header_has_its_line), cmocka_unit_test(a_tunnel_is_looked_into),
	cmocka_unit_test(a_frame_that_is_cut_anywhere_is_described_up_to_there))
