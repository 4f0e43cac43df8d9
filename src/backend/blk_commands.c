/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_private.h"

static const struct ctl_command commands[] = {{0}};

const struct ctl_table blk_commands = {.commands = commands};
