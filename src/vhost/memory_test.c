/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/test.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIT30   (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define LOG_ALL (1ull << VHOST_F_LOG_ALL)
#define PROTO   0xbu

struct bed {
	struct fake_device device;
	struct fake_front front;
};

static void bed_open(struct bed *bed)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, PROTO);
	fake_ring_start(&bed->front, 0, 0, -1);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

static struct vhost_user_mem one_region(void)
{
	return (struct vhost_user_mem){.n = 1,
		.regions = {
			{.gpa = FAKE_GPA, .size = FAKE_MEM_LEN, .uaddr = FAKE_UADDR, .offset = FAKE_OFFSET}}};
}

static uint64_t set_table(struct bed *bed, const struct vhost_user_mem *mem, uint32_t size, uint32_t n_fds)
{
	int fds[VHOST_USER_MAX_REGIONS];

	for (uint32_t i = 0; i < VHOST_USER_MAX_REGIONS; i++)
		fds[i] = bed->front.memfd;
	return fake_acked(&bed->front, VHOST_USER_SET_MEM_TABLE, mem, size, fds, n_fds);
}

TEST(a_table_with_room_to_spare_is_taken)
{
	struct vhost_user_mem mem = one_region();
	struct bed bed;

	bed_open(&bed);
	for (uint32_t size = 40; size <= sizeof(mem); size += 32)
		assert_int_equal(set_table(&bed, &mem, size, 1), 0);
	assert_int_equal(set_table(&bed, &mem, 39, 1), 1);
	mem.n = 2;
	assert_int_equal(set_table(&bed, &mem, 40, 2), 1);
	bed_close(&bed);
}

TEST(eight_regions_fit)
{
	struct vhost_user_mem mem = {.n = 8};
	uint64_t len = FAKE_MEM_LEN / 8;
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < 8; i++)
		mem.regions[i] = (struct vhost_user_region){.gpa = FAKE_GPA + i * len,
			.size = len,
			.uaddr = FAKE_UADDR + i * len,
			.offset = FAKE_OFFSET + i * len};
	assert_int_equal(set_table(&bed, &mem, sizeof(mem), 8), 0);
	assert_int_equal(fake_device_status(&bed.device).mem->n, 8);
	assert_non_null(bed.device.rings[0]);
	mem.n = 9;
	assert_int_equal(set_table(&bed, &mem, sizeof(mem), 8), 1);
	bed_close(&bed);
}

TEST(a_descriptor_per_region_has_to_come)
{
	struct vhost_user_mem mem = one_region();
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(set_table(&bed, &mem, 40, 0), 1);
	assert_string_equal(fake_device_status(&bed.device).why,
		"SET_MEM_TABLE: 1 memory regions but 0 file descriptors");
	assert_int_equal(set_table(&bed, &mem, 40, 2), 1);
	bed_close(&bed);
}

TEST(a_bad_table_leaves_the_old_one_at_work)
{
	struct vhost_user_mem mem = one_region();
	const struct gmem *before;
	uint32_t published;
	struct bed bed;

	bed_open(&bed);
	before = fake_device_status(&bed.device).mem;
	published = bed.device.published;
	mem.regions[0].size = 2 * FAKE_MEM_LEN;
	assert_int_equal(set_table(&bed, &mem, 40, 1), 1);
	assert_ptr_equal(fake_device_status(&bed.device).mem, before);
	assert_int_equal(bed.device.published, published);
	assert_non_null(bed.device.rings[0]);
	bed_close(&bed);
}

TEST(a_table_without_a_running_rings_memory_stops_the_ring)
{
	struct vhost_user_mem mem = one_region();
	struct bed bed;

	bed_open(&bed);
	mem.regions[0].uaddr += FAKE_MEM_LEN;
	assert_int_equal(set_table(&bed, &mem, 40, 1), 1);
	assert_null(bed.device.rings[0]);
	mem.regions[0].uaddr -= FAKE_MEM_LEN;
	assert_int_equal(set_table(&bed, &mem, 40, 1), 0);
	assert_non_null(bed.device.rings[0]);
	bed_close(&bed);
}

/* --- dirty log --- */

struct log_file {
	int fd;
	uint8_t *bits;
};

static void log_open(struct log_file *log)
{
	log->fd = memfd_create("log", MFD_CLOEXEC);
	assert_int_equal(ftruncate(log->fd, 0x2000), 0);
	log->bits = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, log->fd, 0);
	assert_true(log->bits != MAP_FAILED);
}

static void log_close(struct log_file *log)
{
	munmap(log->bits, 0x2000);
	close(log->fd);
}

/* False: the connection has ended. */
static bool set_log(struct bed *bed, const struct log_file *log, uint64_t size, uint64_t offset)
{
	struct vhost_user_log payload = {.size = size, .offset = offset};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(payload)};
	uint64_t reply;

	return fake_send(&bed->front, &header, &payload, &log->fd, 1) &&
	       fake_reply(&bed->front, VHOST_USER_SET_LOG_BASE, &reply, sizeof(reply));
}

static bool is_dirty(const uint8_t *bits, uint64_t gpa)
{
	return bits[gpa / 4096 / 8] & 1u << (gpa / 4096 % 8);
}

static uint32_t n_dirty(const uint8_t *bits)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 0x1000; i++)
		n += (uint32_t)__builtin_popcount(bits[i]);
	return n;
}

TEST(migration_logs_what_is_written_and_where_it_is_said)
{
	uint64_t buffer = FAKE_GPA + FAKE_RINGS * FAKE_RING_LEN, used = fake_ring_gpa(0) + 0x2000;
	struct log_file log;
	uint8_t *bits;
	struct bed bed;

	bed_open(&bed);
	log_open(&log);
	bits = log.bits + 0x1000;
	/* in the order in which QEMU begins a migration: log, features, addresses */
	assert_true(set_log(&bed, &log, 0x1000, 0x1000));
	assert_false(fake_device_status(&bed.device).logging);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(n_dirty(bits), 0);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30 | LOG_ALL);
	assert_true(fake_device_status(&bed.device).logging);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_true(is_dirty(bits, buffer + 0x1000));
	assert_int_equal(n_dirty(bits), 1);
	fake_ring_addr(&bed.front, 0, VHOST_USER_RING_ADDR_LOG);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_true(is_dirty(bits, buffer + 0x2000));
	assert_true(is_dirty(bits, used));
	assert_int_equal(n_dirty(bits), 3);
	assert_int_equal(n_dirty(log.bits), 0);
	/* it was cancelled, and a second one begins with another log */
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	fake_ring_addr(&bed.front, 0, 0);
	memset(log.bits, 0, 0x2000);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(n_dirty(bits), 0);
	assert_true(set_log(&bed, &log, 0x1000, 0));
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30 | LOG_ALL);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_true(is_dirty(log.bits, buffer + 0x4000));
	log_close(&log);
	bed_close(&bed);
}

TEST(starting_a_ring_is_logged_too)
{
	struct log_file log;
	struct bed bed;

	bed_open(&bed);
	log_open(&log);
	assert_true(set_log(&bed, &log, 0x1000, 0));
	/* without event index the device writes a flag when it begins */
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, (1ull << 32) | BIT30 | LOG_ALL);
	assert_int_equal(n_dirty(log.bits), 0);
	fake_ring_addr(&bed.front, 0, VHOST_USER_RING_ADDR_LOG);
	assert_true(is_dirty(log.bits, fake_ring_gpa(0) + 0x2000));
	log_close(&log);
	bed_close(&bed);
}

TEST(logs_that_do_not_fit_their_file_are_refused)
{
	static const struct {
		uint64_t size, offset;
	} bad[] = {{0, 0}, {0x2001, 0}, {0x1000, 0x1001}, {0x1000, UINT64_MAX - 0xfff},
		{UINT64_MAX - 0xfff, 0x1000}, {UINT64_MAX, UINT64_MAX}};
	struct log_file log;

	log_open(&log);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct bed bed;

		bed_open(&bed);
		assert_false(set_log(&bed, &log, bad[i].size, bad[i].offset));
		assert_true(fake_closed(&bed.front));
		bed_close(&bed);
	}
	log_close(&log);
}

TEST(a_log_at_any_offset_is_mapped)
{
	struct log_file log;
	struct bed bed;

	bed_open(&bed);
	log_open(&log);
	assert_true(set_log(&bed, &log, 0x1000 - 24, 0x1018));
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30 | LOG_ALL);
	fake_offer(&bed.front, 0, 64);
	fake_device_fill(&bed.device, 0, 1, 64);
	assert_int_equal(n_dirty(log.bits + 0x1000), 1);
	log_close(&log);
	bed_close(&bed);
}

TEST(the_logs_doorbell_is_taken_and_closed)
{
	struct vhost_user_header header = {.request = VHOST_USER_SET_LOG_FD, .flags = VHOST_USER_VERSION};
	int fd = fake_eventfd();
	uint32_t before;
	struct bed bed;

	bed_open(&bed);
	before = fake_open_fds();
	assert_true(fake_send(&bed.front, &header, NULL, &fd, 1));
	assert_true(fake_alive(&bed.front));
	assert_int_equal(fake_open_fds(), before);
	close(fd);
	bed_close(&bed);
}

/* --- memory slots --- */

#define MEM_SLOTS \
	(1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)

static struct vhost_user_mem_slot fake_slot(void)
{
	return (struct vhost_user_mem_slot){
		.region = {
			.gpa = FAKE_GPA, .size = FAKE_MEM_LEN, .uaddr = FAKE_UADDR, .offset = FAKE_OFFSET}};
}

static struct vhost_user_mem_slot small_slot(uint32_t i)
{
	return (struct vhost_user_mem_slot){.region = {.gpa = (1ull << 40) + i * 0x10000,
						    .size = 0x1000,
						    .uaddr = (1ull << 41) + i * 0x10000}};
}

static uint64_t add_slot(struct bed *bed, struct vhost_user_mem_slot slot)
{
	return fake_acked(&bed->front, VHOST_USER_ADD_MEM_REG, &slot, sizeof(slot), &bed->front.memfd, 1);
}

static uint64_t rem_slot(struct bed *bed, struct vhost_user_mem_slot slot, uint32_t n_fds)
{
	return fake_acked(&bed->front, VHOST_USER_REM_MEM_REG, &slot, sizeof(slot), &bed->front.memfd, n_fds);
}

/* Negotiated, and no memory yet. */
static void bed_open_slots(struct bed *bed)
{
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_u64(&bed->front, VHOST_USER_SET_PROTOCOL_FEATURES, MEM_SLOTS);
	fake_u64(&bed->front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
}

TEST(memory_comes_in_slots_while_rings_run)
{
	struct bed bed;

	bed_open_slots(&bed);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_MAX_MEM_SLOTS), 509);
	assert_int_equal(add_slot(&bed, fake_slot()), 0);
	fake_ring_reset(&bed.front, 0, 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(add_slot(&bed, small_slot(i)), 0);
		fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 1, 64);
	}
	assert_int_equal(fake_device_status(&bed.device).mem->n, 21);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(rem_slot(&bed, small_slot(i), i % 2), 0);
		fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 1, 64);
	}
	assert_int_equal(fake_device_status(&bed.device).mem->n, 1);
	assert_int_equal(fake_get_base(&bed.front, 0), 40);
	bed_close(&bed);
}

TEST(a_slot_that_comes_pauses_running_rings_once_and_a_bad_one_not_at_all)
{
	struct vhost_user_mem_slot wraps = small_slot(0), overlaps = small_slot(0);
	uint32_t published;
	struct bed bed;

	bed_open_slots(&bed);
	assert_int_equal(add_slot(&bed, fake_slot()), 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	published = bed.device.published;
	assert_int_equal(add_slot(&bed, small_slot(0)), 0);
	assert_int_equal(bed.device.published, published + 1);
	assert_int_equal(add_slot(&bed, small_slot(0)), 0); /* it is there already: once for each pair */
	overlaps.region.uaddr += 0x1000;
	assert_int_equal(add_slot(&bed, overlaps), 1);
	wraps.region.gpa = UINT64_MAX - 0xfff;
	assert_int_equal(add_slot(&bed, wraps), 1);
	assert_int_equal(rem_slot(&bed, small_slot(1), 0), 0); /* it has gone already */
	assert_int_equal(bed.device.published, published + 1);
	assert_int_equal(fake_device_status(&bed.device).mem->n, 2);
	bed_close(&bed);
}

TEST(a_slot_is_removed_by_its_addresses_and_size)
{
	struct vhost_user_mem_slot slot = small_slot(0);
	struct bed bed;

	bed_open_slots(&bed);
	assert_int_equal(rem_slot(&bed, slot, 0), 0); /* there is no memory at all */
	assert_int_equal(add_slot(&bed, slot), 0);
	slot.region.size += 0x1000;
	assert_int_equal(rem_slot(&bed, slot, 0), 1);
	slot = small_slot(0);
	slot.region.uaddr += 0x1000;
	assert_int_equal(rem_slot(&bed, slot, 0), 1);
	slot = small_slot(0);
	slot.region.gpa += 1;
	assert_int_equal(rem_slot(&bed, slot, 0), 1);
	slot = small_slot(0);
	slot.region.offset = 0x5000; /* means nothing here */
	assert_int_equal(rem_slot(&bed, slot, 0), 0);
	assert_int_equal(fake_device_status(&bed.device).mem->n, 0);
	bed_close(&bed);
}

TEST(a_slot_that_goes_from_under_a_ring_stops_it)
{
	struct bed bed;

	bed_open_slots(&bed);
	assert_int_equal(add_slot(&bed, fake_slot()), 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_int_equal(rem_slot(&bed, fake_slot(), 0), 1);
	assert_null(bed.device.rings[0]);
	assert_int_equal(add_slot(&bed, fake_slot()), 0);
	assert_non_null(bed.device.rings[0]);
	bed_close(&bed);
}

TEST(there_are_as_many_slots_as_were_announced)
{
	struct bed bed;

	bed_open_slots(&bed);
	for (uint32_t i = 0; i < 509; i++)
		assert_int_equal(add_slot(&bed, small_slot(i)), 0);
	assert_int_equal(add_slot(&bed, small_slot(509)), 1);
	assert_int_equal(rem_slot(&bed, small_slot(100), 1), 0);
	assert_int_equal(add_slot(&bed, small_slot(509)), 0);
	bed_close(&bed);
	assert_int_equal(fake_mappings(), 0);
}

TEST(a_whole_table_replaces_all_slots)
{
	struct bed bed;

	bed_open_slots(&bed);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(add_slot(&bed, small_slot(i)), 0);
	fake_mem_table(&bed.front);
	assert_int_equal(fake_device_status(&bed.device).mem->n, 1);
	bed_close(&bed);
}

TEST(no_more_regions_are_taken_than_were_agreed)
{
	struct vhost_user_mem mem = {.n = 3};
	uint64_t len = FAKE_MEM_LEN / 4;
	struct bed bed;

	fake_device_open_with(&bed.device, 4, &(struct vhost_backend_config){.max_mem_slots = 2});
	fake_front_open(&bed.front, bed.device.loop, bed.device.path);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, MEM_SLOTS);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
	assert_int_equal(fake_get_u64(&bed.front, VHOST_USER_GET_MAX_MEM_SLOTS), 2);
	for (uint32_t i = 0; i < 3; i++)
		mem.regions[i] = (struct vhost_user_region){.gpa = FAKE_GPA + i * len,
			.size = len,
			.uaddr = FAKE_UADDR + i * len,
			.offset = FAKE_OFFSET + i * len};
	assert_int_equal(set_table(&bed, &mem, sizeof(mem), 3), 1);
	assert_string_equal(
		fake_device_status(&bed.device).why, "SET_MEM_TABLE: 3 memory regions, at most 2 fit here");
	mem.n = 2;
	assert_int_equal(set_table(&bed, &mem, sizeof(mem), 2), 0);
	assert_int_equal(add_slot(&bed, small_slot(0)), 1);
	assert_int_equal(add_slot(&bed, (struct vhost_user_mem_slot){.region = mem.regions[0]}), 0);
	assert_int_equal(rem_slot(&bed, (struct vhost_user_mem_slot){.region = mem.regions[0]}, 0), 0);
	assert_int_equal(add_slot(&bed, small_slot(0)), 0);
	assert_int_equal(fake_device_status(&bed.device).mem->n, 2);
	bed_close(&bed);
}

TEST(memory_that_is_not_listed_is_refused_and_the_old_one_stays)
{
	struct vhost_user_mem mem = one_region();
	struct mem_filter filter = {0};
	int listed = memfd_create("listed", MFD_CLOEXEC), unlisted;
	char spec[32], why[256];
	struct bed bed;

	assert_int_equal(ftruncate(listed, FAKE_OFFSET + FAKE_MEM_LEN), 0);
	snprintf(spec, sizeof(spec), "ram=fd:%d", listed);
	assert_int_equal(mem_filter_add(&filter, spec, why, sizeof(why)), 0);
	fake_device_open_with(&bed.device, 4, &(struct vhost_backend_config){.mem_filter = &filter});
	fake_front_open(&bed.front, bed.device.loop, bed.device.path);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, MEM_SLOTS);
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
	assert_int_equal(set_table(&bed, &mem, 40, 1), 1);
	assert_null(fake_device_status(&bed.device).mem);
	unlisted = bed.front.memfd;
	bed.front.memfd = listed;
	assert_int_equal(set_table(&bed, &mem, 40, 1), 0);
	bed.front.memfd = unlisted;
	assert_int_equal(set_table(&bed, &mem, 40, 1), 1);
	assert_int_equal(add_slot(&bed, small_slot(0)), 1);
	assert_non_null(strstr(fake_device_status(&bed.device).why, "not on the list"));
	assert_int_equal(fake_device_status(&bed.device).mem->n, 1);
	bed_close(&bed);
	mem_filter_close(&filter);
}

TEST(a_ring_larger_than_the_limit_is_refused_with_the_mend)
{
	struct vhost_user_ring_state ring = {.index = 0, .num = 512};
	struct bed bed;

	fake_device_open_with(&bed.device, 4, &(struct vhost_backend_config){.max_ring_size = 256});
	fake_front_open(&bed.front, bed.device.loop, bed.device.path);
	fake_negotiate(&bed.front, FAKE_FEATURES | BIT30, PROTO);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &ring, sizeof(ring), NULL, 0), 1);
	assert_non_null(strstr(fake_device_status(&bed.device).why, "smaller queue size"));
	ring.num = 256;
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_NUM, &ring, sizeof(ring), NULL, 0), 0);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(no_more_regions_are_taken_than_were_agreed),
	cmocka_unit_test(memory_that_is_not_listed_is_refused_and_the_old_one_stays),
	cmocka_unit_test(a_ring_larger_than_the_limit_is_refused_with_the_mend),
	cmocka_unit_test(a_table_with_room_to_spare_is_taken), cmocka_unit_test(eight_regions_fit),
	cmocka_unit_test(a_descriptor_per_region_has_to_come),
	cmocka_unit_test(a_bad_table_leaves_the_old_one_at_work),
	cmocka_unit_test(a_table_without_a_running_rings_memory_stops_the_ring),
	cmocka_unit_test(migration_logs_what_is_written_and_where_it_is_said),
	cmocka_unit_test(starting_a_ring_is_logged_too),
	cmocka_unit_test(logs_that_do_not_fit_their_file_are_refused),
	cmocka_unit_test(a_log_at_any_offset_is_mapped),
	cmocka_unit_test(the_logs_doorbell_is_taken_and_closed),
	cmocka_unit_test(memory_comes_in_slots_while_rings_run),
	cmocka_unit_test(a_slot_that_comes_pauses_running_rings_once_and_a_bad_one_not_at_all),
	cmocka_unit_test(a_slot_is_removed_by_its_addresses_and_size),
	cmocka_unit_test(a_slot_that_goes_from_under_a_ring_stops_it),
	cmocka_unit_test(there_are_as_many_slots_as_were_announced),
	cmocka_unit_test(a_whole_table_replaces_all_slots))
