/* SPDX-License-Identifier: Apache-2.0 */
/* split_driver - a split ring's driver against a device that writes what it likes. */
#include "driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);

	driver_run(&f, false);
	return 0;
}
