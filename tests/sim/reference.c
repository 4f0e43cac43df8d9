/* SPDX-License-Identifier: Apache-2.0 */
#include "reference.h"

#include <string.h>

/* virtio 1.2, 5.1.6; RFC 791, 8200, 9293, 768 and 3168: numbers and places. */
#define NEEDS_CSUM   1
#define GSO_TCPV4    1
#define GSO_TCPV6    4
#define GSO_UDP_L4   5
#define GSO_ECN      0x80
#define TCP_SEQ      4
#define TCP_FLAGS    13
#define TCP_FLAG_CWR 0x80
#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_FIN 0x01

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void add32(uint8_t *p, uint32_t n)
{
	uint32_t value = (get16(p) << 16 | get16(p + 2)) + n;

	put16(p, value >> 16);
	put16(p + 2, value);
}

/* RFC 1071: 16-bit words, an odd last byte is followed by a zero, carries come back in. */
static uint32_t sum_of(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* Addresses, protocol and the length of layer 4. */
static uint32_t pseudo_sum(const struct reference_packet *p, const uint8_t *frame, uint32_t l4_len)
{
	uint32_t n = p->shape.ip6 ? 32 : 8, at = p->l3 + (p->shape.ip6 ? 8 : 12);
	uint8_t rest[6] = {0, p->shape.tcp ? 6 : 17, 0, (uint8_t)(l4_len >> 16)};

	put16(rest + 4, l4_len);
	return sum_of(sum_of(0, frame + at, n), rest, sizeof(rest));
}

static uint32_t csum_at(const struct reference_packet *p)
{
	return p->l4 + (p->shape.tcp ? 16 : 6);
}

/* Layer 4's checksum of a frame: complete, or only begun. */
static void set_csum(const struct reference_packet *p, struct reference_frame *f, bool begun)
{
	uint8_t *field = f->bytes + csum_at(p);
	uint32_t l4_len = f->len - p->l4, sum;

	put16(field, 0);
	sum = pseudo_sum(p, f->bytes, l4_len);
	if (!begun) {
		sum = 0xffff & ~sum_of(sum, f->bytes + p->l4, l4_len);
		if (!p->shape.tcp && sum == 0)
			sum = 0xffff;
	}
	put16(field, sum);
	f->flags = begun ? NEEDS_CSUM : 0;
	f->csum_start = begun ? (uint16_t)p->l4 : 0;
	f->csum_offset = begun ? (uint16_t)(csum_at(p) - p->l4) : 0;
}

/* Lengths, and the checksum of IPv4's header. */
static void set_lengths(const struct reference_packet *p, struct reference_frame *f)
{
	uint8_t *ip = f->bytes + p->l3;

	if (!p->shape.tcp)
		put16(f->bytes + p->l4 + 4, f->len - p->l4);
	if (p->shape.ip6) {
		put16(ip + 4, f->len - p->l3 - 40);
		return;
	}
	put16(ip + 2, f->len - p->l3);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum_of(0, ip, p->l4 - p->l3));
}

static uint8_t gso_type(const struct reference_shape *s)
{
	uint8_t type = !s->tcp ? GSO_UDP_L4 : s->ip6 ? GSO_TCPV6 : GSO_TCPV4;

	return s->gso_size == 0 ? 0 : s->cwr ? type | GSO_ECN : type;
}

/* --- making one --- */

static void make_ethernet(struct reference_packet *p, const uint8_t *dst, const uint8_t *src)
{
	uint8_t *frame = p->frame.bytes;

	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	p->l3 = 14 + 4 * p->shape.tags;
	if (p->shape.tags == 2)
		put16(frame + 12, 0x88a8);
	if (p->shape.tags > 0)
		put16(frame + p->l3 - 6, 0x8100);
	put16(frame + p->l3 - 2, p->shape.ip6 ? 0x86dd : 0x0800);
}

/* With options: 8 bytes more in IPv4, hop-by-hop (8) and destination options (16) in IPv6. */
static void make_ip(struct reference_packet *p)
{
	uint8_t *ip = p->frame.bytes + p->l3, proto = p->shape.tcp ? 6 : 17;

	if (!p->shape.ip6) {
		p->l4 = p->l3 + (p->shape.options ? 28 : 20);
		ip[0] = p->shape.options ? 0x47 : 0x45;
		put16(ip + 6, 0x4000);
		ip[9] = proto;
		return;
	}
	p->l4 = p->l3 + (p->shape.options ? 64 : 40);
	ip[0] = 0x60;
	ip[6] = p->shape.options ? 0 : proto;
	if (p->shape.options) {
		ip[40] = 60;
		ip[41] = 0;
		ip[48] = proto;
		ip[49] = 1;
	}
}

static void make_l4(struct reference_packet *p)
{
	uint8_t *l4 = p->frame.bytes + p->l4;
	uint32_t header_len = !p->shape.tcp ? 8 : p->shape.options ? 32 : 20;

	p->payload_at = p->l4 + header_len;
	if (!p->shape.tcp)
		return;
	l4[12] = (uint8_t)(header_len / 4 << 4);
	if (p->shape.cwr)
		l4[TCP_FLAGS] |= TCP_FLAG_CWR;
}

void reference_make(struct reference_packet *p, const struct reference_shape *shape, const uint8_t dst[6],
	const uint8_t src[6], uint64_t seed)
{
	struct reference_frame *f = &p->frame;

	p->shape = *shape;
	for (uint32_t i = 0; i < 200 + shape->payload; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		f->bytes[i] = (uint8_t)(seed >> 56);
	}
	make_ethernet(p, dst, src);
	make_ip(p);
	make_l4(p);
	f->len = p->payload_at + shape->payload;
	set_lengths(p, f);
	set_csum(p, f, shape->begun);
	f->gso_type = gso_type(shape);
	f->gso_size = shape->gso_size;
	f->hdr_len = shape->gso_size ? (uint16_t)p->payload_at : 0;
}

/* --- what must arrive --- */

static bool takes_whole(const struct reference_shape *s, const struct reference_caps *c)
{
	if (s->gso_size == 0)
		return true;
	if (!c->csum || (s->cwr && !c->ecn))
		return false;
	if (s->tcp)
		return s->ip6 ? c->tso6 : c->tso4;
	return s->ip6 ? c->uso6 : c->uso4;
}

static void expect_segment(const struct reference_packet *p, uint32_t i, struct reference_frame *out)
{
	const struct reference_shape *s = &p->shape;
	uint32_t at = i * s->gso_size, left = s->payload - at;
	uint32_t len = left < s->gso_size ? left : s->gso_size;
	uint8_t *l4 = out->bytes + p->l4;

	memcpy(out->bytes, p->frame.bytes, p->payload_at);
	memcpy(out->bytes + p->payload_at, p->frame.bytes + p->payload_at + at, len);
	out->len = p->payload_at + len;
	if (!s->ip6)
		put16(out->bytes + p->l3 + 4, get16(out->bytes + p->l3 + 4) + i);
	set_lengths(p, out);
	if (!s->tcp)
		return;
	add32(l4 + TCP_SEQ, at);
	if (i > 0)
		l4[TCP_FLAGS] &= (uint8_t)~TCP_FLAG_CWR;
	if (len < left)
		l4[TCP_FLAGS] &= (uint8_t) ~(TCP_FLAG_PSH | TCP_FLAG_FIN);
}

bool reference_expect(const struct reference_packet *p, const struct reference_caps *caps, uint32_t i,
	struct reference_frame *out)
{
	const struct reference_shape *s = &p->shape;

	if (takes_whole(s, caps)) {
		if (i > 0)
			return false;
		*out = p->frame;
		if (s->begun && !caps->csum)
			set_csum(p, out, false);
		return true;
	}
	if (i > 0 && i * s->gso_size >= s->payload)
		return false;
	out->gso_type = 0;
	out->gso_size = 0;
	out->hdr_len = 0;
	expect_segment(p, i, out);
	set_csum(p, out, caps->csum);
	return true;
}
