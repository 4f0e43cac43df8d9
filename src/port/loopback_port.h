/* SPDX-License-Identifier: Apache-2.0 */
/* loopback_port - interfaces with nothing behind them: for addresses of the router, and as its leg in a bridge (BVI). */
#ifndef GINNEL_PORT_LOOPBACK_PORT_H
#define GINNEL_PORT_LOOPBACK_PORT_H

#include "port/port.h"

/* iface->kind of them. */
#define LOOPBACK_KIND "loopback"

/* instance: N of loopN, or -1: the lowest free one. mac NULL: made up. 0 or -errno. */
int loopback_create(struct ports *ports, int32_t instance, const uint8_t *mac, struct port **out);
int loopback_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);

extern const struct ctl_table loopback_commands; /* subject: struct ports */

#endif
