/* SPDX-License-Identifier: Apache-2.0 */
#include "os/foreign.h"

#include "base/test.h"

TEST(placeholder)
{
}

TESTS(cmocka_unit_test(placeholder))
