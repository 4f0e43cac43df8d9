/* SPDX-License-Identifier: Apache-2.0 */
/* What a front-end does for drivers that read a configuration space and go on where a dead back-end left off. */
#include "vhost/frontend.h"

#include "base/check.h"
#include "base/test.h"
#include "vhost/fake_back.h"
#include "vhost/fake_device.h"
#include "vhost/fake_driver.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <string.h>

#define BIT30    BIT(VHOST_USER_F_PROTOCOL_FEATURES)
#define DISK     (FAKE_BACK_PROTOCOL | 1u << 12 | 1u << 15)
#define NO_SLOTS (FAKE_BACK_PROTOCOL | 1u << 12)

struct bed {
	struct fake_back back;
	struct fake_driver driver;
};

/* The back-end waits for its first request. */
static void bed_open(struct bed *bed, uint32_t protocol_features)
{
	fake_back_open(&bed->back);
	bed->back.protocol_features = protocol_features;
	bed->back.config_len = FAKE_DRIVER_CONFIG;
	fake_driver_open_disk(&bed->driver, bed->back.loop, bed->back.path);
	fake_back_accept(&bed->back);
}

static void bed_close(struct bed *bed)
{
	fake_driver_close(&bed->driver);
	fake_back_close(&bed->back);
}

static void check_why(struct bed *bed, int err, const char *why)
{
	struct vhost_frontend_status status;

	assert_true(fake_back_left(&bed->back));
	status = fake_driver_status(&bed->driver);
	assert_int_equal(status.error, err);
	assert_string_equal(status.why, why);
	assert_false(bed->driver.prepared);
}

static void check_order(struct bed *bed, const uint32_t *order, size_t n)
{
	do
		assert_int_equal(fake_back_serve(&bed->back, 1), 1);
	while (bed->back.header.request != order[0]);
	for (size_t i = 1; i < n; i++) {
		assert_int_equal(fake_back_serve(&bed->back, 1), 1);
		assert_int_equal(bed->back.header.request, order[i]);
	}
	fake_back_serve(&bed->back, FAKE_BACK_ALL);
	assert_true(bed->driver.running);
}

TEST(configuration_notes_and_memory_come_before_the_rings)
{
	static const uint32_t order[] = {VHOST_USER_GET_STATUS, VHOST_USER_GET_CONFIG,
		VHOST_USER_GET_INFLIGHT_FD, VHOST_USER_SET_INFLIGHT_FD, VHOST_USER_GET_MAX_MEM_SLOTS,
		VHOST_USER_ADD_MEM_REG, VHOST_USER_SET_VRING_NUM};
	static const uint32_t without_slots[] = {VHOST_USER_GET_CONFIG, VHOST_USER_GET_INFLIGHT_FD,
		VHOST_USER_SET_INFLIGHT_FD, VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_VRING_NUM};
	struct bed bed;

	bed_open(&bed, DISK);
	check_order(&bed, order, ARRAY_LEN(order));
	assert_int_equal(bed.driver.config_reads, 1);
	for (uint32_t i = 0; i < FAKE_DRIVER_CONFIG; i++)
		assert_int_equal(bed.driver.config[i], i + 1);
	bed_close(&bed);
	bed_open(&bed, NO_SLOTS);
	check_order(&bed, without_slots, ARRAY_LEN(without_slots));
	bed_close(&bed);
}

TEST(the_area_for_notes_is_asked_for_and_given_back)
{
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	assert_int_equal(bed.back.notes.num_queues, 4);
	assert_int_equal(bed.back.notes.queue_size, FAKE_DRIVER_RING_SIZE);
	assert_int_equal(bed.back.notes.mmap_size, 4096);
	assert_int_not_equal(bed.back.notes_given, 0);
	assert_int_equal(bed.back.notes_given, bed.back.notes_made);
	bed_close(&bed);
}

TEST(a_back_end_without_an_area_for_notes_is_served_all_the_same)
{
	struct bed bed;

	bed_open(&bed, DISK);
	bed.back.notes_len = 0;
	for (uint32_t life = 0; life < 3; life++) {
		fake_back_serve(&bed.back, FAKE_BACK_ALL);
		assert_true(bed.driver.running);
		assert_int_equal(bed.back.notes_given, 0);
		fake_back_hang_up(&bed.back);
		fake_back_accept(&bed.back);
	}
	assert_int_equal(bed.driver.resumed, 0);
	bed_close(&bed);
}

TEST(the_next_back_end_gets_the_notes_and_the_rings_of_the_one_before)
{
	uint32_t fds = fake_open_fds(), maps = fake_mappings();
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	for (uint32_t life = 1; life < 5; life++) {
		ino_t notes = bed.back.notes_made;
		const void *memory = bed.driver.plan.memory;

		((uint16_t *)bed.driver.plan.rings[1].used)[1] += 3; /* its index */
		fake_back_hang_up(&bed.back);
		assert_false(bed.driver.prepared);
		fake_back_accept(&bed.back);
		bed.back.notes_given = 0;
		fake_back_serve(&bed.back, FAKE_BACK_ALL);
		assert_true(bed.driver.running);
		assert_int_equal(bed.driver.resumed, life);
		assert_ptr_equal(bed.driver.plan.memory, memory);
		assert_int_equal(bed.driver.plan.rings[1].base, 3 * life);
		assert_int_equal(bed.back.notes_given, notes);
		assert_int_equal(bed.back.notes_made, notes);
	}
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), fds);
	assert_int_equal(fake_mappings(), maps);
}

/* Died while it was told of the rings: the notes are of no less use to the next one. */
TEST(a_life_that_never_ran_passes_the_notes_on)
{
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	for (uint32_t n = 1; n < 40; n++) {
		fake_back_hang_up(&bed.back);
		fake_back_accept(&bed.back);
		fake_back_serve(&bed.back, n);
	}
	fake_back_hang_up(&bed.back);
	fake_back_accept(&bed.back);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	assert_int_equal(bed.driver.resumed, bed.driver.lives - 1);
	bed_close(&bed);
}

TEST(notes_are_of_no_use_to_a_back_end_with_other_features)
{
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	fake_back_hang_up(&bed.back);
	bed.back.features = BIT30 | BIT(32);
	fake_back_accept(&bed.back);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_true(bed.driver.running);
	assert_int_equal(bed.driver.resumed, 0);
	bed_close(&bed);
}

TEST(a_back_end_that_has_no_configuration_space_is_left)
{
	struct bed bed;

	bed_open(&bed, DISK & ~(1u << 9));
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	check_why(&bed, -EOPNOTSUPP, "back-end does not offer CONFIG: nothing tells what it has");
	bed_close(&bed);
}

TEST(a_back_end_that_gives_less_of_its_configuration_is_left)
{
	struct bed bed;

	bed_open(&bed, DISK);
	bed.back.config_len = FAKE_DRIVER_CONFIG - 1;
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	check_why(&bed, -EMSGSIZE, "back-end answers GET_CONFIG with 35 bytes");
	bed_close(&bed);
}

TEST(a_back_end_that_takes_no_memory_is_left)
{
	struct bed bed;

	bed_open(&bed, DISK);
	bed.back.mem_slots = 0;
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	check_why(&bed, -EPROTO, "back-end has no room for memory");
	bed_close(&bed);
}

TEST(a_configuration_that_changes_is_read_again)
{
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	for (uint32_t n = 1; n < 4; n++) {
		assert_int_equal(fake_back_ask(&bed.back, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, NULL, 0), 0);
		assert_string_equal(fake_driver_status(&bed.driver).step, "GET_CONFIG");
		assert_int_equal(fake_back_serve(&bed.back, FAKE_BACK_ALL), 1);
		assert_int_equal(bed.driver.config_reads, 1 + n);
		assert_null(fake_driver_status(&bed.driver).step);
	}
	bed_close(&bed);
}

/* It may have changed once more after the first answer was made. */
TEST(a_configuration_that_changes_while_it_is_read_is_read_again)
{
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	fake_back_ask(&bed.back, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, NULL, 0);
	fake_back_ask(&bed.back, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, NULL, 0);
	assert_int_equal(fake_back_serve(&bed.back, FAKE_BACK_ALL), 2);
	assert_int_equal(bed.driver.config_reads, 3);
	bed_close(&bed);
}

TEST(what_a_driver_writes_into_the_configuration_arrives)
{
	const uint8_t byte = 0x77;
	struct bed bed;

	bed_open(&bed, DISK);
	assert_int_equal(vhost_frontend_write_config(bed.driver.frontend, 3, &byte, 1), -EOPNOTSUPP);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_int_equal(vhost_frontend_write_config(bed.driver.frontend, 3, &byte, 1), 0);
	assert_int_equal(fake_back_serve(&bed.back, FAKE_BACK_ALL), 1);
	assert_int_equal(bed.back.header.request, VHOST_USER_SET_CONFIG);
	assert_int_equal(bed.back.config_offset, 3);
	assert_int_equal(bed.back.config_written, 1);
	assert_int_equal(bed.back.config_byte, byte);
	assert_true(bed.driver.running);
	bed_close(&bed);
}

TEST(one_write_waits_and_no_more)
{
	const uint8_t byte = 1;
	struct bed bed;

	bed_open(&bed, DISK);
	fake_back_serve(&bed.back, FAKE_BACK_ALL);
	assert_int_equal(vhost_frontend_write_config(bed.driver.frontend, 0, &byte, 1), 0);
	assert_int_equal(vhost_frontend_write_config(bed.driver.frontend, 1, &byte, 1), 0);
	assert_int_equal(vhost_frontend_write_config(bed.driver.frontend, 2, &byte, 1), -EBUSY);
	assert_int_equal(fake_back_serve(&bed.back, FAKE_BACK_ALL), 2);
	assert_int_equal(bed.back.config_offset, 1);
	bed_close(&bed);
}

TEST(a_device_of_ours_gives_its_configuration_and_keeps_notes)
{
	struct fake_device device;
	struct fake_driver driver;

	fake_device_open(&device, 4);
	for (uint32_t i = 0; i < FAKE_CONFIG_SIZE; i++)
		device.config[i] = (uint8_t)(i * 3);
	fake_driver_open_disk(&driver, device.loop, device.path);
	for (int i = 0; i < 100 && !driver.running; i++)
		fake_turns(driver.loop);
	assert_true(driver.running);
	assert_memory_equal(driver.config, device.config, FAKE_DRIVER_CONFIG);
	assert_non_null(device.rings[3]->inflight);
	assert_int_equal(vhost_frontend_write_config(driver.frontend, 5, "x", 1), 0);
	fake_turns(device.loop);
	assert_int_equal(device.config[5], 'x');
	fake_driver_close(&driver);
	fake_turns(device.loop);
	fake_device_close(&device);
}

TESTS(cmocka_unit_test(configuration_notes_and_memory_come_before_the_rings),
	cmocka_unit_test(the_area_for_notes_is_asked_for_and_given_back),
	cmocka_unit_test(a_back_end_without_an_area_for_notes_is_served_all_the_same),
	cmocka_unit_test(the_next_back_end_gets_the_notes_and_the_rings_of_the_one_before),
	cmocka_unit_test(a_life_that_never_ran_passes_the_notes_on),
	cmocka_unit_test(notes_are_of_no_use_to_a_back_end_with_other_features),
	cmocka_unit_test(a_back_end_that_has_no_configuration_space_is_left),
	cmocka_unit_test(a_back_end_that_gives_less_of_its_configuration_is_left),
	cmocka_unit_test(a_back_end_that_takes_no_memory_is_left),
	cmocka_unit_test(a_configuration_that_changes_is_read_again),
	cmocka_unit_test(a_configuration_that_changes_while_it_is_read_is_read_again),
	cmocka_unit_test(what_a_driver_writes_into_the_configuration_arrives),
	cmocka_unit_test(one_write_waits_and_no_more),
	cmocka_unit_test(a_device_of_ours_gives_its_configuration_and_keeps_notes))
