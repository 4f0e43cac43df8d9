/* SPDX-License-Identifier: Apache-2.0 */
#include "os/packet_socket.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bursts of large frames; without CAP_NET_ADMIN as much of it as the system's limit allows. */
#define BUFFER_LEN (8 << 20)

/* What the kernel takes at once for a ring. */
#define RING_BLOCK_LEN (64u << 10)

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int index_of(int fd)
{
	struct sockaddr_ll where;
	socklen_t len = sizeof(where);

	if (getsockname(fd, (struct sockaddr *)&where, &len) != 0)
		return -errno;
	if (len < offsetof(struct sockaddr_ll, sll_addr) || where.sll_family != AF_PACKET)
		return -EBADF;
	return where.sll_ifindex > 0 ? where.sll_ifindex : -ENODEV;
}

static int make_fit(int fd, int index)
{
	struct packet_mreq promiscuous = {.mr_ifindex = index, .mr_type = PACKET_MR_PROMISC};
	int err = set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);

	if (err == 0)
		err = set(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (err == 0)
		err = set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (err == 0 &&
		setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0)
		err = -errno;
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN) != 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_LEN);
	if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_LEN) != 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_LEN);
	return err;
}

/* Hears nothing before it is bound. */
static int open_one(const char *name)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name)};
	int fd, err;

	if (where.sll_ifindex == 0)
		return -ENODEV;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = make_fit(fd, where.sll_ifindex);
	if (err == 0 && bind(fd, (struct sockaddr *)&where, sizeof(where)) != 0)
		err = -errno;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

/* The first one founds a group with a number that is free, and the others join it. */
static int share(int fd, int *group)
{
	const int by_flow = PACKET_FANOUT_HASH << 16;
	socklen_t len = sizeof(*group);
	int err;

	if (*group >= 0)
		return set(fd, SOL_PACKET, PACKET_FANOUT, (*group & 0xffff) | by_flow);
	err = set(fd, SOL_PACKET, PACKET_FANOUT, by_flow | PACKET_FANOUT_FLAG_UNIQUEID << 16);
	if (err == 0 && getsockopt(fd, SOL_PACKET, PACKET_FANOUT, group, &len) != 0)
		err = -errno;
	return err;
}

int packet_socket_open(int *fds, uint32_t n, const char *name)
{
	int group = -1, err = 0;
	uint32_t made = 0;

	for (; made < n && err == 0; made++) {
		fds[made] = open_one(name);
		if (fds[made] < 0)
			err = fds[made];
		else if (n > 1)
			err = share(fds[made], &group);
	}
	for (uint32_t i = 0; i < made && err; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err;
}

int packet_socket_adopt(int fd)
{
	int type = 0, index, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type);

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_RAW)
		return -EBADF;
	index = index_of(fd);
	if (index < 0)
		return -EBADF;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return -errno;
	return make_fit(fd, index);
}

int packet_ring_make(int fd)
{
	const struct tpacket_req ring = {
		.tp_block_size = RING_BLOCK_LEN,
		.tp_block_nr = PACKET_RING_PLACES * PACKET_RING_PLACE_LEN / RING_BLOCK_LEN,
		.tp_frame_size = PACKET_RING_PLACE_LEN,
		.tp_frame_nr = PACKET_RING_PLACES,
	};
	int err = set(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);

	if (err == 0)
		err = set(fd, SOL_PACKET, PACKET_COPY_THRESH, PACKET_RING_PLACE_LEN);
	if (err == 0 && setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) != 0)
		err = -errno;
	return err;
}

uint8_t *packet_ring_map(int fd)
{
	void *ring = mmap(NULL, PACKET_RING_PLACES * PACKET_RING_PLACE_LEN, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, fd, 0);

	return ring == MAP_FAILED ? NULL : ring;
}

void packet_ring_unmap(uint8_t *ring)
{
	if (ring)
		munmap(ring, PACKET_RING_PLACES * PACKET_RING_PLACE_LEN);
}

/* Of the socket's own namespace, wherever we are. */
int packet_socket_ask(int fd, char name[IFNAMSIZ], uint32_t *mtu)
{
	struct ifreq r = {.ifr_ifindex = index_of(fd)};

	if (r.ifr_ifindex < 0)
		return r.ifr_ifindex;
	if (ioctl(fd, SIOCGIFNAME, &r) != 0 || ioctl(fd, SIOCGIFMTU, &r) != 0)
		return -errno;
	memcpy(name, r.ifr_name, IFNAMSIZ);
	*mtu = (uint32_t)r.ifr_mtu;
	return 0;
}

const char *packet_socket_explain(int err, const char *name, char *buf, size_t len)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		snprintf(buf, len,
			"no permission to open a packet socket: give ginneld CAP_NET_RAW (setcap "
			"cap_net_raw+ep), or "
			"hand it the socket as a descriptor");
		break;
	case ENODEV:
		snprintf(buf, len, "no interface %s here: see ip link", name);
		break;
	case EBADF:
		snprintf(buf, len,
			"this descriptor is no packet socket that is bound to an interface and that ginneld "
			"was "
			"started with");
		break;
	default:
		snprintf(buf, len, "interface %s: %s", name, strerror(-err));
	}
	return buf;
}
