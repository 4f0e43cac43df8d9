/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ethernet - the frame's first bytes, and addresses.
 *
 *	0          6          12    14
 *	+----------+----------+-----+--------
 *	|   dst    |   src    | type| payload
 *	+----------+----------+-----+--------
 *
 * An address is handled as a number: 48 bits in the order of the wire, so 52:54:00:00:00:01 is
 * 0x525400000001. Functions that take a frame need its ETHERNET_HEADER_LEN bytes.
 */
#ifndef GINNEL_WIRE_ETHERNET_H
#define GINNEL_WIRE_ETHERNET_H

#include "wire/bytes.h"

#include <ctype.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ETHERNET_HEADER_LEN 14
#define ETHERNET_SRC_AT     6
#define ETHERNET_TYPE_AT    12
#define ETHERNET_TAG_LEN    4
/* More tags than these in a row are payload to us. */
#define ETHERNET_TAGS_MAX 2

/* Types that say "a tag of 4 bytes follows": the usual one (802.1Q) and the provider's (802.1ad). */
#define ETHERNET_TYPE_VLAN     0x8100
#define ETHERNET_TYPE_PROVIDER 0x88a8

#define MAC_LEN       6
#define MAC_TEXT_SIZE sizeof("52:54:00:00:00:01")
#define MAC_BROADCAST 0xffffffffffffull

static inline uint64_t mac_load(const uint8_t bytes[MAC_LEN])
{
	uint64_t mac = 0;

	for (size_t i = 0; i < MAC_LEN; i++)
		mac = mac << 8 | bytes[i];
	return mac;
}

static inline void mac_store(uint8_t bytes[MAC_LEN], uint64_t mac)
{
	for (size_t i = 0; i < MAC_LEN; i++)
		bytes[i] = (uint8_t)(mac >> (40 - 8 * i));
}

/* Broadcast is a group too. */
static inline bool mac_is_group(uint64_t mac)
{
	return mac >> 40 & 1;
}

static inline bool mac_is_broadcast(uint64_t mac)
{
	return mac == MAC_BROADCAST;
}

/* Both addresses of a frame, to be compared with another's. */
struct ethernet_pair {
	uint64_t dst_and_src; /* all of dst, the first two bytes of src */
	uint32_t src;         /* the others */
};

static inline struct ethernet_pair ethernet_pair(const uint8_t *frame)
{
	struct ethernet_pair p;

	memcpy(&p.dst_and_src, frame, sizeof(p.dst_and_src));
	memcpy(&p.src, frame + sizeof(p.dst_and_src), sizeof(p.src));
	return p;
}

static inline bool ethernet_pair_same(struct ethernet_pair a, struct ethernet_pair b)
{
	return a.dst_and_src == b.dst_and_src && a.src == b.src;
}

/* One load of eight bytes each, both inside the header. */
static inline uint64_t ethernet_dst(const uint8_t *frame)
{
	uint64_t word;

	memcpy(&word, frame, sizeof(word));
	return be64toh(word) >> 16;
}

static inline uint64_t ethernet_src(const uint8_t *frame)
{
	uint64_t word;

	memcpy(&word, frame + ETHERNET_SRC_AT, sizeof(word));
	return be64toh(word) >> 16;
}

/* Both addresses of a frame; its type stays. */
static inline void ethernet_rewrite(uint8_t *frame, uint64_t dst, uint64_t src)
{
	uint64_t first = htobe64(dst << 16 | src >> 32);
	uint32_t second = htobe32((uint32_t)src);

	memcpy(frame, &first, sizeof(first));
	memcpy(frame + sizeof(first), &second, sizeof(second));
}

static inline bool ethernet_is_tag(uint16_t type)
{
	return type == ETHERNET_TYPE_VLAN || type == ETHERNET_TYPE_PROVIDER;
}

/* Where the payload behind the tags starts, and its type; 0: not within len bytes. */
static inline uint32_t ethernet_payload(const uint8_t *frame, uint32_t len, uint16_t *type)
{
	uint32_t at = ETHERNET_TYPE_AT;

	for (uint32_t tags = 0; at + sizeof(*type) <= len; tags++, at += ETHERNET_TAG_LEN) {
		*type = be16_get(frame + at);
		if (!ethernet_is_tag(*type) || tags == ETHERNET_TAGS_MAX)
			return at + (uint32_t)sizeof(*type);
	}
	return 0;
}

/* Of a frame of len bytes, of which head_len are there: what an MTU counts. */
static inline uint32_t ethernet_payload_len(const uint8_t *frame, uint32_t head_len, uint32_t len)
{
	uint16_t type;
	uint32_t at = ethernet_payload(frame, head_len, &type);

	return at ? len - at : 0;
}

static inline const char *mac_format(char text[MAC_TEXT_SIZE], uint64_t mac)
{
	uint8_t b[MAC_LEN];

	mac_store(b, mac);
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return text;
}

/* Exactly six pairs of hexadecimal digits with colons between. */
static inline bool mac_parse(const char *text, uint64_t *mac)
{
	uint64_t value = 0;

	for (size_t i = 0; i < MAC_TEXT_SIZE - 1; i++) {
		char c = text[i];

		if (i % 3 == 2 ? c != ':' : !isxdigit((unsigned char)c))
			return false;
		if (i % 3 != 2)
			value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	if (text[MAC_TEXT_SIZE - 1])
		return false;
	*mac = value;
	return true;
}

#endif
