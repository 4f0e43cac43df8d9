/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/p2p_cable.h"

#include "base/log.h"
#include "bridge/xconnect.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* --- rooms --- */

static uint64_t random_seed(void)
{
	uint64_t seed = clock_now_ns();

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		log_warning("ginnel-p2p: no random numbers from the kernel yet");
	return seed;
}

static int make_ports(struct cable *c)
{
	struct rooms *r = &c->rooms;

	ports_init(&c->ports, &(struct ports_config){.loop = c->config.loop,
				      .ifaces = r->ifaces,
				      .placer = &workers_placer,
				      .placer_subject = r->workers,
				      .n_workers = 1,
				      .seed = random_seed()});
	r->ports = &c->ports;
	r->watch = watch_create(&(struct watch_config){.loop = c->config.loop,
		.ifaces = r->ifaces,
		.n_workers = 1,
		.publish = workers_watch,
		.subject = r->workers});
	return r->watch ? 0 : -ENOMEM;
}

int cable_open(struct cable *c, const struct cable_config *config)
{
	struct workers_config workers = {
		.n = 1, .cpus = {WORKER_ANY_CPU}, .spin_ns = 50 * NS_PER_US, .poll_ns = config->poll_ns};
	struct rooms *r = &c->rooms;
	int err;

	*c = (struct cable){.config = *config};
	for (uint32_t i = 0; i < CABLE_ENDS; i++)
		c->ends[i].cable = c;
	r->ifaces = iface_table_create(workers.n);
	r->bridges = r->ifaces ? bridges_create(r->ifaces, random_seed()) : NULL;
	if (!r->bridges)
		return -ENOMEM;
	workers.ifaces = r->ifaces;
	workers.bridges = r->bridges;
	err = workers_create(&r->workers, &workers);
	return err ? err : make_ports(c);
}

int cable_start(struct cable *c)
{
	return workers_start(c->rooms.workers);
}

void cable_close(struct cable *c)
{
	struct rooms *r = &c->rooms;

	if (r->watch)
		watch_destroy(r->watch);
	for (uint32_t i = 0; i < CABLE_ENDS; i++)
		cable_remove(&c->ends[i]);
	if (r->ports)
		ports_fini(r->ports);
	if (r->workers)
		workers_destroy(r->workers);
	if (r->bridges)
		bridges_destroy(r->bridges);
	if (r->ifaces)
		iface_table_destroy(r->ifaces);
}

/* --- ends --- */

static struct cable_end *other_end(const struct cable_end *end)
{
	struct cable *c = end->cable;

	return end == &c->ends[0] ? &c->ends[1] : &c->ends[0];
}

static void on_came(void *arg, bool here)
{
	struct cable_end *end = arg, *other = other_end(end);

	end->here = here;
	if (other->port)
		vhost_port_set_link(other->port, here);
}

static void on_over(void *arg)
{
	struct cable_end *end = arg;
	struct cable *c = end->cable;

	cable_remove(end);
	if (c->config.ended)
		c->config.ended(c->config.arg);
}

void cable_remove(struct cable_end *end)
{
	struct vhost_port *port = end->port;

	end->port = NULL; /* what port_remove() tells is about nobody any more */
	if (port)
		port_remove(&port->port);
	end->here = false;
}

/* Each sends to the other, or to nobody yet. */
static void lay_wires(struct cable_end *end)
{
	struct cable_end *other = other_end(end);
	struct iface *from = &end->port->port.iface, *to = other->port ? &other->port->port.iface : NULL;

	xconnect_set_lossless(from, to);
	if (to)
		xconnect_set_lossless(to, from);
	__atomic_store_n(&from->mtu, IFACE_MTU_MAX, __ATOMIC_RELAXED); /* a cable has none */
	__atomic_store_n(&from->up, true, __ATOMIC_RELAXED);
	ports_wake(&end->cable->ports);
	vhost_port_set_link(end->port, other->here);
}

static struct vhost_port_config port_config(
	struct cable_end *end, const struct p2p_spec *spec, const char *name, int fd)
{
	const struct cable_config *config = &end->cable->config;

	return (struct vhost_port_config){
		.path = fd >= 0 ? NULL : end->path,
		.fd = fd,
		.server = !config->client,
		.mode = config->socket_mode,
		.feature_mask = config->queues > 1 ? UINT64_MAX : ~BIT(VIRTIO_NET_F_MQ),
		.mac = spec->has_mac ? spec->mac : NULL,
		.instance = -1,
		.name = name,
		.tells_link = true,
		.group = config->group,
		.reconnect_ns = config->reconnect_ns,
		.max_ring_size = config->queue_size,
		.max_mem_slots = spec->ds_max,
		.mem_filter = config->mem_filter,
		.over = on_over,
		.came = on_came,
		.over_arg = end,
	};
}

static int name_end(
	struct cable_end *end, const struct p2p_spec *spec, const char *path, char name[P2P_NAME_LEN])
{
	struct cable *c = end->cable;
	int n;

	if (spec->name[0])
		memcpy(name, spec->name, P2P_NAME_LEN);
	else
		snprintf(name, P2P_NAME_LEN, "port%d", (int)(end - c->ends));
	if (path)
		n = snprintf(end->path, sizeof(end->path), "%s", path);
	else
		n = snprintf(end->path, sizeof(end->path), "%s/%s.sock", c->config.socket_dir, name);
	return n < (int)sizeof(end->path) ? 0 : -ENAMETOOLONG;
}

static int explain(int err, const char *name, const char *path, char why[P2P_WHY_LEN])
{
	char text[512];

	if (err == -EEXIST && !*path)
		snprintf(why, P2P_WHY_LEN, "there is a port %s: choose another name", name);
	else
		snprintf(why, P2P_WHY_LEN, "%.200s", unix_explain(err, path, text, sizeof(text)));
	return err;
}

int cable_add(struct cable *c, const struct p2p_spec *spec, const char *path, int fd, char why[P2P_WHY_LEN])
{
	struct cable_end *end = !c->ends[0].port ? &c->ends[0] : &c->ends[1];
	struct vhost_port_config config;
	char name[P2P_NAME_LEN];
	int err;

	if (end->port) {
		snprintf(why, P2P_WHY_LEN, "out of memory: a cable has two ends, both are in use");
		return -ENOMEM;
	}
	err = name_end(end, spec, path, name);
	if (err)
		return explain(err, name, end->path, why);
	if (fd >= 0)
		end->path[0] = 0;
	if (cable_find(c, name)) {
		snprintf(why, P2P_WHY_LEN, "there is a port %s: choose another name", name);
		return -EEXIST;
	}
	config = port_config(end, spec, name, fd);
	err = vhost_port_create(&c->ports, &config, &end->port);
	if (err) {
		end->port = NULL;
		return explain(err, name, end->path, why);
	}
	lay_wires(end);
	return 0;
}

struct cable_end *cable_find(struct cable *c, const char *name)
{
	for (uint32_t i = 0; i < CABLE_ENDS; i++)
		if (c->ends[i].port && strcmp(c->ends[i].port->port.iface.name, name) == 0)
			return &c->ends[i];
	return NULL;
}

uint32_t cable_count(const struct cable *c)
{
	return (c->ends[0].port != NULL) + (c->ends[1].port != NULL);
}
