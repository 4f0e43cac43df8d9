/* SPDX-License-Identifier: Apache-2.0 */
/* version_command - `show version`, of every program with a control socket. */
#ifndef GINNEL_PROG_VERSION_COMMAND_H
#define GINNEL_PROG_VERSION_COMMAND_H

#include "ctl/ctl.h"

/* The program's name outlives ctl. */
void version_command_add(struct ctl *ctl, const char *program);

#endif
