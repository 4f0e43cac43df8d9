/* SPDX-License-Identifier: Apache-2.0 */
/* packed_driver - a packed ring's driver against a device that writes what it likes. */
#include "driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);

	driver_run(&f, true);
	return 0;
}
