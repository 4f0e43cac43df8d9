/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/ping.h"

#include <stdlib.h>

struct ip_ping {
	uint16_t id;
};

struct ip_ping *ping_create(uint16_t id)
{
	struct ip_ping *p = calloc(1, sizeof(*p));

	if (p)
		p->id = id;
	return p;
}

void ping_destroy(struct ip_ping *p)
{
	free(p);
}

void ping_heard(
	struct ip_ping *p, struct turn *turn, const struct pkt *pkt, uint32_t l4, uint32_t len, bool ip6)
{
}
