/* SPDX-License-Identifier: Apache-2.0 */
/* p2p_lua - port lists of any bytes: what is read makes sense, what is not is told with its place. */
#include "fuzz.h"

#include "prog/p2p_lua.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct p2p_lua list;
	char why[P2P_WHY_LEN] = "";
	char *text = malloc(len + 1); /* a block of this length: a list does not end with a zero byte */
	int err;

	ASSERT(text);
	memcpy(text + 1, data, len);
	err = p2p_lua_read(text + 1, len, &list, why);
	free(text);
	ASSERT(err == 0 || (*why >= '1' && *why <= '9' && strchr(why, ':')));
	for (uint32_t i = 0; err == 0 && i < P2P_PORTS; i++) {
		if (!list.in_use[i])
			continue;
		ASSERT(list.ports[i].ds_max >= 1 && list.ports[i].ds_max <= P2P_DS_MAX);
		ASSERT(!list.ports[i].name[0] || p2p_name_is_good(list.ports[i].name));
	}
	return 0;
}
