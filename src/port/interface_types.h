/* SPDX-License-Identifier: Apache-2.0 */
/* interface_types - interfaces as values of commands: an integer, the interface's index. */
#ifndef GINNEL_PORT_INTERFACE_TYPES_H
#define GINNEL_PORT_INTERFACE_TYPES_H

#include "ctl/command.h"
#include "pkt/iface.h"

/* subject: struct iface_table, or NULL when only the words are wanted. */
extern const struct ctl_type interface_type;        /* by its name */
extern const struct ctl_type interface_number_type; /* by its number, as VPP has it in some places */

#endif
