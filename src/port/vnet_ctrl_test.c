/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vnet_ctrl.h"

#include "base/check.h"
#include "base/random.h"
#include "base/test.h"
#include "port/vnet.h"

#include <string.h>

#define ALL UINT64_MAX

static struct vnet_ctrl ctrl;

static uint8_t say(uint8_t class, uint8_t command, const void *data, uint32_t len)
{
	uint8_t bytes[VNET_CTRL_COMMAND_MAX] = {class, command};

	memcpy(bytes + 2, data, len);
	return vnet_ctrl_handle(&ctrl, bytes, 2 + len);
}

static uint8_t say_mode(uint8_t mode, uint8_t on)
{
	return say(VIRTIO_NET_CTRL_RX, mode, &on, 1);
}

/* Promiscuous mode is off. */
static void begin(uint64_t features)
{
	vnet_ctrl_reset(&ctrl, features, 8);
	assert_int_equal(say_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), VIRTIO_NET_OK);
}

static bool passes(const char *dst)
{
	uint8_t frame[60] = {0};

	memcpy(frame, dst, 6);
	frame[12] = 0x08;
	return vnet_ctrl_passes(&ctrl, frame, sizeof(frame));
}

static bool passes_vlan(uint16_t vlan)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	frame[12] = 0x81;
	frame[14] = (uint8_t)(0xe0 | vlan >> 8); /* with a priority */
	frame[15] = (uint8_t)vlan;
	return vnet_ctrl_passes(&ctrl, frame, sizeof(frame));
}

#define BROADCAST "\xff\xff\xff\xff\xff\xff"
#define GROUP     "\x01\x00\x5e\x00\x00\x01"
#define OWN       "\x52\x54\x00\x00\x00\x01"
#define OTHER     "\x52\x54\x00\x00\x00\x02"

TEST(a_driver_that_says_nothing_receives_everything)
{
	vnet_ctrl_reset(&ctrl, ALL, 8);
	assert_false(vnet_ctrl_filters(&ctrl));
	assert_true(passes(BROADCAST) && passes(GROUP) && passes(OTHER) && passes_vlan(5));
	assert_int_equal(ctrl.pairs, 8);
}

TEST(each_mode_lets_through_what_it_says)
{
	begin(ALL & ~BIT(VIRTIO_NET_F_CTRL_VLAN));
	assert_true(vnet_ctrl_filters(&ctrl));
	assert_int_equal(say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, OWN, 6), VIRTIO_NET_OK);
	assert_true(passes(BROADCAST) && !passes(GROUP) && passes(OWN) && !passes(OTHER));
	say_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 1);
	assert_true(passes(BROADCAST) && passes(GROUP) && passes(OWN) && !passes(OTHER));
	say_mode(VIRTIO_NET_CTRL_RX_NOMULTI, 1);
	assert_true(passes(BROADCAST) && !passes(GROUP));
	say_mode(VIRTIO_NET_CTRL_RX_NOBCAST, 1);
	assert_true(!passes(BROADCAST));
	say_mode(VIRTIO_NET_CTRL_RX_ALLUNI, 1);
	assert_true(passes(OTHER));
	say_mode(VIRTIO_NET_CTRL_RX_NOUNI, 1);
	assert_true(!passes(OTHER) && !passes(OWN));
	say_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1);
	assert_true(passes(BROADCAST) && passes(GROUP) && passes(OWN) && passes(OTHER));
}

TEST(a_driver_whose_address_is_unknown_receives_every_unicast)
{
	begin(ALL);
	assert_true(passes(OWN) && passes(OTHER) && !passes(GROUP));
}

/* Two tables of 6-byte addresses that count upwards from one. */
static uint32_t tables_make(uint8_t *data, uint32_t n_unicast, uint32_t n_multicast)
{
	uint32_t at = 0;

	for (uint32_t table = 0; table < 2; table++) {
		uint32_t n = table ? n_multicast : n_unicast;

		memcpy(data + at, &n, 4);
		at += 4;
		for (uint32_t i = 1; i <= n; i++, at += 6)
			if (at + 6 <= VNET_CTRL_COMMAND_MAX - 2)
				memcpy(data + at,
					(uint8_t[]){(uint8_t)(table ? 1 : 2), 0, 0, 0, 0, (uint8_t)i}, 6);
	}
	return at < VNET_CTRL_COMMAND_MAX - 2 ? at : VNET_CTRL_COMMAND_MAX - 2;
}

static bool passes_entry(bool group, uint32_t i)
{
	const char dst[6] = {group ? 1 : 2, 0, 0, 0, 0, (char)i};

	return passes(dst);
}

TEST(addresses_in_the_tables_pass_and_longer_tables_let_all_pass)
{
	uint8_t data[2 * VNET_CTRL_COMMAND_MAX];
	uint32_t len;

	for (uint32_t n = 0; n < 300; n += n < 70 ? 1 : 50) {
		begin(ALL);
		say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, OWN, 6);
		len = tables_make(data, n, n / 2);
		assert_int_equal(
			say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len), VIRTIO_NET_OK);
		for (uint32_t i = 1; i <= n && i < 256; i++)
			assert_true(passes_entry(false, i));
		for (uint32_t i = 1; i <= n / 2; i++)
			assert_true(passes_entry(true, i));
		assert_int_equal(passes_entry(false, 255), n > VNET_CTRL_MACS);
		/* what lies beyond the end of what we look at is unknown */
		assert_int_equal(
			passes_entry(true, 255), n / 2 > VNET_CTRL_MACS || len == VNET_CTRL_COMMAND_MAX - 2);
	}
	/* and a new table replaces the old */
	len = tables_make(data, 1, 0);
	assert_int_equal(say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len), VIRTIO_NET_OK);
	assert_true(passes_entry(false, 1) && !passes_entry(false, 2) && !passes_entry(true, 1));
}

TEST(a_table_that_is_not_all_there_changes_nothing)
{
	uint8_t data[2 * VNET_CTRL_COMMAND_MAX];
	uint32_t len, n = UINT32_MAX;

	begin(ALL);
	len = tables_make(data, 3, 3);
	assert_int_equal(say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len), VIRTIO_NET_OK);
	len = tables_make(data, 2, 2);
	for (uint32_t cut = 0; cut < len; cut++)
		assert_int_equal(
			say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, cut), VIRTIO_NET_ERR);
	memcpy(data, &n, 4);
	assert_int_equal(say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len), VIRTIO_NET_ERR);
	assert_int_equal(ctrl.unicast.n, 3);
	assert_int_equal(ctrl.multicast.n, 3);
	assert_int_equal(ctrl.refused, len + 1);
}

TEST(vlans_pass_when_added)
{
	uint16_t vlan = 5, none = 4096;

	begin(ALL);
	assert_false(passes_vlan(5));
	assert_true(passes_vlan(0)); /* only a priority */
	assert_int_equal(say(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2), VIRTIO_NET_OK);
	assert_true(passes_vlan(5) && !passes_vlan(6));
	assert_int_equal(say(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, &vlan, 2), VIRTIO_NET_OK);
	assert_false(passes_vlan(5));
	assert_int_equal(say(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &none, 2), VIRTIO_NET_ERR);
	begin(ALL & ~BIT(VIRTIO_NET_F_CTRL_VLAN));
	assert_true(passes_vlan(5));
}

TEST(pairs_are_set_within_what_there_is)
{
	begin(ALL);
	for (uint32_t pairs = 0; pairs <= 0xffff; pairs++) {
		uint16_t wanted = (uint16_t)pairs;
		uint32_t before = ctrl.pairs;
		bool ok = pairs >= 1 && pairs <= 8;

		assert_int_equal(say(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &wanted, 2),
			ok ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
		assert_int_equal(ctrl.pairs, ok ? pairs : before);
	}
}

TEST(only_negotiated_offloads_can_be_turned_on)
{
	const uint64_t csum = BIT(VIRTIO_NET_F_GUEST_CSUM), tso = BIT(VIRTIO_NET_F_GUEST_TSO4);
	const uint64_t host = BIT(VIRTIO_NET_F_CSUM), none = 0;
	const uint8_t class = VIRTIO_NET_CTRL_GUEST_OFFLOADS, set = VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET;

	vnet_ctrl_reset(&ctrl, BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | csum | host, 8);
	assert_int_equal(ctrl.offloads, csum);
	assert_int_equal(say(class, set, &none, 8), VIRTIO_NET_OK);
	assert_int_equal(ctrl.offloads, 0);
	assert_int_equal(say(class, set, &tso, 8), VIRTIO_NET_ERR);
	assert_int_equal(say(class, set, &host, 8), VIRTIO_NET_ERR);
	assert_int_equal(ctrl.offloads, 0);
	assert_int_equal(say(class, set, &csum, 8), VIRTIO_NET_OK);
	assert_int_equal(ctrl.offloads, csum);
	assert_int_equal(say(class, set, &csum, 7), VIRTIO_NET_ERR);
}

TEST(a_command_whose_feature_was_not_negotiated_is_refused)
{
	static const struct {
		uint8_t class, command, feature;
	} all[] = {{0, 0, 18}, {0, 1, 18}, {0, 2, 20}, {0, 3, 20}, {0, 4, 20}, {0, 5, 20}, {1, 0, 18},
		{1, 1, 23}, {2, 0, 19}, {2, 1, 19}, {3, 0, 21}, {4, 0, 22}, {5, 0, 2}};
	uint8_t data[16] = {0};

	for (uint32_t i = 0; i < ARRAY_LEN(all); i++) {
		memset(data, 0, sizeof(data));
		data[0] = all[i].class == 1 && all[i].command == 1 ? 2 : all[i].class == 4;
		vnet_ctrl_reset(&ctrl, ALL & ~BIT(all[i].feature), 8);
		assert_int_equal(say(all[i].class, all[i].command, data, 8), VIRTIO_NET_ERR);
		vnet_ctrl_reset(&ctrl, BIT(all[i].feature), 8);
		assert_int_equal(say(all[i].class, all[i].command, data, 8), VIRTIO_NET_OK);
	}
}

TEST(a_group_address_is_nobodys_own)
{
	begin(ALL);
	assert_int_equal(say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, GROUP, 6), VIRTIO_NET_ERR);
	assert_int_equal(
		say(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "\0\0\0\0\0\0", 6), VIRTIO_NET_ERR);
	assert_int_equal(ctrl.mac, 0);
}

/* The sanitizers look for reads beyond the end. */
TEST(any_bytes_of_any_length_are_answered)
{
	struct random r;

	random_init(&r, 1);
	vnet_ctrl_reset(&ctrl, ALL, 8);
	for (uint32_t round = 0; round < 200000; round++) {
		uint32_t len = random_below(&r, random_below(&r, 8) ? 24 : VNET_CTRL_COMMAND_MAX + 1);
		uint8_t *bytes = test_malloc(len + 1); /* none at all is a length too */
		uint8_t ack;

		for (uint32_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)random_u64(&r);
		if (len > 6 && random_below(&r, 4)) {
			bytes[0] %= 6;
			bytes[1] %= 6;
			memset(bytes + 3, 0, 3);
		}
		ack = vnet_ctrl_handle(&ctrl, bytes + (len == 0), len);
		assert_true(ack == VIRTIO_NET_OK || ack == VIRTIO_NET_ERR);
		test_free(bytes);
		assert_in_range(ctrl.pairs, 1, 8);
		assert_true(ctrl.unicast.n <= VNET_CTRL_MACS && ctrl.multicast.n <= VNET_CTRL_MACS);
	}
}

TESTS(cmocka_unit_test(a_driver_that_says_nothing_receives_everything),
	cmocka_unit_test(each_mode_lets_through_what_it_says),
	cmocka_unit_test(a_driver_whose_address_is_unknown_receives_every_unicast),
	cmocka_unit_test(addresses_in_the_tables_pass_and_longer_tables_let_all_pass),
	cmocka_unit_test(a_table_that_is_not_all_there_changes_nothing),
	cmocka_unit_test(vlans_pass_when_added), cmocka_unit_test(pairs_are_set_within_what_there_is),
	cmocka_unit_test(only_negotiated_offloads_can_be_turned_on),
	cmocka_unit_test(a_command_whose_feature_was_not_negotiated_is_refused),
	cmocka_unit_test(a_group_address_is_nobodys_own),
	cmocka_unit_test(any_bytes_of_any_length_are_answered))
