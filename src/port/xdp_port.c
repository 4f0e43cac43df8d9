/* SPDX-License-Identifier: Apache-2.0 */
#include "port/xdp_port.h"

#include "base/log.h"
#include "os/child.h"
#include "os/packet_socket.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPENER "ginnel-xdp-open"

/* Ethernet header and two tags. */
#define FRAME_EXTRA 22

static struct xdp_port *xdp_of(struct port *port)
{
	return CONTAINER_OF(port, struct xdp_port, port);
}

static uint32_t n_queues(const struct xdp_port *xp)
{
	return xp->xdp.note.n_queues;
}

/* --- operations --- */

static void xdp_rx_watch(struct port *port, uint32_t queue, bool on)
{
	port_watch_fd(port, queue, xdp_of(port)->xdp.sockets[queue].fd, on);
}

/* The kernel's interface may be renamed, or removed. */
static void xdp_tick(struct port *port)
{
	struct xdp_port *xp = xdp_of(port);
	uint32_t mtu;

	if (xdp_port_is_gone(xp) || packet_socket_ask(xp->xdp.fds[XDP_FD_WATCH], xp->host_if, &mtu) == 0)
		return;
	log_warning("%s: the kernel's interface %s is gone: delete the port, and create it when it is back",
		port->iface.name, xp->host_if);
	__atomic_store_n(&xp->gone, true, __ATOMIC_RELAXED);
}

static bool xdp_connected(const struct port *port)
{
	return !xdp_port_is_gone(CONTAINER_OF(port, const struct xdp_port, port));
}

/* Its memory is sealed. */
static void xdp_check_memory(struct port *port)
{
}

static json_t *note_save(const struct xdp_note *note)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "queues", (json_int_t)note->n_queues,
		"interface-queues", (json_int_t)note->if_queues, "chunk", (json_int_t)note->chunk_len,
		"ifindex", (json_int_t)note->ifindex, "mode", (json_int_t)note->mode, "native",
		(json_int_t)note->native);
}

/* Where the rings stand is in the rings, and what waits there waits for the successor; but who has which chunk is not. */
static json_t *xdp_save(struct port *port, struct parcel *parcel)
{
	const struct xdp_port *xp = xdp_of(port);
	json_t *fds = json_array(), *stocks = json_array();

	for (uint32_t i = 0; i < XDP_FD_QUEUES + n_queues(xp); i++)
		json_array_append_new(fds, parcel_put(parcel, xp->xdp.fds[i]));
	for (uint32_t q = 0; q < n_queues(xp); q++)
		json_array_append_new(
			stocks, parcel_hex(xp->queues[q].stock, xp->queues[q].n_stock * sizeof(uint16_t)));
	return json_pack("{s:s, s:s*, s:o, s:o, s:o}", "host-interface", xp->host_if, "netns", xp->netns,
		"note", note_save(&xp->xdp.note), "descriptors", fds, "stocks", stocks);
}

static void xdp_resume(struct port *port)
{
}

static void xdp_port_close(struct port *port)
{
	for (uint32_t q = 0; q < n_queues(xdp_of(port)); q++)
		xdp_rx_watch(port, q, false);
}

static void xdp_destroy(struct port *port)
{
	struct xdp_port *xp = xdp_of(port);

	for (uint32_t q = 0; q < XDP_MAX_QUEUES; q++)
		pthread_spin_destroy(&xp->queues[q].tx_lock);
	xdp_close(&xp->xdp);
	free(xp->netns);
	free(xp);
}

static const struct port_ops xdp_ops = {
	.rx = xdp_rx,
	.rx_done = xdp_rx_done,
	.rx_arm = xdp_rx_arm,
	.rx_disarm = xdp_rx_disarm,
	.rx_watch = xdp_rx_watch,
	.tx = xdp_tx,
	.tick = xdp_tick,
	.connected = xdp_connected,
	.check_memory = xdp_check_memory,
	.save = xdp_save,
	.resume = xdp_resume,
	.close = xdp_port_close,
	.destroy = xdp_destroy,
};

struct xdp_port *xdp_port_of(struct port *port)
{
	return port && port->ops == &xdp_ops ? xdp_of(port) : NULL;
}

/* --- what is opened for us --- */

/* The one beside us, or the one in PATH. */
static const char *opener_path(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - sizeof("/" OPENER));
	char *slash;

	if (len > 0) {
		path[len] = '\0';
		slash = strrchr(path, '/');
		if (slash) {
			strcpy(slash + 1, OPENER);
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return OPENER;
}

/* Returns a socket on which the answer will be, or -errno. */
static int opener_start(const struct xdp_port_config *config, pid_t *pid)
{
	char path[PATH_MAX];
	const char *argv[14];
	uint32_t n = 0;

	argv[n++] = opener_path(path);
	argv[n++] = "--host-if";
	argv[n++] = config->host_if;
	argv[n++] = "--queues";
	argv[n++] = config->queues;
	argv[n++] = "--mode";
	argv[n++] = config->mode;
	if (config->netns) {
		argv[n++] = "--netns";
		argv[n++] = config->netns;
	}
	if (config->prog) {
		argv[n++] = "--prog";
		argv[n++] = config->prog;
	}
	argv[n] = NULL;
	return child_start((char *const *)(uintptr_t)argv, pid);
}

static int take_answer(struct xdp_port *xp, int socket, char why[256])
{
	int fds[XDP_MAX_FDS];
	struct xdp_note note;
	int n = xdp_note_recv(socket, &note, fds);

	if (n < 0)
		return n;
	if (note.err < 0) {
		for (int i = 0; i < n; i++)
			close(fds[i]);
		snprintf(why, 256, "%s", note.why);
		return note.err;
	}
	return xdp_map(&xp->xdp, &note, fds, (uint32_t)n);
}

/* One that ginneld was started with: what is its own goes to no other program. */
static int socket_given(int fd)
{
	int flags = fcntl(fd, F_GETFD), err;
	bool listens = false;

	if (flags < 0 || flags & FD_CLOEXEC || fd <= STDERR_FILENO)
		return -EBADF;
	err = unix_adopt(fd, &listens);
	return err || listens ? -EBADF : fd;
}

/* The control thread waits for the opener, which takes milliseconds. */
static int open_sockets(struct xdp_port *xp, const struct xdp_port_config *config, char why[256])
{
	pid_t pid = 0;
	int socket = config->fd >= 0 ? socket_given(config->fd) : opener_start(config, &pid), err;

	if (socket == -ENOENT)
		snprintf(why, 256,
			"there is no " OPENER " beside ginneld and none in PATH: install it, or create "
			"host-interface name %s instead",
			config->host_if);
	if (socket < 0)
		return socket;
	err = take_answer(xp, socket, why);
	close(socket);
	if (pid > 0)
		waitpid(pid, NULL, err == -ETIMEDOUT ? WNOHANG : 0);
	return err;
}

/* --- making one --- */

static struct xdp_port *xdp_alloc(const char *netns)
{
	struct xdp_port *xp = calloc(1, sizeof(*xp));

	if (!xp)
		return NULL;
	xp->port.ops = &xdp_ops;
	xp->port.iface.kind = "af_xdp";
	xp->netns = netns ? strdup(netns) : NULL;
	for (uint32_t i = 0; i < XDP_MAX_FDS; i++)
		xp->xdp.fds[i] = -1;
	for (uint32_t q = 0; q < XDP_MAX_QUEUES; q++) {
		pthread_spin_init(&xp->queues[q].tx_lock, PTHREAD_PROCESS_PRIVATE);
		xp->queues[q].socket = &xp->xdp.sockets[q];
		xdp_io_fill_stock(&xp->queues[q]);
	}
	return xp;
}

/* xp is in the list. */
static int xdp_start(struct xdp_port *xp)
{
	int err = 0;

	for (uint32_t q = 0; q < n_queues(xp) && err == 0; q++) {
		err = port_rx_start(&xp->port, q);
		if (err == 0)
			xdp_rx_watch(&xp->port, q, true);
	}
	return err;
}

/* What does not fit the interface would not leave it, and what does not fit a chunk could not be put there. */
static uint32_t mtu_of(const struct xdp_port *xp, uint32_t mtu)
{
	return min_u32(mtu, xp->xdp.note.chunk_len - FRAME_EXTRA);
}

static int xdp_list(struct ports *ports, struct xdp_port *xp, const struct xdp_port_config *config)
{
	uint32_t mtu = IFACE_MTU_DEFAULT;
	char prefix[IFNAMSIZ + 1];
	int err = packet_socket_ask(xp->xdp.fds[XDP_FD_WATCH], xp->host_if, &mtu);

	if (err)
		return err;
	snprintf(prefix, sizeof(prefix), "%.*s/", IFNAMSIZ - 1, xp->host_if);
	port_pick_name(ports, &xp->port, prefix, -1);
	if (config->name)
		snprintf(xp->port.iface.name, IFACE_NAME_LEN, "%s", config->name);
	port_pick_mac(ports, &xp->port, config->mac);
	err = port_add(ports, &xp->port);
	if (err == 0)
		__atomic_store_n(&xp->port.iface.mtu, mtu_of(xp, mtu), __ATOMIC_RELAXED);
	return err;
}

static void explain(int err, const struct xdp_port_config *config, const struct xdp_port *xp, char why[256])
{
	const char *host_if = xp->host_if[0] ? xp->host_if : config->host_if;

	if (why[0])
		return;
	if (err == -EEXIST)
		snprintf(why, 256, "%s exists: choose another name", config->name);
	else if (err == -ENOSPC)
		snprintf(why, 256, "there are %d interfaces already: delete one first", IFACE_MAX);
	else
		xdp_explain(err, host_if[0] ? host_if : "the interface", why, 256);
}

int xdp_port_create(
	struct ports *ports, const struct xdp_port_config *config, struct xdp_port **out, char why[256])
{
	struct xdp_port *xp = xdp_alloc(config->netns);
	bool listed = false;
	int err;

	snprintf(why, 256, "out of memory");
	if (!xp)
		return -ENOMEM;
	why[0] = '\0';
	err = open_sockets(xp, config, why);
	if (err == 0)
		err = xdp_list(ports, xp, config);
	listed = err == 0;
	if (err == 0)
		err = xdp_bind(&xp->xdp);
	if (err == 0)
		err = xdp_start(xp);
	*out = xp;
	if (err == 0)
		return 0;
	explain(err, config, xp, why);
	if (listed)
		port_remove(&xp->port);
	else
		xdp_destroy(&xp->port);
	return err;
}

/* --- in a successor process --- */

static void take_note(struct xdp_note *note, const json_t *state)
{
	*note = (struct xdp_note){
		.version = XDP_NOTE_VERSION,
		.n_queues = (uint32_t)parcel_u64(state, "queues", 0),
		.if_queues = (uint32_t)parcel_u64(state, "interface-queues", 0),
		.chunk_len = (uint32_t)parcel_u64(state, "chunk", 0),
		.ifindex = (uint32_t)parcel_u64(state, "ifindex", 0),
		.mode = (uint32_t)parcel_u64(state, "mode", XDP_MODE_ANY),
		.native = (uint32_t)parcel_u64(state, "native", 0),
	};
}

static uint32_t take_fds(const json_t *names, struct parcel *parcel, int fds[XDP_MAX_FDS])
{
	const json_t *name;
	uint32_t n = 0;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)names, i, name)
		if (n < XDP_MAX_FDS)
			fds[n++] = parcel_take(parcel, name);
	return n;
}

static int take_stock(struct xdp_queue *q, const json_t *hex)
{
	int len = parcel_bytes(hex, q->stock, sizeof(q->stock));

	if (len < 0)
		return len;
	q->n_stock = (uint32_t)len / sizeof(q->stock[0]);
	for (uint32_t i = 0; i < q->n_stock; i++)
		if (q->stock[i] < XDP_RX_CHUNKS || q->stock[i] >= XDP_CHUNKS)
			return -EINVAL;
	return 0;
}

static int take_state(struct xdp_port *xp, const json_t *state, struct parcel *parcel)
{
	int fds[XDP_MAX_FDS], err;
	struct xdp_note note;
	uint32_t n = take_fds(json_object_get(state, "descriptors"), parcel, fds);

	take_note(&note, json_object_get(state, "note"));
	snprintf(xp->host_if, sizeof(xp->host_if), "%s", parcel_str(state, "host-interface", ""));
	err = xdp_map(&xp->xdp, &note, fds, n);
	if (err == -EBUSY)
		log_error("AF_XDP on %s: only Linux 6.4 and newer let another process take over its rings: "
			  "delete the "
			  "port, "
			  "and create it again afterwards",
			xp->host_if);
	for (uint32_t q = 0; q < note.n_queues && err == 0; q++)
		err = take_stock(&xp->queues[q], json_array_get(json_object_get(state, "stocks"), q));
	return err;
}

int xdp_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	struct xdp_port *xp = xdp_alloc(parcel_str(state, "netns", NULL));
	int err;

	if (!xp)
		return -ENOMEM;
	err = take_state(xp, state, parcel);
	if (err == 0)
		err = port_add_restored(ports, &xp->port, state);
	if (err) {
		xdp_destroy(&xp->port);
		return err;
	}
	err = xdp_start(xp);
	if (err)
		port_remove(&xp->port);
	*out = &xp->port;
	return err;
}
