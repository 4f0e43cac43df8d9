/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test - cmocka, with tests named as sentences:
 *
 *	TEST(an_empty_list_points_at_itself)
 *	{
 *		...
 *	}
 *
 *	TESTS(cmocka_unit_test(an_empty_list_points_at_itself))
 */
#ifndef GINNEL_BASE_TEST_H
#define GINNEL_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define TESTS(...)                                                \
	int main(void)                                            \
	{                                                         \
		const struct CMUnitTest tests[] = {__VA_ARGS__};  \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}

#endif
