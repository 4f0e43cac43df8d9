/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pcap_read.h"

#include "base/units.h"

#include <endian.h>
#include <string.h>

#define LINK_TYPE_ETHERNET 1

#define FILE_HEADER_LEN   24
#define RECORD_HEADER_LEN 16

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du

#define BLOCK_SECTION    0x0a0d0d0au
#define BLOCK_INTERFACE  1u
#define BLOCK_SIMPLE     3u
#define BLOCK_ENHANCED   6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

#define OPTION_END        0
#define OPTION_RESOLUTION 9

static uint32_t u32_at(const struct pcap_reader *r, size_t at)
{
	uint32_t v;

	memcpy(&v, r->bytes + at, sizeof(v));
	return r->big_endian ? be32toh(v) : le32toh(v);
}

static uint16_t u16_at(const struct pcap_reader *r, size_t at)
{
	uint16_t v;

	memcpy(&v, r->bytes + at, sizeof(v));
	return r->big_endian ? be16toh(v) : le16toh(v);
}

/* Ticks much finer than nanoseconds would not fit where they are multiplied. */
static uint64_t ns_of(uint64_t ticks, uint64_t ticks_per_s)
{
	uint64_t rest = ticks % ticks_per_s;

	return ticks / ticks_per_s * NS_PER_S + (ticks_per_s > 10 * NS_PER_S ? rest / (ticks_per_s / NS_PER_S)
									     : rest * NS_PER_S / ticks_per_s);
}

/* --- pcap --- */

static enum pcap_read begin_plain(struct pcap_reader *r)
{
	uint32_t magic;

	for (int big = 0; big < 2; big++) {
		r->big_endian = big;
		magic = u32_at(r, 0);
		if (magic != MAGIC_US && magic != MAGIC_NS)
			continue;
		if (r->len < FILE_HEADER_LEN)
			return PCAP_READ_CUT;
		/* above the type there may be the length of the check sequence */
		r->interfaces[0] = (struct pcap_read_interface){
			u32_at(r, 20) & 0xffff, magic == MAGIC_NS ? NS_PER_S : NS_PER_S / 1000};
		r->n_interfaces = 1;
		r->at = FILE_HEADER_LEN;
		return r->interfaces[0].link_type == LINK_TYPE_ETHERNET ? PCAP_READ_OK : PCAP_READ_LINK_TYPE;
	}
	return PCAP_READ_NO_CAPTURE;
}

static enum pcap_read next_plain(struct pcap_reader *r, struct pcap_read_frame *frame)
{
	size_t left = r->len - r->at;
	uint64_t ticks_per_s = r->interfaces[0].ticks_per_s;

	if (left == 0)
		return PCAP_READ_END;
	if (left < RECORD_HEADER_LEN)
		return PCAP_READ_CUT;
	frame->len = u32_at(r, r->at + 8);
	frame->wire_len = u32_at(r, r->at + 12);
	frame->bytes = r->bytes + r->at + RECORD_HEADER_LEN;
	frame->time_ns = ns_of(u32_at(r, r->at) * ticks_per_s + u32_at(r, r->at + 4), ticks_per_s);
	if (left - RECORD_HEADER_LEN < frame->len)
		return PCAP_READ_CUT;
	r->at += RECORD_HEADER_LEN + frame->len;
	return PCAP_READ_OK;
}

/* --- pcapng --- */

/* The block at r->at is there as a whole, and its length what it says at both ends. */
static enum pcap_read block_check(const struct pcap_reader *r, uint32_t *len)
{
	size_t left = r->len - r->at;

	if (left < 12)
		return PCAP_READ_CUT;
	*len = u32_at(r, r->at + 4);
	if (*len < 12 || *len % 4 != 0)
		return PCAP_READ_MALFORMED;
	if (*len > left)
		return PCAP_READ_CUT;
	return u32_at(r, r->at + *len - 4) == *len ? PCAP_READ_OK : PCAP_READ_MALFORMED;
}

/* Its byte order is to be known before anything of it is read. */
static enum pcap_read section(struct pcap_reader *r)
{
	if (r->len - r->at < 28)
		return PCAP_READ_CUT;
	r->n_interfaces = 0;
	for (int big = 0; big < 2; big++) {
		r->big_endian = big;
		if (u32_at(r, r->at + 8) == BYTE_ORDER_MAGIC)
			return PCAP_READ_OK;
	}
	return PCAP_READ_MALFORMED;
}

/* A power of ten, or of two with the highest bit; 0: none that we can count with. */
static uint64_t ticks_of(uint8_t resolution)
{
	uint64_t ticks = 1;

	if (resolution & 0x80)
		return (resolution & 0x7f) < 64 ? UINT64_C(1) << (resolution & 0x7f) : 0;
	if (resolution > 19)
		return 0;
	for (uint8_t i = 0; i < resolution; i++)
		ticks *= 10;
	return ticks;
}

/* Options from `at` on, up to `end`, which is within the file. */
static uint64_t resolution_in(const struct pcap_reader *r, size_t at, size_t end)
{
	while (end - at >= 4) {
		uint16_t code = u16_at(r, at), len = u16_at(r, at + 2);
		size_t padded = (len + 3u) & ~3u;

		at += 4;
		if (code == OPTION_END || padded > end - at)
			break;
		if (code == OPTION_RESOLUTION && len >= 1)
			return ticks_of(r->bytes[at]);
		at += padded;
	}
	return NS_PER_S / 1000;
}

static enum pcap_read interface(struct pcap_reader *r, uint32_t len)
{
	struct pcap_read_interface *i = &r->interfaces[r->n_interfaces];

	if (len < 20 || r->n_interfaces == PCAP_READ_INTERFACES)
		return PCAP_READ_MALFORMED;
	i->link_type = u16_at(r, r->at + 8);
	i->ticks_per_s = resolution_in(r, r->at + 16, r->at + len - 4);
	r->n_interfaces++;
	return i->ticks_per_s > 0 ? PCAP_READ_OK : PCAP_READ_MALFORMED;
}

static enum pcap_read frame_check(
	const struct pcap_reader *r, uint32_t idx, const struct pcap_read_frame *frame, uint32_t room)
{
	if (idx >= r->n_interfaces || frame->len > room)
		return PCAP_READ_MALFORMED;
	return r->interfaces[idx].link_type == LINK_TYPE_ETHERNET ? PCAP_READ_OK : PCAP_READ_LINK_TYPE;
}

static enum pcap_read enhanced(const struct pcap_reader *r, uint32_t len, struct pcap_read_frame *frame)
{
	uint32_t idx;
	enum pcap_read err;

	if (len < 32)
		return PCAP_READ_MALFORMED;
	idx = u32_at(r, r->at + 8);
	frame->len = u32_at(r, r->at + 20);
	frame->wire_len = u32_at(r, r->at + 24);
	frame->bytes = r->bytes + r->at + 28;
	err = frame_check(r, idx, frame, len - 32);
	if (err == PCAP_READ_OK)
		frame->time_ns = ns_of((uint64_t)u32_at(r, r->at + 12) << 32 | u32_at(r, r->at + 16),
			r->interfaces[idx].ticks_per_s);
	return err;
}

/* How much is there is the block's length. */
static enum pcap_read simple(const struct pcap_reader *r, uint32_t len, struct pcap_read_frame *frame)
{
	if (len < 16)
		return PCAP_READ_MALFORMED;
	frame->wire_len = u32_at(r, r->at + 8);
	frame->len = frame->wire_len < len - 16 ? frame->wire_len : len - 16;
	frame->bytes = r->bytes + r->at + 12;
	frame->time_ns = 0;
	return frame_check(r, 0, frame, len - 16);
}

/* One block; *is_frame: it holds one. */
static enum pcap_read block(struct pcap_reader *r, struct pcap_read_frame *frame, bool *is_frame)
{
	uint32_t type = r->len - r->at >= 4 ? u32_at(r, r->at) : 0, len;
	enum pcap_read err = type == BLOCK_SECTION ? section(r) : PCAP_READ_OK;

	if (err == PCAP_READ_OK)
		err = block_check(r, &len);
	if (err != PCAP_READ_OK)
		return err;
	*is_frame = type == BLOCK_ENHANCED || type == BLOCK_SIMPLE;
	if (type == BLOCK_INTERFACE)
		err = interface(r, len);
	else if (type == BLOCK_ENHANCED)
		err = enhanced(r, len, frame);
	else if (type == BLOCK_SIMPLE)
		err = simple(r, len, frame);
	if (err == PCAP_READ_OK)
		r->at += len;
	return err;
}

static enum pcap_read next_block(struct pcap_reader *r, struct pcap_read_frame *frame)
{
	bool is_frame = false;
	enum pcap_read err = PCAP_READ_OK;

	while (!is_frame && err == PCAP_READ_OK)
		err = r->at == r->len ? PCAP_READ_END : block(r, frame, &is_frame);
	return err;
}

/* --- */

enum pcap_read pcap_read_begin(struct pcap_reader *r, const uint8_t *bytes, size_t len)
{
	*r = (struct pcap_reader){.bytes = bytes, .len = len};
	if (len < sizeof(uint32_t))
		return PCAP_READ_NO_CAPTURE;
	r->ng = u32_at(r, 0) == BLOCK_SECTION;
	return r->ng ? PCAP_READ_OK : begin_plain(r);
}

enum pcap_read pcap_read_next(struct pcap_reader *r, struct pcap_read_frame *frame)
{
	return r->ng ? next_block(r, frame) : next_plain(r, frame);
}

const char *pcap_read_text(enum pcap_read what)
{
	static const char *const texts[] = {
		[PCAP_READ_OK] = "",
		[PCAP_READ_END] = "",
		[PCAP_READ_NO_CAPTURE] = "it is neither pcap nor pcapng",
		[PCAP_READ_CUT] = "it ends within a record",
		[PCAP_READ_MALFORMED] = "a record says what cannot be",
		[PCAP_READ_LINK_TYPE] = "its frames are not Ethernet",
	};

	return texts[what];
}
