/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port - one guest: its memory, its two rings, its vhost-user front-end, and what it sends and sees.
 *
 * Each guest has one memory file, all of it present before the switch gets it: buffers of 2 KiB from the start of a
 * page on, the virtio-net header first. A frame that does not fit is sent from one large buffer; it is received in
 * several buffers, or without MRG_RXBUF in one that is large enough. No more of them are on their way than the partner's
 * buffers hold, as with TCP's window.
 */
#ifndef GINNEL_BENCH_PORT_H
#define GINNEL_BENCH_PORT_H

#include "frame.h"
#include "guestq.h"

#include "base/histogram.h"
#include "os/loop.h"
#include "vhost/frontend.h"

/* Numbers that were skipped and may still come. */
#define MISSING_KEPT 4096

struct counters {
	uint64_t sent;
	uint64_t received;   /* from the partner, once each */
	uint64_t lost;       /* skipped and not come since */
	uint64_t reordered;  /* after a later one */
	uint64_t duplicates; /* once more */
	uint64_t corrupt;    /* other bytes or length than were sent */
	uint64_t foreign;    /* not from the partner */
	uint64_t no_room;    /* not sent back, as the switch had all buffers */
};

struct port {
	struct guestq rx, tx;
	uint64_t expected; /* number of the partner's next frame */
	uint64_t next;     /* number of ours */
	uint32_t mac, flow;
	uint32_t index, partner;
	bool sends, echoes;
	bool complained; /* that it has no memory */
	double due;      /* clocks: when the next frame may leave */
	struct counters counters;
	struct histogram latency;
	uint64_t learned, learned_foreign; /* frames of the learn phase: the partner's, others' */
	uint64_t missing[MISSING_KEPT];    /* by number modulo this; UINT64_MAX: none */

	/* control */
	const struct options *options;
	const struct frame_shape *shape;
	struct vhost_frontend *frontend;
	uint64_t features;
	int memory_fd;
	uint8_t *memory;
	uint64_t memory_len;
	bool started, ended;
};

struct ports {
	struct port *all;
	uint32_t n;
	struct loop *loop;
	const struct options *options;
	struct frame_shape shape;
	uint32_t buffers_per_frame; /* of a receive ring */
};

/* Connects all and waits until the switch serves them. 0 or -errno, and said why on standard error. */
int ports_open(struct ports *ports, const struct options *options);
void ports_close(struct ports *ports);

/* Handles what the switch says. False: it has left, or returned buffers in disorder, and that was told. */
bool ports_attend(struct ports *ports);

#endif
