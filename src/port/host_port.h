/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_port - a port on a network interface that the kernel has, such as a NIC: what comes in there comes in here too, and
 * what is sent here leaves there. The kernel goes on using the interface.
 *
 *	host_port.c       control, the port in a successor process
 *	host_commands.c   the words
 *
 * Frames come over packet sockets (os/packet_socket.h), several queues as a group that shares flows, many with a system call
 * (port/socket_io.h), and not over a ring that is shared with the kernel: in one of TPACKET_V3 a frame lies until its block
 * is full or a timer of a millisecond or more ends, and in one of TPACKET_V2 all places are as large as the largest frame,
 * which after the kernel's GRO has 64 KiB.
 */
#ifndef GINNEL_PORT_HOST_PORT_H
#define GINNEL_PORT_HOST_PORT_H

#include "port/socket_io.h"

#include <net/if.h>

struct host_port {
	struct port port;
	char host_if[IFNAMSIZ]; /* the kernel's name, which may change */
	char *host_ns;          /* NULL: ours */
	bool gone;              /* relaxed atomic: the kernel's interface was removed */
	uint32_t n_queues;
	struct socket_queue queues[PORT_MAX_RX_QUEUES];
	uint8_t *scratch; /* SOCKET_IO_SCRATCH bytes per worker */
};

struct host_port_config {
	const char *host_if;
	const char *host_ns; /* as netns_run() */
	int fd;              /* one that is open already; -1: none */
	uint32_t n_queues;
	const uint8_t *mac; /* NULL: made up */
};

/* 0, or -errno after saying in why what could not be done and how to mend it. */
int host_port_create(
	struct ports *ports, const struct host_port_config *config, struct host_port **out, char why[256]);
int host_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct host_port *host_port_of(struct port *port);

static inline bool host_port_is_gone(const struct host_port *hp)
{
	return __atomic_load_n(&hp->gone, __ATOMIC_RELAXED);
}

extern const struct ctl_table host_commands; /* subject: struct ports */

#endif
