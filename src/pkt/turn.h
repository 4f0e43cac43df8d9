/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn - one round of a worker and all the packets that live in it.
 *
 * A port takes packets from turn_pkt() and pieces from segs[n_segs]; when either runs dry it stops receiving until
 * the next turn. Stages push each packet on with turn_push(), turn_drop(), or hand it to interfaces with
 * turn_output_n(); a packet is in an interface's lane at most once. A port that does not send a packet it was handed
 * says so with turn_tx_drop().
 *
 * A stage that makes a packet of its own takes one from turn_make(), turn_make_frame() or turn_copy(): there are
 * TURN_MADE of them in a turn, and none is promised. A packet that ended well is turn_finish()ed.
 *
 * What leaves through a tunnel, or arrives by one, is a packet again at a stage that lies behind: whoever pushes one there
 * asks turn_may_walk_again() and says turn_walk_again(), and the turn walks down the list once more.
 *
 * Nothing here allocates, logs or asks the kernel.
 */
#ifndef GINNEL_PKT_TURN_H
#define GINNEL_PKT_TURN_H

#include "pkt/iface.h"
#include "pkt/keep.h"
#include "pkt/pkt.h"
#include "pkt/watch.h"

#include <string.h>

/* Pieces of bodies in one turn, and the most that one frame may have: 64 KiB of 4 KiB pages are 17. */
#define TURN_SEGS         4096
#define TURN_SEGS_PER_PKT 1024
/* A turn stops receiving after so many bytes: its length is bounded in work, not only in packets. */
#define TURN_BYTES (1u << 20)
/* For the bodies of packets that stages make. */
#define TURN_BYTES_MADE (256 * 1024u)
#define TURN_SEGS_MADE  2048

/* Walks down the list of stages in one turn: a tunnel in a tunnel is carried, in and out, and no circle for long. */
#define TURN_WALKS 4

struct vec {
	uint32_t n;
	struct pkt *pkts[TURN_PKTS_ALL];
};

struct turn {
	uint64_t now_ns;
	uint32_t
		worker; /* which lane of each interface is ours; the number of workers: a trial of control's */
	uint32_t n_pkts;
	uint32_t n_segs;
	uint64_t n_bytes;
	uint32_t n_out;           /* interfaces with something in their lane */
	uint32_t n_sent;          /* packets handed to ports, a flooded one as often as it was */
	struct turn_watch *watch; /* NULL: nobody looks on */
	struct turn_keep *
		keep; /* packets that can be brought again; NULL: none, they are dropped for want of buffers */
	bool hold;    /* the buffers that are taken stay unreturned: they may be given back (worker/wire.c) */
	void *held_from; /* hold: the ring they belong to, of the port that received */
	bool again;      /* a packet was pushed to a stage that lies behind */
	uint8_t n_walks; /* that are over */
	struct iface *out[IFACE_MAX];
	struct vec vecs[STAGE_COUNT];
	uint32_t n_bytes_made;
	uint32_t n_segs_made;
	struct pkt_seg segs[TURN_SEGS];
	struct pkt_seg segs_made[TURN_SEGS_MADE];
	_Alignas(CACHE_LINE) struct pkt pkts[TURN_PKTS_ALL];
	uint8_t *bytes_made; /* TURN_BYTES_MADE of them; NULL: packets without a body only */
};

/* How many packets from `at` on came in at the same interface: bursts stay together on the road. */
static inline uint32_t vec_run(const struct vec *vec, uint32_t at)
{
	const struct iface *rx = vec->pkts[at]->rx;
	uint32_t end = at + 1;

	while (end < vec->n && vec->pkts[end]->rx == rx)
		end++;
	return end - at;
}

static_assert(TURN_KEEP_MAX == TURN_PKTS, "each packet can be marked");

/* A stage: pushes each packet of vec on. The caller empties vec afterwards. subject is the room's own state. */
typedef void stage_fn(void *subject, struct turn *turn, const struct vec *vec);

static inline struct iface_lane *turn_lane(const struct turn *turn, const struct iface *iface)
{
	return iface->lanes[turn->worker];
}

/* Packets that may still come in; none when pieces or bytes have run out. */
static inline uint32_t turn_room(const struct turn *turn)
{
	if (unlikely(TURN_SEGS - turn->n_segs < TURN_SEGS_PER_PKT || turn->n_bytes >= TURN_BYTES))
		return 0;
	return TURN_PKTS - turn->n_pkts;
}

static inline void pkt_init(struct pkt *pkt, struct iface *rx)
{
	pkt->data = pkt->buf + PKT_HEADROOM;
	pkt->rx = rx;
}

/* An empty packet; the caller checked turn_room(). */
static inline struct pkt *turn_pkt(struct turn *turn)
{
	struct pkt *pkt = &turn->pkts[turn->n_pkts++];

	pkt->data = pkt->buf + PKT_HEADROOM;
	return pkt;
}

static inline void turn_push(struct turn *turn, struct pkt *pkt, enum stage stage)
{
	struct vec *v = &turn->vecs[stage];

	v->pkts[v->n++] = pkt;
}

/* Several at once. */
static inline void turn_push_n(struct turn *turn, struct pkt *const *pkts, uint32_t n, enum stage stage)
{
	struct vec *v = &turn->vecs[stage];

	memcpy(&v->pkts[v->n], pkts, n * sizeof(*pkts));
	v->n += n;
}

/* False: this is the last walk, or no walk at all (hold). */
static inline bool turn_may_walk_again(const struct turn *turn)
{
	return turn->n_walks + 1 < TURN_WALKS && !turn->hold;
}

static inline void turn_walk_again(struct turn *turn)
{
	turn->again = true;
}

/* Ends a packet; reason is counted at the interface it came from. */
static inline void turn_drop(struct turn *turn, struct pkt *pkt, enum drop reason)
{
	pkt->drop = (uint16_t)reason;
	turn_push(turn, pkt, STAGE_DROP);
}

static inline void turn_drop_n(struct turn *turn, struct pkt *const *pkts, uint32_t n, enum drop reason)
{
	for (uint32_t i = 0; i < n; i++)
		turn_drop(turn, pkts[i], reason);
}

/* Ports: these do not leave through iface, whose counter it is. The packets may leave through others. */
static inline void turn_tx_drop(
	struct turn *turn, struct iface *iface, struct pkt *const *pkts, uint32_t n, enum drop reason)
{
	if (unlikely(turn->keep != NULL) && reason == DROP_TX_NO_BUFFER) {
		turn_tx_no_room(turn, iface, pkts, n);
		return;
	}
	iface_count(&turn_lane(turn, iface)->counters.drops[reason], n);
	if (unlikely(turn->watch != NULL))
		turn->watch->ops->tx_drop(turn->watch, iface, pkts, n, reason);
}

/* Nothing may be learned from these packets, and nothing leaves. */
static inline bool turn_is_trial(const struct turn *turn)
{
	return unlikely(turn->watch != NULL) && turn->watch->trial;
}

/* Whom it was for has it. */
static inline void turn_finish(struct turn *turn, struct pkt *pkt)
{
	turn_drop(turn, pkt, DROP_NONE);
}

/* A packet of our own, which counts as if it came from rx; head_len is the caller's to set. NULL: none is left. */
static inline struct pkt *turn_make(struct turn *turn, struct iface *rx)
{
	struct pkt *pkt = &turn->pkts[turn->n_pkts];

	if (unlikely(turn->n_pkts == TURN_PKTS_ALL))
		return NULL;
	turn->n_pkts++;
	pkt_init(pkt, rx);
	pkt->offload = (struct pkt_offload){0};
	pkt->head_len = 0;
	pkt->body_len = 0;
	pkt->n_segs = 0;
	return pkt;
}

/* n pieces for a body of the caller's making, until the end of the turn; NULL: none are left. */
static inline struct pkt_seg *turn_segs(struct turn *turn, uint32_t n)
{
	struct pkt_seg *segs = &turn->segs_made[turn->n_segs_made];

	if (unlikely(n > TURN_SEGS_MADE - turn->n_segs_made))
		return NULL;
	turn->n_segs_made += n;
	return segs;
}

/* len bytes to write a frame into, until the end of the turn; NULL: none are left. */
static inline uint8_t *turn_bytes(struct turn *turn, uint32_t len)
{
	uint8_t *bytes = turn->bytes_made + turn->n_bytes_made;

	if (unlikely(!turn->bytes_made || len > TURN_BYTES_MADE - turn->n_bytes_made))
		return NULL;
	turn->n_bytes_made += len;
	return bytes;
}

/* A packet of a whole frame that lies where it stays until the end of the turn: turn_bytes(). NULL: none is left. */
static inline struct pkt *turn_make_frame(
	struct turn *turn, struct iface *rx, const uint8_t *frame, uint32_t len)
{
	struct pkt_seg *body = len > PKT_HEAD_MAX ? turn_segs(turn, 1) : NULL;
	struct pkt *pkt = len > PKT_HEAD_MAX && !body ? NULL : turn_make(turn, rx);

	if (unlikely(!pkt))
		return NULL;
	pkt->head_len = (uint16_t)min_u32(len, PKT_HEAD_MAX);
	memcpy(pkt->data, frame, pkt->head_len);
	if (body) {
		*body = (struct pkt_seg){.addr = frame + PKT_HEAD_MAX, .len = len - PKT_HEAD_MAX};
		pkt->segs = body;
		pkt->n_segs = 1;
		pkt->body_len = body->len;
	}
	return pkt;
}

/* The same frame once more, with a head of its own: its body is shared. NULL: none is left. */
static inline struct pkt *turn_copy(struct turn *turn, const struct pkt *pkt)
{
	struct pkt *copy = turn_make(turn, pkt->rx);

	if (unlikely(!copy))
		return NULL;
	copy->head_len = pkt->head_len;
	copy->body_len = pkt->body_len;
	copy->n_segs = pkt->n_segs;
	copy->segs = pkt->segs;
	copy->offload = pkt->offload;
	memcpy(copy->data, pkt->data, pkt->head_len);
	return copy;
}

/* Lets the packets leave through iface when STAGE_PORT_OUTPUT runs. */
static inline void turn_output_n(struct turn *turn, struct pkt *const *pkts, uint32_t n, struct iface *iface)
{
	struct iface_lane *lane = turn_lane(turn, iface);

	if (lane->n_out == 0)
		turn->out[turn->n_out++] = iface;
	for (uint32_t i = 0; i < n; i++)
		lane->out[lane->n_out + i] = pkts[i];
	lane->n_out += n;
}

static inline void turn_begin(struct turn *turn, uint64_t now_ns)
{
	turn->now_ns = now_ns;
	turn->n_pkts = 0;
	turn->n_segs = 0;
	turn->n_bytes = 0;
	turn->n_out = 0;
	turn->n_sent = 0;
	turn->watch = NULL;
	turn->keep = NULL;
	turn->hold = false;
	turn->again = false;
	turn->n_walks = 0;
	turn->n_bytes_made = 0;
	turn->n_segs_made = 0;
}

#endif
