/* SPDX-License-Identifier: Apache-2.0 */
/* topology - show topology: what is connected with what, as text, for Graphviz, and as JSON. */
#ifndef GINNEL_PROG_TOPOLOGY_H
#define GINNEL_PROG_TOPOLOGY_H

#include "ctl/command.h"

extern const struct ctl_table topology_commands; /* subject: struct rooms */

#endif
