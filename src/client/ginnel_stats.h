/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * ginnel_stats - the statistics of a ginnel daemon as they lie in memory that it shares with readers, who need no request
 * and cost it nothing. Everything is in the byte order of the machine.
 *
 *	header | drop reasons | stages | workers | interfaces | lanes: [interface][worker]
 *
 * To get at it: connect to the control socket, send the line
 *	{"jsonrpc":"2.0","id":1,"method":"statistics.open"}
 * read the line that answers, then one byte, with which the descriptor comes (SCM_RIGHTS). Map header.size bytes of it,
 * read-only: it is a memfd that nobody can shrink, grow or, but for the daemon, write.
 *
 * Rules for a reader:
 * - magic and version must be those below; a version with other meanings has another number. What is appended to an
 *   entry leaves the version as it is: step through each table by the length that the header says, not by sizeof.
 * - Counters are 64-bit words, written by one thread each. Read each with one load; it is right for itself. They grow from
 *   the daemon's start and never go back, "clear interfaces" or not. An interface's number is the sum over its lanes.
 * - Interfaces come and go under a sequence lock: read seq until it is even (acquire), read what you want of interfaces and
 *   their lanes, read seq again; if it is another one, do all that again.
 * - Names, states and MTUs follow within a second. beat_ns moves every second while the daemon lives. One that was replaced has another memory: ask for it again.
 */
#ifndef GINNEL_STATS_H
#define GINNEL_STATS_H

#include <stdint.h>

#define GINNEL_STATS_MAGIC   0x31737461744e47ull /* "GNtats1" */
#define GINNEL_STATS_VERSION 1

struct ginnel_stats_table {
	uint32_t at;  /* from the header on */
	uint32_t n;   /* entries */
	uint32_t len; /* bytes of each */
	uint32_t pad;
};

struct ginnel_stats_header {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;
	uint64_t size; /* of everything */
	uint32_t seq;  /* of the interfaces: odd while one comes, goes or changes */
	uint32_t pad;
	/* CLOCK_MONOTONIC, and the clock that stages are counted by at the same moment. */
	uint64_t start_ns, start_clocks;
	uint64_t beat_ns, beat_clocks;
	struct ginnel_stats_table drops;      /* of struct ginnel_stats_drop; number 0 is no reason */
	struct ginnel_stats_table stages;     /* of struct ginnel_stats_stage */
	struct ginnel_stats_table workers;    /* of struct ginnel_stats_worker, then a count per stage */
	struct ginnel_stats_table interfaces; /* of struct ginnel_stats_interface */
	struct ginnel_stats_table lanes;      /* that of worker w at interface i: number i * lanes_each + w */
	uint32_t lanes_each;
	uint32_t lane_drops_at;    /* in a lane: a 64-bit counter per drop reason */
	uint32_t worker_stages_at; /* in a worker: a struct ginnel_stats_count per stage */
	uint32_t pad2;
};

struct ginnel_stats_drop {
	char name[32];    /* "tx-no-buffer" */
	char text[96];    /* a sentence */
	uint32_t is_loss; /* the packet ended there; 0: it is counted, and went on */
	uint32_t pad;
};

struct ginnel_stats_stage {
	char name[32]; /* "bridge-forward" */
};

struct ginnel_stats_count {
	uint64_t calls, packets, clocks;
};

struct ginnel_stats_worker {
	uint64_t turns, busy_turns, sleeps;
	struct ginnel_stats_count input; /* receiving, and giving buffers back */
};

struct ginnel_stats_interface {
	uint32_t used;       /* 0: there is none; nothing else of it means anything */
	uint32_t generation; /* another one: its counters began anew */
	char name[64];
	char kind[32];
	uint8_t mac[6];
	uint8_t up;
	uint8_t pad;
	uint32_t mtu;
	uint32_t pad2;
};

struct ginnel_stats_lane {
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes;
	/* then the drops */
};

#endif
