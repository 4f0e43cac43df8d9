/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driverq - the driver's side of one virtqueue, split (virtio 1.2, 2.7) or packed (2.8), in memory that we share with
 * somebody else's device.
 *
 *	driver:  driverq_buffer(), driverq_add() ... driverq_publish(), driverq_kick() --> device
 *	         driverq_add_chain()
 *	device:  uses them --> driverq_take()
 *
 * The queue has as many buffers as descriptors, all of one length and of one direction. A buffer is free, or in a chain
 * that the device has. Free ones are used in the order in which they became free: so a device that returns them in
 * order finds descriptors in the order of their numbers, as VIRTIO_F_IN_ORDER wants it. What was taken back is free
 * at once, and its bytes stay until it is added again.
 *
 * A queue of requests has no buffers of its own: its chains are of pieces anywhere in the shared memory, first what the
 * device reads, then what it writes, and go through descriptors of the ring or through one indirect table. What is said
 * of buffers holds of its descriptors.
 *
 * The device may write anything anywhere at any time. Descriptors are written and never read back; who has which buffer
 * is kept in private memory; an id or index of the device is read once, checked against that, and the copy used. The
 * first nonsense makes the queue broken: `error` says what it was, and from then on there is neither room nor anything
 * to take.
 *
 * Threads: one owner at a time. The set-up is the control thread's; nothing is allocated after it.
 */
#ifndef GINNEL_VIRTIO_DRIVERQ_H
#define GINNEL_VIRTIO_DRIVERQ_H

#include "base/check.h"
#include "os/bell.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define DRIVERQ_MAX_SIZE 32768
/* Of the ring's memory: each part has its own cache lines. */
#define DRIVERQ_ALIGN CACHE_LINE

enum driverq_error {
	DRIVERQ_OK,
	DRIVERQ_USED_JUMPED,
	DRIVERQ_UNKNOWN_ID,
	DRIVERQ_LEN,
	DRIVERQ_NUM_BUFFERS,
	DRIVERQ_KICK_BLOCKS,
	DRIVERQ_ERROR_COUNT,
};

/* "used index jumped by more than the device has", ... */
const char *driverq_error_text(enum driverq_error error);

/* Where the parts of a ring lie in its memory; the descriptors come first. */
struct driverq_layout {
	uint32_t avail_at; /* avail ring; packed: the driver's event area */
	uint32_t used_at;  /* used ring; packed: the device's */
	uint32_t len;
};

struct driverq_layout driverq_layout(uint32_t size, bool packed);

struct driverq_setup {
	uint32_t size; /* 1 .. DRIVERQ_MAX_SIZE, of a split ring a power of two */
	uint64_t
		features; /* VIRTIO_F_RING_PACKED, VIRTIO_RING_F_EVENT_IDX and VIRTIO_F_IN_ORDER are looked at */
	void *ring;       /* driverq_layout() bytes of zeros */
	/* size times buffer_len bytes, and the device has them at the same address; NULL: a queue of requests */
	uint8_t *buffers;
	uint32_t buffer_len;
	bool writable; /* the device writes into the buffers, or reads them; of requests it is true */
	int kick_fd;   /* an eventfd, the caller's */
	bool *blocked; /* struct bell; may be NULL */
};

/* What we know of a descriptor's number, which is its buffer's too. */
struct driverq_entry {
	uint16_t next; /* in its chain */
	uint16_t n;    /* descriptors of the chain that begins here and that the device has; 0: none does */
	uint32_t seq;  /* of that chain, in the order in which chains were added */
	uint32_t len;  /* bytes of it, of a request those that the device may write */
};

/* Numbers in the order in which they came; both ends count on and are masked. */
struct driverq_fifo {
	uint16_t *numbers;
	uint32_t first, end;
};

struct driverq {
	union {
		struct {
			struct vring_desc *desc;
			struct vring_avail *avail;
			struct vring_used *used;
		};
		struct {
			struct vring_packed_desc *slots;
			struct vring_packed_desc_event *driver_event; /* when we want calls */
			struct vring_packed_desc_event *device_event; /* when it wants kicks */
		};
	};
	uint8_t *buffers;
	uint32_t buffer_len;
	uint16_t size;
	bool packed, event_idx, in_order, writable;
	enum driverq_error error;
	uint16_t next_avail; /* what we add next: an index, or in a packed ring a place */
	uint16_t
		shown_avail; /* the first that the device does not see; read by control, as the next one is */
	uint16_t next_used;  /* where the device returns next */
	uint16_t used_seen;  /* split: used->idx when we last looked */
	uint64_t held;       /* packed: the descriptor at shown_avail, not written before all others are */
	/* used chains that the device told of and we did not hand out: several in order are told by the last */
	uint32_t batch, batch_len;
	uint16_t batch_head;
	uint32_t fifo_mask;
	struct driverq_fifo free; /* buffers */
	struct driverq_fifo
		sent; /* heads of the chains that the device has, where it returns them in order */
	struct driverq_entry *entries;
	struct bell kick;
	/* counters, read by control while the owner writes */
	uint64_t kicks, kicks_saved;
};

/* A new ring, all buffers free. 0 or -ENOMEM. */
int driverq_init(struct driverq *q, const struct driverq_setup *setup);
void driverq_fini(struct driverq *q);
/* Where the device begins with a new ring, as SET_VRING_BASE carries it. */
uint32_t driverq_base(const struct driverq *q);
/*
 * The same for a ring in use whose device has died: behind all that it returned, taken back or not. What it had in hands
 * must be written down elsewhere (vhost/inflight.h).
 */
uint32_t driverq_resume_base(const struct driverq *q);

/* Marks the queue broken; the first reason stays. Always returns -EPROTO. */
int driverq_break(struct driverq *q, enum driverq_error error);

/* Free buffers, of which a chain can be made. */
static inline uint32_t driverq_room(const struct driverq *q)
{
	return likely(q->error == DRIVERQ_OK) ? q->free.end - q->free.first : 0;
}

static inline uint8_t *driverq_buffer(const struct driverq *q, uint32_t number)
{
	return q->buffers + (size_t)number * q->buffer_len;
}

/* The buffer that is i places behind the next one to be added; i < driverq_room(). */
static inline uint8_t *driverq_next(const struct driverq *q, uint32_t i)
{
	return driverq_buffer(q, q->free.numbers[(q->free.first + i) & q->fifo_mask]);
}

/*
 * Makes a chain of the next n free buffers, n <= driverq_room(): len bytes, all buffers full but the last. The device
 * sees it after driverq_publish().
 */
void driverq_add(struct driverq *q, uint32_t n, uint32_t len);

struct driverq_piece {
	void *at; /* the device has it at the same address */
	uint32_t len;
};

struct driverq_chain {
	const struct driverq_piece *pieces; /* first those that the device reads */
	uint32_t n_read, n_write;
	/* Room for as many descriptors, shared with the device until the chain is taken back; NULL: not indirect. */
	void *table;
};

/* Free descriptors that a chain takes, at most driverq_room(). */
static inline uint32_t driverq_chain_descs(const struct driverq_chain *chain)
{
	return chain->table ? 1 : chain->n_read + chain->n_write;
}

/* Makes a chain of a queue of requests. Returns its number, by which driverq_take() calls it. */
uint16_t driverq_add_chain(struct driverq *q, const struct driverq_chain *chain);

/* True: the device wants to hear of it, by driverq_kick(), which is a system call and changes nothing in the queue. */
bool driverq_publish(struct driverq *q);
/* False: the device made its descriptor block (os/foreign.h), the owner should break the queue. */
bool driverq_kick(const struct driverq *q);

/* A chain that came back. */
struct driverq_used {
	uint16_t buffer; /* the first one's number, or the chain's */
	uint32_t len;    /* bytes written; of chains that the device only reads it means nothing */
};

/* 1: a chain was taken back; 0: there is none; -EPROTO: the queue is broken now. All that was added is published. */
int driverq_take(struct driverq *q, struct driverq_used *used);

/* Asks the device to call when it returns a chain. True: there already is one, and it may not call for it. */
bool driverq_arm(struct driverq *q);
/* No calls wanted: we poll. */
void driverq_disarm(struct driverq *q);

/* A ring as control may look at it. Nothing in it is checked: it is for people. */
struct driverq_view {
	uint16_t avail_idx, used_idx; /* ours: what we add next, what we wait for; packed: slots */
	bool avail_wrap, used_wrap;   /* packed */
	uint16_t device_flags;        /* used->flags, or those of the device's event area */
	uint16_t device_event;        /* avail_event, or off_wrap there */
};

void driverq_look(const struct driverq *q, struct driverq_view *view);

#endif
