/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/netem.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_SECOND 1000000000ull
/* Bodies lie in pieces of this size; a frame takes as many as it needs. */
#define PIECE_LEN  2048u
#define PIECES_MAX ((PKT_LEN_MAX + PIECE_LEN - 1) / PIECE_LEN)
/* Pieces per frame that there may be: most frames are small. */
#define PIECES_PER_FRAME 2
#define PIECES_MIN       (4 * PIECES_MAX)

struct held {
	uint64_t due_ns, order; /* of the same time the one that came first */
	struct pkt_seg segs[PIECES_MAX];
	_Alignas(CACHE_LINE) struct pkt pkt;
};

/*
 * heap[0 .. n_held) are held, the earliest at the root; ready is a ring of those that are due. Frames and pieces that are
 * free lie in stacks.
 */
struct netem {
	struct netem_config config;
	struct random random;
	uint64_t order, line_free_ns; /* when the line has sent what it was given */
	struct held *all;
	uint8_t *pieces;
	struct held **heap, **ready, **free;
	uint8_t **free_pieces;
	uint32_t n_held, n_ready, first_ready, n_free, n_free_pieces;
};

bool netem_config_is_good(const struct netem_config *c)
{
	return c->delay_ns <= NETEM_DELAY_MAX_US * 1000ull && c->jitter_ns <= c->delay_ns &&
	       c->rate_bps <= NETEM_RATE_MAX_BPS && c->loss <= NETEM_ALL && c->duplicate <= NETEM_ALL &&
	       c->reorder <= NETEM_ALL && c->frames > 0 && c->frames <= NETEM_FRAMES_MAX;
}

static uint32_t pieces_of(const struct netem_config *c)
{
	return max_u32(c->frames * PIECES_PER_FRAME, PIECES_MIN);
}

static void fill_stacks(struct netem *n)
{
	for (n->n_free = 0; n->n_free < n->config.frames; n->n_free++)
		n->free[n->n_free] = &n->all[n->n_free];
	for (n->n_free_pieces = 0; n->n_free_pieces < pieces_of(&n->config); n->n_free_pieces++)
		n->free_pieces[n->n_free_pieces] = n->pieces + (size_t)n->n_free_pieces * PIECE_LEN;
}

struct netem *netem_create(const struct netem_config *config)
{
	struct netem *n = calloc(1, sizeof(*n));
	uint32_t frames = config->frames, pieces = pieces_of(config);

	ASSERT(netem_config_is_good(config));
	if (!n)
		return NULL;
	n->config = *config;
	random_init(&n->random, config->seed);
	n->all = aligned_alloc(CACHE_LINE, frames * sizeof(*n->all));
	n->pieces = malloc((size_t)pieces * PIECE_LEN);
	n->heap = calloc(frames, sizeof(*n->heap));
	n->ready = calloc(frames, sizeof(*n->ready));
	n->free = calloc(frames, sizeof(*n->free));
	n->free_pieces = calloc(pieces, sizeof(*n->free_pieces));
	if (!n->all || !n->pieces || !n->heap || !n->ready || !n->free || !n->free_pieces) {
		netem_destroy(n);
		return NULL;
	}
	fill_stacks(n);
	return n;
}

void netem_destroy(struct netem *n)
{
	if (!n)
		return;
	free(n->all);
	free(n->pieces);
	free(n->heap);
	free(n->ready);
	free(n->free);
	free(n->free_pieces);
	free(n);
}

const struct netem_config *netem_config_of(const struct netem *n)
{
	return &n->config;
}

uint32_t netem_held(const struct netem *n)
{
	return n->n_held + n->n_ready;
}

/* --- copies --- */

static void give_back(struct netem *n, struct held *h)
{
	for (uint32_t i = 0; i < h->pkt.n_segs; i++)
		n->free_pieces[n->n_free_pieces++] = (uint8_t *)(uintptr_t)h->segs[i].addr;
	n->free[n->n_free++] = h;
}

/* The body over pieces, each full but the last. */
static void copy_body(struct netem *n, struct held *h, const struct pkt *from)
{
	uint32_t room = 0, at = 0;

	h->pkt.n_segs = 0;
	for (uint32_t i = 0; i < from->n_segs; i++) {
		for (uint32_t done = 0, part; done < from->segs[i].len;
			done += part, at += part, room -= part) {
			if (room == 0) {
				h->segs[h->pkt.n_segs++] =
					(struct pkt_seg){.addr = n->free_pieces[--n->n_free_pieces]};
				room = PIECE_LEN;
			}
			part = min_u32(from->segs[i].len - done, room);
			memcpy((uint8_t *)(uintptr_t)h->segs[h->pkt.n_segs - 1].addr + (PIECE_LEN - room),
				from->segs[i].addr + done, part);
			h->segs[h->pkt.n_segs - 1].len += part;
		}
	}
}

static struct held *copy(struct netem *n, const struct pkt *from)
{
	struct held *h;

	if (n->n_free == 0 || n->n_free_pieces < (from->body_len + PIECE_LEN - 1) / PIECE_LEN)
		return NULL;
	h = n->free[--n->n_free];
	h->pkt = (struct pkt){.body_len = from->body_len,
		.head_len = from->head_len,
		.rx = from->rx,
		.offload = from->offload,
		.segs = h->segs};
	h->pkt.data = h->pkt.buf + PKT_HEADROOM;
	memcpy(h->pkt.data, from->data, from->head_len);
	copy_body(n, h, from);
	return h;
}

/* --- the heap --- */

static bool before(const struct held *a, const struct held *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void swap(struct held **a, struct held **b)
{
	struct held *h = *a;

	*a = *b;
	*b = h;
}

static void heap_add(struct netem *n, struct held *h)
{
	uint32_t at = n->n_held++;

	n->heap[at] = h;
	for (; at > 0 && before(n->heap[at], n->heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&n->heap[at], &n->heap[(at - 1) / 2]);
}

static struct held *heap_take(struct netem *n)
{
	struct held *first = n->heap[0];
	uint32_t at = 0;

	n->heap[0] = n->heap[--n->n_held];
	for (;;) {
		uint32_t least = at, child = 2 * at + 1;

		for (uint32_t i = child; i < child + 2 && i < n->n_held; i++)
			if (before(n->heap[i], n->heap[least]))
				least = i;
		if (least == at)
			return first;
		swap(&n->heap[at], &n->heap[least]);
		at = least;
	}
}

/* --- fate --- */

static bool happens(struct netem *n, uint32_t share)
{
	return share > 0 && random_below(&n->random, NETEM_ALL) < share;
}

/* When the line has sent it, if its rate is limited. */
static uint64_t sent_ns(struct netem *n, uint32_t len, uint64_t now_ns)
{
	uint64_t begin = n->line_free_ns > now_ns ? n->line_free_ns : now_ns;

	if (n->config.rate_bps == 0)
		return now_ns;
	n->line_free_ns = begin + (uint64_t)len * 8 * NS_PER_SECOND / n->config.rate_bps;
	return n->line_free_ns;
}

static uint64_t delay_ns(struct netem *n)
{
	const struct netem_config *c = &n->config;
	uint64_t least = c->delay_ns > c->jitter_ns ? c->delay_ns - c->jitter_ns : 0;

	if (happens(n, c->reorder))
		return 0;
	return c->jitter_ns == 0 ? c->delay_ns
				 : least + random_u64(&n->random) % (c->delay_ns + c->jitter_ns - least + 1);
}

static enum drop hold(struct netem *n, const struct pkt *pkt, uint64_t now_ns)
{
	struct held *h = copy(n, pkt);

	if (!h)
		return DROP_NETEM_FULL;
	h->due_ns = sent_ns(n, pkt_len(pkt), now_ns) + delay_ns(n);
	h->order = n->order++;
	heap_add(n, h);
	return DROP_NONE;
}

enum drop netem_take(struct netem *n, const struct pkt *pkt, uint64_t now_ns)
{
	if (happens(n, n->config.loss))
		return DROP_NETEM_LOSS;
	if (happens(n, n->config.duplicate))
		hold(n, pkt, now_ns); /* what finds no room was too much anyway */
	return hold(n, pkt, now_ns);
}

uint32_t netem_due(struct netem *n, uint64_t now_ns, struct pkt **out, uint32_t max)
{
	uint32_t i;

	while (n->n_held > 0 && n->heap[0]->due_ns <= now_ns)
		n->ready[(n->first_ready + n->n_ready++) % n->config.frames] = heap_take(n);
	for (i = 0; i < max && i < n->n_ready; i++)
		out[i] = &n->ready[(n->first_ready + i) % n->config.frames]->pkt;
	return i;
}

void netem_done(struct netem *n, uint32_t n_left)
{
	ASSERT(n_left <= n->n_ready);
	for (uint32_t i = 0; i < n_left; i++)
		give_back(n, n->ready[(n->first_ready + i) % n->config.frames]);
	n->first_ready = (n->first_ready + n_left) % n->config.frames;
	n->n_ready -= n_left;
}

uint64_t netem_next_ns(const struct netem *n)
{
	if (n->n_ready > 0)
		return 0;
	return n->n_held > 0 ? n->heap[0]->due_ns : UINT64_MAX;
}
