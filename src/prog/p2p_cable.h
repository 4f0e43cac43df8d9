/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p2p_cable - two vhost-user ports and the lossless wires between them; each may come and go while the other lives.
 *
 * A port that listens stays when its front-end goes away, and serves the next. One that was given its only connection ends
 * with it: then its place is free, and so is its address. A port that is alone has a wire without an end: what its
 * guest sends waits.
 *
 * All of it is control's; packets are the workers' business (worker/wire.h).
 */
#ifndef GINNEL_PROG_P2P_CABLE_H
#define GINNEL_PROG_P2P_CABLE_H

#include "port/vhost_port.h"
#include "prog/commands.h"
#include "prog/p2p_lua.h"

#define CABLE_ENDS P2P_PORTS

struct cable;

struct cable_end {
	struct cable *cable;
	struct vhost_port *port;      /* NULL: free */
	bool here;                    /* its front-end */
	char path[UNIX_PATH_MAX + 1]; /* of its socket; "": it was given one */
};

/* What all ports have in common. */
struct cable_config {
	struct loop *loop;
	uint32_t queue_size, queues;
	uint64_t poll_ns; /* 0: front-ends kick */
	mode_t socket_mode;
	const gid_t *group;
	bool client;
	uint64_t reconnect_ns;
	const struct mem_filter *mem_filter;
	const char *socket_dir; /* where sockets of named ports are made */
	/* A port that was given its only connection has ended. */
	void (*ended)(void *arg);
	void *arg;
};

struct cable {
	struct cable_config config;
	struct rooms rooms;
	struct ports ports;
	struct cable_end ends[CABLE_ENDS];
};

/* The rooms; threads begin with cable_start(). 0 or -errno. */
int cable_open(struct cable *c, const struct cable_config *config);
int cable_start(struct cable *c);
void cable_close(struct cable *c);

/*
 * Makes a port at a socket: path, or if that is NULL fd, which is taken over but on error; both NULL and -1: the path is
 * socket_dir/NAME.sock. 0, -ENOMEM (there are two), or another -errno and why.
 */
int cable_add(struct cable *c, const struct p2p_spec *spec, const char *path, int fd, char why[P2P_WHY_LEN]);
void cable_remove(struct cable_end *end);
struct cable_end *cable_find(struct cable *c, const char *name);
uint32_t cable_count(const struct cable *c);

#endif
