/* SPDX-License-Identifier: Apache-2.0 */
#include "port/stream_port.h"

#include "os/clock.h"
#include "os/foreign.h"
#include "os/child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

/* Who breaks the rules is not listened to for a while. */
#define PAUSE_NS NS_PER_S

/* Frames on their way to a peer that reads them late. */
#define SEND_BUFFER (1 << 20)

static void log_peer(struct stream_port *sp, enum log_level level, const char *what, const char *why)
{
	log_limited(&sp->limit, loop_now(sp->port.ports->config.loop), level, "%s: %s%s%s",
		sp->port.iface.name, what, *why ? ": " : "", why);
}

const char *stream_end_text(enum stream_end why)
{
	static const char *const texts[] = {
		[STREAM_GOES_ON] = "",
		[STREAM_CLOSED] = "the peer closed it",
		[STREAM_LENGTH] = "the peer sent a length that no frame has",
		[STREAM_TORN] = "the socket took a part of a frame only",
		[STREAM_ERROR] = "the socket failed",
	};

	return texts[why];
}

/* --- a connection --- */

static void stream_rx_watch(struct port *port, uint32_t queue, bool on)
{
	const struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);

	if (!sp->conn)
		return;
	port_watch_fd(port, queue, sp->conn->fd, on);
	port_watch_fd(port, queue, sp->timer, on);
}

static void conn_close(struct stream_port *sp)
{
	struct stream_conn *conn = sp->conn;

	if (!conn)
		return;
	loop_watch_del(sp->port.ports->config.loop, &sp->watch);
	stream_rx_watch(&sp->port, 0, false);
	rcu_publish(sp->conn, NULL);
	rcu_wait();
	port_rx_stop(&sp->port, 0);
	foreign_close(conn->fd);
	free(conn);
}

static void on_end(void *arg, uint32_t events)
{
	struct stream_port *sp = arg;

	sp->why = stream_ended(sp->conn);
	if (sp->why == STREAM_GOES_ON)
		sp->why = STREAM_CLOSED;
	sp->bad_ends += sp->why != STREAM_CLOSED;
	log_peer(sp, LOG_LEVEL_INFO, "connection over", stream_end_text(sp->why));
	conn_close(sp);
	link_next(&sp->link, sp->why == STREAM_CLOSED ? 0 : PAUSE_NS);
}

static int conn_begin(struct stream_port *sp, struct stream_conn *conn)
{
	int err;

	rcu_publish(sp->conn, conn);
	err = loop_watch_add(sp->port.ports->config.loop, &sp->watch, conn->fd, EPOLLRDHUP);
	if (err == 0)
		err = port_rx_start(&sp->port, 0);
	if (err)
		conn_close(sp);
	else
		stream_rx_watch(&sp->port, 0, true);
	return err;
}

int stream_port_connected(struct stream_port *sp, int fd, const void *bytes, uint32_t len)
{
	struct stream_conn *conn = malloc(sizeof(*conn));
	int room = SEND_BUFFER;

	if (!conn) {
		foreign_close(fd);
		return -ENOMEM;
	}
	conn->fd = fd;
	conn->ended = STREAM_GOES_ON;
	conn->drained = false;
	conn->looked_ns = 0;
	conn->start = 0;
	conn->n_waiting = conn->n_taken = 0;
	conn->now_ns = conn->progress_ns = conn->never_ns = 0;
	conn->keep.never = NULL;
	conn->end = min_u32(len, STREAM_BUFFER);
	if (conn->end > 0)
		memcpy(conn->buffer, bytes, conn->end);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	sp->connections++;
	return conn_begin(sp, conn);
}

/* --- how it comes about --- */

static void on_opened(void *arg, int fd)
{
	struct stream_port *sp = arg;
	int err = stream_port_connected(sp, fd, NULL, 0);

	if (err) {
		log_peer(sp, LOG_LEVEL_ERROR, "connection given up", strerror(-err));
		link_next(&sp->link, PAUSE_NS);
		return;
	}
	log_peer(sp, LOG_LEVEL_INFO, "connected", "");
}

static void on_failed(void *arg, int err)
{
}

static void on_crowded(void *arg)
{
	log_peer(arg, LOG_LEVEL_INFO, "somebody else waits until the peer that is there leaves", "");
}

/* The program that we started has ended; the tick starts it again. */
static void on_over(void *arg)
{
	struct stream_port *sp = arg;

	link_stop(&sp->link);
	sp->linked = false;
}

static const struct link_events events = {
	.opened = on_opened, .failed = on_failed, .crowded = on_crowded, .over = on_over};

/*
 * In the foreground, as it ends with our end of its socket. We are 10.0.2.15 for user_net, the host's loopback is behind
 * the gateway 10.0.2.2 and its resolver behind 10.0.2.3: what QEMU's users know.
 */
static int spawn_passt(struct stream_port *sp)
{
	static const char *const as_host[] = {"passt", "--foreground", "--quiet", "--fd", "3", NULL};
	static const char *const user_net[] = {"passt", "--foreground", "--quiet", "--fd", "3", "--ipv4-only",
		"--address", "10.0.2.15", "--netmask", "24", "--gateway", "10.0.2.2", "--dns-forward",
		"10.0.2.3", NULL};

	return child_start((char *const *)(uintptr_t)(sp->user_net ? user_net : as_host), &sp->pid);
}

int stream_port_open(struct stream_port *sp)
{
	struct link_config config = {.path = sp->path, .fd = -1, .server = sp->server, .mode = sp->mode};
	int err;

	if (!sp->path) {
		config.fd = spawn_passt(sp);
		if (config.fd < 0)
			return config.fd == -ENOENT ? -ENOEXEC : config.fd;
	}
	err = link_start(&sp->link, &config);
	if (err && config.fd >= 0)
		foreign_close(config.fd);
	sp->linked = err == 0;
	return err;
}

/* --- operations --- */

static void stream_tick(struct port *port)
{
	struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);

	if (sp->pid > 0 && child_reap(sp->pid))
		sp->pid = 0;
	if (sp->linked)
		return;
	if (stream_port_open(sp) != 0)
		log_peer(sp, LOG_LEVEL_WARNING, "passt does not start", "is it installed?");
}

static bool stream_connected(const struct port *port)
{
	return CONTAINER_OF(port, const struct stream_port, port)->conn != NULL;
}

/* None of its memory is anybody else's. */
static void stream_check_memory(struct port *port)
{
}

static void stream_close(struct port *port)
{
	struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);

	conn_close(sp);
	if (sp->linked)
		link_stop(&sp->link);
	sp->linked = false;
}

static void stream_destroy(struct port *port)
{
	struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);

	if (sp->pid > 0)
		child_reap(sp->pid);
	if (sp->timer >= 0)
		close(sp->timer);
	free(sp->scratch);
	free(sp->path);
	free(sp);
}

static const struct port_ops stream_ops = {
	.rx = stream_rx,
	.rx_done = stream_rx_done,
	.rx_arm = stream_rx_arm,
	.rx_disarm = stream_rx_disarm,
	.rx_watch = stream_rx_watch,
	.tx = stream_tx,
	.tick = stream_tick,
	.connected = stream_connected,
	.check_memory = stream_check_memory,
	.save = stream_port_save,
	.resume = stream_port_resume,
	.close = stream_close,
	.destroy = stream_destroy,
};

struct stream_port *stream_port_of(struct port *port)
{
	return port && port->ops == &stream_ops ? CONTAINER_OF(port, struct stream_port, port) : NULL;
}

struct stream_port *stream_port_alloc(const struct ports *ports, const struct stream_config *config)
{
	struct stream_port *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return NULL;
	sp->port.ops = &stream_ops;
	sp->port.iface.kind = config->passt ? "passt" : "stream";
	sp->server = config->server;
	sp->mode = config->mode;
	sp->user_net = config->user_net;
	loop_watch_init(&sp->watch, on_end, sp);
	sp->link = (struct link){.loop = ports->config.loop, .events = &events, .arg = sp};
	sp->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	sp->scratch = calloc(ports->config.n_workers, SOCKET_IO_SCRATCH);
	sp->path = config->path ? strdup(config->path) : NULL;
	if (sp->timer >= 0 && sp->scratch && (sp->path || !config->path))
		return sp;
	stream_destroy(&sp->port);
	return NULL;
}

int stream_port_create(struct ports *ports, const struct stream_config *config, struct stream_port **out)
{
	struct stream_port *sp = stream_port_alloc(ports, config);
	int err;

	if (!sp)
		return -ENOMEM;
	port_pick_name(ports, &sp->port, sp->port.iface.kind, -1);
	port_pick_mac(ports, &sp->port, config->mac);
	err = port_add(ports, &sp->port);
	if (err) {
		stream_destroy(&sp->port);
		return err;
	}
	err = stream_port_open(sp);
	if (err) {
		port_remove(&sp->port);
		return err;
	}
	*out = sp;
	return 0;
}
