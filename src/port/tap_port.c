/* SPDX-License-Identifier: Apache-2.0 */
#include "port/tap_port.h"

#include "base/log.h"
#include "os/netns.h"
#include "port/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what may be left undone --- */

static const struct {
	uint32_t tun, cap;
} offload_rows[] = {
	{TUN_F_CSUM, FRAME_CAP_CSUM},
	{TUN_F_TSO4, FRAME_CAP_TSO4},
	{TUN_F_TSO6, FRAME_CAP_TSO6},
	{TUN_F_TSO_ECN, FRAME_CAP_ECN},
	{TUN_F_USO4, FRAME_CAP_USO4},
	{TUN_F_USO6, FRAME_CAP_USO6},
};

static uint32_t offloads_wanted(const struct tap_port_config *config)
{
	uint32_t offloads = config->csum ? TUN_F_CSUM : 0;

	for (size_t i = 1; i < ARRAY_LEN(offload_rows) && config->gso; i++)
		offloads |= offload_rows[i].tun;
	return offloads;
}

/* The kernel takes all that it can be told to leave to us. */
static uint32_t caps_of(uint32_t offloads)
{
	uint32_t caps = 0;

	for (size_t i = 0; i < ARRAY_LEN(offload_rows); i++)
		if (offloads & offload_rows[i].tun)
			caps |= offload_rows[i].cap;
	return caps;
}

/* --- operations --- */

static uint32_t n_queues(const struct tap_port *tp)
{
	return tp->tap.n_fds;
}

static void tap_rx_watch(struct port *port, uint32_t queue, bool on)
{
	port_watch_fd(port, queue, CONTAINER_OF(port, struct tap_port, port)->queues[queue].fd, on);
}

/* The kernel's interface may be renamed, or removed with everything that was its. */
static void tap_tick(struct port *port)
{
	struct tap_port *tp = CONTAINER_OF(port, struct tap_port, port);

	if (tap_port_is_gone(tp) || tap_ask_name(tp->tap.fds[0], tp->tap.name) == 0)
		return;
	log_warning("%s: the kernel's interface %s is gone: delete the port and create it again",
		port->iface.name, tp->tap.name);
	__atomic_store_n(&tp->gone, true, __ATOMIC_RELAXED);
}

static bool tap_connected(const struct port *port)
{
	return !tap_port_is_gone(CONTAINER_OF(port, const struct tap_port, port));
}

/* None of its memory is anybody else's. */
static void tap_check_memory(struct port *port)
{
}

/* What waits in the kernel's queues waits for the successor. */
static json_t *tap_save(struct port *port, struct parcel *parcel)
{
	const struct tap_port *tp = CONTAINER_OF(port, struct tap_port, port);
	json_t *fds = json_array();

	for (uint32_t i = 0; i < n_queues(tp); i++)
		json_array_append_new(fds, parcel_put(parcel, tp->tap.fds[i]));
	return json_pack("{s:s, s:s*, s:b, s:I, s:I, s:o}", "host-interface", tp->tap.name, "host-namespace",
		tp->host_ns, "made", (int)tp->tap.made, "header-length", (json_int_t)tp->tap.hdr_len,
		"offloads", (json_int_t)tp->tap.offloads, "queues", fds);
}

static void tap_resume(struct port *port)
{
}

static void tap_port_close(struct port *port)
{
	const struct tap_port *tp = CONTAINER_OF(port, struct tap_port, port);

	for (uint32_t q = 0; q < n_queues(tp); q++)
		tap_rx_watch(port, q, false);
}

static void tap_destroy(struct port *port)
{
	struct tap_port *tp = CONTAINER_OF(port, struct tap_port, port);

	tap_io_fini(tp);
	tap_close(&tp->tap);
	free(tp->host_ns);
	free(tp);
}

static const struct port_ops tap_ops = {
	.rx = tap_rx,
	.rx_done = tap_rx_done,
	.rx_arm = tap_rx_arm,
	.rx_disarm = tap_rx_disarm,
	.rx_watch = tap_rx_watch,
	.tx = tap_tx,
	.tick = tap_tick,
	.connected = tap_connected,
	.check_memory = tap_check_memory,
	.save = tap_save,
	.resume = tap_resume,
	.close = tap_port_close,
	.destroy = tap_destroy,
};

struct tap_port *tap_port_of(struct port *port)
{
	return port && port->ops == &tap_ops ? CONTAINER_OF(port, struct tap_port, port) : NULL;
}

/* --- the kernel's side --- */

struct host {
	const struct tap_port_config *config;
	struct tap *tap;
	uint32_t wanted; /* TUN_F_ bits */
	const char *step;
};

/* Up, if we may: one that was made for us may be up already. */
static int host_up(struct host *host)
{
	const char *name = host->tap->name;
	int err = netif_set_up(name);

	if (err != -EPERM || host->tap->made)
		return err;
	log_warning("tap %s is down, and only root can change that: ip link set %s up", name, name);
	return 0;
}

static int host_settings(struct host *host)
{
	const struct tap_port_config *c = host->config;
	const char *name = host->tap->name;
	int err = 0;

	host->step = "host-mac-addr";
	if (c->host_mac)
		err = netif_set_mac(name, c->host_mac);
	if (err == 0 && c->host_mtu) {
		host->step = "host-mtu-size";
		err = netif_set_mtu(name, c->host_mtu);
	}
	if (err == 0 && c->host_bridge) {
		host->step = "host-bridge";
		err = netif_join_bridge(name, c->host_bridge);
	}
	if (err)
		return err;
	host->step = "bringing it up";
	err = host_up(host);
	for (uint32_t i = 0; i < c->n_addrs && err == 0; i++) {
		host->step = c->addrs[i].family == AF_INET ? "host-ip4-addr" : "host-ip6-addr";
		err = netif_add_addr(name, &c->addrs[i]);
	}
	return err;
}

static int host_open(void *arg)
{
	struct host *host = arg;
	const struct tap_port_config *c = host->config;
	int err;

	host->step = "opening it";
	err = c->fd >= 0 ? tap_adopt(host->tap, c->fd, host->wanted)
			 : tap_open(host->tap, c->host_if ? c->host_if : "tap%d", c->n_queues, host->wanted);
	if (err)
		return err;
	/* what was opened elsewhere may be in a namespace that we do not see: whoever opened it set it up */
	if (c->fd < 0)
		err = host_settings(host);
	if (err)
		tap_close(host->tap);
	return err;
}

static void host_explain(int err, const struct host *host, char why[256])
{
	const struct tap_port_config *c = host->config;
	const char *name = host->tap->name[0] ? host->tap->name : c->host_if ? c->host_if : "tap%d";

	if (!host->step)
		snprintf(why, 256, "network namespace %s: %s%s", c->host_ns, strerror(-err),
			err == -ENOENT ? ": make it with ip netns add" : "");
	else if (strcmp(host->step, "opening it") != 0)
		snprintf(why, 256, "tap %s, %s: %s", name, host->step, strerror(-err));
	else
		tap_explain(err, name, why, 256);
}

/* --- making one --- */

static struct tap_port *tap_port_alloc(void)
{
	struct tap_port *tp = calloc(1, sizeof(*tp));

	if (!tp)
		return NULL;
	tp->port.ops = &tap_ops;
	tp->port.iface.kind = "tap";
	return tp;
}

/* tp is open and in no list. On error it is still the caller's. */
static int tap_port_begin(struct ports *ports, struct tap_port *tp, const json_t *state)
{
	int err = tap_io_init(tp, ports->config.n_workers);

	tp->caps = caps_of(tp->tap.offloads);
	if (err == 0)
		err = state ? port_add_restored(ports, &tp->port, state) : port_add(ports, &tp->port);
	return err;
}

/* tp is in the list. */
static int tap_port_start(struct tap_port *tp)
{
	int err = 0;

	for (uint32_t q = 0; q < n_queues(tp) && err == 0; q++) {
		err = port_rx_start(&tp->port, q);
		if (err == 0)
			tap_rx_watch(&tp->port, q, true);
	}
	return err;
}

static int tap_port_open(struct tap_port *tp, const struct tap_port_config *config, char why[256])
{
	struct host host = {.config = config, .tap = &tp->tap, .wanted = offloads_wanted(config)};
	int err;

	if (config->host_ns) {
		tp->host_ns = strdup(config->host_ns);
		if (!tp->host_ns)
			return -ENOMEM;
	}
	err = netns_run(config->host_ns, host_open, &host);
	if (err)
		host_explain(err, &host, why);
	return err;
}

static int list(struct ports *ports, struct tap_port *tp, const struct tap_port_config *config)
{
	int err;

	port_pick_name(ports, &tp->port, "tap", config->instance);
	port_pick_mac(ports, &tp->port, config->mac);
	err = tap_port_begin(ports, tp, NULL);
	if (err) {
		tap_destroy(&tp->port);
		return err;
	}
	err = tap_port_start(tp);
	if (err)
		port_remove(&tp->port);
	return err;
}

int tap_port_create(
	struct ports *ports, const struct tap_port_config *config, struct tap_port **out, char why[256])
{
	struct tap_port *tp = tap_port_alloc();
	int err;

	snprintf(why, 256, "out of memory");
	if (!tp)
		return -ENOMEM;
	err = tap_port_open(tp, config, why);
	if (err) {
		tap_destroy(&tp->port);
		return err;
	}
	err = list(ports, tp, config);
	if (err == -EEXIST)
		snprintf(why, 256, "tap%d exists: choose another number after id", config->instance);
	else if (err == -ENOSPC)
		snprintf(why, 256, "there are %d interfaces already: delete one first", IFACE_MAX);
	else if (err)
		snprintf(why, 256, "%s", strerror(-err));
	*out = tp;
	return err;
}

/* --- in a successor process --- */

static int take_queues(struct tap_port *tp, const json_t *state, struct parcel *parcel)
{
	const json_t *fds = json_object_get(state, "queues"), *fd;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)fds, i, fd) {
		if (i == TAP_MAX_QUEUES)
			break;
		tp->tap.fds[i] = parcel_take(parcel, fd);
		if (tp->tap.fds[i] < 0)
			return -EBADF;
		tp->tap.n_fds++;
	}
	return tp->tap.n_fds > 0 ? 0 : -EBADF;
}

static int take_state(struct tap_port *tp, const json_t *state)
{
	const char *ns = parcel_str(state, "host-namespace", NULL);

	snprintf(tp->tap.name, sizeof(tp->tap.name), "%s", parcel_str(state, "host-interface", ""));
	tp->tap.made = parcel_bool(state, "made", false);
	tp->tap.hdr_len = parcel_u64(state, "header-length", TAP_HDR_LEN) ? TAP_HDR_LEN : 0;
	tp->tap.offloads = (uint32_t)parcel_u64(state, "offloads", 0);
	tp->host_ns = ns ? strdup(ns) : NULL;
	return ns && !tp->host_ns ? -ENOMEM : 0;
}

int tap_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	struct tap_port *tp = tap_port_alloc();
	int err;

	if (!tp)
		return -ENOMEM;
	err = take_queues(tp, state, parcel);
	if (err == 0)
		err = take_state(tp, state);
	if (err == 0)
		err = tap_port_begin(ports, tp, state);
	if (err) {
		tap_destroy(&tp->port);
		return err;
	}
	err = tap_port_start(tp);
	if (err)
		port_remove(&tp->port);
	*out = &tp->port;
	return err;
}
