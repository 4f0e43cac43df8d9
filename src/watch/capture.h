/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture - frames on their way into a pcapng file. A worker copies frames into its ring; control empties the rings
 * into the file, some hundred times a second. A worker that finds its ring full goes on without: the frame is counted
 * as lost, and the next one in the file says how many are missing before it.
 *
 *	rx     as they came in, before any decision
 *	tx     as they left, once per interface; what the receiver's port completes (checksums, segments) is not done yet
 *	drop   with the reason as a comment: where they came in, or at the interface that could not send them
 */
#ifndef GINNEL_WATCH_CAPTURE_H
#define GINNEL_WATCH_CAPTURE_H

#include "os/loop.h"
#include "pkt/turn.h"
#include "watch/filter.h"

#define CAPTURE_SNAP_MAX     65535
#define CAPTURE_MAX_DEFAULT  1000 /* packets, as in VPP */
#define CAPTURE_RING_SIZE    (8u << 20)
#define CAPTURE_DRAIN_NS     (5 * NS_PER_MS)
#define CAPTURE_STAGING_SIZE (256u << 10)

enum capture_what {
	CAPTURE_RX = 1,
	CAPTURE_TX = 2,
	CAPTURE_DROP = 4,
};

struct capture_settings {
	uint32_t what; /* enum capture_what, at least one */
	uint64_t max;  /* packets; 0: no end */
	uint32_t snap_len;
	enum drop reason; /* the only one that is wanted; DROP_NONE: all */
	struct filter filter;
};

/* A worker's side: settings do not change while it is published. */
struct capture_lane {
	struct capture_settings settings;      /* .what is 0: nothing is captured */
	uint8_t *ring;                         /* of CAPTURE_RING_SIZE; the two positions run freely */
	uint64_t tail;                         /* control's: read up to here; pairs with the worker's load */
	uint64_t lost;                         /* worker's, relaxed */
	uint32_t lost_before;                  /* since the last frame that had room */
	_Alignas(CACHE_LINE) uint64_t head;    /* worker's: written up to here; pairs with control's load */
	uint64_t not_sent[TURN_PKTS_ALL / 64]; /* in this turn, at the interface at hand */
};

struct capture_burst {
	const struct iface *iface;
	struct pkt *const *pkts;
	uint32_t n;
};

void capture_stage(struct capture_lane *c, const struct turn *turn, enum stage stage, const struct vec *vec);
void capture_tx_drop(
	struct capture_lane *c, const struct turn *turn, const struct capture_burst *burst, enum drop reason);
void capture_output(struct capture_lane *c, const struct turn *turn, const struct capture_burst *burst);

/* Control's side. */
struct capture {
	uint32_t what; /* 0: nothing is captured */
	struct capture_settings settings;
	int fd; /* -1: none */
	char *path;
	uint64_t to_wall_ns; /* from a turn's clock to the calendar's */
	uint64_t written;    /* packets */
	uint64_t lost;       /* of captures that ended, and this one's up to the last look */
	int error;           /* -errno of the file, which ended it */
	struct loop_timer drain;
	uint8_t *frame;   /* one, on its way to staging */
	uint8_t *staging; /* blocks on their way to the file */
	uint32_t staged, flushed;
	/* The file's number of an interface, and its name then; -1: it has none yet. */
	int32_t number[IFACE_MAX];
	char name[IFACE_MAX][IFACE_NAME_LEN];
	int32_t n_numbers;
};

struct watch;

void capture_init(struct watch *w);
/* Into a new file at path. 0 or -errno. */
int capture_start(struct watch *w, const struct capture_settings *settings, const char *path);
/* Writes what is there and closes the file; does nothing if there is none. */
void capture_stop(struct watch *w);
/* What the rings hold goes into the file. */
void capture_drain(struct watch *w);

#endif
