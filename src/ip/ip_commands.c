/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"
#include "ip/ip.h"

static const struct ctl_command commands[] = {
	{0},
};

const struct ctl_table ip_commands = {commands};
