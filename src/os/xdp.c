/* SPDX-License-Identifier: Apache-2.0 */
#include "os/xdp.h"

#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 5000

/* --- rings --- */

static int ring_map(struct xdp_ring *r, int fd, const struct xdp_ring_offset *off, uint32_t n,
	uint32_t slot_len, uint64_t page)
{
	uint8_t *map;

	r->map_len = off->desc + (size_t)n * slot_len;
	map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);
	if (map == MAP_FAILED)
		return -errno;
	r->map = map;
	r->producer = (uint32_t *)(void *)(map + off->producer);
	r->consumer = (uint32_t *)(void *)(map + off->consumer);
	r->flags = (uint32_t *)(void *)(map + off->flags);
	r->slots = map + off->desc;
	r->mask = n - 1;
	return 0;
}

static void ring_unmap(struct xdp_ring *r)
{
	if (r->map)
		munmap(r->map, r->map_len);
	r->map = NULL;
}

/* Where either end stands is in the rings themselves. */
static int socket_map(struct xdp_socket *s)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int err;

	if (getsockopt(s->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) != 0)
		return -errno;
	if (len != sizeof(off))
		return -EPROTO;
	err = ring_map(&s->fill, s->fd, &off.fr, XDP_RX_CHUNKS, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
	if (err == 0)
		err = ring_map(&s->done, s->fd, &off.cr, XDP_TX_CHUNKS, sizeof(uint64_t),
			XDP_UMEM_PGOFF_COMPLETION_RING);
	if (err == 0)
		err = ring_map(
			&s->rx, s->fd, &off.rx, XDP_RX_CHUNKS, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	if (err == 0)
		err = ring_map(
			&s->tx, s->fd, &off.tx, XDP_TX_CHUNKS, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
	if (err)
		return err;
	s->fill.at = *s->fill.producer;
	s->tx.at = *s->tx.producer;
	s->rx.at = *s->rx.consumer;
	s->done.at = *s->done.consumer;
	return 0;
}

/* --- what comes from an opener --- */

static bool note_fits(const struct xdp_note *n, uint32_t n_fds)
{
	return n->version == XDP_NOTE_VERSION && n->err == 0 && n->n_queues > 0 &&
	       n->n_queues <= XDP_MAX_QUEUES && n_fds == XDP_FD_QUEUES + n->n_queues &&
	       n->mode <= XDP_MODE_COPY && (n->chunk_len == XDP_CHUNK_MIN || n->chunk_len == XDP_CHUNK_MAX);
}

/* Nobody can cut it short under us. */
static int memory_map(struct xdp *x)
{
	int fd = x->fds[XDP_FD_MEMORY], seals = fcntl(fd, F_GET_SEALS);
	off_t len = lseek(fd, 0, SEEK_END);
	void *memory;

	x->memory_len = (size_t)x->note.n_queues * XDP_CHUNKS * x->note.chunk_len;
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || len < 0 || (size_t)len < x->memory_len)
		return -EPROTO;
	memory = mmap(NULL, x->memory_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	x->memory = memory;
	return 0;
}

static bool is_xdp_socket(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_XDP;
}

int xdp_map(struct xdp *x, const struct xdp_note *note, const int *fds, uint32_t n_fds)
{
	int err = note_fits(note, n_fds) ? 0 : -EPROTO;

	*x = (struct xdp){.note = *note};
	for (uint32_t i = 0; i < XDP_MAX_FDS; i++)
		x->fds[i] = i < n_fds ? fds[i] : -1;
	if (err == 0)
		err = memory_map(x);
	for (uint32_t i = 0; err == 0 && i < note->n_queues; i++) {
		struct xdp_socket *s = &x->sockets[i];

		s->fd = x->fds[XDP_FD_QUEUES + i];
		s->memory = x->memory + (size_t)i * XDP_CHUNKS * note->chunk_len;
		err = is_xdp_socket(s->fd) ? socket_map(s) : -EPROTO;
	}
	if (err)
		xdp_close(x);
	return err;
}

static void fill_all(struct xdp_socket *s, uint32_t chunk_len)
{
	for (uint32_t i = 0; i < XDP_RX_CHUNKS; i++)
		*xdp_ring_addr(&s->fill, i) = (uint64_t)i * chunk_len;
	xdp_ring_put(&s->fill, XDP_RX_CHUNKS);
}

int xdp_bind(struct xdp *x)
{
	static const uint16_t flags[] = {
		[XDP_MODE_ZERO_COPY] = XDP_ZEROCOPY, [XDP_MODE_COPY] = XDP_COPY, [XDP_MODE_ANY] = 0};

	for (uint32_t i = 0; i < x->note.n_queues; i++) {
		const struct sockaddr_xdp where = {
			.sxdp_family = AF_XDP,
			.sxdp_ifindex = x->note.ifindex,
			.sxdp_queue_id = i,
			.sxdp_flags = flags[x->note.mode] | XDP_USE_NEED_WAKEUP,
		};

		fill_all(&x->sockets[i], x->note.chunk_len);
		if (bind(x->sockets[i].fd, (const struct sockaddr *)&where, sizeof(where)) != 0)
			return -errno;
	}
	return 0;
}

void xdp_close(struct xdp *x)
{
	for (uint32_t i = 0; i < XDP_MAX_QUEUES; i++) {
		ring_unmap(&x->sockets[i].fill);
		ring_unmap(&x->sockets[i].rx);
		ring_unmap(&x->sockets[i].tx);
		ring_unmap(&x->sockets[i].done);
	}
	if (x->memory)
		munmap(x->memory, x->memory_len);
	x->memory = NULL;
	for (uint32_t i = 0; i < XDP_MAX_FDS; i++) {
		if (x->fds[i] >= 0)
			close(x->fds[i]);
		x->fds[i] = -1;
	}
}

bool xdp_is_zero_copy(const struct xdp *x, uint32_t queue)
{
	struct xdp_options options = {0};
	socklen_t len = sizeof(options);

	return getsockopt(x->sockets[queue].fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0 &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY);
}

int xdp_note_recv(int socket, struct xdp_note *note, int *fds)
{
	struct pollfd p = {.fd = socket, .events = POLLIN};
	struct unix_cargo cargo = {0};
	ssize_t n;

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	n = unix_recv(socket, note, sizeof(*note), &cargo);
	if (n < 0)
		return (int)n;
	note->why[sizeof(note->why) - 1] = '\0';
	if (n == 0) { /* it ended without a word */
		unix_cargo_close(&cargo);
		return -EPIPE;
	}
	if (n != sizeof(*note) || note->version != XDP_NOTE_VERSION || cargo.truncated ||
		cargo.n_fds > XDP_MAX_FDS) {
		unix_cargo_close(&cargo);
		return -EPROTO;
	}
	memcpy(fds, cargo.fds, cargo.n_fds * sizeof(*fds));
	return (int)cargo.n_fds;
}

const char *xdp_explain(int err, const char *name, char *buf, size_t len)
{
	switch (-err) {
	case EOPNOTSUPP:
		snprintf(buf, len, "the driver of %s does not do that without a copy: leave out zero-copy",
			name);
		break;
	case EBUSY:
		snprintf(buf, len, "a queue of %s has a socket of another program already: end that", name);
		break;
	case EINVAL:
		snprintf(buf, len, "%s has fewer queues than that: see ethtool -l %s", name, name);
		break;
	case ENETDOWN:
		snprintf(buf, len, "%s is down: ip link set %s up", name, name);
		break;
	case EBADF:
		snprintf(buf, len,
			"this descriptor is no connected unix socket that ginneld was started with");
		break;
	case EPROTO:
		snprintf(buf, len, "what came is not what ginnel-xdp-open of this version sends");
		break;
	case EPIPE:
		snprintf(buf, len, "ginnel-xdp-open ended without an answer");
		break;
	case ETIMEDOUT:
		snprintf(buf, len, "ginnel-xdp-open does not answer");
		break;
	default:
		snprintf(buf, len, "AF_XDP on %s: %s", name, strerror(-err));
	}
	return buf;
}
