/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcap_read - frames of a capture file that lies in memory as a whole, one after the other: pcap, with micro- or
 * nanoseconds, and pcapng (draft-ietf-opsawg-pcapng), each in either byte order.
 *
 *	struct pcap_reader r;
 *
 *	err = pcap_read_begin(&r, bytes, len);
 *	while (err == PCAP_READ_OK && (err = pcap_read_next(&r, &frame)) == PCAP_READ_OK)
 *		...
 *	... PCAP_READ_END: that was all; otherwise r.at says where the file is wrong
 *
 * Every length is checked against what is there. Blocks of pcapng that hold no frame are passed over.
 */
#ifndef GINNEL_WIRE_PCAP_READ_H
#define GINNEL_WIRE_PCAP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one pcapng section. */
#define PCAP_READ_INTERFACES 64

enum pcap_read {
	PCAP_READ_OK,
	PCAP_READ_END,
	PCAP_READ_NO_CAPTURE, /* neither pcap nor pcapng */
	PCAP_READ_CUT,        /* ends within a record */
	PCAP_READ_MALFORMED,  /* a length or number that cannot be */
	PCAP_READ_LINK_TYPE,  /* frames that are not Ethernet */
};

struct pcap_read_interface {
	uint32_t link_type;
	uint64_t ticks_per_s; /* of its times */
};

struct pcap_reader {
	const uint8_t *bytes;
	size_t len, at; /* at: the record that is next, or that is wrong */
	bool ng, big_endian;
	uint32_t n_interfaces;
	struct pcap_read_interface interfaces[PCAP_READ_INTERFACES];
};

struct pcap_read_frame {
	const uint8_t *bytes;
	uint32_t len;      /* that are there */
	uint32_t wire_len; /* that there were on the wire */
	uint64_t time_ns;  /* 0: not known */
};

enum pcap_read pcap_read_begin(struct pcap_reader *r, const uint8_t *bytes, size_t len);
enum pcap_read pcap_read_next(struct pcap_reader *r, struct pcap_read_frame *frame);
const char *pcap_read_text(enum pcap_read what);

#endif
