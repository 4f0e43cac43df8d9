/* SPDX-License-Identifier: Apache-2.0 */
#include "os/netif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ipv6.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool netif_addr_parse(struct netif_addr *addr, int family, const char *text)
{
	char ip[INET6_ADDRSTRLEN], *end;
	const char *slash = strchr(text, '/');
	unsigned long len;

	*addr = (struct netif_addr){.family = family};
	if (!slash || (size_t)(slash - text) >= sizeof(ip) || slash[1] < '0' || slash[1] > '9')
		return false;
	memcpy(ip, text, (size_t)(slash - text));
	ip[slash - text] = '\0';
	len = strtoul(slash + 1, &end, 10);
	if (*end || len > (family == AF_INET ? 32u : 128u))
		return false;
	addr->prefix_len = (uint8_t)len;
	return inet_pton(family, ip, addr->addr) == 1;
}

uint32_t netif_index(const char *name)
{
	return if_nametoindex(name);
}

static void set_name(struct ifreq *r, const char *name)
{
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
}

/* Asks the kernel over a socket of the family, whatever kind of interface it is. */
static int ask(int family, unsigned long request, void *arg)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, request, arg) != 0)
		err = -errno;
	close(fd);
	return err;
}

static int ask_about(const char *name, unsigned long request, struct ifreq *r)
{
	set_name(r, name);
	return ask(AF_INET, request, r);
}

bool netif_is_up(const char *name)
{
	struct ifreq r = {0};

	return ask_about(name, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_UP;
}

int netif_set_up(const char *name)
{
	struct ifreq r = {0};
	int err = ask_about(name, SIOCGIFFLAGS, &r);

	if (err || r.ifr_flags & IFF_UP)
		return err;
	r.ifr_flags |= IFF_UP;
	return ask_about(name, SIOCSIFFLAGS, &r);
}

int netif_set_mac(const char *name, const uint8_t mac[6])
{
	struct ifreq r = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

	memcpy(r.ifr_hwaddr.sa_data, mac, 6);
	return ask_about(name, SIOCSIFHWADDR, &r);
}

int netif_get_mac(const char *name, uint8_t mac[6])
{
	struct ifreq r = {0};
	int err = ask_about(name, SIOCGIFHWADDR, &r);

	if (err == 0)
		memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return err;
}

int netif_set_mtu(const char *name, uint32_t mtu)
{
	struct ifreq r = {.ifr_mtu = (int)mtu};

	return ask_about(name, SIOCSIFMTU, &r);
}

static int add_addr4(const char *name, const struct netif_addr *addr)
{
	struct ifreq r = {0};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int err;

	memcpy(&sin.sin_addr, addr->addr, sizeof(sin.sin_addr));
	memcpy(&r.ifr_addr, &sin, sizeof(sin));
	err = ask_about(name, SIOCSIFADDR, &r);
	if (err)
		return err;
	sin.sin_addr.s_addr = addr->prefix_len == 0 ? 0 : htonl(UINT32_MAX << (32 - addr->prefix_len));
	memcpy(&r.ifr_netmask, &sin, sizeof(sin));
	return ask_about(name, SIOCSIFNETMASK, &r);
}

/* An address that is there already is what was wanted. */
static int add_addr6(const char *name, const struct netif_addr *addr)
{
	struct in6_ifreq r = {.ifr6_prefixlen = addr->prefix_len, .ifr6_ifindex = (int)netif_index(name)};
	int err;

	memcpy(&r.ifr6_addr, addr->addr, sizeof(r.ifr6_addr));
	err = ask(AF_INET6, SIOCSIFADDR, &r);
	return err == -EEXIST ? 0 : err;
}

int netif_add_addr(const char *name, const struct netif_addr *addr)
{
	return addr->family == AF_INET ? add_addr4(name, addr) : add_addr6(name, addr);
}

int netif_join_bridge(const char *name, const char *bridge)
{
	struct ifreq r = {.ifr_ifindex = (int)netif_index(name)};

	return r.ifr_ifindex == 0 ? -ENODEV : ask_about(bridge, SIOCBRADDIF, &r);
}
