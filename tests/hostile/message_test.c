/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that no front-end should send. What is asserted in each: it is refused, and somebody else is served. */
#include "base/check.h"
#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"
#include "vhost/message_table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30 (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTO 0xbu

struct bed {
	struct fake_device device;
	struct fake_front front;
	uint32_t fds, maps;
};

static void bed_open(struct bed *bed)
{
	fake_device_open(&bed->device, 4);
	bed->fds = fake_open_fds();
	bed->maps = fake_mappings();
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
}

static void attacker_negotiates(struct bed *bed)
{
	fake_negotiate(&bed->front, FAKE_FEATURES | BIT30, PROTO);
}

/* The attacker leaves: nothing of it stays, and an honest front-end is served. */
static void bed_close(struct bed *bed)
{
	struct fake_front honest;

	fake_front_close(&bed->front);
	assert_false(bed->device.connected);
	assert_int_equal(fake_open_fds(), bed->fds);
	assert_int_equal(fake_mappings(), bed->maps);
	fake_front_open(&honest, bed->device.loop, bed->device.path);
	fake_negotiate(&honest, FAKE_FEATURES, 0);
	fake_ring_reset(&honest, 0, 0);
	fake_ring_start(&honest, 0, 0, -1);
	fake_offer(&honest, 0, 64);
	fake_device_fill(&bed->device, 0, 1, 64);
	fake_front_close(&honest);
	fake_device_close(&bed->device);
}

TEST(garbage_for_a_header)
{
	static const uint32_t garbage[][3] = {{0xffffffff, 0xffffffff, 0xffffffff}, {0, 0, 0}, {1, 0, 0},
		{1, 2, 0}, {1, 3, 0}, {1, 5, 0}, {1, 0xd, 0}, {1, 1, 0xffffffff}, {5, 1, 0x80000000},
		{5, 1, 4097}, {0x20544547, 0x5448202f, 0x312f5054}};

	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct bed bed;

		bed_open(&bed);
		assert_int_equal(write(bed.front.fd, garbage[i], sizeof(garbage[i])), sizeof(garbage[i]));
		assert_true(fake_closed(&bed.front));
		bed_close(&bed);
	}
}

/* The first message of a connection concerns ring 255, whatever the message is. */
TEST(ring_255_first)
{
	static const struct {
		uint32_t request, size;
		bool fd;
	} messages[] = {{VHOST_USER_SET_VRING_NUM, 8, false}, {VHOST_USER_SET_VRING_ADDR, 40, false},
		{VHOST_USER_SET_VRING_BASE, 8, false}, {VHOST_USER_GET_VRING_BASE, 8, false},
		{VHOST_USER_SET_VRING_KICK, 8, true}, {VHOST_USER_SET_VRING_CALL, 8, true},
		{VHOST_USER_SET_VRING_ERR, 8, true}, {VHOST_USER_SET_VRING_ENABLE, 8, false},
		{VHOST_USER_VRING_KICK, 8, false}};

	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct vhost_user_header header = {.request = messages[i].request,
			.flags = VHOST_USER_VERSION,
			.size = messages[i].size};
		uint32_t payload[10] = {255, messages[i].fd ? 0 : 1};
		struct bed bed;

		bed_open(&bed);
		if (messages[i].request == VHOST_USER_VRING_KICK)
			fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES,
				1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
		fake_send(&bed.front, &header, payload, &bed.front.memfd, messages[i].fd);
		assert_true(fake_closed(&bed.front));
		bed_close(&bed);
	}
}

TEST(nothing_but_descriptors)
{
	struct vhost_user_header header = {.flags = VHOST_USER_VERSION};
	int fds[32];
	struct bed bed;

	bed_open(&bed);
	for (uint32_t request = 0; request < 50; request++) {
		for (size_t i = 0; i < ARRAY_LEN(fds); i++)
			fds[i] = bed.front.memfd;
		header.request = request;
		fake_send(&bed.front, &header, NULL, fds, ARRAY_LEN(fds));
		assert_true(fake_closed(&bed.front));
		assert_false(bed.device.connected);
		fake_front_hang_up(&bed.front);
		fake_front_reopen(&bed.front, bed.device.path);
	}
	bed_close(&bed);
}

/* --- memory tables --- */

static struct vhost_user_mem two_regions(void)
{
	return (struct vhost_user_mem){.n = 2,
		.regions = {{.gpa = 0, .size = 0x4000, .uaddr = 0x100000, .offset = 0},
			{.gpa = 0x10000, .size = 0x4000, .uaddr = 0x200000, .offset = 0x4000}}};
}

static uint64_t set_table(struct bed *bed, const struct vhost_user_mem *mem, int fd)
{
	int fds[VHOST_USER_MAX_REGIONS];

	for (uint32_t i = 0; i < VHOST_USER_MAX_REGIONS; i++)
		fds[i] = fd;
	return fake_acked(
		&bed->front, VHOST_USER_SET_MEM_TABLE, mem, sizeof(*mem), fds, mem->n < 8 ? mem->n : 8);
}

TEST(memory_regions_that_contradict_each_other)
{
	struct vhost_user_mem mem;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	mem = two_regions();
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 0);
	mem.regions[1].gpa = 0x3fff;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[1].uaddr = 0xff000;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[1] = mem.regions[0];
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	bed_close(&bed);
}

TEST(memory_regions_around_the_end_of_the_address_space)
{
	struct vhost_user_mem mem;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	mem = two_regions();
	mem.regions[1].gpa = UINT64_MAX - 0xfff;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[1].uaddr = UINT64_MAX - 0xfff;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[1].offset = UINT64_MAX - 0xfff;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[1].size = UINT64_MAX;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem.regions[1].size = 1ull << 63;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	bed_close(&bed);
}

TEST(memory_regions_beyond_their_file)
{
	struct vhost_user_mem mem;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	mem = two_regions();
	mem.regions[1].offset = FAKE_OFFSET + FAKE_MEM_LEN;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[1].size = FAKE_OFFSET + FAKE_MEM_LEN;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	mem = two_regions();
	mem.regions[0].size = 0;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	bed_close(&bed);
}

TEST(memory_of_the_wrong_kind)
{
	struct vhost_user_mem mem = two_regions();
	int fds[4] = {open("/dev/zero", O_RDWR | O_CLOEXEC), open("/", O_RDONLY | O_CLOEXEC), fake_eventfd(),
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		assert_int_equal(set_table(&bed, &mem, fds[i]), 1);
	bed_close(&bed);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

TEST(more_memory_regions_than_there_can_be)
{
	static const uint32_t counts[] = {9, 10, 255, 0x10001, 0x08000000, UINT32_MAX};
	struct vhost_user_mem mem = two_regions();
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		mem.n = counts[i];
		assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	}
	bed_close(&bed);
}

/* --- addresses --- */

TEST(rings_outside_memory_and_across_its_end)
{
	static const uint64_t end = FAKE_UADDR + FAKE_MEM_LEN;
	const uint64_t wrong[] = {0, 1, FAKE_GPA, FAKE_UADDR - 16, end, end - 16, FAKE_UADDR + 2, UINT64_MAX,
		UINT64_MAX - 15, UINT64_MAX - 0xfff};
	uint64_t kick = VHOST_USER_RING_FD_NONE;
	const void *old;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, FAKE_RING_SIZE);
	fake_ring_addr(&bed.front, 0, 0);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 0);
	old = bed.device.rings[0]->vq.desc;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		for (uint32_t part = 0; part < 3; part++) {
			struct vhost_user_ring_addr addr = {.desc = FAKE_UADDR,
				.avail = FAKE_UADDR + 0x1000,
				.used = FAKE_UADDR + 0x2000};

			if (part == 0)
				addr.desc = wrong[i];
			else if (part == 1)
				addr.avail = wrong[i] | 1; /* two bytes' alignment is enough for it */
			else
				addr.used = wrong[i];
			assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_ADDR, &addr,
						 sizeof(addr), NULL, 0),
				1);
			/* it goes on where it was */
			assert_non_null(bed.device.rings[0]);
			assert_ptr_equal(bed.device.rings[0]->vq.desc, old);
		}
	}
	fake_mem_table(&bed.front);
	assert_non_null(bed.device.rings[0]);
	bed_close(&bed);
}

/* The largest ring at a place where only a small one fits. */
TEST(a_ring_that_grows_beyond_memory)
{
	struct vhost_user_ring_addr addr = {.desc = FAKE_UADDR, .avail = FAKE_UADDR + 0x80000};
	uint64_t kick = VHOST_USER_RING_FD_NONE;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	addr.used = FAKE_UADDR + FAKE_MEM_LEN - 0x1000;
	fake_plain(&bed.front, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr));
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, 32768);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 1);
	assert_null(bed.device.rings[0]);
	bed_close(&bed);
}

static uint64_t address_space(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%llu", &pages), 1);
	fclose(statm);
	return pages * 4096;
}

/* A file may be as long as it likes while nothing is in it. */
TEST(a_sparse_file_takes_no_more_addresses_than_its_regions)
{
	struct vhost_user_mem mem = two_regions();
	uint64_t before;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	assert_int_equal(ftruncate(bed.front.memfd, 1ll << 46), 0);
	before = address_space();
	for (int i = 0; i < 2; i++)
		mem.regions[i].offset = (1ull << 45) + 12345;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 0);
	assert_true(address_space() < before + (1ull << 30));
	mem.regions[1].gpa = mem.regions[1].uaddr = 1ull << 50;
	mem.regions[1].size = GMEM_MAX_BYTES;
	assert_int_equal(set_table(&bed, &mem, bed.front.memfd), 1);
	bed_close(&bed);
}

static void check_log_refused(uint64_t size, uint64_t offset)
{
	struct vhost_user_log log = {.size = size, .offset = offset};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(log)};
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	fake_send(&bed.front, &header, &log, &bed.front.memfd, 1);
	assert_true(fake_closed(&bed.front));
	bed_close(&bed);
}

TEST(logs_that_wrap_around)
{
	check_log_refused(4096, UINT64_MAX - 4095);
	check_log_refused(8192, UINT64_MAX - 4095);
	check_log_refused(UINT64_MAX - 4095, 8192);
	check_log_refused(UINT64_MAX, UINT64_MAX);
	check_log_refused(1ull << 63, 1ull << 63);
}

TEST(a_log_longer_than_any_memory)
{
	struct vhost_user_log log = {.size = 1ull << 30, .offset = 4096};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(log)};
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	assert_int_equal(ftruncate(bed.front.memfd, 1ll << 46), 0);
	fake_send(&bed.front, &header, &log, &bed.front.memfd, 1);
	assert_true(fake_closed(&bed.front));
	bed_close(&bed);
}

/* Used ring log addresses far outside the log: what they mark is nowhere. */
TEST(log_addresses_anywhere)
{
	static const uint64_t anywhere[] = {
		UINT64_MAX, UINT64_MAX - 3, 1ull << 63, 0x7ffffffffffff000, FAKE_MEM_LEN * 8};
	struct vhost_user_log log = {.size = 4096};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_LOG_BASE, .flags = VHOST_USER_VERSION, .size = sizeof(log)};
	uint64_t reply;
	struct bed bed;

	bed_open(&bed);
	attacker_negotiates(&bed);
	fake_ring_reset(&bed.front, 0, 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	fake_send(&bed.front, &header, &log, &bed.front.memfd, 1);
	assert_true(fake_reply(&bed.front, VHOST_USER_SET_LOG_BASE, &reply, sizeof(reply)));
	fake_u64(&bed.front, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30 | 1ull << VHOST_F_LOG_ALL);
	for (size_t i = 0; i < ARRAY_LEN(anywhere); i++) {
		struct vhost_user_ring_addr addr = {.flags = VHOST_USER_RING_ADDR_LOG,
			.desc = FAKE_UADDR,
			.avail = FAKE_UADDR + 0x1000,
			.used = FAKE_UADDR + 0x2000,
			.log = anywhere[i]};

		fake_plain(&bed.front, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr));
		fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 1, 64);
		virtq_arm(&bed.device.rings[0]->vq);
	}
	bed_close(&bed);
}

/* --- every message there is --- */

#define EVERYTHING (vhost_protocol_features_by(VHOST_BY_ENGINE) | vhost_protocol_features_by(VHOST_BY_DEVICE))

/* One byte at a time, the descriptors with the first. False: the back-end has closed. */
static bool send_slowly(
	struct fake_front *f, const uint8_t *bytes, size_t len, const int *fds, uint32_t n_fds)
{
	for (size_t i = 0; i < len; i++) {
		if (unix_send(f->fd, bytes + i, 1, fds, i == 0 ? n_fds : 0) != 1)
			return false;
		fake_turns(f->loop);
	}
	return true;
}

/* What comes back, to the end or to where nothing more comes. */
static size_t collect(struct fake_front *f, uint8_t *out, size_t max)
{
	struct unix_cargo cargo = {0};
	size_t len = 0;
	ssize_t n;

	fake_turns(f->loop);
	while ((n = unix_recv(f->fd, out + len, max - len, &cargo)) > 0)
		len += (size_t)n;
	unix_cargo_close(&cargo);
	return len;
}

/* A message with a payload of `fill`, all at once or slowly: what comes back, and whether the connection lives. */
static size_t say(uint32_t request, uint8_t fill, bool slowly, uint8_t *answer, bool *alive)
{
	const struct message_row *row = message_row(request);
	struct {
		struct vhost_user_header header;
		uint8_t payload[512];
	} m = {.header = {.request = request,
		       .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY,
		       .size = row->size_max}};
	int fds[UNIX_MAX_FDS];
	size_t len;
	struct bed bed;

	memset(m.payload, fill, sizeof(m.payload));
	bed_open(&bed);
	fake_negotiate(&bed.front, FAKE_FEATURES, EVERYTHING);
	for (uint32_t i = 0; i < UNIX_MAX_FDS; i++)
		fds[i] = bed.front.memfd;
	if (slowly)
		send_slowly(
			&bed.front, (const uint8_t *)&m, sizeof(m.header) + row->size_max, fds, row->fds_max);
	else
		fake_send(&bed.front, &m.header, m.payload, fds, row->fds_max);
	len = collect(&bed.front, answer, 1024);
	*alive = bed.device.connected;
	bed_close(&bed);
	return len;
}

TEST(every_message_byte_by_byte_is_the_message)
{
	static const uint8_t fills[] = {0, 1, 0xff};

	for (uint32_t request = 1; message_row(request); request++) {
		for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
			uint8_t at_once[1024], slowly[1024];
			bool lives, lives_slowly;
			size_t len = say(request, fills[i], false, at_once, &lives);

			assert_int_equal(say(request, fills[i], true, slowly, &lives_slowly), len);
			assert_memory_equal(at_once, slowly, len);
			assert_int_equal(lives, lives_slowly);
		}
	}
}

/* --- memory slots --- */

static uint64_t slot(struct bed *bed, uint32_t request, uint64_t gpa, uint64_t size)
{
	struct vhost_user_mem_slot s = {.region = {.gpa = gpa, .size = size, .uaddr = gpa}};

	return fake_acked(&bed->front, request, &s, sizeof(s), &bed->front.memfd, 1);
}

TEST(slots_that_wrap_overlap_and_were_never_there)
{
	struct bed bed;

	bed_open(&bed);
	fake_u64(&bed.front, VHOST_USER_SET_PROTOCOL_FEATURES, EVERYTHING);
	assert_int_equal(
		slot(&bed, VHOST_USER_REM_MEM_REG, 0, 4096), 0); /* nothing is there, as it was wanted */
	assert_int_equal(slot(&bed, VHOST_USER_ADD_MEM_REG, UINT64_MAX, 4096), 1);
	assert_int_equal(slot(&bed, VHOST_USER_ADD_MEM_REG, 0, UINT64_MAX), 1);
	assert_int_equal(slot(&bed, VHOST_USER_ADD_MEM_REG, 0, 0), 1);
	assert_int_equal(slot(&bed, VHOST_USER_ADD_MEM_REG, 0x10000, 0x2000), 0);
	assert_int_equal(slot(&bed, VHOST_USER_ADD_MEM_REG, 0x11fff, 1), 1);
	assert_int_equal(slot(&bed, VHOST_USER_ADD_MEM_REG, 0x0, 0x10001), 1);
	assert_int_equal(slot(&bed, VHOST_USER_REM_MEM_REG, 0x11000, 0x1000), 1);
	assert_int_equal(slot(&bed, VHOST_USER_REM_MEM_REG, 0x10000, 0x1000), 1);
	assert_int_equal(slot(&bed, VHOST_USER_REM_MEM_REG, 0x10000, 0x2000), 0);
	assert_int_equal(slot(&bed, VHOST_USER_REM_MEM_REG, 0x10000, 0x2000), 0);
	bed_close(&bed);
}

/* --- the channel for our requests --- */

/* The front-end holds the same socket as we do, with all that has been said on it lying unread. */
TEST(a_request_channel_that_nobody_reads)
{
	int ends[2];
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fake_negotiate(&bed.front, FAKE_FEATURES, EVERYTHING);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1), 0);
	fake_ring_reset(&bed.front, 0, 0);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, FAKE_RING_SIZE);
	fake_ring_addr(&bed.front, 0, 0);
	fake_state(&bed.front, VHOST_USER_VRING_KICK, 0, 0);
	for (int i = 0; i < 3000; i++) {
		fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 1, 64);
		vhost_backend_config_changed(bed.device.backend);
		vhost_backend_check_rings(bed.device.backend);
	}
	assert_true(fake_alive(&bed.front));
	close(ends[0]);
	close(ends[1]);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(garbage_for_a_header), cmocka_unit_test(ring_255_first),
	cmocka_unit_test(nothing_but_descriptors),
	cmocka_unit_test(memory_regions_that_contradict_each_other),
	cmocka_unit_test(memory_regions_around_the_end_of_the_address_space),
	cmocka_unit_test(memory_regions_beyond_their_file), cmocka_unit_test(memory_of_the_wrong_kind),
	cmocka_unit_test(more_memory_regions_than_there_can_be),
	cmocka_unit_test(rings_outside_memory_and_across_its_end),
	cmocka_unit_test(a_sparse_file_takes_no_more_addresses_than_its_regions),
	cmocka_unit_test(a_log_longer_than_any_memory), cmocka_unit_test(a_ring_that_grows_beyond_memory),
	cmocka_unit_test(logs_that_wrap_around), cmocka_unit_test(log_addresses_anywhere),
	cmocka_unit_test(every_message_byte_by_byte_is_the_message),
	cmocka_unit_test(slots_that_wrap_overlap_and_were_never_there),
	cmocka_unit_test(a_request_channel_that_nobody_reads))
