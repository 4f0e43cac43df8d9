/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_port - a port whose other end is a program at a unix stream socket that sends and takes frames, each behind its
 * length in 32 bits, most significant byte first: QEMU's `-netdev stream`, libkrun, and passt, which is a user's own way
 * out of a machine.
 *
 *	stream_port.c       control: making and ending a port, connections one after the other
 *	stream_io.c         frames
 *	stream_state.c      the port in a successor process
 *	stream_commands.c   the words
 *
 * Always true of a connection: workers see it as a whole or not at all; it is published when it is there, taken away before
 * it ends, and never used again. A frame goes into the socket with one call, as a whole or not at all, so no worker waits,
 * none keeps a rest for later, and several may send. A length that no frame has ends the connection.
 *
 * The peer is held up: a frame for which its receiver has no buffers stays where it is in the connection's buffer and is
 * brought again a little later (pkt/keep.h), and until all have gone nothing is read from the socket. passt, for one, would
 * send the same again and again otherwise. A receiver that takes nothing for STREAM_PATIENCE_NS is not waited for in the
 * next second, or until it takes something again: so one that is gone holds up others a tenth of the time at most, and
 * one that was only late loses no more than what came in between.
 */
#ifndef GINNEL_PORT_STREAM_PORT_H
#define GINNEL_PORT_STREAM_PORT_H

#include "base/log.h"
#include "os/rcu.h"
#include "base/units.h"
#include "port/socket_io.h"
#include "vhost/link.h"

#define STREAM_LEN_LEN 4

/* What is read at once, and room for what is left of the largest frame before. */
#define STREAM_READ   (256u * 1024)
#define STREAM_BUFFER (STREAM_READ + STREAM_LEN_LEN + PKT_LEN_MAX)

/* A unix socket takes some 40 KiB at once as one piece, or nothing. */
#define STREAM_MTU_MAX (32u * 1024)

/* How often it is looked whether there is room by now, how long for the same place, and not again for how long. */
#define STREAM_RETRY_NS    (100 * NS_PER_US)
#define STREAM_PATIENCE_NS (100 * NS_PER_MS)
#define STREAM_NEVER_NS    NS_PER_S

/* A frame in the buffer. */
struct stream_frame {
	uint32_t at, len;
};

enum stream_end {
	STREAM_GOES_ON,
	STREAM_CLOSED, /* by the peer */
	STREAM_LENGTH, /* no frame has it */
	STREAM_TORN,   /* the socket took a part of a frame only */
	STREAM_ERROR,
};

struct stream_conn {
	int fd;
	uint8_t ended; /* enum stream_end; relaxed atomic: any worker writes, then shuts the socket down */
	/* The worker that polls it: */
	bool drained;
	uint64_t looked_ns;
	uint32_t start, end; /* bytes of the buffer that are there and no frame yet */
	/* Frames before these of which somebody's buffers are waited for; in this turn, that were taken. */
	uint32_t n_waiting, n_taken;
	uint64_t now_ns, progress_ns, never_ns;
	struct turn_keep keep;
	struct stream_frame waiting[TURN_PKTS], taken[TURN_PKTS];
	uint8_t buffer[STREAM_BUFFER];
};

struct stream_config {
	const char *path; /* NULL: spawn passt */
	bool server, passt;
	bool user_net; /* passt spawned: the network is 10.0.2.0/24 as behind QEMU, whatever the host's is */
	mode_t mode;
	const uint8_t *mac; /* NULL: made up */
};

struct stream_port {
	struct port port;
	char *path; /* NULL: the program is started by us */
	bool server;
	mode_t mode;
	bool user_net;
	pid_t pid; /* of passt, to be reaped; 0: none */
	struct link link;
	bool linked;
	int timer;                /* wakes the worker to look again whether there is room */
	struct loop_watch watch;  /* of the connection: only its end is looked for */
	struct stream_conn *conn; /* NULL: none; rcu_publish() */
	enum stream_end why;      /* of the last end */
	uint64_t connections, bad_ends;
	struct log_limit limit;
	uint8_t *scratch; /* SOCKET_IO_SCRATCH bytes per worker */
};

/* 0 or -errno; with server the path is taken already when this returns (unix_explain()). -ENOEXEC: there is no passt. */
int stream_port_create(struct ports *ports, const struct stream_config *config, struct stream_port **out);
/* NULL if the port is of another kind. */
struct stream_port *stream_port_of(struct port *port);
const char *stream_end_text(enum stream_end why);

/* A port in no list, without name and address. NULL when out of memory. */
struct stream_port *stream_port_alloc(const struct ports *ports, const struct stream_config *config);
/* Begins to look for its peer. 0 or -errno. */
int stream_port_open(struct stream_port *sp);
/* fd is a connection from now on, with bytes that were read from it already; closed on error. 0 or -errno. */
int stream_port_connected(struct stream_port *sp, int fd, const void *bytes, uint32_t len);

json_t *stream_port_save(struct port *port, struct parcel *parcel);
void stream_port_resume(struct port *port);
int stream_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);

uint32_t stream_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max);
void stream_rx_done(struct port *port, uint32_t queue);
bool stream_rx_arm(struct port *port, uint32_t queue);
void stream_rx_disarm(struct port *port, uint32_t queue);
void stream_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);

static inline enum stream_end stream_ended(const struct stream_conn *conn)
{
	return (enum stream_end)__atomic_load_n(&conn->ended, __ATOMIC_RELAXED);
}

extern const struct ctl_table stream_commands; /* subject: struct ports */

#endif
