/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ip_addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

bool ip_addr_parse(const char *text, struct ip_addr *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, a->bytes) == 1)
		return true;
	a->ip6 = true;
	return inet_pton(AF_INET6, text, a->bytes) == 1;
}

const char *ip_addr_format(char text[IP_TEXT_SIZE], const struct ip_addr *a)
{
	return inet_ntop(a->ip6 ? AF_INET6 : AF_INET, a->bytes, text, IP_TEXT_SIZE);
}

bool ip_prefix_parse(const char *text, struct ip_prefix *p)
{
	char addr[IP_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	char *end;
	unsigned long len;

	if (!slash || slash - text >= (long)sizeof(addr) || slash[1] < '0' || slash[1] > '9')
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (!ip_addr_parse(addr, &p->addr))
		return false;
	len = strtoul(slash + 1, &end, 10);
	if (*end || len > ip_addr_bits(&p->addr))
		return false;
	p->len = (uint8_t)len;
	return true;
}

const char *ip_prefix_format(char text[PREFIX_TEXT_SIZE], const struct ip_prefix *p)
{
	char addr[IP_TEXT_SIZE];

	snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", ip_addr_format(addr, &p->addr), p->len);
	return text;
}
