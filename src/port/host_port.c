/* SPDX-License-Identifier: Apache-2.0 */
#include "port/host_port.h"

#include "base/log.h"
#include "os/netns.h"
#include "os/packet_socket.h"
#include "port/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * What the kernel takes undone, and completes where the NIC cannot. Datagrams cut by it are newer than some kernels, and a
 * packet socket cannot be asked.
 */
#define HOST_CAPS (FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6 | FRAME_CAP_ECN)

/* --- operations --- */

static struct host_port *host_of(struct port *port)
{
	return CONTAINER_OF(port, struct host_port, port);
}

static uint32_t host_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	return packet_queue_rx(&host_of(port)->queues[queue], &port->iface, turn, max);
}

static void host_rx_done(struct port *port, uint32_t queue)
{
	packet_queue_rx_done(&host_of(port)->queues[queue]);
}

static bool host_rx_arm(struct port *port, uint32_t queue)
{
	return packet_queue_arm(&host_of(port)->queues[queue]);
}

static void host_rx_disarm(struct port *port, uint32_t queue)
{
	packet_queue_disarm(&host_of(port)->queues[queue]);
}

static void host_rx_watch(struct port *port, uint32_t queue, bool on)
{
	port_watch_fd(port, queue, host_of(port)->queues[queue].socket.fd, on);
}

static void host_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	const struct host_port *hp = host_of(port);
	const struct socket_sender sender = {
		.fd = hp->queues[turn->worker % hp->n_queues].socket.fd,
		.prefix = SOCKET_PREFIX_VNET,
		.caps = HOST_CAPS,
		.mtu_max = IFACE_MTU_MAX,
		.scratch = hp->scratch + (size_t)turn->worker * SOCKET_IO_SCRATCH,
	};

	socket_send(&sender, &port->iface, turn, pkts, n);
}

/* The kernel's interface may be renamed, or removed. */
static void host_tick(struct port *port)
{
	struct host_port *hp = host_of(port);
	uint32_t mtu;

	if (host_port_is_gone(hp) || packet_socket_ask(hp->queues[0].socket.fd, hp->host_if, &mtu) == 0)
		return;
	log_warning("%s: the kernel's interface %s is gone: delete the port, and create it when it is back",
		port->iface.name, hp->host_if);
	__atomic_store_n(&hp->gone, true, __ATOMIC_RELAXED);
}

static bool host_connected(const struct port *port)
{
	return !host_port_is_gone(CONTAINER_OF(port, const struct host_port, port));
}

/* None of its memory is anybody else's. */
static void host_check_memory(struct port *port)
{
}

/* What waits in rings and sockets waits for the successor. */
static json_t *host_save(struct port *port, struct parcel *parcel)
{
	const struct host_port *hp = host_of(port);
	json_t *fds = json_array(), *places = json_array();

	for (uint32_t i = 0; i < hp->n_queues; i++) {
		json_array_append_new(fds, parcel_put(parcel, hp->queues[i].socket.fd));
		json_array_append_new(places, json_integer((json_int_t)hp->queues[i].at));
	}
	return json_pack("{s:s, s:s*, s:o, s:o}", "host-interface", hp->host_if, "host-namespace",
		hp->host_ns, "queues", fds, "places", places);
}

static void host_resume(struct port *port)
{
}

static void host_close(struct port *port)
{
	for (uint32_t q = 0; q < host_of(port)->n_queues; q++)
		host_rx_watch(port, q, false);
}

static void host_destroy(struct port *port)
{
	struct host_port *hp = host_of(port);

	for (uint32_t i = 0; i < hp->n_queues; i++) {
		packet_queue_fini(&hp->queues[i]);
		close(hp->queues[i].socket.fd);
	}
	free(hp->scratch);
	free(hp->host_ns);
	free(hp);
}

static const struct port_ops host_ops = {
	.rx = host_rx,
	.rx_done = host_rx_done,
	.rx_arm = host_rx_arm,
	.rx_disarm = host_rx_disarm,
	.rx_watch = host_rx_watch,
	.tx = host_tx,
	.tick = host_tick,
	.connected = host_connected,
	.check_memory = host_check_memory,
	.save = host_save,
	.resume = host_resume,
	.close = host_close,
	.destroy = host_destroy,
};

struct host_port *host_port_of(struct port *port)
{
	return port && port->ops == &host_ops ? host_of(port) : NULL;
}

/* --- making one --- */

/* The descriptors become the port's, whatever is returned; make_rings: as packet_queue_init(). */
static int host_alloc(struct host_port **out, const struct ports *ports, const char *host_ns, const int *fds,
	uint32_t n, bool make_rings)
{
	struct host_port *hp = calloc(1, sizeof(*hp));
	int err = hp ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n; i++) {
		int failed = err ? err : packet_queue_init(&hp->queues[i], fds[i], make_rings);

		if (failed && !err)
			err = failed;
		if (hp)
			hp->queues[hp->n_queues++].socket.fd = fds[i];
		else
			close(fds[i]);
	}
	if (err == 0) {
		hp->port.ops = &host_ops;
		hp->port.iface.kind = "host-interface";
		hp->scratch = calloc(ports->config.n_workers, SOCKET_IO_SCRATCH);
		hp->host_ns = host_ns ? strdup(host_ns) : NULL;
		if (!hp->scratch || (host_ns && !hp->host_ns))
			err = -ENOMEM;
	}
	if (err && hp)
		host_destroy(&hp->port);
	*out = hp;
	return err;
}

/* hp is in the list. */
static int host_start(struct host_port *hp)
{
	int err = 0;

	for (uint32_t q = 0; q < hp->n_queues && err == 0; q++) {
		err = port_rx_start(&hp->port, q);
		if (err == 0)
			host_rx_watch(&hp->port, q, true);
	}
	return err;
}

struct opening {
	const struct host_port_config *config;
	int fds[PORT_MAX_RX_QUEUES];
	bool begun;
};

static int host_open(void *arg)
{
	struct opening *o = arg;

	o->begun = true;
	if (o->config->fd < 0)
		return packet_socket_open(o->fds, o->config->n_queues, o->config->host_if);
	o->fds[0] = o->config->fd;
	return packet_socket_adopt(o->config->fd);
}

static void explain(int err, const struct opening *o, char why[256])
{
	if (o->begun)
		packet_socket_explain(err, o->config->host_if, why, 256);
	else
		snprintf(why, 256, "network namespace %s: %s", o->config->host_ns, strerror(-err));
}

/* What does not fit the interface would not leave it: our MTU is the kernel's until the user says otherwise. */
static int host_list(struct ports *ports, struct host_port *hp, const uint8_t mac[6])
{
	uint32_t mtu = IFACE_MTU_DEFAULT;
	int err = packet_socket_ask(hp->queues[0].socket.fd, hp->host_if, &mtu);

	if (err)
		return err;
	snprintf(hp->port.iface.name, IFACE_NAME_LEN, "host-%s", hp->host_if);
	port_pick_mac(ports, &hp->port, mac);
	err = port_add(ports, &hp->port);
	if (err)
		return err;
	__atomic_store_n(&hp->port.iface.mtu, min_u32(mtu, IFACE_MTU_MAX), __ATOMIC_RELAXED);
	return 0;
}

static int host_begin(struct ports *ports, const struct host_port_config *config, const int *fds, uint32_t n,
	struct host_port **out)
{
	int err = host_alloc(out, ports, config->host_ns, fds, n, true);

	if (err)
		return err;
	err = host_list(ports, *out, config->mac);
	if (err) {
		host_destroy(&(*out)->port);
		return err;
	}
	err = host_start(*out);
	if (err)
		port_remove(&(*out)->port);
	return err;
}

int host_port_create(
	struct ports *ports, const struct host_port_config *config, struct host_port **out, char why[256])
{
	struct opening opening = {.config = config};
	int err = netns_run(config->host_ns, host_open, &opening);

	if (err) {
		explain(err, &opening, why);
		return err;
	}
	err = host_begin(ports, config, opening.fds, config->fd < 0 ? config->n_queues : 1, out);
	if (err == -EEXIST)
		snprintf(why, 256,
			"there is a port on that interface already, or on one of that name: see show "
			"host-interface");
	else if (err == -ENOSPC)
		snprintf(why, 256, "there are %d interfaces already: delete one first", IFACE_MAX);
	else if (err)
		snprintf(why, 256, "%s", strerror(-err));
	return err;
}

int host_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	const json_t *queues = json_object_get(state, "queues"), *name;
	int fds[PORT_MAX_RX_QUEUES], err;
	struct host_port *hp;
	uint32_t n = 0;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)queues, i, name) {
		int fd = n < PORT_MAX_RX_QUEUES ? parcel_take(parcel, name) : -1;

		if (fd >= 0)
			fds[n++] = fd;
	}
	if (n == 0)
		return -EBADF;
	err = host_alloc(&hp, ports, parcel_str(state, "host-namespace", NULL), fds, n, false);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		hp->queues[i].at =
			(uint32_t)json_integer_value(json_array_get(json_object_get(state, "places"), i));
	snprintf(hp->host_if, sizeof(hp->host_if), "%s", parcel_str(state, "host-interface", ""));
	err = port_add_restored(ports, &hp->port, state);
	if (err) {
		host_destroy(&hp->port);
		return err;
	}
	err = host_start(hp);
	if (err)
		port_remove(&hp->port);
	*out = &hp->port;
	return err;
}
