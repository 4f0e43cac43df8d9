/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pcapng.h"

#include "base/check.h"

#include <endian.h>
#include <string.h>

enum block {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
};

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_APPLICATION = 4, /* of a section */
	OPTION_NAME = 2,        /* of an interface */
	OPTION_RESOLUTION = 9,  /* of an interface */
	OPTION_FLAGS = 2,       /* of a packet */
};

#define BYTE_ORDER_MAGIC  0x1a2b3c4d
#define VERSION_MAJOR     1
#define VERSION_MINOR     0
#define LINKTYPE_ETHERNET 1
#define NANOSECONDS       9 /* times are in 10^-9 s */

/* What is written; whatever does not fit makes the whole block not fit. */
struct writer {
	uint8_t *to;
	uint32_t size, len;
};

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

/* With zeros up to the next multiple of four. */
static void put(struct writer *w, const void *bytes, uint32_t len)
{
	uint32_t whole = padded(len);

	if (!w->to || w->size - w->len < whole) {
		w->to = NULL; /* nothing more either */
		return;
	}
	memcpy(w->to + w->len, bytes, len);
	memset(w->to + w->len + len, 0, whole - len);
	w->len += whole;
}

static void put_u32(struct writer *w, uint32_t value)
{
	value = htole32(value);
	put(w, &value, sizeof(value));
}

static void put_two_u16(struct writer *w, uint16_t first, uint16_t second)
{
	put_u32(w, first | (uint32_t)second << 16);
}

static void put_option(struct writer *w, enum option option, const void *value, uint32_t len)
{
	put_two_u16(w, (uint16_t)option, (uint16_t)len);
	put(w, value, len);
}

static void put_text(struct writer *w, enum option option, const char *text)
{
	if (text)
		put_option(w, option, text, (uint32_t)strnlen(text, PCAPNG_TEXT_MAX));
}

static struct writer begin(uint8_t *to, uint32_t size, enum block type)
{
	struct writer w = {.to = to, .size = size};

	put_u32(&w, type);
	put_u32(&w, 0); /* the length, at the end */
	return w;
}

/* The length stands at both ends of a block. */
static uint32_t end(struct writer *w)
{
	uint32_t len;

	put_two_u16(w, OPTION_END, 0);
	put_u32(w, w->len + 4);
	if (!w->to)
		return 0;
	len = htole32(w->len);
	memcpy(w->to + 4, &len, sizeof(len));
	return w->len;
}

uint32_t pcapng_section(uint8_t *to, uint32_t size, const char *application)
{
	struct writer w = begin(to, size, BLOCK_SECTION);

	put_u32(&w, BYTE_ORDER_MAGIC);
	put_two_u16(&w, VERSION_MAJOR, VERSION_MINOR);
	put_u32(&w, UINT32_MAX); /* how long the section is: not said */
	put_u32(&w, UINT32_MAX);
	put_text(&w, OPTION_APPLICATION, application);
	return end(&w);
}

uint32_t pcapng_interface(uint8_t *to, uint32_t size, const char *name, uint32_t snap_len)
{
	static const uint8_t resolution = NANOSECONDS;
	struct writer w = begin(to, size, BLOCK_INTERFACE);

	put_two_u16(&w, LINKTYPE_ETHERNET, 0);
	put_u32(&w, snap_len);
	put_text(&w, OPTION_NAME, name);
	put_option(&w, OPTION_RESOLUTION, &resolution, sizeof(resolution));
	return end(&w);
}

uint32_t pcapng_packet(uint8_t *to, uint32_t size, const struct pcapng_packet *packet)
{
	struct writer w = begin(to, size, BLOCK_PACKET);
	uint32_t flags = htole32((uint32_t)packet->direction);

	put_u32(&w, packet->interface);
	put_u32(&w, (uint32_t)(packet->time_ns >> 32));
	put_u32(&w, (uint32_t)packet->time_ns);
	put_u32(&w, packet->cap_len);
	put_u32(&w, packet->len);
	put(&w, packet->bytes, packet->cap_len);
	for (uint32_t i = 0; i < ARRAY_LEN(packet->comments); i++)
		put_text(&w, OPTION_COMMENT, packet->comments[i]);
	put_option(&w, OPTION_FLAGS, &flags, sizeof(flags));
	return end(&w);
}
