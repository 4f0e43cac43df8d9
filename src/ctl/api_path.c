/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/api_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *api_path_default(char buf[API_PATH_SIZE])
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (dir && *dir && geteuid() != 0)
		snprintf(buf, API_PATH_SIZE, "%s/ginnel/api.sock", dir);
	else
		snprintf(buf, API_PATH_SIZE, "/run/ginnel/api.sock");
	return buf;
}
