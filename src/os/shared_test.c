/* SPDX-License-Identifier: Apache-2.0 */
#include "os/shared.h"

#include "base/test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(a_reader_sees_what_is_written_and_can_change_nothing)
{
	struct shared s;
	char *seen;

	assert_int_equal(shared_create(&s, "test", 8192), 0);
	assert_true(s.fd >= 0);
	seen = mmap(NULL, 8192, PROT_READ, MAP_SHARED, s.fd, 0);
	assert_true(seen != MAP_FAILED);
	strcpy((char *)s.addr + 4096, "later");
	assert_string_equal(seen + 4096, "later");
	assert_ptr_equal(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0), MAP_FAILED);
	assert_int_equal(mprotect(seen, 8192, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(ftruncate(s.fd, 4096), -1);
	assert_int_equal(pwrite(s.fd, "x", 1, 0), -1);
	munmap(seen, 8192);
	shared_destroy(&s);
}

TESTS(cmocka_unit_test(a_reader_sees_what_is_written_and_can_change_nothing))
