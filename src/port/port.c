/* SPDX-License-Identifier: Apache-2.0 */
#include "port/port.h"

#include "base/log.h"
#include "os/clock.h"
#include "os/rcu.h"
#include "port/vlan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void ports_tick(void *arg)
{
	struct ports *ports = arg;
	struct port *port;

	list_for_each (port, &ports->list, link)
		port->ops->tick(port);
	loop_timer_set(ports->config.loop, &ports->tick, loop_now(ports->config.loop) + NS_PER_S);
}

void ports_init(struct ports *ports, const struct ports_config *config)
{
	*ports = (struct ports){.config = *config};
	random_init(&ports->random, config->seed);
	list_init(&ports->list);
	loop_timer_init(&ports->tick, ports_tick, ports);
	loop_timer_set(config->loop, &ports->tick, loop_now(config->loop) + NS_PER_S);
}

void ports_fini(struct ports *ports)
{
	/* a sub-interface comes after its parent, and goes before it */
	while (!list_empty(&ports->list))
		port_remove(LIST_ENTRY(ports->list.prev, struct port, link));
	loop_timer_cancel(ports->config.loop, &ports->tick);
}

void port_pick_name(struct ports *ports, struct port *port, const char *prefix, int32_t wanted)
{
	uint32_t instance = wanted < 0 ? 0 : (uint32_t)wanted;

	for (;; instance++) {
		snprintf(port->iface.name, IFACE_NAME_LEN, "%s%u", prefix, instance);
		if (wanted >= 0 || !iface_by_name(ports->config.ifaces, port->iface.name))
			return;
	}
}

void port_pick_mac(struct ports *ports, struct port *port, const uint8_t mac[6])
{
	uint8_t made_up[6] = {0x02, 0xfe};

	if (!mac) {
		uint64_t bits = random_u64(&ports->random);

		memcpy(&made_up[2], &bits, 4);
		mac = made_up;
	}
	memcpy(port->iface.mac, mac, sizeof(port->iface.mac));
}

static void rewired(struct iface *iface)
{
	struct port *port = port_of(iface);
	bool watch = iface_is_fed(iface);

	if (watch != port->tx_watched)
		port->ops->wire->tx_watch(port, watch);
	port->tx_watched = watch;
	ports_wake(port->ports);
}

static int list_port(struct ports *ports, struct port *port, int err)
{
	if (err)
		return err;
	port->ports = ports;
	port->iface.rewired = port->ops->wire ? rewired : NULL;
	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++)
		port->rx_wanted[q] = PORT_ANY_WORKER;
	list_add_tail(&ports->list, &port->link);
	return 0;
}

int port_add(struct ports *ports, struct port *port)
{
	return list_port(ports, port, iface_add(ports->config.ifaces, &port->iface));
}

int port_add_restored(struct ports *ports, struct port *port, const json_t *state)
{
	const json_t *wanted = json_object_get(state, "workers-wanted");
	int err = list_port(ports, port,
		iface_restore(ports->config.ifaces, &port->iface, json_object_get(state, "interface")));

	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES && !err; q++) {
		const json_t *worker = json_array_get(wanted, q);

		if (json_is_integer(worker))
			port->rx_wanted[q] = (uint32_t)json_integer_value(worker);
	}
	return err;
}

void port_remove(struct port *port)
{
	struct vlan *vlan;

	vlan_remove(port);
	port->ops->close(port);
	port->iface.rewired = NULL;
	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++)
		port_rx_stop(port, q);
	port_set_netem(port, NULL);
	vlan = port->iface.vlan;
	iface_remove(port->ports->config.ifaces, &port->iface);
	vlan_free(vlan);
	list_del(&port->link);
	port->ops->destroy(port);
}

void port_watch_fd(struct port *port, uint32_t queue, int fd, bool on)
{
	struct waker *waker = port->rx_waker[queue];

	if (!waker)
		return;
	if (!on) {
		waker_unwatch(waker, fd);
		return;
	}
	if (waker_watch(waker, fd) != 0)
		log_warning("%s: frames of queue %u wake nobody", port->iface.name, queue);
	waker_wake(waker); /* the first may have come before */
}

int port_set_netem(struct port *port, const struct netem_config *config)
{
	struct netem *new[PORT_MAX_RX_QUEUES] = {NULL}, *old[PORT_MAX_RX_QUEUES];
	bool changes = config != NULL;

	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES && config; q++) {
		struct netem_config of_queue = *config;

		of_queue.seed += q;
		new[q] = netem_create(&of_queue);
		if (new[q])
			continue;
		while (q-- > 0)
			netem_destroy(new[q]);
		return -ENOMEM;
	}
	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++) {
		old[q] = port->netem[q];
		changes |= old[q] != NULL;
		rcu_publish(port->netem[q], new[q]);
	}
	if (!changes)
		return 0;
	rcu_wait();
	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++) {
		if (old[q])
			iface_counters_drop(port->ports->config.ifaces, &port->iface, DROP_NETEM_ENDED,
				netem_held(old[q]));
		netem_destroy(old[q]);
	}
	ports_wake(port->ports);
	return 0;
}

int port_rx_start(struct port *port, uint32_t queue)
{
	struct ports *ports = port->ports;

	ASSERT(queue < PORT_MAX_RX_QUEUES);
	return port->rx_waker[queue] ? 0
				     : ports->config.placer->start(ports->config.placer_subject, port, queue);
}

void port_rx_stop(struct port *port, uint32_t queue)
{
	struct ports *ports = port->ports;

	if (!port->rx_waker[queue])
		return;
	ports->config.placer->stop(ports->config.placer_subject, port, queue);
	port->rx_waker[queue] = NULL;
}

/* Nobody polls the queue between the two: what waits there is polled for right after. */
static int rx_move(struct port *port, uint32_t queue)
{
	int err;

	if (port->ops->rx_watch)
		port->ops->rx_watch(port, queue, false);
	port_rx_stop(port, queue);
	err = port_rx_start(port, queue);
	if (!err && port->ops->rx_watch)
		port->ops->rx_watch(port, queue, true);
	return err;
}

int port_rx_place(struct port *port, uint32_t queue, uint32_t worker)
{
	uint32_t before = port->rx_wanted[queue];
	int err;

	ASSERT(worker == PORT_ANY_WORKER || worker < port->ports->config.n_workers);
	port->rx_wanted[queue] = worker;
	if (!port->rx_waker[queue] || port->rx_worker[queue] == worker)
		return 0;
	err = rx_move(port, queue);
	if (!err)
		return 0;
	port->rx_wanted[queue] = before;
	rx_move(port, queue);
	return err;
}

struct port *ports_get(const struct ports *ports, uint32_t idx)
{
	struct port *port;

	list_for_each (port, &ports->list, link)
		if (port->iface.idx == idx)
			return port;
	return NULL;
}

void ports_check_memory(struct ports *ports)
{
	struct port *port;

	list_for_each (port, &ports->list, link)
		port->ops->check_memory(port);
}
