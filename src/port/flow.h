/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - which frames belong together: a hash over addresses, protocol and ports, or over what there is of them. Both
 * directions of a flow have the same one, and so have a frame that stands for several and its segments.
 */
#ifndef GINNEL_PORT_FLOW_H
#define GINNEL_PORT_FLOW_H

#include <stdint.h>

/* Of a frame whose first len bytes (14 at least) are here. */
uint32_t flow_hash(const uint8_t *frame, uint32_t len);

#endif
