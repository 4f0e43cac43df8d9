/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram_port - a port whose other end is a program at a unix datagram socket, a frame in each datagram: QEMU's
 * `-netdev dgram`. Either side has a path of its own. There is no connection that could end: about once a second control
 * looks whether the other side is there, and frames sent meanwhile are dropped.
 */
#ifndef GINNEL_PORT_DGRAM_PORT_H
#define GINNEL_PORT_DGRAM_PORT_H

#include "port/socket_io.h"

#include <sys/types.h>

struct dgram_config {
	const char *local, *remote;
	mode_t mode;
	const uint8_t *mac; /* NULL: made up */
};

struct dgram_port {
	struct port port;
	char *local, *remote;
	dev_t dev; /* of the file at local, which is removed if it is still ours */
	ino_t ino;
	bool connected; /* control */
	struct socket_queue queue;
	uint8_t *scratch; /* SOCKET_IO_SCRATCH bytes per worker */
};

/* 0 or -errno (unix_explain(): of local). */
int dgram_port_create(struct ports *ports, const struct dgram_config *config, struct dgram_port **out);
int dgram_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct dgram_port *dgram_port_of(struct port *port);

extern const struct ctl_table dgram_commands; /* subject: struct ports */

#endif
