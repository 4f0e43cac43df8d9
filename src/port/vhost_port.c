/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost_port.h"

#include "base/log.h"
#include "os/foreign.h"
#include "port/frame.h"
#include "port/vnet.h"
#include "vhost/proto.h"
#include "wire/ethernet.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What every port offers. The set must stay the same over restarts and upgrades: a front-end that reconnects to a
 * back-end which offers less gives up. Each offload here is completed in port/frame.c for receivers without it.
 */
#define RING_FEATURES                                                                   \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | \
		BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_ANY_LAYOUT))
#define HOST_FEATURES                                                                         \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
		BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_USO))
#define GUEST_FEATURES                                                                                      \
	(BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |        \
		BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_USO4) | \
		BIT(VIRTIO_NET_F_GUEST_USO6))
#define CTRL_FEATURES                                                                          \
	(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_VLAN) | \
		BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |            \
		BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |     \
		BIT(VIRTIO_NET_F_MQ))
#define VHOST_PORT_FEATURES \
	(RING_FEATURES | HOST_FEATURES | GUEST_FEATURES | CTRL_FEATURES | BIT(VIRTIO_NET_F_MTU))

/* Asked for by vhost_port_config.tells_link. */
#define LINK_FEATURES (BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS))

/* Announcing, and the MTU that the front-end promised; a configuration space for those that have none themselves. */
#define VHOST_PORT_PROTOCOL_FEATURES \
	(BIT(VHOST_USER_PROTOCOL_F_RARP) | BIT(VHOST_USER_PROTOCOL_F_MTU) | BIT(VHOST_USER_PROTOCOL_F_CONFIG))

static void report(struct vhost_port *vp, enum log_level level, const char *what, uint32_t queue)
{
	log_limited(&vp->limit, loop_now(vp->port.ports->config.loop), level, "%s: %s %u",
		vp->port.iface.name, what, queue);
}

/* When buffers are added, whoever waits for them looks. */
static void watch_tx(struct vhost_port *vp, const struct vhost_ring *ring, bool on)
{
	const struct ports_config *config = &vp->port.ports->config;

	if (ring && ring->kick_fd >= 0 &&
		config->placer->watch(config->placer_subject, ring->kick_fd, on) != 0)
		report(vp, LOG_LEVEL_WARNING, "a kick cannot be watched for ring", ring->idx);
}

static void vhost_tx_watch(struct port *port, bool on)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);

	for (uint32_t pair = 0; pair < VHOST_PORT_PAIRS; pair++)
		watch_tx(vp, vp->rings[2 * pair], on);
}

/* What the guest receives on: workers find it by its bit. */
static void publish_tx(struct vhost_port *vp, uint32_t pair, struct vhost_ring *ring)
{
	uint32_t bit = 1u << pair, pairs = vp->tx_pairs & ~bit;

	if (vp->port.tx_watched)
		watch_tx(vp, vp->rings[2 * pair], false);
	if (ring)
		vp->tx_waiters[pair] = 0; /* of the ring before; nobody uses this one yet */
	rcu_publish(vp->rings[2 * pair], ring);
	__atomic_store_n(&vp->tx_pairs, ring && ring->enabled ? pairs | bit : pairs, __ATOMIC_RELEASE);
	if (vp->port.tx_watched) {
		watch_tx(vp, ring, true);
		ports_wake(vp->port.ports);
	}
}

/* A worker polls receive queue `queue`, and sleeps on the kick of this ring. */
static void watch(struct vhost_port *vp, uint32_t queue, const struct vhost_ring *ring)
{
	struct port *port = &vp->port;

	if (port_rx_start(port, queue) != 0) {
		report(vp, LOG_LEVEL_ERROR, "no worker can poll queue", queue);
		return;
	}
	if (ring->kick_fd >= 0 && waker_watch(port->rx_waker[queue], ring->kick_fd) != 0)
		report(vp, LOG_LEVEL_WARNING, "a kick cannot be watched for queue", queue);
	waker_wake(port->rx_waker[queue]); /* the first kick may have come before */
}

static void unwatch(struct vhost_port *vp, uint32_t queue, const struct vhost_ring *ring)
{
	if (ring && ring->kick_fd >= 0 && vp->port.rx_waker[queue])
		waker_unwatch(vp->port.rx_waker[queue], ring->kick_fd);
}

static void vhost_rx_watch(struct port *port, uint32_t queue, bool on)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	struct vhost_ring *const rings[] = {vp->rings[2 * queue + 1], queue == 0 ? vp->ctrl_ring : NULL};

	for (uint32_t i = 0; i < ARRAY_LEN(rings); i++) {
		if (!rings[i])
			continue;
		if (on)
			watch(vp, queue, rings[i]);
		else
			unwatch(vp, queue, rings[i]);
	}
}

/* What the guest sends on. */
static void publish_rx(struct vhost_port *vp, uint32_t queue, struct vhost_ring *ring)
{
	unwatch(vp, queue, vp->rings[2 * queue + 1]);
	rcu_publish(vp->rings[2 * queue + 1], ring);
	if (ring)
		watch(vp, queue, ring);
}

/* A driver that talks to us about pairs begins with one (virtio 1.2, 5.1.6.5.5). */
static void publish_ctrl(struct vhost_port *vp, struct vhost_ring *ring)
{
	unwatch(vp, 0, vp->ctrl_ring);
	if (ring && vp->ctrl.commands == 0) {
		vp->ctrl.pairs = 1;
		__atomic_store_n(&vp->pairs_used, 1, __ATOMIC_RELAXED);
	}
	rcu_publish(vp->ctrl_ring, ring);
	if (ring)
		watch(vp, 0, ring);
}

static void vhost_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	struct vhost_port *vp = device;

	if (idx == vp->ctrl_idx)
		publish_ctrl(vp, ring);
	else if (idx >= 2 * VHOST_PORT_PAIRS)
		return; /* a control queue that was not negotiated */
	else if (idx % 2 == 0)
		publish_tx(vp, idx / 2, ring);
	else
		publish_rx(vp, idx / 2, ring);
}

static void vhost_quiesce(void *device)
{
	rcu_wait();
}

/* Everything the driver said is forgotten. */
static void driver_reset(struct vhost_port *vp, uint64_t features)
{
	vnet_ctrl_reset(&vp->ctrl, features, VHOST_PORT_PAIRS);
	vhost_ctrl_apply(vp);
}

static void vhost_set_features(void *device, uint64_t features)
{
	struct vhost_port *vp = device;
	bool several = features & BIT(VIRTIO_NET_F_MQ);

	vp->mrg_rxbuf = features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	vp->hdr_len = vnet_hdr_len(features);
	vp->ctrl_idx = UINT32_MAX;
	if (features & BIT(VIRTIO_NET_F_CTRL_VQ))
		vp->ctrl_idx = several ? 2 * VHOST_PORT_PAIRS : 2;
	driver_reset(vp, features);
}

static void vhost_reset(void *device)
{
	struct vhost_port *vp = device;

	driver_reset(vp, vp->ctrl.features);
}

static void vhost_connected(void *device, bool connected)
{
	struct vhost_port *vp = device;

	if (vp->came)
		vp->came(vp->over_arg, connected);
	if (connected)
		return;
	for (uint32_t q = 0; q < VHOST_PORT_PAIRS; q++)
		port_rx_stop(&vp->port, q);
	__atomic_store_n(&vp->announce, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&vp->peer_mtu, UINT32_MAX, __ATOMIC_RELAXED);
}

static void vhost_over(void *device)
{
	struct vhost_port *vp = device;

	if (vp->over)
		vp->over(vp->over_arg);
}

/* --- what a network device is told and asked --- */

/* The guest was moved here: the worker that polls queue 0 lets one frame come from it. */
static int announce(struct vhost_port *vp, uint64_t value)
{
	uint8_t bytes[MAC_LEN];
	uint64_t mac;

	memcpy(bytes, &value, sizeof(bytes)); /* in the order of the wire */
	mac = mac_load(bytes);
	if (mac == 0 || mac_is_group(mac))
		return -EINVAL;
	__atomic_store_n(&vp->announce, mac, __ATOMIC_RELAXED);
	if (vp->port.rx_waker[0])
		waker_wake(vp->port.rx_waker[0]);
	return 0;
}

static int set_peer_mtu(struct vhost_port *vp, uint64_t mtu)
{
	if (mtu < IFACE_MTU_MIN || mtu > IFACE_MTU_MAX)
		return -EINVAL;
	__atomic_store_n(&vp->peer_mtu, (uint32_t)mtu, __ATOMIC_RELAXED);
	return 0;
}

static int vhost_message(void *device, uint32_t request, uint64_t value, int fd)
{
	if (fd >= 0) {
		foreign_close(fd);
		return -EINVAL;
	}
	switch (request) {
	case VHOST_USER_SEND_RARP:
		return announce(device, value);
	case VHOST_USER_NET_SET_MTU:
		return set_peer_mtu(device, value);
	default:
		return -EOPNOTSUPP;
	}
}

/* For front-ends that make no configuration space of their own. The address means nothing where MAC is not offered. */
static int vhost_get_config(void *device, uint32_t offset, uint32_t len, uint8_t *out)
{
	const struct vhost_port *vp = device;
	struct virtio_net_config config = {
		.status = htole16(!vp->tells_link || vp->link_up ? VIRTIO_NET_S_LINK_UP : 0),
		.max_virtqueue_pairs = htole16(VHOST_PORT_PAIRS),
		.mtu = htole16((uint16_t)iface_mtu(&vp->port.iface)),
	};

	memcpy(config.mac, vp->port.iface.mac, sizeof(config.mac));
	memcpy(out, (const uint8_t *)&config + offset, len);
	return 0;
}

void vhost_port_set_link(struct vhost_port *vp, bool up)
{
	if (vp->link_up == up)
		return;
	vp->link_up = up;
	vhost_backend_config_changed(vp->backend);
}

/* The control ring is looked at with the first queue, which may not have been started. */
static void vhost_kick(void *device, uint32_t idx)
{
	struct vhost_port *vp = device;
	struct waker *waker = NULL;

	if (idx == vp->ctrl_idx)
		waker = vp->port.rx_waker[0];
	else if (idx % 2 == 1)
		waker = vp->port.rx_waker[idx / 2];
	else if (vp->port.tx_watched)
		ports_wake(vp->port.ports);
	if (waker)
		waker_wake(waker);
}

static const struct vhost_device device_ops = {
	.publish = vhost_publish,
	.quiesce = vhost_quiesce,
	.set_features = vhost_set_features,
	.connected = vhost_connected,
	.get_config = vhost_get_config,
	.message = vhost_message,
	.kick = vhost_kick,
	.reset = vhost_reset,
};

static void vhost_tick(struct port *port)
{
	vhost_backend_check_rings(CONTAINER_OF(port, struct vhost_port, port)->backend);
}

static bool vhost_has_guest(const struct port *port)
{
	struct vhost_backend_status status;

	vhost_backend_status(CONTAINER_OF(port, struct vhost_port, port)->backend, &status);
	return status.connected;
}

static void vhost_check_memory(struct port *port)
{
	vhost_backend_check_memory(CONTAINER_OF(port, struct vhost_port, port)->backend);
}

/* Every ring is unpublished and every kick unwatched when this returns. */
static void vhost_close(struct port *port)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);

	if (vp->backend)
		vhost_backend_destroy(vp->backend);
	vp->backend = NULL;
}

static void vhost_destroy(struct port *port)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);

	for (uint32_t i = 0; i < VHOST_PORT_PAIRS; i++)
		pthread_spin_destroy(&vp->tx_lock[i]);
	free(vp);
}

static const struct port_wire_ops wire_ops = {
	.rx_settle = vhost_rx_settle,
	.rx_arm_besides = vhost_rx_arm_besides,
	.tx = vhost_tx_wire,
	.tx_short = vhost_tx_short,
	.tx_arm = vhost_tx_arm,
	.tx_disarm = vhost_tx_disarm,
	.tx_watch = vhost_tx_watch,
};

static const struct port_ops vhost_ops = {
	.rx = vhost_rx,
	.rx_done = vhost_rx_done,
	.rx_arm = vhost_rx_arm,
	.rx_disarm = vhost_rx_disarm,
	.rx_watch = vhost_rx_watch,
	.tx = vhost_tx,
	.tick = vhost_tick,
	.connected = vhost_has_guest,
	.check_memory = vhost_check_memory,
	.save = vhost_port_save,
	.resume = vhost_port_resume,
	.close = vhost_close,
	.destroy = vhost_destroy,
	.wire = &wire_ops,
};

struct vhost_port *vhost_port_of(struct port *port)
{
	return port && port->ops == &vhost_ops ? CONTAINER_OF(port, struct vhost_port, port) : NULL;
}

struct vhost_port *vhost_port_alloc(uint64_t feature_mask)
{
	struct vhost_port *vp = calloc(1, sizeof(*vp));

	if (!vp)
		return NULL;
	for (uint32_t i = 0; i < VHOST_PORT_PAIRS; i++)
		pthread_spin_init(&vp->tx_lock[i], PTHREAD_PROCESS_PRIVATE);
	vp->port.ops = &vhost_ops;
	vp->port.iface.kind = "vhost-user";
	vp->feature_mask = feature_mask;
	vp->peer_mtu = UINT32_MAX;
	vhost_set_features(vp, BIT(VIRTIO_F_VERSION_1));
	return vp;
}

struct vhost_backend_config vhost_port_backend(struct vhost_port *vp)
{
	return (struct vhost_backend_config){
		.name = vp->port.iface.name,
		.features = (VHOST_PORT_FEATURES | (vp->tells_link ? LINK_FEATURES : 0)) & vp->feature_mask,
		.protocol_features = VHOST_PORT_PROTOCOL_FEATURES |
				     (vp->in_band ? BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS) : 0),
		.config_size = sizeof(struct virtio_net_config),
		.config_optional = true,
		.n_rings = VHOST_PORT_RINGS,
		.queue_num = VHOST_PORT_PAIRS,
		.over = vhost_over,
		.over_arg = vp,
		.ops = &device_ops,
		.device = vp,
	};
}

static void socket_of(struct vhost_backend_config *backend, const struct vhost_port_config *config)
{
	backend->path = config->path;
	backend->fd = config->fd;
	backend->server = config->server;
	backend->mode = config->mode;
	backend->group = config->group;
	backend->reconnect_ns = config->reconnect_ns;
	backend->max_ring_size = config->max_ring_size;
	backend->max_mem_slots = config->max_mem_slots;
	backend->mem_filter = config->mem_filter;
}

int vhost_port_create(struct ports *ports, const struct vhost_port_config *config, struct vhost_port **out)
{
	struct vhost_port *vp = vhost_port_alloc(config->feature_mask);
	struct vhost_backend_config backend;
	int err;

	if (!vp)
		return -ENOMEM;
	vp->in_band = config->in_band;
	vp->over = config->over;
	vp->came = config->came;
	vp->over_arg = config->over_arg;
	vp->tells_link = config->tells_link;
	if (config->name)
		snprintf(vp->port.iface.name, IFACE_NAME_LEN, "%s", config->name);
	else
		port_pick_name(ports, &vp->port, "VirtualEthernet0/0/", config->instance);
	port_pick_mac(ports, &vp->port, config->mac);
	err = port_add(ports, &vp->port);
	if (err) {
		vhost_destroy(&vp->port);
		return err;
	}
	backend = vhost_port_backend(vp);
	socket_of(&backend, config);
	err = vhost_backend_create(&vp->backend, ports->config.loop, &backend);
	if (err) {
		port_remove(&vp->port);
		return err;
	}
	*out = vp;
	return 0;
}
