/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_port - a port on a network interface that the kernel has, such as a NIC: what comes in there comes in here too, and
 * what is sent here leaves there. The kernel goes on using the interface.
 *
 *	host_port.c       control, the port in a successor process
 *	host_commands.c   the words
 *
 * Frames come over packet sockets (os/packet_socket.h), several queues as a group that shares flows. Those that come lie in
 * a ring of TPACKET_V2 with a place for a frame of the usual size, or wait in the socket if they are larger, as after the
 * kernel's GRO (port/packet_rx.h); those that leave go many with a system call (port/socket_io.h).
 *
 * On a cable of the kernel's (veth) receiving costs a worker 700 clocks for a frame of 64 bytes and 780 for one of 1514, by
 * recvmmsg() 2300 and 2800. A ring of V3 is cheaper still for a bare receiver, 70 and 335 ns for V2's 535 and 580 and recvmmsg()'s
 * 1030 and 1350. But a frame lies there until its block is full or a timer of a millisecond ends: one at a time they took 530 us
 * (of a hundred the last 1050 us), in a ring of V2 44 us, by recvmmsg() 48 us.
 */
#ifndef GINNEL_PORT_HOST_PORT_H
#define GINNEL_PORT_HOST_PORT_H

#include "port/packet_rx.h"

#include <net/if.h>

struct host_port {
	struct port port;
	char host_if[IFNAMSIZ]; /* the kernel's name, which may change */
	char *host_ns;          /* NULL: ours */
	bool gone;              /* relaxed atomic: the kernel's interface was removed */
	uint32_t n_queues;
	struct packet_queue queues[PORT_MAX_RX_QUEUES];
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
