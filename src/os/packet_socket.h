/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_socket - a socket on which a network interface of the kernel sends us what comes in there, and takes what we send
 * as if the kernel had. Promiscuous; what leaves the interface is not heard. Before each frame lies a
 * struct virtio_net_hdr; a VLAN tag comes beside the frame, as PACKET_AUXDATA.
 *
 * Opening one needs CAP_NET_RAW; one that somebody else opened needs nothing.
 */
#ifndef GINNEL_OS_PACKET_SOCKET_H
#define GINNEL_OS_PACKET_SOCKET_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

/* n sockets that share what comes in by its flow. 0 or -errno; -ENODEV: no such interface. In the thread's namespace. */
int packet_socket_open(int *fds, uint32_t n, const char *name);
/* One that is open and bound to an interface is made fit; -EBADF: it is none. */
int packet_socket_adopt(int fd);

/*
 * A ring of places that the kernel and we share: a frame that comes is put into the next one, behind a struct tpacket2_hdr,
 * at once. One that does not fit is marked TP_STATUS_COPY there and waits in the socket as a whole.
 */
#define PACKET_RING_PLACES    2048u
#define PACKET_RING_PLACE_LEN 2048u

/* The socket gets a ring; frames that wait in it are gone. 0 or -errno: then it goes on without. */
int packet_ring_make(int fd);
/* NULL: it has none. */
uint8_t *packet_ring_map(int fd);
void packet_ring_unmap(uint8_t *ring);

/* The interface's name and MTU. 0, or -errno: it is gone. */
int packet_socket_ask(int fd, char name[IFNAMSIZ], uint32_t *mtu);

/* What went wrong and how to mend it. Writes to buf. */
const char *packet_socket_explain(int err, const char *name, char *buf, size_t len);

#endif
