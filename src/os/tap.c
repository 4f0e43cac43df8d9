/* SPDX-License-Identifier: Apache-2.0 */
#include "os/tap.h"

#include "base/check.h"
#include "os/netif.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"

#define OFFLOADS_USO (TUN_F_USO4 | TUN_F_USO6)

static int attach(int fd, const char *name, short flags, char got[IFNAMSIZ])
{
	struct ifreq r = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) != 0)
		return -errno;
	memcpy(got, r.ifr_name, IFNAMSIZ);
	return 0;
}

/* A device that exists is of several queues or not: whoever made it said so, and one queue can be had of either. */
static int add_queue(struct tap *tap, const char *name, bool several)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	err = attach(fd, name, several ? IFF_MULTI_QUEUE : 0, tap->name);
	if (err == -EINVAL && !several)
		err = attach(fd, name, IFF_MULTI_QUEUE, tap->name);
	if (err) {
		close(fd);
		return err;
	}
	tap->fds[tap->n_fds++] = fd;
	return 0;
}

/* Older kernels know no segmentation of UDP. */
static int set_offloads(struct tap *tap, uint32_t wanted)
{
	int fd = tap->fds[0];

	if (ioctl(fd, TUNSETOFFLOAD, wanted) != 0) {
		wanted &= ~(uint32_t)OFFLOADS_USO;
		if (ioctl(fd, TUNSETOFFLOAD, wanted) != 0)
			return -errno;
	}
	tap->offloads = wanted;
	return 0;
}

static int set_header(struct tap *tap, uint32_t offloads)
{
	int len = TAP_HDR_LEN, little_endian = 1;

	if (ioctl(tap->fds[0], TUNSETVNETHDRSZ, &len) != 0)
		return -errno;
	/* said to those that could do otherwise; the others refuse, as there is nothing to choose */
	(void)ioctl(tap->fds[0], TUNSETVNETLE, &little_endian);
	tap->hdr_len = TAP_HDR_LEN;
	return set_offloads(tap, offloads);
}

int tap_open(struct tap *tap, const char *name, uint32_t n_queues, uint32_t offloads)
{
	int err = 0;

	ASSERT(n_queues > 0 && n_queues <= TAP_MAX_QUEUES);
	*tap = (struct tap){.made = netif_index(name) == 0};
	for (uint32_t i = 0; i < n_queues && err == 0; i++)
		err = add_queue(tap, i == 0 ? name : tap->name, n_queues > 1);
	if (err == 0)
		err = set_header(tap, offloads);
	if (err)
		tap_close(tap);
	return err;
}

int tap_adopt(struct tap *tap, int fd, uint32_t offloads)
{
	struct ifreq r = {0};
	int flags = fcntl(fd, F_GETFL);

	*tap = (struct tap){.n_fds = 1, .fds = {fd}};
	if (flags < 0)
		return -errno;
	if (ioctl(fd, TUNGETIFF, &r) != 0 || !(r.ifr_flags & IFF_TAP) || !(r.ifr_flags & IFF_NO_PI))
		return -EBADF;
	memcpy(tap->name, r.ifr_name, IFNAMSIZ);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return -errno;
	return r.ifr_flags & IFF_VNET_HDR ? set_header(tap, offloads) : 0;
}

void tap_close(struct tap *tap)
{
	for (uint32_t i = 0; i < tap->n_fds; i++)
		close(tap->fds[i]);
	tap->n_fds = 0;
}

int tap_ask_name(int fd, char name[IFNAMSIZ])
{
	struct ifreq r = {0};

	if (ioctl(fd, TUNGETIFF, &r) != 0)
		return -errno;
	memcpy(name, r.ifr_name, IFNAMSIZ);
	return 0;
}

const char *tap_explain(int err, const char *name, char *buf, size_t len)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		snprintf(buf, len,
			"no permission to make or open tap %s: let root make it once, ip tuntap add dev %s "
			"mode tap "
			"user %u, or give ginneld CAP_NET_ADMIN",
			name, strchr(name, '%') ? "NAME" : name, (unsigned)geteuid());
		break;
	case EBUSY:
		snprintf(
			buf, len, "tap %s is in use by another program: end it or choose another name", name);
		break;
	case EINVAL:
		snprintf(buf, len,
			"%s exists and is no tap of that kind: choose another name, or make it with "
			"multi_queue "
			"for several queues",
			name);
		break;
	case ENOENT:
	case ENODEV:
	case ENXIO:
		snprintf(buf, len, "the kernel has no " TUN_DEVICE ": modprobe tun");
		break;
	case EBADF:
		snprintf(buf, len, "this descriptor is no tap that ginneld was started with");
		break;
	default:
		snprintf(buf, len, "tap %s: %s", name, strerror(-err));
	}
	return buf;
}
