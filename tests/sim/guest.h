/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest - a virtual machine with a virtio-net device, reduced to what its driver does with memory:
 *descriptors, avail and used rings, frames. The device's side is the product's.
 *
 *	ring 0: the guest posts buffers and receives        ring 1: it sends
 *	with more pairs: ring 2, ring 3 likewise, ...       behind them, if asked for: the control queue
 *
 * Its memory is a memfd that is mapped twice, once by the guest and once, through gmem, by the switch. It is
 *told as two regions that lie side by side for the guest but not for the switch; buffers may lie across the
 *seam.
 *
 * A chain with head h keeps its bytes in slab h of its queue, piece after piece with a gap between. The guest
 *checks what comes back: each buffer once, as posted, gaps untouched. A guest belongs to one thread.
 *
 * Its rings are packed ones with VIRTIO_F_RING_PACKED, or whatever the features say with GINNEL_SIM_RING=packed in the
 * environment: so one test serves both. In a packed ring the "head" of a chain is its buffer id.
 */
#ifndef GINNEL_SIM_GUEST_H
#define GINNEL_SIM_GUEST_H

#include "engine.h"
#include "pkt/pkt.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#define GUEST_RX         0
#define GUEST_TX         1
#define GUEST_QUEUES     2 /* of the first pair */
#define GUEST_PAIRS_MAX  4
#define GUEST_QUEUES_MAX (2 * GUEST_PAIRS_MAX + 1)
#define GUEST_SIZE_MAX   256
#define GUEST_PIECES_MAX 64
/* Header, frame, gaps. */
#define GUEST_SLAB (96 * 1024u)
/* An indirect table of any chain, in either format. */
#define GUEST_TABLE_LEN (GUEST_PIECES_MAX * 16u)
/* What a receive buffer must hold for any frame. */
#define GUEST_BUFFER_MAX (PKT_LEN_MAX + (uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf))

#define FEATURE(name) (1ull << (name))

struct guest_config {
	uint64_t features; /* what the driver negotiates */
	uint16_t size;     /* of each ring, of a split one a power of two; 0: 256, or packed an odd size */
	uint16_t start;    /* where the ring indexes begin */
	uint16_t pairs;    /* 0: 1 */
	bool ctrl;         /* the front-end leaves the control queue to the switch */
	bool logged;       /* the switch says what it writes: a bit per page in guest.log */
};

/* How a chain is cut into descriptors. */
struct guest_layout {
	uint32_t n;
	uint32_t lens[GUEST_PIECES_MAX];
	bool indirect;
	bool no_answer; /* guest_ask(): the device could not write one */
};

struct guest_chain {
	bool posted;
	uint32_t n;      /* pieces */
	uint32_t n_read; /* of them, that the device reads; then those that it writes */
	uint64_t gpa[GUEST_PIECES_MAX];
	uint32_t len[GUEST_PIECES_MAX];
	uint32_t n_desc;
	uint16_t desc[GUEST_PIECES_MAX];
};

/* A slot of a packed ring and the lap's wrap counter. */
struct guest_place {
	uint16_t slot;
	bool wrap;
};

/* The driver's side of a packed ring. */
struct guest_packed {
	struct vring_packed_desc *slots;
	struct vring_packed_desc_event *driver_event, *device_event;
	struct guest_place next, used;  /* what we fill next, what is used next */
	struct vring_packed_desc *held; /* the first slot that was filled and not published */
	uint16_t held_flags;
	uint16_t n_held, n_published; /* slots: waiting, and with the last publish */
};

struct guest_queue {
	uint16_t size;
	bool is_packed;
	struct guest_packed packed;
	uint64_t desc_gpa, avail_gpa, used_gpa, tables_gpa, slabs_gpa;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail; /* ours, published by guest_kick() */
	uint16_t used_seen;
	uint32_t n_free;
	uint16_t free[GUEST_SIZE_MAX];
	struct guest_chain chains[GUEST_SIZE_MAX];
	int kick_fd, call_fd, err_fd;
	uint64_t kicks, kicks_saved;
	uint64_t posted, returned; /* chains, ever */
};

struct guest {
	uint64_t features;
	uint32_t hdr_len;
	int memfd;
	uint8_t *mem;
	uint64_t mem_len, next_gpa;
	uint32_t n_queues;
	uint32_t ctrl; /* which of them is the control queue; 0: none */
	struct guest_queue queues[GUEST_QUEUES_MAX];
	/* the switch's side */
	struct vhost_backend *backend; /* NULL: not connected */
	struct gmem *gmem;
	struct vhost_ring rings[GUEST_QUEUES_MAX];
	uint32_t bases[GUEST_QUEUES_MAX]; /* of rings that do not run */
	bool fresh;                       /* the front-end is a new one: its bases may be stale */
	struct dirty_log log;
};

struct guest_frame {
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint32_t n_buffers;
	uint32_t len;
	uint8_t bytes[PKT_LEN_MAX];
};

void guest_create(struct guest *g, const struct guest_config *config);
void guest_destroy(struct guest *g);

/* The front-end connects and starts both rings, where they were left if it is not the first time. */
void guest_connect(struct guest *g, struct vhost_backend *b);
/* All rings stop. The guest may keep on posting. */
void guest_disconnect(struct guest *g);
/* The environment wants packed rings. */
bool guest_packed_wanted(void);
/* The driver negotiates anew: not connected, nothing posted. */
void guest_set_features(struct guest *g, uint64_t features);
/* The driver makes new rings, whatever was in the old ones; not connected. */
void guest_reset(struct guest *g, uint64_t features);
/* SET_VRING_ENABLE */
void guest_enable(struct guest *g, uint32_t queue, bool enabled);

/* A pointer of the guest's. */
static inline void *guest_at(struct guest *g, uint64_t gpa)
{
	return g->mem + gpa;
}

/* One piece that holds everything. */
struct guest_layout guest_layout_one(uint32_t len);
/* n pieces of equal length, the last a little longer or shorter. */
struct guest_layout guest_layout_even(uint32_t len, uint32_t n);

/* Posts a receive buffer. False: no free descriptors. */
bool guest_post(struct guest *g, const struct guest_layout *layout);
/* n buffers of one piece of len bytes each. */
void guest_post_n(struct guest *g, uint32_t n, uint32_t len);
void guest_post_n_on(struct guest *g, uint32_t queue, uint32_t n, uint32_t len);
/* Sends a frame over pieces that hold at least header and frame. NULL: a header of zeros. False: no
 * descriptors. */
bool guest_send(struct guest *g, const struct virtio_net_hdr *hdr, const uint8_t *frame, uint32_t len,
	const struct guest_layout *layout);
/* Publishes what was posted or sent, and kicks if the device asked for that. */
void guest_kick(struct guest *g, uint32_t queue);

/* The next received frame. False: there is none. */
bool guest_receive(struct guest *g, struct guest_frame *out);
bool guest_receive_on(struct guest *g, uint32_t queue, struct guest_frame *out);

/* Asks over the control queue: bytes in the pieces of layout, of which the last is for the answer. False: no room. */
bool guest_ask(struct guest *g, const uint8_t *bytes, uint32_t len, const struct guest_layout *layout);
/* The next answer, 1 byte, or -1: there is none. A request that was given back without one: -2. */
int guest_answer(struct guest *g);
/* Takes back the buffers of sent frames. Returns how many. */
uint32_t guest_reap(struct guest *g);
/* Chains that the device still has. */
uint32_t guest_outstanding(const struct guest *g, uint32_t queue);

/* Whether the guest wants calls from now on. */
void guest_want_calls(struct guest *g, uint32_t queue, bool wanted);
/* Calls, and errors signalled, since the last time. */
uint64_t guest_calls(struct guest *g, uint32_t queue);
uint64_t guest_errors(struct guest *g, uint32_t queue);

/* Misbehaviour: what a driver must not do. */
void guest_raw_avail_idx(struct guest *g, uint32_t queue, uint16_t idx);
/* Writes n descriptors into a packed ring; AVAIL and USED are added. The driver's books know nothing of them. */
void guest_raw_slots(struct guest *g, uint32_t queue, const struct vring_packed_desc *d, uint32_t n);
/* Offers head of a split ring, whatever its descriptors are. */
void guest_raw_offer(struct guest *g, uint32_t queue, uint16_t head);

#endif
