/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "<2>ginnel: assertion failed: %s (%s:%d)\n", what, file, line);
	abort();
}
