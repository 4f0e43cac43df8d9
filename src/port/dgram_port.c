/* SPDX-License-Identifier: Apache-2.0 */
#include "port/dgram_port.h"

#include "os/foreign.h"
#include "os/unix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEND_BUFFER (1 << 20)

static struct dgram_port *dgram_of(struct port *port)
{
	return CONTAINER_OF(port, struct dgram_port, port);
}

/* --- operations --- */

static uint32_t dgram_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	return socket_queue_rx(&dgram_of(port)->queue, &port->iface, turn, max);
}

/* The memory of the bodies is used again. */
static void dgram_rx_done(struct port *port, uint32_t queue)
{
}

static bool dgram_rx_arm(struct port *port, uint32_t queue)
{
	return socket_queue_arm(&dgram_of(port)->queue);
}

static void dgram_rx_disarm(struct port *port, uint32_t queue)
{
	socket_queue_disarm(&dgram_of(port)->queue);
}

static void dgram_rx_watch(struct port *port, uint32_t queue, bool on)
{
	port_watch_fd(port, queue, dgram_of(port)->queue.fd, on);
}

static void dgram_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	const struct dgram_port *dp = dgram_of(port);
	const struct socket_sender sender = {
		.fd = dp->queue.fd,
		.prefix = SOCKET_PREFIX_NONE,
		.mtu_max = IFACE_MTU_MAX,
		.scratch = dp->scratch + (size_t)turn->worker * SOCKET_IO_SCRATCH,
	};

	socket_send(&sender, &port->iface, turn, pkts, n);
}

/* One that came back at the same path is another. */
static void dgram_tick(struct port *port)
{
	struct dgram_port *dp = dgram_of(port);

	dp->connected = unix_dgram_connect(dp->queue.fd, dp->remote) == 0;
}

static bool dgram_connected(const struct port *port)
{
	return CONTAINER_OF(port, const struct dgram_port, port)->connected;
}

/* None of its memory is anybody else's. */
static void dgram_check_memory(struct port *port)
{
}

/* What waits in the socket waits for the successor. */
static json_t *dgram_save(struct port *port, struct parcel *parcel)
{
	const struct dgram_port *dp = dgram_of(port);

	return json_pack("{s:s, s:s, s:I, s:I, s:o}", "local", dp->local, "remote", dp->remote, "device",
		(json_int_t)dp->dev, "inode", (json_int_t)dp->ino, "socket",
		parcel_put(parcel, dp->queue.fd));
}

static void dgram_resume(struct port *port)
{
}

static void dgram_close(struct port *port)
{
	struct dgram_port *dp = dgram_of(port);
	struct stat st;

	dgram_rx_watch(port, 0, false);
	if (lstat(dp->local, &st) == 0 && st.st_dev == dp->dev && st.st_ino == dp->ino)
		unlink(dp->local);
}

static void dgram_destroy(struct port *port)
{
	struct dgram_port *dp = dgram_of(port);

	socket_queue_fini(&dp->queue);
	if (dp->queue.fd >= 0)
		foreign_close(dp->queue.fd);
	free(dp->scratch);
	free(dp->local);
	free(dp->remote);
	free(dp);
}

static const struct port_ops dgram_ops = {
	.rx = dgram_rx,
	.rx_done = dgram_rx_done,
	.rx_arm = dgram_rx_arm,
	.rx_disarm = dgram_rx_disarm,
	.rx_watch = dgram_rx_watch,
	.tx = dgram_tx,
	.tick = dgram_tick,
	.connected = dgram_connected,
	.check_memory = dgram_check_memory,
	.save = dgram_save,
	.resume = dgram_resume,
	.close = dgram_close,
	.destroy = dgram_destroy,
};

struct dgram_port *dgram_port_of(struct port *port)
{
	return port && port->ops == &dgram_ops ? dgram_of(port) : NULL;
}

/* --- making one --- */

/* fd becomes the port's, and is closed on error. */
static struct dgram_port *dgram_alloc(
	const struct ports *ports, const char *local, const char *remote, int fd)
{
	struct dgram_port *dp = calloc(1, sizeof(*dp));
	int room = SEND_BUFFER;

	if (!dp) {
		foreign_close(fd);
		return NULL;
	}
	dp->port.ops = &dgram_ops;
	dp->port.iface.kind = "dgram";
	dp->local = strdup(local);
	dp->remote = strdup(remote);
	dp->scratch = calloc(ports->config.n_workers, SOCKET_IO_SCRATCH);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (socket_queue_init(&dp->queue, fd, false, false) == 0 && dp->local && dp->remote && dp->scratch)
		return dp;
	dgram_destroy(&dp->port);
	return NULL;
}

/* dp is in the list. */
static int dgram_start(struct dgram_port *dp)
{
	int err = port_rx_start(&dp->port, 0);

	if (err)
		return err;
	dgram_rx_watch(&dp->port, 0, true);
	dgram_tick(&dp->port);
	return 0;
}

/* On error the file is removed with the port. */
static int dgram_list(struct ports *ports, struct dgram_port *dp, const uint8_t mac[6])
{
	struct stat st;
	int err;

	if (lstat(dp->local, &st) == 0) {
		dp->dev = st.st_dev;
		dp->ino = st.st_ino;
	}
	port_pick_name(ports, &dp->port, "dgram", -1);
	port_pick_mac(ports, &dp->port, mac);
	err = port_add(ports, &dp->port);
	if (err) {
		unlink(dp->local);
		dgram_destroy(&dp->port);
		return err;
	}
	err = dgram_start(dp);
	if (err)
		port_remove(&dp->port);
	return err;
}

int dgram_port_create(struct ports *ports, const struct dgram_config *config, struct dgram_port **out)
{
	int fd = unix_dgram(config->local, config->mode);

	if (fd < 0)
		return fd;
	*out = dgram_alloc(ports, config->local, config->remote, fd);
	if (!*out) {
		unlink(config->local);
		return -ENOMEM;
	}
	return dgram_list(ports, *out, config->mac);
}

int dgram_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	int fd = parcel_take(parcel, json_object_get(state, "socket")), err;
	struct dgram_port *dp;

	if (fd < 0)
		return -EBADF;
	dp = dgram_alloc(ports, parcel_str(state, "local", ""), parcel_str(state, "remote", ""), fd);
	if (!dp)
		return -ENOMEM;
	dp->dev = (dev_t)parcel_u64(state, "device", 0);
	dp->ino = (ino_t)parcel_u64(state, "inode", 0);
	err = port_add_restored(ports, &dp->port, state);
	if (err) {
		dgram_destroy(&dp->port);
		return err;
	}
	err = dgram_start(dp);
	if (err)
		port_remove(&dp->port);
	*out = &dp->port;
	return err;
}
