/* SPDX-License-Identifier: Apache-2.0 */
#include "port/virtio_user_port.h"

#include "port/vnet.h"
#include "virtio/feature_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a driver of ours can do; what its back-end cannot is completed in port/frame.c. Of a back-end older than VERSION_1
 * nobody knows how it wants a header to lie in buffers.
 */
#define VIRTIO_USER_REQUIRED BIT(VIRTIO_F_VERSION_1)
#define VIRTIO_USER_FEATURES                                                                                \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_ANY_LAYOUT) |                \
		BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |       \
		BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) |    \
		BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) | \
		BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6))

static uint32_t n_pairs(const struct virtio_user_life *life)
{
	return life ? life->n_rings / 2 : 0;
}

/* --- what vhost/ asks and tells --- */

static int on_prepare(void *driver, uint64_t features, uint32_t n_rings, struct vhost_frontend_plan *plan)
{
	struct virtio_user_port *vu = driver;
	int err;

	if (n_rings < 2)
		return -EOPNOTSUPP;
	err = virtio_user_life_create(&vu->prepared, features, n_rings / 2 * 2, vu->config.queue_size);
	if (err)
		return err;
	virtio_user_life_plan(vu->prepared, plan);
	return 0;
}

/* A worker sleeps on the call of each queue it polls. Edge-triggered, never read: as kicks are. */
static void virtio_user_rx_watch(struct port *port, uint32_t queue, bool on)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);
	struct virtio_user_queue *q = virtio_user_rx_queue(vu->life, queue);
	struct waker *waker = port->rx_waker[queue];

	if (!q || !waker)
		return;
	if (!on) {
		waker_unwatch(waker, q->call_fd);
		return;
	}
	if (waker_watch(waker, q->call_fd) != 0)
		log_limited(&vu->limit, loop_now(port->ports->config.loop), LOG_LEVEL_WARNING,
			"%s: calls cannot be watched for queue %u", port->iface.name, queue);
	waker_wake(waker); /* the first call may have come before */
}

static void on_started(void *driver)
{
	struct virtio_user_port *vu = driver;

	rcu_publish(vu->life, vu->prepared);
	for (uint32_t q = 0; q < n_pairs(vu->life); q++) {
		if (port_rx_start(&vu->port, q) != 0)
			log_limited(&vu->limit, loop_now(vu->port.ports->config.loop), LOG_LEVEL_ERROR,
				"%s: no worker can poll queue %u", vu->port.iface.name, q);
		virtio_user_rx_watch(&vu->port, q, true);
	}
}

static void on_stopped(void *driver)
{
	struct virtio_user_port *vu = driver;

	for (uint32_t q = 0; q < n_pairs(vu->life); q++)
		virtio_user_rx_watch(&vu->port, q, false);
	rcu_publish(vu->life, NULL);
	rcu_wait();
	for (uint32_t q = 0; q < VIRTIO_USER_PAIRS; q++)
		port_rx_stop(&vu->port, q);
	virtio_user_life_destroy(vu->prepared);
	vu->prepared = NULL;
}

static const struct vhost_driver driver_ops = {
	.prepare = on_prepare, .started = on_started, .stopped = on_stopped};

/* --- the port --- */

static bool virtio_user_connected(const struct port *port)
{
	return CONTAINER_OF(port, const struct virtio_user_port, port)->life != NULL;
}

/* A back-end that broke a queue has to begin anew, with all of them. */
static void virtio_user_tick(struct port *port)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);
	char why[128];

	if (!vu->frontend)
		virtio_user_port_open(vu);
	for (uint32_t i = 0; vu->life && i < vu->life->n_rings; i++) {
		enum driverq_error error = __atomic_load_n(&vu->life->queues[i].vq.error, __ATOMIC_RELAXED);

		if (error == DRIVERQ_OK)
			continue;
		snprintf(why, sizeof(why), "%s queue %u is broken: %s", i % 2 ? "transmit" : "receive", i / 2,
			driverq_error_text(error));
		vhost_frontend_give_up(vu->frontend, error == DRIVERQ_KICK_BLOCKS ? -EINTR : -EPROTO, why);
	}
}

/* Our memory is sealed. */
static void virtio_user_check_memory(struct port *port)
{
}

static void virtio_user_close(struct port *port)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);

	vhost_frontend_destroy(vu->frontend);
	vu->frontend = NULL;
}

static void virtio_user_destroy(struct port *port)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);

	free((char *)(uintptr_t)vu->config.path);
	free(vu);
}

static const struct port_ops virtio_user_ops = {
	.rx = virtio_user_rx,
	.rx_done = virtio_user_rx_done,
	.rx_arm = virtio_user_rx_arm,
	.rx_disarm = virtio_user_rx_disarm,
	.rx_watch = virtio_user_rx_watch,
	.tx = virtio_user_tx,
	.tick = virtio_user_tick,
	.connected = virtio_user_connected,
	.check_memory = virtio_user_check_memory,
	.save = virtio_user_port_save,
	.resume = virtio_user_port_resume,
	.close = virtio_user_close,
	.destroy = virtio_user_destroy,
};

struct virtio_user_port *virtio_user_port_of(struct port *port)
{
	return port && port->ops == &virtio_user_ops ? CONTAINER_OF(port, struct virtio_user_port, port)
						     : NULL;
}

/* MQ by itself says nothing that the protocol would not; DPDK's back-end gives up further queues without it. */
static uint64_t features_of(const struct virtio_user_config *config)
{
	uint64_t features = VIRTIO_USER_FEATURES;

	if (config->n_pairs > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	if (config->packed)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (config->in_order)
		features |= BIT(VIRTIO_F_IN_ORDER);
	return (features & config->feature_mask) | VIRTIO_USER_REQUIRED;
}

struct virtio_user_port *virtio_user_port_alloc(const struct virtio_user_config *config)
{
	struct virtio_user_port *vu = calloc(1, sizeof(*vu));

	if (!vu)
		return NULL;
	ASSERT(config->n_pairs > 0 && config->n_pairs <= VIRTIO_USER_PAIRS);
	ASSERT(config->queue_size > 1 && config->queue_size <= VIRTIO_USER_QUEUE_SIZE_MAX);
	vu->config = *config;
	vu->config.path = strdup(config->path);
	if (!vu->config.path) {
		free(vu);
		return NULL;
	}
	vu->port.ops = &virtio_user_ops;
	vu->port.iface.kind = "virtio-user";
	return vu;
}

int virtio_user_port_open(struct virtio_user_port *vu)
{
	const struct vhost_frontend_config frontend = {
		.path = vu->config.path,
		.server = vu->config.server,
		.mode = vu->config.mode,
		.features = features_of(&vu->config),
		.required = VIRTIO_USER_REQUIRED,
		.n_rings = 2 * vu->config.n_pairs,
		.name = vu->port.iface.name,
		.feature_name = virtio_net_feature_name,
		.settle = vnet_settle,
		.ops = &driver_ops,
		.driver = vu,
	};

	return vhost_frontend_create(&vu->frontend, vu->port.ports->config.loop, &frontend);
}

int virtio_user_port_create(struct ports *ports, const struct virtio_user_config *config,
	const struct virtio_user_names *names, struct virtio_user_port **out)
{
	struct virtio_user_port *vu = virtio_user_port_alloc(config);
	int err;

	if (!vu)
		return -ENOMEM;
	port_pick_name(ports, &vu->port, "VirtioUser0/0/", names->instance);
	port_pick_mac(ports, &vu->port, names->mac);
	err = port_add(ports, &vu->port);
	if (err) {
		virtio_user_destroy(&vu->port);
		return err;
	}
	err = virtio_user_port_open(vu);
	if (err) {
		port_remove(&vu->port);
		return err;
	}
	*out = vu;
	return 0;
}
