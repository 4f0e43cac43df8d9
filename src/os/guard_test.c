/* SPDX-License-Identifier: Apache-2.0 */
#include "os/guard.h"

#include "base/test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN 0x4000ull

struct bed {
	int file, notify;
	uint8_t *map;
	int guard;
};

static void bed_open(struct bed *bed)
{
	bed->notify = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(guard_start(bed->notify), 0);
	bed->file = memfd_create("guard test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(bed->file, LEN), 0);
	bed->map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, bed->file, 0);
	assert_true(bed->map != MAP_FAILED);
	memset(bed->map, 7, LEN);
	bed->guard = guard_add(bed->map, LEN);
	assert_true(bed->guard >= 0);
}

static void bed_close(struct bed *bed)
{
	guard_del(bed->guard);
	munmap(bed->map, LEN);
	close(bed->file);
	close(bed->notify);
}

static uint8_t byte_at(const struct bed *bed, uint64_t at)
{
	return *(volatile uint8_t *)&bed->map[at];
}

TEST(a_file_that_stays_is_not_lost)
{
	uint64_t n;
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(byte_at(&bed, LEN - 1), 7);
	assert_false(guard_lost(bed.guard));
	assert_int_equal(read(bed.notify, &n, sizeof(n)), -1);
	bed_close(&bed);
}

TEST(a_file_that_is_cut_reads_as_zeros_and_its_owner_is_told)
{
	uint64_t n = 0;
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(ftruncate(bed.file, LEN / 2), 0);
	assert_int_equal(byte_at(&bed, 0), 7);
	assert_false(guard_lost(bed.guard));
	assert_int_equal(byte_at(&bed, LEN - 1), 0);
	assert_true(guard_lost(bed.guard));
	assert_int_equal(byte_at(&bed, 0), 0);
	assert_int_equal(read(bed.notify, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	bed.map[LEN - 1] = 3; /* harmless */
	bed_close(&bed);
}

TEST(errno_survives_the_handler)
{
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(ftruncate(bed.file, 0), 0);
	errno = EXDEV;
	byte_at(&bed, 0);
	assert_int_equal(errno, EXDEV);
	bed_close(&bed);
}

TEST(a_slot_is_used_again_and_starts_clean)
{
	struct bed bed;
	char byte;

	for (int i = 0; i < 2 * GUARD_MAX; i++)
		guard_del(guard_add(&byte, 1));
	for (int i = 0; i < 10; i++) {
		bed_open(&bed);
		assert_false(guard_lost(bed.guard));
		assert_int_equal(ftruncate(bed.file, 0), 0);
		byte_at(&bed, 0);
		assert_true(guard_lost(bed.guard));
		bed_close(&bed);
	}
}

TEST(the_table_has_an_end_and_each_slot_one_owner)
{
	static int guards[GUARD_MAX];
	static bool owned[GUARD_MAX];
	char bytes[2];

	for (int i = 0; i < GUARD_MAX; i++) {
		guards[i] = guard_add(bytes, 1);
		assert_true(guards[i] >= 0 && guards[i] < GUARD_MAX);
		assert_false(owned[guards[i]]);
		owned[guards[i]] = true;
	}
	assert_int_equal(guard_add(bytes, 1), -ENOSPC);
	guard_del(guards[77]);
	assert_int_equal(guard_add(bytes, 1), guards[77]);
	assert_int_equal(guard_add(bytes, 1), -ENOSPC);
	for (int i = 0; i < GUARD_MAX; i++)
		guard_del(guards[i]);
}

/* As a kernel that promises no memory which may not be there: a large piece of it cannot be had. */
static int forbid_large_maps(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1u << 29, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int cut_where_memory_is_short(void)
{
	const size_t len = 1u << 30;
	int file = memfd_create("guard test", MFD_CLOEXEC), guard;
	uint8_t *map;

	if (ftruncate(file, (off_t)len) != 0 || guard_start(-1) != 0)
		return 2;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
	guard = guard_add(map, len);
	if (forbid_large_maps() != 0 || ftruncate(file, 0) != 0)
		return 3;
	for (size_t at = 0; at < len; at += len / 8)
		if (*(volatile uint8_t *)&map[at + 5] != 0)
			return 4;
	return guard_lost(guard) ? 0 : 5;
}

/* In a child: what is forbidden stays so. */
TEST(a_file_that_is_cut_reads_as_zeros_though_no_room_for_all_of_them)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(cut_where_memory_is_short());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* In a child, which must die of it. */
TEST(a_fault_elsewhere_kills_as_usual)
{
	int status;
	struct bed bed;
	pid_t child;

	bed_open(&bed);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		guard_del(bed.guard);
		if (ftruncate(bed.file, 0) == 0)
			byte_at(&bed, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_file_that_stays_is_not_lost),
	cmocka_unit_test(a_file_that_is_cut_reads_as_zeros_and_its_owner_is_told),
	cmocka_unit_test(errno_survives_the_handler), cmocka_unit_test(a_slot_is_used_again_and_starts_clean),
	cmocka_unit_test(the_table_has_an_end_and_each_slot_one_owner),
	cmocka_unit_test(a_file_that_is_cut_reads_as_zeros_though_no_room_for_all_of_them),
	cmocka_unit_test(a_fault_elsewhere_kills_as_usual))
