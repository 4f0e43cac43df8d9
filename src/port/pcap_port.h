/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcap_port - a port behind which a capture file plays: its frames come in at the times they were recorded, or at a rate,
 * as often as wanted. Nobody is there to receive what is sent out through it.
 *
 *	pcap_port.c       control: making and ending a port, the port in a successor process; frames
 *	pcap_commands.c   the words
 *
 * The whole file is read and checked when the port is made, into memory that a successor gets; bodies are borrowed from
 * there. It begins when the interface is up, and stands still while it is down. A frame that was recorded in part, or is
 * longer than any we carry, is left out. A checksum that was only begun when it was recorded is completed where it goes
 * (port/begun.h).
 */
#ifndef GINNEL_PORT_PCAP_PORT_H
#define GINNEL_PORT_PCAP_PORT_H

#include "port/port.h"

#define PCAP_FILE_MAX (1u << 30)
#define PCAP_RATE_MAX 100000000u

struct pcap_frame {
	uint64_t after_ns; /* since the frame before */
	const uint8_t *bytes;
	uint32_t len;
};

struct pcap_file {
	int fd; /* a copy in memory of our own */
	uint8_t *bytes;
	size_t len;
	struct pcap_frame *frames;
	uint32_t n_frames;
	uint32_t n_left_out;
};

struct pcap_port {
	struct port port;
	char *path;
	struct pcap_file file;
	bool as_recorded;
	uint64_t interval_ns; /* between frames, otherwise; 0: as fast as may be */
	uint32_t loops;       /* 0: for ever */
	int timer;            /* wakes the worker for the next frame */
	/* The worker that polls it; control reads, relaxed: */
	uint32_t at;
	uint32_t loops_done;
	bool running;     /* next_ns holds */
	uint64_t next_ns; /* when the frame at `at` is due */
};

struct pcap_port_config {
	const char *path;
	bool as_recorded;
	uint32_t pps;   /* otherwise; 0: as fast as may be */
	uint32_t loops; /* 0: for ever */
	const uint8_t *mac;
};

/* 0, or -errno after saying in why what could not be done and how to mend it. */
int pcap_port_create(
	struct ports *ports, const struct pcap_port_config *config, struct pcap_port **out, char why[256]);
int pcap_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct pcap_port *pcap_port_of(struct port *port);

static inline bool pcap_port_is_over(const struct pcap_port *pp)
{
	return pp->loops > 0 && __atomic_load_n(&pp->loops_done, __ATOMIC_RELAXED) >= pp->loops;
}

extern const struct ctl_table pcap_commands; /* subject: struct ports */

#endif
