/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - descriptors of a TAP device: each is one queue, on which every read() takes a frame that the kernel sent and
 * every write() gives it one.
 *
 * A device that is made here needs CAP_NET_ADMIN and goes with its last descriptor. One that exists, because somebody
 * who may made it beforehand and gave it to our user (ip tuntap add dev NAME mode tap user USER), is opened without any
 * privilege and stays.
 */
#ifndef GINNEL_OS_TAP_H
#define GINNEL_OS_TAP_H

#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Newer than the kernel headers of some. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define TAP_MAX_QUEUES 8

/* Before each frame: struct virtio_net_hdr_mrg_rxbuf; a descriptor made elsewhere may have none. */
#define TAP_HDR_LEN 12

struct tap {
	char name[IFNAMSIZ]; /* the kernel's */
	bool made;           /* was not there before */
	uint32_t hdr_len;    /* 0 or TAP_HDR_LEN */
	uint32_t offloads;   /* TUN_F_ bits: what the kernel leaves to us, and takes undone from us */
	uint32_t n_fds;
	int fds[TAP_MAX_QUEUES]; /* non-blocking, close-on-exec */
};

/*
 * In the namespace of the calling thread. name: may have one "%d", for the lowest number that is free. offloads: the most
 * that is wanted. 0 or -errno.
 */
int tap_open(struct tap *tap, const char *name, uint32_t n_queues, uint32_t offloads);
/* The same of one descriptor that is open, which is the tap's from now on if this returns 0; -EBADF: it is no tap's. */
int tap_adopt(struct tap *tap, int fd, uint32_t offloads);
void tap_close(struct tap *tap);

/* Asks for the device's name, which may have changed. 0, or -errno: the device is gone. */
int tap_ask_name(int fd, char name[IFNAMSIZ]);

/* What went wrong and how to mend it. Writes to buf. */
const char *tap_explain(int err, const char *name, char *buf, size_t len);

#endif
