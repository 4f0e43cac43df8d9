/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/mem_filter.h"

#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct bed {
	struct mem_filter filter;
	char dir[64]; /* on tmpfs, as guest memory is */
	char why[256];
};

static void bed_open(struct bed *bed)
{
	*bed = (struct bed){.dir = "/dev/shm/ginnel-test.XXXXXX"};
	assert_non_null(mkdtemp(bed->dir));
}

static void bed_close(struct bed *bed)
{
	mem_filter_close(&bed->filter);
	assert_int_equal(rmdir(bed->dir), 0);
}

static const char *path_of(const struct bed *bed, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
	return path;
}

static int make_file(const struct bed *bed, const char *name)
{
	int fd = open(path_of(bed, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static int add(struct bed *bed, const char *kind, const char *path)
{
	char spec[160];

	snprintf(spec, sizeof(spec), "ram=%s:%s", kind, path);
	return mem_filter_add(&bed->filter, spec, bed->why, sizeof(bed->why));
}

static bool accepts(struct bed *bed, int fd)
{
	return mem_filter_find(&bed->filter, fd) != NULL;
}

TEST(an_empty_list_accepts_nothing)
{
	struct bed bed;
	int fd = memfd_create("ram", MFD_CLOEXEC);

	bed_open(&bed);
	assert_false(accepts(&bed, fd));
	close(fd);
	bed_close(&bed);
}

TEST(a_file_is_known_by_what_it_is_under_whatever_name)
{
	struct bed bed;
	int listed, other, again;

	bed_open(&bed);
	listed = make_file(&bed, "listed");
	other = make_file(&bed, "other");
	assert_int_equal(add(&bed, "path", path_of(&bed, "listed")), 0);
	assert_true(accepts(&bed, listed));
	assert_false(accepts(&bed, other));
	/* another file of that name is another file */
	assert_int_equal(unlink(path_of(&bed, "listed")), 0);
	again = make_file(&bed, "listed");
	assert_false(accepts(&bed, again));
	assert_true(accepts(&bed, listed));
	unlink(path_of(&bed, "listed"));
	unlink(path_of(&bed, "other"));
	close(listed);
	close(other);
	close(again);
	bed_close(&bed);
}

TEST(a_memfd_is_listed_by_its_number_and_known_in_every_copy)
{
	struct bed bed;
	char number[16];
	int fd = memfd_create("ram", MFD_CLOEXEC), copy = dup(fd),
	    same_name = memfd_create("ram", MFD_CLOEXEC);

	bed_open(&bed);
	snprintf(number, sizeof(number), "%d", fd);
	assert_int_equal(add(&bed, "fd", number), 0);
	assert_string_equal(mem_filter_find(&bed.filter, copy)->name, "ram");
	assert_false(accepts(&bed, same_name));
	close(copy);
	close(same_name);
	bed_close(&bed);
}

TEST(a_directory_stands_for_the_files_that_lie_in_it_now)
{
	struct bed bed;
	int before, later, memfd = memfd_create("ram", MFD_CLOEXEC), below, hidden;

	bed_open(&bed);
	before = make_file(&bed, "before");
	assert_int_equal(add(&bed, "dir", bed.dir), 0);
	later = make_file(&bed, "later");
	assert_true(accepts(&bed, before));
	assert_true(accepts(&bed, later));
	assert_false(accepts(&bed, memfd));
	assert_int_equal(mkdir(path_of(&bed, "sub"), 0700), 0);
	below = make_file(&bed, "sub/below");
	assert_false(accepts(&bed, below));
	hidden = make_file(&bed, "hidden");
	unlink(path_of(&bed, "hidden"));
	assert_false(accepts(&bed, hidden));
	unlink(path_of(&bed, "before"));
	unlink(path_of(&bed, "later"));
	unlink(path_of(&bed, "sub/below"));
	rmdir(path_of(&bed, "sub"));
	close(before);
	close(later);
	close(memfd);
	close(below);
	close(hidden);
	bed_close(&bed);
}

TEST(a_directory_of_many_files_is_read_to_its_end)
{
	struct bed bed;
	char name[16];
	int last = -1;

	bed_open(&bed);
	assert_int_equal(add(&bed, "dir", bed.dir), 0);
	for (int i = 0; i < 1000; i++) {
		if (last >= 0)
			close(last);
		snprintf(name, sizeof(name), "%d", i);
		last = make_file(&bed, name);
	}
	for (int i = 0; i < 2; i++)
		assert_true(accepts(&bed, last));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		unlink(path_of(&bed, name));
	}
	assert_false(accepts(&bed, last));
	close(last);
	bed_close(&bed);
}

TEST(what_is_no_memory_is_never_welcome)
{
	struct bed bed;
	int pipes[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), dir;

	bed_open(&bed);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(add(&bed, "dir", "/dev"), 0);
	assert_int_equal(add(&bed, "dir", bed.dir), 0);
	dir = open(bed.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_false(accepts(&bed, null));
	assert_false(accepts(&bed, pipes[0]));
	assert_false(accepts(&bed, dir));
	assert_false(accepts(&bed, 12345));
	close(null);
	close(dir);
	close(pipes[0]);
	close(pipes[1]);
	bed_close(&bed);
}

TEST(a_mistake_in_the_list_is_named_with_its_mend)
{
	static const char *const wrong[] = {"", "ram", "=path:/x", "ram=", "ram=file:/x",
		"ram=fd:", "ram=fd:x", "ram=fd:-1", "ram=fd:3x",
		"a-name-of-more-than-thirty-one-bytes=path:/dev/null", "ram=path:/no/such/file",
		"ram=fd:12345", "ram=dir:/no/such/directory", "ram=path:/dev/null", "ram=path:/dev/shm"};
	struct bed bed;

	bed_open(&bed);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bed.why[0] = 0;
		assert_true(mem_filter_add(&bed.filter, wrong[i], bed.why, sizeof(bed.why)) < 0);
		assert_true(strlen(bed.why) > 20);
		assert_int_equal(bed.filter.n, 0);
	}
	for (int i = 0; i < MEM_FILTER_MAX; i++)
		assert_int_equal(add(&bed, "dir", "/dev/shm"), 0);
	assert_int_equal(add(&bed, "dir", "/dev/shm"), -28);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(an_empty_list_accepts_nothing),
	cmocka_unit_test(a_file_is_known_by_what_it_is_under_whatever_name),
	cmocka_unit_test(a_memfd_is_listed_by_its_number_and_known_in_every_copy),
	cmocka_unit_test(a_directory_stands_for_the_files_that_lie_in_it_now),
	cmocka_unit_test(a_directory_of_many_files_is_read_to_its_end),
	cmocka_unit_test(what_is_no_memory_is_never_welcome),
	cmocka_unit_test(a_mistake_in_the_list_is_named_with_its_mend))
