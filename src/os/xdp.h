/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xdp - AF_XDP sockets: frames of one queue of a network interface in memory that the kernel and we share. Four rings go
 * with a socket, each with one producer and one consumer:
 *
 *	fill   us -> kernel   chunks of memory for frames that will come
 *	rx     kernel -> us   frames that came, in such chunks
 *	tx     us -> kernel   frames to be sent
 *	done   kernel -> us   chunks of frames that were
 *
 * To open such sockets and to load the program that leads frames to them takes privileges, to use them none. So whoever
 * may (ginnel-xdp-open) makes everything and sends it over a unix socket as one struct xdp_note with descriptors beside
 * it: the memory, sealed; the program's link to the interface; a packet socket that keeps the interface promiscuous and
 * knows its name; and the sockets, not bound yet. Until it binds them the receiver can map rings on any kernel. When the
 * last copy of the link is closed the program is gone, and the interface the kernel's own again.
 *
 * The memory is the opener's, because who registers it has its pages pinned, which is limited for those without privileges.
 */
#ifndef GINNEL_OS_XDP_H
#define GINNEL_OS_XDP_H

#include "base/check.h"

#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define XDP_MAX_QUEUES 8
/* Of each queue, both a power of two: as many chunks as its rings have places. */
#define XDP_RX_CHUNKS 2048u
#define XDP_TX_CHUNKS 1024u
#define XDP_CHUNKS    (XDP_RX_CHUNKS + XDP_TX_CHUNKS)
/* The kernel leaves so much free before each frame that comes. */
#define XDP_HEADROOM 256u
/* One is chosen by the interface's MTU. */
#define XDP_CHUNK_MIN 2048u
#define XDP_CHUNK_MAX 4096u

#define XDP_NOTE_VERSION 1

/* What an opener sends. */
struct xdp_note {
	uint32_t version;
	int32_t err; /* 0, or -errno, and why says what is to be done; then no descriptors */
	uint32_t n_queues;
	uint32_t if_queues; /* that the interface has: what arrives on others stays the kernel's */
	uint32_t chunk_len;
	uint32_t ifindex;
	uint32_t mode;   /* enum xdp_mode */
	uint32_t native; /* 1: the program runs in the driver */
	char why[256];
};

enum xdp_mode {
	XDP_MODE_ANY,
	XDP_MODE_ZERO_COPY,
	XDP_MODE_COPY,
};

/* Descriptors in the order in which they come. */
enum xdp_fd {
	XDP_FD_MEMORY,
	XDP_FD_LINK,
	XDP_FD_WATCH,
	XDP_FD_QUEUES, /* and the following */
	XDP_MAX_FDS = XDP_FD_QUEUES + XDP_MAX_QUEUES,
};

struct xdp_ring {
	uint32_t *producer, *consumer, *flags; /* shared with the kernel */
	void *slots;                           /* uint64_t of fill and done, struct xdp_desc of rx and tx */
	uint32_t mask;
	uint32_t at; /* our end's index */
	void *map;
	size_t map_len;
};

struct xdp_socket {
	int fd;
	uint8_t *memory; /* XDP_CHUNKS chunks: those for frames that come, then those for frames that leave */
	struct xdp_ring fill, rx, tx, done;
};

struct xdp {
	struct xdp_note note;
	int fds[XDP_MAX_FDS];
	uint8_t *memory;
	size_t memory_len;
	struct xdp_socket sockets[XDP_MAX_QUEUES];
};

/*
 * What an opener sent, or a process before us left: descriptors are the xdp's whatever is returned. Maps memory and rings
 * and touches none of them. 0, or -errno: -EPROTO if the parts do not fit together, -EBUSY if this kernel lets nobody map
 * the rings of a socket that is bound.
 */
int xdp_map(struct xdp *x, const struct xdp_note *note, const int *fds, uint32_t n_fds);
/* The chunks for frames that come go to the kernel, and the sockets hear. 0 or -errno. */
int xdp_bind(struct xdp *x);
void xdp_close(struct xdp *x);
/* Frames reach the socket without a copy in the kernel. */
bool xdp_is_zero_copy(const struct xdp *x, uint32_t queue);

/* Reads an answer that is there within some seconds. Returns the number of descriptors or -errno; fds has room for XDP_MAX_FDS. */
int xdp_note_recv(int socket, struct xdp_note *note, int *fds);

/* What went wrong when it was used. Writes to buf. */
const char *xdp_explain(int err, const char *name, char *buf, size_t len);

/* --- rings: one thread at a time each --- */

/* How many there are to take. */
static inline uint32_t xdp_ring_filled(const struct xdp_ring *r)
{
	uint32_t n = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) -
		     r->at; /* pairs with the other end's release */

	return likely(n <= r->mask + 1) ? n : 0;
}

/* How many places there are to put something. */
static inline uint32_t xdp_ring_free(const struct xdp_ring *r)
{
	uint32_t used = r->at - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);

	return likely(used <= r->mask + 1) ? r->mask + 1 - used : 0;
}

static inline void xdp_ring_took(struct xdp_ring *r, uint32_t n)
{
	r->at += n;
	__atomic_store_n(r->consumer, r->at, __ATOMIC_RELEASE);
}

static inline void xdp_ring_put(struct xdp_ring *r, uint32_t n)
{
	r->at += n;
	__atomic_store_n(r->producer, r->at, __ATOMIC_RELEASE);
}

/* The kernel wants a system call to go on with this ring. */
static inline bool xdp_ring_wants_call(const struct xdp_ring *r)
{
	return __atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

static inline struct xdp_desc *xdp_ring_desc(const struct xdp_ring *r, uint32_t i)
{
	return (struct xdp_desc *)r->slots + ((r->at + i) & r->mask);
}

static inline uint64_t *xdp_ring_addr(const struct xdp_ring *r, uint32_t i)
{
	return (uint64_t *)r->slots + ((r->at + i) & r->mask);
}

#endif
