/* SPDX-License-Identifier: Apache-2.0 */
/* dhcp - messages of clients; what is understood is answered in an answer of any size. */
#include "fuzz.h"

#include "wire/dhcp.h"

#include <stdlib.h>

static bool inside(struct dhcp_value v, const uint8_t *p, size_t len)
{
	return !v.at || (v.at >= p && v.at + v.len <= p + len);
}

static void answer(const struct dhcp_message *m, uint32_t size)
{
	uint8_t *exact = malloc(size);
	struct dhcp_writer w;

	ASSERT(exact);
	dhcp_begin(&w, exact, size, m, DHCP_OFFER);
	if (m->client_id.at)
		dhcp_add(&w, DHCP_OPT_CLIENT_ID, m->client_id.at, m->client_id.len);
	for (uint32_t code = 1; code < DHCP_OPT_END; code++)
		if (dhcp_wants(m, (uint8_t)code))
			dhcp_add_u32(&w, (uint8_t)code, code);
	ASSERT(dhcp_end(&w) <= size);
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dhcp_message m;

	if (!dhcp_parse(&m, data, (uint32_t)len))
		return 0;
	ASSERT(inside(m.client_id, data, len) && inside(m.request_list, data, len) &&
		inside(m.host_name, data, len));
	ASSERT(m.max_len >= DHCP_LEN_MAX_DEFAULT);
	answer(&m, DHCP_LEN_MIN + m.xid % 300);
	return 0;
}
