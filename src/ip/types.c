/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks as values of commands. */
#include "ctl/command.h"
#include "ip/ip.h"

static json_t *parse_address(void *subject, const char *text)
{
	char canonical[IP_TEXT_SIZE];
	struct ip_addr addr;

	return ip_addr_parse(text, &addr) ? json_string(ip_addr_format(canonical, &addr)) : NULL;
}

static json_t *parse_prefix(void *subject, const char *text)
{
	char canonical[PREFIX_TEXT_SIZE];
	struct ip_prefix prefix;

	return ip_prefix_parse(text, &prefix) ? json_string(ip_prefix_format(canonical, &prefix)) : NULL;
}

const struct ctl_type ip_address_type = {
	.name = "ip",
	.help = "an address of IPv4 or IPv6 such as 10.0.0.1 or 2001:db8::1",
	.parse = parse_address,
};
const struct ctl_type ip_prefix_type = {
	.name = "prefix",
	.help = "an address with a length such as 10.0.0.1/24 or 2001:db8::1/64",
	.parse = parse_prefix,
};
