/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/inflight_ring.h"

#include "base/check.h"
#include "base/random.h"
#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 8

/* --- one ring's area --- */

struct desk {
	uint64_t words[2 + 2 * SIZE];
	struct inflight_split *area; /* the words */
	struct inflight inflight;
	struct inflight_entry entries[SIZE];
};

static void desk_open(struct desk *d)
{
	memset(d, 0, sizeof(*d));
	d->area = (struct inflight_split *)(void *)d->words;
	assert_int_equal(inflight_open(&d->inflight, d->area, SIZE), 0);
}

static void fetch(struct desk *d, const uint16_t *heads, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		inflight_fetch(&d->inflight, heads[i]);
}

/* The back-end dies; the next one finds n buffers. */
static void check_left(struct desk *d, uint16_t used_idx, const uint16_t *heads, uint32_t n)
{
	assert_int_equal(inflight_open(&d->inflight, d->area, SIZE), 0);
	assert_int_equal(inflight_recover(&d->inflight, used_idx, d->entries), n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(d->entries[i].head, heads[i]);
}

TEST(the_layout_is_the_specifications)
{
	assert_int_equal(offsetof(struct inflight_split, version), 8);
	assert_int_equal(offsetof(struct inflight_split, desc_num), 10);
	assert_int_equal(offsetof(struct inflight_split, last_batch_head), 12);
	assert_int_equal(offsetof(struct inflight_split, used_idx), 14);
	assert_int_equal(offsetof(struct inflight_split, desc), 16);
	assert_int_equal(offsetof(struct inflight_split_desc, next), 6);
	assert_int_equal(offsetof(struct inflight_split_desc, counter), 8);
	assert_int_equal(inflight_area_len(128, false), 16 + 128 * 16 + 48);
	assert_int_equal(inflight_area_len(3, false), 64);
	assert_int_equal(inflight_area_len(1, true), 64);
	assert_int_equal(inflight_area_len(128, true), 32 + 128 * 32 + 32);
	assert_int_equal(inflight_area_len(32768, true), 32 + 32768 * 32 + 32);
}

TEST(what_was_taken_and_not_returned_is_found_in_its_order)
{
	static const uint16_t taken[] = {5, 2, 7, 0, 3}, returned[] = {7, 5}, left[] = {2, 0, 3};
	struct desk d;

	desk_open(&d);
	fetch(&d, taken, 5);
	inflight_returning(&d.inflight, returned, 2);
	inflight_returned(&d.inflight, returned, 2, 2);
	check_left(&d, 2, left, 3);
	/* and again: what the successor takes comes after what it found */
	fetch(&d, returned, 1);
	check_left(&d, 2, (const uint16_t[]){2, 0, 3, 7}, 4);
}

TEST(a_batch_that_the_guest_has_seen_was_returned_whatever_is_noted)
{
	static const uint16_t taken[] = {1, 2, 3, 4}, returned[] = {3, 1, 4}, left[] = {2};
	struct desk d;

	desk_open(&d);
	fetch(&d, taken, 4);
	inflight_returning(&d.inflight, returned, 3);
	/* here used_idx went from 0 to 3, and then the process died */
	check_left(&d, 3, left, 1);
	assert_int_equal(d.area->used_idx, 3);
}

TEST(a_batch_that_the_guest_has_not_seen_is_in_flight)
{
	static const uint16_t taken[] = {1, 2, 3}, returned[] = {2, 1};
	struct desk d;

	desk_open(&d);
	fetch(&d, taken, 3);
	inflight_returning(&d.inflight, returned, 2);
	check_left(&d, 0, taken, 3);
}

TEST(indexes_wrap_around)
{
	static const uint16_t taken[] = {0, 1}, returned[] = {0, 1};
	struct desk d;

	desk_open(&d);
	d.area->used_idx = 65535;
	fetch(&d, taken, 2);
	inflight_returning(&d.inflight, returned, 2);
	check_left(&d, 1, NULL, 0);
}

TEST(an_area_of_another_ring_or_version_is_refused)
{
	struct desk d;

	desk_open(&d);
	assert_int_equal(d.area->version, 1);
	assert_int_equal(d.area->desc_num, SIZE);
	assert_int_equal(inflight_open(&d.inflight, d.area, SIZE / 2), -EINVAL);
	d.area->version = 2;
	assert_int_equal(inflight_open(&d.inflight, d.area, SIZE), -EINVAL);
}

TEST(an_area_full_of_nonsense_gives_heads_of_the_ring_at_most)
{
	struct random random;
	struct desk d;

	random_init(&random, 7);
	desk_open(&d);
	for (int round = 0; round < 1000; round++) {
		uint32_t n;

		for (size_t i = 0; i < ARRAY_LEN(d.words); i++)
			d.words[i] = random_u64(&random) & (round % 2 ? 0x0007000000000001 : UINT64_MAX);
		d.area->version = 1;
		d.area->desc_num = SIZE;
		assert_int_equal(inflight_open(&d.inflight, d.area, SIZE), 0);
		n = inflight_recover(&d.inflight, (uint16_t)random_below(&random, 65536), d.entries);
		assert_true(n <= SIZE);
		for (uint32_t i = 0; i < n; i++)
			assert_true(d.entries[i].head < SIZE);
	}
}

/* --- the messages --- */

#define OFFERED (1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)

struct bed {
	struct fake_device device;
	struct fake_front front;
	int fd; /* of the areas */
};

static void bed_open(struct bed *bed)
{
	bed->fd = -1;
	fake_device_open(&bed->device, 4);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_negotiate(&bed->front, FAKE_FEATURES, OFFERED);
}

static void bed_close(struct bed *bed)
{
	if (bed->fd >= 0)
		close(bed->fd);
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

/* GET_INFLIGHT_FD: the answer; its descriptor is kept. */
static struct vhost_user_inflight get_areas(struct bed *bed, uint16_t queues, uint16_t size)
{
	struct vhost_user_inflight i = {.num_queues = queues, .queue_size = size};
	struct vhost_user_header header;
	struct unix_cargo cargo = {0};

	fake_plain(&bed->front, VHOST_USER_GET_INFLIGHT_FD, &i, sizeof(i));
	assert_int_equal(unix_recv(bed->front.fd, &header, sizeof(header), &cargo), sizeof(header));
	assert_int_equal(header.size, 24);
	assert_int_equal(unix_recv(bed->front.fd, &i, sizeof(i), &cargo), sizeof(i));
	assert_int_equal(cargo.n_fds, i.mmap_size > 0);
	if (cargo.n_fds > 0)
		bed->fd = cargo.fds[0];
	return i;
}

static uint64_t set_areas(struct bed *bed, const struct vhost_user_inflight *i, int fd)
{
	return fake_acked(&bed->front, VHOST_USER_SET_INFLIGHT_FD, i, sizeof(*i), &fd, 1);
}

TEST(areas_for_buffers_in_flight_come_sealed_and_with_their_layout)
{
	struct vhost_user_inflight i;
	struct bed bed;

	bed_open(&bed);
	i = get_areas(&bed, 4, FAKE_RING_SIZE);
	assert_int_equal(i.mmap_size, 4 * inflight_area_len(FAKE_RING_SIZE, false));
	assert_int_equal(i.mmap_offset, 0);
	assert_int_equal(i.num_queues, 4);
	assert_int_equal(i.queue_size, FAKE_RING_SIZE);
	assert_int_equal(ftruncate(bed.fd, 0), -1);
	fake_ring_start(&bed.front, 1, 0, -1);
	assert_non_null(bed.device.rings[1]->inflight);
	bed_close(&bed);
}

TEST(areas_that_nobody_can_make_are_answered_with_none)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(get_areas(&bed, 0, 16).mmap_size, 0);
	assert_int_equal(get_areas(&bed, 5, 16).mmap_size, 0);
	assert_int_equal(get_areas(&bed, 65535, 16).mmap_size, 0);
	assert_int_equal(get_areas(&bed, 1, 0).mmap_size, 0);
	assert_int_equal(get_areas(&bed, 1, 32769).mmap_size, 0);
	assert_true(fake_alive(&bed.front));
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_null(bed.device.rings[0]->inflight);
	bed_close(&bed);
}

TEST(a_successor_finds_what_was_in_flight)
{
	struct inflight_entry entries[FAKE_RING_SIZE];
	struct vhost_user_inflight i;
	struct bed bed;

	bed_open(&bed);
	i = get_areas(&bed, 2, FAKE_RING_SIZE);
	fake_ring_start(&bed.front, 1, 0, -1);
	inflight_fetch(&bed.device.rings[1]->inflight->split, 9);
	inflight_fetch(&bed.device.rings[1]->inflight->split, 4);
	fake_front_hang_up(&bed.front);
	fake_front_reopen(&bed.front, bed.device.path);
	fake_negotiate(&bed.front, FAKE_FEATURES, OFFERED);
	assert_int_equal(set_areas(&bed, &i, bed.fd), 0);
	fake_ring_start(&bed.front, 1, 0, -1);
	assert_int_equal(inflight_recover(&bed.device.rings[1]->inflight->split, 0, entries), 2);
	assert_int_equal(entries[0].head, 9);
	assert_int_equal(entries[1].head, 4);
	/* a ring without an area, and one that outgrew its own */
	fake_ring_start(&bed.front, 2, 0, -1);
	assert_null(bed.device.rings[2]->inflight);
	bed_close(&bed);
}

TEST(areas_that_do_not_fit_are_refused)
{
	uint64_t len = 4 * inflight_area_len(FAKE_RING_SIZE, false), kick = VHOST_USER_RING_FD_NONE;
	struct vhost_user_inflight good = {.mmap_size = len, .num_queues = 4, .queue_size = FAKE_RING_SIZE},
				   i;
	int event = fake_eventfd();
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(set_areas(&bed, &good, event), 1);
	i = good;
	i.mmap_size--;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 1);
	i = good;
	i.mmap_size = UINT64_MAX;
	i.mmap_offset = FAKE_OFFSET + FAKE_MEM_LEN - 64;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 1);
	i.mmap_offset = UINT64_MAX - 63;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 1);
	i = good;
	i.mmap_offset = 4;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 1);
	i = good;
	i.num_queues = 65535;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 1);
	i = good;
	i.queue_size = 0;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 1);
	/* it fits, but not the ring */
	i = good;
	i.queue_size = FAKE_RING_SIZE / 2;
	assert_int_equal(set_areas(&bed, &i, bed.front.memfd), 0);
	fake_state(&bed.front, VHOST_USER_SET_VRING_NUM, 0, FAKE_RING_SIZE);
	fake_ring_addr(&bed.front, 0, 0);
	assert_int_equal(fake_acked(&bed.front, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 1);
	assert_null(bed.device.rings[0]);
	bed_close(&bed);
	close(event);
}

TESTS(cmocka_unit_test(the_layout_is_the_specifications),
	cmocka_unit_test(what_was_taken_and_not_returned_is_found_in_its_order),
	cmocka_unit_test(a_batch_that_the_guest_has_seen_was_returned_whatever_is_noted),
	cmocka_unit_test(a_batch_that_the_guest_has_not_seen_is_in_flight),
	cmocka_unit_test(indexes_wrap_around),
	cmocka_unit_test(an_area_of_another_ring_or_version_is_refused),
	cmocka_unit_test(an_area_full_of_nonsense_gives_heads_of_the_ring_at_most),
	cmocka_unit_test(areas_for_buffers_in_flight_come_sealed_and_with_their_layout),
	cmocka_unit_test(areas_that_nobody_can_make_are_answered_with_none),
	cmocka_unit_test(a_successor_finds_what_was_in_flight),
	cmocka_unit_test(areas_that_do_not_fit_are_refused))
