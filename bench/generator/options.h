/* SPDX-License-Identifier: Apache-2.0 */
/* options - the generator's command line. */
#ifndef GINNEL_BENCH_OPTIONS_H
#define GINNEL_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define PORTS_MAX      64
#define FRAME_LEN_MIN  60
#define FRAME_LEN_MAX  65000
#define QUEUE_SIZE_MIN 128
#define QUEUE_SIZE_MAX 4096
#define MACS_MAX       (1u << 20)
#define FLOWS_MAX      32768 /* of UDP ports; destinations of routed packets may be as many as networks */
#define NETWORKS_MAX   (1u << 19)
#define DESTS_MAX      (1u << 20)

struct options {
	const char *paths[PORTS_MAX]; /* ports 2i and 2i+1 talk to each other */
	uint32_t n_ports;
	bool server; /* the switch connects to us */
	uint32_t cpu;
	bool cpu_given, fifo_priority;

	/* rings and memory */
	bool packed, in_order, no_mrg, indirect, hugepages;
	uint32_t queue_size;

	/* traffic */
	uint32_t size; /* bytes of a frame, without the virtio-net header */
	uint32_t burst;
	uint32_t rate; /* frames per second and port; 0: as many as go */
	uint32_t slow; /* rounds for each in which a receiver looks */
	bool one_way, echo, gso, idle;
	uint32_t flows, macs;
	uint32_t route;    /* 4 or 6: through a router, whose kind of IP; 0: a switch */
	uint32_t networks; /* behind each port, if it is a router */
	bool nat;          /* which translates what even ports send */

	/* what is measured */
	bool verify, latency, json;
	double pause_s, warm_up_s, seconds;
};

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* help was printed */
	OPTIONS_WRONG, /* said why on standard error */
};

enum options_verdict options_parse(struct options *o, int argc, char **argv);

#endif
