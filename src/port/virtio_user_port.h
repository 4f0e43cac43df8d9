/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_user_port - a port whose other end is somebody else's vhost-user back-end: here we are the driver, and it is the
 * device.
 *
 * Ring 2i is our receive queue i, ring 2i + 1 our transmit queue i. All rings and buffers lie in one memfd, sealed
 * against every change of its size, so nothing the back-end does to it can raise SIGBUS.
 *
 *	virtio_user_port.c   control: making and ending a port, what vhost/ asks and tells
 *	virtio_user_life.c   rings and memory of one life
 *	virtio_user_rx.c     back-end to switch: its frames are borrowed from our own buffers
 *	virtio_user_tx.c     switch to back-end: the one copy
 *	virtio_user_state.c  the port in a successor process
 *
 * A life is everything that one connection stands on, from its features to its eventfds. Workers see it as a whole or not at
 * all: it is published when the back-end runs, taken away before it ends, and none of it is used again.
 */
#ifndef GINNEL_PORT_VIRTIO_USER_PORT_H
#define GINNEL_PORT_VIRTIO_USER_PORT_H

#include "base/log.h"
#include "os/rcu.h"
#include "port/port.h"
#include "vhost/frontend.h"
#include "virtio/driverq.h"

#include <pthread.h>

#define VIRTIO_USER_PAIRS          PORT_MAX_RX_QUEUES
#define VIRTIO_USER_QUEUE_SIZE     256 /* if the user names none */
#define VIRTIO_USER_QUEUE_SIZE_MAX 4096

struct virtio_user_queue {
	struct driverq vq;
	int kick_fd, call_fd;
	pthread_spinlock_t lock; /* to send: taken once per burst, and only when there are several workers */
};

/* Constant but for what the owners of the queues change in them. */
struct virtio_user_life {
	uint64_t features;
	uint32_t caps; /* enum frame_cap bits the device accepts undone */
	bool mrg_rxbuf;
	int memfd;
	uint8_t *memory;
	uint64_t memory_len;
	bool kick_blocked; /* struct bell */
	uint32_t n_rings;
	struct virtio_user_queue queues[];
};

struct virtio_user_config {
	const char *path;
	bool server;
	mode_t mode;
	uint32_t n_pairs; /* 1 .. VIRTIO_USER_PAIRS; the back-end may have fewer */
	uint32_t
		queue_size; /* 2 .. VIRTIO_USER_QUEUE_SIZE_MAX; a split ring has the next smaller power of two */
	bool packed, in_order; /* asked for; the back-end decides */
	uint64_t feature_mask;
};

/* What the user may choose for the interface besides. */
struct virtio_user_names {
	const uint8_t *mac; /* NULL: one is made up */
	int32_t instance;   /* N of VirtioUser0/0/N; -1: the lowest free one */
};

struct virtio_user_port {
	struct port port;
	struct vhost_frontend *frontend; /* NULL only while the port is handed over, or closed */
	struct virtio_user_config config;
	struct virtio_user_life *prepared; /* control: of this connection, or NULL */
	struct virtio_user_life *life;     /* the same while the back-end runs; rcu_publish() */
	struct log_limit limit;
};

/* 0 or -errno; with server the path is taken already when this returns (unix_explain()). */
int virtio_user_port_create(struct ports *ports, const struct virtio_user_config *config,
	const struct virtio_user_names *names, struct virtio_user_port **out);
/* A port in no list, without name and address, with a copy of config. NULL when out of memory. */
struct virtio_user_port *virtio_user_port_alloc(const struct virtio_user_config *config);
/* A port in the list begins to look for its back-end. 0 or -errno. */
int virtio_user_port_open(struct virtio_user_port *vu);
/* As ops->save() and resume(); and back again. */
json_t *virtio_user_port_save(struct port *port, struct parcel *parcel);
void virtio_user_port_resume(struct port *port);
int virtio_user_port_restore(
	struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct virtio_user_port *virtio_user_port_of(struct port *port);

/* Rings of which the receive queues are full of free buffers, all in memory that nobody else has seen. 0 or -errno. */
int virtio_user_life_create(
	struct virtio_user_life **out, uint64_t features, uint32_t n_rings, uint32_t queue_size);
void virtio_user_life_destroy(struct virtio_user_life *life);
/* As the back-end is to be told of it. */
void virtio_user_life_plan(const struct virtio_user_life *life, struct vhost_frontend_plan *plan);

/* The owner of a receive queue gives the device all buffers that are free. */
void virtio_user_refill(struct driverq *q);

uint32_t virtio_user_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max);
void virtio_user_rx_done(struct port *port, uint32_t queue);
bool virtio_user_rx_arm(struct port *port, uint32_t queue);
void virtio_user_rx_disarm(struct port *port, uint32_t queue);
void virtio_user_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);

/* NULL: no back-end runs, or it has not so many queues. */
static inline struct virtio_user_queue *virtio_user_rx_queue(struct virtio_user_life *life, uint32_t queue)
{
	return life && 2 * queue < life->n_rings ? &life->queues[2 * queue] : NULL;
}

extern const struct ctl_table virtio_user_commands; /* subject: struct ports */

#endif
