/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost_port.h"

#include "base/log.h"
#include "port/frame.h"
#include "port/vnet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What every port offers. The set must stay the same over restarts and upgrades: a front-end that reconnects to a
 * back-end which offers less gives up. Each offload here is completed in port/frame.c for receivers without it.
 */
#define VHOST_PORT_FEATURES                                                                                  \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |                      \
		BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_ANY_LAYOUT) | \
		BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |        \
		BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) |     \
		BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |  \
		BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6) |   \
		BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT(VIRTIO_NET_F_MQ))

/* What the guest receives on: workers find it by its bit. */
static void publish_tx(struct vhost_port *vp, uint32_t pair, struct vhost_ring *ring)
{
	uint32_t bit = 1u << pair, pairs = vp->tx_pairs & ~bit;

	rcu_publish(vp->rings[2 * pair], ring);
	__atomic_store_n(&vp->tx_pairs, ring && ring->enabled ? pairs | bit : pairs, __ATOMIC_RELAXED);
}

/* What the guest sends on: a worker polls it and sleeps on its kick. */
static void publish_rx(struct vhost_port *vp, uint32_t queue, struct vhost_ring *ring)
{
	struct port *port = &vp->port;
	struct vhost_ring *before = vp->rings[2 * queue + 1];

	if (before && before->kick_fd >= 0 && port->rx_waker[queue])
		waker_unwatch(port->rx_waker[queue], before->kick_fd);
	rcu_publish(vp->rings[2 * queue + 1], ring);
	if (!ring)
		return;
	if (port_rx_start(port, queue) != 0) {
		log_limited(&vp->limit, loop_now(port->ports->config.loop), LOG_LEVEL_ERROR,
			"%s: no worker can poll queue %u", port->iface.name, queue);
		return;
	}
	if (ring->kick_fd >= 0 && waker_watch(port->rx_waker[queue], ring->kick_fd) != 0)
		log_limited(&vp->limit, loop_now(port->ports->config.loop), LOG_LEVEL_WARNING,
			"%s: the kick of queue %u cannot be watched", port->iface.name, queue);
	waker_wake(port->rx_waker[queue]); /* the first kick may have come before */
}

static void vhost_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	if (idx % 2 == 0)
		publish_tx(device, idx / 2, ring);
	else
		publish_rx(device, idx / 2, ring);
}

static void vhost_quiesce(void *device)
{
	rcu_wait();
}

static void vhost_set_features(void *device, uint64_t features)
{
	struct vhost_port *vp = device;

	vp->mrg_rxbuf = features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	vp->hdr_len = vnet_hdr_len(features);
	vp->caps = vnet_guest_caps(features);
}

static void vhost_connected(void *device, bool connected)
{
	struct vhost_port *vp = device;

	for (uint32_t q = 0; !connected && q < VHOST_PORT_PAIRS; q++)
		port_rx_stop(&vp->port, q);
}

static const struct vhost_device device_ops = {
	.publish = vhost_publish,
	.quiesce = vhost_quiesce,
	.set_features = vhost_set_features,
	.connected = vhost_connected,
};

static void vhost_tick(struct port *port)
{
	vhost_backend_check_rings(CONTAINER_OF(port, struct vhost_port, port)->backend);
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

static const struct port_ops vhost_ops = {
	.rx = vhost_rx,
	.rx_done = vhost_rx_done,
	.rx_arm = vhost_rx_arm,
	.rx_disarm = vhost_rx_disarm,
	.tx = vhost_tx,
	.tick = vhost_tick,
	.check_memory = vhost_check_memory,
	.close = vhost_close,
	.destroy = vhost_destroy,
};

struct vhost_port *vhost_port_of(struct port *port)
{
	return port && port->ops == &vhost_ops ? CONTAINER_OF(port, struct vhost_port, port) : NULL;
}

struct vhost_ring *vhost_port_tx_ring(struct vhost_port *vp, uint32_t worker, uint32_t *pair)
{
	uint32_t pairs = __atomic_load_n(&vp->tx_pairs, __ATOMIC_RELAXED);
	uint32_t n = (uint32_t)__builtin_popcount(pairs);

	if (n == 0)
		return NULL;
	for (uint32_t skip = worker < n ? worker : worker % n; skip > 0; skip--)
		pairs &= pairs - 1;
	*pair = (uint32_t)__builtin_ctz(pairs);
	return rcu_load(vp->rings[2 * *pair]);
}

/* The lowest N for which VirtualEthernet0/0/N is free, or the wanted one. */
static void pick_instance(struct ports *ports, struct vhost_port *vp, int32_t wanted)
{
	char *name = vp->port.iface.name;

	vp->instance = wanted < 0 ? 0 : (uint32_t)wanted;
	for (;;) {
		snprintf(name, IFACE_NAME_LEN, "VirtualEthernet0/0/%u", vp->instance);
		if (wanted >= 0 || !iface_by_name(ports->config.ifaces, name))
			return;
		vp->instance++;
	}
}

/* Locally administered, as VPP makes them: 02:fe:xx:xx:xx:xx. */
static void make_mac(struct ports *ports, uint8_t mac[6])
{
	uint64_t bits = random_u64(&ports->random);

	mac[0] = 0x02;
	mac[1] = 0xfe;
	memcpy(&mac[2], &bits, 4);
}

static struct vhost_port *vhost_alloc(struct ports *ports, const struct vhost_port_config *config)
{
	struct vhost_port *vp = calloc(1, sizeof(*vp));

	if (!vp)
		return NULL;
	for (uint32_t i = 0; i < VHOST_PORT_PAIRS; i++)
		pthread_spin_init(&vp->tx_lock[i], PTHREAD_PROCESS_PRIVATE);
	vp->port.ops = &vhost_ops;
	vp->port.iface.kind = "vhost-user";
	pick_instance(ports, vp, config->instance);
	if (config->mac)
		memcpy(vp->port.iface.mac, config->mac, sizeof(vp->port.iface.mac));
	else
		make_mac(ports, vp->port.iface.mac);
	vp->peer_mtu = UINT32_MAX;
	vhost_set_features(vp, BIT(VIRTIO_F_VERSION_1));
	return vp;
}

int vhost_port_create(struct ports *ports, const struct vhost_port_config *config, struct vhost_port **out)
{
	struct vhost_port *vp = vhost_alloc(ports, config);
	struct vhost_backend_config backend = {
		.path = config->path,
		.server = config->server,
		.mode = config->mode,
		.features = VHOST_PORT_FEATURES & config->feature_mask,
		.n_rings = 2 * VHOST_PORT_PAIRS,
		.queue_num = VHOST_PORT_PAIRS,
		.ops = &device_ops,
		.device = vp,
	};
	int err;

	if (!vp)
		return -ENOMEM;
	err = port_add(ports, &vp->port);
	if (err) {
		vhost_destroy(&vp->port);
		return err;
	}
	backend.name = vp->port.iface.name;
	err = vhost_backend_create(&vp->backend, ports->config.loop, &backend);
	if (err) {
		port_remove(&vp->port);
		return err;
	}
	*out = vp;
	return 0;
}
