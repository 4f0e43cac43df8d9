/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/gmem.h"

#include "base/test.h"
#include "os/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE 4096ull

static int make_file(uint64_t len)
{
	int fd = memfd_create("gmem test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static uint32_t mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	uint32_t n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "gmem test") != NULL;
	fclose(maps);
	return n;
}

/* Two regions that lie side by side for the guest, told in the wrong order; the second is first in the file. */
static struct gmem *two_regions(int fd)
{
	struct gmem_spec specs[] = {
		{.gpa = 5 * PAGE, .size = 2 * PAGE, .uaddr = 0x7000 * PAGE, .offset = 0, .fd = fd},
		{.gpa = 2 * PAGE, .size = 3 * PAGE, .uaddr = 0x9000 * PAGE, .offset = 4 * PAGE, .fd = fd},
	};
	struct gmem *mem;
	char why[100];

	assert_int_equal(gmem_create(&mem, specs, 2, why, sizeof(why)), 0);
	return mem;
}

TEST(addresses_are_found_in_their_regions)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd);
	const struct gmem_region *hint = NULL;

	assert_null(gmem_find(mem, 2 * PAGE - 1));
	assert_ptr_equal(gmem_find(mem, 2 * PAGE), mem->regions[0]);
	assert_ptr_equal(gmem_find(mem, 5 * PAGE - 1), mem->regions[0]);
	assert_ptr_equal(gmem_find(mem, 5 * PAGE), mem->regions[1]);
	assert_null(gmem_find(mem, 7 * PAGE));
	assert_null(gmem_find(mem, 0));
	assert_null(gmem_find(mem, UINT64_MAX));
	assert_ptr_equal(gmem_at(mem, &hint, 2 * PAGE + 5, 1), mem->regions[0]->hva + 5);
	assert_ptr_equal(gmem_at(mem, &hint, 6 * PAGE, 1), mem->regions[1]->hva + PAGE);
	assert_ptr_equal(gmem_at(mem, &hint, 2 * PAGE, 3 * PAGE), mem->regions[0]->hva);
	assert_ptr_equal(gmem_at_uaddr(mem, 0x7000 * PAGE + 9, 1), mem->regions[1]->hva + 9);
	assert_ptr_equal(gmem_at_uaddr(mem, 0x9000 * PAGE, 3 * PAGE), mem->regions[0]->hva);
	gmem_destroy(mem);
	close(fd);
}

TEST(pointers_lead_to_the_right_bytes_of_the_file_and_back)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd);
	const struct gmem_region *hint = NULL;

	for (uint64_t gpa = 2 * PAGE; gpa < 7 * PAGE; gpa += 1000) {
		uint64_t in_file = gpa < 5 * PAGE ? gpa + 2 * PAGE : gpa - 5 * PAGE;
		uint8_t *p = gmem_at(mem, &hint, gpa, 1), byte = (uint8_t)(gpa / 1000);

		assert_int_equal(pwrite(fd, &byte, 1, (off_t)in_file), 1);
		assert_int_equal(*p, byte);
		assert_int_equal(gmem_gpa_of(mem, p), gpa);
	}
	gmem_destroy(mem);
	close(fd);
}

TEST(a_range_over_two_regions_comes_in_two_spans)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd);
	const struct gmem_region *hint = NULL;
	uint64_t len = 3000;

	assert_null(gmem_at(mem, &hint, 5 * PAGE - 1000, 3000));
	assert_ptr_equal(
		gmem_span(mem, &hint, 5 * PAGE - 1000, &len), mem->regions[0]->hva + 3 * PAGE - 1000);
	assert_int_equal(len, 1000);
	len = 2000;
	assert_ptr_equal(gmem_span(mem, &hint, 5 * PAGE, &len), mem->regions[1]->hva);
	assert_int_equal(len, 2000);
	gmem_destroy(mem);
	close(fd);
}

TEST(ranges_that_wrap_around_are_outside)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd);
	const struct gmem_region *hint = NULL;

	assert_null(gmem_at(mem, &hint, 2 * PAGE, UINT64_MAX));
	assert_null(gmem_at(mem, &hint, 6 * PAGE, UINT64_MAX - 5 * PAGE));
	assert_null(gmem_at(mem, &hint, UINT64_MAX, 2));
	assert_null(gmem_at(mem, &hint, UINT64_MAX - PAGE, 8 * PAGE));
	assert_null(gmem_at_uaddr(mem, 0x7000 * PAGE, UINT64_MAX));
	assert_null(gmem_at_uaddr(mem, 0x7000 * PAGE + 1, UINT64_MAX));
	assert_null(gmem_at_uaddr(mem, 0x7000 * PAGE + 2 * PAGE - 1, 2));
	assert_null(gmem_at_uaddr(mem, 0x7000 * PAGE - 1, 2));
	assert_null(gmem_at_uaddr(mem, UINT64_MAX, 2));
	gmem_destroy(mem);
	close(fd);
}

TEST(a_region_need_not_begin_at_a_page)
{
	int fd = make_file(2 * PAGE);
	struct gmem_spec spec = {.gpa = 0x123456, .size = 5000, .uaddr = 77, .offset = 1234, .fd = fd};
	const struct gmem_region *hint = NULL;
	struct gmem *mem;
	char why[100];

	assert_int_equal(gmem_create(&mem, &spec, 1, why, sizeof(why)), 0);
	assert_int_equal(pwrite(fd, "x", 1, 1234 + 4999), 1);
	assert_int_equal(*gmem_at(mem, &hint, 0x123456 + 4999, 1), 'x');
	assert_null(gmem_at(mem, &hint, 0x123456 + 5000, 1));
	gmem_destroy(mem);
	close(fd);
}

TEST(a_table_without_regions_holds_nothing)
{
	const struct gmem_region *hint = NULL;
	struct gmem *mem;
	char why[100];

	assert_int_equal(gmem_create(&mem, NULL, 0, why, sizeof(why)), 0);
	assert_null(gmem_at(mem, &hint, 0, 0));
	assert_null(gmem_at_uaddr(mem, 0, 0));
	assert_false(gmem_lost(mem));
	gmem_destroy(mem);
}

/* The table of `good` and `bad` is refused for `bad`, with this sentence, and nothing of it stays mapped. */
static void check_refused(const struct gmem_spec *bad, const char *sentence)
{
	uint32_t before = mappings();
	int fd = make_file(4 * PAGE);
	struct gmem_spec specs[] = {
		{.gpa = 16 * PAGE, .size = 4 * PAGE, .uaddr = 16 * PAGE, .fd = fd},
		*bad,
	};
	struct gmem *mem;
	char why[160];

	if (bad->fd < 0)
		specs[1].fd = fd;
	assert_true(gmem_create(&mem, specs, 2, why, sizeof(why)) < 0);
	assert_string_equal(why, sentence);
	assert_int_equal(mappings(), before);
	close(fd);
}

/* A region that would do, but for what the test changes; its file is check_refused()'s. */
static struct gmem_spec good_spec(void)
{
	return (struct gmem_spec){.gpa = 32 * PAGE, .size = 2 * PAGE, .uaddr = 32 * PAGE, .fd = -1};
}

TEST(an_empty_region_is_refused)
{
	struct gmem_spec s = good_spec();

	s.size = 0;
	check_refused(&s, "memory region of size 0");
}

TEST(a_region_that_wraps_around_is_refused)
{
	struct gmem_spec s = good_spec();

	s.gpa = UINT64_MAX - PAGE;
	check_refused(&s, "memory region wraps around the address space");
	s = good_spec();
	s.uaddr = UINT64_MAX - PAGE;
	check_refused(&s, "memory region wraps around the address space");
	s = good_spec();
	s.offset = UINT64_MAX - PAGE + 1;
	check_refused(&s, "memory region wraps around the address space");
	s = good_spec();
	s.size = UINT64_MAX;
	check_refused(&s, "memory region wraps around the address space");
}

TEST(regions_that_overlap_are_refused)
{
	struct gmem_spec s = good_spec();

	s.gpa = 20 * PAGE - 1;
	check_refused(&s, "memory regions overlap");
	s.gpa = 15 * PAGE;
	check_refused(&s, "memory regions overlap");
	s = good_spec();
	s.uaddr = 16 * PAGE;
	check_refused(&s, "memory regions overlap");
	s.uaddr = 14 * PAGE + 1;
	check_refused(&s, "memory regions overlap");
}

TEST(a_region_beyond_its_file_is_refused)
{
	struct gmem_spec s = good_spec();

	s.offset = 2 * PAGE + 1;
	check_refused(&s, "memory region ends beyond its file");
	s = good_spec();
	s.size = 4 * PAGE + 1;
	check_refused(&s, "memory region ends beyond its file");
	s = good_spec();
	s.gpa = 1ull << 40;
	s.uaddr = 1ull << 40;
	s.size = GMEM_MAX_BYTES - 4 * PAGE;
	check_refused(&s, "memory region ends beyond its file");
	s.size = GMEM_MAX_BYTES - 4 * PAGE + 1;
	check_refused(&s, "more than 4 TiB of guest memory");
	s.size = 1ull << 63;
	check_refused(&s, "memory region larger than the address space");
}

TEST(memory_that_is_not_shared_is_refused)
{
	static const char sentence[] =
		"guest memory is not shared memory: start QEMU with -object "
		"memory-backend-memfd,share=on, or with a file in /dev/shm or hugetlbfs";
	struct gmem_spec s = good_spec();
	int pipe_fds[2], socket_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket_fds), 0);
	s.fd = pipe_fds[0];
	check_refused(&s, sentence);
	s.fd = socket_fds[0];
	check_refused(&s, sentence);
	s.fd = eventfd(0, EFD_CLOEXEC);
	check_refused(&s, sentence);
	close(s.fd);
	s.fd = open("/", O_RDONLY | O_CLOEXEC);
	check_refused(&s, sentence);
	close(s.fd);
	s.fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	check_refused(&s, sentence);
	close(s.fd);
	s.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	check_refused(&s, sentence);
	close(s.fd);
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(socket_fds[i]);
	}
	check_refused(&s, sentence); /* closed by now */
}

TEST(memory_that_may_not_be_written_is_refused)
{
	struct gmem_spec s = good_spec();

	s.fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(s.fd, 2 * PAGE), 0);
	assert_int_equal(fcntl(s.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	check_refused(&s, "cannot map 8192 bytes of guest memory: Operation not permitted");
	close(s.fd);
}

TEST(a_file_that_is_cut_short_reads_as_zeros_and_is_lost)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd);
	const struct gmem_region *hint = NULL;
	uint8_t *p = gmem_at(mem, &hint, 4 * PAGE, 1);

	assert_int_equal(guard_start(-1), 0);
	*p = 9;
	assert_false(gmem_lost(mem));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(*(volatile uint8_t *)p, 0);
	assert_true(gmem_lost(mem));
	*(volatile uint8_t *)p = 1;
	gmem_destroy(mem);
	close(fd);
}

/* --- tables that follow one another --- */

static struct gmem_spec slot_spec(int fd, uint32_t i)
{
	return (struct gmem_spec){.gpa = (2 * i + 1) * PAGE,
		.size = PAGE,
		.uaddr = (0x10000 + 2 * i) * PAGE,
		.offset = i * PAGE,
		.fd = fd};
}

/* Takes the place of *mem. */
static void add_slot(struct gmem **mem, int fd, uint32_t i)
{
	struct gmem_spec spec = slot_spec(fd, i);
	struct gmem *old = *mem;
	char why[100];

	assert_int_equal(gmem_add(old, &spec, mem, why, sizeof(why)), 0);
	gmem_destroy(old);
}

static void remove_slot(struct gmem **mem, uint32_t i)
{
	struct gmem_spec spec = slot_spec(-1, i);
	struct gmem *old = *mem;
	char why[100];

	assert_int_equal(gmem_remove(old, &spec, mem, why, sizeof(why)), 0);
	gmem_destroy(old);
}

/* Exactly the slots of the set are found, and where they are. */
static void check_slots(const struct gmem *mem, const bool *set)
{
	for (uint32_t i = 0; i < GMEM_MAX_REGIONS; i++) {
		struct gmem_spec s = slot_spec(-1, i);
		const struct gmem_region *r = gmem_find(mem, s.gpa + 5);

		assert_null(gmem_find(mem, s.gpa - 1));
		assert_null(gmem_find(mem, s.gpa + PAGE));
		assert_int_equal(r != NULL, set[i]);
		if (!r)
			continue;
		assert_ptr_equal(gmem_find(mem, s.gpa + PAGE - 1), r);
		assert_ptr_equal(gmem_at_uaddr(mem, s.uaddr + 1, 1), r->hva + 1);
		assert_int_equal(*r->hva, (uint8_t)i);
		assert_int_equal(gmem_gpa_of(mem, r->hva + 7), s.gpa + 7);
	}
}

TEST(regions_come_and_go_one_by_one_up_to_the_last_slot)
{
	int fd = make_file(GMEM_MAX_REGIONS * PAGE);
	bool set[GMEM_MAX_REGIONS] = {false};
	struct gmem *mem = NULL;
	uint32_t before = mappings();

	for (uint32_t i = 0; i < GMEM_MAX_REGIONS; i++)
		assert_int_equal(pwrite(fd, &(uint8_t){(uint8_t)i}, 1, i * PAGE), 1);
	for (uint32_t i = 0; i < GMEM_MAX_REGIONS; i++) { /* 509 is a prime: each once, in no order */
		uint32_t slot = i * 200 % GMEM_MAX_REGIONS;

		add_slot(&mem, fd, slot);
		set[slot] = true;
		if (i % 50 == 0)
			check_slots(mem, set);
	}
	check_slots(mem, set);
	for (uint32_t i = 0; i < GMEM_MAX_REGIONS; i++) {
		uint32_t slot = i * 33 % GMEM_MAX_REGIONS;

		remove_slot(&mem, slot);
		set[slot] = false;
		if (i % 50 == 0)
			check_slots(mem, set);
	}
	assert_int_equal(mem->n, 0);
	assert_int_equal(mappings(), before);
	gmem_destroy(mem);
	close(fd);
}

TEST(a_slot_too_many_is_refused_and_the_table_stays)
{
	int fd = make_file((GMEM_MAX_REGIONS + 1) * PAGE);
	struct gmem_spec specs[GMEM_MAX_REGIONS + 1];
	struct gmem *mem, *more = NULL;
	char why[100];

	for (uint32_t i = 0; i <= GMEM_MAX_REGIONS; i++)
		specs[i] = slot_spec(fd, i);
	assert_int_equal(gmem_create(&mem, specs, GMEM_MAX_REGIONS + 1, why, sizeof(why)), -E2BIG);
	assert_string_equal(why, "more than 509 memory regions");
	assert_int_equal(gmem_create(&mem, specs, GMEM_MAX_REGIONS, why, sizeof(why)), 0);
	assert_int_equal(gmem_add(mem, &specs[GMEM_MAX_REGIONS], &more, why, sizeof(why)), -E2BIG);
	assert_null(more);
	assert_int_equal(mem->n, GMEM_MAX_REGIONS);
	gmem_destroy(mem);
	close(fd);
}

/* The old table is in use until whoever uses it has let go. */
TEST(both_tables_hold_the_regions_they_share)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd), *more, *less;
	struct gmem_spec third = {.gpa = 50 * PAGE, .size = PAGE, .uaddr = 0x6000 * PAGE, .fd = fd};
	struct gmem_spec first = {.gpa = 2 * PAGE, .size = 3 * PAGE, .uaddr = 0x9000 * PAGE, .fd = -1};
	uint8_t *p = mem->regions[1]->hva;
	uint32_t before = mappings();
	char why[100];

	assert_int_equal(gmem_add(mem, &third, &more, why, sizeof(why)), 0);
	assert_int_equal(mappings(), before + 1);
	assert_ptr_equal(gmem_find(more, 5 * PAGE)->hva, p);
	gmem_destroy(mem);
	assert_int_equal(mappings(), before + 1);
	assert_int_equal(gmem_remove(more, &first, &less, why, sizeof(why)), 0);
	assert_int_equal(mappings(), before + 1);
	assert_non_null(gmem_find(more, 2 * PAGE));
	assert_null(gmem_find(less, 2 * PAGE));
	gmem_destroy(more);
	assert_int_equal(mappings(), before);
	*p = 1;
	gmem_destroy(less);
	assert_int_equal(mappings(), before - 2);
	close(fd);
}

TEST(a_region_that_overlaps_the_table_is_not_added)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd), *more;
	struct gmem_spec s = {.gpa = 6 * PAGE, .size = PAGE, .uaddr = 0, .fd = fd};
	uint32_t before = mappings();
	char why[100];

	assert_int_equal(gmem_add(mem, &s, &more, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "memory regions overlap");
	s.gpa = 50 * PAGE;
	s.uaddr = 0x9002 * PAGE;
	assert_int_equal(gmem_add(mem, &s, &more, why, sizeof(why)), -EINVAL);
	assert_int_equal(mappings(), before);
	gmem_destroy(mem);
	close(fd);
}

TEST(only_a_region_that_is_there_is_removed)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd), *less = NULL;
	const struct gmem_spec there = {.gpa = 5 * PAGE, .size = 2 * PAGE, .uaddr = 0x7000 * PAGE, .fd = -1};
	struct gmem_spec s[4] = {there, there, there, there};
	char why[100];

	s[0].gpa++;
	s[1].size--;
	s[2].uaddr = 0x9000 * PAGE;
	s[3].gpa = 7 * PAGE;
	for (uint32_t i = 0; i < ARRAY_LEN(s); i++) {
		assert_int_equal(gmem_remove(mem, &s[i], &less, why, sizeof(why)), -ENOENT);
		assert_string_equal(why, "there is no such memory region");
	}
	assert_int_equal(gmem_remove(NULL, &there, &less, why, sizeof(why)), -ENOENT);
	assert_null(less);
	gmem_destroy(mem);
	close(fd);
}

TEST(a_region_keeps_its_file)
{
	int fd = make_file(7 * PAGE);
	struct gmem *mem = two_regions(fd);
	uint8_t byte = 0;

	close(fd);
	fd = mem->regions[0]->fd;
	*mem->regions[0]->hva = 77;
	assert_int_equal(pread(fd, &byte, 1, (off_t)mem->regions[0]->offset), 1);
	assert_int_equal(byte, 77);
	gmem_destroy(mem);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* Sparse files cost nothing but addresses; ThreadSanitizer leaves too few of those. */
TEST(all_tables_together_have_an_end)
{
	struct gmem_spec s = {.size = GMEM_MAX_BYTES};
	struct gmem *mem[GMEM_MAX_BYTES_ALL / GMEM_MAX_BYTES + 1];
	uint32_t n = 0;
	char why[100];

	s.fd = make_file(GMEM_MAX_BYTES);
	while (n < ARRAY_LEN(mem) && gmem_create(&mem[n], &s, 1, why, sizeof(why)) == 0)
		n++;
	if (strncmp(why, "cannot map", 10) != 0) {
		assert_int_equal(n, GMEM_MAX_BYTES_ALL / GMEM_MAX_BYTES);
		assert_string_equal(why, "more than 64 TiB of memory of all guests together");
		gmem_destroy(mem[--n]);
		assert_int_equal(gmem_create(&mem[n++], &s, 1, why, sizeof(why)), 0);
	}
	while (n > 0)
		gmem_destroy(mem[--n]);
	close(s.fd);
}

TESTS(cmocka_unit_test(addresses_are_found_in_their_regions),
	cmocka_unit_test(pointers_lead_to_the_right_bytes_of_the_file_and_back),
	cmocka_unit_test(a_range_over_two_regions_comes_in_two_spans),
	cmocka_unit_test(ranges_that_wrap_around_are_outside),
	cmocka_unit_test(a_region_need_not_begin_at_a_page),
	cmocka_unit_test(a_table_without_regions_holds_nothing), cmocka_unit_test(an_empty_region_is_refused),
	cmocka_unit_test(a_region_that_wraps_around_is_refused),
	cmocka_unit_test(regions_that_overlap_are_refused),
	cmocka_unit_test(a_region_beyond_its_file_is_refused),
	cmocka_unit_test(memory_that_is_not_shared_is_refused),
	cmocka_unit_test(memory_that_may_not_be_written_is_refused),
	cmocka_unit_test(a_file_that_is_cut_short_reads_as_zeros_and_is_lost),
	cmocka_unit_test(regions_come_and_go_one_by_one_up_to_the_last_slot),
	cmocka_unit_test(a_slot_too_many_is_refused_and_the_table_stays),
	cmocka_unit_test(both_tables_hold_the_regions_they_share),
	cmocka_unit_test(a_region_that_overlaps_the_table_is_not_added),
	cmocka_unit_test(only_a_region_that_is_there_is_removed), cmocka_unit_test(a_region_keeps_its_file),
	cmocka_unit_test(all_tables_together_have_an_end))
