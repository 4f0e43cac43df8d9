/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns - the header of a message (RFC 1035, 4.1.1) and its question, as far as a forwarder looks at them.
 *
 *	0 id | 2 flags | 4 questions | 6 answers | 8 authorities | 10 additional | 12 question: name, type, class
 *
 * A name in a question is a row of labels, at most 255 bytes with their lengths. A pointer has no place there: it could
 * only lead forward or in circles, so it is refused and never followed.
 */
#ifndef GINNEL_WIRE_DNS_H
#define GINNEL_WIRE_DNS_H

#include "wire/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DNS_PORT       53
#define DNS_HEADER_LEN 12
#define DNS_NAME_MAX   255
#define DNS_LABEL_MAX  63

#define DNS_FLAG_RESPONSE  0x8000
#define DNS_FLAG_OPCODE    0x7800
#define DNS_FLAG_TRUNCATED 0x0200

/* All of these need DNS_HEADER_LEN bytes. */
static inline uint16_t dns_id(const uint8_t *p)
{
	return be16_get(p);
}

static inline uint16_t dns_flags(const uint8_t *p)
{
	return be16_get(p + 2);
}

static inline uint16_t dns_n_questions(const uint8_t *p)
{
	return be16_get(p + 4);
}

enum dns_name {
	DNS_NAME_OK,
	DNS_NAME_CUT, /* good so far, but it goes on behind len bytes */
	DNS_NAME_BAD, /* a pointer, a reserved kind of label, or too long */
};

/* The name at the beginning of p; *end is where it ends when it is good. */
static inline enum dns_name dns_name_check(const uint8_t *p, uint32_t len, uint32_t *end)
{
	uint32_t at = 0;

	while (at < len && p[at] != 0) {
		if (p[at] > DNS_LABEL_MAX)
			return DNS_NAME_BAD;
		at += 1u + p[at];
		if (at >= DNS_NAME_MAX)
			return DNS_NAME_BAD;
	}
	if (at >= len)
		return DNS_NAME_CUT;
	*end = at + 1;
	return DNS_NAME_OK;
}

/*
 * An ordinary question, of which the first len bytes of all_len are here: one name, and room for its type and class.
 */
static inline bool dns_is_query(const uint8_t *p, uint32_t len, uint32_t all_len)
{
	uint32_t end = 0;

	if (len < DNS_HEADER_LEN || dns_flags(p) & (DNS_FLAG_RESPONSE | DNS_FLAG_OPCODE) ||
		dns_n_questions(p) != 1)
		return false;
	switch (dns_name_check(p + DNS_HEADER_LEN, len - DNS_HEADER_LEN, &end)) {
	case DNS_NAME_OK:
		return DNS_HEADER_LEN + end + 4 <= all_len;
	case DNS_NAME_CUT:
		return len < all_len;
	default:
		return false;
	}
}

/* The name as text, dots between its labels; what is no printable ASCII is '?'. The name is good. */
static inline void dns_name_text(char text[DNS_NAME_MAX + 1], const uint8_t *p)
{
	char *to = text;

	for (uint32_t at = 0; p[at] != 0; at += 1u + p[at])
		for (uint32_t i = 0; i <= p[at]; i++) {
			uint8_t c = i == 0 ? '.' : p[at + i];

			if (i > 0 || at > 0)
				*to++ = c > ' ' && c < 0x7f ? (char)c : '?';
		}
	if (to == text)
		*to++ = '.';
	*to = 0;
}

#endif
