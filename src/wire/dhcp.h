/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dhcp - messages of DHCP for IPv4 (RFC 2131, 2132): read what a client says, write what a server answers.
 *
 *	0  op htype hlen hops | xid | secs flags | ciaddr | yiaddr | siaddr | giaddr    4 bytes each but the first
 *	28 chaddr (16) | sname (64) | file (128)
 *	236 cookie (4) | options: code, length, value ... 255
 *
 * A message may say that its options go on in file and sname (overload): they are read in that order (RFC 2131, 4.1).
 * Of an option that comes more than once the first counts. Nothing is read beyond len bytes.
 *
 * Addresses are numbers: 192.168.1.1 is 0xc0a80101.
 */
#ifndef GINNEL_WIRE_DHCP_H
#define GINNEL_WIRE_DHCP_H

#include "wire/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68

#define DHCP_FIXED_LEN  240 /* with the cookie */
#define DHCP_SNAME_AT   44
#define DHCP_SNAME_LEN  64
#define DHCP_FILE_AT    108
#define DHCP_FILE_LEN   128
#define DHCP_OPTIONS_AT 240
#define DHCP_COOKIE     0x63825363
/* Old clients want at least so many bytes (BOOTP, RFC 951). */
#define DHCP_LEN_MIN 300
/* What a client takes if it does not say more (RFC 2131, 2: 312 bytes of options). */
#define DHCP_LEN_MAX_DEFAULT 548

#define DHCP_FLAG_BROADCAST 0x8000

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
};

enum dhcp_option {
	DHCP_OPT_PAD = 0,
	DHCP_OPT_MASK = 1,
	DHCP_OPT_ROUTER = 3,
	DHCP_OPT_DNS = 6,
	DHCP_OPT_HOST_NAME = 12,
	DHCP_OPT_DOMAIN = 15,
	DHCP_OPT_MTU = 26,
	DHCP_OPT_BROADCAST = 28,
	DHCP_OPT_REQUESTED_IP = 50,
	DHCP_OPT_LEASE_S = 51,
	DHCP_OPT_OVERLOAD = 52,
	DHCP_OPT_TYPE = 53,
	DHCP_OPT_SERVER_ID = 54,
	DHCP_OPT_REQUEST_LIST = 55,
	DHCP_OPT_MESSAGE = 56,
	DHCP_OPT_MAX_LEN = 57,
	DHCP_OPT_RENEW_S = 58,
	DHCP_OPT_REBIND_S = 59,
	DHCP_OPT_CLIENT_ID = 61,
	DHCP_OPT_END = 255,
};

/* An option's value, inside the message; NULL: not there. */
struct dhcp_value {
	const uint8_t *at;
	uint8_t len;
};

/* What a client says; addresses that are not there are 0. */
struct dhcp_message {
	uint8_t type; /* enum dhcp_type */
	uint8_t mac[6];
	uint16_t flags;
	uint16_t max_len; /* of the answer, from its first byte on */
	uint32_t xid;
	uint32_t ciaddr, giaddr;
	uint32_t requested_ip, server_id;
	struct dhcp_value client_id, request_list, host_name;
};

/* Options as they are found one after the other, in one of the places where they may be. */
struct dhcp_walk {
	const uint8_t *at, *end;
};

/* False: no more, or the last one is cut. */
static inline bool dhcp_next_option(struct dhcp_walk *w, uint8_t *code, struct dhcp_value *value)
{
	while (w->at < w->end && *w->at == DHCP_OPT_PAD)
		w->at++;
	if (w->end - w->at < 2 || *w->at == DHCP_OPT_END)
		return false;
	*code = w->at[0];
	*value = (struct dhcp_value){w->at + 2, w->at[1]};
	if (w->end - value->at < value->len)
		return false;
	w->at = value->at + value->len;
	return true;
}

/* The number in a value of exactly four bytes, otherwise 0. */
static inline uint32_t dhcp_u32(struct dhcp_value v)
{
	return v.at && v.len == 4 ? be32_get(v.at) : 0;
}

/* The first value of each option that we know, by code. */
struct dhcp_values {
	struct dhcp_value of[64];
};

static inline void dhcp_collect(struct dhcp_values *values, const uint8_t *at, uint32_t len)
{
	struct dhcp_walk w = {at, at + len};
	struct dhcp_value value;
	uint8_t code;

	while (dhcp_next_option(&w, &code, &value))
		if (code < sizeof(values->of) / sizeof(values->of[0]) && !values->of[code].at)
			values->of[code] = value;
}

static inline void dhcp_collect_all(struct dhcp_values *values, const uint8_t *p, uint32_t len)
{
	struct dhcp_value overload;

	memset(values, 0, sizeof(*values));
	dhcp_collect(values, p + DHCP_OPTIONS_AT, len - DHCP_OPTIONS_AT);
	overload = values->of[DHCP_OPT_OVERLOAD];
	if (overload.len != 1)
		return;
	if (overload.at[0] & 1)
		dhcp_collect(values, p + DHCP_FILE_AT, DHCP_FILE_LEN);
	if (overload.at[0] & 2)
		dhcp_collect(values, p + DHCP_SNAME_AT, DHCP_SNAME_LEN);
}

/* False: p is no request of DHCP by a station of Ethernet. */
static inline bool dhcp_parse(struct dhcp_message *m, const uint8_t *p, uint32_t len)
{
	struct dhcp_values values;
	const struct dhcp_value *of = values.of;

	if (len < DHCP_FIXED_LEN || p[0] != 1 || p[1] != 1 || p[2] != 6 || be32_get(p + 236) != DHCP_COOKIE)
		return false;
	dhcp_collect_all(&values, p, len);
	if (of[DHCP_OPT_TYPE].len != 1)
		return false;
	memset(m, 0, sizeof(*m));
	m->type = of[DHCP_OPT_TYPE].at[0];
	memcpy(m->mac, p + 28, sizeof(m->mac));
	m->xid = be32_get(p + 4);
	m->flags = be16_get(p + 10);
	m->ciaddr = be32_get(p + 12);
	m->giaddr = be32_get(p + 24);
	m->requested_ip = dhcp_u32(of[DHCP_OPT_REQUESTED_IP]);
	m->server_id = dhcp_u32(of[DHCP_OPT_SERVER_ID]);
	m->client_id = of[DHCP_OPT_CLIENT_ID];
	m->request_list = of[DHCP_OPT_REQUEST_LIST];
	m->host_name = of[DHCP_OPT_HOST_NAME];
	m->max_len = DHCP_LEN_MAX_DEFAULT;
	/* the option counts IP and UDP headers too, and is not worth less than what everybody takes */
	if (of[DHCP_OPT_MAX_LEN].len == 2 && be16_get(of[DHCP_OPT_MAX_LEN].at) > DHCP_LEN_MAX_DEFAULT + 28)
		m->max_len = (uint16_t)(be16_get(of[DHCP_OPT_MAX_LEN].at) - 28);
	return true;
}

/* The client wants this option; one that gives no list takes all. */
static inline bool dhcp_wants(const struct dhcp_message *m, uint8_t code)
{
	return !m->request_list.at || memchr(m->request_list.at, code, m->request_list.len);
}

/* An answer being written; once it is full nothing more is added. */
struct dhcp_writer {
	uint8_t *p;
	uint32_t size, len;
	bool full;
};

/* The fixed part of a server's answer to m, and its type. size is at least DHCP_LEN_MIN. */
static inline void dhcp_begin(
	struct dhcp_writer *w, uint8_t *p, uint32_t size, const struct dhcp_message *m, uint8_t type)
{
	*w = (struct dhcp_writer){.p = p, .size = size, .len = DHCP_OPTIONS_AT + 3};
	memset(p, 0, size);
	p[0] = 2;
	p[1] = 1;
	p[2] = 6;
	be32_set(p + 4, m->xid);
	be16_set(p + 10, m->flags);
	be32_set(p + 24, m->giaddr);
	memcpy(p + 28, m->mac, sizeof(m->mac));
	be32_set(p + 236, DHCP_COOKIE);
	p[DHCP_OPTIONS_AT] = DHCP_OPT_TYPE;
	p[DHCP_OPTIONS_AT + 1] = 1;
	p[DHCP_OPTIONS_AT + 2] = type;
}

static inline void dhcp_set_ciaddr(struct dhcp_writer *w, uint32_t ip)
{
	be32_set(w->p + 12, ip);
}

static inline void dhcp_set_yiaddr(struct dhcp_writer *w, uint32_t ip)
{
	be32_set(w->p + 16, ip);
}

/* One byte stays free for the end. */
static inline void dhcp_add(struct dhcp_writer *w, uint8_t code, const void *value, uint8_t len)
{
	if (w->full || w->size - w->len < len + 3u) {
		w->full = true;
		return;
	}
	w->p[w->len] = code;
	w->p[w->len + 1] = len;
	memcpy(w->p + w->len + 2, value, len);
	w->len += len + 2u;
}

static inline void dhcp_add_u32(struct dhcp_writer *w, uint8_t code, uint32_t value)
{
	uint8_t bytes[4];

	be32_set(bytes, value);
	dhcp_add(w, code, bytes, sizeof(bytes));
}

/* Returns the length of the message. */
static inline uint32_t dhcp_end(struct dhcp_writer *w)
{
	w->p[w->len++] = DHCP_OPT_END;
	return w->len < DHCP_LEN_MIN ? DHCP_LEN_MIN : w->len;
}

#endif
