/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver - a driver's queue (virtio/driverq.h) in memory whose other end belongs to a device that writes what it likes:
 * chains that it has, chains that it has not, lengths and indexes of any kind, before, after and twice.
 *
 * What comes back was with the device, once, and no longer than it was; no buffer is lost while the queue is whole.
 */
#ifndef GINNEL_FUZZ_DRIVER_H
#define GINNEL_FUZZ_DRIVER_H

#include "fuzz.h"

void driver_run(struct fuzz *f, bool packed);

#endif
