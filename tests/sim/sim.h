/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim - a switch without threads, sockets and clock: vhost ports, all in one bridge domain, whose turns the
 * test runs by hand. Guest i is behind port i and owns the address 52:54:00:00:00:i.
 */
#ifndef GINNEL_SIM_SIM_H
#define GINNEL_SIM_SIM_H

#include "base/random.h"
#include "gateway/gateway.h"
#include "guest.h"
#include "port/vhost_port.h"
#include "port/vnet.h"
#include "worker/turn.h"
#include "worker/worker.h"

#define SIM_PORTS 4

/* Offered by every port; a test takes away what it does not want. */
#define SIM_RING_FEATURES                                                     \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
		FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_NET_F_MRG_RXBUF))
#define SIM_CSUM_FEATURES (FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM))
#define SIM_TSO_FEATURES                                                            \
	(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) |        \
		FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
		FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN))
#define SIM_USO_FEATURES \
	(FEATURE(VIRTIO_NET_F_HOST_USO) | FEATURE(VIRTIO_NET_F_GUEST_USO4) | FEATURE(VIRTIO_NET_F_GUEST_USO6))

struct sim {
	struct loop *loop;
	struct iface_table *ifaces;
	struct ports ports;
	struct bridges *bridges;
	struct ip *ip;
	struct gateway gateway;
	struct bridge_domain *domain;
	struct workers *workers; /* NULL: turns are run by hand */
	struct turn_runner runner;
	struct rx_list *list;
	struct waker waker;
	uint64_t now_ns;
	uint32_t n;
	struct vhost_port *port[SIM_PORTS];
	struct guest guest[SIM_PORTS];
	struct guest_frame got; /* by sim_expect() */
};

/* n ports, no guest yet. */
void sim_init(struct sim *s, uint32_t n);
/* The same with n_workers threads, which sleep when there is nothing to do. */
void sim_init_workers(struct sim *s, uint32_t n, uint32_t n_workers);
void sim_fini(struct sim *s);

/* Makes guest i and connects it. */
struct guest *sim_guest(struct sim *s, uint32_t i, const struct guest_config *config);
/* All guests, alike. */
void sim_guests(struct sim *s, uint64_t features);
void sim_connect(struct sim *s, uint32_t i);

/* One turn. Returns the buffers taken from guests. */
uint32_t sim_turn(struct sim *s);
/* Turns until no guest has anything to send. */
void sim_settle(struct sim *s);

struct iface_counters sim_counters(const struct sim *s, uint32_t i);
uint64_t sim_drops(const struct sim *s, uint32_t i, enum drop reason);

/* An Ethernet header from guest to guest (SIM_PORTS: broadcast) and random bytes. */
void sim_frame(uint8_t *frame, uint32_t len, uint32_t from, uint32_t to, struct random *r);
/* Each guest says something to nobody in particular, so that the switch knows where it is. */
void sim_learn(struct sim *s);

/* Guest i received exactly these bytes next, with nothing left to do to them. */
void sim_expect(struct sim *s, uint32_t i, const uint8_t *frame, uint32_t len);
/* Guest i received nothing more. */
void sim_expect_nothing(struct sim *s, uint32_t i);

#endif
