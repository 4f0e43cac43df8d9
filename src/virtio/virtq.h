/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtq - the device's side of one virtqueue in a guest's memory: a split ring (virtio 1.2, 2.7) or a packed one (2.8).
 *
 *	guest:   fills descriptors --> makes them available
 *	device:  virtq_available(), virtq_pop() ... virtq_push(), virtq_flush() --> used, call
 *
 * The guest may write anything at any time. Each foreign value is read once into a local, checked, and the local is
 * used; our own position lives in this struct, never in guest memory. The first nonsense makes the queue broken:
 * `error` says what it was, and from then on the queue offers nothing.
 *
 * What virtq_push() returns becomes visible together, by one store in virtq_flush(): of the index in a split ring, and
 * in a packed one of the first used descriptor, since the guest reads them in order.
 *
 * Places in a packed ring: virtio/packed.h.
 *
 * Threads: one owner at a time. While the queue is started that is the worker (or whoever holds the port's
 * transmit lock); while it is stopped, control.
 */
#ifndef GINNEL_VIRTIO_VIRTQ_H
#define GINNEL_VIRTIO_VIRTQ_H

#include "os/bell.h"
#include "virtio/dirty_log.h"
#include "virtio/gmem.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VIRTQ_MAX_SIZE 32768
/*
 * Descriptors in one chain, direct or indirect. Empty ones add no piece, so this bounds the work for a chain. Linux
 * makes indirect tables longer than a tiny ring; QEMU stops at this length too.
 */
#define VIRTQ_MAX_CHAIN 1024

enum virtq_error {
	VIRTQ_OK,
	VIRTQ_AVAIL_JUMPED,
	VIRTQ_HEAD_RANGE,
	VIRTQ_NEXT_RANGE,
	VIRTQ_CHAIN_LOOP,
	VIRTQ_CHAIN_LONG,
	VIRTQ_ADDRESS,
	VIRTQ_DIRECTION,
	VIRTQ_INDIRECT_TABLE,
	VIRTQ_NO_ROOM,
	VIRTQ_CALL_BLOCKS,
	VIRTQ_ERROR_COUNT,
};

/* "avail index jumped by more than the ring holds", ... */
const char *virtq_error_text(enum virtq_error error);

/* A piece of a guest's buffer, checked. */
struct virtq_seg {
	uint8_t *addr;
	uint32_t len;
};

/* What it takes to give a buffer back. */
struct virtq_buffer {
	uint16_t id;    /* of the chain's head, or in a packed ring the driver's buffer id */
	uint16_t slots; /* places it holds in the ring: 1, or in a packed ring one for each descriptor */
};

/* A buffer of one piece, and what it takes to give it back: its place in a packed ring is one slot. */
struct virtq_plain {
	uint8_t *addr;
	uint32_t len; /* room, or bytes to read; virtq_push_plain(): bytes written */
	uint16_t id;
};

/* A buffer that is only read, of one piece or several. */
struct virtq_pieces {
	struct virtq_seg *segs;
	uint32_t n;
	uint64_t len; /* of all pieces */
	struct virtq_buffer buffer;
};

/* One buffer of the guest. The caller provides segs[max]; readable pieces come first, then writable ones. */
struct virtq_chain {
	struct virtq_seg *segs;
	uint32_t max;
	uint32_t n_read, n_write;
	uint64_t read_len, write_len;
	struct virtq_buffer buffer;
	uint32_t n_descs; /* of the ring's, that the driver lacks until the buffer is returned */
};

struct virtq {
	/* read for every packet */
	union {
		struct {
			struct vring_desc *desc;
			struct vring_avail *avail;
			struct vring_used *used;
		};
		struct {
			struct vring_packed_desc *slots;
			struct vring_packed_desc_event *driver_event; /* when it wants calls */
			struct vring_packed_desc_event *device_event; /* when we want kicks */
		};
	};
	const struct gmem *mem;
	const struct gmem_region *hint,
		*table_hint; /* where the last buffer lay, and the last indirect table */
	uint16_t size;       /* 0 while stopped; of a split ring a power of two */
	uint16_t next_avail; /* the head we take next: an index, or in a packed ring a place */
	uint16_t next_used;  /* the used entry we fill next */
	uint16_t
		flushed_used; /* the first one the guest does not see; written by the owner, read by control */
	bool packed;
	union {
		struct { /* split */
			uint16_t mask;
			uint16_t avail_seen; /* avail->idx when we last looked */
		};
		struct { /* packed: the used descriptor at flushed_used, not written before all others are */
			uint16_t held_id;
			uint32_t held_len;
		};
	};
	bool event_idx;
	bool indirect;
	bool always_call; /* a call is due whatever the guest asked: its view may be stale after a start */
	enum virtq_error error;
	/* off the fast path */
	struct bell call, err;       /* the guest's interrupt; the front-end, when the queue breaks */
	const struct dirty_log *log; /* NULL: no migration going on */
	bool log_used;               /* the used ring of a split ring is logged too, at log_used_gpa */
	uint64_t log_used_gpa;
	uint64_t log_slots_gpa, log_event_gpa; /* what we write of a packed ring */
	/* counters, read by control while the owner writes */
	uint64_t calls;
	uint64_t calls_saved; /* flushes after which the guest did not want a call */
};

/* Where control wants the queue. Addresses are the front-end's. */
struct virtq_setup {
	uint32_t size;
	uint32_t base; /* as SET_VRING_BASE carries it */
	/*
	 * The ring starts anew, so what the guest's memory says of our last life counts more than base: a back-end
	 * died with buffers it had taken, or the base is from long ago. Otherwise: go on exactly at base.
	 */
	bool fresh;
	/* of a packed ring: the descriptors, the driver's event area, the device's */
	uint64_t desc_uaddr, avail_uaddr, used_uaddr;
	uint64_t features; /* VIRTIO_RING_F_* and VIRTIO_F_RING_PACKED are looked at */
	struct bell call, err;
};

/*
 * Checks and translates, and takes up work at setup->base. 0, or -EINVAL with a sentence in *why. mem must outlive the
 * queue's work; counters survive a restart.
 */
int virtq_start(struct virtq *q, const struct gmem *mem, const struct virtq_setup *setup, const char **why);
/* The owner has let go of the queue: what it pushed is flushed. Returns the base at which to go on; 0 if stopped. */
uint32_t virtq_stop(struct virtq *q);

/* Marks the queue broken; the first reason stays. Rings err. Always returns -EPROTO. */
int virtq_break(struct virtq *q, enum virtq_error error);

static inline uint16_t virtq_load16(const __virtio16 *p, int order)
{
	return order == __ATOMIC_ACQUIRE ? __atomic_load_n(p, __ATOMIC_ACQUIRE)
					 : __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Look at the ring again; 0 when it is broken or stopped. */
uint32_t virtq_split_refresh(struct virtq *q);
uint32_t virtq_packed_available(struct virtq *q, uint32_t wanted);

/*
 * Has the guest given us buffers that we have not taken? 0: none. Otherwise there is at least one; more is a hint how
 * many there may be.
 */
static inline uint32_t virtq_available(struct virtq *q, uint32_t wanted)
{
	uint32_t n;

	if (q->packed)
		return virtq_packed_available(q, wanted);
	n = (uint16_t)(q->avail_seen - q->next_avail);
	return n >= wanted ? n : virtq_split_refresh(q);
}

int virtq_split_pop(struct virtq *q, struct virtq_chain *chain);
int virtq_packed_pop(struct virtq *q, struct virtq_chain *chain);

/*
 * Takes the next buffer. 1: taken; 0: there is none; -EPROTO: the queue is broken now. -ENOSPC: chain->max pieces are
 * too few; nothing is taken, but chain->buffer says what virtq_skip() takes.
 */
static inline int virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	return q->packed ? virtq_packed_pop(q, chain) : virtq_split_pop(q, chain);
}

enum virtq_access {
	VIRTQ_READ,  /* the guest filled the buffer */
	VIRTQ_WRITE, /* the guest wants it filled */
};

uint32_t virtq_split_pop_plain(
	struct virtq *q, struct virtq_plain *buffers, uint32_t max, enum virtq_access access);
uint32_t virtq_packed_pop_plain(
	struct virtq *q, struct virtq_plain *buffers, uint32_t max, enum virtq_access access);

/*
 * Takes up to max buffers at once, as long as they are plain: one descriptor in one region, for that access. Returns
 * how many. If that is less than max, what comes next is for virtq_pop(), which also says what is wrong with it, or there
 * is nothing.
 */
static inline uint32_t virtq_pop_plain(
	struct virtq *q, struct virtq_plain *buffers, uint32_t max, enum virtq_access access)
{
	return q->packed ? virtq_packed_pop_plain(q, buffers, max, access)
			 : virtq_split_pop_plain(q, buffers, max, access);
}

uint32_t virtq_split_pop_pieces(
	struct virtq *q, struct virtq_pieces *buffers, uint32_t max, struct virtq_seg *segs, uint32_t n_segs);
uint32_t virtq_packed_pop_pieces(
	struct virtq *q, struct virtq_pieces *buffers, uint32_t max, struct virtq_seg *segs, uint32_t n_segs);

/*
 * The same for buffers of any number of pieces which the guest filled: chains in the ring, or in an indirect table, that
 * are as they usually are, each descriptor not empty and in one region. Their pieces lie one behind the other in
 * segs[n_segs]; a burst ends as well when fewer than VIRTQ_MAX_CHAIN of these are left.
 */
static inline uint32_t virtq_pop_pieces(
	struct virtq *q, struct virtq_pieces *buffers, uint32_t max, struct virtq_seg *segs, uint32_t n_segs)
{
	return q->packed ? virtq_packed_pop_pieces(q, buffers, max, segs, n_segs)
			 : virtq_split_pop_pieces(q, buffers, max, segs, n_segs);
}

/*
 * For a device that keeps buffers for longer, and notes elsewhere which ones it has (vhost/inflight.h): after
 * virtq_start() of a new life, `slots` slots are still taken by buffers of a predecessor. A packed ring goes on returning
 * at off_wrap; false: there is no such place, or the ring has fewer slots.
 */
bool virtq_packed_set_left(struct virtq *q, uint16_t off_wrap, uint32_t slots);
static inline void virtq_split_set_left(struct virtq *q, uint16_t slots)
{
	q->next_avail = (uint16_t)(q->next_used + slots);
	q->avail_seen = q->next_avail;
}
/* As virtq_pop(), of such a buffer: by its head, or by the n >= 1 descriptors it had. */
int virtq_split_retake(struct virtq *q, struct virtq_chain *chain, uint16_t head);
int virtq_packed_retake(
	struct virtq *q, struct virtq_chain *chain, const struct vring_packed_desc *descs, uint32_t n);
/* The descriptors of the buffer that was taken last. The guest may have changed them since. */
void virtq_packed_taken(const struct virtq *q, uint32_t slots, struct vring_packed_desc *descs);
/* A used descriptor was shown at that place, in its lap; the driver may have taken it since. */
bool virtq_packed_used_at(const struct virtq *q, uint16_t off_wrap);

/* Takes the next buffer, for which the pieces were too few, unseen: to be pushed back as it is. */
void virtq_skip(struct virtq *q, struct virtq_buffer buffer);

/* Gives the buffers taken last, which hold that many slots, back to the avail side: none was pushed since. */
void virtq_unpop(struct virtq *q, uint32_t slots);

void virtq_packed_push(struct virtq *q, struct virtq_buffer buffer, uint32_t len);

/* One store; the guest reads it after the index (virtq_publish()). */
static inline void virtq_used_put(struct vring_used_elem *at, uint32_t id, uint32_t len)
{
	uint64_t word = id | (uint64_t)len << 32;

	memcpy(at, &word, sizeof(word));
}

/*
 * Returns a buffer with len bytes written; the guest sees it after virtq_flush(). In any order: what a device has taken
 * and not returned it keeps to itself, for a ring's descriptors may be overwritten by those that were returned.
 */
static inline void virtq_push(struct virtq *q, struct virtq_buffer buffer, uint32_t len)
{
	if (q->packed)
		virtq_packed_push(q, buffer, len);
	else
		virtq_used_put(&q->used->ring[q->next_used++ & q->mask], buffer.id, len);
}

void virtq_split_push_plain(
	struct virtq *q, const struct virtq_plain *buffers, uint32_t n, enum virtq_access access);
void virtq_packed_push_plain(
	struct virtq *q, const struct virtq_plain *buffers, uint32_t n, enum virtq_access access);

/* The same for n plain ones, in their order. What was only read is returned with a length of 0. */
static inline void virtq_push_plain(
	struct virtq *q, const struct virtq_plain *buffers, uint32_t n, enum virtq_access access)
{
	if (q->packed)
		virtq_packed_push_plain(q, buffers, n, access);
	else
		virtq_split_push_plain(q, buffers, n, access);
}

/* The same for n buffers in pieces: what was only read, so with a length of 0. */
void virtq_split_push_pieces(struct virtq *q, const struct virtq_pieces *buffers, uint32_t n);
void virtq_packed_push_pieces(struct virtq *q, const struct virtq_pieces *buffers, uint32_t n);

static inline void virtq_push_pieces(struct virtq *q, const struct virtq_pieces *buffers, uint32_t n)
{
	if (q->packed)
		virtq_packed_push_pieces(q, buffers, n);
	else
		virtq_split_push_pieces(q, buffers, n);
}

/* For migration: the pieces' first len bytes were written. Call before virtq_flush() when q->log is set. */
void virtq_log_written(struct virtq *q, const struct virtq_seg *segs, uint32_t n, uint64_t len);

/*
 * Publishes all pushed buffers. True: the guest wants to hear of it, by virtq_call(). That is a system call, made
 * after a lock that several owners share is released, and it changes nothing in the queue. False from virtq_call():
 * the front-end made its descriptor block (os/foreign.h), the owner should break the queue.
 */
bool virtq_publish(struct virtq *q);
bool virtq_call(const struct virtq *q);

/* Both, for a queue with one owner. */
void virtq_flush(struct virtq *q);
/* After a start the guest is called once, even if nothing is pushed: for whoever polls the queue. */
void virtq_call_due(struct virtq *q);
/* The same in two steps, as virtq_publish(). */
bool virtq_take_call_due(struct virtq *q);

/*
 * The driver asks to be called for the very next buffer: it has seen all that were returned. One that never asks not to
 * be called looks so at any time.
 */
bool virtq_driver_sleeps(const struct virtq *q);

/* Asks the guest to kick when it adds a buffer. True: there already is one, and the guest may not kick for it. */
bool virtq_arm(struct virtq *q);
/* The same when `slots` of them are known and too few: is there more than those, or ask for a kick. */
bool virtq_more(struct virtq *q, uint32_t slots);
bool virtq_arm_beyond(struct virtq *q, uint32_t slots);
/* No kicks wanted: we poll. */
void virtq_disarm(struct virtq *q);

/* A ring that runs, as control may look at it. Nothing in it is checked: it is for people. */
struct virtq_view {
	bool packed;
	/* our position; between two turns both are the same, because a turn returns all it takes */
	uint16_t last_avail_idx, last_used_idx;
	bool avail_wrap, used_wrap; /* packed */
	/* the guest's memory; in a packed ring the driver's and the device's event areas */
	uint16_t avail_flags, avail_idx; /* idx: off_wrap */
	uint16_t used_flags, used_idx;
};

/* False: the ring does not run. */
bool virtq_look(const struct virtq *q, struct virtq_view *view);

#endif
