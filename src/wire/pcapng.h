/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng - blocks of a capture file (draft-ietf-opsawg-pcapng), each written whole into the caller's memory:
 *
 *	section (once)   interface (before its first packet)   packet   packet   interface   packet ...
 *
 * Interfaces are numbered from 0 in the order of their blocks. Times are nanoseconds since 1970. Numbers are little
 * endian, as the section says. Every function returns how many bytes it wrote, a multiple of four; 0: they do not fit.
 */
#ifndef GINNEL_WIRE_PCAPNG_H
#define GINNEL_WIRE_PCAPNG_H

#include <stdint.h>

/* Longer comments and names are cut. */
#define PCAPNG_TEXT_MAX 255
/* More than a packet's block takes besides its bytes. */
#define PCAPNG_OVERHEAD (64 + 2 * (PCAPNG_TEXT_MAX + 8))

enum pcapng_direction {
	PCAPNG_UNKNOWN = 0,
	PCAPNG_IN = 1,
	PCAPNG_OUT = 2,
};

struct pcapng_packet {
	uint32_t interface;
	enum pcapng_direction direction;
	uint64_t time_ns;
	uint32_t len;     /* on the wire */
	uint32_t cap_len; /* of which are here: at most len */
	const uint8_t *bytes;
	const char *comments[2]; /* NULL: none */
};

uint32_t pcapng_section(uint8_t *to, uint32_t size, const char *application);
/* snap_len: the most that a packet of this interface holds. */
uint32_t pcapng_interface(uint8_t *to, uint32_t size, const char *name, uint32_t snap_len);
uint32_t pcapng_packet(uint8_t *to, uint32_t size, const struct pcapng_packet *packet);

#endif
