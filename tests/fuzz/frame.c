/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - a frame with any virtio-net header, in any pieces, for a receiver with any abilities, into buffers that are
 * exactly as long as needed.
 *
 * What comes out is compared with what went in: a whole frame byte for byte but for its checksum, segments by their
 * payload; checksums that were begun right have to be right.
 */
#include "fuzz.h"

#include "base/csum.h"
#include "poison.h"
#include "port/frame.h"
#include "port/vnet.h"

#include <stdlib.h>

#define PIECES_MAX 8
#define EDITS_MAX  16

/* Where the headers of a frame are that nobody has spoilt. */
struct layout {
	uint32_t l3, l4, payload;
	bool ip6, tcp;
};

struct sample {
	uint32_t len;
	uint8_t bytes[PKT_LEN_MAX];
	struct layout at;
	bool sound; /* headers as the layout says, and the checksum begun right */
	struct virtio_net_hdr hdr;
};

static struct sample sample;
static uint8_t pattern[PKT_LEN_MAX];
static uint8_t out[PKT_LEN_MAX + 64];

/* --- what is sent --- */

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, uint32_t len)
{
	uint64_t wide = sum;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		wide += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len % 2 != 0)
		wide += (uint32_t)p[len - 1] << 8;
	while (wide > 0xffff)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

/* Of a frame with len bytes from l4 on. */
static uint32_t pseudo_sum(const struct layout *at, const uint8_t *frame, uint32_t len)
{
	const uint8_t rest[4] = {0, at->tcp ? 6 : 17, (uint8_t)(len >> 8), (uint8_t)len};
	const uint8_t *ip = frame + at->l3;

	return sum16(at->ip6 ? sum16(0, ip + 8, 32) : sum16(0, ip + 12, 8), rest, sizeof(rest)) + (len >> 16);
}

static uint32_t csum_at(const struct layout *at)
{
	return at->l4 + (at->tcp ? 16 : 6);
}

static void make_ip4(struct sample *s, struct fuzz *f)
{
	uint8_t *ip = s->bytes + s->at.l3;
	uint32_t words = 5 + fuzz_below(f, 11);

	s->at.l4 = s->at.l3 + 4 * words;
	ip[0] = (uint8_t)(0x40 | words);
	put16(ip + 2, s->len - s->at.l3 > UINT16_MAX ? 0 : s->len - s->at.l3);
	put16(ip + 6, 0x4000);
	ip[9] = s->at.tcp ? 6 : 17;
}

/* With extension headers before layer 4, more than the head can hold if it so happens. */
static void make_ip6(struct sample *s, struct fuzz *f)
{
	static const uint8_t extensions[] = {0, 43, 60};
	uint8_t *ip = s->bytes + s->at.l3, *next = ip + 6;
	uint32_t n = fuzz_below(f, 4), len = s->len - s->at.l3 - 40;

	ip[0] = 0x60;
	put16(ip + 4, len > UINT16_MAX ? 0 : len);
	s->at.l4 = s->at.l3 + 40;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t units = fuzz_below(f, 3);

		*next = extensions[i];
		next = s->bytes + s->at.l4;
		next[1] = (uint8_t)units;
		s->at.l4 += 8 * (units + 1);
	}
	*next = s->at.tcp ? 6 : 17;
}

static void make_headers(struct sample *s, struct fuzz *f)
{
	static const uint16_t tags[] = {0x8100, 0x88a8};
	uint8_t how = fuzz_u8(f);

	s->at.ip6 = how & 1;
	s->at.tcp = how & 2;
	s->at.l3 = 14;
	for (uint32_t i = 0; i < (how >> 2) % 3u; i++, s->at.l3 += 4)
		put16(s->bytes + s->at.l3 - 2, tags[i]);
	put16(s->bytes + s->at.l3 - 2, s->at.ip6 ? 0x86dd : 0x0800);
	if (s->at.ip6)
		make_ip6(s, f);
	else
		make_ip4(s, f);
	s->at.payload = s->at.l4 + 8;
	if (s->at.tcp) {
		uint32_t words = 5 + fuzz_below(f, 11);

		s->at.payload = s->at.l4 + 4 * words;
		s->bytes[s->at.l4 + 12] = (uint8_t)(words << 4);
		s->bytes[s->at.l4 + 13] = fuzz_u8(f);
	}
}

/* A header that asks for what fits the frame. */
static void make_hdr(struct sample *s, struct fuzz *f)
{
	static const uint64_t sizes[] = {1448, 536, 64, 1, 0, 65535, 8948};
	uint8_t how = fuzz_u8(f);

	s->hdr = (struct virtio_net_hdr){0};
	if (how & 1) {
		s->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		s->hdr.csum_start = (uint16_t)s->at.l4;
		s->hdr.csum_offset = (uint16_t)(csum_at(&s->at) - s->at.l4);
	}
	if (how & 2) {
		s->hdr.gso_type = !s->at.tcp  ? VIRTIO_NET_HDR_GSO_UDP_L4
				  : s->at.ip6 ? VIRTIO_NET_HDR_GSO_TCPV6
					      : VIRTIO_NET_HDR_GSO_TCPV4;
		s->hdr.gso_size = (uint16_t)fuzz_pick(f, sizes, ARRAY_LEN(sizes));
	}
	if (how & 4)
		s->hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	if (how & 8)
		fuzz_bytes(f, &s->hdr, sizeof(s->hdr));
	else if (how & 16)
		s->hdr.csum_start = fuzz_u16(f);
	else if (how & 32)
		s->hdr.csum_offset = fuzz_u16(f);
}

static void spoil(struct sample *s, struct fuzz *f)
{
	uint32_t n = fuzz_below(f, EDITS_MAX);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = fuzz_u8(f) % min_u32(s->len, 192);

		s->bytes[at] ^= fuzz_u8(f);
		s->sound = false;
	}
}

static void make_sample(struct sample *s, struct fuzz *f)
{
	static const uint64_t lens[] = {1514, 60, 14, 128, 129, 200, 300, 400, 600, 700, 800, 900, 1000, 2000,
		4000, 9014, 65550, PKT_LEN_MAX};

	s->len = (uint32_t)(fuzz_pick(f, lens, ARRAY_LEN(lens)) % (PKT_LEN_MAX + 1));
	if (s->len < 14)
		s->len = 14;
	memcpy(s->bytes, pattern,
		sizeof(pattern)); /* headers may be longer than the frame: their end is not sent */
	make_headers(s, f);
	s->sound = s->len >= s->at.payload && s->len - s->at.l3 <= UINT16_MAX;
	if (s->sound) {
		uint32_t sum = pseudo_sum(&s->at, s->bytes, s->len - s->at.l4);

		put16(s->bytes + csum_at(&s->at), (sum & 0xffff) + (sum >> 16));
	}
	make_hdr(s, f);
	spoil(s, f);
}

/* --- as a packet --- */

struct pieces {
	uint32_t n;
	struct virtq_seg segs[PIECES_MAX];
};

/* Each a block of its own, exactly as long. */
static void pieces_make(struct pieces *p, struct fuzz *f, uint32_t len, const uint8_t *from)
{
	p->n = 0;
	while (len > 0) {
		uint32_t part = 1 + fuzz_u16(f) % len;

		if (p->n == PIECES_MAX - 1 || fuzz_over(f))
			part = len;
		p->segs[p->n] = (struct virtq_seg){.addr = malloc(part), .len = part};
		ASSERT(p->segs[p->n].addr);
		if (from) {
			memcpy(p->segs[p->n].addr, from, part);
			from += part;
		}
		p->n++;
		len -= part;
	}
}

static void pieces_free(struct pieces *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->segs[i].addr);
}

static void pieces_gather(const struct pieces *p, uint8_t *to)
{
	for (uint32_t i = 0; i < p->n; i++) {
		memcpy(to, p->segs[i].addr, p->segs[i].len);
		to += p->segs[i].len;
	}
}

static void make_pkt(struct pkt *pkt, const struct sample *s, const struct pieces *body, struct pkt_seg *segs)
{
	memset(pkt, 0, sizeof(*pkt));
	pkt->data = pkt->buf + PKT_HEADROOM;
	pkt->head_len = (uint16_t)min_u32(s->len, PKT_HEAD_MAX);
	memcpy(pkt->data, s->bytes, pkt->head_len);
	ASAN_POISON_MEMORY_REGION(pkt->data + pkt->head_len, PKT_HEAD_MAX - pkt->head_len);
	pkt->body_len = s->len - pkt->head_len;
	pkt->n_segs = (uint16_t)body->n;
	for (uint32_t i = 0; i < body->n; i++)
		segs[i] = (struct pkt_seg){.addr = body->segs[i].addr, .len = body->segs[i].len};
	pkt->segs = segs;
}

/* --- what arrives --- */

/* To out, behind skip bytes that must stay as they are. */
static uint32_t receive(const struct frame *f, struct fuzz *fuzz, uint32_t skip)
{
	uint32_t len = f->head_len + f->body_len;
	struct pieces pieces;

	ASSERT(len <= PKT_LEN_MAX);
	pieces_make(&pieces, fuzz, skip + len, NULL);
	for (uint32_t i = 0; i < pieces.n; i++)
		memset(pieces.segs[i].addr, 0xee, pieces.segs[i].len);
	ASSERT(frame_copy(f, pieces.segs, pieces.n, skip) == f->body_len);
	pieces_gather(&pieces, out);
	for (uint32_t i = 0; i < skip; i++)
		ASSERT(out[i] == 0xee);
	memmove(out, out + skip, len);
	pieces_free(&pieces);
	return len;
}

/* The sum over what follows csum_start, with the field as it was before, is that of a complete checksum. */
static void check_csum(const struct frame *f, const uint8_t *before, uint32_t len)
{
	uint32_t at = (uint32_t)f->csum_start + f->csum_offset;
	uint32_t sum;

	ASSERT(at + 2 <= len);
	if (f->csum_offset % 2 != 0)
		return;
	sum = sum16(0, out + f->csum_start, len - f->csum_start);
	sum = sum16(sum, before + at, 2);
	ASSERT(sum == 0xffff || sum == 0);
}

static void check_whole(const struct frame *f, uint32_t len, uint32_t mtu)
{
	uint32_t at = (uint32_t)f->csum_start + f->csum_offset;

	ASSERT(len == sample.len);
	if (sample.sound && f->offload.gso == PKT_GSO_NONE)
		ASSERT(len - sample.at.l3 <= mtu);
	if (f->csum) {
		check_csum(f, sample.bytes, len);
		memcpy(out + at, sample.bytes + at, 2);
	}
	ASSERT(memcmp(out, sample.bytes, len) == 0);
}

/* One of several, with payload from `done` on. Returns how much of it. */
static uint32_t check_segment(const struct frame_iter *it, const struct frame *f, uint32_t done, uint32_t len)
{
	uint32_t part = len - it->payload;

	ASSERT(len >= it->payload && part <= it->gso_size && it->payload + done + part <= sample.len);
	ASSERT(memcmp(out, sample.bytes, it->l3) == 0);
	ASSERT(memcmp(out + it->payload, sample.bytes + it->payload + done, part) == 0);
	if (sample.sound) {
		uint32_t sum = pseudo_sum(&sample.at, out, len - it->l4);

		ASSERT(it->l3 == sample.at.l3 && it->l4 == sample.at.l4 && it->payload == sample.at.payload);
		if (f->csum) /* complete */
			sum = sum16(sum, out + it->l4, len - it->l4);
		else
			sum = sum16(0xffff ^ ((sum & 0xffff) + (sum >> 16)), out + csum_at(&sample.at), 2);
		ASSERT(sum == 0xffff);
	}
	return part;
}

static void check_offload(const struct frame_iter *it, const struct frame *f, uint32_t caps, uint32_t mtu)
{
	const struct pkt_offload *o = &f->offload;

	ASSERT(!o->csum || (caps & FRAME_CAP_CSUM));
	ASSERT(!o->csum || (uint32_t)o->csum_start + o->csum_offset + 2 <= f->head_len + f->body_len);
	if (o->gso == PKT_GSO_NONE)
		return;
	ASSERT(it->whole && o->csum && caps >= FRAME_CAP_TSO4 && (!o->ecn || (caps & FRAME_CAP_ECN)));
	ASSERT(o->gso_size > 0 && it->payload - it->l3 + (uint32_t)o->gso_size <= mtu);
}

static void send(const struct pkt *pkt, struct fuzz *f)
{
	static const uint64_t mtus[] = {1500, 68, 65535, 9000, 576, 1280};
	uint32_t caps = fuzz_u8(f) & 63, skip = fuzz_below(f, 2) ? VNET_HDR_LEN : VNET_HDR_LEN_LEGACY;
	uint32_t mtu = (uint32_t)fuzz_pick(f, mtus, ARRAY_LEN(mtus)) % 65536, done = 0, n = 0;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct frame_iter it;
	struct frame frame;

	if (frame_begin(&it, pkt, caps, mtu) != DROP_NONE)
		return;
	while (frame_next(&it, &frame)) {
		uint32_t len = receive(&frame, f, skip);

		vnet_build(&hdr, &frame.offload, 1);
		check_offload(&it, &frame, caps, mtu);
		if (it.whole) {
			check_whole(&frame, len, mtu);
		} else {
			ASSERT(len - it.l3 <= mtu);
			done += check_segment(&it, &frame, done, len);
		}
		ASSERT(++n <= PKT_LEN_MAX / 8);
	}
	ASSERT(it.whole || it.payload + done == sample.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);
	struct pkt_seg segs[PIECES_MAX];
	struct pieces body;
	struct pkt *pkt;

	for (uint32_t i = 0; pattern[1] == 0 && i < sizeof(pattern); i++)
		pattern[sizeof(pattern) - 1 - i] = (uint8_t)(i * 7 + (i >> 8) + 1);
	make_sample(&sample, &f);
	pieces_make(&body, &f, sample.len - min_u32(sample.len, PKT_HEAD_MAX), sample.bytes + PKT_HEAD_MAX);
	pkt = aligned_alloc(_Alignof(struct pkt), sizeof(*pkt));
	ASSERT(pkt);
	make_pkt(pkt, &sample, &body, segs);
	if (vnet_parse(&pkt->offload, &sample.hdr, sample.len))
		send(pkt, &f);
	ASAN_UNPOISON_MEMORY_REGION(pkt, sizeof(*pkt));
	free(pkt);
	pieces_free(&body);
	return 0;
}
