/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netem - a bad line: frames are lost, doubled, held back, slowed down and overtaken, on demand and by a seed.
 *
 *	netem_take(packet, now) --> lost | too much | held until its time --> netem_due(now) --> packets, in order of time
 *
 * A frame that is held is a copy of our own, so its sender has its buffer back at once. All memory is there from the
 * start: so many frames, of so many bytes together; what finds no room is dropped. The same seed, packets and times lead
 * to the same fate.
 *
 * What is due and does not leave stays due, in its order: netem_done() says how many left.
 *
 * One thread: the worker that polls the queue whose frames these are.
 */
#ifndef GINNEL_PKT_NETEM_H
#define GINNEL_PKT_NETEM_H

#include "base/random.h"
#include "pkt/pkt.h"

/* Of a config: shares of frames, where this is all of them. */
#define NETEM_ALL 1000000

#define NETEM_FRAMES_MAX   16384
#define NETEM_DELAY_MAX_US 60000000
#define NETEM_RATE_MAX_BPS 1000000000000ull

struct netem_config {
	uint64_t delay_ns, jitter_ns;      /* each frame is held for delay - jitter to delay + jitter */
	uint64_t rate_bps;                 /* bits a second; 0: no limit */
	uint32_t loss, duplicate, reorder; /* of NETEM_ALL; reorder: goes at once, before what is held */
	uint32_t frames;                   /* held at a time, at most */
	uint64_t seed;
};

struct netem;

/* Within its bounds. */
bool netem_config_is_good(const struct netem_config *config);

/* NULL when out of memory. */
struct netem *netem_create(const struct netem_config *config);
void netem_destroy(struct netem *n);
const struct netem_config *netem_config_of(const struct netem *n);

/* Takes its copy of a packet. DROP_NONE, DROP_NETEM_LOSS or DROP_NETEM_FULL. */
enum drop netem_take(struct netem *n, const struct pkt *pkt, uint64_t now_ns);

/* The packets whose time has come, max at most, from the first. They stay until netem_done(). */
uint32_t netem_due(struct netem *n, uint64_t now_ns, struct pkt **out, uint32_t max);
/* The first of them have left. */
void netem_done(struct netem *n, uint32_t n_left);

/* When the next frame is due; UINT64_MAX: none is held. */
uint64_t netem_next_ns(const struct netem *n);
uint32_t netem_held(const struct netem *n);

#endif
