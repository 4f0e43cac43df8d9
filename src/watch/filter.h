/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter - which frames somebody wants to see: by interface, address and port number, either end of them. Everything
 * that a filter names must be there; one that names nothing matches every frame.
 */
#ifndef GINNEL_WATCH_FILTER_H
#define GINNEL_WATCH_FILTER_H

#include "ctl/command.h"
#include "pkt/pkt.h"

#include <stdbool.h>
#include <stdint.h>

#define FILTER_ANY_IFACE UINT32_MAX

struct filter {
	uint32_t iface; /* its index; whoever asks knows which one of a packet's is meant */
	bool by_mac;
	uint64_t mac;
	uint8_t ip_len; /* bytes of an address: 4, 16; 0: any */
	uint8_t ip_bits;
	uint8_t ip[16];
	bool by_proto;
	uint8_t proto;
	bool by_port;
	uint16_t port;
};

#define FILTER_ALL ((struct filter){.iface = FILTER_ANY_IFACE})

/* What the words below mean, in a command's grammar. */
#define FILTER_GRAMMAR "[mac <mac:mac>] [ip <ip:word>] [proto <proto:word>] [port <port:u16>]"

/* Reads them. 0, or -1 after ctl_fail(). */
int filter_read(struct filter *f, struct ctl_call *call);
/* The same words again; empty for FILTER_ALL. */
json_t *filter_json(const struct filter *f);

/* Whatever there is but the interface. */
bool filter_matches_slow(const struct filter *f, const struct pkt *pkt);

static inline bool filter_looks_inside(const struct filter *f)
{
	return f->by_mac || f->ip_len || f->by_proto || f->by_port;
}

static inline bool filter_matches(const struct filter *f, uint32_t iface, const struct pkt *pkt)
{
	if (f->iface != FILTER_ANY_IFACE && f->iface != iface)
		return false;
	return !filter_looks_inside(f) || filter_matches_slow(f, pkt);
}

#endif
