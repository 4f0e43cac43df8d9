/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/resolv.h"

#include <stdio.h>

static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};

static bool is_loopback(const struct ip_addr *a)
{
	static const uint8_t one[IP6_LEN] = {[IP6_LEN - 1] = 1};

	return a->ip6 ? memcmp(a->bytes, one, IP6_LEN) == 0 : a->bytes[0] == 127;
}

uint32_t resolv_parse(const char *text, struct ip_addr *servers, uint32_t max)
{
	char word[IP_TEXT_SIZE];
	uint32_t n = 0;

	for (const char *line = text; line && n < max; line = strchr(line, '\n')) {
		line += *line == '\n';
		/* an address with a zone (fe80::1%eth0) is none for us */
		if (sscanf(line, "nameserver %45s", word) == 1 && ip_addr_parse(word, &servers[n]) &&
			!is_loopback(&servers[n]) && !ip_addr_is_link_local(&servers[n]))
			n++;
		if (*line == '\0')
			break;
	}
	return n;
}

uint32_t resolv_servers(struct ip_addr *servers, uint32_t max)
{
	char text[4096];
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && n == 0; i++) {
		FILE *file = fopen(files[i], "re");

		if (!file)
			continue;
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		n = resolv_parse(text, servers, max);
	}
	return n;
}
