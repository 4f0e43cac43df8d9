/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <linux/virtio_config.h>
#include <unistd.h>

#define BIT30 (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define OFFERED                                                                           \
	(1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_F_STATUS | \
		1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE)
#define DRIVER_READY                                                                          \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

struct bed {
	struct fake_device device;
	struct fake_front front;
};

static void bed_open(struct bed *bed)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

/* With two rings at work, of which the first has returned three buffers. */
static void bed_open_running(struct bed *bed)
{
	bed_open(bed);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, OFFERED);
	fake_ring_reset(&bed->front, 0, 0);
	for (uint32_t i = 0; i < 2; i++) {
		fake_state(&bed->front, VHOST_USER_SET_VRING_ENABLE, i, 1);
		fake_ring_start(&bed->front, i, 0, -1);
	}
	fake_u64(&bed->front, VHOST_USER_SET_STATUS, DRIVER_READY);
	for (int i = 0; i < 3; i++)
		fake_offer(&bed->front, 0, 64);
	fake_device_fill(&bed->device, 0, 3, 64);
}

static uint64_t set_status(struct bed *bed, uint64_t status)
{
	return fake_acked(&bed->front, VHOST_USER_SET_STATUS, &status, sizeof(status), NULL, 0);
}

TEST(a_status_is_kept_for_whoever_asks)
{
	struct bed bed;

	bed_open_running(&bed);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), DRIVER_READY);
	assert_int_equal(fake_device_status(&bed.device).device_status, DRIVER_READY);
	assert_int_equal(set_status(&bed, 256), 1);
	assert_int_equal(set_status(&bed, UINT64_MAX), 1);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), DRIVER_READY);
	fake_front_hang_up(&bed.front);
	fake_front_reopen(&bed.front, bed.device.path);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, OFFERED);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), 0);
	bed_close(&bed);
}

TEST(features_are_ok_only_after_they_were_taken)
{
	uint64_t wrong = 1ull << 60;
	struct bed bed;

	bed_open(&bed);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, OFFERED);
	assert_int_equal(set_status(&bed, VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK), 0);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), VIRTIO_CONFIG_S_DRIVER);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_FEATURES, &wrong, 8, NULL, 0), 1);
	assert_int_equal(set_status(&bed, VIRTIO_CONFIG_S_FEATURES_OK), 0);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), 0);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
	assert_int_equal(set_status(&bed, VIRTIO_CONFIG_S_FEATURES_OK), 0);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), VIRTIO_CONFIG_S_FEATURES_OK);
	bed_close(&bed);
}

TEST(rings_run_without_waiting_for_a_status)
{
	struct bed bed;

	bed_open(&bed);
	fake_negotiate(&bed.front, FAKE_FEATURES, OFFERED);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_non_null(bed.device.rings[0]);
	bed_close(&bed);
}

/* QEMU resets the device first and asks for the indexes afterwards. */
TEST(status_0_stops_the_rings_and_keeps_their_indexes)
{
	struct bed bed;

	bed_open_running(&bed);
	assert_int_equal(set_status(&bed, 0), 0);
	assert_null(bed.device.rings[0]);
	assert_null(bed.device.rings[1]);
	assert_int_equal(bed.device.resets, 1);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), 0);
	assert_int_equal(fake_get_base(&bed.front, 0), 3);
	assert_int_equal(fake_get_base(&bed.front, 1), 0);
	/* it comes back as it was */
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	assert_int_equal(bed.device.features_set, 2);
	fake_ring_start(&bed.front, 0, 3, -1);
	assert_true(bed.device.rings[0]->enabled);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	bed_close(&bed);
}

TEST(a_reset_device_stops_and_disables_and_keeps_memory_and_connection)
{
	struct bed bed;

	bed_open_running(&bed);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_null(bed.device.rings[0]);
	assert_int_equal(bed.device.resets, 1);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_STATUS), 0);
	assert_int_equal(fake_get_base(&bed.front, 0), 3);
	assert_non_null(fake_device_status(&bed.device).mem);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	fake_ring_start(&bed.front, 0, 3, -1);
	assert_false(bed.device.rings[0]->enabled);
	bed_close(&bed);
}

TEST(a_reset_without_rings_is_a_reset_too)
{
	struct bed bed;

	bed_open(&bed);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, OFFERED);
	assert_int_equal(set_status(&bed, 0), 0);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_int_equal(bed.device.resets, 2);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_status_is_kept_for_whoever_asks),
	cmocka_unit_test(features_are_ok_only_after_they_were_taken),
	cmocka_unit_test(rings_run_without_waiting_for_a_status),
	cmocka_unit_test(status_0_stops_the_rings_and_keeps_their_indexes),
	cmocka_unit_test(a_reset_device_stops_and_disables_and_keeps_memory_and_connection),
	cmocka_unit_test(a_reset_without_rings_is_a_reset_too))
